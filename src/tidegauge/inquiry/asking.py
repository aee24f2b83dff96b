"""Questions to answers: a selection of a site's flows, judged, with what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tidegauge.context import SiteContext
from tidegauge.detect import THIN, Outcome, Pool, decide, evidence, learn, pooled
from tidegauge.inquiry.answering import answered
from tidegauge.inquiry.asked import FAR, NAMED_FURTHER, WIDTH_S, Asked, Span, span_of
from tidegauge.inquiry.attribution import explained
from tidegauge.inquiry.calendars import calendar_of
from tidegauge.inquiry.capacity import Capacity, link_speed, needs_bound
from tidegauge.inquiry.carriers import carriers_of
from tidegauge.inquiry.caveats import caveats
from tidegauge.inquiry.grounds import (
    grounds,
    never_matched,
    watch_caveats,
)
from tidegauge.inquiry.missed import at_other_ports, hiding_ways, missed
from tidegauge.inquiry.origins import check_origins, origin_caveats
from tidegauge.lake import FlowFilter, Lake, otherwise_labelled, quoted, seen_twice
from tidegauge.model import (
    RELAYS,
    Answer,
    Blind,
    Question,
    RelayAnswer,
    Verdict,
    class_bit,
    format_bytes,
    format_time,
)
from tidegauge.series import (
    Coverage,
    Origins,
    Series,
    build_series,
    doubtful,
    doubts,
    homes_of,
    mostly_passing,
    one_sided,
    passing_now,
    sums_by,
    ways_of,
)
from tidegauge.site import Site

HOUR_S = 3600
MOST_FELLOWS = 20
"""Other origins, those of which as little is seen, that tell what a thin one's tail is like."""
ALL_METRICS = ("bytes", "packets", "flows", "hosts")


@dataclass(frozen=True)
class Reply:
    """An answer with the series and the judgement behind it, for drawing, and how many files of which kind it was read
    from."""

    answer: Answer
    series: Series
    asked: slice
    outcome: Outcome
    reads: dict[str, int] = field(default_factory=dict)


def ask(given: Site | SiteContext, asked: Asked) -> Reply:
    """Was there a surge? With `metric` "all": in any of bytes, packets, flows and far-end hosts, under one bound.

    Raises:
        LakeError: there are no flows.
        UsageError: the asked time is empty, or the origin is none that can be asked about.
    """
    context = SiteContext.of(given)
    asked = replace(asked, without=tuple(doubtful(context.lake.ledger())))
    span = span_of(context, asked)
    if asked.watch is not None:
        asked = replace(asked, watch=asked.watch.with_history(span.since_s))
    if asked.origin is not None:
        check_origins(context, asked.origin, asked.direction, span.since_s, span.until_s)
    ground = ground_of(context, asked, span)
    if asked.metric != "all":
        return _ask_one(context, asked, span, ground)
    share = asked.false_alarm / len(ALL_METRICS)
    replies = [
        _ask_one(context, replace(asked, metric=metric, false_alarm=share), span, ground) for metric in ALL_METRICS
    ]
    parts = tuple(reply.answer for reply in replies)
    verdicts = {part.verdict for part in parts}
    verdict: Verdict = "surge" if "surge" in verdicts else "cannot_say" if "cannot_say" in verdicts else "no_surge"
    tops = [replace(p.largest, metric=p.question.metric) for p in parts if p.largest is not None]
    whole = replace(
        parts[0],
        question=replace(parts[0].question, metric="all"),
        verdict=verdict,
        false_alarm=asked.false_alarm,
        surges=tuple(replace(s, metric=p.question.metric) for p in parts for s in p.surges),
        largest=min(tops, key=lambda top: top.p_value, default=None),
        caveats=tuple(dict.fromkeys(c for part in parts for c in part.caveats)),
        method=parts[0].method + " Metrics share the false-alarm budget equally.",
        parts=parts,
    )
    return replace(replies[0], answer=whole, reads=dict(context.lake.reads))


@dataclass(frozen=True)
class Ground:
    """What an answer stands on before anything is counted.

    Attributes:
        reasons: why it cannot be no.
        doubts: what speaks against the home prefixes.
        hours: bytes of all traffic of the asked direction by hour, history and asked time.
        twice: which flows came from two exporters.
        hiding: the directions among whose flows what was asked about can be, too (`missed.hiding_ways`).
    """

    reasons: tuple[str, ...]
    doubts: tuple[str, ...]
    hours: NDArray[np.float64]
    hiding: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()


