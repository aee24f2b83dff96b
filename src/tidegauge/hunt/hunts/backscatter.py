"""Answers to questions that a host of ours never asked: somebody forges its address."""

from __future__ import annotations

from dataclasses import dataclass

from tidegauge.hunt.context import MOST_LISTED, HuntContext
from tidegauge.hunt.hunts.scans import LEAST_TARGETS
from tidegauge.model import Finding, format_address


@dataclass(frozen=True)
class Forged:
    """A host of ours, and who answered it unasked; times in epoch microseconds."""

    client: bytes
    servers: int
    answers: int
    first_us: int
    last_us: int


def find(context: HuntContext) -> list[Finding]:
    """The most servers first; nothing where our own calls are often not seen."""
    if "out" in context.one_sided:
        return []
    rows = context.rows(Forged, "backscatter", least_targets=LEAST_TARGETS, listed=MOST_LISTED)
    return [_finding(row) for row in rows]


def _finding(forged: Forged) -> Finding:
    who = format_address(forged.client)
    return Finding(
        kind="backscatter",
        title=f"{forged.servers:,} outside hosts answer calls that {who} never made",
        start_s=forged.first_us // 1_000_000,
        end_s=forged.last_us // 1_000_000 + 1,
        subject=who,
        score=0.3,
        severity="low",
        reasons=(
            f"{forged.servers:,} outside hosts accepted {forged.answers:,} calls (SYN and ACK) of {who} of which none"
            " was seen to go out, and which it refused: its address is forged by somebody who floods them",
            "who was flooded sees our address, though nothing came from us",
        ),
        where=f"dst = '{who}' AND tcp_flags = 18",
        evidence={"servers": forged.servers, "answers": forged.answers},
    )
