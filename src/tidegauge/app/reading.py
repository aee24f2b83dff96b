"""flows, top, series: what was asked, read and put into the shapes that both ends show."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tidegauge.app.questions import FlowsQuestion, SeriesQuestion, TopQuestion
from tidegauge.context import SiteContext
from tidegauge.inquiry import check_origins
from tidegauge.lake import VIRTUAL, FlowFilter, classes_in, columns_in
from tidegauge.model import UsageError, class_names, format_address, parse_duration, shapes
from tidegauge.series import (
    Origins,
    Series,
    build_series,
)
from tidegauge.watch import unmatched

MOST_BINS = 2_000_000
ENDS = {"direction", *VIRTUAL}
"""Columns that the home prefixes decide."""
NO_FAR_END = (
    "Traffic of direction 'internal' or 'transit' has no outside end and no home end: it is in the row without a value."
)


def plain(name: str, value: Any) -> Any:
    """A cell as JSON and CSV show it."""
    if isinstance(value, bytes):
        return format_address(value)
    if name.startswith("time_") and value is not None:
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if name.endswith("_class") and value is not None:
        return " ".join(class_names(value))
    return value


def plain_rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    for row in batch.to_pylist():
        yield {name: plain(name, value) for name, value in row.items()}


@dataclass(frozen=True)
class Top:
    """The reply to `top`: rows with their amount and share, and what was read."""

    by: list[str]
    metric: str
    rows: list[shapes.Row]
    reads: dict[str, int] | None
    caveats: tuple[str, ...] = ()

    def to_json(self) -> shapes.Top:
        told: shapes.Top = {"by": self.by, "metric": self.metric, "rows": self.rows, "caveats": list(self.caveats)}
        if self.reads is not None:
            told["reads"] = self.reads
        return told


def top(here: SiteContext, question: TopQuestion) -> Top:
    """The groups with the largest sums.

    Raises:
        LakeError: there are no flows.
        UsageError: no such column, or a wrong time or expression.
    """
    by, metric = question.by, question.metric
    here.extent_or_fail()
    chosen = here.filter(question.since, question.until, question.where)
    found, total = here.lake.top(by, chosen, metric=metric, limit=question.n)
    rows = []
    for row in found.to_pylist():
        amount = int(row.pop(metric))
        share = round(amount / total, 6) if total else 0.0
        rows.append({**{name: plain(name, value) for name, value in row.items()}, metric: amount, "share": share})
    caveats = here.unlisted(classes_in(question.where or ""), question.since, question.until)
    if ENDS.intersection((*by, *(columns_in(question.where) if question.where else ()))):
        caveats = (*caveats, *here.home_doubts(question.since, question.until))
    if any(row[name] is None for row in rows for name in ENDS.intersection(by)):
        caveats = (*caveats, NO_FAR_END)
    return Top(by, metric, rows, dict(here.lake.reads) if question.explain else None, caveats)


@dataclass(frozen=True)
class SeriesReply:
    """The reply to `series`; `note` says what the data have beyond the asked time that nobody named."""

    selection: str
    direction: str
    metric: str
    series: Series
    note: str | None
    reads: dict[str, int] | None
    caveats: tuple[str, ...] = ()

    def to_json(self) -> shapes.Series:
        built = self.series
        told: shapes.Series = {
            "selection": self.selection, "direction": self.direction, "metric": self.metric, "width_s": built.width_s,
            "start_s": built.starts_s.tolist(), "value": [int(v) for v in built.values],
            "coverage": [round(c, 6) for c in built.seen.tolist()], "caveats": list(self.caveats),
        }
        if self.reads is not None:
            told["reads"] = self.reads
        return told


def series(here: SiteContext, question: SeriesQuestion, *, most_bins: int = MOST_BINS) -> SeriesReply:
    """An amount over time.

    Raises:
        LakeError: there are no flows.
        UsageError: not an origin, a wrong expression, or too many bins.
    """
    width_s = parse_duration(question.width)
    here.extent_or_fail()
    since_s, until_s, note = here.span_s(question.since, question.until)
    direction, metric = question.direction, question.metric
    origin = None if question.from_ is None else Origins.parse(question.from_)
    if origin is not None:
        check_origins(here, origin, direction, since_s, until_s)
    if (until_s - since_s) // width_s > most_bins:
        raise UsageError(f"more than {most_bins:,} bins", hint="a larger --width or a shorter time")
    chosen = origin.sql(direction) if origin else f"direction = '{direction}'"
    selected = (chosen, *here.conditions(question.where))
    caveats = here.home_doubts(question.since, question.until)
    if question.watch is not None:
        watched = here.watched(question.watch)
        unmatched_by = unmatched(watched, here.site.home, since_s, until_s)
        selected, caveats = (*selected, watched.sql), (*caveats, *unmatched_by, *watched.notes)
    built, _ = build_series(here.lake, selected, metric=metric, width_s=width_s, since_s=since_s, until_s=until_s)
    watch = question.watch and f"watch {question.watch}"
    name = " and ".join(part for part in (str(origin or ""), watch, question.where) if part) or "all"
    classes = (*(origin.classes() if origin else ()), *classes_in(question.where or ""))
    caveats = (*caveats, *here.unlisted(classes, question.since, question.until))
    reads = dict(here.lake.reads) if question.explain else None
    return SeriesReply(name, direction, metric, built, note, reads, caveats)


def flow_filter(here: SiteContext, question: FlowsQuestion) -> FlowFilter:
    return here.filter(question.since, question.until, question.where)


@dataclass(frozen=True)
class FlowsPage:
    """The reply to `flows`: rows by start time, and where the next page begins; None at the end."""

    rows: list[shapes.Row]
    following: str | None
    caveats: tuple[str, ...] = ()

    def to_json(self) -> shapes.Flows:
        return {"flows": self.rows, "next": self.following, "caveats": list(self.caveats)}


def flows(here: SiteContext, question: FlowsQuestion) -> FlowsPage:
    """A page of flows.

    Raises:
        UsageError: a wrong time, expression or cursor.
    """
    after = None if question.cursor is None else _opened(question.cursor)
    table = here.lake.page(flow_filter(here, question), limit=question.limit, after=after)
    rows = [row for batch in table.to_batches() for row in plain_rows(batch)]
    following = None
    if table.num_rows == question.limit:
        times = (table[name].cast(pa.int64()).to_pylist() for name in ("time_start", "time_end"))
        places = list(zip(*times, table["src"].to_pylist(), table["dst"].to_pylist(), strict=True))
        start_us, end_us, src, dst = places[-1]
        same = places.count(places[-1])
        if after is not None and after[:4] == places[-1]:
            same += after[4]
        place = json.dumps([start_us, end_us, src.hex(), dst.hex(), same])
        following = base64.urlsafe_b64encode(place.encode()).decode()
    return FlowsPage(rows, following, flows_caveats(here, question))


def flows_caveats(here: SiteContext, question: FlowsQuestion) -> tuple[str, ...]:
    """What must be said beside a list of flows."""
    return here.unlisted(classes_in(question.where or ""), question.since, question.until)


def _opened(cursor: str) -> tuple[int, int, bytes, bytes, int]:
    try:
        start, end, src, dst, skip = json.loads(base64.urlsafe_b64decode(cursor))
        numbers = [int(n) for n in (start, end, skip)]
        if not all(0 <= n < 1 << 62 for n in numbers) or len(src) != 32 or len(dst) != 32:
            raise ValueError
        return numbers[0], numbers[1], bytes.fromhex(src), bytes.fromhex(dst), numbers[2]
    except (ValueError, TypeError, RecursionError):
        raise UsageError("not a cursor of this list", hint="take `next` of the page before, as it is") from None
