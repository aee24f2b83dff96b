"""A selection of flows to a series: bins, values, and the coverage of each bin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.lake import FlowFilter, Lake
from tidegauge.series.coverage import Coverage, covered
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
    sums, parts, long_flows = lake.bin_sums(chosen, metric=metric, width_s=width_s, first_bin=first, bins=bins)
    spreader = Spreader(width_s=width_s, first_bin=first, bins=bins)
    spreader.add_parts(*parts)
    for starts, ends, values in long_flows:
        spreader.add(starts, ends, values)
    coverage = covered(lake, first * width_s, (first + bins) * width_s)
    seen = coverage.bins(width_s=width_s, first_bin=first, bins=bins)
    return Series(width_s, first, sums + spreader.values(), seen), coverage


def build_many(
    lake: Lake, conditions: tuple[str, ...], *, by: str, metric: str, width_s: int, since_s: int, until_s: int
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """A series for every value of a column, in one pass over the flows.

    Returns:
        The values as text; amounts of shape (values, bins); coverage of shape (bins,); and for each value the mean
        amount of a flow of all of them, the least that means anything.
    """
    first = since_s // width_s
    bins = max(-(-until_s // width_s) - first, 0)
    names, table = sums_by(lake, conditions, by=by, metric=metric, width_s=width_s, first=first, bins=bins)
    unit = 1.0
    if metric in ("bytes", "packets"):
        during = FlowFilter(since_s * 1_000_000, until_s * 1_000_000, conditions)
        unit = max(float(lake.total(f"sum({metric}) / sum(flows)", during) or 0), 1.0)
    coverage = covered(lake, first * width_s, (first + bins) * width_s)
    seen = coverage.bins(width_s=width_s, first_bin=first, bins=bins)
    return names, table, seen, np.full(len(names), unit)


def sums_by(
    lake: Lake, conditions: tuple[str, ...], *, by: str, metric: str, width_s: int, first: int, bins: int
) -> tuple[list[str], NDArray[np.float64]]:
    """Values of a column as text, and the sums of each over bins from the bin `first` on; shape (values, bins)."""
    chosen = FlowFilter(conditions=conditions)
    sums, parts, long_flows = lake.bin_sums_by(by, chosen, metric=metric, width_s=width_s, first_bin=first, bins=bins)
    spreaders = {name: Spreader(width_s=width_s, first_bin=first, bins=bins) for name in parts}
    for name, part in parts.items():
        spreaders[name].add_parts(*part)
    for keys, starts, ends, values in long_flows:
        order = np.argsort(keys, kind="stable")
        own_names, begins = np.unique(keys[order], return_index=True)
        for name, rows in zip(own_names.tolist(), np.split(order, begins[1:]), strict=True):
            spreader = spreaders.setdefault(name, Spreader(width_s=width_s, first_bin=first, bins=bins))
            spreader.add(starts[rows], ends[rows], values[rows])
    names = sorted({*sums, *spreaders})
    table = np.zeros((len(names), bins))
    for row, name in enumerate(names):
        if name in sums:
            table[row] += sums[name]
        if name in spreaders:
            table[row] += spreaders[name].values()
    return names, table
