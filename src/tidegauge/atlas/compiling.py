"""Statements of several editions to one lookup table: disjoint pieces of each, the first that speaks deciding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.atlas.table import OriginTable, Pieces
from tidegauge.model import V4_MAPPED, halves

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Flat:
    """What one edition says of one thing: starts of pieces, the row about each (-1: none), and values by row."""

    starts4: NDArray[Any]
    rows4: Ints
    starts6: NDArray[Any]
    rows6: Ints
    values: NDArray[Any]
    spans: NDArray[np.uint8]
    index: Ints
    """Positions of the rows in the edition's table."""

    def at(self, address: bytes) -> int:
        """The edition's row about one address; -1: it says nothing."""
        if address[:12] == V4_MAPPED:
            row = self.at4(np.array([int.from_bytes(address[12:])]))[0]
        else:
            row = self.at6(np.array([address], dtype="S16"))[0]
        return int(self.index[row]) if row >= 0 else -1

    def at4(self, keys: Ints) -> Ints:
        return self.rows4[np.searchsorted(self.starts4, keys, side="right") - 1]

    def at6(self, keys: NDArray[Any]) -> Ints:
        return self.rows6[np.searchsorted(self.starts6, keys, side="right") - 1]


def compile_table(countries: list[Flat], ases: list[Flat], names: tuple[str, ...]) -> OriginTable:
    """One table of the statements of several editions, the first that says something deciding."""
    flats = [*countries, *ases]
    zero4, zero6 = np.zeros(1, dtype=np.int64), np.zeros(1, dtype="S16")
    edges4 = np.unique(np.concatenate([zero4, *(f.starts4 for f in flats)]))
    edges6 = np.unique(np.concatenate([zero6, *(f.starts6 for f in flats)]))
    count = len(edges4) + len(edges6)
    out_countries, out_ases = np.zeros(count, dtype=np.uint16), np.zeros(count, dtype=np.uint32)
    spans = np.zeros(count, dtype=np.uint8)
    for chosen, out in ((countries, out_countries), (ases, out_ases)):
        missing = np.ones(count, dtype=bool)
        for flat in chosen:
            rows = np.r_[flat.at4(edges4), flat.at6(edges6)]
            told = missing & (rows >= 0)
            out[told] = flat.values[rows[told]]
            if chosen is ases:
                spans[told] = flat.spans[rows[told]]
            missing &= ~told
    cut = len(edges4)
    kept = np.ones(count, dtype=bool)
    kept[1:] = (np.diff(out_countries) != 0) | (out_ases[1:] != out_ases[:-1]) | (spans[1:] != spans[:-1])
    kept[cut] = True
    high, low = halves(np.frombuffer(edges6[kept[cut:]].tobytes(), dtype=np.uint8).reshape(-1, 16))
    pieces = Pieces(edges4[kept[:cut]].astype(np.uint32), high, low)
    return OriginTable(pieces, out_countries[kept], out_ases[kept], spans[kept], names)


def span_of(width: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Length of the prefix (of 128 bits) that a range of so many addresses less one makes."""
    return np.asarray(128 - np.ceil(np.log2(width + 1)), dtype=np.uint8)
