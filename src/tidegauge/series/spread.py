"""Long flows over bins: bytes and packets are spread evenly over a flow's duration, and nothing is lost in rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRACTION = 1 << 24


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
        width = self._width_us
        first = starts_us // width - self._first
        # The end is no part of the flow: one that ends on an edge does not reach into the bin behind it.
        last = np.maximum(ends_us - 1, starts_us) // width - self._first
        lasted = np.maximum(ends_us - starts_us, 1)
        single = first == last
        amounts = values.astype(np.int64)
        self._put(first[single], amounts[single], np.zeros(int(single.sum()), dtype=np.int64))

        many = ~single
        first, last, amounts, lasted = first[many], last[many], amounts[many], lasted[many]
        rate = amounts / lasted
        head = ((first + self._first + 1) * width - starts_us[many]) * rate
        middle = width * rate
        head_whole, head_fraction = _fixed(head)
        middle_whole, middle_fraction = _fixed(middle)
        between = last - first - 1
        tail_whole = amounts - head_whole - between * middle_whole
        tail_fraction = -head_fraction - between * middle_fraction
        self._put(first, head_whole, head_fraction)
        self._put(last, tail_whole, tail_fraction)
        begins = np.clip(first + 1, 0, self._bins)
        stops = np.clip(last, 0, self._bins)
        for target, amount in ((self._steps, middle_whole), (self._step_fractions, middle_fraction)):
            np.add.at(target, begins, amount)
            np.subtract.at(target, stops, amount)

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


def _fixed(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    whole = np.floor(values)
    return whole.astype(np.int64), ((values - whole) * FRACTION).astype(np.int64)
