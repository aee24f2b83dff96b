"""Lookup of addresses among ranges without gaps: a two-level table for IPv4 (DIR-24-8), a bucketed search for IPv6.

DIR-24-8: Gupta, Lin, McKeown, "Routing lookups in hardware at memory access speeds", INFOCOM 1998.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Addresses, halves, is_ipv4, low32

FEW = 20_000
"""Below this many addresses a sorted search is faster than building the two-level table."""
FEW_STARTS = 2_000
"""With fewer ranges than this it always is."""
CHUNK = 1 << 16
"""Addresses looked up in one go: intermediate columns stay in the processor's cache."""


@dataclass(frozen=True)
class Pieces:
    """Starts of ranges without gaps, ascending, the first 0, of both families.

    Attributes:
        starts4: shape (n,).
        high6, low6: the same for IPv6, as two halves; shape (m,).
    """

    starts4: NDArray[np.uint32]
    high6: NDArray[np.uint64]
    low6: NDArray[np.uint64]

    @cached_property
    def _two_levels(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Range by /24, or -1 - block where a /24 holds several; and the ranges of each such block's addresses."""
        starts = self.starts4.astype(np.int64)
        first_slots = np.r_[(starts + 255) >> 8, 1 << 24]
        level1 = np.repeat(np.arange(len(starts), dtype=np.int32), np.diff(first_slots))
        mixed = np.unique(starts[starts & 255 != 0] >> 8)
        level2 = np.empty((len(mixed), 256), dtype=np.int32)
        for at in range(0, len(mixed), CHUNK // 16):
            part = slice(at, at + CHUNK // 16)
            addresses = (mixed[part, None] << 8) + np.arange(256)
            found = np.searchsorted(starts, addresses.reshape(-1), side="right") - 1
            level2[part] = found.reshape(-1, 256)
        level1[mixed] = -1 - np.arange(len(mixed), dtype=np.int32)
        return level1, level2.reshape(-1)

    def prepare(self) -> None:
        """Build what lookups of many addresses use, ahead of the first."""
        _ = self._two_levels

    def ranges4(self, addresses: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Which range holds each IPv4 address; shape (n,)."""
        if len(self.starts4) < FEW_STARTS or (len(addresses) < FEW and "_two_levels" not in self.__dict__):
            return np.searchsorted(self.starts4, addresses, side="right") - 1
        level1, level2 = self._two_levels
        out = np.empty(len(addresses), dtype=np.intp)
        for at in range(0, len(addresses), CHUNK):
            own = addresses[at : at + CHUNK]
            # Positions as `intp` and `take`: twice as fast as indexing with `uint32`.
            found = level1.take((own >> np.uint32(8)).astype(np.intp))
            deeper = np.flatnonzero(found < 0)
            if len(deeper):
                blocks = (-1 - found[deeper]).astype(np.int64) << 8
                found[deeper] = level2[blocks + (own[deeper] & np.uint32(255))]
            out[at : at + CHUNK] = found
        return out

    def ranges6(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Which range holds each IPv6 address; shape (n,)."""
        found = np.searchsorted(self.high6, high, side="right") - 1
        while (past := (self.high6[found] == high) & (self.low6[found] > low)).any():
            found = found - past
        return found

    def find(self, addresses: Addresses) -> NDArray[np.intp]:
        """Position of the range of each address of shape (n, 16): IPv4 ranges first, IPv6 ranges behind them."""
        if len(addresses) > CHUNK:
            parts = [self.find(addresses[at : at + CHUNK]) for at in range(0, len(addresses), CHUNK)]
            return np.concatenate(parts)
        four = is_ipv4(addresses)
        if four.all():
            return self.ranges4(low32(addresses))
        found = np.empty(len(addresses), dtype=np.intp)
        found[four] = self.ranges4(low32(addresses[four]))
        found[~four] = self.ranges6(*halves(addresses[~four])) + len(self.starts4)
        return found

    def __len__(self) -> int:
        return len(self.starts4) + len(self.high6)


@dataclass(frozen=True)
class OriginTable:
    """Ranges without gaps, each with one origin; arrays of shape (len(pieces),), IPv4 first.

    Attributes:
        countries: position of the country in `country_names`.
        ases: AS number, 0 unknown.
        spans: prefix length of the statement that gave the AS (of 128 bits), 0 where there is none.
    """

    pieces: Pieces
    countries: NDArray[np.uint16]
    ases: NDArray[np.uint32]
    spans: NDArray[np.uint8]
    country_names: tuple[str, ...]

    def lookup(self, addresses: Addresses) -> tuple[NDArray[np.uint16], NDArray[np.uint32], NDArray[np.intp]]:
        """Country (position in `country_names`), AS and range of addresses of shape (n, 16)."""
        found = self.pieces.find(addresses)
        return self.countries[found], self.ases[found], found

    def save(self, folder: Path) -> None:
        """Write the arrays, each to a file that can be memory-mapped, the two-level table among them."""
        self.pieces.prepare()
        level1, level2 = self.pieces._two_levels
        arrays: dict[str, NDArray[Any]] = {
            "starts4": self.pieces.starts4, "high6": self.pieces.high6, "low6": self.pieces.low6,
            "countries": self.countries, "ases": self.ases, "spans": self.spans, "level1": level1, "level2": level2,
            "country_names": np.array(self.country_names, dtype="U2"),
        }
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)

    @classmethod
    def load(cls, folder: Path) -> OriginTable:
        """Map what `save` wrote.

        Raises:
            OSError, ValueError: it is not there, or damaged.
        """

        def mapped(name: str) -> NDArray[np.generic]:
            return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))

        pieces = Pieces(mapped("starts4"), mapped("high6"), mapped("low6"))  # type: ignore[arg-type]
        pieces.__dict__["_two_levels"] = (mapped("level1"), mapped("level2"))
        names = tuple(str(n) for n in mapped("country_names"))
        return cls(pieces, mapped("countries"), mapped("ases"), mapped("spans"), names)  # type: ignore[arg-type]
