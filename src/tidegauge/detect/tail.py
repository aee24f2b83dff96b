"""How far a score goes when nothing happens: the predictive tail of its peaks.

Peaks over a threshold follow a log-generalised Weibull tail (de Valk, Extremes 19 (2016) 661): with y = -log P(x),
log x grows as a (y^theta - y0^theta) / theta above the threshold's y0. One family so holds the tails that traffic has:
Gaussian, exponential and Weibull (theta near 0), lognormal (one half), Pareto (1), and theta cannot leave [0, 1]. Both
parameters are integrated out on a grid (the predictive distribution; Coles 2001, 9.1), since a month does not show
the tail of a year: few peaks give a long tail.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

Floats = NDArray[np.float64]

THETAS = np.linspace(0.02, 1.0, 9)
SLOPES = np.exp(np.linspace(np.log(0.25), np.log(14.0), 44))
"""d log x / d log y where y is `REFERENCE`: 0.5 for a Gaussian tail, 1 for an exponential, 6 / alpha for Pareto's."""
REFERENCE = 6.0
PRIOR_SLOPE, PRIOR_SPREAD = 1.3, 1.0
SINGLE_SLOPE, SINGLE_SPREAD = 2.4, 0.6
"""The same where a peak is a single flow: sizes of flows differ by more than their sums, from an exponential tail's 1
to Pareto's 6 with an exponent of 1."""
PARETO_WEIGHT = 4.0
"""Pareto's tail lies at the edge of the family and is common in traffic: it weighs more than a grid point within."""
LEARNED = "data/tails.json"
"""Weights of shapes by the length of a window, learned from real series by `tools/learn_tails.py`."""
BURST_PRIOR, BURST_SPREAD = 2.0, 0.5
"""Before any is seen, bursts of a kind differ by a factor of 1.6, as sure as two of them would show."""
FEW = 1e-300
MOST_ABOVE = 60.0
"""Logarithm of the largest score that is thought of."""
FINE = 25
GRID = np.r_[np.linspace(0, 3, 60, endpoint=False), np.geomspace(3, MOST_ABOVE, 36)]
"""Logarithms of scores above the threshold between which p-values are taken as straight (in logarithms)."""


def prior(slope: float = PRIOR_SLOPE, spread: float = PRIOR_SPREAD) -> Floats:
    """Weights before anything is seen, of shape (thetas, slopes), around a slope."""
    slopes = np.exp(-0.5 * (np.log(SLOPES / slope) / spread) ** 2)
    thetas = np.ones(len(THETAS))
    thetas[-1] = PARETO_WEIGHT
    return np.asarray((thetas / thetas.sum())[:, None] * (slopes / slopes.sum())[None, :])


def learned_prior(duration_s: float) -> Floats:
    """Weights before anything is seen of sums over windows of a length: those of the learned length that is nearest to
    it, in proportion; shape (thetas, slopes)."""
    table = _learned()
    return table[nearest(duration_s, table)]


def nearest(duration_s: float, known_s: Iterable[int]) -> int:
    """Return the one of some durations that is nearest to another in proportion."""
    return min(known_s, key=lambda one_s: abs(float(np.log(one_s / duration_s))))


@cache
def _learned() -> dict[int, Floats]:
    told = json.loads((files("tidegauge.detect") / LEARNED).read_text(encoding="utf-8"))
    return {int(duration_s): np.array(weights) for duration_s, weights in told["weights"].items()}


