"""Long flows over bins: bytes and packets are spread evenly over a flow's duration, and nothing is lost in rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegauge.lake import FRACTION, spread


class Spreader:
    """Sums of flows in bins, for flows that come in batches. Memory follows the bins, not the flows.

    A flow that begins in bin a and ends in bin b puts a part in each: the first and last by how much of them it
    covers, all between the same. The amounts between are kept as differences at the edges of bins, in fixed
    point, so that they cancel to the last digit whatever the order of the batches.
    """

    def __init__(self, *, width_s: int, first_bin: int, bins: int) -> None:
        self._width_us = width_s * 1_000_000
        self._first, self._bins = first_bin, bins
        self._whole = np.zeros(bins + 1, dtype=np.int64)
        self._fraction = np.zeros(bins + 1, dtype=np.int64)
        self._steps = np.zeros(bins + 1, dtype=np.int64)
        self._step_fractions = np.zeros(bins + 1, dtype=np.int64)

    def add(self, starts_us: NDArray[np.int64], ends_us: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Add flows; arrays of shape (n,), values whole and below 2^53."""
        flows = spread(starts_us, ends_us, values, self._width_us)
        first, last = flows.first - self._first, flows.last - self._first
        many = first != last
        self._put(first, *flows.head)
        self._put(last[many], flows.tail[0][many], flows.tail[1][many])
        begins = np.clip(first[many] + 1, 0, self._bins)
        stops = np.clip(last[many], 0, self._bins)
        for target, amount in zip((self._steps, self._step_fractions), flows.middle, strict=True):
            np.add.at(target, begins, amount[many])
            np.subtract.at(target, stops, amount[many])

    def add_parts(self, whole: NDArray[np.int64], fraction: NDArray[np.int64]) -> None:
        """Add what lies in each bin, spread before; shape (bins,)."""
        self._whole[:-1] += whole
        self._fraction[:-1] += fraction

    def _put(self, bins: NDArray[np.int64], whole: NDArray[np.int64], fraction: NDArray[np.int64]) -> None:
        inside = (bins >= 0) & (bins < self._bins)
        np.add.at(self._whole, bins[inside], whole[inside])
        np.add.at(self._fraction, bins[inside], fraction[inside])

    def values(self) -> NDArray[np.int64]:
        """Whole numbers, shape (bins,); over all bins that the flows touch they add up to the flows' sum.

        The running total is rounded, not the bins, so that no rounding error grows.
        """
        whole = self._whole + np.cumsum(self._steps)
        fraction = self._fraction + np.cumsum(self._step_fractions)
        total_fraction = np.cumsum(fraction[:-1])
        rounded = np.cumsum(whole[:-1]) + (total_fraction + FRACTION // 2) // FRACTION
        return np.diff(rounded, prepend=0)
