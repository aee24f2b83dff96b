"""Traffic that an answer with no may miss: held against what would have been seen, it keeps a no from being given."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.detect import Outcome
from tidegauge.inquiry.asked import FAR, WIDTH_S, Asked, Span
from tidegauge.lake import AHEAD_US, FlowFilter, Lake
from tidegauge.model import EARLIEST_US, format_amount, format_some
from tidegauge.series import Part, build_series, sums_by
from tidegauge.site import Site

ENDS_BY_DIRECTION = re.compile(r"CASE direction WHEN 'in' THEN (\w+) WHEN 'out' THEN (\w+) END")
MOST_NAMED = 10
ORDINARY_MTU, LARGEST_FRAME, LEAST_PACKET = 1500, 9216, 40
"""Bytes of an ordinary packet at most, of the largest frame, and of a packet at least."""
LONG_US = 86_400_000_000
"""Flows that began so long before the asked time may go on in it."""
MOST_COUNTRIES = 1000


def _least(outcome: Outcome) -> float:
    """The smallest addition that would have been seen."""
    return min((limit.amount for limit in outcome.limits), default=0.0)


def hiding_ways(site: Site, octets: dict[str, int]) -> tuple[str, ...]:
    """Return the directions among whose flows what was asked about can be: `transit` where that is not expected,
    `internal` where interfaces say what is outside.

    Args:
        octets: bytes of the history and the asked time by direction.
    """
    ways = (*(("internal",) if site.external else ()), *(() if site.transit else ("transit",)))
    return tuple(way for way in ways if octets.get(way))


def missed(
    lake: Lake, site: Site, asked: Asked, span: Span, ways: tuple[str, ...], outcome: Outcome, counted: float
) -> tuple[str, ...]:
    """Return why a no would be unsafe: more than would have been seen passed where the question does not look.

    Args:
        ways: as `hiding_ways` returns them.
        counted: what the question counts in the asked time.
    """
    least = _least(outcome)
    found = (
        *(_of_other_way(lake, site, asked, span, way, outcome, counted) for way in ways),
        _taken_for_ours(lake, site, asked, span, least),
        _beyond_validity(lake, asked, span, least),
        _at_other_end(lake, asked, span, least),
        _narrowed(lake, asked, span, least),
        _at_odd_times(lake, site, asked, least),
        _without_counters(lake, asked, span, least),
        _without_packets(lake, asked, span, least),
        _of_nobody(lake, asked, span, least),
    )
    return tuple(why for why in found if why)


def missed_by_origin(
    lake: Lake, site: Site, asked: Asked, span: Span, way: str, names: Sequence[str], counted: NDArray[np.float64],
    outcomes: list[Outcome],
) -> tuple[list[Outcome], list[str]]:
    """Return outcomes by country, without a no for those of which more than would have been seen passed the other way,
    and the sentence on them."""
    first, last = span.history_s // WIDTH_S, -(-span.until_s // WIDTH_S)
    split = span.since_s // WIDTH_S - first
    others, table = sums_by(
        lake, _other_way(site, asked, way), by=_theirs(asked), metric=asked.metric, width_s=WIDTH_S, first=first,
        bins=last - first,
    )
    silent, found = [], []
    for name, amount, outcome in zip(names, counted.tolist(), outcomes, strict=True):
        values = table[others.index(name)] if name in others else np.zeros(0)
        if outcome.verdict == "no_surge" and _matters(values, split, outcome, amount):
            silent.append(name)
            outcome = outcome.silent()
        found.append(outcome)
    if not silent:
        return found, []
    where = (
        "came or went by interfaces that are not among the `external` ones of the site file: if it came from outside,"
        if way == "internal" else "has neither end in a home prefix: if an end of that is yours,"
    )
    named = format_some(silent, MOST_NAMED)
    return found, [f"More than would have been seen of {named} {where} this answer misses it."]


def at_odd_times_by_origin(
    lake: Lake, site: Site, asked: Asked, names: Sequence[str], outcomes: list[Outcome]
) -> tuple[list[Outcome], list[str]]:
    """Return outcomes by country, without a no for those of which more than would have been seen has times at which no
    flow can have been, and the sentence on them; countries that no other flow is of are among them."""
    metric = "flows" if asked.metric == "hosts" else asked.metric
    amounts: Counter[str] = Counter()
    for country, chosen in _odd_times(lake, site, asked, passing=True):
        table, _ = lake.top([country], chosen, metric=metric, limit=MOST_COUNTRIES)
        amounts.update(dict(zip(table[country].to_pylist(), table[metric].to_pylist(), strict=True)))
    least = {name: _least(outcome) for name, outcome in zip(names, outcomes, strict=True)}
    lowest = min(least.values(), default=0.0)
    silent = [name for name, amount in sorted(amounts.items()) if amount > least.get(name, lowest)]
    if not silent:
        return outcomes, []
    kept = [
        outcome.silent() if name in silent and outcome.verdict == "no_surge" else outcome
        for name, outcome in zip(names, outcomes, strict=True)
    ]
    return kept, [
        f"More than would have been seen of {format_some(silent, MOST_NAMED)} has no time that can be read, or one"
        " before 1990 or in the future: if it passed in the asked time, this answer misses it."
    ]


def at_other_ports(lake: Lake, asked: Asked, span: Span) -> Iterator[str]:
    """Yield how much passed with a watch's addresses at other ports than those of its indicators."""
    if asked.watch is not None and (amount := _elsewhere(lake, asked, span)) > 0:
        yield (
            f"{format_amount(amount, asked.metric)} with addresses of the watch {asked.watch.name} went to or from"
            " ports that its indicators do not name: they are not in this answer."
        )


