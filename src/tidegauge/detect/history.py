"""What a series' history says before anything is asked of it: the expectation, surges of the past, scores and peaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.baseline import DAY_S, fit_baseline
from tidegauge.detect.calendar import NO_CALENDAR, Calendar
from tidegauge.detect.peaks import single, strangers
from tidegauge.detect.windows import SEEN_ENOUGH, Scored, Standardised
from tidegauge.model import runs

Floats = NDArray[np.float64]

DURATIONS_S = (300, 900, 3600, 21600, 86400)
HARDLY_SEEN = 0.05
"""A bin seen less than this does not count as history at all."""
LEAST_HISTORY_S = DAY_S
LEAST_COVERAGE = 0.8
STRANGER_LENGTHS_S = (300, 3600, 21600)
MOST_STRANGERS = 8
MOST_STRANGE_SHARE = 0.15
"""More past surges than this, or more of the history, are a habit and count as usual."""


@dataclass(frozen=True)
class Learned:
    """What the history says.

    Attributes:
        reasons: why nothing can be said; empty where something can, and then all else is filled.
        days: of covered history.
        expected: expectation of each bin, history and asked time, as seen; shape (n,).
        scored: one a window length, the shortest first.
        alone, recurring: bins of past surges that were left out, and of those that count; shape (h,).
    """

    reasons: tuple[str, ...]
    days: float
    width_s: int
    asked: slice
    expected: Floats
    series: Standardised | None = None
    scored: tuple[Scored, ...] = ()
    alone: tuple[tuple[int, int], ...] = ()
    recurring: tuple[tuple[int, int], ...] = ()


def window_lengths(width_s: int, asked_bins: int) -> list[int]:
    """Bins of the windows that fit into the asked time.

    >>> window_lengths(300, 2016)
    [1, 3, 12, 72, 288]
    """
    lengths = sorted({max(round(d / width_s), 1) for d in DURATIONS_S})
    return [n for n in lengths if n <= asked_bins] or [1]


def expectation(
    starts_s: NDArray[np.int64], table: Floats, seen: Floats, *, asked: int, width_s: int,
    calendar: Calendar = NO_CALENDAR,
) -> Floats:
    """What the bins before the asked ones let expect of these, for many series at once; nothing is judged.

    Args:
        table: a series a row; shape (series, bins). `seen` of shape (bins,), `asked` the first asked bin.
    Returns:
        Shape (series, bins - asked), as seen; zeros where no bin of the history was.
    """
    starts_s = calendar.local_s(starts_s)
    past = np.flatnonzero((seen[:asked] >= SEEN_ENOUGH) & calendar.teaches(starts_s[:asked]))
    if not len(past):
        return np.zeros((len(table), table.shape[1] - asked))
    fitted = (
        fit_baseline(starts_s[past], row[past], seen[past], width_s=width_s, holidays=calendar.holidays)
        for row in table
    )
    rows = [one.expected(starts_s[asked:], calendar.holidays) * seen[asked:] for one in fitted]
    return np.stack(rows) if rows else np.zeros((0, table.shape[1] - asked))


def learn(
    starts_s: NDArray[np.int64], values: Floats, seen: Floats, *, width_s: int, asked: slice, false_alarm: float,
    unit: float, calendar: Calendar = NO_CALENDAR,
) -> Learned:
    """Learn from the bins before the asked ones; arguments as for `judge`."""
    starts_s = calendar.local_s(starts_s)
    teaches = calendar.teaches(starts_s)
    good = (seen >= SEEN_ENOUGH) & teaches
    past = np.flatnonzero(good[: asked.start])
    present = seen[asked]
    reasons = []
    covered_s = int((seen[: asked.start] >= HARDLY_SEEN).sum()) * width_s
    if covered_s < LEAST_HISTORY_S:
        reasons.append(
            f"too little history: {covered_s / 3600:.1f} hours of covered time before the asked time,"
            f" {LEAST_HISTORY_S // 3600} are needed"
        )
    elif not len(past):
        reasons.append(
            f"no history to learn from: the {covered_s / 3600:.1f} hours of covered time before the asked time lie in"
            " breaks and one-off days of the calendar, or were seen in part only"
        )
    if not len(present):
        reasons.append("the asked time holds no data")
    elif present.mean() < LEAST_COVERAGE:
        reasons.append(
            f"too little coverage: {present.mean():.1%} of the asked time was seen, {LEAST_COVERAGE:.0%} are needed"
        )
    days = len(past) * width_s / DAY_S
    if reasons:
        return Learned(tuple(reasons), days, width_s, asked, np.zeros(asked.stop))
    strange, alone, recurring = (np.zeros(asked.start, dtype=bool) for _ in range(3))
    for _ in range(2):
        kept = past[~strange[past]]
        whole = fit_baseline(starts_s[kept], values[kept], seen[kept], width_s=width_s, holidays=calendar.holidays)
        expected = _held_out(starts_s[: asked.start], values, seen, kept, calendar, width_s)
        expected = np.r_[expected, whole.expected(starts_s[asked], calendar.holidays)] * seen[: asked.stop]
        expected = _as_after_breaks(starts_s, values, expected, calendar, asked)
        left_out = strange | ~teaches[: asked.start]
        series = Standardised(values[: asked.stop], expected, seen[: asked.stop], asked.start, unit, left_out, width_s)
        if strange.any():
            break
        alone, recurring = _past_surges(series, width_s, len(present), false_alarm)
        going_on = _going_on(series, max(round(3600 / width_s), 1))
        alone[going_on:], recurring[going_on:] = True, False
        strange = alone | recurring
        if not strange.any():
            break
    lengths = window_lengths(width_s, len(present))
    scored = tuple(one for length in lengths if (one := series.scored(length)) is not None)
    return Learned(
        (), days, width_s, asked, expected, series, scored, tuple(runs(alone)), tuple(runs(recurring))
    )


def _as_after_breaks(
    local_s: NDArray[np.int64], values: Floats, expected: Floats, calendar: Calendar, asked: slice
) -> Floats:
    """The expectation of the first days after a break by those of the history: as many times as high as they were."""
    after = calendar.after_break(local_s[: asked.stop])
    past, own = after[: asked.start], after[asked]
    usual = expected[: asked.start][past].sum()
    if not own.any() or not usual:
        return expected
    times = float(values[: asked.start][past].sum() / usual)
    return np.where(after, expected * times, expected)


def _held_out(
    starts_s: NDArray[np.int64], values: Floats, seen: Floats, past: NDArray[np.int64], calendar: Calendar,
    width_s: int,
) -> Floats:
    """Expectation of the history, each part from the others: as far off as the expectation of the asked time is."""
    span = starts_s[past[-1]] - starts_s[past[0]]
    part_s = 7 * DAY_S if span >= 13 * DAY_S else DAY_S if span >= 2 * DAY_S else max(int(span) // 4, 1)
    parts = (starts_s - starts_s[past[0]]) // part_s
    # The last part is what the next one looks like: it comes from those before it alone. A stub joins its neighbour.
    last = int(parts[past[-1]])
    if last and (parts[past] == last).sum() < 0.5 * (parts[past] == last - 1).sum():
        parts = np.minimum(parts, last - 1)
    expected = np.zeros(len(starts_s))
    for part in np.unique(parts):
        rest = past[parts[past] != part]
        rest = rest if len(rest) >= 12 else past
        fitted = fit_baseline(starts_s[rest], values[rest], seen[rest], width_s=width_s, holidays=calendar.holidays)
        own = parts == part
        expected[own] = fitted.expected(starts_s[own], calendar.holidays)
    return expected


def _going_on(series: Standardised, length: int) -> int:
    """The bin from which on to the end of the history every window is higher than all before, and the first of the
    asked time is, too: what begins there belongs to the question. The end of the history where nothing does."""
    first = series.first
    scored = series.scored(length)
    if scored is None or len(scored.scores) <= first:
        return first
    scores = np.where(scored.usable, scored.scores, np.inf)[: first - length + 1]
    usual = np.where(scored.usable, scored.scores, -np.inf)[: first - length + 1]
    lowest = np.minimum.accumulate(scores[::-1])[::-1]
    highest = np.r_[np.full(length, np.inf), np.maximum.accumulate(usual)[: len(usual) - length]][: len(usual)]
    known = np.isfinite(highest) & (np.arange(len(highest)) >= (1 - MOST_STRANGE_SHARE) * first)
    begins = np.flatnonzero(known & (lowest > highest) & (scored.scores[first] > highest))
    return int(begins[0]) if len(begins) else first


def _past_surges(
    series: Standardised, width_s: int, asked_bins: int, false_alarm: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Bins of the history that belong to surges of the past, peaks that do not fit those below them: those that are
    left out, and those that count since others of their like stand beside them. Shapes (first,)."""
    strange, recurring = np.zeros(series.first, dtype=bool), np.zeros(series.first, dtype=bool)
    for length in sorted({max(round(d / width_s), 1) for d in STRANGER_LENGTHS_S}):
        scored = series.scored(length)
        if scored is None or scored.peaks.exposure < 20 * length:
            continue
        peaks = scored.peaks
        doubted = strangers(peaks)
        alone = single(peaks, doubted, windows=float(asked_bins), false_alarm=false_alarm)
        for i in np.flatnonzero(doubted).tolist():
            target = strange if alone[i] else recurring
            target[peaks.begins[i] : peaks.ends[i] + length - 1] = True
    # What recurs at one window length is usual, however alone it looks at another.
    for begin, end in runs(strange):
        if recurring[begin:end].any():
            strange[begin:end] = False
            recurring[begin:end] = True
    found = strange | recurring
    if len(runs(found)) > MOST_STRANGERS or found.mean() > MOST_STRANGE_SHARE:
        return np.zeros(series.first, dtype=bool), np.zeros(series.first, dtype=bool)
    return strange, recurring
