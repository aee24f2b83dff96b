"""Sentences about home prefixes that do not fit the flows, for answers, `doctor` and `ingest`."""

from __future__ import annotations

from collections.abc import Iterator

from tidegauge.lake.homes import Homes, named_networks
from tidegauge.site import Site

MOSTLY = 0.5
"""Where more of the bytes than this neither came in nor went out, nothing can be said of what did."""
NOTABLE = 0.2
"""From this share of the bytes on, traffic that has no end at home is told of."""
MOST_NAMED = 5


def doubts(site: Site, homes: Homes) -> Iterator[str]:
    """Yield what speaks against the site's home prefixes."""
    total = sum(homes.bytes.values())
    if not total:
        return
    transit = homes.bytes["transit"] / total
    expected = site.transit or bool(site.external)
    if transit > NOTABLE and not expected:
        yield (
            f"{transit:.1%} of the bytes have neither end in a home prefix. The busiest networks there: from"
            f" {named_networks(homes.sources)}; to {named_networks(homes.targets)}. If one of these is yours, add it to"
            " [site] home; if you carry traffic of others, set [site] transit = true."
        )
    internal = homes.bytes["internal"] * (1 - homes.local) / total
    if internal > MOSTLY and not expected:
        yield (
            f"{internal:.1%} of the bytes are between public addresses that are all in a home prefix. If [site] home"
            " holds networks of others, take them out; if it is right, set [site] transit = true."
        )
    if homes.unseen:
        more = f" and {len(homes.unseen) - MOST_NAMED:,} more" if len(homes.unseen) > MOST_NAMED else ""
        yield (
            f"No flow has an address of the home prefix {', '.join(homes.unseen[:MOST_NAMED])}{more}"
            f" ({homes.looked_at:,} flows looked at)."
        )


def mostly_passing(site: Site, homes: Homes, direction: str) -> str | None:
    """Return why a question about a direction cannot be answered with no; None where it can."""
    if direction not in ("in", "out"):
        return None
    if not homes.bytes[direction]:
        return f"No flow of direction '{direction}' was seen in that time or in the history before it."
    if homes.neither > MOSTLY and not site.transit and not site.external:
        return (
            f"{homes.neither:.1%} of the bytes neither came in nor went out by the site's home prefixes, so these do"
            " not fit the flows: what came in cannot be told."
        )
    return None