@dataclass(frozen=True)
class Tail:
    """The tail of the peaks of a score.

    Attributes:
        threshold: the score above which peaks were taken, above 0.
        depth: -log of the share of all windows that lie above it.
        peaks: how many there were, in `exposure` windows.
        weights: posterior of shape (thetas, slopes).
        bursts: scores of bursts that recur, a kind of their own that no tail of the peaks foretells; they came in
            `bursts_within` windows.
    """

    threshold: float
    depth: float
    peaks: float
    exposure: float
    weights: Floats
    bursts: tuple[float, ...] = ()
    bursts_within: float = 1.0

    def survival(self, scores: Floats) -> Floats:
        """P(a peak is above the score), predictive; 1 below the threshold. Shape (n,) to (n,)."""
        shape = np.shape(scores)
        above = np.log(np.maximum(np.asarray(scores, dtype=np.float64).reshape(-1), self.threshold) / self.threshold)
        deeper = _deeper(above[:, None, None], self.depth)
        return np.asarray((self.weights * np.exp(-deeper)).sum(axis=(1, 2)).reshape(shape))

    def expected(self, scores: Floats, windows: float) -> Floats:
        """How many peaks above each score are expected in `windows` windows; shape (n,) to (n,)."""
        return np.asarray(self.survival(scores) * (self.peaks + 0.5) * windows / max(self.exposure, 1.0))

    def p_value(self, scores: Floats, windows: float) -> Floats:
        """P(some peak or recurring burst within `windows` windows is above the score)."""
        ordinary = self._ordinary(scores, windows)
        return 1 - (1 - ordinary) * (1 - self._burst(scores, windows)) if self.bursts else ordinary

    def curve(self, windows: float) -> Curve:
        """The same over all scores, to read off many p-values and levels."""
        p_values = self.p_value(self.threshold * np.exp(GRID), windows)
        return Curve(self.threshold, np.minimum.accumulate(np.log(np.maximum(p_values, FEW))))

    def _burst(self, scores: Floats, windows: float) -> Floats:
        """The same of bursts alone: their number is Poisson with a Gamma rate, the log of their size Gaussian with
        both parameters unknown (Student's t; Gelman et al., Bayesian Data Analysis, 3.2)."""
        sizes = np.log(self.bursts)
        count = len(sizes)
        freedom = BURST_PRIOR + count - 1
        variance = (BURST_PRIOR * BURST_SPREAD**2 + float(((sizes - sizes.mean()) ** 2).sum())) / freedom
        far = (np.log(np.maximum(scores, FEW)) - sizes.mean()) / np.sqrt(variance * (1 + 1 / count))
        rate = stdtr(freedom, -far) * windows / max(self.bursts_within, 1.0)
        return np.asarray(-np.expm1(-(count + 0.5) * np.log1p(rate)))

    def _ordinary(self, scores: Floats, windows: float) -> Floats:
        """The same of peaks: their number is Poisson, its rate Gamma."""
        shape = np.shape(scores)
        above = np.log(np.maximum(np.asarray(scores, dtype=np.float64).reshape(-1), self.threshold) / self.threshold)
        peaks = np.exp(-_deeper(above[:, None, None], self.depth)) * windows / max(self.exposure, windows * 1e-6)
        none = np.exp(-(self.peaks + 0.5) * np.log1p(peaks))
        return np.asarray((self.weights * -(none - 1)).sum(axis=(1, 2)).reshape(shape))

    def draw(self, random: np.random.Generator, epochs: int, count: int) -> Floats:
        """Peaks drawn from the posterior: in each epoch with one shape of the tail. Shape (epochs, count).

        Shapes are taken evenly from the lightest tail to the heaviest, since a few heavy ones decide.
        """
        scales = SLOPES[None, :] / REFERENCE ** THETAS[:, None]
        far = scales / THETAS[:, None] * ((self.depth + REFERENCE) ** THETAS - self.depth**THETAS)[:, None]
        order = np.argsort(far.reshape(-1), kind="stable")
        total = np.cumsum(self.weights.reshape(-1)[order])
        evenly = (np.arange(epochs) + 0.5) / epochs * total[-1]
        cells = random.permutation(order[np.minimum(np.searchsorted(total, evenly), len(order) - 1)])
        thetas = THETAS[cells // len(SLOPES)][:, None]
        scale = SLOPES[cells % len(SLOPES)][:, None] / REFERENCE**thetas
        deeper = self.depth + random.exponential(size=(epochs, count))
        above = scale / thetas * (deeper**thetas - self.depth**thetas)
        return np.asarray(self.threshold * np.exp(np.minimum(above, MOST_ABOVE)))

    def level(self, probability: float, windows: float, curve: Curve | None = None) -> float:
        """The score that some peak within `windows` windows exceeds with this probability; `curve` where known."""
        rough = np.log((curve or self.curve(windows)).level(probability) / self.threshold)
        cell = min(max(int(np.searchsorted(GRID, rough, side="right")), 1), len(GRID) - 1)
        tried = np.linspace(GRID[cell - 1], GRID[cell], FINE)
        logs = np.log(np.maximum(self.p_value(self.threshold * np.exp(tried), windows), FEW))
        above = np.interp(-np.log(probability), -np.minimum.accumulate(logs), tried)
        return float(self.threshold * np.exp(above))


@dataclass(frozen=True)
class Curve:
    """P-values of the largest score of a time over a grid of logarithms above the threshold, evenly taken between.

    Attributes:
        logs: of the p-values at `GRID`, falling; shape (len(GRID),).
    """

    threshold: float
    logs: Floats

    def p_value(self, scores: Floats) -> Floats:
        """P(the largest is above the score); shape (n,) to (n,)."""
        above = np.log(np.maximum(scores, self.threshold) / self.threshold)
        return np.asarray(np.exp(np.interp(above, GRID, self.logs)))

    def level(self, probability: float) -> float:
        """The score that the largest exceeds with this probability."""
        return float(self.threshold * np.exp(np.interp(-np.log(probability), -self.logs, GRID)))


def _deeper(above: Floats, depth: float) -> Floats:
    """y - y0 at log distances above the threshold, for every theta and slope."""
    thetas, slopes = THETAS[:, None], SLOPES[None, :]
    scale = slopes / REFERENCE**thetas
    return np.asarray((depth**thetas + thetas * above / scale) ** (1 / thetas) - depth)


def fit_tail(
    peaks: Floats, *, threshold: float, depth: float, exposure: float, before: Floats | None = None,
    censored: int = 0,
) -> Tail:
    """The tail of peaks above a threshold.

    Args:
        peaks: one score for each peak, all above the threshold; shape (n,).
        depth: -log of the share of windows above the threshold.
        exposure: windows that the peaks come from.
        before: weights to begin with; `prior()` where left out.
        censored: of the largest peaks so many count only as being no smaller than the largest of the others.
    """
    weights = np.log(np.maximum(prior() if before is None else before, FEW))
    weights = weights + log_likelihood(peaks, threshold, depth, censored)
    weights = np.exp(weights - weights.max())
    return Tail(threshold, depth, len(peaks), exposure, weights / weights.sum())


def log_likelihood(peaks: Floats, threshold: float, depth: float, censored: int = 0) -> Floats:
    """What peaks say of each shape of the tail, as `fit_tail`; shape (thetas, slopes)."""
    above = np.log(np.maximum(np.sort(peaks), threshold) / threshold)
    kept = above[: len(above) - censored]
    thetas, slopes = THETAS[:, None], SLOPES[None, :]
    scale = slopes / REFERENCE**thetas
    if not len(kept):
        return np.zeros((len(THETAS), len(SLOPES)))
    deeper = _deeper(kept[:, None, None], depth)
    logs = (-deeper + (1 - thetas) * np.log(deeper + depth) - np.log(scale)).sum(axis=0)
    return np.asarray(logs - censored * deeper[-1] if censored else logs)


def tempered(weights: Floats, power: float) -> Floats:
    """A posterior as the prior of something like it: the same, less sure."""
    softened = weights**power
    return np.asarray(softened / softened.sum())
