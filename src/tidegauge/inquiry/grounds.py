"""Grounds on which a question cannot be answered with no, whatever was counted: its selection could match nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from tidegauge.atlas import Known, ranges_of
from tidegauge.context import SiteContext
from tidegauge.inquiry.asked import FAR, Asked, Span
from tidegauge.lake import FlowFilter, Lake, Surroundings, classes_in, column_sql, columns_in, is_intricate, possible
from tidegauge.model import Prefix, UsageError
from tidegauge.series import Part, no_list, unlisted
from tidegauge.site import Site
from tidegauge.watch import MOST_SHOWN, at_home, unmatched

MOST_PARTS = 100
"""Origins of a union beyond which conditions are not held against them."""
FILLED_BY_SOME = (
    "proto", "src_port", "dst_port", "far_port", "home_port", "tcp_flags", "tos", "in_if", "out_if", "domain",
    "sampling", "biflow_direction", "src_as", "dst_as",
)
"""Columns that many exporters leave empty."""
OF_EACH_FLOW = ("proto", "src_port", "dst_port", "far_port", "home_port")
"""Those of them in which all flows may be alike."""
PARTS_OF_TIME = 200
TIMES = ("time_start", "time_end")
SIZES = ("bytes", "packets")
"""Columns that no sender of traffic decides: how much is in one flow depends on the exporter's time-outs."""


def grounds(context: SiteContext, asked: Asked, span: Span) -> Iterator[str]:
    """Yield why the selection of a question could match nothing, or only a part of what was asked.

    Raises:
        UsageError: it limits times so that there is no history.
    """
    site, lake, atlas = context.site, context.lake, context.atlas
    parts = asked.origins.parts if asked.origins else ()
    where = asked.where_text or ""
    classes = [part.value for part in parts if part.kind == "class"]
    if missing := unlisted(lake, atlas, (*classes, *classes_in(where)), span.since_s, span.until_s):
        yield no_list(missing)
    known = Known(atlas, (span.since_s, span.until_s - 1))
    for part in parts:
        if part.kind == "country" and not known.has_country(part.value):
            yield f"No edition of the atlas at that time has an address of {part}: no flow can be counted towards it."
    yield from _at_home(site, known, parts, asked, span)
    watched = list(_watch(site, lake, known, asked, span)) if asked.watch is not None else []
    yield from watched
    if asked.where_text or not watched:
        yield from _conditions(site, lake, known, asked, span)
    yield from _untold(lake, asked, span)


def _at_home(site: Site, known: Known, parts: Sequence[Part], asked: Asked, span: Span) -> Iterator[str]:
    """Origins all of whose addresses are ours, so that none can be at the outside end."""
    if asked.direction not in FAR or not site.home:
        return
    for part in parts[:MOST_PARTS]:
        named: dict[str, Any] = {}
        if part.kind == "country" and any(known.places(home, part.value) for home in site.home):
            named = {"country": part.value}
        elif part.kind == "as" and any(known.has_as_in(home, int(part.value)) for home in site.home):
            named = {"asn": int(part.value)}
        if not named:
            continue  # ours have nothing of it
        ranges = ranges_of(known.atlas, span.since_s, **named)
        first = next(ranges, None)
        if first is not None and at_home(site.home, first) and all(at_home(site.home, r) for r in ranges):
            yield f"All addresses of {part} are in home prefixes: none can be an outside end. [site] home may be wrong."


def _conditions(site: Site, lake: Lake, known: Known, asked: Asked, span: Span) -> Iterator[str]:
    """Conditions that contradict one another, the direction, the asked time, the atlas, or what the exporters are."""
    texts = _all_conditions(asked)
    if not texts:
        return
    around = _around(site, lake, known, asked, span)
    timed = bool(asked.where_text and columns_in(asked.where_text).intersection(TIMES))
    if timed:
        yield from _times_met(asked, texts, around, span)
    since_s = span.since_s if timed else span.history_s
    matched = FlowFilter(since_s * 1_000_000, span.until_s * 1_000_000, asked.conditions())
    # Flows keep the labels of the edition that they came in under: what they show is possible.
    if not possible(texts, around) and not lake.total("sum(flows)", matched):
        yield _impossible(asked, texts, around)
    elif asked.where_text and "exporter" in asked.where_text.lower():
        chosen = FlowFilter(
            span.history_s * 1_000_000, span.until_s * 1_000_000,
            (f"direction = '{asked.direction}'", asked.where_sql or "true"),
        )
        if not lake.total("sum(flows)", chosen):
            yield (
                f"No flow of direction '{asked.direction}' meets {asked.where_text!r}, in that time or in the history:"
                " the exporters that it leaves may not export it."
            )


