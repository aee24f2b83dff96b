"""What `tidegauge leak` finds of made persons in every form, and of innocent lines; and how fast it goes.

python -m benchmarks.leaks.find [--persons 20000] [--lines 2000000] > part of benchmarks/LEAKS.md
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.leaks.innocent import KINDS, write_innocent
from benchmarks.leaks.persons import FIELDS, FILES, FORMS, persons, zones

MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "tidegauge.cli", "leak", "--json", sys.argv[1]])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""
"""Runs the program from a small process: what a child takes before it begins is its parent's."""


def leak(path: Path) -> tuple[dict[str, Any], float, int]:
    """The reply, seconds, and the largest memory of a process of the program (kB)."""
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", MEASURED, str(path)], capture_output=True, check=False)
    taken = time.perf_counter() - begun
    return json.loads(done.stdout), taken, int(done.stderr.split()[-1])


def found_of(told: dict[str, Any], valid: dict[str, int]) -> tuple[int, int, int, int]:
    """Values of the kinds that went in: how many were found, how many there are, how many too many, other kinds."""
    by_kind = {kind: count for kind, count in told["summary"]["by_kind"].items() if kind != "mail"}
    right = sum(min(by_kind.get(kind, 0), count) for kind, count in valid.items())
    over = sum(max(by_kind.get(kind, 0) - count, 0) for kind, count in valid.items())
    other = sum(count for kind, count in by_kind.items() if kind not in valid)
    return right, sum(valid.values()), over, other


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--persons", type=int, default=20_000)
    options.add_argument("--lines", type=int, default=2_000_000)
    options.add_argument("--seed", type=int, default=16)
    options.add_argument("--only")
    given = options.parse_args()
    rows, values = persons(given.persons, given.seed)
    valid = {kind: len(values[kind]) for kind in FIELDS}
    print("| form | MB | found | of | share | too many | of other kinds | persons | s | MB/s | peak MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for name in [*FORMS, *FILES, "mrz.txt"]:
            if given.only and given.only != name:
                continue
            path, wanted = Path(folder) / f"staff.{name}", valid
            if name in FORMS:
                path.write_bytes(FORMS[name](rows))
            elif name in FILES:
                FILES[name](rows, path)
            else:
                lines, count = zones(given.persons, given.seed)
                path.write_text("\n\n".join(lines))
                wanted = {"mrz": count}
            told, taken, peak = leak(path)
            right, of, over, other = found_of(told, wanted)
            size = path.stat().st_size / 1e6
            print(f"| {name} | {size:.1f} | {right:,} | {of:,} | {right / of:.2%} | {over} "
                  f"| {other} | {told['summary']['persons']:,} | {taken:.1f} | {size / taken:.2f} "
                  f"| {peak >> 10} |", flush=True)
            if right < of or over or other or told["skipped"]:
                print({k: (told["summary"]["by_kind"].get(k, 0), v) for k, v in wanted.items()
                       if told["summary"]["by_kind"].get(k, 0) != v}, told["skipped"][:3], file=sys.stderr)
                print({k: v for k, v in told["summary"]["by_kind"].items() if k not in wanted}, file=sys.stderr)
            path.unlink()
        print("\n| innocent lines | lines | MB | findings | values | s | MB/s |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        for kind in KINDS:
            if given.only and given.only != kind:
                continue
            path = Path(folder) / kind
            count = given.lines // len(KINDS)
            write_innocent(kind, count, path, given.seed)
            told, taken, _ = leak(path)
            size = path.stat().st_size / 1e6
            values_found = sum(f["evidence"]["count"] for f in told["findings"])
            print(f"| {kind} | {count:,} | {size:.1f} | {len(told['findings'])} | {values_found} | {taken:.1f} "
                  f"| {size / taken:.1f} |", flush=True)
            if told["findings"]:
                print([(f["evidence"]["what"], f["evidence"]["count"], f["reasons"], f["evidence"]["places"][:3])
                       for f in told["findings"]], file=sys.stderr)
            path.unlink()


if __name__ == "__main__":
    main()
