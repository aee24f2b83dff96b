"""Callers that come to nothing at one door again and again."""

from __future__ import annotations

import numpy as np

from tidegauge.hunt.context import MOST_LISTED, HuntContext, displayed, service, times, whereabouts
from tidegauge.lake import Pair
from tidegauge.model import Finding, format_address, format_duration

KNOCKS = 100


def find(context: HuntContext) -> list[Finding]:
    """The most calls first."""
    rows = context.rows(
        Pair, "knocking", knocks=KNOCKS, unanswered_ways=context.one_sided, listed=MOST_LISTED
    )
    return [_finding(row) for row in rows if not context.expects(row)]


def _finding(pair: Pair) -> Finding:
    who, whom, door = format_address(pair.client), format_address(pair.server), service(pair.proto, pair.port)
    answer = f"{'refused' if pair.down_packets > 0 else 'not answered'} each time"
    answer += f" but {pair.held:,}" if pair.held else ""
    return Finding(
        kind="scan",
        title=f"{who} knocks at {whom} on {door}: {pair.calls:,} times",
        **times(pair),
        subject=who,
        score=0.3 + 0.5 * float(np.clip(np.log10(pair.calls) / 5, 0, 1)),
        severity="low",
        reasons=(
            f"{who}{whereabouts(pair) if pair.way == 'in' else ''} tried {door} of {whom} {pair.calls:,} times in"
            f" {format_duration(round(pair.lasted_s))}, {answer}",
        ),
        where=f"src = '{who}' AND dst = '{whom}' AND dst_port = {pair.port}",
        peers=(whom,),
        evidence={
            "shape": "knocking", "door": door, "calls": pair.calls, "port": pair.port, "held": pair.held,
            "way": pair.way, **displayed(pair),
        },
    )
