"""A network of thousands of hosts and a hundred million flows: how long hunts take, what memory, and what they take for
serious where nothing was planted. Prints one JSON line.

    python -m benchmarks.hunting.speed --parts 6 > speed.jsonl
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tidegauge.atlas import Atlas, label
from tidegauge.lake import open_writer
from tidegauge.model import format_time
from tidegauge.simulate.office import BEGIN_S, HOME, office, popular_servers
from tidegauge.site import init_site, load_site

HOSTS, DAYS, MEMORY_MB = 1000, 14, 4096
PROGRAM = Path(sys.executable).parent / "tidegauge"


def build(folder: Path, parts: int, seed: int) -> int:
    """Write a network of `parts` times `HOSTS` hosts; how many flows it has."""
    init_site(folder, home=[str(HOME)], simulated=True)
    toml = folder / "tidegauge.toml"
    toml.write_text(toml.read_text().replace("# memory_mb = 384", f"memory_mb = {MEMORY_MB}"))
    site = load_site(folder)
    atlas = Atlas.of(site)
    servers = popular_servers(np.random.default_rng(seed))
    count = 0
    for part in range(parts):
        made = office(
            np.random.default_rng(seed + 1 + part), hosts=HOSTS, days=DAYS // 2, history_days=DAYS // 2, plants=[],
            first_host=part * HOSTS, servers=servers,
        )
        with open_writer(site.data, atlas.stamp) as writer:
            for at in range(0, len(made.flows), 1_000_000):
                flows = made.flows.take(np.arange(at, min(at + 1_000_000, len(made.flows))))
                writer.add_flows(label(flows, site, atlas))
            writer.commit()
        count += len(made.flows)
        print(f"{count:,} flows", file=sys.stderr, flush=True)
    return count


def measured(*arguments: str) -> tuple[float, float, dict[str, Any]]:
    """Seconds, peak memory (MB) and reply of the program."""
    begun, peak = time.perf_counter(), 0.0
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([str(PROGRAM), *arguments, "--json"], stdout=out)
        while process.poll() is None:
            try:
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                peak = max([peak, *(int(x.split()[1]) * 1.024e-3 for x in lines if x.startswith("VmHWM"))])
            except OSError:
                pass
            time.sleep(0.2)
        spent = time.perf_counter() - begun
        out.seek(0)
        return spent, peak, json.load(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=6)
    parser.add_argument("--seed", type=int, default=4242)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hunting-"))
    try:
        flows = build(folder / "site", arguments.parts, arguments.seed)
        where = ("--site", str(folder / "site"))
        middle = format_time(BEGIN_S + DAYS * 43200)
        half, half_mb, first = measured("hunt", "beacons", "--until", middle, *where)
        whole, whole_mb, _ = measured("hunt", "beacons", *where)
        every, every_mb, found = measured("hunt", "--since", middle, *where)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    counts: dict[str, dict[str, int]] = {}
    for finding in found["findings"]:
        kind = counts.setdefault(finding["severity"], {})
        kind[finding["kind"]] = kind.get(finding["kind"], 0) + 1
    serious = [f["title"] for f in found["findings"] if f["severity"] in ("high", "critical")]
    print(json.dumps({
        "hosts": arguments.parts * HOSTS, "flows": flows, "half_flows": first["examined"]["flows"],
        "beacons_half_s": round(half, 1), "beacons_half_mb": round(half_mb), "beacons_s": round(whole, 1),
        "beacons_mb": round(whole_mb), "all_week_s": round(every, 1), "all_week_mb": round(every_mb),
        "by_severity": counts, "serious": serious,
    }))


if __name__ == "__main__":
    main()
