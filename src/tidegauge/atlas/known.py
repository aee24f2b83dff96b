"""What the editions of the atlas that stand at some times can say at all: an origin that none knows labels no flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.atlas import embedded
from tidegauge.atlas.editions import Atlas
from tidegauge.atlas.table import OriginTable
from tidegauge.model import Prefix


@dataclass(frozen=True)
class Known:
    """The tables that stand at some times (epoch seconds), and the documented facts, which hold beside all of them."""

    atlas: Atlas
    times_s: tuple[int, ...]

    def has_country(self, code: str) -> bool:
        """Whether an address of a country is known."""
        if code == "ZZ" or any(fact.country == code for fact in embedded.facts()):
            return True
        return any(_of(table, code).any() for table in self._tables())

    def has_as(self, asn: int) -> bool:
        """Whether anything of an AS is known."""
        if asn in embedded.as_names() or any(fact.asn == asn for fact in embedded.facts()):
            return True
        for time_s, table in zip(self.times_s, self._tables(), strict=True):
            if (table.ases == asn).any():
                return True
            for held in self.atlas.held(time_s, ("registry", "location", "list")):
                rows = held.edition.as_rows() if held.edition.ases else None
                if rows is not None and (
                    (rows["first"].to_numpy() <= asn) & (asn <= rows["last"].to_numpy())
                ).any():
                    return True
        return False

    def has_prefix(self, prefix: Prefix) -> bool:
        """Whether a country or AS of any of a prefix's addresses is known."""
        if any(_overlap(fact.prefix, prefix) for fact in embedded.facts()):
            return True
        for table in self._tables():
            own = _places(table, prefix)
            if (~_of(table, "ZZ", own) | (table.ases[own] > 0)).any():
                return True
        return False

    def places(self, prefix: Prefix, country: str) -> bool:
        """Whether an address of a range can be of a country."""
        if any(fact.country == country and _overlap(fact.prefix, prefix) for fact in embedded.facts()):
            return True
        return any(_of(table, country, _places(table, prefix)).any() for table in self._tables())

    def has_as_in(self, prefix: Prefix, asn: int) -> bool:
        """Whether an address of a range is of an AS."""
        return any((table.ases[_places(table, prefix)] == asn).any() for table in self._tables())

    def places_as(self, asn: int, country: str) -> bool:
        """Whether an address of an AS can be of a country."""
        if any(fact.asn == asn and fact.country == country for fact in embedded.facts()):
            return True
        return any((_of(table, country) & (table.ases == asn)).any() for table in self._tables())

    def _tables(self) -> list[OriginTable]:
        return [self.atlas.table(time_s) for time_s in self.times_s]


def _of(table: OriginTable, country: str, own: slice = slice(None)) -> NDArray[np.bool_]:
    """Which ranges of a table, or of a part of it, are of a country."""
    return np.isin(table.countries[own], [i for i, name in enumerate(table.country_names) if name == country])


def _places(table: OriginTable, prefix: Prefix) -> slice:
    """The ranges of a table that hold addresses of a prefix."""
    ends = np.frombuffer(prefix.first + prefix.last, dtype=np.uint8).reshape(2, 16)
    first, last = table.pieces.find(ends).tolist()
    return slice(first, last + 1)


def _overlap(one: Prefix, other: Prefix) -> bool:
    return one.first <= other.last and other.first <= one.last
