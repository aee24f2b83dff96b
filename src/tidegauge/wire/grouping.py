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
