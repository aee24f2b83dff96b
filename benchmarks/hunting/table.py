"""The lines of `sites` and `speed` as `benchmarks/HUNTING.md` and the curves in `docs/explanation/images`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent.parent
IMAGES = HERE.parent / "docs" / "explanation" / "images"
LISTED, HIGH = ("medium", "high", "critical"), ("high", "critical")
COLOURS = ("#1f5f8b", "#c0392b", "#2e8b57")
Row = dict[str, Any]
Test = Callable[[Row], bool]

KINDS: dict[str, Test] = {
    "beacon, awake": lambda p: p["kind"] == "beacon" and not p["sleeps"],
    "beacon that sleeps 16 hours a day": lambda p: p["kind"] == "beacon" and p["sleeps"],
    "pass-through for one pair": lambda p: p["kind"] == "relay",
    "proxy or relay for many": lambda p: p["kind"] == "proxy",
    "egress in one night": lambda p: p["kind"] == "egress" and not p["slow"],
    "egress a little every day": lambda p: p["kind"] == "egress" and p["slow"],
    "insisting on a shut door, 8 to 39 calls": lambda p: p["kind"] == "insistent",
    "flood": lambda p: p["kind"] == "flood",
    "ping sweep": lambda p: p.get("shape") == "ping-sweep",
    "horizontal scan": lambda p: p.get("shape") == "wide-scan",
    "vertical scan": lambda p: p.get("shape") == "deep-scan",
    "passwords guessed at tcp/22": lambda p: p.get("shape") == "guess-ssh",
    "passwords guessed at tcp/2222": lambda p: p.get("shape") == "guess-odd",
    "short channel, TLS at an odd port": lambda p: p.get("shape") == "short-odd",
}
NAMED: dict[str, Test] = {
    "short channel, DNS": lambda p: p.get("shape") == "short-dns",
    "short channel, HTTP": lambda p: p.get("shape") == "short-http",
    "short channel, TLS": lambda p: p.get("shape") == "short-tls",
    "short channel, TLS at an odd port": lambda p: p.get("shape") == "short-odd",
    "7 to 11 calls an hour, TLS at an odd port": lambda p: p["kind"] == "few",
}
SHORT_CALLS = {str(n): (n, n + 1) for n in (50, 100, 300)}
JITTERS = {"0-10 %": (0, 0.1), "10-20 %": (0.1, 0.2), "20-30 %": (0.2, 0.3), "30-40 %": (0.3, 0.4), "40-50 %": (0.4, 1)}
VOLUMES = {
    "10-100 MB": (0, 1e8), "100-300 MB": (1e8, 3e8), "0.3-1 GB": (3e8, 1e9), "1-3 GB": (1e9, 3e9),
    "3-10 GB": (3e9, 1e12),
}

SEEN = {"8-20": (8, 20), "20-50": (20, 50), "50-100": (50, 100), "100-200": (100, 200), "200 and more": (200, 1e9)}

HEAD = """\
# Hunts over simulated networks

