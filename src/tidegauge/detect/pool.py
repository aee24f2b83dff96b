"""What the tails of a site's series have in common: a thin series' own few flows do not show the shape of its tail.

The distribution of shapes over series is estimated from all of them (empirical Bayes; Robbins 1956; by the EM algorithm
on the grid of shapes, as Laird, JASA 73 (1978) 805), thin series apart from others, since sizes of single flows spread
more than sums. How much a series takes from it is so learned: much where series are alike and its own peaks are few.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.history import Learned
from tidegauge.detect.tail import SINGLE_SLOPE, SINGLE_SPREAD, log_likelihood, prior
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
    """

    thin: bool
    likelihood: Floats


@dataclass(frozen=True)
class Pool:
    """Weights of shapes for a further series of the same site; `series` how many they rest on, thin ones and others."""

    thin: Floats
    thick: Floats
    series: tuple[int, int] = (0, 0)

    def prior(self, single: Scored) -> Floats:
        """Weights to begin with, by the scores of single bins."""
        return self.thin if is_thin(single) else self.thick

    def others(self, single: Scored) -> int:
        """How many series these weights rest on."""
        return self.series[0] if is_thin(single) else self.series[1]


def unpooled() -> Pool:
    """What is thought where there are no other series."""
    return Pool(prior(SINGLE_SLOPE, SINGLE_SPREAD), prior())


def is_thin(single: Scored) -> bool:
    return single.active < THIN


def evidence(learned: Learned) -> Evidence | None:
    """What the shortest windows of a series say; None where they say nothing."""
    if not learned.scored or not len(learned.scored[0].peaks.scores):
        return None
    single = learned.scored[0]
    logs = log_likelihood(single.peaks.scores, single.peaks.threshold, single.peaks.depth)
    return Evidence(is_thin(single), np.exp(logs - logs.max()))


def pooled(found: Iterable[Evidence | None]) -> Pool:
    """The shapes of all series together."""
    known = [one for one in found if one is not None]
    own = unpooled()
    thin, thick = [one.likelihood for one in known if one.thin], [one.likelihood for one in known if not one.thin]
    return Pool(_shapes(thin, own.thin), _shapes(thick, own.thick), (len(thin), len(thick)))


def _shapes(likelihoods: list[Floats], before: Floats) -> Floats:
    if not likelihoods:
        return before
    table = np.array(likelihoods).reshape(len(likelihoods), -1)
    start = before.reshape(-1)
    weights = start
    for _ in range(ROUNDS):
        joint = table * weights
        shares = joint / joint.sum(axis=1, keepdims=True)
        weights = (STRANGE_SERIES * start + shares.sum(axis=0)) / (STRANGE_SERIES + len(table))
    return weights.reshape(before.shape)
