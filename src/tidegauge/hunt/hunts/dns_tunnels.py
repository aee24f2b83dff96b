"""Names that carry data: very many long names below one domain, each asked once."""

from __future__ import annotations

import numpy as np

from tidegauge.hunt.context import HuntContext
from tidegauge.hunt.names_asked import Below
from tidegauge.model import Finding, format_address
from tidegauge.model.generated import entropy

LEAST_LABELS, LEAST_LENGTH, LEAST_BITS = 40, 24, 3.3
"""So many names, so long in the mean, of so many bits a character."""
CLEAR_LABELS, CLEAR_LENGTH = 300, 40


def find(context: HuntContext) -> list[Finding]:
    """Domains in the order in which they were asked for."""
    context.examined["names asked for"] += context.names.num_rows
    if not context.names.num_rows:
        context.skipped["names", "none were seen: Zeek's dns.log or Suricata's dns events give them"] += 1
    pairs = context.names_asked.below.items()
    found = (_finding(format_address(client), domain, below) for (client, domain), below in pairs)
    return [finding for finding in found if finding is not None]


def _finding(who: str, domain: str, below: Below) -> Finding | None:
    count = len(below.labels)
    if count < LEAST_LABELS:
        return None
    mean = below.length / count
    sample = sorted(below.labels)[:: max(count // 200, 1)]
    bits = float(np.mean([entropy(label.replace(".", "")) for label in sample]))
    if mean < LEAST_LENGTH or bits < LEAST_BITS:
        return None
    carried = below.length * bits / 8
    return Finding(
        kind="dns-tunnel",
        title=f"{who} asks for names that carry data below {domain}",
        start_s=below.first_us // 1_000_000,
        end_s=below.last_us // 1_000_000 + 1,
        subject=who,
        score=float(np.clip(0.3 + mean / 200 + count / 2000, 0, 0.95)),
        severity="high" if count >= CLEAR_LABELS and mean >= CLEAR_LENGTH else "medium",
        reasons=(
            f"{who} asked for {count:,} different names below {domain}, {mean:.0f} characters long in the mean,"
            f" {bits:.1f} bits a character: they can have carried up to {carried:,.0f} bytes out",
            "some services make such names too (block lists, telemetry of security programs, content networks)",
        ),
        where=f"src = '{who}' AND dst_port = 53",
        peers=(domain,),
        evidence={"names": count, "mean_length": round(mean, 1), "bits": round(bits, 2), "bytes": round(carried)},
    )
