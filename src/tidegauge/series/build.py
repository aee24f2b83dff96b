"""A selection of flows to a series: bins, values, and the coverage of each bin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.lake import FlowFilter, Lake
from tidegauge.series.coverage import Coverage, measure
from tidegauge.series.spread import Spreader


@dataclass(frozen=True)
class Series:
    """One metric over bins.

    Attributes:
        first_bin: the bins are `[(first_bin + i) * width_s, ...)` in epoch seconds, i from 0 to n-1.
        values: whole numbers; shape (n,).
        seen: coverage of each bin, 0 to 1; shape (n,).
    """

    width_s: int
    first_bin: int
    values: NDArray[np.float64]
    seen: NDArray[np.float64]

    @property
    def starts_s(self) -> NDArray[np.int64]:
        return (self.first_bin + np.arange(len(self.values))) * self.width_s


def build_series(
    lake: Lake, conditions: tuple[str, ...], *, metric: str, width_s: int, since_s: int, until_s: int
) -> tuple[Series, Coverage]:
    """The series of the flows that meet conditions, over the bins that touch `[since_s, until_s)`."""
    first = since_s // width_s
    bins = max(-(-until_s // width_s) - first, 0)
    chosen = FlowFilter(conditions=conditions)
    sums, long_flows = lake.bin_sums(chosen, metric=metric, width_s=width_s, first_bin=first, bins=bins)
    spreader = Spreader(width_s=width_s, first_bin=first, bins=bins)
    for starts, ends, values in long_flows:
        spreader.add(starts, ends, values)
    coverage = measure(lake.ledger(), first * width_s, (first + bins) * width_s)
    seen = coverage.bins(width_s=width_s, first_bin=first, bins=bins)
    return Series(width_s, first, sums + spreader.values(), seen), coverage