def ground_of(context: SiteContext, asked: Asked, span: Span) -> Ground:
    """Return whether the selection of a question can match anything, and whether the home prefixes fit the flows."""
    site, lake = context.site, context.lake
    ways = ways_of(lake, span.history_s, span.since_s, span.until_s)
    homes = homes_of(lake, site, ways, span.history_s, span.until_s)
    passing = mostly_passing(site, homes, asked.direction) or passing_now(site, homes, ways, asked.direction)
    missing, partly = one_sided(ways, asked.direction)
    reasons = tuple(reason for reason in (passing, missing, _labelled_before(lake, site, span)) if reason)
    found = list(doubts(site, homes))
    found += [partly] if partly else []
    return Ground(
        (*reasons, *grounds(context, asked, span)), tuple(found), ways.hours[asked.direction],
        hiding_ways(site, ways.bytes()),
        tuple(pair.sentence() for pair in seen_twice(lake, span.since_s, span.until_s)),
    )


def _ask_one(context: SiteContext, asked: Asked, span: Span, ground: Ground) -> Reply:
    site, lake = context.site, context.lake
    series, coverage = build_series(
        lake, asked.conditions(), metric=asked.metric, width_s=WIDTH_S, since_s=span.history_s, until_s=span.until_s
    )
    carriers = carriers_of(lake, asked, span, coverage)
    coverage = coverage.weighed(carriers.brought)
    bins = len(series.values)
    series = replace(series, seen=coverage.bins(width_s=WIDTH_S, first_bin=series.first_bin, bins=bins))
    first = span.since_s // WIDTH_S - series.first_bin
    chosen = slice(first, bins)
    mean_bytes, mean_packets, classes = _ordinary_flow(lake, asked, span)
    unit = {"bytes": mean_bytes, "packets": mean_packets}.get(asked.metric, 1.0)
    outcome = decide(
        series.starts_s, series.values, series.seen, width_s=WIDTH_S, asked=chosen,
        false_alarm=asked.false_alarm, power=asked.power, unit=max(unit, 1.0),
        calendar=calendar_of(site, span.history_s, span.until_s),
        wanted=asked.wanted, pool=_fellows(context, asked, series, first, max(unit, 1.0)),
    )
    speed = link_speed(lake, site, coverage) if site.speeds_bps and asked.metric == "bytes" else None
    if speed is not None:
        outcome = Capacity(series.values, WIDTH_S, asked.metric, speed).bounded(outcome)
    elif needs_bound(outcome, series.values, WIDTH_S, asked.metric, ground.hours):
        outcome = _capacity(lake, asked, span).bounded(outcome)
    reasons = (*ground.reasons, *carriers.reason(asked.named()))
    if outcome.verdict == "no_surge" and not reasons:
        reasons = missed(
            lake, site, asked, span, ground.hiding, outcome, float(series.values[chosen].sum())
        )
    if reasons:
        outcome = outcome.silent(*reasons)
    relay_share, relays = _relays(context, asked, span, max(unit, 1.0), classes)
    hour_limit = next((limit.amount for limit in outcome.limits if limit.duration_s == HOUR_S), None)
    packet_bytes = mean_bytes / mean_packets if mean_packets else 0.0
    surges = explained(
        lake, outcome.surges, asked.conditions(), asked.where(), metric=asked.metric,
        history_s=(span.history_s, span.since_s),
    )
    question = Question(
        asked.selection(), asked.direction, asked.metric, WIDTH_S, span.since_s, span.until_s,
        (span.history_s, span.since_s),
    )
    answer = answered(
        question, outcome, false_alarm=asked.false_alarm, power=asked.power,
        coverage_share=float(series.seen[chosen].mean()),
        blind=tuple(_blind_within(coverage, span.since_s, span.until_s)),
        surges=surges,
        caveats=(
            *ground.doubts,
            *ground.twice,
            *reasons,
            *(asked.watch.notes if asked.watch else ()),
            *never_matched(lake, asked, seen=bool(series.values.any())),
            *(_origin_caveats(context, asked, span, series) if asked.origin else ()),
            *(caveat for caveat in outcome.caveats if caveat not in reasons),
            *watch_caveats(site, asked, span),
            *at_other_ports(lake, asked, span),
            *span.notes,
            *doubt_caveats(asked, lake, span),
            *caveats(
                context, asked.origins, coverage, span.since_s, span.until_s, relay_share,
                hour_limit if asked.metric == "bytes" else None, packet_bytes,
            ),
            *_relay_caveats(relays),
            *_edition_caveats(context, span),
            *_wide_caveats(asked),
        ),
        relay_share=relay_share,
        relays=relays,
        editions=tuple(lake.manifest.editions_behind(span.since_s * 1_000_000, span.until_s * 1_000_000)),
    )
    return Reply(answer, series, chosen, outcome, dict(lake.reads))


