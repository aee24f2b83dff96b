"""Grounds on which a question cannot be answered with no, whatever was counted: its selection could match nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from tidegauge.atlas import Atlas
from tidegauge.lake import FlowFilter, Lake, Surroundings, ases_in, classes_in, possible
from tidegauge.model import format_bytes
from tidegauge.series import no_list, unlisted
from tidegauge.site import Site
from tidegauge.watch import at_home, unmatched

if TYPE_CHECKING:
    from tidegauge.inquiry.ask import Asked, Span

FAR = ("in", "out")
FILLED_BY_SOME = ("tcp_flags", "tos", "in_if", "out_if", "domain", "sampling", "biflow_direction", "src_as", "dst_as")
"""Columns that many exporters leave empty."""
SIZES = ("bytes", "packets")
"""Columns that no sender of traffic decides: how much is in one flow depends on the exporter's time-outs."""


def grounds(site: Site, lake: Lake, asked: Asked, span: Span) -> Iterator[str]:
    """Yield why the selection of a question could match nothing, or only a part of what was asked."""
    atlas = Atlas.of(site)
    parts = asked.origins.parts if asked.origins else ()
    where = asked.where_text or ""
    classes = [part.value for part in parts if part.kind == "class"]
    if missing := unlisted(lake, atlas, (*classes, *classes_in(where)), span.since_s, span.until_s):
        yield no_list(missing)
    for part in parts:
        if part.kind == "country" and not atlas.knows_country(part.value, (span.since_s, span.until_s - 1)):
            yield f"No edition of the atlas at that time has an address of {part}: no flow can be counted towards it."
    yield from _conditions(site, lake, asked, span)
    yield from _untold(lake, asked, span)
    yield from _no_ipv6(lake, asked, span)
    ases = [t.asn for t in asked.watch.terms if t.asn is not None] if asked.watch else []
    named = dict.fromkeys((*ases_in(where), *ases))
    unknown = [n for n in named if n and not atlas.knows_as(n, (span.since_s, span.until_s - 1))]
    if unknown and ((where and ases_in(where)) or (asked.watch and len(unknown) == len(asked.watch.terms))):
        listed = ", ".join(f"AS{n}" for n in unknown[:5])
        yield f"No edition of the atlas at that time knows {listed}: no flow can be counted towards it."
    if asked.watch is not None:
        yield from _watch(site, asked, span)


def _conditions(site: Site, lake: Lake, asked: Asked, span: Span) -> Iterator[str]:
    """Conditions that contradict one another, the direction, the asked time, or what the exporters are."""
    texts = [asked.where_text] if asked.where_text else []
    if asked.origins:
        texts.append(asked.origins.where(asked.direction))
    if not texts:
        return
    exporters = lake.exporters() if "exporter" in (asked.where_text or "").lower() else ()
    home = () if site.home_as else site.home
    around = Surroundings(asked.direction, home, frozenset(exporters), span.since_s, span.until_s)
    if not possible(texts, around):
        shown = f"The condition {asked.where_text!r}" if asked.where_text else f"{asked.origins}"
        beside = f" beside {asked.origins}" if asked.where_text and asked.origins else ""
        yield f"{shown}{beside} can match no flow of direction '{asked.direction}' in that time."
    elif asked.where_text and "exporter" in asked.where_text.lower():
        chosen = FlowFilter(
            span.history_s * 1_000_000, span.until_s * 1_000_000,
            (f"direction = '{asked.direction}'", asked.where_sql or "true"),
        )  # fmt: skip
        if not lake.total("sum(flows)", chosen):
            yield (
                f"No flow of direction '{asked.direction}' meets {asked.where_text!r}, in that time or in the history:"
                " the exporters that it leaves may not export it."
            )


def _watch(site: Site, asked: Asked, span: Span) -> Iterator[str]:
    assert asked.watch is not None
    if asked.direction not in FAR:
        yield f"A watch counts traffic with outside hosts: none of it is of direction '{asked.direction}'."
    yield from unmatched(asked.watch, site.home, span.since_s, span.until_s)