def _all_conditions(asked: Asked) -> list[str]:
    """The conditions of a question that are not too many to be held against one another."""
    texts = [asked.where_text] if asked.where_text else []
    if asked.origins and len(asked.origins.parts) <= MOST_PARTS:
        texts.append(asked.origins.where(asked.direction))
    if asked.watch and 0 < len(asked.watch.terms) <= MOST_SHOWN:
        texts.append(asked.watch.where)
    return texts


def _around(site: Site, lake: Lake, known: Known, asked: Asked, span: Span) -> Surroundings:
    """What is known of the flows of a question besides its conditions."""
    displayed = cache(lambda where: bool(lake.total("sum(flows)", FlowFilter(conditions=(where,)))))
    return Surroundings(
        asked.direction, () if site.home_as else site.home,
        frozenset(lake.exporters() if "exporter" in (asked.where_text or "").lower() else ()), span.since_s,
        span.until_s,
        knows_as=lambda n: n == 0 or known.has_as(n) or displayed(f"src_as = {n} OR dst_as = {n}"),
        knows_country=known.has_country,
        displays=lambda span, code: known.places(Prefix(span[0].to_bytes(16), span[1].to_bytes(16)), code),
        is_in=lambda n, code: (
            known.places_as(n, code) or displayed(" OR ".join(
                f"{end}_as = {n} AND {end}_country = '{code}'" for end in ("src", "dst")
            ))
        ),
        ipv6=":" not in "".join(_addresses(asked)) or _saw_ipv6(lake, asked, span),
    )


def _times_met(asked: Asked, texts: list[str], around: Surroundings, span: Span) -> Iterator[str]:
    """Yield that a condition on times can match nothing in a part of the asked time.

    Raises:
        UsageError: it leaves no flow of the history.
    """
    assert asked.where_text is not None
    if span.history_s < span.since_s and possible(texts, around):
        before = replace(around, since_s=span.history_s, until_s=span.since_s)
        if not possible(texts, before):
            raise UsageError(
                f"the condition {asked.where_text!r} leaves no flow of the history: nothing can be compared",
                hint="limit times by --since, --until and --baseline",
            )
    if left_out := _left_out(asked.where_text, around, span):
        yield (
            f"The condition {asked.where_text!r} can match no flow in {left_out:.0%} of the asked time. Limit times by"
            " --since and --until."
        )


def _impossible(asked: Asked, texts: list[str], around: Surroundings) -> str:
    """Why no flow can meet the conditions."""
    if not around.ipv6 and possible(texts, replace(around, ipv6=True)):
        return (
            f"No flow of IPv6 of direction '{asked.direction}' was seen in that time or in the history before it: IPv6"
            " may not be exported, or no home prefix is of IPv6."
        )
    shown = f"The condition {asked.where_text!r}" if asked.where_text else asked.selection()
    named = [str(asked.origins)] if asked.origins else []
    named += [f"the watch {asked.watch.name}"] if asked.watch else []
    beside = f" beside {' and '.join(named)}" if asked.where_text and named else ""
    return f"{shown}{beside} can match no flow of direction '{asked.direction}' in that time."


