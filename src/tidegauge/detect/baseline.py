"""What a series does when nothing happens: level, trend, time of day and day of week, learned robustly from history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DAY_S = 86400
WINSOR = 0.98
SPARSE_WINSOR = 0.9
"""Values above the first quantile of all, or the second of those above 0, count as that: past surges do not teach
that surges are normal."""


@dataclass(frozen=True)
class Baseline:
    """Expectation by slot of the week (or of the day, or none) times a level that may grow.

    Attributes:
        slots: seconds in the seasonal period (0: none) and in one slot of it.
        shape: expected value of a fully seen bin by slot.
        growth: factor a day, around `centre_day`.
    """

    period_s: int
    slot_s: int
    shape: Floats
    growth: float
    centre_day: float
    furthest: float

    def expected(self, starts_s: NDArray[np.int64]) -> Floats:
        """Expected value of fully seen bins that start then; shape (n,)."""
        if self.period_s:
            # Between the middles of slots the day goes on evenly; steps at the hour would look like excess.
            place = (starts_s % self.period_s) / self.slot_s - 0.5
            count = len(self.shape)
            season = np.interp(place, np.arange(-1, count + 1), np.r_[self.shape[-1], self.shape, self.shape[0]])
        else:
            season = np.full(len(starts_s), self.shape[0])
        days = starts_s / DAY_S - self.centre_day
        return np.asarray(season * self.growth ** np.clip(days, -self.furthest, self.furthest))


def fit_baseline(starts_s: NDArray[np.int64], values: Floats, seen: Floats) -> Baseline:
    """Learn from covered bins.

    The season is the hour of the week from two weeks on, the hour of the day from three days on; each slot is
    shrunk towards the level of its day's hours by the number of days it was seen (empirical weight).

    Args:
        values: sums of shape (n,); seen: coverage of each bin, above 0.
    """
    rates = values / seen
    days = starts_s / DAY_S
    length = float(days.max() - days.min()) if len(days) else 0.0
    growth = _growth(days, rates) if length >= 10 else 1.0
    centre = float(days.mean())
    level = rates / growth ** (days - centre)
    overall = _winsorised_mean(level)
    if length < 3:
        return Baseline(0, 1, np.array([overall]), growth, centre, length + 14)
    hourly = _by_slot(starts_s % DAY_S // 3600, level, 24, overall)
    if length < 13:
        return Baseline(DAY_S, 3600, hourly, growth, centre, length + 14)
    prior = np.tile(hourly, 7)
    weekly = _by_slot(starts_s % (7 * DAY_S) // 3600, level, 168, prior)
    return Baseline(7 * DAY_S, 3600, weekly, growth, centre, length + 14)


def _cap(values: Floats) -> float:
    """The value above which values are cut: in a series that is mostly empty, a high one of those that are not."""
    positive = values[values > 0]
    return max(
        float(np.quantile(values, WINSOR)), float(np.quantile(positive, SPARSE_WINSOR)) if len(positive) else 0.0
    )


def _winsorised_mean(values: Floats) -> float:
    return float(np.minimum(values, _cap(values)).mean()) if len(values) else 0.0


def _by_slot(slots: NDArray[np.int64], values: Floats, count: int, prior: Floats | float) -> Floats:
    """Winsorised mean of each slot, shrunk towards the prior with the weight of one more day of it."""
    ceiling = np.full(count, np.inf)
    order = np.argsort(slots, kind="stable")
    edges = np.searchsorted(slots[order], np.arange(count + 1))
    for i in range(count):
        own = values[order[edges[i] : edges[i + 1]]]
        if len(own) >= 8:
            ceiling[i] = np.quantile(own, 0.9) * 2 + np.median(own)
    # In a sparse series a slot alone does not show what is ordinary: it is not cut below the whole series' cap.
    sparse = np.mean(values > 0) < 0.5
    least = _cap(values) if sparse else float(np.median(values))
    capped = np.minimum(values, np.maximum(ceiling[slots], least))
    sums = np.bincount(slots, weights=capped, minlength=count)
    sizes = np.bincount(slots, minlength=count).astype(np.float64)
    one_day = max(float(np.median(sizes[sizes > 0])) / 4, 1.0) if (sizes > 0).any() else 1.0
    return np.asarray((sums + one_day * prior) / (sizes + one_day))


def _growth(days: Floats, rates: Floats) -> float:
    """Growth factor a day: Theil-Sen slope of the logarithm of capped daily means; 1 where it may well be 1."""
    whole = np.floor(days).astype(np.int64)
    names, index = np.unique(whole, return_inverse=True)
    sizes = np.bincount(index)
    full = sizes >= 0.5 * sizes.max()
    cap = _cap(rates)
    means = np.bincount(index, weights=np.minimum(rates, cap)) / sizes
    chosen = full & (means > 0)
    if chosen.sum() < 10 or chosen.sum() < 0.8 * full.sum():
        return 1.0
    from scipy.stats import theilslopes  # half a second to import, and short histories do not need it

    slope, _, low, high = theilslopes(np.log(means[chosen]), names[chosen], alpha=0.95)
    if low <= 0 <= high:
        return 1.0
    return float(np.exp(np.clip(slope, -0.05, 0.05)))
