"""A few short conversations each with many servers of one service: one password tried everywhere.

Who worked with these servers before, or goes on for long, is no guesser; nor is mail between servers.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegauge.hunt.context import (
    MOST_BEFORE,
    MOST_LISTED,
    HuntContext,
    displayed,
    service,
    times,
    whereabouts,
)
from tidegauge.hunt.hunts.password_guessing import (
    A_MINUTE,
    GUESSED,
    GUESSES,
    LEAST_PACKETS,
    MOST_DOWN,
    MOST_PACKETS,
    MOST_UP,
    STEADY_S,
    guess_score,
)
from tidegauge.lake import Caller
from tidegauge.model import Finding, format_address, format_bytes, format_duration

SPRAYED, SPRAYED_AT = 60, 5
"""So many conversations with so many servers together, a few with each, are one guess at the names of all."""


@dataclass(frozen=True, kw_only=True)
class Spray(Caller):
    """A client, and the servers that it asked, in order of time."""

    servers: int
    held: int
    calls: int
    up_bytes: float
    down_bytes: float
    asked: list[bytes]


def find(context: HuntContext) -> list[Finding]:
    """The most conversations first."""
    rows = context.rows(
        Spray, "spraying", guessed=[port for port, name in GUESSED.items() if name != "mail"], guesses=GUESSES,
        most_up=MOST_UP, most_down=MOST_DOWN, most_packets=MOST_PACKETS, least_packets=LEAST_PACKETS, sprayed=SPRAYED,
        sprayed_at=SPRAYED_AT, listed=MOST_LISTED,
    )
    rows = [row for row in rows if row.held >= A_MINUTE * row.lasted_s / 60]
    known = context.asked_before([*rows])
    found = []
    for row in rows:
        before = known.get((row.client, row.proto, row.port), set())
        if len(before.intersection(row.asked)) >= MOST_BEFORE * row.servers:
            context.skipped["client of many", "worked with most of them before"] += 1
        elif row.lasted_s < STEADY_S:
            found.append(_finding(row))
    return found


def _finding(spray: Spray) -> Finding:
    who, name, inward = format_address(spray.client), GUESSED[spray.port], spray.way == "in"
    a_minute = spray.held / max(spray.lasted_s / 60, 1)
    return Finding(
        kind="password-guessing",
        title=f"{who} guesses passwords of {name} at {spray.servers:,} hosts",
        **times(spray),
        subject=who,
        score=guess_score(spray.held, a_minute),
        severity="low" if inward else "medium",
        reasons=(
            f"{who}{whereabouts(spray) if inward else ''} had {spray.held:,} short conversations with"
            f" {service(6, spray.port)} of {spray.servers:,} hosts in {format_duration(round(spray.lasted_s))}"
            f" ({a_minute:.1f} a minute), {spray.held / spray.servers:.0f} with each in the mean,"
            f" {format_bytes(spray.up_bytes / spray.calls)} out and {format_bytes(spray.down_bytes / spray.calls)} back"
            " in the mean: as if the same few passwords were tried at all of them",
            "so does a program that its owner lets log in to all of them; the history does not show that it did before",
        ),
        where=f"src = '{who}' AND dst_port = {spray.port}",
        evidence={
            "service": name, "conversations": spray.held, "servers": spray.servers, "a_minute": round(a_minute, 2),
            "way": spray.way, **displayed(spray),
        },
    )
