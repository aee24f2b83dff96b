"""Hosts of ours that take data in from one far end and send them on to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.detect.relays import Followed, followed
from tidegauge.hunt.context import HuntContext
from tidegauge.hunt.limits import HuntLimit, quantile
from tidegauge.model import Finding, Severity, format_address, format_bytes, format_time

LEAST_BYTES, CLEAR_BYTES = 200_000, 1_000_000
NEIGHBOURS = 12
"""Far ends of a host that give or take most, each side."""
MOST_CANDIDATES = 3000
CLEAR_Z, CLEAR_CORRELATION = 8.0, 0.5
ONE_PAIR = "of one pair"
"""Between which far ends it passes data on, in the evidence."""

Flows = dict[tuple[bytes, bytes, str], tuple[NDArray[np.float64], ...]]
"""Starts, ends (seconds) and bytes of flows, by host, far end and direction."""


@dataclass(frozen=True)
class Candidate:
    """A host of ours, a far end that gave it data and one that took as much, in bytes; times in epoch microseconds."""

    home: bytes
    giver: bytes
    taker: bytes
    came: float
    went: float
    first_us: int
    last_us: int


def find(context: HuntContext) -> list[Finding]:
    """One finding for a host and its best pair of far ends."""
    context.make("exchanged")
    context.limits += _limits(context)
    candidates = context.rows(
        Candidate, "givers_and_takers", least_bytes=LEAST_BYTES, neighbours=NEIGHBOURS, most=MOST_CANDIDATES
    )
    context.examined["pairs of far ends with like volumes"] += len(candidates)
    flows = _flows_of(context, candidates)
    best: dict[bytes, tuple[float, Candidate, Followed]] = {}
    for row in candidates:
        came, went = flows.get((row.home, row.giver, "in")), flows.get((row.home, row.taker, "out"))
        if came is None or went is None:
            continue
        follow = followed(*came, *went)
        if follow is None or follow.correlation < 0.25 or follow.z < 5 or follow.rank > 0.002 * follow.shifts:
            continue
        strength = follow.correlation * min(follow.z / CLEAR_Z, 2) * _like(follow.ratio)
        if row.home not in best or strength > best[row.home][0]:
            best[row.home] = (strength, row, follow)
    return [_finding(row, follow, len(candidates)) for _, row, follow in best.values()]


def _limits(context: HuntContext) -> list[HuntLimit]:
    """How much a host must take from one outside and send on to another, in a dozen pieces or more within minutes, to
    be among the far ends that are compared, and to be more than a weak finding."""
    table = context.table("least_compared", neighbours=NEIGHBOURS)
    needed = np.maximum(table["amount"].to_numpy(), max(LEAST_BYTES, CLEAR_BYTES))
    what = "taken from one outside host and sent on to another within minutes, in a dozen pieces or more"
    return [HuntLimit("passthrough", "site", what, quantile(needed, context.covered), "bytes")]


def _flows_of(context: HuntContext, candidates: list[Candidate]) -> Flows:
    """The flows of all candidates; one query."""
    if not candidates:
        return {}
    ordered = sorted({(r.home, r.giver, "in") for r in candidates} | {(r.home, r.taker, "out") for r in candidates})
    homes, fars, ways = zip(*ordered, strict=True)
    context.pairs.join(pa.table({
        "home": pa.array(homes, pa.binary()), "far": pa.array(fars, pa.binary()), "way": ways,
        "place": np.arange(len(ordered)),
    }))
    table = context.table("compared_flows")
    scales = (("start_us", 1e6), ("end_us", 1e6), ("bytes", 1.0))
    columns = [table[name].to_numpy().astype(np.float64) / scale for name, scale in scales]
    edges = np.searchsorted(table["place"].to_numpy(), np.arange(len(ordered) + 1))
    return {
        key: tuple(column[edges[place] : edges[place + 1]] for column in columns)
        for place, key in enumerate(ordered)
        if edges[place + 1] > edges[place]
    }


def _like(ratio: float) -> float:
    """1 for what went on unchanged, less for compressed or padded data."""
    return float(np.clip(1 - abs(np.log(max(ratio, 1e-6))) / 2, 0.2, 1))


def _severity(row: Candidate, follow: Followed, score: float) -> Severity:
    unmatched = follow.z < CLEAR_Z or follow.rank > 0
    well = follow.matched >= 12 and 2 * follow.matched >= follow.active and 0.6 <= follow.ratio <= 1.6
    if not unmatched and well and follow.correlation >= CLEAR_CORRELATION and row.came >= CLEAR_BYTES:
        return "high"
    return "medium" if not unmatched and follow.matched >= 8 and score >= 0.3 else "low"


def _finding(row: Candidate, follow: Followed, tried: int) -> Finding:
    home, giver, taker = (format_address(end) for end in (row.home, row.giver, row.taker))
    score = float(np.clip(follow.correlation * min(1.0, follow.z / 12) * _like(follow.ratio), 0, 0.98))
    first, last = row.first_us / 1e6, row.last_us / 1e6
    return Finding(
        kind="passthrough",
        title=f"{home} passes data of {giver} on to {taker}",
        start_s=int(first),
        end_s=int(last) + 1,
        subject=home,
        score=score,
        severity=_severity(row, follow, score),
        reasons=(
            f"{home} took {format_bytes(row.came)} from {giver} and sent {format_bytes(row.went)} to {taker}"
            f" ({follow.ratio:.2f} of it), between {format_time(first)} and {format_time(last)}",
            f"what went out followed what came in after {follow.lag_s:.0f} s: correlation {follow.correlation:.2f} in"
            f" bins of {follow.width_s:.0f} s, {follow.z:.0f} standard deviations above other shifts of time;"
            f" {follow.rank:,} of {follow.shifts:,} shifts do as well",
            f"it is the best of {tried:,} pairs of far ends looked at; an ordinary server of that volume answers those"
            " who call it, and sends nothing of like size to a third",
        ),
        where=f"(src = '{giver}' AND dst = '{home}') OR (src = '{home}' AND dst = '{taker}')",
        peers=(giver, taker),
        evidence={
            "bytes_in": int(row.came), "bytes_out": int(row.went), "ratio": round(follow.ratio, 3),
            "lag_s": round(follow.lag_s, 1), "correlation": round(follow.correlation, 3), "z": round(follow.z, 1),
            "rank": follow.rank, "shifts": follow.shifts, "relay": ONE_PAIR,
        },
    )
