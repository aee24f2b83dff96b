"""Tables of where addresses are: geofeeds (RFC 8805), CSV ranges, and MaxMind databases (MMDB).

None states from when to when it holds, MMDB aside (its build time): the date is that of the file. Licences are the
publishers' (CC-BY for the free ones) and are noted with each edition.
"""

from __future__ import annotations

import csv
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tidegauge.atlas.statements import (
    LONGEST_NAME,
    Parsed,
    as_rows,
    country_code,
    joined,
    prefix_rows,
    range_of,
    too_many,
)
from tidegauge.model import V4_MAPPED, InputError, Skipped, class_bit
from tidegauge.wire import Stream

HEADERS = {
    "network": "range", "prefix": "range", "cidr": "range", "ip_prefix": "range", "range": "range",
    "start": "first", "start_ip": "first", "ip_start": "first", "first": "first", "ip_from": "first",
    "end": "last", "end_ip": "last", "ip_end": "last", "last": "last", "ip_to": "last",
    "country": "country", "country_code": "country", "country_iso_code": "country", "cc": "country",
    "asn": "as", "as": "as", "as_number": "as", "autonomous_system_number": "as",
    "as_name": "name", "as_organization": "name", "autonomous_system_organization": "name", "name": "name",
    "organization": "name",
}
"""Names of columns that publishers use, and what we call them."""


def read_geofeed(stream: Stream) -> Parsed:
    """`prefix,country,region,city,postal`: where a network says that its own addresses are used."""
    firsts, lasts, countries, names = [], [], [], []
    skipped = Skipped()
    for row in _rows(stream):
        found = range_of(row[0])
        country = country_code(row[1]) if len(row) > 1 else None
        if found is None or country is None:
            skipped.add("line", "not a prefix" if found is None else "no country")
            continue
        firsts.append(found[0])
        lasts.append(found[1])
        countries.append(country)
        names.append(" ".join(part for part in row[2:4] if part)[:LONGEST_NAME] or None)
        too_many(len(firsts), stream.name)
    _something(firsts, stream, skipped)
    return Parsed(prefix_rows(joined(firsts), joined(lasts), country=countries, name=names), skipped=skipped)


def read_ranges(stream: Stream) -> Parsed:
    """CSV of `first,last,country`, `first,last,AS[,name]`, `prefix,country`, or with a header that names columns.

    Addresses may be written as numbers (IP2Location).
    """
    firsts, lasts = [], []
    countries: list[str | None] = []
    numbers: list[int] = []
    names: dict[int, str] = {}
    skipped = Skipped()
    places: dict[str, int] | None = None
    for row in _rows(stream):
        if places is None:
            places = _places(row, stream.name)
            if places.pop("header", 0):
                continue
        found = _range(row, places)
        if found is None:
            skipped.add("line", "not a range of addresses")
            continue
        country = country_code(_cell(row, places, "country"))
        number = _cell(row, places, "as").upper().removeprefix("AS")
        asn = int(number) if number.isascii() and number.isdigit() and int(number) < 1 << 32 else 0
        if country is None and not asn:
            skipped.add("line", "neither country nor AS")
            continue
        firsts.append(found[0])
        lasts.append(found[1])
        countries.append(country)
        numbers.append(asn)
        if asn and (name := _cell(row, places, "name")):
            names.setdefault(asn, name[:LONGEST_NAME])
        too_many(len(firsts), stream.name)
    _something(firsts, stream, skipped)
    ordered = sorted(names)
    table = as_rows(ordered, ordered, name=[names[n] for n in ordered])
    columns: dict[str, Any] = {"country": countries, "as": numbers}
    return Parsed(prefix_rows(joined(firsts), joined(lasts), **columns), table, None, skipped)


def _rows(stream: Stream) -> Any:
    for block in stream.lines():
        text = block.decode("utf-8", "replace").replace("\0", "")
        kept = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
        try:
            for row in csv.reader(kept):
                if row:
                    yield [cell.strip() for cell in row]
        except csv.Error as error:
            raise InputError(f"not CSV: {error}", where=f"{stream.name}, before offset {stream.offset}") from None


def _places(row: list[str], name: str) -> dict[str, int]:
    """Which column holds what; with the key `header` where this row is one."""
    known = {HEADERS[c.lower()]: i for i, c in reversed(list(enumerate(row))) if c.lower() in HEADERS}
    if "range" in known or {"first", "last"} <= known.keys():
        return {**known, "header": 1}
    if len(row) >= 3 and _address(row[0]) and _address(row[1]):
        value = 2
        places = {"first": 0, "last": 1}
    elif len(row) >= 2 and range_of(row[0]):
        value = 1
        places = {"range": 0}
    else:
        raise InputError("no ranges of addresses in its first line", where=f"{name}, offset 0",
                         hint="first,last,country or prefix,country, or a header")
    return {**places, "as": value, "country": value, "name": value + 1}


def _address(text: str) -> bytes | None:
    if text.isascii() and text.isdigit():
        number = int(text) if len(text) < 40 else 1 << 128
        if number < 1 << 32:
            return V4_MAPPED + number.to_bytes(4)
        return number.to_bytes(16) if number < 1 << 128 else None
    found = range_of(text) if "/" not in text and "-" not in text else None
    return None if found is None else found[0]


