"""How far a score goes when nothing happens: the predictive tail of its peaks.

Peaks over a threshold follow a log-generalised Weibull tail (de Valk, Extremes 19 (2016) 661): with y = -log P(x),
log x grows as a (y^theta - y0^theta) / theta above the threshold's y0. One family so holds the tails that traffic has:
Gaussian, exponential and Weibull (theta near 0), lognormal (one half), Pareto (1), and theta cannot leave [0, 1]. Both
parameters are integrated out on a grid (the predictive distribution; Coles 2001, 9.1), since a month does not show
the tail of a year: few peaks give a long tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Floats = NDArray[np.float64]

THETAS = np.linspace(0.02, 1.0, 9)
SLOPES = np.exp(np.linspace(np.log(0.25), np.log(14.0), 44))
"""d log x / d log y where y is `REFERENCE`: 0.5 for a Gaussian tail, 1 for an exponential, 6 / alpha for Pareto's."""
REFERENCE = 6.0
PRIOR_SLOPE, PRIOR_SPREAD = 1.3, 1.0
PARETO_WEIGHT = 4.0
"""Pareto's tail lies at the edge of the family and is common in traffic: it weighs more than a grid point within."""
BURST_PRIOR, BURST_SPREAD = 2.0, 0.5
"""Before any is seen, bursts of a kind differ by a factor of 1.6, as sure as two of them would show."""
FEW = 1e-300
GRID = 96


def prior() -> Floats:
    """Weights before anything is seen, of shape (thetas, slopes)."""
    slopes = np.exp(-0.5 * (np.log(SLOPES / PRIOR_SLOPE) / PRIOR_SPREAD) ** 2)
    thetas = np.ones(len(THETAS))
    thetas[-1] = PARETO_WEIGHT
    return np.asarray((thetas / thetas.sum())[:, None] * (slopes / slopes.sum())[None, :])


@dataclass(frozen=True)
class Tail:
    """The tail of the peaks of a score.

    Attributes:
        threshold: the score above which peaks were taken, above 0.
        depth: -log of the share of all windows that lie above it.
        peaks: how many there were, in `exposure` windows.
        weights: posterior of shape (thetas, slopes).
        bursts: scores of bursts that recur, a kind of their own that no tail of the peaks foretells; they came within
            the same windows.
    """

    threshold: float
    depth: float
    peaks: int
    exposure: float
    weights: Floats
    bursts: tuple[float, ...] = ()

    def survival(self, scores: Floats) -> Floats:
        """P(a peak is above the score), predictive; 1 below the threshold. Shape (n,) to (n,)."""
        shape = np.shape(scores)
        above = np.log(np.maximum(np.asarray(scores, dtype=np.float64).reshape(-1), self.threshold) / self.threshold)
        deeper = _deeper(above[:, None, None], self.depth)
        return np.asarray((self.weights * np.exp(-deeper)).sum(axis=(1, 2)).reshape(shape))

    def p_value(self, scores: Floats, windows: float) -> Floats:
        """P(some peak or recurring burst within `windows` windows is above the score)."""
        ordinary = self._ordinary(scores, windows)
        return 1 - (1 - ordinary) * (1 - self._burst(scores, windows)) if self.bursts else ordinary

    def _burst(self, scores: Floats, windows: float) -> Floats:
        """The same of bursts alone: their number is Poisson with a Gamma rate, the log of their size Gaussian with
        both parameters unknown (Student's t; Gelman et al., Bayesian Data Analysis, 3.2)."""
        sizes = np.log(self.bursts)
        count = len(sizes)
        freedom = BURST_PRIOR + count - 1
        variance = (BURST_PRIOR * BURST_SPREAD**2 + float(((sizes - sizes.mean()) ** 2).sum())) / freedom
        far = (np.log(np.maximum(scores, FEW)) - sizes.mean()) / np.sqrt(variance * (1 + 1 / count))
        rate = student.sf(far, freedom) * windows / max(self.exposure, 1.0)
        return np.asarray(-np.expm1(-(count + 0.5) * np.log1p(rate)))

    def _ordinary(self, scores: Floats, windows: float) -> Floats:
        """The same of peaks: their number is Poisson, its rate Gamma."""
        shape = np.shape(scores)
        above = np.log(np.maximum(np.asarray(scores, dtype=np.float64).reshape(-1), self.threshold) / self.threshold)
        if len(above) > 2 * GRID:  # a smooth curve: between close points it is as good as straight
            grid = np.linspace(0, max(float(above.max()), 1e-9), GRID)
            points = self._ordinary(self.threshold * np.exp(grid), windows)
            return np.asarray(np.exp(np.interp(above, grid, np.log(np.maximum(points, FEW)))).reshape(shape))
        peaks = np.exp(-_deeper(above[:, None, None], self.depth)) * windows / max(self.exposure, windows * 1e-6)
        none = np.exp(-(self.peaks + 0.5) * np.log1p(peaks))
        return np.asarray((self.weights * -(none - 1)).sum(axis=(1, 2)).reshape(shape))

    def level(self, probability: float, windows: float) -> float:
        """The score that some peak within `windows` windows exceeds with this probability."""
        low, high = 0.0, 1.0
        while high < 60 and self.p_value(np.array([self.threshold * np.exp(high)]), windows)[0] > probability:
            low, high = high, high * 2
        for _ in range(4):
            tried = np.linspace(low, high, 18)
            above = self.p_value(self.threshold * np.exp(tried), windows) > probability
            place = int(above.sum())
            low, high = tried[max(place - 1, 0)], tried[min(place, 17)]
        return float(self.threshold * np.exp(high))


def _deeper(above: Floats, depth: float) -> Floats:
    """y - y0 at log distances above the threshold, for every theta and slope."""
    thetas, slopes = THETAS[:, None], SLOPES[None, :]
    scale = slopes / REFERENCE**thetas
    return np.asarray((depth**thetas + thetas * above / scale) ** (1 / thetas) - depth)


def fit_tail(
    peaks: Floats, *, threshold: float, depth: float, exposure: float, before: Floats | None = None,
    censored: int = 0,
) -> Tail:  # fmt: skip
    """The tail of peaks above a threshold.

    Args:
        peaks: one score for each peak, all above the threshold; shape (n,).
        depth: -log of the share of windows above the threshold.
        exposure: windows that the peaks come from.
        before: weights to begin with; `prior()` where left out.
        censored: of the largest peaks so many count only as being no smaller than the largest of the others.
    """
    ordered = np.sort(peaks)
    above = np.log(np.maximum(ordered, threshold) / threshold)
    kept = above[: len(above) - censored]
    thetas, slopes = THETAS[:, None], SLOPES[None, :]
    scale = slopes / REFERENCE**thetas
    log_posterior = np.log(np.maximum(prior() if before is None else before, FEW))
    if len(kept):
        deeper = _deeper(kept[:, None, None], depth)
        density = -deeper + (1 - thetas) * np.log(deeper + depth) - np.log(scale)
        log_posterior = log_posterior + density.sum(axis=0)
        if censored:
            log_posterior = log_posterior - censored * deeper[-1]
    weights = np.exp(log_posterior - log_posterior.max())
    return Tail(threshold, depth, len(peaks), exposure, weights / weights.sum())


def tempered(weights: Floats, power: float) -> Floats:
    """A posterior as the prior of something like it: the same, less sure."""
    softened = weights**power
    return np.asarray(softened / softened.sum())
