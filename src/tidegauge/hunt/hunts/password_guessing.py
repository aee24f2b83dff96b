"""Passwords guessed: dozens of short conversations alike, each opened anew, with a service that is not everybody's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegauge.hunt.context import (
    MOST_LISTED,
    PUBLIC_CLIENTS,
    HuntContext,
    displayed,
    service,
    times,
    whereabouts,
)
from tidegauge.lake import Pair
from tidegauge.model import Finding, Severity, format_address, format_bytes, format_duration

GUESSES = 20
GUESSED = {21: "FTP", 22: "SSH", 23: "telnet", 25: "mail", 110: "mail", 143: "mail", 445: "SMB", 465: "mail",
           587: "mail", 993: "mail", 995: "mail", 1433: "SQL Server", 3306: "MySQL", 3389: "RDP", 5432: "PostgreSQL",
           5900: "VNC", 5985: "WinRM", 5986: "WinRM"}
REQUESTS = (53, 80, 443, 853, 1883, 5222, 5223, 6379, 8000, 8008, 8080, 8081, 8088, 8443, 8883, 8888, 9200)
"""Ports at which requests are short and alike by nature."""
LEAST_PACKETS = 7
"""Of the client in a conversation: a password takes several turns, a request one."""
MOST_UP, MOST_DOWN, MOST_PACKETS = 6000, 12000, 40
"""Bytes out and back, and packets out, of a conversation that ended at a refused password."""
ALIKE = 0.4
"""The middle half of the conversations differ in size by at most this share of the median."""
SHORT_S = 60.0
A_MINUTE = 1.0
"""Conversations a minute, from which on so few are told from a program's at a port that is not known for passwords,
and are serious at one that is."""
STEADY_S = 6 * 3600
"""What goes on longer than that, or went on before, is how two programs talk."""


@dataclass(frozen=True)
class Conversations:
    """The shape of a pair's conversations: quartiles of their sizes (bytes), their ports, their length (us)."""

    client: bytes
    server: bytes
    port: int
    ports: int
    sizes: list[float]
    lasted_us: float

    def alike(self, pair: Pair) -> bool:
        """Whether they are short, of one size, and each opened anew."""
        low, middle, high = self.sizes
        anew = self.ports >= 0.8 * pair.calls
        return anew and self.lasted_us <= SHORT_S * 1e6 and high - low <= ALIKE * middle


def find(context: HuntContext) -> list[Finding]:
    """At ports known for passwords, then at others; the most conversations first."""
    known = context.rows(Pair, "guessing_known", guessed=list(GUESSED), guesses=GUESSES)
    listed = [pair for pair in known if guesses(pair) and not _steady(context, pair)]
    shaped = [pair for pair in _shaped(context) if not _steady(context, pair, always=True)]
    pairs = (*listed[:MOST_LISTED], *shaped[:MOST_LISTED])
    return [finding for pair in pairs if (finding := _finding(context, pair)) is not None]


def guesses(pair: Pair) -> bool:
    """Whether a pair looks like somebody who guesses passwords of a service that asks for one."""
    turns = pair.sampling > 1 or pair.up_packets >= LEAST_PACKETS * pair.calls
    return pair.port in GUESSED and turns and _many_short(pair, a_minute=2 / 60)


def _many_short(pair: Pair, a_minute: float) -> bool:
    minutes = max(pair.lasted_s / 60, 1e-9)
    return (
        pair.proto == 6 and pair.held >= GUESSES and pair.calls > a_minute * minutes
        and pair.up_bytes < MOST_UP * pair.calls and pair.down_bytes < MOST_DOWN * pair.calls
        and pair.up_packets < MOST_PACKETS * pair.calls
    )


def _shaped(context: HuntContext) -> list[Pair]:
    """Pairs whose conversations have the shape of guesses, at a port that is not known for passwords."""
    context.make(
        "shaped", others=[*GUESSED, *REQUESTS], guesses=GUESSES, public_clients=PUBLIC_CLIENTS,
        least_packets=LEAST_PACKETS,
    )
    pairs = [pair for pair in context.pairs.rows(Pair, "FROM shaped ORDER BY held DESC") if _many_short(pair, A_MINUTE)]
    if not pairs:
        return []
    shapes = {(s.client, s.server, s.port): s for s in context.rows(Conversations, "shapes")}
    return [pair for pair in pairs if shapes[pair.client, pair.server, pair.port].alike(pair)]


def _steady(context: HuntContext, pair: Pair, *, always: bool = False) -> bool:
    """Whether two hosts of ours (or any two, with `always`) talk so for long, or did before: two programs."""
    if pair.way != "internal" and not always:
        return False
    if pair.lasted_s >= STEADY_S:
        return True
    return pair.first_s - context.since_s < 60 and context.seen_before(pair)


def _finding(context: HuntContext, pair: Pair) -> Finding | None:
    who, whom, door = format_address(pair.client), format_address(pair.server), service(6, pair.port)
    name = GUESSED.get(pair.port, f"the service at {door}")
    mail = name == "mail"
    if mail and (pair.way != "in" or pair.held < 5 * GUESSES):
        return None  # mail programs and servers talk like that
    if context.expects(pair) and not mail:
        return None
    a_minute = pair.held / max(pair.lasted_s / 60, 1)
    slow = a_minute < A_MINUTE and pair.held < 5 * GUESSES
    severity: Severity = "low" if pair.way == "in" or slow else "medium"
    if severity == "medium" and pair.held >= 200 and a_minute > 2:
        severity = "high"
    calls = max(pair.calls, 1)
    reasons = [
        f"{who}{whereabouts(pair) if pair.way == 'in' else ''} had {pair.held:,} short conversations with {door} of"
        f" {whom} in {format_duration(round(pair.lasted_s))} ({a_minute:.1f} a minute),"
        f" {format_bytes(pair.up_bytes / calls)} out and {format_bytes(pair.down_bytes / calls)} back in the mean: as"
        " if each ended at a refused password"
    ]
    if slow:
        reasons.append("few, and far between: programs that work with the service can look like that")
    if pair.port not in GUESSED:
        reasons.append(
            "its port is that of no service known to ask for passwords: they are told by their shape, short, of one"
            " size, and each opened anew"
        )
    return Finding(
        kind="password-guessing",
        title=f"{who} guesses passwords of {name} at {whom}",
        **times(pair),
        subject=who,
        score=guess_score(pair.held, a_minute),
        severity=severity,
        reasons=tuple(reasons),
        where=f"src = '{who}' AND dst = '{whom}' AND dst_port = {pair.port}",
        peers=(whom,),
        evidence={
            "service": GUESSED.get(pair.port, door), "conversations": pair.held, "a_minute": round(a_minute, 2),
            "way": pair.way, **displayed(pair),
        },
    )


def guess_score(conversations: int, a_minute: float) -> float:
    """How telling so many conversations are, at such a rate."""
    return float(np.clip(0.3 + 0.12 * np.log10(conversations) + 0.05 * min(a_minute, 4), 0, 0.9))
