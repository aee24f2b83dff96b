"""Was there a surge: windows of a series against its baseline, under one false-alarm bound over the whole question."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.baseline import DAY_S, fit_baseline, is_on
from tidegauge.detect.peaks import Peaks, find_peaks, memory_of, separate_lengths, single, strangers, tail_of
from tidegauge.detect.tail import tempered
from tidegauge.model import runs

Floats = NDArray[np.float64]

DURATIONS_S = (300, 900, 3600, 21600, 86400)
SEEN_ENOUGH = 0.5
"""Bins and windows that were seen less than this neither accuse nor acquit."""
HARDLY_SEEN = 0.05
"""A bin seen less than this does not count as history at all."""
LEAST_HISTORY_S = DAY_S
LEAST_COVERAGE = 0.8
OFFSET = 0.25
STRANGER_LENGTHS_S = (300, 3600, 21600)
MOST_STRANGERS = 8
MOST_STRANGE_SHARE = 0.15
"""More past surges than this, or more of the history, are a habit and count as usual."""
WEEK_DAYS = 7
UNKNOWN_WEEK, UNKNOWN_DAYS = 1.0, 2.0
"""Until every day of the week has been seen, twice the expectation is nothing surprising; until three days, three times
(a weekend before a Monday)."""
FEW_DAYS = 2.9
UNKNOWN_GROWTH = 0.02
"""Until growth can be seen (two weeks), so much a day is nothing surprising."""
WHOLE_DAYS = 14
"""With less history what the peaks say of the tail counts for less, by the fourth root: days differ."""
MOST_MEMORY = 288
FEWEST_WINDOWS = 3
"""A window length of which the history does not hold so many, side by side, is not judged."""
LENDING = 0.6
"""How much of what a window length says of the shape of the tail holds for the next longer one."""

METHOD = (
    "Windows of {windows} against a robust baseline (level, growth, hour of day, day and hour of week, each shrunk by"
    " empirical Bayes); standardised excess; critical levels from the predictive log-generalised Weibull tail of the"
    " peaks of {days:.1f} days of history (weeks left out in turn{strange}); false alarms shared over window lengths by"
    " how many say something of their own; detection limits by injection."
)


@dataclass(frozen=True)
class Calendar:
    """Days (numbers since 1970-01-01, UTC) that are not like others of their weekday.

    Attributes:
        holidays: they are like Sundays.
        one_off: they teach nothing: left out of the history.
    """

    holidays: frozenset[int] = frozenset()
    one_off: frozenset[int] = frozenset()


NO_CALENDAR = Calendar()


@dataclass(frozen=True)
class Scan:
    """Everything that one window length says of the asked time.

    Attributes:
        length: bins of a window.
        first: position (in the whole series) of the first asked window; windows follow bin by bin.
        observed, expected, spread: of each asked window; shape (m,).
        usable: windows that were seen enough.
        level: critical level of `(observed - expected - allowance) / spread`.
        allowance: what may come on top of the expectation since a short history does not show it.
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
    allowance: Floats | float = 0.0

    @property
    def critical(self) -> Floats:
        """The amount above which a window is called a surge."""
        return self.expected + self.allowance + self.level * self.spread


@dataclass(frozen=True)
class Judgement:
    """What the data carry.

    Attributes:
        reasons: why nothing can be said; empty where something can.
        scans: one a window length.
        expected: expectation for each bin of the asked time, as seen.
        history_days: days of covered history.
        past_surges: bins of the history (begin, end) that were left out of it as surges.
        recurring: bins of past surges that count as usual, since there are others of their like.
        unknown: share by which the level may be higher because the history is too short to show it.
    """

    reasons: tuple[str, ...]
    scans: tuple[Scan, ...]
    expected: Floats
    history_days: float
    past_surges: tuple[tuple[int, int], ...] = ()
    unknown: float = 0.0
    recurring: tuple[tuple[int, int], ...] = ()


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
    calendar: Calendar = NO_CALENDAR,
) -> Judgement:
    """Hold the asked bins against the bins before them.

    Args:
        starts_s: starts of bins, `width_s` apart, history first; shape (n,).
        values: sums as seen; shape (n,).
        seen: coverage of each bin, 0 to 1; shape (n,).
        asked: which bins are asked about; those before them are the history.
        unit: the smallest amount that means anything in this metric.
        calendar: days that are not like others.
    """
    good = (seen >= SEEN_ENOUGH) & ~is_on(starts_s, calendar.one_off)
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
    lengths = window_lengths(width_s, len(present))
    strange, alone, recurring = (np.zeros(asked.start, dtype=bool) for _ in range(3))
    for _ in range(2):
        kept = past[~strange[past]]
        whole = fit_baseline(starts_s[kept], values[kept], seen[kept], width_s=width_s, holidays=calendar.holidays)
        expected = _held_out(starts_s[: asked.start], values, seen, kept, calendar, width_s)
        expected = np.r_[expected, whole.expected(starts_s[asked], calendar.holidays)] * seen[: asked.stop]
        left_out = strange | is_on(starts_s[: asked.start], calendar.one_off)
        series = _Standardised(values[: asked.stop], expected, seen[: asked.stop], asked.start, unit, left_out)
        if strange.any():
            break
        alone, recurring = _past_surges(series, width_s, len(present), false_alarm)
        strange = alone | recurring
        if not strange.any():
            break
    scored = [scored for length in lengths if (scored := _score(series, length)) is not None]
    share = _shared_among([(one.length, one.peaks) for one in scored])
    scans, lent = [], None
    unknown = _unknown(days, len(present) * width_s / DAY_S)
    for one in scored:
        scan, weights = _scan(
            series, one, false_alarm / share, share, lent, unknown, min((days / WHOLE_DAYS) ** 0.25, 1.0),
            tuple(runs(recurring)),
        )  # fmt: skip
        scans.append(scan)
        lent = tempered(weights, LENDING)
    return Judgement((), tuple(scans), expected[asked], days, tuple(runs(alone)), unknown, tuple(runs(recurring)))


