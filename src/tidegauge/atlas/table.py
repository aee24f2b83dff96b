"""Longest-prefix lookup over one edition: a two-level table for IPv4 (DIR-24-8), a sorted search for IPv6.

DIR-24-8: Gupta, Lin, McKeown, "Routing lookups in hardware at memory access speeds", INFOCOM 1998.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Addresses, halves, is_ipv4, low32

FEW = 20_000
"""Below this many addresses a sorted search is faster than building the two-level table."""


@dataclass(frozen=True)
class OriginTable:
    """Ranges without gaps, each with one origin.

    Attributes:
        starts4: first address of each IPv4 range, ascending, the first 0; shape (n,).
        high6, low6: the same for IPv6, as two halves; shape (m,).
        countries4, countries6: position of the country in `country_names`.
        ases4, ases6: AS number, 0 unknown.
    """

    starts4: NDArray[np.uint32]
    countries4: NDArray[np.uint16]
    ases4: NDArray[np.uint32]
    high6: NDArray[np.uint64]
    low6: NDArray[np.uint64]
    countries6: NDArray[np.uint16]
    ases6: NDArray[np.uint32]
    country_names: tuple[str, ...]

    @cached_property
    def _two_levels(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Range by /24, or -1 - block where a /24 holds several; and the ranges of each such block's addresses."""
        starts = self.starts4.astype(np.int64)
        first_slots = np.r_[(starts + 255) >> 8, 1 << 24]
        level1 = np.repeat(np.arange(len(starts), dtype=np.int32), np.diff(first_slots))
        mixed = np.unique(starts[starts & 255 != 0] >> 8)
        addresses = (mixed[:, None] << 8) + np.arange(256)
        level2 = (np.searchsorted(starts, addresses.reshape(-1), side="right") - 1).astype(np.int32)
        level1[mixed] = -1 - np.arange(len(mixed), dtype=np.int32)
        return level1, level2

    def ranges4(self, addresses: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Which range holds each IPv4 address; shape (n,)."""
        if len(addresses) < FEW and "_two_levels" not in self.__dict__:
            return np.searchsorted(self.starts4, addresses, side="right") - 1
        level1, level2 = self._two_levels
        found = level1[addresses >> np.uint32(8)]
        deeper = np.flatnonzero(found < 0)
        if len(deeper):
            blocks = (-1 - found[deeper]).astype(np.int64) << 8
            found[deeper] = level2[blocks + (addresses[deeper] & np.uint32(255))]
        return np.asarray(found, dtype=np.intp)

    def ranges6(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Which range holds each IPv6 address; shape (n,)."""
        found = np.searchsorted(self.high6, high, side="right") - 1
        while (past := (self.high6[found] == high) & (self.low6[found] > low)).any():
            found = found - past
        return found

    def lookup(self, addresses: Addresses) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
        """Country (position in `country_names`) and AS of addresses of shape (n, 16)."""
        four = is_ipv4(addresses)
        if four.all():
            found = self.ranges4(low32(addresses))
            return self.countries4[found], self.ases4[found]
        countries = np.empty(len(addresses), dtype=np.uint16)
        ases = np.empty(len(addresses), dtype=np.uint32)
        found = self.ranges4(low32(addresses[four]))
        countries[four], ases[four] = self.countries4[found], self.ases4[found]
        found = self.ranges6(*halves(addresses[~four]))
        countries[~four], ases[~four] = self.countries6[found], self.ases6[found]
        return countries, ases