def _range(row: list[str], places: dict[str, int]) -> tuple[bytes, bytes] | None:
    if "range" in places:
        return range_of(_cell(row, places, "range"))
    first, last = _address(_cell(row, places, "first")), _address(_cell(row, places, "last"))
    if first is None or last is None or first > last or (first[:12] == V4_MAPPED) != (last[:12] == V4_MAPPED):
        return None
    return first, last


def _cell(row: list[str], places: dict[str, int], name: str) -> str:
    place = places.get(name, len(row))
    return row[place] if place < len(row) else ""


def _something(firsts: list[bytes], stream: Stream, skipped: Skipped) -> None:
    """A table with no good line, or with more bad ones than good ones, is not what it claims to be."""
    bad = sum(count for _, _, count in skipped)
    if not firsts or bad > len(firsts):
        raise InputError(
            f"{bad:,} of {bad + len(firsts):,} lines say nothing that can be read",
            where=f"{stream.name}, before offset {stream.offset}", hint="is this file what it claims to be?",
        )


TRAITS = {
    "is_tor_exit_node": "tor-exit", "is_anonymous_vpn": "vpn", "is_public_proxy": "proxy",
    "is_residential_proxy": "proxy", "is_hosting_provider": "hosting", "is_satellite_provider": "satellite",
    "is_anycast": "anycast",
}
MMDB_MOST_BYTES = 2 << 30


def read_mmdb(path: str) -> Parsed:
    """Country, AS and anonymity traits of a MaxMind database, in one pass over its tree.

    Raises:
        InputError: not an MMDB, or damaged.
    """
    import maxminddb

    if Path(path).stat().st_size > MMDB_MOST_BYTES:
        raise InputError("larger than any database of this kind", where=path)
    # Packed columns: a table of cities has millions of networks, and each object of Python's takes fifty bytes.
    firsts, lasts = bytearray(), bytearray()
    countries, numbers, classes = array("i"), array("I"), array("H")
    codes: dict[str | None, int] = {None: -1}
    names: dict[int, str] = {}
    try:
        with maxminddb.open_database(path) as database:
            built = int(database.metadata().build_epoch)
            for network, record in database:
                says = _mmdb_says(record)
                if says is None:
                    continue
                lead = V4_MAPPED if network.version == 4 else b""
                firsts += lead + network.network_address.packed
                lasts += lead + network.broadcast_address.packed
                country, number, bits, name = says
                countries.append(codes.setdefault(country, len(codes) - 1))
                numbers.append(number)
                classes.append(bits)
                if number and name:
                    names.setdefault(number, name[:LONGEST_NAME])
                too_many(len(numbers), path)
    except (maxminddb.InvalidDatabaseError, ValueError, KeyError, TypeError, AttributeError, IndexError,
            UnicodeDecodeError, OverflowError, RecursionError) as error:
        cause = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(f"not a sound MMDB: {cause}", where=path) from None
    if not firsts:
        raise InputError("an MMDB without country, AS or traits", where=path)
    ordered = sorted(names)
    places = np.frombuffer(countries, dtype=np.int32)
    columns: dict[str, Any] = {
        "country": pa.DictionaryArray.from_arrays(
            pa.array(places, mask=places < 0), pa.array([c for c in codes if c is not None], pa.string())
        ),
        "as": np.frombuffer(numbers, dtype=np.uint32), "classes": np.frombuffer(classes, dtype=np.uint16),
    }
    first, last = (np.frombuffer(ends, dtype=np.uint8).reshape(-1, 16) for ends in (firsts, lasts))
    return Parsed(
        prefix_rows(first, last, **columns),
        as_rows(ordered, ordered, name=[names[n] for n in ordered]),
        built if 0 < built < 1 << 33 else None,
    )


def _as_number(given: Any) -> int:
    """An AS number that is written as one, or as a text; 0 where it is none."""
    if isinstance(given, str):
        digits = given.upper().removeprefix("AS")
        given = int(digits) if digits.isascii() and digits.isdigit() else 0
    return given if isinstance(given, int) and 0 < given < 1 << 32 else 0


def _mmdb_says(record: Any) -> tuple[str | None, int, int, str] | None:
    if not isinstance(record, dict):
        return None
    place = record.get("country") or record.get("registered_country") or record.get("country_code") or {}
    code = place.get("iso_code", "") if isinstance(place, dict) else place
    country = country_code(code) if isinstance(code, str) else None
    number = _as_number(record.get("autonomous_system_number") or record.get("asn"))
    traits: Any = record.get("traits")
    traits = traits if isinstance(traits, dict) else {}
    bits = 0
    for trait, name in TRAITS.items():
        if record.get(trait) is True or traits.get(trait) is True:
            bits |= class_bit(name)
    name = record.get("autonomous_system_organization") or record.get("as_name") or ""
    if country is None and not number and not bits:
        return None
    return country, number, bits, name if isinstance(name, str) else ""
