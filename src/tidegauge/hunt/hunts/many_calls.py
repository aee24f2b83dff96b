"""Many calls of one host to one outside service within minutes, in whatever rhythm.

A short capture shows no period of minutes; what it shows is that one host calls one service far more often than a
person's programs do, and whether that service is like others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc

from tidegauge.hunt.context import MOST_LISTED, HuntContext, displayed, service, where_pair, whereabouts
from tidegauge.hunt.limits import POWER, HuntLimit
from tidegauge.hunt.oddity import is_new, odd
from tidegauge.lake import Pair
from tidegauge.model import Finding, Severity, format_address, format_bytes, format_duration

MANY, WITHIN_S = 40, 600
"""So many calls of one host to one service within so much time are listed."""
DNS_PORT, LONG_QUERY = 53, 90
"""From so many bytes a query on (headers included), in the mean, names are longer than people's."""
SMALL_UP, SMALL_DOWN = 8_000, 100_000
"""Bytes a call, at most, of a channel that carries commands."""
CALL_PACKETS = 5
"""Packets of a call's own direction, as far as sampling is concerned."""


@dataclass(frozen=True, kw_only=True)
class Burst(Pair):
    """A pair, and its busiest minutes: calls in them, of which `held_then` went on (epoch microseconds)."""

    key: int
    callers: int
    most: float
    begin_us: int
    until_us: int
    held_then: int

    @property
    def silent(self) -> bool:
        """Whether nothing came of the calls of those minutes."""
        return self.proto == 6 and not self.held_then


def find(context: HuntContext) -> list[Finding]:
    """The most calls first."""
    context.limits.append(_limit(context))
    context.rare_services()
    rows = context.rows(Burst, "many_calls", many=MANY, within_s=WITHIN_S, dns_port=DNS_PORT, listed=4 * MOST_LISTED)
    before = context.pairs.first_seen([row.key for row in rows], context.history_s, context.since_s)
    silent = [row.key for row in rows if row.silent]
    opened = context.pairs.first_seen(silent, context.history_s, context.since_s, went_on=True)
    if len(rows) > MOST_LISTED:
        context.skipped["caller of one service", "calls it less often than the ones listed"] += len(rows) - MOST_LISTED
    return [
        _finding(context, row, before.get(row.key, row.first_us) / 1e6,
                 down=row.silent and (row.held > 0 or row.key in opened))
        for row in rows[:MOST_LISTED]
    ]


def _finding(context: HuntContext, burst: Burst, began_s: float, *, down: bool) -> Finding:
    """One host that calls one service many times within minutes; `down` where that is answered at other times."""
    dns = burst.port == DNS_PORT
    count = max(burst.up_packets / burst.sampling if dns and burst.proto == 17 else burst.calls, 1)
    up, back = burst.up_bytes / count, burst.down_bytes / count
    long_names = dns and up >= LONG_QUERY
    expected = None if long_names else context.expects(burst)
    name = context.name_of(burst.server)
    strange = odd(context, burst, name)
    new = is_new(context, began_s)
    answered = burst.down_packets > 0 and (burst.proto != 6 or burst.held > 0)
    small = up <= SMALL_UP and back <= SMALL_DOWN
    severity: Severity = "info" if expected else "low"
    if strange and small and new is not False and not expected and not down:
        severity = "medium"
    most = round(burst.most)
    score = float(np.clip(0.35 + 0.2 * np.log10(most / MANY) + (0.15 if strange else 0), 0, 0.85))
    who, whom, what = format_address(burst.client), format_address(burst.server), service(burst.proto, burst.port)
    first, last = burst.begin_us / 1e6, burst.until_us / 1e6
    lasted = max(round(last - first), 1)
    spent = format_duration(lasted)
    reasons = _reasons(burst, name, spent, up, back)
    told = {
        "its DNS queries are longer than names that people look up: they may carry data": long_names,
        strange: strange,
        "it is new here: the history before does not show it": new,
        "nothing came of its calls then, though it was answered at other times: the other end was down": down,
        "nothing came of its calls: a program insists on a server that is gone, or blocked": not (down or answered),
        f"ranked below, since it is expected: {expected}": expected,
    }
    reasons += [reason for reason, holds in told.items() if holds]
    return Finding(
        kind="many-calls",
        title=f"{who} called {whom} on {what} {most:,} times within {spent}",
        start_s=int(first),
        end_s=int(last) + 1,
        subject=who,
        score=score * (0.35 if expected else 1),
        severity=severity,
        reasons=tuple(reasons),
        where=where_pair(burst),
        peers=(whom,),
        evidence={
            "service": what, "door": what, "calls": most, "within_s": lasted, "bytes_out": round(up),
            "bytes_back": round(back), "callers": burst.callers, "answered": answered, "way": burst.way, "name": name,
            **displayed(burst),
        },
    )


def _reasons(burst: Burst, name: str, spent: str, up: float, back: float) -> list[str]:
    who, whom, what = format_address(burst.client), format_address(burst.server), service(burst.proto, burst.port)
    callers = "only this host calls" if burst.callers == 1 else f"{burst.callers} hosts call"
    return [
        f"{who} called {what} of {whom}{f' ({name})' if name else ''}{whereabouts(burst)} {round(burst.most):,} times"
        f" within {spent}; from {MANY} calls within {format_duration(WITHIN_S)} on, a service that few hosts call is"
        " listed",
        f"{format_bytes(up)} out and {format_bytes(back)} back a call in the mean; {callers} that service",
    ]


def _limit(context: HuntContext) -> HuntLimit:
    """From how many calls on a host that calls one new outside address at an odd port is found."""
    seen = 1 - (1 - 1 / context.sampling) ** CALL_PACKETS
    needed = next((n for n in range(MANY, 40 * MANY) if _at_least(n, seen) >= POWER), None)
    what = (
        "within ten minutes by one host to one new outside address at a port of no common service, whatever their"
        " rhythm"
    )
    value = float(needed) if needed is not None and context.covered >= POWER else None
    return HuntLimit("beacons", "site", what, value, "calls")


def _at_least(count: int, seen: float) -> float:
    """The probability that of so many calls, each seen with that probability, enough are seen."""
    return float(bdtrc(MANY - 1, count, seen))
