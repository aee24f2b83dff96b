"""What every source says of one address at one time, gathered for the rules of trust and for people to read."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.atlas import embedded
from tidegauge.atlas.catalogue import Edition
from tidegauge.atlas.editions import LIST_COLUMNS, Atlas
from tidegauge.atlas.flat import keys16
from tidegauge.atlas.statements import packed
from tidegauge.model import (
    FOREVER_S,
    RELAYS,
    V4_MAPPED,
    Prefix,
    class_bit,
    class_names,
    format_address,
    format_time,
    parse_address,
    shapes,
)

CLEAR_SHARE = 0.8
"""An AS without a registry record counts as of a country only where it has so much of its addresses there."""


@dataclass(frozen=True)
class Said:
    """What one edition says: for which time, and in which words (`says`, with stable keys)."""

    source: str
    edition: str
    kind: str
    valid_s: tuple[int, int]
    distance_s: int
    says: dict[str, Any]

    def to_json(self) -> shapes.Source:
        return {"source": self.source, "edition": self.edition, "valid": times(self.valid_s), "says": self.says}


@dataclass(frozen=True)
class Evidence:
    """All that is known of an address at a time.

    Attributes:
        displayed: the country that it displays, `ZZ` where none is known; `asn` and `classes` are the labels too.
        upstreams: of its AS then, with the country of each (None: not known).
        found_here: what our own findings say of it, empty where nothing.
        unlisted: classes of relays of which no list is there for that time.
    """

    address: bytes
    at_s: int
    displayed: str
    asn: int
    as_name: str
    as_country: str | None
    prefix: str
    classes: tuple[str, ...]
    said: tuple[Said, ...]
    upstreams: dict[int, str | None] = field(default_factory=dict)
    found_here: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()

    def told(self, key: str) -> Iterator[tuple[Said, Any]]:
        """What the sources say of one thing."""
        for said in self.said:
            if said.says.get(key):
                yield said, said.says[key]


def times(valid_s: tuple[int, int]) -> list[str | None]:
    """Start and end as text; None where there is no end known."""
    start, end = valid_s
    return [format_time(start) if start > 0 else None, format_time(end) if end < FOREVER_S else None]


class Witnesses:
    """Asks all sources about addresses at one time; what is read for the first is kept for the others."""

    def __init__(self, atlas: Atlas, at_s: int) -> None:
        self.atlas, self.at_s = atlas, at_s
        self._held = atlas.held(at_s)
        columns = (*LIST_COLUMNS, "name", "country", "used_by")
        self._lists = [
            (edition, table, keys16(packed(table["first"])), keys16(packed(table["last"])), opens, closes)
            for edition, table, opens, closes in atlas.list_rows(at_s, at_s + 1, columns)
        ]
        self._unlisted = tuple(
            name for name in RELAYS if not atlas.class_known(class_bit(name), at_s, at_s + 1)
        )
        self._uplinks: dict[int, dict[int, str | None]] = {}
        self._countries: dict[int, str | None] = {}

    def about(self, address: bytes, found_here: tuple[str, ...] = ()) -> Evidence:
        """Everything about one address (16 bytes)."""
        one = np.frombuffer(address, dtype=np.uint8)[None]
        label = self.atlas.lookup(one, np.array([self.at_s * 1_000_000]))
        asn = int(label.ases[0])
        said = [*self._facts(address), *self._tables(address), *self._listed(address), *self._listed_as(asn)]
        return Evidence(
            address, self.at_s, label.country_names[label.countries[0]], asn, self.as_name(asn), self.as_country(asn),
            self._prefix(address, said), tuple(class_names(int(label.classes[0]))), tuple(said),
            self.uplinks(asn) if asn else {}, found_here, self._unlisted,
        )

    def _facts(self, address: bytes) -> Iterator[Said]:
        edition = embedded.facts_edition()
        for fact in embedded.facts():
            if address in fact.prefix and fact.from_s <= self.at_s < fact.until_s:
                says: dict[str, Any] = {"prefix": str(fact.prefix), "country": fact.country, "used_by": fact.used_by}
                if fact.asn:
                    says["as"] = fact.asn
                if fact.classes:
                    says["classes"] = class_names(fact.classes)
                says["note"] = fact.note
                yield Said(edition.source, edition.edition, "facts", (fact.from_s, fact.until_s), 0, says)

    def _tables(self, address: bytes) -> Iterator[Said]:
        for held in self._held:
            edition = held.edition
            says: dict[str, Any] = {}
            for column in ("country", "as"):
                flat = self.atlas.flat(edition, column)
                row = -1 if flat is None else flat.at(address)
                if row >= 0:
                    says |= _embedded_says(row) if edition.kind == "embedded" else _row_says(edition, row)
            if says:
                yield Said(edition.source, edition.edition, edition.kind, (held.from_s, held.until_s), held.distance_s,
                           says)

    def _listed(self, address: bytes) -> Iterator[Said]:
        key = np.frombuffer(address, dtype="S16")[0]
        for edition, table, first, last, opens, closes in self._lists:
            for row in np.flatnonzero((first <= key) & (key <= last)).tolist():
                found = table.slice(row, 1).to_pylist()[0]
                says = {"prefix": _text(found["first"], found["last"]), "classes": class_names(found["classes"])}
                says |= {k: found[k] for k in ("name", "country", "used_by") if found[k]}
                valid = (int(opens[row]), int(closes[row]))
                yield Said(edition.source, edition.edition, "list", valid, _distance(edition, valid, self.at_s), says)

    def _listed_as(self, asn: int) -> Iterator[Said]:
        if not asn:
            return
        for edition in self.atlas.editions():
            if edition.kind != "list" or not edition.ases:
                continue
            table = _as_rows(edition)
            own = (table["first"].to_numpy() <= asn) & (asn <= table["last"].to_numpy())
            own &= (table["from_s"].to_numpy() <= self.at_s) & (self.at_s < table["until_s"].to_numpy())
            for row in np.flatnonzero(own).tolist():
                says = {"as": asn, "classes": class_names(table["classes"][row].as_py())}
                if name := table["name"][row].as_py():
                    says["name"] = name
                valid = (table["from_s"][row].as_py(), table["until_s"][row].as_py())
                distance = abs(self.at_s - edition.date_s)
                yield Said(edition.source, edition.edition, "list", valid, distance, says)

    def _prefix(self, address: bytes, said: list[Said]) -> str:
        """The prefix as routing has it, else as the first other source has it."""
        ranked = sorted((s for s in said if s.says.get("prefix")), key=lambda s: s.kind != "routing")
        text = str(ranked[0].says["prefix"]) if ranked else ""
        ends = text.split("-")
        if len(ends) == 2:  # a range that is no prefix: that part of it which is one and holds the address
            parts = cidrs(parse_address(ends[0]), parse_address(ends[1]))
            text = next((p for p in parts if address in Prefix.parse(p)), text)
        return text

    def as_name(self, asn: int) -> str:
        """The name of an AS by the newest source that has one, else by the embedded table; empty where unknown."""
        for held in self._held:
            if held.edition.ases and (name := _as_said(held.edition, asn, "name")):
                return str(name)
        return embedded.as_names().get(asn, "") if asn else ""

    def as_country(self, asn: int) -> str | None:
        """Where an AS is registered, by a registry, else where the embedded table has four fifths of its addresses."""
        if asn not in self._countries:
            self._countries[asn] = self._as_country(asn) if asn else None
        return self._countries[asn]

    def _as_country(self, asn: int) -> str | None:
        for held in self._held:
            if held.edition.kind == "registry" and held.edition.ases:
                found = _as_said(held.edition, asn, "country")
                if found:
                    return str(found)
        numbers, homes, shares = embedded.as_homes()
        place = int(np.searchsorted(numbers, asn))
        if place < len(numbers) and numbers[place] == asn and shares[place] >= CLEAR_SHARE:
            name = embedded.world_table().country_names[homes[place]]
            return None if name == "ZZ" else name
        return None

    def uplinks(self, asn: int) -> dict[int, str | None]:
        """The upstreams of an AS then, by routing tables and documented facts, with their countries."""
        if asn not in self._uplinks:
            found = {u.upstream for u in embedded.uplinks() if u.asn == asn and u.from_s <= self.at_s < u.until_s}
            for held in self._held:
                if held.edition.kind == "routing":
                    found |= set(upstreams_in(held.edition, asn))
                    break
            self._uplinks[asn] = {number: self.as_country(number) for number in sorted(found)}
        return self._uplinks[asn]


def upstreams_in(edition: Edition, asn: int) -> dict[int, int]:
    """The upstreams of an AS in a routing table, with the number of its prefixes that go over each."""
    ases, lists = _routes(edition)
    rows = np.flatnonzero(ases == asn)
    counts: dict[int, int] = {}
    for number in lists.take(pa.array(rows)).flatten().to_pylist():
        counts[number] = counts.get(number, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


@lru_cache(maxsize=4)
def _routes(edition: Edition) -> tuple[NDArray[np.uint32], pa.Array]:
    table = edition.rows(("as", "upstreams"))
    return table["as"].to_numpy(), table["upstreams"].combine_chunks()


@lru_cache(maxsize=6)
def _rows(edition: Edition) -> pa.Table:
    return edition.rows()


@lru_cache(maxsize=64)
def _as_rows(edition: Edition) -> pa.Table:
    return edition.as_rows()


def _as_said(edition: Edition, asn: int, column: str) -> Any:
    table = _as_rows(edition)
    rows = np.flatnonzero((table["first"].to_numpy() <= asn) & (asn <= table["last"].to_numpy()))
    found = [table[column][int(row)].as_py() for row in rows]
    return next((value for value in found if value), None)


def _row_says(edition: Edition, row: int) -> dict[str, Any]:
    found = _rows(edition).slice(row, 1).to_pylist()[0]
    says: dict[str, Any] = {"prefix": _text(found["first"], found["last"])}
    says |= {key: found[key] for key in ("country", "as", "name", "used_by", "others", "upstreams") if found[key]}
    if found["since_s"]:
        says["since"] = format_time(found["since_s"])
    return says


def _embedded_says(row: int) -> dict[str, Any]:
    table = embedded.world_table()
    says: dict[str, Any] = {"prefix": embedded_range(row)}
    if table.country_names[table.countries[row]] != "ZZ":
        says["country"] = table.country_names[table.countries[row]]
    if table.ases[row]:
        says["as"] = int(table.ases[row])
    return says


def embedded_range(row: int) -> str:
    """The range of the embedded table's row, as a prefix where it is one."""
    pieces = embedded.world_table().pieces
    cut = len(pieces.starts4)
    if row < cut:
        last = int(pieces.starts4[row + 1]) - 1 if row + 1 < cut else (1 << 32) - 1
        return _text(V4_MAPPED + int(pieces.starts4[row]).to_bytes(4), V4_MAPPED + last.to_bytes(4))
    at = row - cut

    def whole(i: int) -> int:
        return (int(pieces.high6[i]) << 64) | int(pieces.low6[i])

    last = whole(at + 1) - 1 if at + 1 < len(pieces.high6) else (1 << 128) - 1
    return _text(whole(at).to_bytes(16), last.to_bytes(16))


