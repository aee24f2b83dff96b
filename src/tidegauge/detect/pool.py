"""What the tails of a site's series have in common: a thin series' own few flows do not show the shape of its tail.

The distribution of shapes over series is estimated from all of them (empirical Bayes; Robbins 1956; by the EM algorithm
on the grid of shapes, as Laird, JASA 73 (1978) 805), thin series apart from others, since sizes of single flows spread
more than sums. How much a series takes from it is so learned: much where series are alike and its own peaks are few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.history import Learned
from tidegauge.detect.tail import SINGLE_SLOPE, SINGLE_SPREAD, SLOPES, THETAS, learned_prior, log_likelihood, prior
from tidegauge.detect.windows import Scored

Floats = NDArray[np.float64]

THIN = 0.1
"""Where less than this share of bins holds anything, a peak is mostly a single flow."""
STRANGE_SERIES = 3.0
"""The prior counts as so many series: the next one may be like none of the others."""
ROUNDS = 25


@dataclass(frozen=True)
class Evidence:
    """What one series says of the shape of its tail.

    Attributes:
        thin: whether its peaks are mostly single flows.
        likelihood: of each shape, up to a factor; shape (thetas, slopes).
        duration_s: how long its shortest windows are.
    """

    thin: bool
    likelihood: Floats
    duration_s: int


@dataclass(frozen=True)
class Pool:
    """What other series of the same site say of shapes: factors to what is thought of them before anything is seen.

    Attributes:
        thin, thick: of series whose peaks are mostly single flows, and of others; shape (thetas, slopes).
        series: how many they rest on, thin ones and others.
        learned: what is thought before, by the length of windows (seconds); `learned_prior` unless another is tried.
    """

    thin: Floats
    thick: Floats
    series: tuple[int, int] = (0, 0)
    learned: Callable[[float], Floats] = learned_prior

    def said(self, single: Scored) -> Floats:
        """The factors for a series, by the scores of its single bins."""
        return self.thin if is_thin(single) else self.thick

    def before(self, one: Scored, width_s: int) -> Floats:
        """Weights of shapes for windows of a length before anything is seen."""
        return _of_single_flows() if is_thin(one) else self.learned(one.length * width_s)

    def others(self, single: Scored) -> int:
        """How many series these factors rest on."""
        return self.series[0] if is_thin(single) else self.series[1]


def unpooled(learned: Callable[[float], Floats] = learned_prior) -> Pool:
    """What is thought where there are no other series."""
    nothing = np.ones((len(THETAS), len(SLOPES)))
    return Pool(nothing, nothing, learned=learned)


def is_thin(one: Scored) -> bool:
    return one.active < THIN


def evidence(learned: Learned) -> Evidence | None:
    """What the shortest windows of a series say; None where they say nothing."""
    if not learned.scored or not len(learned.scored[0].peaks.scores):
        return None
    single = learned.scored[0]
    return Evidence(is_thin(single), likelihood_of(single), single.length * learned.width_s)


def likelihood_of(one: Scored) -> Floats:
    """Return what the peaks of a window length say of each shape, up to a factor; shape (thetas, slopes)."""
    logs = log_likelihood(one.peaks.scores, one.peaks.threshold, one.peaks.depth)
    return np.asarray(np.exp(logs - logs.max()))


def _of_single_flows() -> Floats:
    return prior(SINGLE_SLOPE, SINGLE_SPREAD)


def pooled(found: Iterable[Evidence | None]) -> Pool:
    """The shapes of all series together."""
    known = [one for one in found if one is not None]
    thin, thick = [one for one in known if one.thin], [one for one in known if not one.thin]
    return Pool(
        _said(thin, _of_single_flows()),
        _said(thick, learned_prior(thick[0].duration_s if thick else 1)), (len(thin), len(thick)),
    )


def _said(found: list[Evidence], before: Floats) -> Floats:
    """What series say of shapes, as factors to what was thought before."""
    return shapes_of([one.likelihood for one in found], before) / before


def shapes_of(
    likelihoods: Sequence[Floats], before: Floats, weights: Sequence[float] | None = None,
    strange: float = STRANGE_SERIES,
) -> Floats:
    """Return the distribution of shapes over series, by the EM algorithm.

    Args:
        likelihoods: of each series, up to a factor; each of shape (thetas, slopes), as `before`.
        weights: for how many series each stands; 1 where left out.
        strange: for how many series `before` stands.
    """
    if not len(likelihoods):
        return before
    table = np.array(likelihoods).reshape(len(likelihoods), -1)
    counts = np.ones(len(table)) if weights is None else np.array(weights)
    start = found = before.reshape(-1)
    for _ in range(ROUNDS):
        joint = table * found
        shares = joint / joint.sum(axis=1, keepdims=True)
        found = (strange * start + counts @ shares) / (strange + counts.sum())
    return found.reshape(before.shape)
