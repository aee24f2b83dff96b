"""Masks over positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where a mask is true, as half-open runs of positions.

    >>> runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(int))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
