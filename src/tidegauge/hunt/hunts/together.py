"""Hosts of ours that begin the same new thing within minutes: their common far end first."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, exp, log

import numpy as np

from tidegauge.hunt.context import MOST_LISTED, HuntContext, displayed, service, whereabouts
from tidegauge.hunt.oddity import C2, COMMON_PORTS
from tidegauge.model import Finding, format_address

TOGETHER_S = 600
TOGETHER_HOSTS = 4
MOST_CHANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Begun:
    """An outside service, and when each of our hosts first called it (epoch microseconds, in order)."""

    server: bytes
    port: int
    proto: int
    times: list[int]
    clients: list[bytes]
    calls: int
    far_country: str | None
    far_as: int | None
    far_class: int | None
    way = "out"
    unanswered = True

    @property
    def far(self) -> bytes:
        return self.server


@dataclass(frozen=True)
class Joined:
    """Hosts that began within one stretch of time: the first of them, how many, and the chance of that."""

    begun: Begun
    first: int
    hosts: int
    chance: float


def find(context: HuntContext) -> list[Finding]:
    """The least likely by chance first."""
    rows = context.rows(Begun, "together", least=TOGETHER_HOSTS)
    context.examined["services that several hosts began to call"] += len(rows)
    joined = [found for row in rows if (found := _joined(context, row, max(len(rows), 1))) is not None]
    listed = sorted(joined, key=lambda j: j.chance)[:MOST_LISTED]
    return [_finding(context, one) for one in listed if not context.expects(one.begun)]


def _joined(context: HuntContext, begun: Begun, tried: int) -> Joined | None:
    start_us, end_us = context.since_s * 1_000_000, context.until_s * 1_000_000
    times = np.array(begun.times, dtype=np.int64)
    if times[0] < start_us + 0.1 * (end_us - start_us):
        return None  # it may have begun before the data did
    width = TOGETHER_S * 1_000_000
    within = np.searchsorted(times, times + width, side="right") - np.arange(len(times))
    first = int(np.argmax(within))
    hosts = int(within[first])
    if hosts < max(TOGETHER_HOSTS, 0.8 * len(times)) or begun.calls < 2 * len(times):
        return None
    chance = min(1.0, tried * _by_chance(len(times), hosts, width / max(end_us - times[0], width)))
    return None if chance > MOST_CHANCE else Joined(begun, first, hosts, chance)


def _finding(context: HuntContext, joined: Joined) -> Finding:
    begun, count = joined.begun, joined.hosts
    whom, name = format_address(begun.server), context.name_of(begun.server)
    everybodys = count >= context.most_hosts and begun.port in COMMON_PORTS
    listed = bool(int(begun.far_class or 0) & C2)
    within = f"within {TOGETHER_S // 60} minutes"
    reasons = [
        f"{count} of the {len(begun.times)} hosts that ever called {whom}{f' ({name})' if name else ''} on"
        f" {service(begun.proto, begun.port)}{whereabouts(begun)} called it first {within}; by chance that would be"
        f" seen with a probability of {joined.chance:.2g}",
        "a botnet's members do so on a command; so do computers after an update by their owner",
    ]
    if everybodys:
        reasons.append("they are most of those that call out at all: a program that all have")
    return Finding(
        kind="together",
        title=f"{count} hosts of ours began to call {whom} {within}",
        start_s=begun.times[joined.first] // 1_000_000,
        end_s=context.until_s,
        subject=whom,
        score=float(np.clip(0.4 + 0.05 * count, 0, 0.85)),
        severity="low" if everybodys and not listed else "medium",
        reasons=tuple(reasons),
        where=f"dst = '{whom}' AND dst_port = {begun.port}",
        peers=tuple(format_address(c) for c in begun.clients[joined.first : joined.first + count]),
        evidence={"hosts": count, "all": len(begun.times), "chance": joined.chance, **displayed(begun)},
    )


def _by_chance(count: int, joined: int, share: float) -> float:
    """A bound on the chance that `joined` of `count` first calls fall within one stretch of that share of the time."""
    if share >= 1:
        return 1.0
    log_bound = (
        log(count) + log(float(comb(count - 1, joined - 1)) if count < 200 else 2.0**count) + (joined - 1) * log(share)
    )
    return min(1.0, exp(min(log_bound, 0.0)))
