"""What a series does when nothing happens: level, growth, time of day and day of week, learned robustly from history.

Effects are shrunk by how much of their variation is more than chance (empirical Bayes; Efron and Morris 1975); growth
is the seasonal Kendall slope (Hirsch and Slack 1984) of daily means, which neither weekends nor past surges move.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DAY_S = 86400
HOUR_S = 3600
FAR = 6.0
"""Hours further above their median than so many robust deviations are cut to that."""
WINSOR = 0.98
STEEPEST = 0.05
STEP = 1.5
SURE = 1.96


@dataclass(frozen=True)
class Baseline:
    """Expectation by hour of the week times a level that may grow.

    Attributes:
        shape: expected value of a fully seen bin by hour of the week; shape (168,).
        growth: factor a day, around `centre_day`, followed no further than `furthest` days.
        width_s: length of a bin.
    """

    shape: Floats
    growth: float
    centre_day: float
    furthest: float
    width_s: int

    @cached_property
    def _curve(self) -> tuple[Floats, Floats]:
        """Places in hours (0 is the middle of the week's first) and values between which the week goes on evenly.

        It goes through midnight too, except where one day ends and the next begins at quite different levels.
        """
        days = self.shape.reshape(7, 24)
        ends, begins = days[:, -1], np.roll(days[:, 0], -1)
        low, high = np.minimum(ends, begins), np.maximum(ends, begins)
        smooth = high <= STEP * np.maximum(low, 1e-300)
        middle = (ends + begins) / 2
        ends, begins = np.where(smooth, middle, ends), np.where(smooth, middle, begins)
        values = np.c_[np.roll(begins, 1), days, ends]
        places = 24.0 * np.arange(7)[:, None] + np.r_[-0.5, np.arange(24), 23.5 - 1e-9][None]
        return places.reshape(-1), values.reshape(-1)

    def expected(self, starts_s: Ints, holidays: frozenset[int] = frozenset()) -> Floats:
        """Expected value of fully seen bins that start then; holidays are like Sundays. Shape (n,)."""
        season = np.zeros(len(starts_s))
        pieces = _pieces(self.width_s)
        for piece in pieces:
            # Between the middles of hours the day goes on evenly; steps at the hour would look like excess.
            middle = starts_s + piece + min(self.width_s, HOUR_S) / 2
            clock = np.where(is_on(starts_s, holidays), SUNDAY_S + middle % DAY_S, middle % (7 * DAY_S))
            place = clock / HOUR_S - 0.5
            season += np.interp(np.where(place < -0.5, place + 168, place), *self._curve)
        season /= len(pieces)
        days = starts_s / DAY_S - self.centre_day
        return np.asarray(season * self.growth ** np.clip(days, -self.furthest, self.furthest))


SUNDAY_S = 3 * DAY_S  # 1970-01-01 was a Thursday


def is_on(starts_s: Ints, days: frozenset[int]) -> NDArray[np.bool_]:
    """Which bins start on one of the days (numbers of days since 1970-01-01, UTC)."""
    return np.isin(starts_s // DAY_S, np.array(sorted(days), dtype=np.int64))


def _pieces(width_s: int) -> range:
    """Where the hours of a bin begin in it: long bins stand for all the hours that they last."""
    return range(0, max(width_s, 1), HOUR_S)


def fit_baseline(
    starts_s: Ints, values: Floats, seen: Floats, *, width_s: int, holidays: frozenset[int] = frozenset()
) -> Baseline:
    """Learn from covered bins.

    The hour of the day is learned from two days on, the day and the hour of the week from two weeks on.

    Args:
        values: sums of shape (n,); seen: coverage of each bin, above 0.
        holidays: days (since 1970-01-01) that are like Sundays.
    """
    pieces = np.array(_pieces(width_s), dtype=np.int64)
    hours = ((starts_s[:, None] + pieces) // HOUR_S).reshape(-1)
    first = int(hours.min()) // 24 * 24
    days = int(hours.max() - first) // 24 + 1
    place = hours - first
    weight = np.bincount(place, weights=np.repeat(seen, len(pieces)), minlength=days * 24).reshape(days, 24)
    total = np.bincount(place, weights=np.repeat(values, len(pieces)), minlength=days * 24).reshape(days, 24)
    covered = weight > 0.25 * weight.max()
    table = np.where(covered, total / np.where(covered, weight, 1), np.nan)
    number = first // 24 + np.arange(days)
    weekday = np.where(np.isin(number, np.array(sorted(holidays), dtype=np.int64)), 6, (number + 3) % 7)
    table = _cut(table, weekday)
    centre = float(number.mean()) + 0.5
    growth = _growth(number, table)
    table = table / (growth ** (number + 0.5 - centre))[:, None]
    return Baseline(_season(weekday, table), growth, centre, days + 14.0, width_s)


def _cut(table: Floats, weekday: Ints) -> Floats:
    """Hours far above what is usual at their time of day count as that far, unless they are so on that day of every
    week; in thin series, hours far above all others."""
    known = table[np.isfinite(table)]
    overall = float(np.quantile(known, WINSOR)) if len(known) else 0.0
    middle, deviation = _median(table), _median(np.abs(table - _median(table)[None]))
    ceiling = middle + FAR * 1.4826 * deviation
    # Where an hour is mostly empty, its own median says nothing.
    thin = middle < 0.3 * np.nanmean(known) if len(known) else np.ones(24, dtype=bool)
    ceiling = np.where(thin | ~np.isfinite(ceiling), np.inf, ceiling)
    ceilings = np.broadcast_to(np.where(np.isinf(ceiling), overall, np.maximum(ceiling, 0)), table.shape).copy()
    if len(table) >= 13:
        for day in range(7):
            same = weekday == day
            often = _median(table[same])
            higher = often * np.where(middle > 0, ceilings[0] / np.where(middle > 0, middle, 1), 1)
            ceilings[same] = np.fmax(ceilings[same], np.where(thin, 0, higher)[None])
    return np.asarray(np.minimum(table, ceilings))


def _median(table: Floats) -> Floats:
    """Medians of columns over what is known; NaN where nothing is. Shape (n, m) to (m,)."""
    ordered = np.sort(table, axis=0)  # what is not known comes last
    count = np.isfinite(table).sum(axis=0)
    columns = np.arange(table.shape[1])
    if not len(table):
        return np.full(table.shape[1], np.nan)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(table) - 1)
    return np.where(count > 0, (ordered[low, columns] + ordered[high, columns]) / 2, np.nan)


def _mean(table: Floats, axis: int) -> tuple[Floats, Floats]:
    """Means over an axis of what is known (0 where nothing is), and how many that were."""
    known = np.isfinite(table)
    count = known.sum(axis=axis).astype(np.float64)
    sums = np.where(known, table, 0).sum(axis=axis)
    return np.divide(sums, count, out=np.zeros_like(sums), where=count > 0), count


def _growth(number: Ints, table: Floats) -> float:
    """Growth factor a day: median slope of the logarithm between the same days of different weeks; 1 where unsure."""
    means, count = _mean(table, 1)
    good = (count >= 12) & (means > 0)
    if good.sum() < 14 or good.sum() < 0.8 * (count >= 12).sum():
        return 1.0
    logs = np.log(np.where(good, means, 1))
    i, j = np.nonzero(np.triu(np.ones((len(number), len(number)), dtype=bool), 1))
    same = ((number[j] - number[i]) % 7 == 0) & good[i] & good[j]
    if same.sum() < 7:
        return 1.0
    i, j = i[same], j[same]
    slopes = (logs[j] - logs[i]) / (number[j] - number[i])
    sizes = np.bincount(number[good] % 7, minlength=7).astype(np.float64)
    deviation = np.sqrt((sizes * (sizes - 1) * (2 * sizes + 5)).sum() / 18)
    if abs(np.sign(slopes).sum()) <= SURE * deviation:
        return 1.0
    return float(np.exp(np.clip(np.median(slopes), -STEEPEST, STEEPEST)))


def _season(weekday: Ints, table: Floats) -> Floats:
    """Expectation by hour of the week (168,): level x hour of day x day of week + hour of week, each shrunk."""
    known = table[np.isfinite(table)]
    level = float(known.mean()) if len(known) else 0.0
    if level <= 0:
        return np.zeros(168)
    clock = np.broadcast_to(np.arange(24), table.shape)
    hourly = level + _shrunk(table - level, clock, 24)
    hourly = np.maximum(hourly, 0.02 * level)
    shape = np.tile(hourly, (7, 1))
    if len(weekday) >= 13:
        daily, _ = _mean(table / hourly[None], 1)
        _, count = _mean(table, 1)
        effects = 1 + _shrunk(np.where(count >= 12, daily - 1, np.nan)[:, None], weekday[:, None], 7)
        shape = hourly[None] * np.clip(effects, 0.05, 20)[:, None]
        slots = weekday[:, None] * 24 + np.arange(24)[None]
        rest = table - shape.reshape(-1)[slots]
        shape = np.maximum(shape + _shrunk(rest, slots, 168).reshape(7, 24), 0.02 * level)
    # Rows are Monday to Sunday; the epoch's week begins on a Thursday.
    return np.roll(shape, -3, axis=0).reshape(-1)


def _shrunk(table: Floats, slots: Ints, count: int) -> Floats:
    """Mean of each slot, shrunk towards 0 by the share of its variation that is chance; shape (count,)."""
    known = np.isfinite(table)
    where, values = slots[known], table[known]
    sizes = np.bincount(where, minlength=count).astype(np.float64)
    means = np.bincount(where, weights=values, minlength=count) / np.maximum(sizes, 1)
    within = values - means[where]
    freedom = len(values) - (sizes > 0).sum()
    if freedom < 1:
        return np.zeros(count)
    chance = float((within**2).sum()) / freedom / np.maximum(sizes, 1)
    filled = sizes > 0
    between = max(float((means[filled] ** 2).mean() - chance[filled].mean()), 0.0)
    share = np.divide(between, between + chance, out=np.zeros(count), where=(between + chance) > 0)
    return np.asarray(np.where(filled, share * means, 0.0))
