"""Hosts that ask for many domains that look made up and do not exist: members of a botnet look for their master so."""

from __future__ import annotations

import numpy as np

from tidegauge.hunt.context import HuntContext
from tidegauge.model import Finding, format_address
from tidegauge.model.generated import looks_generated

LEAST, CLEAR = 12, 100
LEAST_SHARE = 0.25
"""Of the domains without an answer."""


def find(context: HuntContext) -> list[Finding]:
    """Hosts in the order in which they asked."""
    found = []
    for client, domains in context.names_asked.failed.items():
        made = sorted(d for d in domains if looks_generated(d) > 0.6)
        usual = len(context.names_asked.asked[client]) - len(domains)
        if len(made) < LEAST or len(made) < LEAST_SHARE * len(domains):
            continue
        who = format_address(client)
        found.append(
            Finding(
                kind="generated-names",
                title=f"{who} asks for {len(made):,} domains that look made up and do not exist",
                start_s=context.since_s,
                end_s=context.until_s,
                subject=who,
                score=float(np.clip(0.4 + len(made) / 200, 0, 0.95)),
                severity="high" if len(made) >= CLEAR else "medium",
                reasons=(
                    f"{who} got no answer for {len(domains):,} domains, of which {len(made):,} look as if a program had"
                    f" made them, such as {', '.join(made[:4])}; {usual:,} others it asked for exist",
                    "members of a botnet look for their master so",
                ),
                where=f"src = '{who}' AND dst_port = 53",
                peers=tuple(made[:20]),
                evidence={"generated": len(made), "without_answer": len(domains), "with_answer": usual},
            )
        )
    return found
