"""Connections that were held for more than an hour, whole or as the flows into which an exporter cut them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegauge.hunt.context import HuntContext, displayed, service, times, where_pair, whereabouts
from tidegauge.hunt.oddity import C2
from tidegauge.lake import Called
from tidegauge.model import Finding, Severity, format_address, format_bytes, format_duration

LONG_S = 3600.0
CUT_S = 30 * 60
"""Exporters cut a long connection at least so often."""
LISTED = 100


@dataclass(frozen=True, kw_only=True)
class Held(Called):
    """A connection, and the bytes each way."""

    up_bytes: float | None
    down_bytes: float
    unanswered = False


def find(context: HuntContext) -> list[Finding]:
    """The longest first."""
    rows = context.rows(Held, "long_connections", long_us=int(LONG_S * 1e6), cut_us=int(CUT_S * 1e6), most=LISTED)
    return [_finding(context, row) for row in rows]


def _finding(context: HuntContext, held: Held) -> Finding:
    expected = context.expects(held)
    score = float(np.clip(np.log2(held.lasted_s / LONG_S) / 8 + 0.2, 0, 0.8)) * (0.35 if expected else 1.0)
    severity: Severity = "critical" if int(held.far_class or 0) & C2 else "info" if expected else "low"
    if severity == "low" and held.lasted_s >= 12 * 3600:
        severity = "medium"
    who, whom = format_address(held.client), format_address(held.server)
    lasted = format_duration(round(held.lasted_s))
    reasons = [
        f"{who} held one connection to {whom} on {service(held.proto, held.port)} for {lasted},"
        f" {format_bytes(held.up_bytes or 0)} out and {format_bytes(held.down_bytes)} back{whereabouts(held)}"
    ]
    if expected:
        reasons.append(f"ranked below, since it is expected: {expected}")
    return Finding(
        kind="long-connection",
        title=f"{who} held a connection to {whom} for {lasted}",
        **times(held),
        subject=format_address(held.ours),
        score=score,
        severity=severity,
        reasons=tuple(reasons),
        where=where_pair(held),
        peers=(format_address(held.far),),
        evidence={
            "service": service(held.proto, held.port), "duration_s": round(held.lasted_s), "bytes_out": held.up_bytes,
            "bytes_back": held.down_bytes, **displayed(held), "way": held.way,
        },
    )