def _fellows(context: SiteContext, asked: Asked, series: Series, first: int, unit: float) -> Pool | None:
    """What other countries of which about as little is seen say of the tail; None where the asked origin's own flows
    say enough, or no origin is asked about."""
    filled = int((series.values[:first] > 0).sum())
    if asked.origin is None or asked.direction not in FAR or filled >= THIN * first or asked.metric == "hosts":
        return None
    others = replace(asked, origin=None, further=())
    names, table = sums_by(
        context.lake, others.conditions(), by="far_country", metric=asked.metric, width_s=WIDTH_S,
        first=series.first_bin, bins=first,
    )
    own = {str(part) for part in asked.origin.parts}
    counts = (table > 0).sum(axis=1)
    near = [
        place for place in np.argsort(np.abs(np.log((counts + 1) / (filled + 1))), kind="stable").tolist()
        if counts[place] and names[place] not in own
    ]
    # The last bin stands for the asked time, of which nothing is taken.
    asked_bins = slice(first - 1, first)
    calendar = calendar_of(context.site, int(series.starts_s[0]), int(series.starts_s[-1]))
    return pooled(
        evidence(
            learn(series.starts_s[:first], table[place], series.seen[:first], width_s=WIDTH_S, asked=asked_bins,
                  false_alarm=asked.false_alarm, unit=unit, calendar=calendar)
        )
        for place in near[:MOST_FELLOWS]
    )


def _capacity(lake: Lake, asked: Asked, span: Span) -> Capacity:
    """What the network carried in the direction that is asked about."""
    everything = replace(asked, origin=None, further=(), where_sql=None, watch=None)
    whole, _ = build_series(
        lake, everything.conditions(), metric=asked.metric, width_s=WIDTH_S, since_s=span.history_s,
        until_s=span.until_s,
    )
    return Capacity(whole.values, WIDTH_S, asked.metric)


def _far_class(direction: str) -> str:
    return "dst_class" if direction == "out" else "src_class"


def _ordinary_flow(lake: Lake, asked: Asked, span: Span) -> tuple[float, float, int]:
    """Mean bytes and packets of a flow of that direction in the history, the least that can mean anything; and the
    classes of its far ends."""
    chosen = FlowFilter(span.history_s * 1_000_000, span.since_s * 1_000_000, (f"direction = '{asked.direction}'",))
    amounts = f"[sum(bytes) / sum(flows), sum(packets) / sum(flows), bit_or({_far_class(asked.direction)})]"
    octets, packets, classes = (float(amount or 0) for amount in lake.total(amounts, chosen))
    if not octets:  # none of that direction was seen before: flows of the others say what one holds
        octets, packets, _ = (float(amount or 0) for amount in lake.total(amounts, replace(chosen, conditions=())))
    return octets, packets, int(classes)


def _relays(
    context: SiteContext, asked: Asked, span: Span, unit: float, known: int
) -> tuple[float, tuple[RelayAnswer, ...]]:
    """Share of the asked amount that came from known relays, and the same question about each class of them.

    Args:
        known: classes of far ends before the asked time.
    """
    far, bits = _far_class(asked.direction), sum(class_bit(name) for name in RELAYS)
    during = FlowFilter(span.since_s * 1_000_000, span.until_s * 1_000_000, (f"direction = '{asked.direction}'",))
    classes = int(context.lake.total(f"bit_or({far})", during) or 0)
    amounts = f"[sum(bytes) FILTER ({far} & {bits} <> 0), sum(bytes)]"
    own = replace(during, conditions=asked.conditions())
    by_relays, all_of_it = (int(amount or 0) for amount in context.lake.total(amounts, own))
    share = by_relays / all_of_it if all_of_it else 0.0
    # A class of which no address is known says nothing, whatever the flows.
    known |= classes
    answers = []
    for name in RELAYS:
        listed = known & class_bit(name) or context.atlas.class_known(class_bit(name), span.since_s, span.until_s)
        if asked.origin is None or not listed:
            answers.append(RelayAnswer(name, "cannot_say", ()))
            continue
        conditions = (Origins.parse(f"class:{name}").sql(asked.direction),)
        series, _ = build_series(
            context.lake, conditions, metric=asked.metric, width_s=WIDTH_S, since_s=span.history_s, until_s=span.until_s
        )
        first = span.since_s // WIDTH_S - series.first_bin
        outcome = decide(
            series.starts_s, series.values, series.seen, width_s=WIDTH_S, asked=slice(first, len(series.values)),
            false_alarm=asked.false_alarm, power=asked.power, unit=unit,
            calendar=calendar_of(context.site, span.history_s, span.until_s),
        )
        answers.append(RelayAnswer(name, outcome.verdict, outcome.limits))
    return round(share, 6), tuple(answers)


