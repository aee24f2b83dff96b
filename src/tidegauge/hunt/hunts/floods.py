"""Hosts of ours that send very many packets to one far end and get next to nothing back; no acknowledged TCP."""

from __future__ import annotations

import numpy as np

from tidegauge.hunt.context import MOST_LISTED, HuntContext, service, times, whereabouts
from tidegauge.lake import Pair
from tidegauge.model import Finding, format_address, format_bytes, format_duration

PACKETS = 100_000
CLEAR_RATE = 5000
"""Packets a second."""


def find(context: HuntContext) -> list[Finding]:
    """The most packets first."""
    return [_finding(row) for row in context.rows(Pair, "floods", packets=PACKETS, listed=MOST_LISTED)]


def _finding(pair: Pair) -> Finding:
    who, whom = format_address(pair.client), format_address(pair.server)
    rate = pair.up_packets / max(pair.lasted_s, 1)
    return Finding(
        kind="flood",
        title=f"{who} floods {whom}",
        **times(pair),
        subject=who,
        score=float(np.clip(0.5 + 0.1 * np.log10(rate / 500 + 1), 0, 0.95)),
        severity="high" if rate > CLEAR_RATE else "medium",
        reasons=(
            f"{who} sent {pair.up_packets:,.0f} packets ({format_bytes(pair.up_bytes)}) to {whom}{whereabouts(pair)} on"
            f" {service(pair.proto, pair.port)} in {format_duration(round(pair.lasted_s))}, and"
            f" {pair.down_packets:,.0f} came back: one side of a flood, or a stream that nobody acknowledges",
        ),
        where=f"src = '{who}' AND dst = '{whom}'",
        peers=(whom,),
        evidence={"packets": pair.up_packets, "back": pair.down_packets, "packets_per_second": round(rate)},
    )
