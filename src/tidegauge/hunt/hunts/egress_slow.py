"""Low and slow: a little every day for weeks, nearly all of it outward, to a place that few send to."""

from __future__ import annotations

from dataclasses import dataclass

from tidegauge.hunt.context import DAY_S, HuntContext
from tidegauge.hunt.limits import HuntLimit
from tidegauge.lake import rows_of
from tidegauge.model import Finding, format_address, format_bytes, format_time

SLOW_DAYS = 7
NEW_AFTER_S = 2 * DAY_S
SLOW_BYTES, SLOW_MUCH = 10_000_000, 100_000_000
LISTED = 100


@dataclass(frozen=True)
class Slow:
    """What a host and a far end exchanged (bytes), on how many days it sent, and how many of our hosts send there."""

    home: bytes
    far: bytes
    came: float
    went: float
    days: int
    first_us: int
    last_us: int
    hosts: int


def find(context: HuntContext) -> list[Finding]:
    """The largest amounts first."""
    context.limits.append(_limit(context))
    table = context.by_day(
        "slow_egress", least_days=SLOW_DAYS, least_bytes=SLOW_BYTES, since_us=context.since_s * 1_000_000, listed=LISTED
    )
    return [_finding(row, context.history_s + NEW_AFTER_S) for row in rows_of(Slow, table)]


def _limit(context: HuntContext) -> HuntLimit:
    lasts = context.until_s - context.history_s
    slow = SLOW_MUCH / SLOW_DAYS if lasts >= NEW_AFTER_S + SLOW_DAYS * DAY_S else None
    return HuntLimit("egress", "site", "sent each day for a week to a place that few send to", slow, "bytes")


def _finding(row: Slow, new_from_s: float) -> Finding:
    who, far = format_address(row.home), format_address(row.far)
    first, last = row.first_us / 1e6, row.last_us / 1e6
    new = first > new_from_s
    return Finding(
        kind="egress",
        title=f"{who} sends {far} a little every day: {format_bytes(row.went)} in all",
        start_s=int(first),
        end_s=int(last) + 1,
        subject=who,
        score=0.55 if new else 0.35,
        severity="medium" if new and row.went >= SLOW_MUCH else "low",
        reasons=(
            f"{who} sent {format_bytes(row.went)} to {far} on {row.days} days and got {format_bytes(row.came)} back",
            f"{row.hosts} of our hosts send there; it began {format_time(first)}"
            f"{'' if new else ', as early as the data reach'}",
        ),
        where=f"src = '{who}' AND dst = '{far}'",
        peers=(far,),
        evidence={"bytes": int(row.went), "back": int(row.came), "days": row.days, "slow": True},
    )
