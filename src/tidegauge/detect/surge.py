"""Was there a surge: windows of a series against its baseline, under one false-alarm bound over the whole question."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.baseline import DAY_S
from tidegauge.detect.calendar import NO_CALENDAR, Calendar
from tidegauge.detect.history import Learned, learn
from tidegauge.detect.peaks import Peaks, separate_lengths, tail_of
from tidegauge.detect.pool import Pool, unpooled
from tidegauge.detect.resample import Remakes
from tidegauge.detect.tail import FEW, Curve, Tail, tempered
from tidegauge.detect.windows import Scored

Floats = NDArray[np.float64]

WEEK_DAYS = 7
UNKNOWN_WEEK, UNKNOWN_DAYS = 1.0, 2.0
"""Until every day of the week has been seen, twice the expectation is nothing surprising; until three days, three times
(a weekend before a Monday)."""
FEW_DAYS = 2.9
UNKNOWN_GROWTH = 0.02
"""Until growth can be seen (two weeks), so much a day is nothing surprising."""
WHOLE_DAYS = 14
"""With less history what the peaks say of the tail counts for less, by the fourth root: days differ."""
DOUBTED = 0.25
"""How far it is doubted that window lengths which saw the same in the history will see the same again."""
LENDING = 0.6
"""How much of what a window length says of the shape of the tail holds for the next longer one."""

METHOD = (
    "Windows of {windows} against a robust baseline (level, growth, hour of day, day and hour of week, each shrunk by"
    " empirical Bayes); standardised excess. Thresholds: short windows from the predictive log-generalised Weibull tail"
    " of the peaks of {days:.1f} days of history (weeks left out in turn{strange}{shapes}), windows longer than the"
    " memory of the series from a block bootstrap. The false-alarm budget is divided by the effective number of"
    " independent window lengths. Detection limits by injection."
)


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
        pooled: other series of the site that the shape of the tails rests on.
        unknown: share by which the level may be higher because the history is too short to show it.
    """

    reasons: tuple[str, ...]
    scans: tuple[Scan, ...]
    expected: Floats
    history_days: float
    past_surges: tuple[tuple[int, int], ...] = ()
    unknown: float = 0.0
    recurring: tuple[tuple[int, int], ...] = ()
    pooled: int = 0


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
    pool: Pool | None = None,
) -> Judgement:
    """Hold the asked bins against the bins before them.

    Args:
        starts_s: starts of bins, `width_s` apart, history first; shape (n,).
        values: sums as seen; shape (n,).
        seen: coverage of each bin, 0 to 1; shape (n,).
        asked: which bins are asked about; those before them are the history.
        unit: the smallest amount that means anything in this metric.
        calendar: days that are not like others.
        pool: what other series of the same site say of tails.
    """
    learned = learn(
        starts_s, values, seen, width_s=width_s, asked=asked, false_alarm=false_alarm, unit=unit, calendar=calendar
    )
    return conclude(learned, false_alarm=false_alarm, pool=pool)


def conclude(learned: Learned, *, false_alarm: float, pool: Pool | None = None) -> Judgement:
    """What follows from what was learned; arguments as for `judge`."""
    expected = learned.expected[learned.asked]
    if learned.reasons or not learned.scored:
        return Judgement(learned.reasons, (), expected, learned.days)
    assert learned.series is not None
    share = _shared_among([(one.length, one.peaks) for one in learned.scored])
    scans = []
    pool = pool or unpooled()
    said = pool.said(learned.scored[0])
    unknown = _unknown(learned.days, len(expected) * learned.width_s / DAY_S)
    known = min((learned.days / WHOLE_DAYS) ** 0.25, 1.0)
    remakes: Remakes | None = None
    shorter: _Shorter | None = None
    for one in learned.scored:
        before = pool.before(one, learned.width_s)
        given = before * said / (before * said).sum()
        tail = tail_of(one.peaks, floor=one.least, before=given)
        said = (tail.weights / np.maximum(before, FEW)) ** LENDING
        tail = replace(tail, weights=tempered(tail.weights, known))
        if remakes is None:
            day = DAY_S // learned.width_s
            remakes = Remakes(learned.series, one, tail, learned.recurring, day=day, before=given)
        tail = remakes.tail(one) or tail
        scans.append(_scan(learned, one, tail, false_alarm / share, share, unknown, shorter))
        shorter = shorter or _Shorter.of(tail, one.raised, false_alarm / share, float(len(expected)))
    others = pool.others(learned.scored[0])
    return Judgement((), tuple(scans), expected, learned.days, learned.alone, unknown, learned.recurring, others)


def _unknown(history_days: float, asked_days: float) -> float:
    """The share by which the level may be higher than expected because the history is too short to show it."""
    week = UNKNOWN_DAYS if history_days < FEW_DAYS else UNKNOWN_WEEK if history_days < 0.95 * WEEK_DAYS else 0.0
    growth = UNKNOWN_GROWTH * (history_days / 2 + asked_days) if history_days < 13 else 0.0
    return float((1 + week) * np.exp(growth) - 1)


def _shared_among(found: list[tuple[int, Peaks]]) -> float:
    """Among how many the false-alarm budget is shared: how many window lengths the history shows to say something of
    their own, and as far as `DOUBTED`, how many there are (a geometric mean)."""
    return float(separate_lengths(found) ** (1 - DOUBTED) * len(found) ** DOUBTED) if found else 1.0


@dataclass(frozen=True)
class _Shorter:
    """What the tail of the shortest windows says of their scores, which were raised by so much."""

    curve: Curve
    level: float
    raised: float

    @classmethod
    def of(cls, tail: Tail, raised: float, false_alarm: float, windows: float) -> _Shorter:
        curve = tail.curve(windows)
        return cls(curve, tail.level(false_alarm, windows, curve), raised)


def _scan(
    learned: Learned, one: Scored, tail: Tail, false_alarm: float, share: float, unknown: float,
    shorter: _Shorter | None,
) -> Scan:
    """One window length: its critical level from the tail of its peaks, and from that of the shortest windows, since
    what can come within one of these can come within a longer one."""
    first = learned.asked.start
    highest = [float(one.scores[max(a - one.length + 1, 0) : b].max()) for a, b in learned.recurring]
    bursts = tuple(score for score in highest if score > one.peaks.threshold)
    tail = replace(tail, bursts=bursts, bursts_within=one.peaks.exposure)
    asked = slice(first, len(one.scores))
    windows = float(len(one.scores) - first + one.length - 1)
    curve = tail.curve(windows)
    level = max(tail.level(false_alarm, windows, curve), one.least + one.raised)
    allowance = one.mean[asked] * unknown
    scores = one.scores[asked] - allowance / one.spread[asked]
    p_values = curve.p_value(scores)
    if shorter is not None:
        level = max(level, shorter.level - shorter.raised + one.raised)
        alike = shorter.curve.p_value(scores - one.raised + shorter.raised)
        p_values = np.maximum(p_values, alike)
    # Whatever the tail: the largest of all that the history and the asked time show lies in either by its length alone.
    largest, by_rank = float(one.peaks.scores.max(initial=0.0)), windows / (windows + one.peaks.exposure)
    if by_rank >= false_alarm:
        level = max(level, largest)
        p_values = np.where(scores <= largest, np.maximum(p_values, by_rank), p_values)
    p_values = np.minimum(p_values * share, 1.0)
    usable = one.usable[asked]
    return Scan(
        one.length,
        first,
        one.observed[asked],
        one.mean[asked],
        one.spread[asked],
        usable,
        level - one.raised,
        np.where(usable, p_values, 1.0),
        allowance,
    )
