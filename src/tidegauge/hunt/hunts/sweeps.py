"""Many asked at once: ping sweeps, and one service of dozens of hosts asked for within seconds, answered or not.

A scan that is answered has no failed contacts; what tells it is its breadth in time. Whoever asks the same hosts again
and again (monitoring, a load balancer's health checks) is no scanner, and services that everybody asks (resolvers, web
and mail servers) are not its victims.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegauge.hunt.context import (
    MOST_BEFORE,
    MOST_LISTED,
    PUBLIC_CLIENTS,
    HuntContext,
    displayed,
    service,
    whereabouts,
)
from tidegauge.lake import Caller
from tidegauge.model import Finding, Severity, flows_query, format_address, format_duration

PINGS, LEAST_SWEPT, SWEPT_S = (1, 58), 16, 30
SERVICES, LEAST_ASKED, ASKED_S = (6, 17), 20, 10
"""Protocols, and so many hosts within so many seconds."""
ROUNDS, ROUNDS_S = 3, 3600
"""Who comes back to its targets in so many minutes, for so long, watches them."""
ANSWERED = 0.5
"""Or who gets answers from so many of those to whom it comes back: what somebody set up to be watched is mostly there,
what a scanner tries mostly is not."""
GUARDED = (21, 22, 23, 135, 139, 445, 1433, 3306, 3389, 5432, 5900, 5985, 5986)
"""Of outside hosts only these services count as asked for in breadth: a browser asks dozens of others in seconds."""


@dataclass(frozen=True, kw_only=True)
class Sweep(Caller):
    """A client that asked many within seconds.

    Attributes:
        most: how many; from address `low` to `high`, until `end_us` (epoch microseconds).
        minutes: in how many it asked each of them, the median.
        answered: the share that did.
    """

    most: int
    minutes: float
    answered: float
    low: bytes
    high: bytes
    end_us: int

    @property
    def watches(self) -> bool:
        """Whether it comes back to those whom it asked, for long or with answers from nearly all."""
        return self.minutes >= ROUNDS and (self.lasted_s >= ROUNDS_S or self.answered >= ANSWERED)


def find(context: HuntContext) -> list[Finding]:
    """Ping sweeps, then others, the widest first."""
    context.make("first_contacts", guarded=list(GUARDED))
    return [*_found(context, PINGS, LEAST_SWEPT, SWEPT_S), *_found(context, SERVICES, LEAST_ASKED, ASKED_S)]


def _found(context: HuntContext, protocols: tuple[int, ...], least: int, within_s: int) -> list[Finding]:
    """Clients whose first contacts with so many hosts fall within so many seconds."""
    rows = context.rows(
        Sweep, "sweeps", protocols=list(protocols), least=least, width_us=within_s * 1_000_000,
        public_clients=PUBLIC_CLIENTS, listed=4 * MOST_LISTED,
    )
    others = [row for row in rows if not row.watches]
    if len(rows) > len(others):
        context.skipped["client of many", "comes back to them again and again: it watches them"] += len(rows) - len(
            others
        )
    known = context.asked_before([*others])
    found = []
    for row in others[:MOST_LISTED]:
        before = known.get((row.client, row.proto, row.port), ())
        if sum(row.low <= server <= row.high for server in before) >= MOST_BEFORE * row.most:
            context.skipped["client of many", "asked most of them before: it works with them"] += 1
        else:
            found.append(_finding(row))
    return found


def _finding(sweep: Sweep) -> Finding:
    who, inward, ping = format_address(sweep.client), sweep.way == "in", sweep.proto in PINGS
    what = "ping" if ping else service(sweep.proto, sweep.port)
    last_s = sweep.end_us / 1e6
    spent = max(round(last_s - sweep.first_s), 1)
    loud = float(np.clip(np.log10(sweep.most) / 4, 0, 1))
    severity: Severity = "low" if inward else "medium"
    reasons = [
        f"{who}{whereabouts(sweep) if inward else ''} {'pinged' if ping else f'asked for {what} of'} {sweep.most:,}"
        f" {'outside hosts' if sweep.way == 'out' else 'hosts of ours'} within {format_duration(spent)}, from"
        f" {format_address(sweep.low)} to {format_address(sweep.high)}; {sweep.answered:.0%} answered",
        "it had not asked most of them before, and does not come back to them as monitoring does",
    ]
    if not ping:
        reasons.append(f"none of these is a service that {PUBLIC_CLIENTS} or more clients ask")
    if not inward:
        reasons.append("a host of ours that looks for others is often commanded from outside, or used by somebody else")
    where = f"src = '{who}' AND " + (f"proto = {sweep.proto}" if ping else f"dst_port = {sweep.port}")
    return Finding(
        kind="scan",
        title=f"{'ping sweep' if ping else 'horizontal scan'} by {who}: {sweep.most:,} hosts on {what}",
        start_s=int(sweep.first_s),
        end_s=int(sweep.last_s) + 1,
        subject=who,
        score=(0.35 if inward else 0.6) + 0.35 * loud,
        severity=severity,
        reasons=tuple(reasons),
        where=where,
        query=flows_query(where, sweep.first_s, last_s + 1),
        evidence={
            "shape": "ping sweep" if ping else "horizontal", "servers": sweep.most, "within_s": spent,
            "answered": round(sweep.answered, 3), "ports": 1, "way": sweep.way, **displayed(sweep),
        },
    )
