"""Rows of equal keys, without a search for each key."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray


def groups(keys: NDArray[Any]) -> Iterator[NDArray[np.int64]]:
    """The positions of each distinct key, in order within a group.

    >>> [rows.tolist() for rows in groups(np.array([7, 3, 7]))]
    [[1], [0, 2]]
    """
    if not len(keys):
        return
    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0, True]).tolist()
    for start, end in pairwise(edges):
        yield order[start:end]


def fair_share(owners: NDArray[np.int32], sizes: NDArray[np.int64], most: int) -> NDArray[np.bool_]:
    """Which of the items (oldest first) fit into a bound that is shared evenly: who has less keeps all, the newest of
    the others are kept. Shapes (n,)."""
    if int(sizes.sum()) <= most:
        return np.ones(len(sizes), dtype=bool)
    totals = np.bincount(owners, weights=sizes)
    share, left = most, np.sort(totals[totals > 0])
    for rest, total in zip(range(len(left), 0, -1), left.tolist(), strict=True):
        if total * rest > share:
            most = int(share // rest)
            break
        share -= total
    newer = np.zeros(len(sizes), dtype=np.int64)
    for rows in groups(owners):
        newer[rows] = np.cumsum(sizes[rows][::-1])[::-1]
    return newer <= most
