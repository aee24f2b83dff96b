"""A selection of flows to a series: bins, values, and the coverage of each bin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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
    _, table = sums_by(lake, conditions, by=None, metric=metric, width_s=width_s, first=first, bins=bins)
    coverage = covered(lake, first * width_s, (first + bins) * width_s)
    seen = coverage.bins(width_s=width_s, first_bin=first, bins=bins)
    return Series(width_s, first, table.sum(axis=0), seen), coverage


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
    lake: Lake, conditions: tuple[str, ...], *, by: str | None, metric: str, width_s: int, first: int, bins: int
) -> tuple[list[str], NDArray[np.float64]]:
    """Values of a column as text (of none the empty one), and the sums of each over bins from the bin `first` on; shape
    (values, bins)."""
    chosen = FlowFilter(conditions=conditions)
    found = lake.bin_sums(chosen, metric=metric, width_s=width_s, first_bin=first, bins=bins, by=by)
    spreaders = {name: Spreader(width_s=width_s, first_bin=first, bins=bins) for name in found.parts}
    for name, part in found.parts.items():
        spreaders[name].add_parts(*part)
    for keys, starts, ends, values in found.long_flows:
        for name, rows in _by_key(keys):
            spreader = spreaders.setdefault(name, Spreader(width_s=width_s, first_bin=first, bins=bins))
            spreader.add(starts[rows], ends[rows], values[rows])
    names = sorted({*found.sums, *spreaders})
    table = np.zeros((len(names), bins))
    for row, name in enumerate(names):
        if name in found.sums:
            table[row] += found.sums[name]
        if name in spreaders:
            table[row] += spreaders[name].values()
    return names, table


def _by_key(keys: NDArray[Any] | None) -> Iterator[tuple[str, NDArray[np.int64] | slice]]:
    """Each key and its rows; without keys all of them."""
    if keys is None:
        yield "", slice(None)
        return
    order = np.argsort(keys, kind="stable")
    names, begins = np.unique(keys[order], return_index=True)
    yield from zip(names.tolist(), np.split(order, begins[1:]), strict=True)