def _untold(lake: Lake, asked: Asked, span: Span) -> Iterator[str]:
    """Conditions that no flow meets for what exporters write: columns that nobody filled, sizes that no flow has."""
    if not asked.where_text:
        return
    words = set(re.findall(r"[a-z_]+", asked.where_text.lower()))
    named = [column for column in FILLED_BY_SOME if column in words]
    sizes = words.intersection(SIZES)
    way = (f"direction = '{asked.direction}'",)
    during = FlowFilter(span.history_s * 1_000_000, span.until_s * 1_000_000, way)
    if not (named or sizes) or lake.total("sum(flows)", replace(during, conditions=(*way, asked.where_sql or "true"))):
        return
    if sizes:
        yield (
            f"No flow of direction '{asked.direction}' meets {asked.where_text!r}, in that time or in the history. How"
            " many bytes and packets one flow holds depends on the time-outs of the exporters: that no flow meets the"
            " condition is no evidence."
        )
    for column in named:
        lowest, highest = (lake.scalar(f"{end}({column})", during) for end in ("min", "max"))
        if lowest is not None and lowest == highest:
            yield (
                f"All flows of direction '{asked.direction}' have {column} = {lowest}. Their exporters may not fill"
                " this field: that no flow meets the condition is no evidence."
            )


def _no_ipv6(lake: Lake, asked: Asked, span: Span) -> Iterator[str]:
    """That only IPv6 is asked about where no flow of IPv6 was ever seen."""
    parts = [str(part) for part in asked.origins.parts] if asked.origins else []
    terms = [str(term.prefix) for term in asked.watch.terms if term.prefix] if asked.watch else []
    if asked.direction not in FAR or not any(texts and all(":" in t for t in texts) for texts in (parts, terms)):
        return
    if asked.watch is not None and len(terms) < len(asked.watch.terms) and not parts:
        return
    way = (f"direction = '{asked.direction}'", "src[1:12] <> unhex('00000000000000000000ffff')")
    during = FlowFilter(span.history_s * 1_000_000, span.until_s * 1_000_000, way)
    if not lake.scalar("count(*)", during):
        yield (
            f"No flow of IPv6 of direction '{asked.direction}' was seen in that time or in the history before it: IPv6"
            " may not be exported, or no home prefix is of IPv6."
        )


def watch_caveats(site: Site, asked: Asked, span: Span) -> Iterator[str]:
    """Yield what of a watch the asked time shows in part only, or not at all."""
    if asked.watch is None:
        return
    watch = asked.watch
    yield from watch.notes
    held = [(a, b) for a, b in watch.held_s if a < span.until_s and b > span.since_s]
    if absent := len(watch.held_s) - len(held):
        yield f"{absent:,} of {len(watch.held_s):,} indicators of the watch {watch.name} do not hold then at all."
    if partly := sum(a > span.since_s or b < span.until_s for a, b in held):
        yield (
            f"{partly:,} of {len(watch.held_s):,} indicators of the watch {watch.name} do not hold for all of the asked"
            " time: their traffic outside their own times is not in this answer."
        )
    ours = sum(at_home(site.home, term.prefix) for term in watch.terms)
    if ours:
        yield f"{ours:,} indicators of the watch {watch.name} lie in home prefixes: they can match no outside host."


def never_matched(lake: Lake, asked: Asked, *, seen: bool) -> Iterator[str]:
    """Yield that a condition or a watch was never met by any flow of the asked direction here, at any time."""
    if seen or not (asked.where_text or asked.watch):
        return
    if not lake.total("sum(flows)", FlowFilter(conditions=asked.conditions())):
        yield (
            f"No flow in these data ever met {asked.selection()} with direction '{asked.direction}': that nothing was"
            " seen may mean that the question names something else than what was meant."
        )


def through_transit(
    lake: Lake, asked: Asked, span: Span, *, counted: float, least_limit: float | None
) -> str | None:  # fmt: skip
    """Return why a no would be unsafe where much traffic has no end at home: what was asked about is in it too."""
    if asked.origins is None or asked.direction not in FAR:
        return None
    during = FlowFilter(span.since_s * 1_000_000, span.until_s * 1_000_000, (asked.origins.sql("transit"),))
    octets = float(lake.total("sum(bytes)", during) or 0)
    if octets <= max(counted, least_limit or 0.0):
        return None
    return (
        f"{format_bytes(octets)} with {asked.origins} have neither end in a home prefix, more than what is counted"
        " here: if an end of that is yours, this answer misses it."
    )
