"""Sentences about home prefixes that do not fit the flows, for answers, `doctor` and `ingest`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.lake import Lake
from tidegauge.lake.homes import NOTABLE, Homes, look_at_homes, named_networks
from tidegauge.model import DIRECTIONS, format_some
from tidegauge.site import Site

MOSTLY = 0.5
"""Where more of the bytes than this neither came in nor went out, nothing can be said of what did."""
MOST_NAMED = 5
HOUR_S, LEAST_HOURS = 3600, 24
USUAL_SHARE, BLIND_SHARE = 0.95, 0.2
"""A direction that was exported in so many of the hours is missed where it is not; in more hours than the second share
nothing can be said."""
UNUSUAL = 2
"""So many times the share of hours that is usual is unlike the history."""


def doubts(site: Site, homes: Homes) -> Iterator[str]:
    """Yield what speaks against the site's home prefixes."""
    total = sum(homes.bytes.values())
    if not total:
        return
    transit = homes.bytes["transit"] / total
    if transit > NOTABLE and not site.transit:
        yield (
            f"{transit:.1%} of the bytes have neither end in a home prefix. The busiest networks there: from"
            f" {named_networks(homes.sources)}; to {named_networks(homes.targets)}. If one of these is yours, add it to"
            " [site] home; if you carry traffic of others, set [site] transit = true."
        )
    internal = homes.bytes["internal"] * (1 - homes.local) / total
    if internal > MOSTLY and site.external:
        yield (
            f"{internal:.1%} of the bytes came and went by interfaces that `external` of the site file does not name,"
            " or between home prefixes. Where flows name no interfaces, leave `external` out."
        )
    elif internal > MOSTLY and not site.transit:
        yield (
            f"{internal:.1%} of the bytes are between public addresses that are all in a home prefix. If [site] home"
            " holds networks of others, take them out; if it is right, set [site] transit = true."
        )
    crossed = homes.bytes["in"] + homes.bytes["out"]
    if not crossed and homes.bytes["internal"] and not site.transit and internal <= MOSTLY:
        yield (
            "No byte came in or went out: all flows are between home prefixes. If [site] home holds networks of others,"
            " take them out."
        )
    if homes.unseen:
        yield (
            f"No flow has an address of the home prefix {format_some(homes.unseen, MOST_NAMED)}"
            f" ({homes.looked_at:,} flows looked at)."
        )


def mostly_passing(site: Site, homes: Homes, direction: str) -> str | None:
    """Return why a question about a direction cannot be answered with no; None where it can."""
    if not homes.bytes.get(direction):
        return f"No flow of direction '{direction}' was seen in that time or in the history before it."
    if direction not in ("in", "out"):
        return None
    if homes.neither > MOSTLY and not site.transit:
        return (
            f"{homes.neither:.1%} of the bytes neither came in nor went out by the site's home prefixes, so these do"
            " not fit the flows: what came in cannot be told."
        )
    return None


@dataclass(frozen=True)
class Ways:
    """Bytes by direction and hour, from the begin of a history to the end of the asked time.

    Attributes:
        hours: shape (n,) each; `split` the hour in which the asked time begins.
    """

    hours: dict[str, NDArray[np.float64]]
    split: int

    def bytes(self) -> dict[str, int]:
        return {way: int(amounts.sum()) for way, amounts in self.hours.items()}

    def asked(self) -> dict[str, int]:
        """The bytes of the asked time alone."""
        return {way: int(amounts[self.split :].sum()) for way, amounts in self.hours.items()}


def ways_of(lake: Lake, history_s: int, since_s: int, until_s: int) -> Ways:
    """Return the bytes of all directions by hour."""
    first, last = history_s // HOUR_S, -(-until_s // HOUR_S)
    found = lake.directions_by_hour(first, last - first)
    return Ways({way: found.get(way, np.zeros(last - first)) for way in DIRECTIONS}, since_s // HOUR_S - first)


def homes_of(lake: Lake, site: Site, ways: Ways, history_s: int, until_s: int) -> Homes:
    """Return what the flows show of the site's home prefixes."""
    return look_at_homes(lake, site.home, history_s, until_s, ways.bytes())


def passing_now(site: Site, homes: Homes, ways: Ways, direction: str) -> str | None:
    """Return why a question about a direction cannot be answered with no where the home prefixes fitted the history,
    but not the asked time: hosts that were given other addresses, or an exporter that was moved."""
    if direction not in ("in", "out") or site.transit:
        return None
    passed = ways.hours["transit"] + ways.hours["internal"] * (1 - homes.local)
    mostly = passed > MOSTLY * (passed + ways.hours["in"] + ways.hours["out"])
    before, now = mostly[: ways.split], mostly[ways.split :]
    usual = float(before.mean()) if len(before) else 0.0
    if not len(now) or now.mean() <= max(BLIND_SHARE, UNUSUAL * usual):
        return None
    return (
        f"In {int(now.sum()):,} of {len(now):,} hours of the asked time more than half of the bytes neither came in nor"
        " went out by the site's home prefixes, unlike the history: hosts may have got other addresses, or an exporter"
        " may have been moved. What came in cannot be told."
    )


def one_sided(ways: Ways, direction: str) -> tuple[str | None, str | None]:
    """Return why nothing can be said of a direction that stopped being exported while other traffic goes on, and what
    must be said where that is so for a smaller part of the asked time."""
    if direction not in ("in", "out"):
        return None, None
    asked, split = ways.hours[direction], ways.split
    other = sum((hours for way, hours in ways.hours.items() if way != direction), np.zeros(len(asked)))
    heard = other[:split] > 0
    usual = float((asked[:split][heard] > 0).mean()) if heard.sum() >= LEAST_HOURS else 0.0
    if usual < USUAL_SHARE:
        return None, None
    gone = (asked[split:] <= 0) & (other[split:] > 0)
    share = float(gone.mean()) if len(gone) else 0.0
    told = (
        f"In {int(gone.sum()):,} of {len(gone):,} hours no flow of direction '{direction}' was exported while other"
        " traffic went on, unlike the history: the exporters were blind on that side."
    )
    return (told, None) if share > BLIND_SHARE else (None, told if gone.any() else None)
