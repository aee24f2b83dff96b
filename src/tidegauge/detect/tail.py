"""How far a statistic goes when nothing happens: the predictive tail of its block maxima.

Exceedances over a threshold follow a generalised Pareto distribution (Pickands 1975; Coles 2001, ch. 4). Shape
and scale are integrated out on a grid (the predictive distribution, Coles 2001, 9.1), since a month does not
show the tail of a year: little history gives a long tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHAPES = np.linspace(-0.175, 0.975, 24)  # none of them 0, where the formula has another form
SHAPE_PRIOR = np.exp(-0.5 * ((SHAPES - 0.2) / 0.25) ** 2)
SCALES = np.exp(np.linspace(-3.0, 5.0, 65))
FEW = 10
"""Fewer exceedances than this do not show a scale far below their mean: the mean may be one of the small ones."""
LARGEST_SHARE = 0.25


@dataclass(frozen=True)
class Tail:
    """Probability that the largest value of a number of blocks exceeds a level.

    Attributes:
        threshold: the level above which exceedances were taken.
        rate: expected exceedances a block, predictive.
        unit: what the grids are multiples of.
        weights: posterior of shape (shapes, scales).
    """

    threshold: float
    rate: float
    unit: float
    weights: Floats

    def survival(self, levels: Floats) -> Floats:
        """P(an exceedance is above the level), predictive; 1 below the threshold. Shape (n,) to (n,)."""
        excess = np.maximum(np.asarray(levels, dtype=np.float64) - self.threshold, 0.0) / self.unit
        flat = excess.reshape(-1, 1, 1)
        return np.asarray((self.weights * _survival(flat)).sum(axis=(1, 2)).reshape(np.shape(levels)))

    def p_value(self, levels: Floats, blocks: float) -> Floats:
        """P(the largest of `blocks` blocks is above the level)."""
        return np.asarray(-np.expm1(-blocks * self.rate * self.survival(levels)))

    def level(self, probability: float, blocks: float) -> float:
        """The level that the largest of `blocks` blocks exceeds with this probability."""
        low, high = 0.0, 1.0
        while self.p_value(np.array([self.threshold + high * self.unit]), blocks)[0] > probability and high < 1e12:
            high *= 4
        for _ in range(60):
            middle = (low + high) / 2
            if self.p_value(np.array([self.threshold + middle * self.unit]), blocks)[0] > probability:
                low = middle
            else:
                high = middle
        return self.threshold + high * self.unit


def _survival(excess: Floats) -> Floats:
    shapes, scales = SHAPES[:, None], SCALES[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = np.maximum(1 + shapes * excess / scales, 0.0)
        powered = inner ** (-1 / shapes)
    return np.asarray(np.where(inner > 0, powered, 0.0))


def fit_tail(maxima: Floats, *, floor: float) -> Tail:
    """The tail of block maxima.

    Args:
        maxima: one value a block; shape (n,).
        floor: the smallest amount above the threshold that means anything, in the statistic's unit; stands
            for an exceedance where none was ever seen.
    """
    ordered = np.sort(maxima)[::-1]
    count = int(np.clip(round(LARGEST_SHARE * len(ordered)), min(10, len(ordered) // 2), 40))
    threshold = float(ordered[count]) if count < len(ordered) else float(ordered[-1])
    excesses = ordered[:count][ordered[:count] > threshold] - threshold
    if not len(excesses):
        excesses = np.array([floor])
    unit = max(float(excesses.mean()), floor * 1e-3, 1e-300)
    scaled = (excesses / unit)[:, None, None]
    shapes, scales = SHAPES[None, :, None], SCALES[None, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = 1 + shapes * scaled / scales
        log_density = -np.log(scales) - (1 / shapes + 1) * np.log(np.maximum(inner, 1e-300))
    log_density = np.where(inner > 0, log_density, -1e9)
    log_posterior = log_density.sum(axis=0) + np.log(SHAPE_PRIOR)[:, None]
    if len(excesses) < FEW:
        log_posterior = np.where(np.exp(-1) <= SCALES, log_posterior, -np.inf)
    weights = np.exp(log_posterior - log_posterior.max())
    return Tail(threshold, (len(excesses) + 0.5) / len(ordered), unit, weights / weights.sum())