def _text(first: bytes, last: bytes) -> str:
    """A range as a prefix where it is one, else as its ends.

    >>> _text(V4_MAPPED + bytes([192, 0, 2, 0]), V4_MAPPED + bytes([192, 0, 2, 255]))
    '192.0.2.0/24'
    """
    if first == last:
        return format_address(first)
    low, high = int.from_bytes(first), int.from_bytes(last)
    size = (low ^ high).bit_length()
    if low & ((1 << size) - 1) == 0 and high == low | ((1 << size) - 1):
        bits = 128 - size - (96 if first[:12] == V4_MAPPED and last[:12] == V4_MAPPED else 0)
        return f"{format_address(first)}/{bits}"
    return f"{format_address(first)}-{format_address(last)}"


def cidrs(first: bytes, last: bytes) -> list[str]:
    """The prefixes that make up a range.

    >>> cidrs(V4_MAPPED + bytes([192, 0, 2, 0]), V4_MAPPED + bytes([192, 0, 4, 255]))
    ['192.0.2.0/23', '192.0.4.0/24']
    """
    four = first[:12] == V4_MAPPED and last[:12] == V4_MAPPED
    ends = [ipaddress.ip_address(e[12:] if four else e) for e in (first, last)]
    return [str(network) for network in ipaddress.summarize_address_range(*ends)]


def _distance(edition: Edition, valid: tuple[int, int], at_s: int) -> int:
    """How far a time lies from the edition where its statement has no time of its own."""
    if edition.from_s or edition.until_s < FOREVER_S:
        return 0
    return max(edition.date_s - at_s, at_s - edition.date_s if valid[1] == FOREVER_S else 0, 0)
