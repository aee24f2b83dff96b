"""Hunts over simulated networks: what was planted and found, what was found and not planted; one JSON line a site.

python -m benchmarks.hunting.sites --sites 200 --hosts 40 --days 2 --history 5 --seed 1 > sites.jsonl
python -m benchmarks.hunting.table sites.jsonl > ../HUNTING.md
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tidegauge.atlas import Atlas, label
from tidegauge.detect.beacons import regularity, rita_score
from tidegauge.hunt import KINDS, Counted, hunt, rhythm_of, weighed
from tidegauge.lake import FlowFilter, Lake, Pairs, open_writer
from tidegauge.model import LedgerBuilder, format_address, parse_address
from tidegauge.simulate.office import BRIEF, EXPORTER, HOME, Office, Planted, office
from tidegauge.site import Site, init_site, load_site

PLANTS = ["beacon", "beacon", "sleeper", "relay", "proxy", "egress", "egress", "slow", *BRIEF]
CONDITIONS = ({"loss": 0.0, "sampling": 1}, {"loss": 0.2, "sampling": 1}, {"loss": 0.0, "sampling": 100})
CALLS = ("beacon", "many-calls", "few-calls")
MATCHES = {
    "beacon": CALLS, "relay": ("passthrough",), "proxy": ("passthrough",), "egress": ("egress",), "short": CALLS,
    "few": CALLS, "insistent": (*CALLS, "scan"), "scan": ("scan",), "guessing": ("password-guessing",),
    "flood": ("flood",),
}


def store(made: Office, folder: Path) -> Site:
    """A site with the flows of a simulated network."""
    init_site(folder, home=[str(HOME)], simulated=True)
    site = load_site(folder)
    atlas = Atlas.of(site)
    # The exporter was there all the time.
    minutes = np.arange(int(made.flows["time_start"].min()) // 60_000_000, made.until_s // 60) * 60
    ledger = LedgerBuilder()
    whose = np.zeros(len(minutes), np.int32)
    ledger.add(exporters=(EXPORTER,), exporter=whose, minute_s=minutes, datagrams=1, records=1)
    with open_writer(site.data, atlas.stamp) as writer:
        writer.add_ledger(ledger.table())
        for at in range(0, len(made.flows), 500_000):
            part = made.flows.take(np.arange(at, min(at + 500_000, len(made.flows))))
            writer.add_flows(label(part, site, atlas))
        writer.commit()
    return site


def run(
    seed: int, hosts: int, plants: list[str], pairs_compared: bool, days: int = 7, history: int = 7
) -> dict[str, Any]:
    """One network: made, stored, hunted, compared with its truth."""
    random = np.random.default_rng(seed)
    condition = CONDITIONS[seed % len(CONDITIONS)]
    made = office(random, hosts=hosts, days=days, history_days=history, plants=plants, **condition)
    folder = Path(tempfile.mkdtemp(prefix="hunting-"))
    try:
        site = store(made, folder / "site")
        begun = time.perf_counter()
        found = hunt(site, tuple(KINDS), since_s=made.since_s, until_s=made.until_s)
        spent = time.perf_counter() - begun
        compared = compare_scores(site, made, condition["sampling"] > 1) if pairs_compared else []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    out: dict[str, Any] = {"seed": seed, "hosts": hosts, "days": days, "history": history,
                           "flows": len(made.flows), "hunt_s": round(spent, 2),
                           **condition, "planted": [], "false": [], "pairs": compared}
    explained = set()
    for plant in made.planted:
        hits = [
            f for f in found.findings
            if f.subject == plant.host and f.kind in MATCHES[plant.kind]
            and (not plant.peers or set(plant.peers) & set(f.peers))
        ]
        explained.add(plant.host)
        best = hits[0] if hits else None
        out["planted"].append({"kind": plant.kind, **plant.about, "seen": seen_calls(made, plant),
                               "found": best.severity if best else None, "score": best.score if best else 0.0})
    for finding in found.findings:
        if finding.severity in ("high", "critical", "medium") and finding.subject not in explained:
            out["false"].append({"kind": finding.kind, "severity": finding.severity, "title": finding.title})
    return out


def seen_calls(made: Office, plant: Planted) -> int:
    """Flows from the host to its far end that arrived in the hunted time."""
    if not plant.peers:
        return 0
    src, dst = (np.frombuffer(parse_address(a), dtype=np.uint8) for a in (plant.host, plant.peers[0]))
    flows = made.flows
    own = (flows["src"] == src).all(axis=1) & (flows["dst"] == dst).all(axis=1)
    return int((own & (flows["time_start"] >= made.since_s * 1_000_000)).sum())


def compare_scores(site: Site, made: Office, sampled: bool) -> list[tuple[float, float, bool]]:
    """Our regularity and RITA's score of the same pairs (those with 20 calls), and whether each was planted."""
    lake = Lake(site.data)
    truth = {(p.host, p.peers[0]) for p in made.planted if p.kind == "beacon"}
    out = []
    with Pairs(lake, FlowFilter(made.since_s * 1_000_000, made.until_s * 1_000_000)) as pairs:
        pairs.regulars(20)
        rhythm = rhythm_of(pairs) if sampled else None
        for table in pairs.calls():
            keys = table["key"].to_numpy()
            starts, sizes = table["start_us"].to_numpy() / 1e6, table["bytes"].to_numpy().astype(np.float64)
            edges = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1], True])
            ends = {row.key: row for row in pairs.ends(Counted, keys[edges[:-1]].tolist())}
            for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                row = ends[int(keys[a])]
                if row.way != "out" or row.port in (53, 123, 993):
                    continue
                named = (format_address(row.client), format_address(row.server))
                judged = regularity(starts[a:b], sizes[a:b], rhythm)
                ours = weighed(judged, row.callers)
                out.append((round(ours, 4), round(rita_score(starts[a:b], sizes[a:b]), 4), named in truth))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--history", type=int, default=7)
    parser.add_argument("--quiet", action="store_true", help="plant nothing: false findings alone")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    plants = [] if arguments.quiet else PLANTS
    seeds = range(arguments.seed, arguments.seed + arguments.sites)
    with ProcessPoolExecutor(arguments.workers) as pool:
        jobs = [
            pool.submit(run, s, arguments.hosts, plants, not arguments.quiet and s % 4 == 0, arguments.days,
                        arguments.history) for s in seeds
        ]
        for job in jobs:
            print(json.dumps(job.result()), flush=True)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