def _elsewhere(lake: Lake, asked: Asked, span: Span) -> float:
    """How much passed with a watch's addresses at other ports than those of its indicators."""
    if asked.watch is None or not asked.watch.ported:
        return 0.0
    everywhere = replace(asked, watch=asked.watch.at_all_ports())
    return _amount(lake, asked, span, everywhere.conditions()) - _amount(lake, asked, span, asked.conditions())


def _narrowed(lake: Lake, asked: Asked, span: Span, least: float) -> str | None:
    """Why a no would be unsafe where a file names addresses by themselves too, beside connections at their ports, and
    more passed at other ports than could have been missed."""
    if asked.watch is None or not asked.watch.narrowed or (amount := _elsewhere(lake, asked, span)) <= least:
        return None
    return (
        f"{format_amount(amount, asked.metric)} with addresses of the watch {asked.watch.name} that a file names by"
        " themselves too went to or from other ports than its connections name, and are not counted: if all ports were"
        " meant, ask about the addresses."
    )


def _of_other_way(
    lake: Lake, site: Site, asked: Asked, span: Span, way: str, outcome: Outcome, counted: float
) -> str | None:
    if asked.direction not in FAR:
        return None
    conditions = _other_way(site, asked, way)
    amount = _amount(lake, asked, span, conditions)
    if amount <= _least(outcome):
        return None
    if asked.metric != "hosts" and amount <= counted:  # hosts are counted once in all of the time
        series, _ = build_series(
            lake, conditions, metric=asked.metric, width_s=WIDTH_S, since_s=span.history_s, until_s=span.until_s
        )
        if not _matters(series.values, span.since_s // WIDTH_S - series.first_bin, outcome, counted):
            return None
    return f"{format_amount(amount, asked.metric)} of {asked.named()} {_where_it_is(way)}"


def _where_it_is(way: str) -> str:
    if way == "internal":
        return (
            "came or went by interfaces that are not among the `external` ones of the site file, though one end is not"
            " in a home prefix, and more than would have been seen: if it came from outside, this answer misses it."
        )
    return (
        "have neither end in a home prefix, and more than would have been seen: if an end of that is yours, this answer"
        " misses it."
    )


def _taken_for_ours(lake: Lake, site: Site, asked: Asked, span: Span, least: float) -> str | None:
    """Why a no would be unsafe where home prefixes hold addresses of what was asked about, and more passed with these
    than would have been seen. Of the country and the AS of most of our hosts that is what is expected."""
    if asked.direction not in FAR or not (asked.origins or asked.watch):
        return None
    parts = tuple(part for part in (asked.origins.parts if asked.origins else ()) if part.kind != "class")
    # Mostly nothing passed there, and nobody need be asked what our own are.
    if (asked.origins and not parts) or _between_homes(lake, site, asked, span, parts) <= least:
        return None
    others = _not_our_own(lake, site, asked, span, parts)
    if asked.origins and not others:
        return None
    amount = _between_homes(lake, site, asked, span, others)
    if amount <= least:
        return None
    return (
        f"{format_amount(amount, asked.metric)} of {asked.named()} passed between home prefixes, which hold its"
        " addresses: if [site] home is too wide, this answer misses it."
    )


def _between_homes(lake: Lake, site: Site, asked: Asked, span: Span, parts: tuple[Part, ...]) -> float:
    """How much of a question's watch, condition and origins passed between home prefixes."""
    theirs = "src" if asked.direction == "in" else "dst"
    there = (f"({' OR '.join(part.sql(theirs) for part in parts)})",) if parts else ()
    if site.external:  # by interfaces, what is of outside can be internal too
        there = (*there, f"({_of_home(site, theirs)})")
    return _amount(lake, asked, span, ("direction = 'internal'", *there, *_turned(asked)))


def _not_our_own(lake: Lake, site: Site, asked: Asked, span: Span, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The origins that are neither the country nor the AS of most of our hosts."""
    ours = "dst" if asked.direction == "in" else "src"
    way = (f"direction = '{asked.direction}'",)
    chosen = FlowFilter(span.history_s * 1_000_000, span.until_s * 1_000_000, way)
    for kind in {part.kind for part in parts} & {"country", "as"}:
        most, _ = lake.top([f"{ours}_{kind}"], chosen, metric="flows", limit=1)
        own = {str(value) for value in (*most[f"{ours}_{kind}"].to_pylist(), *site.home_as)}
        parts = tuple(part for part in parts if part.kind != kind or part.value not in own)
    return parts


def _turned(asked: Asked) -> tuple[str, ...]:
    """The conditions and the watch of a question as if the asked direction's outside end were that of every flow."""
    sql = [asked.where_sql or "", asked.watch.sql if asked.watch else ""]
    taken = (ENDS_BY_DIRECTION.sub(r"\1" if asked.direction == "in" else r"\2", text) for text in sql if text)
    return tuple(text.replace("direction IN ('in', 'out')", "true") for text in taken)


def _other_way(site: Site, asked: Asked, way: str) -> tuple[str, ...]:
    """The selection of a question as it is for traffic of another direction, as if its other end were ours."""
    theirs = "src" if asked.direction == "in" else "dst"
    origin = f"direction = '{way}'"
    if asked.origins:
        origin += f" AND ({' OR '.join(part.sql(end) for part in asked.origins.parts for end in ('src', 'dst'))})"
    home = _of_home(site, theirs)
    outside = (f"NOT ({home})",) if way == "internal" and home else ()
    return (origin, *outside, *_turned(asked))


def _of_home(site: Site, end: str) -> str:
    """That one end is in a home prefix."""
    return " OR ".join(Part("prefix", str(prefix)).sql(end) for prefix in site.home)


def _matters(values: NDArray[np.float64], split: int, outcome: Outcome, counted: float) -> bool:
    """Whether of values (of `WIDTH_S` each, the asked ones from `split` on) more passed than is counted, or in some
    window so much more than ever before as would have been seen as an addition."""
    if float(values[split:].sum()) > max(counted, _least(outcome)):
        return True
    return any(
        _largest(values[split:], limit.duration_s) - _largest(values[:split], limit.duration_s) > limit.amount
        for limit in outcome.limits
    )


def _largest(values: NDArray[np.float64], duration_s: int) -> float:
    """The largest sum of values within a duration."""
    width = min(max(duration_s // WIDTH_S, 1), len(values))
    sums = np.r_[0.0, np.cumsum(values)]
    return float((sums[width:] - sums[:-width]).max()) if width else 0.0


def _at_odd_times(lake: Lake, site: Site, asked: Asked, least: float) -> str | None:
    """Why a no would be unsafe where more of what was asked about has times at which no flow can have been."""
    metric = "flows" if asked.metric == "hosts" else asked.metric
    passing = bool(asked.origins or asked.where_sql or asked.watch)
    found = _odd_times(lake, site, asked, passing=passing)
    amount = float(sum(lake.total(f"sum({metric})", chosen) or 0 for _, chosen in found))
    if amount <= least:
        return None
    return (
        f"{format_amount(amount, metric)} with {asked.selection()} have no time that can be read, or one before 1990 or"
        " in the future: if they passed in the asked time, this answer misses them."
    )


def _without_counters(lake: Lake, asked: Asked, span: Span, least: float) -> str | None:
    """Why a no would be unsafe where flows without a byte count that can be read may have carried more: as many packets
    as are stated, of `ORDINARY_MTU`; where none is, as much as the largest flow of that direction."""
    if asked.metric not in ("bytes", "packets"):
        return None
    none = (*asked.conditions(), "bytes = 0")
    chosen = FlowFilter(span.since_s * 1_000_000, span.until_s * 1_000_000, none)
    if not (flows := int(lake.total("sum(flows)", chosen) or 0)):
        return None
    bare = replace(chosen, conditions=(*none, "packets = 0"))
    way = FlowFilter(span.history_s * 1_000_000, span.until_s * 1_000_000, (f"direction = '{asked.direction}'",))
    unknown = int(lake.total("sum(flows)", bare) or 0)
    largest = float(lake.scalar(f"max({asked.metric})", way) or 0) if unknown else 0.0
    packets = float(lake.total("sum(packets)", chosen) or 0) if asked.metric == "bytes" else 0.0
    if packets * ORDINARY_MTU + unknown * largest <= least:
        return None
    return (
        f"{flows:,} flows with {asked.selection()} have no count of bytes that can be"
        " read, and may have carried more than would have been seen: this answer misses that."
    )


def _without_packets(lake: Lake, asked: Asked, span: Span, least: float) -> str | None:
    """Why a no by packets would be unsafe: flows have more bytes than so many packets hold, which their source did not
    count, or which were merged before they were counted; they may have been as many as their bytes make."""
    if asked.metric != "packets":
        return None
    chosen = FlowFilter(
        span.since_s * 1_000_000, span.until_s * 1_000_000,
        (*asked.conditions(), f"bytes > {LARGEST_FRAME} * greatest(packets, 1)"),
    )
    flows = int(lake.total("sum(flows)", chosen) or 0)
    if not flows or float(lake.total("sum(bytes)", chosen) or 0) / LEAST_PACKET <= least:
        return None
    return (
        f"{flows:,} flows with {asked.selection()} have more bytes than their count of packets holds: it was not"
        " stated, or packets were merged before they were counted: by packets, this answer may miss more than would"
        " have been seen."
    )


def _of_nobody(lake: Lake, asked: Asked, span: Span, least: float) -> str | None:
    """Why a no would be unsafe where records whose ends cannot be read tell of more."""
    if asked.metric != "bytes":
        return None
    ledger = lake.ledger()
    minutes = ledger["minute"].cast(pa.int64()).to_numpy()
    during = (minutes >= span.since_s // 60 * 60) & (minutes < span.until_s)
    amount = float(ledger["unread"].to_numpy()[during].sum())
    if amount <= least:
        return None
    return (
        f"{format_amount(amount, asked.metric)} are in records whose addresses could not be read, more than would have"
        " been seen: if they are of what was asked about, this answer misses it."
    )


def _odd_times(lake: Lake, site: Site, asked: Asked, *, passing: bool) -> Iterator[tuple[str, FlowFilter]]:
    """What was asked about at times at which no flow can have been, where there are any: the column of its country, and
    the flows; `passing`: those in transit, too, where that is not expected."""
    selections = [("far_country", asked.conditions())]
    if passing and not site.transit and asked.direction in FAR:
        selections.append((_theirs(asked), _other_way(site, asked, "transit")))
    for since_us, until_us in ((None, EARLIEST_US), (int(time.time() * 1e6) + AHEAD_US, None)):
        if lake.manifest.segments("flows", since_us, until_us):
            yield from ((country, FlowFilter(since_us, until_us, conditions)) for country, conditions in selections)


def _theirs(asked: Asked) -> str:
    """The column of the country at the end where what was asked about is."""
    return "dst_country" if asked.direction == "out" else "src_country"


def _beyond_validity(lake: Lake, asked: Asked, span: Span, least: float) -> str | None:
    """Why a no would be unsafe where more passed with a watch's indicators outside the times for which they hold than
    could have been missed."""
    watch = asked.watch
    if watch is None or not watch.partly(span.since_s, span.until_s):
        return None
    always = replace(asked, watch=watch.with_history(span.until_s))
    amount = _amount(lake, asked, span, always.conditions()) - _amount(lake, asked, span, asked.conditions())
    if amount <= least:
        return None
    return (
        f"{format_amount(amount, asked.metric)} with indicators of the watch {watch.name} lie outside the times for"
        " which these hold, and are not counted: ask about the times for which they hold, or add them with another"
        " --valid."
    )


def _at_other_end(lake: Lake, asked: Asked, span: Span, least: float) -> str | None:
    """Why a no would be unsafe where more passed with a watch's addresses at their port of *our* end than could have
    been missed: indicators do not always say whose port they name."""
    watch = asked.watch
    if watch is None or not watch.ported:
        return None
    amount = _amount(lake, asked, span, replace(asked, watch=watch.swapped()).conditions())
    if amount <= least:
        return None
    return (
        f"{format_amount(amount, asked.metric)} with addresses of the watch {watch.name} have the port of the indicator"
        " at the other end, and are not counted: if that was meant, ask about the addresses at every port."
    )


def _amount(lake: Lake, asked: Asked, span: Span, conditions: tuple[str, ...]) -> float:
    """What began in the asked time, or went on in it, by the question's metric."""
    far = "dst" if asked.direction == "out" else "src"
    expression = f"count(DISTINCT {far})" if asked.metric == "hosts" else f"sum({asked.metric})"
    since_us = span.since_s * 1_000_000
    going_on = (*conditions, f"time_end > make_timestamptz({since_us})")
    return sum(float(lake.total(expression, chosen) or 0) for chosen in (
        FlowFilter(since_us, span.until_s * 1_000_000, conditions), FlowFilter(since_us - LONG_US, since_us, going_on)
    ))