Made by `make bench-hunting` (`benchmarks/hunting/`); in brackets, where given, what the version before found of the
same networks. A planted thing counts as found when a finding of its kind, host and far end has severity medium or
more. Everything is simulated (`simulate/office.py`); the first days are the history of those that are hunted.
"""


def wilson(hits: int, count: int) -> str:
    """A share with its 95 % interval (Wilson 1927)."""
    if not count:
        return "none"
    share, z = hits / count, 1.96
    middle = (share + z * z / 2 / count) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / 4 / count / count)
    return f"{share:.0%} ({max(middle - half, 0):.0%}-{min(middle + half, 1):.0%}) of {count}"


def condition(row: Row) -> str:
    if row["sampling"] > 1:
        return f"sampled 1:{row['sampling']}"
    return f"{row['loss']:.0%} of flows lost" if row["loss"] else "all flows"


def found(rows: list[Row], keep: Test, levels: tuple[str, ...] = LISTED) -> tuple[int, int]:
    chosen = [r for r in rows if keep(r)]
    return sum(r["found"] in levels for r in chosen), len(chosen)


def within(key: str, low: float, up: float, row: Row) -> bool:
    return bool(low <= row[key] < up)


def grid(
    head: str, rows: dict[str, Test], planted: list[Row], columns: list[str], before: list[Row] | None = None
) -> list[str]:
    """A table of recall by condition; what another version found of the same networks behind it in brackets."""
    lines = ["", f"| {head} | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    for name, keep in rows.items():
        cells = []
        for c in columns:
            cell = wilson(*found([p for p in planted if p["condition"] == c], keep))
            hits, count = found([p for p in before or [] if p["condition"] == c], keep)
            cells.append(f"{cell} [{hits / count:.0%}]" if count else cell)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def curve(name: str, title: str, axis: str, rows: dict[str, Test], planted: list[Row], columns: list[str]) -> None:
    """A small SVG of recall over classes, a line for each condition."""
    width, height, left, top = 660, 300, 60, 40
    step = (width - left - 170) / max(len(rows) - 1, 1)

    def y(share: float) -> float:
        return top + (1 - share) * (height - top - 60)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
        ' font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/><text x="{left}" y="22" font-size="14">{title}</text>',
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        out.append(f'<line x1="{left}" x2="{width - 160}" y1="{y(share)}" y2="{y(share)}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 8}" y="{y(share) + 4}" text-anchor="end">{share:.0%}</text>')
    for i, text in enumerate(rows):
        out.append(f'<text x="{left + i * step}" y="{height - 38}" text-anchor="middle">{text}</text>')
    out.append(f'<text x="{(left + width - 160) / 2}" y="{height - 14}" text-anchor="middle">{axis}</text>')
    for place, (column, colour) in enumerate(zip(columns, COLOURS, strict=False)):
        own = [p for p in planted if p["condition"] == column]
        counts = [found(own, keep) for keep in rows.values()]
        points = [(left + i * step, y(hits / count)) for i, (hits, count) in enumerate(counts) if count >= 5]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        out.append(f'<text x="{width - 150}" y="{top + 14 + 18 * place}" fill="{colour}">{column}</text>')
    IMAGES.mkdir(parents=True, exist_ok=True)
    (IMAGES / f"{name}.svg").write_text("\n".join([*out, "</svg>"]) + "\n", encoding="utf-8")


def compared(sites: list[Row], before: list[Row]) -> list[str]:
    """Ours and RITA's score on the same pairs: how many ordinary pairs stand above the planted ones."""
    lines = [
        "", "## Beside RITA's score", "",
        "Pairs of a host of ours and an outside service with 20 flows or more in the hunted days (time, names and",
        "mail left out), of every fourth network. Ordinary pairs include whatever else runs by the clock.", "",
        "| networks | score | planted, in the first ten of theirs | area under the curve | above 99 % of others |",
        "| --- | --- | --- | --- | --- |",
    ]
    for sampled in (False, True):
        chosen = [s for s in sites if (s["sampling"] > 1) == sampled and s["pairs"]]
        pairs = [tuple(p) for s in chosen for p in s["pairs"]]
        planted, ordinary = [p for p in pairs if p[2]], [p for p in pairs if not p[2]]
        if not planted or not ordinary:
            continue
        what = f"{'sampled' if sampled else 'not sampled'}: {len(planted)} planted, {len(ordinary):,} others"
        seeds = {s["seed"] for s in chosen}
        then = [s for s in before if s["seed"] in seeds and s["pairs"]]
        rivals = [
            ("tidegauge (regularity, sizes, presence, callers)", 0, chosen), ("RITA, from its description", 1, chosen)
        ]
        rivals += [("tidegauge before", 0, then)] if then else []
        for name, place, whose in rivals:
            first = sum(p[2] for s in whose for p in sorted(s["pairs"], key=lambda p: -p[place])[:10])
            theirs = np.sort([p[place] for s in whose for p in s["pairs"] if not p[2]])
            own = [p[place] for s in whose for p in s["pairs"] if p[2]]
            below, to = (np.searchsorted(theirs, own, side=side) for side in ("left", "right"))
            ranks = (below + to) / 2 / len(theirs)
            cells = (f"{first} of {len(planted)}", f"{ranks.mean():.3f}", f"{(ranks >= 0.99).mean():.0%}")
            lines.append(f"| {what} | {name} | " + " | ".join(cells) + " |")
    return lines


def false_ones(sites: list[Row], planted: list[Row], before: list[Row]) -> list[str]:
    wrong = [f for s in sites for f in s["false"]]
    then = [f for s in before for f in s["false"]]
    high = [f for f in wrong if f["severity"] in HIGH]
    lines = [
        "", "## Found where nothing was planted", "",
        f"In {len(sites)} networks {len(high)} findings of severity high and {len(wrong) - len(high)} of",
        "severity medium about hosts in which nothing was planted:", "", "| kind | high | medium |",
        "| --- | --- | --- |",
    ]
    for kind in sorted({f["kind"] for f in wrong}):
        own = [f["severity"] for f in wrong if f["kind"] == kind]
        old = [f["severity"] for f in then if f["kind"] == kind]
        beside = [f" [{sum(s in HIGH for s in old)}]", f" [{old.count('medium')}]"] if before else ["", ""]
        lines.append(f"| {kind} | {sum(s in HIGH for s in own)}{beside[0]} | {own.count('medium')}{beside[1]} |")
    hits, listed = found(planted, lambda p: True, HIGH)[0], found(planted, lambda p: True)[0]
    return [
        *lines, "",
        f"Precision: {hits / max(hits + len(high), 1):.1%} of findings of severity high and"
        f" {listed / max(listed + len(wrong), 1):.1%} of those of medium or more are about what was planted.",
    ]


