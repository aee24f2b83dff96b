"""Five weeks of a hundred million flows: what the program's questions take with rollups and without, and what rollups
cost to make. Prints a table (ROLLUPS.md).

    python -m benchmarks.rollups --flows 100000000 --days 35 --work benchmarks/work/rollups > benchmarks/ROLLUPS.md
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tidegauge.atlas import Atlas, label
from tidegauge.lake import Manifest, open_writer, roll
from tidegauge.model import FlowBatch, LedgerBuilder, format_time, mapped_ipv4
from tidegauge.site import init_site, load_site

BEGIN_S = 1_767_225_600
HOME = 0xC6120000
PROGRAM = Path(sys.executable).parent / "tidegauge"


def build(folder: Path, count: int, days: int, seed: int) -> None:
    """Flows of a day's rhythm, from hosts all over the world, hour by hour."""
    init_site(folder, home=["198.18.0.0/15"], simulated=True)
    site = load_site(folder)
    atlas = Atlas.of(site)
    random = np.random.default_rng(seed)
    hosts = random.integers(1 << 24, 224 << 24, 200_000).astype(np.uint32)
    hosts[np.arange(2000, 22_000, 1000)] = (175 << 24) + (45 << 16) + (176 << 8) + np.arange(20)
    weights = 1 / np.arange(1, len(hosts) + 1)
    edges = np.cumsum(weights / weights.sum())
    networks = random.integers(1, 64_000, 5000)
    rhythm = 1 + 0.6 * np.sin(2 * np.pi * (np.arange(24) - 8) / 24)
    share = rhythm / rhythm.sum()
    for day in range(days):
        with open_writer(site.data, atlas.stamp) as writer:
            for hour in range(24):
                size = int(count / days * share[hour])
                which = np.minimum(np.searchsorted(edges, random.random(size)), len(hosts) - 1)
                far = mapped_ipv4(hosts[which])
                near = mapped_ipv4((HOME + random.integers(0, 1 << 17, size)).astype(np.uint32))
                inward = (random.random(size) < 0.5)[:, None]
                start = (BEGIN_S + day * 86400 + hour * 3600) * 1_000_000
                starts = start + np.sort(random.integers(0, 3_600_000_000, size))
                octets = np.exp(random.normal(7.5, 1.9, size)).astype(np.uint64) + 40
                stated = networks[which % len(networks)]
                batch = FlowBatch.build(
                    src=np.where(inward, far, near), dst=np.where(inward, near, far),
                    exporters=("border-a", "border-b"),
                    time_start=starts, time_end=starts + (random.exponential(20e6, size)).astype(np.int64),
                    src_port=random.integers(1024, 65535, size), dst_port=np.full(size, 443),
                    proto=random.choice([6, 17], size, p=[0.8, 0.2]), packets=octets // 900 + 1, bytes=octets,
                    tcp_flags=np.zeros(size, int), sampling=1, exporter=random.integers(0, 2, size),
                    src_as=np.where(inward[:, 0], stated, 64_500), dst_as=np.where(inward[:, 0], 64_500, stated),
                )
                writer.add_flows(label(batch, site, atlas))
                ledger = LedgerBuilder()
                minutes = np.tile(start // 1_000_000 + np.arange(60) * 60, 2)
                ledger.add(exporters=["border-a", "border-b"], exporter=np.repeat(np.arange(2, dtype=np.int32), 60),
                           minute_s=minutes, datagrams=size // 120 // 25, records=size // 120)
                writer.add_ledger(ledger.table())
            writer.commit()
        print(f"day {day + 1} of {days}", file=sys.stderr, flush=True)


def timed(folder: Path, *arguments: str, runs: int = 3) -> tuple[float, str]:
    """The least seconds of some runs, and what was said."""
    least, said = float("inf"), ""
    for _ in range(runs):
        begun = time.perf_counter()
        command = [str(PROGRAM), *arguments, "--json", "--site", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        least, said = min(least, time.perf_counter() - begun), done.stdout
    return least, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=100_000_000)
    parser.add_argument("--days", type=int, default=35)
    parser.add_argument("--seed", type=int, default=35)
    parser.add_argument("--work", type=Path, required=True, help="The lake is made here once, and kept.")
    arguments = parser.parse_args()
    folder = arguments.work
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        build(folder, arguments.flows, arguments.days, arguments.seed)
        (folder / "whole").touch()
    site = load_site(folder)
    end_s = BEGIN_S + arguments.days * 86400
    week = format_time(end_s - 7 * 86400)
    questions = {
        "ask --from KP, the last week against four": ("ask", "--from", "KP", "--since", week),
        "ask --from CN, the same": ("ask", "--from", "CN", "--since", week),
        "ask --from all, the same": ("ask", "--from", "all", "--since", week),
        "ask --from CN, the last day": ("ask", "--from", "CN", "--since", format_time(end_s - 86400)),
        "series --from CN, five weeks": ("series", "--from", "CN"),
        "series --from AS, five weeks": ("series", "--where", "src_as > 1000"),
        "top far_country, five weeks": ("top", "far_country"),
        "top far_as, five weeks": ("top", "far_as"),
    }
    rows: dict[str, list[float]] = {name: [] for name in questions}
    answers: dict[str, list[str]] = {name: [] for name in questions}
    spent = 0.0
    shutil.rmtree(site.data / "rollup", ignore_errors=True)
    Manifest(site.data).forget_rollups()
    for rolled in (False, True):
        if rolled:
            begun = os.times()
            roll(site.data)
            ended = os.times()
            spent = ended.user + ended.system - begun.user - begun.system
        for name, question in questions.items():
            seconds, said = timed(folder, *question, runs=3 if rolled else 1)
            rows[name].append(seconds)
            answers[name].append(said)
            print(name, seconds, file=sys.stderr, flush=True)
    flows = sum(s.rows for s in Manifest(site.data).segments("flows"))
    size = sum(p.stat().st_size for p in (site.data / "flows").rglob("*.parquet"))
    extra = sum(p.stat().st_size for p in (site.data / "rollup").rglob("*.parquet"))
    print(f"# Questions by rollups\n\n{flows:,} simulated flows of {arguments.days} days ({size / 1e9:.1f} GB), two"
          f" exporters, 5,000 ASes, {os.cpu_count()} cores. Rollups took {spent / flows * 1e6:.2f} s of CPU a million"
          f" flows to make and {extra / 1e9:.2f} GB ({extra / size:.0%} of the flows). Seconds of the whole program,"
          " the best of three; without rollups one run. The answers are the same to the last digit where the table"
          " says so.\n")
    print("| question | from flows, s | from rollups, s | ratio | same answer |\n| --- | ---: | ---: | ---: | --- |")
    for name, (before, after) in rows.items():
        same = json.loads(answers[name][0]) == json.loads(answers[name][1])
        print(f"| {name} | {before:.1f} | {after:.2f} | {before / after:.0f} | {'yes' if same else 'no'} |")


if __name__ == "__main__":
    main()
