"""Hosts that come back to an outside service at an odd port a few times an hour: too few calls for a rhythm to show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegauge.hunt.context import MOST_LISTED, HuntContext, displayed, service, times, where_pair, whereabouts
from tidegauge.hunt.hunts.many_calls import MANY, SMALL_DOWN, SMALL_UP
from tidegauge.hunt.oddity import COMMON_PORTS, odd
from tidegauge.lake import Pair
from tidegauge.model import Finding, format_address, format_bytes, format_duration

FEW, APART_S, LEAST_LASTED_S = 5, 1200, 1200
"""At least so many calls, no further apart than this in the mean, over so long."""
MOST_DOORS = 8
"""Who calls so many services at odd ports shares files, or plays."""


@dataclass(frozen=True, kw_only=True)
class Rare(Pair):
    """A pair, and how many hosts call that service."""

    callers: int


def find(context: HuntContext) -> list[Finding]:
    """The most calls first."""
    context.rare_services()
    rows = context.rows(
        Rare, "few_calls", few=FEW, many=MANY, apart_us=APART_S * 1_000_000, least_us=LEAST_LASTED_S * 1_000_000,
        small_up=SMALL_UP, small_down=SMALL_DOWN, common_ports=sorted(COMMON_PORTS), most_doors=MOST_DOORS,
        listed=MOST_LISTED,
    )
    return [finding for row in rows if (finding := _finding(context, row)) is not None]


def _finding(context: HuntContext, pair: Rare) -> Finding | None:
    strange = odd(context, pair, context.name_of(pair.server))
    if not strange or context.expects(pair):
        return None
    who, whom, what = format_address(pair.client), format_address(pair.server), service(6, pair.port)
    an_hour = pair.calls / max(pair.lasted_s / 3600, 1e-9)
    return Finding(
        kind="few-calls",
        title=f"{who} came back to {whom} on {what} {pair.calls:,} times",
        **times(pair),
        subject=who,
        score=float(np.clip(0.25 + 0.01 * pair.calls, 0, 0.5)),
        severity="low",
        reasons=(
            f"{who} called {what} of {whom}{whereabouts(pair)} {pair.calls:,} times in"
            f" {format_duration(round(pair.lasted_s))} ({an_hour:.1f} an hour),"
            f" {format_bytes(pair.up_bytes / pair.calls)} out and {format_bytes(pair.down_bytes / pair.calls)} back a"
            " call: too few for a rhythm to show",
            strange,
            f"{pair.callers:,} {'host calls' if pair.callers == 1 else 'hosts call'} that service",
        ),
        where=where_pair(pair),
        peers=(whom,),
        evidence={
            "service": what, "door": what, "calls": pair.calls, "an_hour": round(an_hour, 2), "callers": pair.callers,
            "way": pair.way, **displayed(pair),
        },
    )