def speed(row: Row) -> list[str]:
    growth = (row["beacons_s"] / row["beacons_half_s"]) / (row["flows"] / row["half_flows"])
    counted = [f"{level} {n} {kind}" for level, kinds in row["by_severity"].items() for kind, n in kinds.items()]
    return [
        "", "## Speed, and a large quiet network", "",
        f"{row['hosts']:,} hosts, {row['flows']:,} flows of two weeks, two cores, `memory_mb = 4096`.", "",
        "| | seconds | peak memory, MB |", "| --- | --- | --- |",
        f"| `hunt beacons`, {row['half_flows']:,} flows | {row['beacons_half_s']} | {row['beacons_half_mb']:,} |",
        f"| `hunt beacons`, {row['flows']:,} flows | {row['beacons_s']} | {row['beacons_mb']:,} |",
        f"| `hunt`, all kinds, the second week | {row['all_week_s']} | {row['all_week_mb']:,} |", "",
        f"A flow takes {growth:.2f} times as long among twice as many. Nothing was planted; found in",
        f"the second week: {', '.join(counted)}.",
    ]


def read(paths: list[Path]) -> list[Row]:
    return [json.loads(line) for path in paths for line in path.read_text().splitlines() if line.strip()]


def of_before(sites: list[Row], before: list[Row]) -> list[Row]:
    """What another version found of the things planted in the same networks."""
    known = {s["seed"]: s for s in sites}
    return [
        {**new, "found": old["found"], "condition": condition(known[s["seed"]])}
        for s in before if s["seed"] in known
        for old, new in zip(s["planted"], known[s["seed"]]["planted"], strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", nargs="+", type=Path)
    parser.add_argument("--beside", type=Path, help="lines of another version's `sites`, of the same seeds")
    arguments = parser.parse_args()
    rows = read(arguments.lines)
    sites = [r for r in rows if r.get("planted")]
    then = read([arguments.beside]) if arguments.beside else []
    planted = [{**p, "condition": condition(s)} for s in sites for p in s["planted"]]
    old = of_before(sites, then)
    old_beacons = [o for o in old if o["kind"] == "beacon"]
    beacons, egress = ([p for p in planted if p["kind"] == k] for k in ("beacon", "egress"))
    columns = sorted({p["condition"] for p in planted}, key=lambda c: (c.startswith("sampled"), c.endswith("lost")))
    flows = sum(s["flows"] for s in sites)
    jitters = {name: partial(within, "jitter", *ends) for name, ends in JITTERS.items()}
    volumes = {name: partial(within, "bytes", *ends) for name, ends in VOLUMES.items()}
    curve("recall-jitter", "Beacons found, by jitter", "jitter, share of the period", jitters, beacons, columns)
    curve("recall-volume", "Egress found, by volume", "sent out", volumes, egress, columns)
    sampled = [c for c in columns if c.startswith("sampled")]
    calls = {name: partial(within, "seen", *ends) for name, ends in SEEN.items()}
    curve("recall-sampled", "Beacons found in sampled flows, by sampled calls", "calls of which a packet was sampled",
          calls, beacons, sampled)
    serious = [f"{name}: {wilson(*found(planted, keep, HIGH))}" for name, keep in KINDS.items()]
    listed = [{**p, "found": p["found"] and "medium"} for p in planted]
    shorts = {name: partial(within, "calls", *ends) for name, ends in SHORT_CALLS.items()}
    curve("recall-short", "Short channels named, by calls within ten minutes", "calls within ten minutes", shorts,
          [p for p in listed if p["kind"] == "short"], columns)
    lines = [
        HEAD,
        f"{len(sites)} networks of {sites[0]['hosts']} hosts, {sites[0]['days']} days hunted after"
        f" {sites[0]['history']} days of history, {flows:,} flows, {len(planted):,} things planted.",
        "", "## Found", *grid("planted", KINDS, planted, columns, old), "",
        "With severity high, all conditions together: " + "; ".join(serious) + ".",
        "", "## Named at all", "",
        "Short channels within ten minutes, and few calls over an hour, are listed whatever their port; of severity",
        "medium or more are only those to an odd one. Here a finding of any severity counts.",
        *grid("planted", NAMED, listed, columns),
        *grid("calls within ten minutes", shorts, [p for p in listed if p["kind"] == "short"], columns), "",
        "## By size",
        *grid("jitter of beacons", jitters, beacons, columns, old_beacons),
        *grid("calls seen, beacons", calls, beacons, sampled, old_beacons),
        *grid("calls seen, beacons that do not sleep", calls, [b for b in beacons if not b["sleeps"]], sampled),
        *grid("sent out", volumes, egress, columns, [o for o in old if o["kind"] == "egress"]),
        *false_ones(sites, planted, then), *compared(sites, then),
        *(line for r in rows if "beacons_s" in r for line in speed(r)),
    ]
    (HERE / "HUNTING.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