def _relay_caveats(relays: tuple[RelayAnswer, ...]) -> Iterator[str]:
    unknown = [relay.relay for relay in relays if relay.verdict == "cannot_say"]
    surged = [relay.relay for relay in relays if relay.verdict == "surge"]
    if unknown:
        yield (
            f"No list of {', '.join(unknown)} addresses is loaded for this time. Traffic relayed through them counts"
            " towards the country of the relay, not of the sender."
        )
    if surged:
        yield f"there was a surge from {', '.join(surged)} in that time: an origin can hide behind it"


def _origin_caveats(context: SiteContext, asked: Asked, span: Span, series: Series) -> Iterator[str]:
    assert asked.origin is not None
    seen = bool(series.values.any())
    return origin_caveats(context, asked.origin, span.since_s, span.until_s, seen=seen)


def doubt_caveats(asked: Asked, lake: Lake, span: Span) -> Iterator[str]:
    if not asked.without:
        return
    names = asked.without
    excluded = f"exporter IN ({', '.join(quoted(name) for name in names)})"
    chosen = FlowFilter(span.since_s * 1_000_000, span.until_s * 1_000_000, (excluded,))
    flows, octets = (int(amount or 0) for amount in lake.total("[sum(flows), sum(bytes)]", chosen))
    named = ", ".join(names[:NAMED_FURTHER]) + (", ..." if len(names) > NAMED_FURTHER else "")
    yield (
        f"the datagrams of {named} contradict one another: their {flows:,} flows ({format_bytes(octets)}) of that time"
        " are not in this answer; name the sender under [exporters] if it is yours"
    )


def _wide_caveats(asked: Asked) -> Iterator[str]:
    if asked.further:
        named = ", ".join(asked.further[:NAMED_FURTHER])
        yield (
            f"asked widely: {len(asked.further):,} prefixes that display another origin are in this answer ({named}"
            f"{', ...' if len(asked.further) > NAMED_FURTHER else ''}); tidegauge origin --of {asked.origin} says why"
        )


def _labelled_before(lake: Lake, site: Site, span: Span) -> str | None:
    """Why directions cannot be relied on: the home prefixes have changed since the flows were labelled."""
    before = otherwise_labelled(lake.manifest, site, span.since_s * 1_000_000, span.until_s * 1_000_000, ways=True)
    if not before:
        return None
    return (
        f"{before:,} flows in segments of that time were labelled by other home prefixes or interfaces than the site"
        " file has now: tidegauge lake relabel"
    )


def _edition_caveats(context: SiteContext, span: Span) -> Iterator[str]:
    """Whether labels rest on older editions than there are."""
    atlas = context.atlas
    during = span.since_s * 1_000_000, span.until_s * 1_000_000
    segments = [s for s in context.lake.manifest.segments("flows", *during) if s.atlas]
    old = sum(s.rows for s in segments if atlas.stamp(s.first_us // 1_000_000, s.last_us // 1_000_000)[0] != s.atlas)
    if old:
        yield (
            f"the labels of {old:,} flows in segments of that time were made by other editions of the atlas than there"
            f" are now: tidegauge lake relabel --since {format_time(span.since_s)}"
        )


def _blind_within(coverage: Coverage, since_s: int, until_s: int) -> Iterator[Blind]:
    for blind in coverage.blind():
        start, end = max(blind.start_s, since_s), min(blind.end_s, until_s)
        if end > start:
            yield replace(blind, start_s=start, end_s=end)
