"""Is what was asked about an origin at all? What cannot be displayed is refused, what was never displayed is said."""

from __future__ import annotations

from collections.abc import Iterator

from tidegauge.atlas import Known
from tidegauge.context import SiteContext
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import Prefix, UsageError, country_names, format_some
from tidegauge.series import Origins, Part
from tidegauge.site import Site

FAR_DIRECTIONS = ("in", "out")
MOST_LOOKED_FOR = 200
MOST_NAMED = 8


def check_origins(context: SiteContext, origins: Origins, direction: str, since_s: int, until_s: int) -> None:
    """Refuse an origin that no far end can display at that time.

    Raises:
        UsageError: an AS that no edition of that time knows and no flow here displays; or an AS or prefix of ours.
    """
    known = Known(context.atlas, (since_s, until_s - 1))
    for part in origins.parts:
        if direction in FAR_DIRECTIONS and (ours := _ours(context.site, part)):
            raise UsageError(
                f"{part} is ours ({ours}): the far end of what goes {direction} is never home",
                hint="ask with --direction internal or transit, or about the other side's origin",
            )
        if part.kind == "as" and not known.has_as(int(part.value)) and not _displayed(
            context.lake, [part]
        )[0]:
            raise UsageError(
                f"no edition of the atlas knows {part} at that time, and no flow here displays it",
                hint="take in an edition that knows it (tidegauge atlas import), or ask about its prefixes",
            )


def origin_caveats(
    context: SiteContext, origins: Origins, since_s: int, until_s: int, *, seen: bool
) -> Iterator[str]:
    """What weakens an answer about these origins before anything else does: that nothing here ever displayed them.

    Args:
        seen: some flow of the asked origins is in the answer.
    """
    parts = origins.parts
    looked_for = list(parts[:MOST_LOOKED_FOR])
    absent = []
    if not seen or len(parts) > 1:
        displayed = _displayed(context.lake, looked_for)
        absent = [part for part, there in zip(looked_for, displayed, strict=True) if not there]
    if absent:
        names = format_some([_named(part) for part in absent], MOST_NAMED)
        yield (
            f"no flow in these data ever displayed {names}: that nothing was seen may only mean that it"
            " shows itself otherwise"
        )
    known = Known(context.atlas, (since_s, until_s - 1))
    for part in looked_for:
        if part.value == "ZZ":
            yield "ZZ stands for addresses that no edition of the atlas places in a country"
        if part.kind == "prefix" and not known.has_prefix(Prefix.parse(part.value)):
            yield f"no edition of the atlas knows {part} at that time: it is not announced, or not for public use"
        elif part.kind == "prefix" and (inside := _overlap(context.site, part)):
            yield f"{part} holds addresses of ours ({inside}): what comes from these is not from outside"


def _named(part: Part) -> str:
    return f"{part} ({country_names()[part.value]})" if part.kind == "country" else str(part)


def _ours(site: Site, part: Part) -> str | None:
    """The home prefix or AS that holds all of an origin; None where it is not ours."""
    if part.kind == "as":
        return f"home_as = {part.value}" if int(part.value) in site.home_as else None
    if part.kind != "prefix":
        return None
    asked = Prefix.parse(part.value)
    return next((str(h) for h in site.home if h.first <= asked.first and asked.last <= h.last), None)


def _overlap(site: Site, part: Part) -> str | None:
    asked = Prefix.parse(part.value)
    return next((str(h) for h in site.home if asked.first <= h.first and h.last <= asked.last), None)


def _displayed(lake: Lake, parts: list[Part]) -> list[bool]:
    """Which origins some flow of these data, of any time and direction, displayed at either end."""
    if not parts:
        return []
    tests = ", ".join(f"coalesce(bool_or({part.sql('src')} OR {part.sql('dst')}), false)" for part in parts)
    return [bool(found) for found in lake.total(f"[{tests}]", FlowFilter())]
