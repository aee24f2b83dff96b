"""How regular a series of calls is: dispersion of intervals and sizes, multiples of one period, spectrum, presence.

Dispersion and skewness as RITA uses them (median absolute deviation, Bowley); the comb of multiples stands lost calls
and sampling, since a lost call makes an interval twice as long and not a random one; the spectrum (Rayleigh's test:
Mardia and Jupp, "Directional Statistics", 2000) finds a schedule that is kept whatever single calls do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import erfc, exp, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtrc

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RANDOM_MAD = 0.694
"""Median absolute deviation of intervals over their median when calls come at random (exponential intervals)."""
EVEN_MAD = 0.62
FULL_RANGE = 0.45
"""A relative deviation of `EVEN_MAD` scores 0, of `EVEN_MAD - FULL_RANGE` or less 1: jitter of 50 % has 0.25."""
MAD_ERROR = 0.75
"""Standard error of that deviation times the root of the number of intervals, for random calls (by simulation)."""
SHORTEST_PERIOD_S = 0.2
LEAST_MEDIAN_S = 0.1
"""Calls that mostly follow faster are a burst, however even."""
GRID = 1 << 14
COMB_STEP, COMB_FINEST, COMB_OFF = 0.004, 0.0008, 0.1
MANY = 60
"""Intervals from which on the longest two fifths can be spared."""
COMMON_WIDTH, COMMON_AROUND = 0.02, 0.35
"""How alike intervals must be to count as one length, and how far around it others are counted (natural logarithms)."""
MOST_USED = 4000
"""Calls of one pair that are analysed: with more, an even stretch from the middle of them."""
STEADY_CALLS = 30
UNSTEADY = 1.8
"""Variance over mean of counts from which on calls are not steady."""
CLOCKS_S = (60.0, 1.0)
"""Steps of the clocks that many logs and exporters write times by."""
SPREAD_SEED = 12
MERGED_S = (0.0, 1.0, 5.0, 15.0, 40.0, 90.0)
"""Calls closer than these are one, in turn: a call can open several connections."""
MERGED_MOST = 0.2
"""Of the median interval that is left: merging makes any calls more regular where it is not small beside it."""


@dataclass(frozen=True)
class Regularity:
    """What makes calls regular; all scores between 0 and 1.

    Attributes:
        calls: calls that were counted, after close ones were merged.
        period_s: the most likely period; `spread` the median absolute deviation of intervals over their median.
        skew: Bowley skewness of intervals.
        even, comb, spectral, common: scores by dispersion, multiples of a period, spectrum, and one interval that
            comes up far too often; `score` the best of them.
        p_value: of the best one when calls come at random, look-elsewhere included.
        steady: score by how evenly they come at all hours, where the site's rhythm is given.
        size_score: how alike the sizes are; `presence` the share of hours of its life in which it called.
    """

    calls: int
    period_s: float
    spread: float
    skew: float
    even: float
    comb: float
    spectral: float
    common: float
    score: float
    p_value: float
    size_score: float
    presence: float
    steady: float = 0.0


def quick_look(groups: Ints, starts_s: Floats) -> tuple[Ints, Floats, Floats]:
    """A cheap score for many pairs at once, to choose whom to look at closely.

    Args:
        groups: ascending group of each call, shape (n,); `starts_s` ascending within groups.
    Returns:
        For each group that has at least four intervals: its number, the relative median absolute deviation of its
        intervals (the least over the ways of merging close calls), and how many calls it has after that.
    """
    count = int(groups[-1]) + 1 if len(groups) else 0
    best, calls = np.full(count, np.inf), np.zeros(count, dtype=np.int64)
    for merged in MERGED_S:
        gap = np.diff(starts_s, prepend=0.0)
        first = np.r_[True, groups[1:] != groups[:-1]] if len(groups) else np.zeros(0, dtype=bool)
        kept = first | (gap >= merged)
        g, s = groups[kept], starts_s[kept]
        inner = np.flatnonzero(g[1:] == g[:-1])
        owners, intervals = g[inner], s[inner + 1] - s[inner]
        medians, sizes = _medians(owners, intervals, count)
        spread, _ = _medians(owners, np.abs(intervals - medians[owners]), count)
        relative = np.divide(spread, medians, out=np.full(count, np.inf), where=(medians > 0) & (sizes >= 4))
        relative[~(medians * MERGED_MOST >= max(merged, LEAST_MEDIAN_S * MERGED_MOST))] = np.inf
        better = relative < best
        best[better], calls[better] = relative[better], sizes[better] + 1
    found = np.flatnonzero(np.isfinite(best))
    return found, best[found], calls[found].astype(np.float64)


def _medians(owners: Ints, values: Floats, count: int) -> tuple[Floats, Ints]:
    """Median and number of values of each owner; owners ascending."""
    order = np.lexsort((values, owners))
    sorted_values = values[order]
    sizes = np.bincount(owners, minlength=count).astype(np.int64)
    ends = np.cumsum(sizes)
    out = np.full(count, np.nan)
    some = np.flatnonzero(sizes > 0)
    begin = ends[some] - sizes[some]
    low, high = begin + (sizes[some] - 1) // 2, begin + sizes[some] // 2
    out[some] = (sorted_values[low] + sorted_values[high]) / 2
    return out, sizes


def clock_of(times_s: Floats) -> float:
    """The step of the clock by which times were written, in seconds, of `CLOCKS_S`; 0 where it is finer.

    >>> clock_of(np.array([3.0, 7.0])), clock_of(np.array([3.0, 7.25])), clock_of(np.array([60.0, 180.0]))
    (1.0, 0.0, 60.0)
    """
    return next((step for step in CLOCKS_S if len(times_s) and not (times_s % step).any()), 0.0)


def regularity(
    starts_s: Floats, sizes: Floats, rhythm: Floats | None = None, clock_s: float = 0.0
) -> Regularity:
    """Judge the calls of one pair.

    Args:
        starts_s: when each call began, ascending, shape (n,), n at least 4.
        sizes: bytes that each sent; shape (n,).
        rhythm: the share of the site's calls in each hour of the day (UTC), shape (24,): for calls of which sampling
            leaves so few that only their evenness over the hours is left of a period.
        clock_s: the step of the clock by which these times were written. Times are taken from anywhere within it: else
            calls at random would keep its beat.

    >>> even = regularity(np.arange(0, 3600 * 5, 300.0), np.full(60, 420.0))
    >>> round(even.score, 2), round(even.period_s), even.size_score
    (1.0, 300, 1.0)
    """
    if clock_s:
        starts_s = np.sort(starts_s + np.random.default_rng(SPREAD_SEED).random(len(starts_s)) * clock_s)
    part = slice(max((len(starts_s) - MOST_USED) // 2, 0), max((len(starts_s) + MOST_USED) // 2, MOST_USED))
    found = _best(starts_s[part], sizes[part], starts_s)
    if rhythm is None or len(starts_s) < STEADY_CALLS:
        return found
    steady, p_value = _steady(starts_s, rhythm)
    if steady <= found.score:
        return replace(found, steady=steady)
    median = float(np.median(np.diff(starts_s)))
    return replace(
        found, steady=steady, score=steady, p_value=p_value, period_s=median, calls=len(starts_s),
        size_score=_alike(sizes), presence=_presence(starts_s, median),
    )


def _steady(starts_s: Floats, rhythm: Floats) -> tuple[float, float]:
    """Score and p-value of calls that come evenly at all hours, as those of a sampled program do.

    The score by the dispersion of their counts over equal stretches of time (1 for calls at a constant rate, less for
    regular ones, far more for people's); the p-value bounds how often calls that follow the site's rhythm would be as
    even: a likelihood ratio is above x with a probability below 1/x.
    """
    stretches = int(np.clip(len(starts_s) // 4, 6, 168))
    span = starts_s[-1] - starts_s[0]
    counts = np.bincount(((starts_s - starts_s[0]) / span * stretches * (1 - 1e-12)).astype(np.int64))
    dispersion = float(counts.var(ddof=1) / counts.mean())
    by_hour = np.bincount((starts_s // 3600 % 24).astype(np.int64), minlength=24)
    ratio = float((by_hour * np.log(1 / 24 / np.maximum(rhythm, 1e-4))).sum())
    covered = float((by_hour > 0).mean()) if span >= 2 * 86400 else 0.0
    score = float(np.clip((UNSTEADY - dispersion) / (UNSTEADY - 1), 0, 1)) * covered
    return score, float(min(1.0, exp(-min(ratio, 600.0))))


def _best(starts_s: Floats, sizes: Floats, whole_s: Floats) -> Regularity:
    looks, before = [], 0
    for merged in MERGED_S:
        kept = np.r_[True, np.diff(starts_s) >= merged]
        times = starts_s[kept]
        if len(times) < 5 or len(times) == before:
            continue
        before = len(times)
        median = float(np.median(np.diff(times)))
        if median >= LEAST_MEDIAN_S and median * MERGED_MOST >= merged:
            sums = np.add.reduceat(sizes, np.flatnonzero(kept))
            looks.append(_look(times, sums, merged))
    if not looks:
        return Regularity(len(starts_s), 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    chosen = max(looks, key=lambda look: look.score * look.calls / (look.calls + 10))
    presence = _presence(whole_s, chosen.period_s)
    return Regularity(**{**chosen.__dict__, "presence": presence, "size_score": max(chosen.size_score, _alike(sizes))})


def _look(times: Floats, sizes: Floats, merged: float) -> Regularity:
    """Judge calls of which those closer than `merged` have been joined (which alone makes them more even)."""
    intervals = np.diff(times)
    low, median, high = np.quantile(intervals, [0.25, 0.5, 0.75])
    spread = float(np.median(np.abs(intervals - median)) / median) if median > 0 else 1.0
    skew = float((high + low - 2 * median) / (high - low)) if high > low else 0.0
    count = len(intervals)
    dead = 1 - merged / median if median > 0 else 1.0
    lopsided = min(abs(skew), 1.0) * min(1.0, float(high - low) / (0.5 * median)) if median > 0 else 1.0
    even = float(np.clip((EVEN_MAD * dead - spread) / FULL_RANGE, 0, 1) * (1 - 0.25 * lopsided))
    z = (RANDOM_MAD * dead - spread) * sqrt(count) / MAD_ERROR
    even_p = _tail(z)
    comb, comb_period, comb_p = _comb(intervals)
    peak, peak_period, peak_p = _spectrum(times)
    common, common_period, common_p = _common(intervals)
    scores = [
        (even, even_p, float(median)), (comb, comb_p, comb_period), (peak, peak_p, peak_period),
        (common, common_p, common_period),
    ]
    score, p_value, period = max(scores, key=lambda s: s[0])
    return Regularity(
        len(times), float(period), spread, skew, even, comb, peak, common, score, p_value, _alike(sizes), 0.0
    )


def _comb(intervals: Floats) -> tuple[float, float, float]:
    """Score, period and p-value of the period of which all intervals are multiples best.

    The mean cosine of intervals over the period: 1 when all are whole multiples, about 0 when they are random.
    """
    shortest = max(SHORTEST_PERIOD_S, float(np.quantile(intervals, 0.05)) * 0.6)
    longest = float(np.quantile(intervals, 0.6)) * 1.1
    if longest <= shortest:
        return 0.0, 0.0, 1.0
    # What a period is off adds up over many of them: short intervals tell it best, and a small step.
    near = intervals[intervals <= longest] if len(intervals) >= MANY else intervals
    step = min(COMB_STEP, max(COMB_OFF * shortest / longest, COMB_FINEST))
    periods = np.exp(np.arange(log(shortest), log(longest) + step, step))
    used = near if len(near) <= 800 else near[:: len(near) // 800 + 1]
    means = np.cos(2 * np.pi * used[:, None] / periods[None, :]).mean(axis=0)
    best = int(np.argmax(means))
    z = float(means[best]) * sqrt(2 * len(used))
    tried = len(periods) / 4  # neighbours say the same
    p_value = min(1.0, tried * _tail(z))
    if p_value > 1e-3:
        return 0.0, float(periods[best]), p_value
    return float(np.clip(means[best], 0, 1)) * min(1.0, -log(p_value) / 25), float(periods[best]), p_value


def _common(intervals: Floats) -> tuple[float, float, float]:
    """Score, length and p-value of the interval that comes up most, against what lies around it.

    Calls by the clock among others (a keep-alive that any use puts off) show so, and nowhere else.
    """
    lengths = np.sort(np.log(intervals[intervals >= SHORTEST_PERIOD_S]))
    if len(lengths) < 12:
        return 0.0, 0.0, 1.0
    counts = np.searchsorted(lengths, lengths + COMMON_WIDTH, side="right") - np.arange(len(lengths))
    best = int(np.argmax(counts))
    low = lengths[best] + COMMON_WIDTH / 2 - COMMON_AROUND
    near = np.searchsorted(lengths, low + 2 * COMMON_AROUND) - np.searchsorted(lengths, low)
    expected = max((near - counts[best]) * COMMON_WIDTH / (2 * COMMON_AROUND - COMMON_WIDTH), 0.5)
    p_value = min(1.0, max(float(len(lengths) * pdtrc(counts[best] - 1, expected)), 1e-300))
    period = float(np.exp(np.median(lengths[best : best + counts[best]])))
    if p_value > 1e-4:
        return 0.0, period, p_value
    share = counts[best] / len(intervals)
    return float(min(1.0, 1.5 * share) * min(1.0, -log(p_value) / 25)), period, p_value


def _tail(z: float) -> float:
    """Chance of a standard normal above `z`; never 0, so that its logarithm is one."""
    return max(0.5 * erfc(z / sqrt(2)), 1e-300) if z > 0 else 1.0


def _spectrum(times: Floats) -> tuple[float, float, float]:
    """Score, period and p-value of the strongest line in the spectrum of the calls."""
    span = float(times[-1] - times[0])
    if span <= 0 or len(times) < 12:
        return 0.0, 0.0, 1.0
    places = np.minimum(((times - times[0]) / span * (GRID - 1)).round().astype(np.int64), GRID - 1)
    counts = np.bincount(places, minlength=GRID).astype(np.float64)
    counts = np.minimum(counts, 1.0)
    calls = counts.sum()
    power = np.abs(np.fft.rfft(counts - counts.mean(), n=2 * GRID)) ** 2 / calls
    first = 2 * 8  # at least eight periods
    last = min(len(power), int(2 * GRID / 3))
    power = power[first:last]
    if len(power) < 8:
        return 0.0, 0.0, 1.0
    # What is bursty has much power at all low frequencies: a line must stand above its surroundings.
    level = _running_median(power) / log(2)
    relative = power / np.maximum(level, 1.0)
    best = int(np.argmax(relative))
    p_value = min(1.0, len(power) * exp(-min(float(relative[best]), 700.0)))
    frequency = (first + best) / (2 * span * GRID / (GRID - 1))
    period = 1 / frequency
    if p_value > 1e-5 or period < SHORTEST_PERIOD_S:
        return 0.0, period, p_value
    coherence = sqrt(min(float(power[best]) / calls, 1.0))
    return float(coherence * min(1.0, -log(p_value) / 30)), period, p_value


def _running_median(values: Floats, width: int = 257) -> Floats:
    """Medians of blocks, spread over them."""
    count = -(-len(values) // width)
    padded = np.pad(values, (0, count * width - len(values)), mode="edge").reshape(count, width)
    return np.repeat(np.median(padded, axis=1), width)[: len(values)]


def _alike(sizes: Floats) -> float:
    """1 when all sizes are the same, 0 when they spread as widely as those of ordinary traffic."""
    median = float(np.median(sizes))
    if median <= 0:
        return 0.0
    spread = float(np.median(np.abs(sizes - median))) / median
    low, high = np.quantile(sizes, [0.25, 0.75])
    return float(np.clip(1 - spread / 0.5, 0, 1) * np.clip(1 - 0.2 * (high - low) / median, 0, 1))


def _presence(starts_s: Floats, period_s: float) -> float:
    """Share of the steps of its life (hours, or three periods where these are longer) in which there was a call."""
    step = max(3600.0, 3 * period_s)
    span = float(starts_s[-1] - starts_s[0])
    steps = max(int(span // step) + 1, 1)
    return len(np.unique(((starts_s - starts_s[0]) // step).astype(np.int64))) / steps


def rita_score(starts_s: Floats, sizes: Floats) -> float:
    """The score that RITA publishes, from its description, for comparison.

    The mean of four parts: intervals (Bowley skewness; median absolute deviation of up to 30 s), sizes (the same with
    32 bytes), the histogram of calls a part of the day (how alike the filled parts are, by their coefficient of
    variation), and how much of the day it covers (Active Countermeasures, RITA v5, "beacon scoring").
    """
    intervals = np.diff(np.unique(starts_s.astype(np.int64)))
    if len(intervals) < 3:
        return 0.0

    def parts(values: NDArray[Any], most: float) -> float:
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
        skew = 0.0 if high == low or median in (low, high) else float((high + low - 2 * median) / (high - low))
        mad = float(np.median(np.abs(values - median)))
        return ((1 - abs(skew)) + max(0.0, 1 - mad / most)) / 2

    day = (starts_s - starts_s[0]) % 86400
    counts = np.bincount((day // 3600).astype(np.int64), minlength=24)
    filled = counts[counts > 0]
    even = max(0.0, 1 - float(filled.std() / filled.mean())) if len(filled) > 1 else 0.0
    longest = _longest_run(counts > 0)
    covered = min(1.0, max((starts_s[-1] - starts_s[0]) / 86400, longest / 12))
    return float((parts(intervals, 30.0) + parts(sizes, 32.0) + even + covered) / 4)


def _longest_run(filled: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.r_[False, filled, False].astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