def _unknown(history_days: float, asked_days: float) -> float:
    """The share by which the level may be higher than expected because the history is too short to show it."""
    week = UNKNOWN_DAYS if history_days < FEW_DAYS else UNKNOWN_WEEK if history_days < 0.95 * WEEK_DAYS else 0.0
    growth = UNKNOWN_GROWTH * (history_days / 2 + asked_days) if history_days < 13 else 0.0
    return float((1 + week) * np.exp(growth) - 1)


def _shared_among(found: list[tuple[int, Peaks]]) -> float:
    """Among how many the false-alarm budget is shared: the geometric mean of how many window lengths there are and how
    many of them the history shows to say something of their own."""
    return float(np.sqrt(separate_lengths(found) * len(found))) if found else 1.0


def _held_out(
    starts_s: NDArray[np.int64], values: Floats, seen: Floats, past: NDArray[np.int64], calendar: Calendar,
    width_s: int,
) -> Floats:  # fmt: skip
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


def _sums(values: Floats, length: int) -> Floats:
    total = np.r_[0.0, np.cumsum(values)]
    return np.asarray(total[length:] - total[:-length])


class _Standardised:
    """A series beside its expectation, and the scores of its windows of any length."""

    def __init__(
        self, values: Floats, expected: Floats, seen: Floats, first: int, unit: float, strange: NDArray[np.bool_]
    ) -> None:
        self.first, self.unit, self.strange = first, unit, strange
        self._hidden = np.where(seen >= SEEN_ENOUGH, 1.0, 0.0)
        self._seen = seen * self._hidden
        self._values, self._expected = values * self._hidden, expected * self._hidden
        past = self._hidden[:first] > 0
        self.typical = float(expected[:first][past].mean()) if past.any() else 0.0
        self.power = _spread_power(values[:first][past], expected[:first][past])
        observed, mean, spread, usable = self.windows(1)
        scores = (observed - mean) / spread
        # Empty bins are all alike: how far they lie below the expectation only tells the time of day.
        scores = np.where(observed > 0, scores, scores.min(initial=0.0))
        self.memory = min(memory_of(scores, self.past(usable, 1)), MOST_MEMORY)

    def windows(self, length: int) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
        """Observed, expected and spread (up to a factor) of each window, and which were seen enough."""
        observed, mean = _sums(self._values, length), _sums(self._expected, length)
        usable = _sums(self._seen, length) >= SEEN_ENOUGH * length
        # The spread of a sum grows as a power of its level; the offset serves hours that are almost empty.
        floor = max(OFFSET * self.typical, self.unit / 100)
        spread = (np.maximum(mean, 0) / length + floor) ** self.power
        return observed, mean, spread, usable

    def past(self, usable: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
        """Which windows lie in the history, were seen enough, and touch no surge of the past."""
        inside = usable.copy()
        inside[max(self.first - length + 1, 0) :] = False
        if self.strange.any():
            touched = _sums(np.r_[self.strange, np.zeros(len(self._values) - self.first)].astype(np.float64), length)
            inside &= touched < 0.5
        return inside


def _spread_power(values: Floats, expected: Floats) -> float:
    """How the deviation grows with the level: its power, between that of counts (0.5) and of shares (1).

    The slope of log deviation on log level over groups of like level, shrunk towards 0.5 where levels differ little.
    What is large at each level decides: in thin series more happens by day, but a flow is as large by night.
    """
    if len(values) < 200 or expected.max() <= 0:
        return 0.5
    order = np.argsort(expected, kind="stable")
    groups = [g for g in np.array_split(order, 8) if len(g)]
    level = np.array([expected[g].mean() for g in groups])
    excess = [values[g] - expected[g] for g in groups]
    deviation = np.array([_upper_mean(e) for e in excess])
    good = (level > 0) & (deviation > 0)
    if good.sum() < 4:
        return 0.5
    x, y = np.log(level[good]), np.log(deviation[good])
    x = x - x.mean()
    information = float((x**2).sum())
    slope = float((x * (y - y.mean())).sum()) / max(information, 1e-12)
    weight = information / (information + 0.3)
    return float(np.clip(0.5 + weight * (slope - 0.5), 0.0, 1.0))


def _upper_mean(excess: Floats) -> float:
    """Mean of what lies between the 96 and the 99.5 % quantile: large, but not the very largest."""
    ordered = np.sort(excess)
    return float(
        ordered[int(0.96 * len(ordered)) : max(int(0.995 * len(ordered)), int(0.96 * len(ordered)) + 1)].mean()
    )


def _positive(scores: Floats, known: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Scores raised by a robust deviation, so that ordinary ones are above 0 with the same tail; and by how much."""
    middle, upper = np.quantile(scores[known], (0.5, 0.84))
    raised = float(upper - middle) - float(middle)
    return scores + raised, raised


def _past_surges(
    series: _Standardised, width_s: int, asked_bins: int, false_alarm: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Bins of the history that belong to surges of the past, peaks that do not fit those below them: those that are
    left out, and those that count since others of their like stand beside them. Shapes (first,)."""
    strange, recurring = np.zeros(series.first, dtype=bool), np.zeros(series.first, dtype=bool)
    for length in sorted({max(round(d / width_s), 1) for d in STRANGER_LENGTHS_S}):
        observed, mean, spread, usable = series.windows(length)
        past = series.past(usable, length)
        if past.sum() < 20 * length:
            continue
        scores, _ = _positive((observed - mean) / spread, past)
        floor = series.unit / float(np.median(spread))
        peaks = find_peaks(scores, past, observed > 0, length, floor=floor, memory=series.memory)
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


@dataclass(frozen=True)
class _Scored:
    """The windows of one length, their scores, and the peaks of the history."""

    length: int
    observed: Floats
    mean: Floats
    spread: Floats
    usable: NDArray[np.bool_]
    scores: Floats
    raised: float
    least: float
    peaks: Peaks


def _score(series: _Standardised, length: int) -> _Scored | None:
    """Scores of the windows of a length; None where the history has none."""
    observed, mean, spread, usable = series.windows(length)
    past = series.past(usable, length)
    if past.sum() < (FEWEST_WINDOWS - 1) * length + 1:
        return None
    scores, raised = _positive((observed - mean) / spread, past)
    least = max(series.unit / float(np.median(spread)), 1e-12)
    peaks = find_peaks(scores, past, observed > 0, length, floor=least, memory=series.memory)
    return _Scored(length, observed, mean, spread, usable, scores, raised, least, peaks)


def _scan(
    series: _Standardised,
    one: _Scored,
    false_alarm: float,
    share: float,
    lent: Floats | None,
    unknown: float,
    known: float,
    recurring: tuple[tuple[int, int], ...],
) -> tuple[Scan, Floats]:
    """One window length: its critical level from the history, and what it says of the tail's shape.

    Args:
        recurring: bins of bursts that count as usual.
    """
    tail = tail_of(one.peaks, floor=one.least, before=lent)
    highest = [float(one.scores[max(a - one.length + 1, 0) : b].max()) for a, b in recurring]
    bursts = tuple(score for score in highest if score > one.peaks.threshold)
    tail = replace(tail, weights=tempered(tail.weights, known), bursts=bursts)
    asked = slice(series.first, len(one.scores))
    windows = float(len(one.scores) - series.first + one.length - 1)
    level = max(tail.level(false_alarm, windows), one.least + one.raised)
    allowance = one.mean[asked] * unknown
    p_values = np.minimum(tail.p_value(one.scores[asked] - allowance / one.spread[asked], windows) * share, 1.0)
    usable = one.usable[asked]
    scan = Scan(
        one.length,
        series.first,
        one.observed[asked],
        one.mean[asked],
        one.spread[asked],
        usable,
        level - one.raised,
        np.where(usable, p_values, 1.0),
        allowance,
    )
    return scan, tail.weights