def _left_out(where: str, around: Surroundings, span: Span) -> float:
    """The share of the asked time in which a condition can match nothing, where that is not all of it."""
    edges = np.linspace(span.since_s, span.until_s, min(PARTS_OF_TIME, (span.until_s - span.since_s) // 300) + 1)
    parts = zip(edges[:-1].astype(int).tolist(), edges[1:].astype(int).tolist(), strict=True)
    met = [possible([where], replace(around, since_s=a, until_s=b)) for a, b in parts]
    return 1 - sum(met) / len(met) if any(met) else 0.0


def _watch(site: Site, lake: Lake, known: Known, asked: Asked, span: Span) -> Iterator[str]:
    assert asked.watch is not None
    ases = {term.asn for term in asked.watch.terms if term.asn is not None}
    unknown = sum(
        not known.has_as(n) and not lake.total("sum(flows)", FlowFilter(conditions=(f"src_as = {n} OR dst_as = {n}",)))
        for n in sorted(ases)[:MOST_PARTS]
    )
    if asked.direction not in FAR:
        yield f"A watch counts traffic with outside hosts: none of it is of direction '{asked.direction}'."
    yield from unmatched(asked.watch, site.home, span.since_s, span.until_s, unknown=unknown)
    if asked.watch.ported:
        way = (f"direction = '{asked.direction}'",)
        during = FlowFilter(span.history_s * 1_000_000, span.until_s * 1_000_000, way)
        yield from _unfilled(lake, asked, ("far_port",), during)


def _untold(lake: Lake, asked: Asked, span: Span) -> Iterator[str]:
    """Conditions that no flow meets for what exporters write: columns that nobody filled, sizes that no flow has."""
    if not asked.where_text:
        return
    words = columns_in(asked.where_text)
    named = [column for column in FILLED_BY_SOME if column in words]
    sizes = words.intersection(SIZES)
    end = {"in": "dst", "out": "src"}.get(asked.direction, "-")
    own = sorted(words.intersection(f"{end}_{what}" for what in ("country", "as", "class")))
    intricate = is_intricate(asked.where_text)
    way = (f"direction = '{asked.direction}'",)
    during = FlowFilter(span.history_s * 1_000_000, span.until_s * 1_000_000, way)
    met = replace(during, conditions=(*way, asked.where_sql or "true"))
    if not (named or sizes or own or intricate) or lake.total("sum(flows)", met):
        return
    none = f"No flow of direction '{asked.direction}' meets {asked.where_text!r}, in that time or in the history"
    if sizes:
        yield (
            f"{none}. How many bytes and packets one flow holds depends on the time-outs of the exporters: that no flow"
            " meets the condition is no evidence."
        )
    elif own or intricate:
        what = f"{own[0]} is of our own end" if own else "whether any flow can is not to be told from the condition"
        yield f"{none}, and {what}: that no flow meets it is no evidence."
    yield from _unfilled(lake, asked, named, during)


def _unfilled(lake: Lake, asked: Asked, columns: Sequence[str], during: FlowFilter) -> Iterator[str]:
    """Columns that hold the same in every flow: their exporters may not fill them."""
    for column in columns:
        lowest, highest = (lake.total(f"{end}({column_sql(column)})", during) for end in ("min", "max"))
        if lowest is not None and lowest == highest and (lowest == 0 or column not in OF_EACH_FLOW):
            yield (
                f"All flows of direction '{asked.direction}' have {column} = {lowest}. Their exporters may not fill"
                " this field: that no flow meets the condition is no evidence."
            )


def _addresses(asked: Asked) -> Iterator[str]:
    """Texts that can hold addresses."""
    yield asked.where_text or ""
    yield from (part.value for part in (asked.origins.parts if asked.origins else ()) if part.kind == "prefix")
    yield from (str(term.prefix) for term in (asked.watch.terms if asked.watch else ()) if term.prefix)


def _saw_ipv6(lake: Lake, asked: Asked, span: Span) -> bool:
    """Whether any flow of IPv6 of the asked direction was seen in the asked time or the history."""
    way = (f"direction = '{asked.direction}'", "src[1:12] <> unhex('00000000000000000000ffff')")
    return bool(lake.total("sum(flows)", FlowFilter(span.history_s * 1_000_000, span.until_s * 1_000_000, way)))


def watch_caveats(site: Site, asked: Asked, span: Span) -> Iterator[str]:
    """Yield what of a watch the asked time shows in part only, or not at all."""
    if asked.watch is None:
        return
    watch = asked.watch
    held = [(a, b) for a, b in watch.held_s if a < span.until_s and b > span.since_s]
    if absent := len(watch.held_s) - len(held):
        yield (
            f"{absent:,} of {len(watch.held_s):,} indicators of the watch {watch.name} do not hold in the asked time:"
            " traffic with them is not in this answer."
        )
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
