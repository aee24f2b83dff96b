"""Was there a surge: windows of a series against its baseline, under one false-alarm bound over the whole question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.baseline import DAY_S, Baseline, fit_baseline
from tidegauge.detect.tail import Tail, fit_tail

Floats = NDArray[np.float64]

DURATIONS_S = (300, 900, 3600, 21600, 86400)
SEEN_ENOUGH = 0.5
"""Bins and windows that were seen less than this neither accuse nor acquit."""
HARDLY_SEEN = 0.05
"""A bin seen less than this does not count as history at all."""
LEAST_HISTORY_S = DAY_S
LEAST_COVERAGE = 0.8
BLOCK_S = 21600
OFFSET = 0.25

METHOD = (
    "Windows of {windows} against a winsorised seasonal baseline (hour of week, day trend); standardised excess;"
    " critical levels from the predictive generalised Pareto tail of block maxima of {days:.1f} days of history"
    " (weeks left out in turn); false alarms shared equally over window lengths; detection limits by injection."
)


@dataclass(frozen=True)
class Scan:
    """Everything that one window length says of the asked time.

    Attributes:
        length: bins of a window.
        first: position (in the whole series) of the first asked window; windows follow bin by bin.
        observed, expected, spread: of each asked window; shape (m,).
        usable: windows that were seen enough.
        level: critical level of `(observed - expected) / spread`.
        p_values: family-wise over the whole question.
    """

    length: int
    first: int
    observed: Floats
    expected: Floats
    spread: Floats
    usable: NDArray[np.bool_]
    level: float
    p_values: Floats

    @property
    def critical(self) -> Floats:
        """The amount above which a window is called a surge."""
        return self.expected + self.level * self.spread


@dataclass(frozen=True)
class Judgement:
    """What the data carry.

    Attributes:
        reasons: why nothing can be said; empty where something can.
        scans: one a window length.
        expected: expectation for each bin of the asked time, as seen.
        history_days: days of covered history.
    """

    reasons: tuple[str, ...]
    scans: tuple[Scan, ...]
    expected: Floats
    history_days: float


def window_lengths(width_s: int, asked_bins: int) -> list[int]:
    """Bins of the windows that fit into the asked time.

    >>> window_lengths(300, 2016)
    [1, 3, 12, 72, 288]
    """
    lengths = sorted({max(round(d / width_s), 1) for d in DURATIONS_S})
    return [n for n in lengths if n <= asked_bins] or [1]


def judge(
    starts_s: NDArray[np.int64],
    values: Floats,
    seen: Floats,
    *,
    width_s: int,
    asked: slice,
    false_alarm: float,
    unit: float,
) -> Judgement:
    """Hold the asked bins against the bins before them.

    Args:
        starts_s: starts of bins, `width_s` apart, history first; shape (n,).
        values: sums as seen; shape (n,).
        seen: coverage of each bin, 0 to 1; shape (n,).
        asked: which bins are asked about; those before them are the history.
        unit: the smallest amount that means anything in this metric.
    """
    good = seen >= SEEN_ENOUGH
    past = np.flatnonzero(good[: asked.start])
    present = seen[asked]
    reasons = []
    covered_s = int((seen[: asked.start] >= HARDLY_SEEN).sum()) * width_s
    if covered_s < LEAST_HISTORY_S or not len(past):
        reasons.append(
            f"too little history: {covered_s / 3600:.1f} hours of covered time before the asked time,"
            f" {LEAST_HISTORY_S // 3600} are needed"
        )
    if not len(present):
        reasons.append("the asked time holds no data")
    elif present.mean() < LEAST_COVERAGE:
        reasons.append(
            f"too little coverage: {present.mean():.1%} of the asked time was seen, {LEAST_COVERAGE:.0%} are needed"
        )
    days = len(past) * width_s / DAY_S
    if reasons:
        return Judgement(tuple(reasons), (), np.zeros(len(present)), days)
    baseline = fit_baseline(starts_s[past], values[past], seen[past])
    expected = np.r_[_held_out(starts_s[: asked.start], values, seen, past), baseline.expected(starts_s[asked])] * seen
    lengths = window_lengths(width_s, len(present))
    scans = [
        _scan(
            n, values[: asked.stop], expected, seen[: asked.stop], asked.start, width_s, false_alarm, len(lengths), unit
        )
        for n in lengths
    ]
    usable = [scan for scan in scans if scan is not None]
    return Judgement((), tuple(usable), expected[asked], days)


def _held_out(starts_s: NDArray[np.int64], values: Floats, seen: Floats, past: NDArray[np.int64]) -> Floats:
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
        fitted: Baseline = fit_baseline(starts_s[rest], values[rest], seen[rest])
        own = parts == part
        expected[own] = fitted.expected(starts_s[own])
    return expected


def _sums(values: Floats, length: int) -> Floats:
    total = np.r_[0.0, np.cumsum(values)]
    return np.asarray(total[length:] - total[:-length])


def _scan(
    length: int, values: Floats, expected: Floats, seen: Floats, first: int, width_s: int,
    false_alarm: float, lengths: int, unit: float,
) -> Scan | None:  # fmt: skip
    hidden = np.where(seen >= SEEN_ENOUGH, 1.0, 0.0)
    observed, mean = _sums(values * hidden, length), _sums(expected * hidden, length)
    share = _sums(seen * hidden, length) / length
    usable = share >= SEEN_ENOUGH
    history = slice(0, max(first - length + 1, 0))
    typical = float(mean[history][usable[history]].mean()) if usable[history].any() else 0.0
    # The spread of a sum grows as the root of its level (quasi-Poisson); the offset serves hours that are almost empty.
    floor = max(OFFSET * typical, unit)
    spread = np.sqrt(np.maximum(mean, 0) + floor) * np.sqrt(max(typical, unit))
    scores = np.where(usable, (observed - mean) / spread, -np.inf)

    block = max(length, min(BLOCK_S // width_s, max(first // 100, 1)))
    maxima = _block_maxima(scores[history], block)
    if len(maxima) < 2:
        return None
    least = unit / float(np.median(spread))
    tail: Tail = fit_tail(maxima, floor=least)
    asked = slice(first, len(scores))
    blocks = max((len(values) - first) / block, 1.0)
    # Never below what a single unit amounts to, nor below what was ordinary in the history.
    level = max(tail.level(false_alarm / lengths, blocks), least)
    p_values = np.minimum(tail.p_value(scores[asked], blocks) * lengths, 1.0)
    return Scan(
        length,
        first,
        observed[asked],
        mean[asked],
        spread[asked],
        usable[asked],
        level,
        np.where(usable[asked], p_values, 1.0),
    )


def _block_maxima(scores: Floats, block: int) -> Floats:
    """Largest score of each block, counted back from the end; blocks without a usable window are left out."""
    count = len(scores) // block
    if not count:
        return scores[np.isfinite(scores)][:0]
    tops = scores[len(scores) - count * block :].reshape(count, block).max(axis=1)
    return np.asarray(tops[np.isfinite(tops)])
