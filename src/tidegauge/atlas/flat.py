"""Nested and overlapping ranges to disjoint pieces, each with the most specific statement about it.

All ranges are painted at once, the widest first: where several cover a piece, the last written is the narrowest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Addresses, InputError, halves, is_ipv4, low32

CELLS = 4_000_000
"""Pieces that are painted in one go."""
MOST_CELLS = 1 << 30
"""Pieces times ranges over each of them; a whole BGP table has a few million."""
LAST4 = (1 << 32) - 1


@dataclass(frozen=True)
class Space:
    """Ranges of one family as sortable keys.

    IPv4 keys are int64 numbers; IPv6 keys are 16-byte texts (`S16`), which sort as the addresses do: NumPy compares
    them as if zero bytes at the end were not there, which changes no order between texts of one length.
    """

    firsts: NDArray[Any]
    after: NDArray[Any]
    """The address behind the last one; where there is none, it is left out (`open_end`)."""
    open_end: NDArray[np.bool_]
    width: NDArray[np.float64]
    rows: NDArray[np.int64]


def disjoint(first: Addresses, last: Addresses) -> bool:
    """Whether ranges come in order and none overlaps another; shapes (n, 16). Cheap where they are very many."""
    return bool((keys16(last)[:-1] < keys16(first)[1:]).all())


def spaces(first: Addresses, last: Addresses) -> tuple[Space, Space]:
    """Ranges by family: IPv4 (mapped) and all others. A range over both belongs to the second."""
    four = is_ipv4(first) & is_ipv4(last)
    rows = np.flatnonzero(four)
    a, b = low32(first[rows]).astype(np.int64), low32(last[rows]).astype(np.int64)
    ipv4 = Space(a, b + 1, b == LAST4, (b - a).astype(np.float64), rows)
    rows = np.flatnonzero(~four)
    high_a, low_a = halves(first[rows])
    high_b, low_b = halves(last[rows])
    width = (high_b - high_a).astype(np.float64) * 2.0**64 + (low_b.astype(np.float64) - low_a.astype(np.float64))
    after_low = low_b + np.uint64(1)
    after_high = high_b + (after_low == 0)
    ipv6 = Space(
        keys16(first[rows]), of_halves(after_high, after_low), (after_high == 0) & (after_low == 0), width, rows
    )
    return ipv4, ipv6


def keys16(addresses: Addresses) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(addresses).view("S16").reshape(-1)


def of_halves(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.bytes_]:
    words = np.stack([high, low], axis=1).astype(">u8")
    return words.view("S16").reshape(-1)


def edges_of(space: Space) -> NDArray[Any]:
    """Starts of the disjoint pieces, ascending, the first the lowest address of the family."""
    zero = np.zeros(1, dtype=space.firsts.dtype)
    return np.unique(np.concatenate([zero, space.firsts, space.after[~space.open_end]]))


def flatten(space: Space) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Starts of pieces, and for each the row of the narrowest range that covers it (-1: none).

    Of ranges that are equal the later row wins. Neighbours with one row are joined.
    """
    starts = edges_of(space)
    owner = np.full(len(starts), -1, dtype=np.int64)
    order = np.lexsort((space.rows, -space.width))
    begin, end = covered(starts, space)
    for rows, cells in painted(begin[order], end[order]):
        owner[cells] = space.rows[order[rows]]
    kept = np.r_[True, owner[1:] != owner[:-1]]
    return starts[kept], owner[kept]


def covered(starts: NDArray[Any], space: Space) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First piece of each range, and the one behind its last."""
    begin = np.searchsorted(starts, space.firsts).astype(np.int64)
    end = np.searchsorted(starts, space.after).astype(np.int64)
    end[space.open_end] = len(starts)
    return begin, end


def painted(
    begin: NDArray[np.int64], end: NDArray[np.int64], most: int = CELLS
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of (row, cell) for every cell of `[begin, end)` of each row, in order of rows, in parts of bounded size."""
    lengths = end - begin
    total = np.cumsum(lengths)
    if len(total) and total[-1] > MOST_CELLS:
        raise InputError(
            "its ranges overlap more than those of any real table", hint="is this file what it claims to be?"
        )
    at = 0
    while at < len(lengths):
        base = int(total[at - 1]) if at else 0
        stop = max(int(np.searchsorted(total, base + most, side="right")), at + 1)
        own = lengths[at:stop]
        rows = np.repeat(np.arange(at, stop), own)
        cells = np.arange(int(own.sum())) - np.repeat(np.cumsum(own) - own, own) + np.repeat(begin[at:stop], own)
        yield rows, cells
        at = stop
