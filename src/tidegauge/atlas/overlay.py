"""Statements that hold for a time of their own: classes of lists, documented facts, announced routes.

Addresses are cut into pieces, each piece's time into cells; a lookup finds the piece, then the cell. Classes of all
statements that cover a cell add up; of facts and routes the narrowest decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.atlas.flat import covered, edges_of, painted, spaces
from tidegauge.atlas.table import Pieces
from tidegauge.model import FOREVER_S, Addresses, halves

Ints = NDArray[np.int64]
TIME_BITS = 34
"""Bits of a cell's key that hold its time; the others hold its piece."""


@dataclass(frozen=True)
class TimedRows:
    """Statements with times; arrays of shape (n,), addresses (n, 16).

    Attributes:
        decides: the statement gives an origin (country, AS): the narrowest one is found by its row.
    """

    first: Addresses
    last: Addresses
    from_s: Ints
    until_s: Ints
    classes: NDArray[np.uint16]
    decides: NDArray[np.bool_]


@dataclass(frozen=True)
class Overlay:
    """Cells by piece and time, `keys` ascending: classes, and the row that decides (-1: none)."""

    pieces: Pieces
    keys: Ints
    classes: NDArray[np.uint16]
    rows: NDArray[np.int32]
    spoken: NDArray[np.bool_]
    """Pieces (IPv4 first) about which anything is said at any time."""

    def lookup(self, addresses: Addresses, times_s: Ints) -> tuple[Ints, NDArray[np.uint16], NDArray[np.int32]]:
        """Positions of the addresses about which something may be said at that time, its classes and deciding rows."""
        found = self.pieces.find(addresses)
        hit = np.flatnonzero(self.spoken[found])
        if not len(hit):
            return hit, np.zeros(0, dtype=np.uint16), np.zeros(0, dtype=np.int32)
        wanted = (found[hit].astype(np.int64) << TIME_BITS) | np.clip(times_s[hit], 0, FOREVER_S - 1)
        cells = np.searchsorted(self.keys, wanted, side="right") - 1
        return hit, self.classes[cells], self.rows[cells]


def overlay(rows: TimedRows) -> Overlay:
    """Compile statements; those whose time is empty say nothing."""
    ipv4, ipv6 = spaces(rows.first, rows.last)
    starts = [edges_of(space) for space in (ipv4, ipv6)]
    high, low = halves(np.frombuffer(starts[1].tobytes(), dtype=np.uint8).reshape(-1, 16))
    pieces = Pieces(starts[0].astype(np.uint32), high, low)
    pair_rows, pair_pieces = [], []
    for base, space, begun in ((0, ipv4, starts[0]), (len(starts[0]), ipv6, starts[1])):
        begin, end = covered(begun, space)
        for own, cells in painted(begin, end):
            pair_rows.append(space.rows[own])
            pair_pieces.append(cells + base)
    row, piece = np.concatenate(pair_rows or [_none()]), np.concatenate(pair_pieces or [_none()])
    opens = np.clip(rows.from_s[row], 0, FOREVER_S)
    closes = np.clip(rows.until_s[row], 0, FOREVER_S)
    real = closes > opens
    row, piece, opens, closes = row[real], piece[real], opens[real], closes[real]
    start_keys, end_keys = (piece << TIME_BITS) | opens, (piece << TIME_BITS) | closes
    keys = np.unique(np.concatenate([np.arange(len(pieces), dtype=np.int64) << TIME_BITS, start_keys, end_keys]))
    first_cell, last_cell = np.searchsorted(keys, start_keys), np.searchsorted(keys, end_keys)
    classes = np.zeros(len(keys), dtype=np.uint16)
    for bit in range(16):
        own = np.flatnonzero(rows.classes[row] >> bit & 1)
        if len(own):
            opened = np.bincount(first_cell[own], minlength=len(keys))
            change = opened - np.bincount(last_cell[own], minlength=len(keys))
            classes |= (np.cumsum(change) > 0).astype(np.uint16) << np.uint16(bit)
    deciding = np.full(len(keys), -1, dtype=np.int32)
    width = np.zeros(len(rows.first))
    for space in (ipv4, ipv6):
        width[space.rows] = space.width
    own = np.flatnonzero(rows.decides[row])
    own = own[np.lexsort((row[own], rows.from_s[row[own]], -width[row[own]]))]
    for part, cells in painted(first_cell[own].astype(np.int64), last_cell[own].astype(np.int64)):
        deciding[cells] = row[own[part]]
    spoken = np.zeros(len(pieces), dtype=bool)
    spoken[piece] = True
    return Overlay(pieces, keys, classes, deciding, spoken)


def _none() -> Ints:
    return np.zeros(0, dtype=np.int64)
