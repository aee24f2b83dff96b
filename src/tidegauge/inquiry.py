"""Questions to answers: a selection of a site's flows, or a series from a file, judged, with what it rests on."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidegauge import __version__
from tidegauge.atlas import Atlas
from tidegauge.detect import Outcome, decide
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import (
    RELAYS,
    Answer,
    Blind,
    InputError,
    LakeError,
    Question,
    UsageError,
    class_bit,
    format_duration,
    format_time,
    parse_time,
)
from tidegauge.series import BLIND_BELOW, Coverage, Series, build_series, origin_sql, runs
from tidegauge.site import Site

WIDTH_S = 300
DEFAULT_SPAN_S = 7 * 86400
ATLAS_NEAR_S = 31 * 86400
MOST_BINS = 2_000_000


@dataclass(frozen=True)
class Asked:
    """A question as it was put, times in epoch seconds; None: as far as the data go."""

    origin: str | None
    where_text: str | None
    where_sql: str | None
    direction: str
    metric: str
    since_s: int | None
    until_s: int | None
    baseline_s: int
    false_alarm: float
    power: float

    def conditions(self) -> tuple[str, ...]:
        parts = [origin_sql(self.origin, self.direction) if self.origin else f"direction = '{self.direction}'"]
        return (*parts, self.where_sql) if self.where_sql else tuple(parts)

    def selection(self) -> str:
        return " and ".join(part for part in (self.origin, self.where_text) if part) or "all"


@dataclass(frozen=True)
class Reply:
    """An answer with the series and the judgement behind it, for drawing."""

    answer: Answer
    series: Series
    asked: slice
    outcome: Outcome


def ask(site: Site, asked: Asked) -> Reply:
    """Was there a surge?

    Raises:
        LakeError: there are no flows.
        UsageError: the asked time is empty.
    """
    lake = Lake(site.data, memory_mb=site.memory_mb)
    span = lake.span_us()
    if span is None:
        raise LakeError("no flows here yet", where=str(site.data), hint="take some in with `tidegauge ingest PATH`")
    data_from_s, data_until_s = span[0] // 1_000_000, -(-span[1] // 1_000_000)
    until_s = data_until_s if asked.until_s is None else asked.until_s
    since_s = max(until_s - DEFAULT_SPAN_S, data_from_s) if asked.since_s is None else asked.since_s
    if since_s >= until_s:
        raise UsageError(
            f"the asked time is empty: since {format_time(since_s)}, until {format_time(until_s)}",
            hint=f"the data reach from {format_time(data_from_s)} to {format_time(data_until_s)}",
        )
    since_s, until_s = since_s // WIDTH_S * WIDTH_S, -(-until_s // WIDTH_S) * WIDTH_S
    history_s = min(max(since_s - asked.baseline_s, data_from_s // WIDTH_S * WIDTH_S), since_s)
    if (until_s - history_s) // WIDTH_S > MOST_BINS:
        raise UsageError("the asked time is longer than tidegauge judges at once", hint="ask for a few years at most")
    series, coverage = build_series(
        lake, asked.conditions(), metric=asked.metric, width_s=WIDTH_S, since_s=history_s, until_s=until_s
    )
    first = since_s // WIDTH_S - series.first_bin
    chosen = slice(first, len(series.values))
    outcome = decide(
        series.starts_s, series.values, series.seen, width_s=WIDTH_S, asked=chosen,
        false_alarm=asked.false_alarm, power=asked.power, unit=_unit(lake, asked, history_s, since_s),
    )  # fmt: skip
    question = Question(
        asked.selection(), asked.direction, asked.metric, WIDTH_S, since_s, until_s, (history_s, since_s)
    )
    relay_share = _relay_share(lake, asked, since_s, until_s)
    answer = Answer(
        question=question,
        verdict=outcome.verdict,
        false_alarm=asked.false_alarm,
        power=asked.power,
        surges=outcome.surges,
        largest=outcome.largest,
        limits=outcome.limits,
        coverage_share=float(series.seen[chosen].mean()),
        blind=tuple(_blind_within(coverage, since_s, until_s)),
        caveats=(*outcome.caveats, *_caveats(site, asked, coverage, since_s, until_s, relay_share)),
        method=outcome.method,
        version=__version__,
        relay_share=relay_share,
    )
    return Reply(answer, series, chosen, outcome)


def _unit(lake: Lake, asked: Asked, since_s: int, until_s: int) -> float:
    """What one ordinary flow of that direction amounts to: the least that can mean anything."""
    if asked.metric in ("flows", "hosts"):
        return 1.0
    chosen = FlowFilter(since_s * 1_000_000, until_s * 1_000_000, (f"direction = '{asked.direction}'",))
    mean = lake.scalar(f'avg("{asked.metric}")', chosen)
    return max(float(mean or 0), 1.0)


def _relay_share(lake: Lake, asked: Asked, since_s: int, until_s: int) -> float:
    """Share of the asked amount that came from, or went to, known relays."""
    bits = sum(class_bit(name) for name in RELAYS)
    far = "dst_class" if asked.direction == "out" else "src_class"
    chosen = FlowFilter(since_s * 1_000_000, until_s * 1_000_000, asked.conditions())
    share = lake.scalar(f"sum(bytes) FILTER ({far} & {bits} <> 0) / nullif(sum(bytes), 0)", chosen)
    return round(float(share or 0), 6)


def _blind_within(coverage: Coverage, since_s: int, until_s: int) -> Iterator[Blind]:
    for blind in coverage.blind():
        start, end = max(blind.start_s, since_s), min(blind.end_s, until_s)
        if end > start:
            yield replace(blind, start_s=start, end_s=end)


def _caveats(
    site: Site, asked: Asked, coverage: Coverage, since_s: int, until_s: int, relay_share: float
) -> Iterator[str]:
    """What weakens the answer, each with its size."""
    if site.simulated:
        yield "all data of this site are simulated"
    by_table = asked.origin and re.search(r"(^|,)\s*([A-Za-z]{2}|[Aa][Ss]\d+)\s*(,|$)", asked.origin)
    atlas = Atlas()
    if by_table:
        edition = atlas.world[0]
        distance = min(atlas.distance_s(since_s), atlas.distance_s(until_s))
        if distance > ATLAS_NEAR_S:
            yield (
                f"countries and ASes are those of the atlas edition of {edition.edition}, the nearest there is,"
                f" {distance / 86400:,.0f} days from the asked time"
            )
    if asked.origin:
        wanted = {part.strip().upper() for part in asked.origin.split(",")}
        for fact in atlas.facts:
            in_time = fact.from_s < until_s and fact.until_s > since_s
            if in_time and fact.used_by in wanted and fact.country not in wanted and str(fact.prefix) not in wanted:
                yield (
                    f"{fact.prefix} displays {fact.country} but was used from {fact.used_by} at that time"
                    f" ({fact.note}): it is not in this answer; ask with --from {asked.origin},{fact.prefix}"
                )
        yield (
            "the answer is about addresses that display this origin; whoever came through a relay shows the relay's."
            f" Known relays made up {relay_share:.2%} of the asked volume; the embedded atlas holds no relay lists"
        )
    for exporter in coverage.exporters:
        if len(exporter.sampling) > 1 or exporter.sampling[0] > 1:
            intervals = ", ".join(f"1:{n}" for n in exporter.sampling)
            yield f"{exporter.exporter} samples packets ({intervals}): its volumes are estimates"
        if abs(exporter.skew_s) > WIDTH_S:
            yield (
                f"the clock of {exporter.exporter} is {format_duration(abs(round(exporter.skew_s)))}"
                f" {'ahead of' if exporter.skew_s > 0 else 'behind'} the time of arrival; its own times are used"
            )


@dataclass(frozen=True)
class SeriesFile:
    """A series read from a file."""

    width_s: int
    first_s: int
    values: NDArray[np.float64]
    seen: NDArray[np.float64]


def read_series(path: Path, *, missing_zero: bool) -> SeriesFile:
    """Read `time,value[,coverage]`.

    Raises:
        InputError: with line and cause.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from None
    rows = csv.reader(io.StringIO(text))
    header = [name.strip().lower() for name in next(rows, [])]
    if header[:2] != ["time", "value"] or header[2:] not in ([], ["coverage"]):
        raise InputError(f"the header is {','.join(header)!r}", where=f"{path}, line 1", hint="time,value[,coverage]")
    times, values, seen = [], [], []
    try:
        for number, row in enumerate(rows, start=2):
            if not row:
                continue
            if len(row) != len(header):
                raise InputError(f"{len(row)} columns, not {len(header)}", where=f"{path}, line {number}")
            times.append(_time(row[0], path, number))
            empty = not row[1].strip()
            values.append(0.0 if empty else _amount(row[1], path, number))
            share = _amount(row[2], path, number) if len(row) > 2 and row[2].strip() else 1.0
            if not 0 <= share <= 1:
                raise InputError(f"coverage {share} is not between 0 and 1", where=f"{path}, line {number}")
            seen.append(0.0 if empty else share)
    except csv.Error as error:
        raise InputError(f"not CSV: {error}", where=f"{path}, line {rows.line_num}") from None
    if len(times) < 2:
        raise InputError("fewer than two bins", where=str(path))
    starts = np.array(times, dtype=np.int64)
    gaps = np.diff(starts)
    if (gaps <= 0).any():
        line = int(np.flatnonzero(gaps <= 0)[0]) + 3
        raise InputError("times do not ascend", where=f"{path}, line {line}")
    widths, counts = np.unique(gaps, return_counts=True)
    width = int(widths[np.argmax(counts)])
    if (gaps % width).any():
        line = int(np.flatnonzero(gaps % width)[0]) + 3
        raise InputError(
            f"a time is not a multiple of the width ({width} s) from the others", where=f"{path}, line {line}"
        )
    count = int((starts[-1] - starts[0]) // width) + 1
    if count > MOST_BINS:
        raise InputError(f"{count:,} bins between the first and last time", where=str(path))
    places = (starts - starts[0]) // width
    filled, coverage = np.zeros(count), np.full(count, 1.0 if missing_zero else 0.0)
    filled[places], coverage[places] = values, seen
    return SeriesFile(width, int(starts[0]), filled, coverage)


def _time(text: str, path: Path, line: int) -> int:
    try:
        return int(float(text)) if re.fullmatch(r"\s*\d+(\.\d*)?\s*", text) else parse_time(text, now_s=0)
    except (UsageError, OverflowError) as error:
        raise InputError(str(error), where=f"{path}, line {line}") from None


def _amount(text: str, path: Path, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value) or value < 0 or value > 1e300:
        raise InputError(f"not an amount: {text.strip()!r}", where=f"{path}, line {line}")
    return value


def assess(
    path: Path, *, since: str, until: str | None, baseline_s: int, false_alarm: float, power: float, missing_zero: bool
) -> Answer:
    """The same judgement on a series from any tool.

    Raises:
        InputError: the file is wrong.
        UsageError: the asked time is empty.
    """
    read = read_series(path, missing_zero=missing_zero)
    width = read.width_s
    end_s = read.first_s + len(read.values) * width
    since_s = parse_time(since, now_s=end_s)
    until_s = end_s if until is None else parse_time(until, now_s=end_s)
    # Bins may begin anywhere: the grid is the file's own.
    first = max(-(-(since_s - read.first_s) // width), 0)
    last = -(-(until_s - read.first_s) // width)
    if last - first > MOST_BINS:
        raise UsageError("the asked time is longer than tidegauge judges at once")
    if last > len(read.values):
        pad = last - len(read.values)
        read = replace(read, values=np.r_[read.values, np.zeros(pad)], seen=np.r_[read.seen, np.zeros(pad)])
    if first >= last:
        raise UsageError(
            "the asked time is empty",
            where=str(path),
            hint=f"its bins reach from {format_time(read.first_s)} to {format_time(end_s)}",
        )
    begin = max(first - baseline_s // width, 0)
    values, seen = read.values[begin:last], read.seen[begin:last]
    starts = read.first_s + (begin + np.arange(last - begin)) * width
    positive = values[values > 0]
    outcome = decide(
        starts, values, seen, width_s=width, asked=slice(first - begin, last - begin),
        false_alarm=false_alarm, power=power, unit=float(positive.min()) if len(positive) else 1.0,
    )  # fmt: skip
    asked_since_s, asked_until_s = read.first_s + first * width, read.first_s + last * width
    question = Question(
        path.name, "", "value", width, asked_since_s, asked_until_s, (read.first_s + begin * width, asked_since_s)
    )
    return Answer(
        question=question,
        verdict=outcome.verdict,
        false_alarm=false_alarm,
        power=power,
        surges=outcome.surges,
        largest=outcome.largest,
        limits=outcome.limits,
        coverage_share=float(seen[first - begin :].mean()),
        blind=tuple(
            Blind(asked_since_s + a * width, asked_since_s + b * width, "no or little coverage in the file")
            for a, b in runs(seen[first - begin :] < BLIND_BELOW)
        ),
        caveats=outcome.caveats,
        method=outcome.method,
        version=__version__,
    )
