"""Series from any tool: `time,value[,coverage]` read from a file, and the same judgement on it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect import NO_CALENDAR, Calendar, decide
from tidegauge.inquiry.answering import answered
from tidegauge.model import Answer, Blind, InputError, Question, UsageError, format_time, parse_time, runs
from tidegauge.series import BLIND_BELOW

MOST_BINS = 2_000_000
LARGEST = 1e100


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
    if header not in (["time", "value"], ["time", "value", "coverage"]):
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
            seen.append(0.0 if empty else _share(row[2:], path, number))
    except csv.Error as error:
        raise InputError(f"not CSV: {error}", where=f"{path}, line {rows.line_num}") from None
    if len(times) < 2:
        raise InputError("fewer than two bins", where=str(path))
    starts = np.array(times, dtype=np.int64)
    width = _width_of(np.diff(starts), path)
    count = int((starts[-1] - starts[0]) // width) + 1
    if count > MOST_BINS:
        raise InputError(f"{count:,} bins between the first and last time", where=str(path))
    places = (starts - starts[0]) // width
    filled, coverage = np.zeros(count), np.full(count, 1.0 if missing_zero else 0.0)
    filled[places], coverage[places] = values, seen
    return SeriesFile(width, int(starts[0]), filled, coverage)


def _share(cells: list[str], path: Path, line: int) -> float:
    """The coverage of a bin, where it is told."""
    share = _amount(cells[0], path, line) if cells and cells[0].strip() else 1.0
    if not 0 <= share <= 1:
        raise InputError(f"coverage {share} is not between 0 and 1", where=f"{path}, line {line}")
    return share


def _width_of(gaps: NDArray[np.int64], path: Path) -> int:
    """The width of bins between whose starts are these gaps (seconds).

    Raises:
        InputError: times do not ascend, or not all by multiples of it.
    """
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
    return width


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
    if not np.isfinite(value) or value < 0 or value > LARGEST:
        raise InputError(f"not an amount: {text.strip()!r}", where=f"{path}, line {line}")
    return value


CalendarOf = Callable[[int, int], Calendar]
"""The calendar of a place for a time (epoch seconds)."""


def no_calendar(since_s: int, until_s: int) -> Calendar:
    """Return the calendar of no place."""
    return NO_CALENDAR


def assess(
    path: Path, *, since: str, until: str | None, baseline_s: int, false_alarm: float, power: float,
    missing_zero: bool, calendar: CalendarOf = no_calendar, wanted: tuple[tuple[float, int], ...] = (),
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
    known = calendar(int(starts[0]), int(starts[-1]) + width)
    outcome = decide(
        starts, values, seen, width_s=width, asked=slice(first - begin, last - begin),
        false_alarm=false_alarm, power=power, unit=float(positive.min()) if len(positive) else 1.0,
        calendar=known, wanted=wanted,
    )
    asked_since_s, asked_until_s = read.first_s + first * width, read.first_s + last * width
    question = Question(
        path.name, "", "value", width, asked_since_s, asked_until_s, (read.first_s + begin * width, asked_since_s)
    )
    return answered(
        question, outcome, false_alarm=false_alarm, power=power,
        coverage_share=float(seen[first - begin :].mean()),
        blind=tuple(
            Blind(asked_since_s + a * width, asked_since_s + b * width, "no or little coverage in the file")
            for a, b in runs(seen[first - begin :] < BLIND_BELOW)
        ),
    )
