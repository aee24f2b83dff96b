"""Hosts of ours that exchanged data with a watched asset, and what they sent elsewhere soon after they took from it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tidegauge.hunt.context import DAY_S, HuntContext, query
from tidegauge.hunt.limits import POWER, HuntLimit
from tidegauge.model import Finding, Severity, format_address, format_bytes, format_time

MATCH_S = 3 * DAY_S
WATCHED_MUCH, MATCHED_LEAST = 100_000_000, 1_000_000
LIKE = (0.15, 1.3)
"""What is sent on is between these shares of what was taken: compressed data are smaller."""
LISTED = 100


@dataclass(frozen=True)
class Exchange:
    """What one host of ours exchanged with the asset, in bytes and flows; times in epoch microseconds."""

    home: bytes
    came: float
    went: float
    flows: int
    first_us: int
    last_us: int


@dataclass(frozen=True)
class SentOn:
    """A far end that got about as much as was taken from the asset, from when on (epoch seconds), and the chance of
    that: the share of the host's other stretches of the same length in which some far end got as much."""

    far: str
    sent: float
    start_s: float
    chance: float


def find(context: HuntContext) -> list[Finding]:
    """The largest exchanges first; nothing without a watch."""
    if not context.watch_name:
        return []
    context.limits += _limits(context)
    rows = context.rows(Exchange, "watched_hosts", listed=LISTED)
    context.examined["hosts that exchanged data with the watched asset"] += len(rows)
    return [_finding(context, row) for row in rows]


def _limits(context: HuntContext) -> list[HuntLimit]:
    scope = f"watch {context.watch_name}"
    limits = [
        HuntLimit("egress", scope, "exchanged with it by one host", WATCHED_MUCH, "bytes"),
        HuntLimit("egress", scope, "taken from it and sent on within three days", MATCHED_LEAST, "bytes"),
    ]
    return [limit if context.covered >= POWER else replace(limit, value=None) for limit in limits]


def _finding(context: HuntContext, row: Exchange) -> Finding:
    who = format_address(row.home)
    first, last = row.first_us / 1e6, row.last_us / 1e6
    reasons = [
        f"{who} exchanged {row.flows:,} flows with {context.watch_name} from {format_time(first)} to"
        f" {format_time(last)}: it got {format_bytes(row.came)} and sent {format_bytes(row.went)}",
        *_habit(context, row),
    ]
    severity: Severity = "medium" if max(row.came, row.went) >= WATCHED_MUCH else "low"
    score = float(np.clip(0.2 + 0.1 * np.log10(max(row.came, row.went, 1)) / 1.2, 0.2, 0.7))
    peers: tuple[str, ...] = (context.watch_name,)
    evidence: dict[str, Any] = {"bytes_in": int(row.came), "bytes_out": int(row.went), "flows": row.flows,
                                "watch": context.watch_name}
    if (on := _sent_on(context, row)) is not None:
        reasons.append(
            f"within {MATCH_S // DAY_S} days after it took from it, it sent {format_bytes(on.sent)} to {on.far}"
            f" ({on.sent / row.came:.2f} of what it took; compressed data are smaller); in other times of the same"
            f" length that is seen with a probability of {on.chance:.2g}"
        )
        evidence |= {"matched_to": on.far, "matched_bytes": int(on.sent), "chance": on.chance,
                     "matched_from": format_time(on.start_s)}
        peers += (on.far,)
        severity = "high" if on.chance < 0.01 else "medium"
        score = max(score, 0.9 - min(on.chance, 0.5))
    return Finding(
        kind="egress",
        title=f"{who} exchanged {format_bytes(row.came + row.went)} with {context.watch_name}",
        start_s=int(first),
        end_s=int(last) + 1,
        subject=who,
        score=score,
        severity=severity,
        reasons=tuple(reasons),
        where=f"src = '{who}' OR dst = '{who}'",
        peers=peers,
        evidence=evidence,
    )


def _habit(context: HuntContext, row: Exchange) -> list[str]:
    """How that differs from what the host exchanged with the asset before."""
    if context.since_s - context.history_s < DAY_S:
        return []
    with context.pairs.between(context.history_s, context.since_s) as before:
        (sums,) = before.table(query("watched_before"), home=row.home).to_pylist()
    came, went = float(sums["came"]), float(sums["went"])
    if came + went == 0:
        return ["it had no data from or to it in the history before"]
    if (went > came) == (row.went > row.came):
        return []
    return [f"the other way round from its habit: before, it got {format_bytes(came)} and sent {format_bytes(went)}"]


def _sent_on(context: HuntContext, row: Exchange) -> SentOn | None:
    """The far end that fits best what was taken; None where none does, or too little was."""
    if row.came < MATCHED_LEAST:
        return None
    until_s = min(context.until_s, int(row.last_us // 1_000_000) + MATCH_S)
    with context.pairs.between(context.history_s, until_s) as then:
        table = then.table(query("sent_by_hour"), home=row.home)
    begun, end = row.first_us // 3_600_000_000, row.last_us // 3_600_000_000 + MATCH_S // 3600
    sums: dict[bytes, float] = defaultdict(float)
    starts: dict[bytes, int] = {}
    windows: dict[int, dict[bytes, float]] = defaultdict(lambda: defaultdict(float))
    length = max(int(end - begun), 1)
    for far, hour, went in zip(*(table[n].to_pylist() for n in ("far", "hour", "went")), strict=True):
        if begun <= hour <= end:
            sums[far] += went
            starts.setdefault(far, hour)
        elif hour < begun:
            windows[int((begun - hour - 1) // length)][far] += went
    low, high = (share * row.came for share in LIKE)
    fitting = [(abs(np.log(sent / row.came)), far, sent) for far, sent in sums.items() if low <= sent <= high]
    if not fitting:
        return None
    _, far, sent = min(fitting, key=lambda f: f[0])
    spans = max(int((begun - context.history_s // 3600) // length), 0)
    hits = sum(any(low <= v <= high for v in window.values()) for window in windows.values())
    return SentOn(format_address(far), sent, starts[far] * 3600.0, (hits + 1) / (spans + 2))
