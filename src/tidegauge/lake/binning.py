"""A flow over bins: the part of its bytes or packets in each bin that it touches, in fixed point, so that any sums of
parts are the same to the last digit whatever their order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

FRACTION = 1 << 24
"""Parts are whole numbers and so many fractions of one."""


@dataclass(frozen=True)
class Spread:
    """Flows over bins; arrays of shape (n,), amounts in whole numbers and fractions.

    Attributes:
        first, last: bins of start and end; the end is no part of a flow, so one that ends on an edge does not reach
            into the bin behind it.
        head, middle, tail: what lies in the first bin, in each between, and in the last; (whole, fraction). A flow
            within one bin has all in its head.
    """

    first: Ints
    last: Ints
    head: tuple[Ints, Ints]
    middle: tuple[Ints, Ints]
    tail: tuple[Ints, Ints]


def spread(starts_us: Ints, ends_us: Ints, values: NDArray[np.float64], width_us: int) -> Spread:
    """Spread flows evenly over their duration; values whole and below 2^53."""
    first, last = places(starts_us, ends_us, width_us)
    amounts = values.astype(np.int64)
    single = first == last
    rate = np.where(single, 0.0, amounts / np.maximum(ends_us - starts_us, 1))
    head_whole, head_fraction = _fixed(((first + 1) * width_us - starts_us).astype(np.float64) * rate)
    middle_whole, middle_fraction = _fixed(width_us * rate)
    head = np.where(single, amounts, head_whole), head_fraction
    between = np.maximum(last - first - 1, 0)
    tail = amounts - head[0] - between * middle_whole, -head[1] - between * middle_fraction
    return Spread(first, last, head, (middle_whole, middle_fraction), tail)


def places(starts_us: Ints, ends_us: Ints, width_us: int) -> tuple[Ints, Ints]:
    """Bins of start and end."""
    return starts_us // width_us, np.maximum(ends_us - 1, starts_us) // width_us


def _fixed(values: NDArray[np.float64]) -> tuple[Ints, Ints]:
    whole = np.floor(values)
    return whole.astype(np.int64), ((values - whole) * FRACTION).astype(np.int64)
