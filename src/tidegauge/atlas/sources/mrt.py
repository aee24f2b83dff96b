"""MRT table dumps (RouteViews, RIPE RIS) to origin ASes and upstreams: TABLE_DUMP and TABLE_DUMP_V2, without a Python
loop over routes.

Format: RFC 6396, RFC 8050 (additional paths). All routes of a block walk their attributes in step: each step is one
gather over the routes that are not through yet. Licence: Route Views CC-BY-4.0; RIS under RIPE NCC's terms of service.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.atlas.statements import Parsed, prefix_rows, too_many
from tidegauge.model import Addresses, InputError, Skipped
from tidegauge.wire import Buffer, Stream

Ints = NDArray[np.int64]
HEADER = struct.Struct(">IHHI")
TABLE_DUMP, TABLE_DUMP_V2 = 12, 13
BLOCK = 16 << 20
LONGEST_RECORD = 8 << 20
MOST_ROUTES = 10_000
"""Routes of one prefix: collectors have a few hundred peers."""
MOST_ATTRIBUTES, MOST_SEGMENTS, MOST_PREPENDED = 64, 16, 64
RIB = {2: (4, False), 4: (16, False), 8: (4, True), 10: (16, True)}
"""Subtypes of TABLE_DUMP_V2 with unicast routes: bytes of an address, and whether a path identifier is there."""
AS_PATH, ORDERED = 2, 2


@dataclass(frozen=True)
class Routes:
    """Routes of a block, one a row: which prefix (position), since when, and where its attributes lie."""

    prefix: Ints
    since_s: Ints
    begin: Ints
    end: Ints


@dataclass(frozen=True)
class Prefixes:
    """Prefixes of a block: addresses of shape (n, 16)."""

    first: Addresses
    last: Addresses

    def __len__(self) -> int:
        return len(self.first)


def read_table(stream: Stream) -> Parsed:
    """A whole table: each prefix with its origin AS (the one that most peers see), others, and upstreams.

    Raises:
        InputError: a record longer than any, a file cut within a record, or no routes at all.
    """
    skipped = Skipped()
    parts: list[pa.Table] = []
    date_s, count = None, 0
    for block, records in _blocks(stream, skipped):
        if date_s is None and len(records):
            date_s = int(records[0, 0])
        buffer = Buffer.of(block)
        for prefixes, routes, width in _routes(buffer, records, skipped):
            parts.append(_summed(buffer, prefixes, routes, width, skipped))
            count += len(parts[-1])
            too_many(count, stream.name)
    if not count:
        raise InputError("no routes in it", where=f"{stream.name}, offset {stream.offset}")
    return Parsed(pa.concat_tables(parts).unify_dictionaries().combine_chunks(), date_s=date_s, skipped=skipped)


def _blocks(stream: Stream, skipped: Skipped) -> Iterator[tuple[bytes, Ints]]:
    """Blocks of whole records: bytes, and rows of (time, type, subtype, begin, end) with offsets into them."""
    rest = b""
    while more := stream.read(BLOCK):
        block = rest + more
        found: list[tuple[int, int, int, int, int]] = []
        at = 0
        while at + 12 <= len(block):
            when, kind, subtype, length = HEADER.unpack_from(block, at)
            if length > LONGEST_RECORD:
                raise InputError(
                    f"a record of {length:,} bytes: not MRT, or damaged",
                    where=f"{stream.name}, offset {stream.offset - len(block) + at}",
                )
            if at + 12 + length > len(block):
                break
            found.append((when, kind, subtype, at + 12, at + 12 + length))
            at += 12 + length
        rest = block[at:]
        yield block, np.array(found, dtype=np.int64).reshape(-1, 5)
    if rest:
        raise InputError("cut within a record", where=f"{stream.name}, offset {stream.offset - len(rest)}",
                         hint="fetch it again")


def _routes(buffer: Buffer, records: Ints, skipped: Skipped) -> Iterator[tuple[Prefixes, Routes, int]]:
    """Routes of the records of each kind, and the bytes of an AS number in their paths."""
    kinds, subtypes = records[:, 1], records[:, 2]
    known = np.zeros(len(records), dtype=bool)
    for subtype, (octets, paths) in RIB.items():
        own = (kinds == TABLE_DUMP_V2) & (subtypes == subtype)
        known |= own
        if own.any():
            yield (*_rib(buffer, records[own], octets, paths, skipped), 4)
    for subtype, octets in ((1, 4), (2, 16)):
        own = (kinds == TABLE_DUMP) & (subtypes == subtype)
        known |= own
        if own.any():
            yield (*_old_table(buffer, records[own], octets, skipped), 2)
    known |= (kinds == TABLE_DUMP_V2) & (subtypes == 1)  # the list of peers
    skipped.add("record", "of another kind than a unicast route", int((~known).sum()))


def _ends(buffer: Buffer, at: Ints, bits: Ints, octets: int) -> Prefixes:
    """First and last addresses of prefixes of `bits` whose first bytes lie at `at`."""
    raw = buffer.bytes_at(at, octets).copy()
    place = np.arange(octets) * 8
    mask = (255 << (8 - np.clip(bits[:, None] - place, 0, 8))) & 255
    first = np.zeros((len(at), 16), dtype=np.uint8)
    if octets == 4:
        first[:, 10:12] = 255
    last = first.copy()
    first[:, 16 - octets :] = raw & mask
    last[:, 16 - octets :] = (raw & mask) | (255 - mask)
    return Prefixes(first, last)


def _rib(buffer: Buffer, records: Ints, octets: int, paths: bool, skipped: Skipped) -> tuple[Prefixes, Routes]:
    begin, end = records[:, 3], records[:, 4]
    bits = buffer.u8(begin + 4)
    used = (bits + 7) // 8
    counts = buffer.u16(begin + 5 + used)
    at = begin + 7 + used
    good = (bits <= octets * 8) & (at <= end) & (counts <= MOST_ROUTES)
    skipped.add("record", "a prefix longer than an address, or cut", int((~good).sum()))
    begin, end, bits, counts, at = (a[good] for a in (begin, end, bits, counts, at))
    prefixes = _ends(buffer, begin + 5, bits, octets)
    extra = 4 if paths else 0
    found: list[tuple[Ints, ...]] = []
    rows = np.flatnonzero(counts > 0)
    place = at[rows]
    damaged = 0
    while len(rows):
        start = place + 8 + extra
        stop = start + buffer.u16(place + 6 + extra)
        whole = stop <= end[rows]
        damaged += int((~whole).sum())
        rows, place, start, stop = rows[whole], place[whole], start[whole], stop[whole]
        found.append((rows, buffer.u32(place + 2), start, stop))
        counts[rows] -= 1
        going = counts[rows] > 0
        rows, place = rows[going], stop[going]
    skipped.add("record", "routes that reach past its end", damaged)
    none = np.zeros(0, dtype=np.int64)
    columns = [np.concatenate(c) for c in zip(*found, strict=True)] if found else [none] * 4
    return prefixes, Routes(*columns)


def _old_table(buffer: Buffer, records: Ints, octets: int, skipped: Skipped) -> tuple[Prefixes, Routes]:
    """TABLE_DUMP: one route a record; records of one prefix follow one another."""
    begin, end = records[:, 3], records[:, 4]
    bits = buffer.u8(begin + 4 + octets)
    start = begin + 14 + 2 * octets
    stop = start + buffer.u16(start - 2)
    good = (bits <= octets * 8) & (stop <= end)
    skipped.add("record", "a prefix longer than an address, or cut", int((~good).sum()))
    begin, bits, start, stop = begin[good], bits[good], start[good], stop[good]
    prefixes = _ends(buffer, begin + 4, bits, octets)
    new = np.ones(len(begin), dtype=bool)
    new[1:] = (prefixes.first[1:] != prefixes.first[:-1]).any(axis=1) | (prefixes.last[1:] != prefixes.last[:-1]).any(
        axis=1
    )
    since = buffer.u32(begin + 6 + octets)
    return (
        Prefixes(prefixes.first[new], prefixes.last[new]),
        Routes(np.asarray(np.cumsum(new) - 1, dtype=np.int64), since, start, stop),
    )


def paths_at(buffer: Buffer, begin: Ints, end: Ints, wanted: int = AS_PATH) -> tuple[Ints, Ints]:
    """Where an attribute lies among those between two places; -1 where it is not there or they are damaged."""
    first, last = np.full(len(begin), -1, dtype=np.int64), np.full(len(begin), -1, dtype=np.int64)
    rows, at = np.arange(len(begin)), begin.copy()
    for _ in range(MOST_ATTRIBUTES):
        long = (buffer.u8(at) & 0x10) != 0
        size = np.where(long, buffer.u16(at + 2), buffer.u8(at + 2))
        body = at + np.where(long, 4, 3)
        inside = body + size <= end[rows]
        hit = inside & (buffer.u8(at + 1) == wanted)
        first[rows[hit]], last[rows[hit]] = body[hit], (body + size)[hit]
        going = inside & ~hit & (body + size < end[rows])
        rows, at = rows[going], (body + size)[going]
        if not len(rows):
            break
    return first, last


def origins_of(buffer: Buffer, begin: Ints, end: Ints, width: int) -> tuple[Ints, Ints]:
    """Origin AS of each path, and the AS before it (0: none, or unknown). Repeated ASes count once.

    An AS_SET at the end gives its first member, which is one of several that may be the origin.
    """
    number = buffer.u32 if width == 4 else buffer.u16
    origin, upstream = np.zeros(len(begin), dtype=np.int64), np.zeros(len(begin), dtype=np.int64)
    rows = np.flatnonzero((begin >= 0) & (end > begin))
    at = begin[rows]
    segment, members, ordered = at.copy(), np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=bool)
    live = np.arange(len(rows))
    for _ in range(MOST_SEGMENTS):
        count = buffer.u8(at[live] + 1)
        stop = at[live] + 2 + count * width
        whole = (stop <= end[rows[live]]) & (count > 0)
        kept = live[whole]
        segment[kept], members[kept] = at[kept] + 2, count[whole]
        ordered[kept] = buffer.u8(at[kept]) == ORDERED
        at[kept] = stop[whole]
        live = kept[at[kept] < end[rows[kept]]]
        if not len(live):
            break
    have = members > 0
    rows, segment, members, ordered = rows[have], segment[have], members[have], ordered[have]
    last = np.where(ordered, segment + (members - 1) * width, segment)
    origin[rows] = number(last)
    look = np.flatnonzero(ordered & (members > 1))
    place, left = last[look] - width, members[look] - 1
    for _ in range(MOST_PREPENDED):
        if not len(look):
            break
        before = number(place)
        differs = before != origin[rows[look]]
        upstream[rows[look[differs]]] = before[differs]
        going = ~differs & (left > 1)
        look, place, left = look[going], place[going] - width, left[going] - 1
    return origin, upstream


def _summed(buffer: Buffer, prefixes: Prefixes, routes: Routes, width: int, skipped: Skipped) -> pa.Table:
    """One row a prefix from its routes."""
    begin, end = paths_at(buffer, routes.begin, routes.end)
    origin, upstream = origins_of(buffer, begin, end, width)
    good = origin > 0
    skipped.add("route", "no path of ASes", int((~good).sum()))
    prefix, origin, upstream, since = routes.prefix[good], origin[good], upstream[good], routes.since_s[good]
    count = len(prefixes)
    owners, names, seen = _counted(prefix, origin)
    rank = np.lexsort((-seen, owners))
    owners, names = owners[rank], names[rank]
    first = np.r_[True, owners[1:] != owners[:-1]] if len(owners) else np.zeros(0, dtype=bool)
    main = np.zeros(count, dtype=np.int64)
    main[owners[first]] = names[first]
    others = _lists(owners[~first], names[~first], count)
    own = (origin == main[prefix]) & (upstream > 0)
    hosts, ups, seen = _counted(prefix[own], upstream[own])
    rank = np.lexsort((-seen, hosts))
    oldest = np.full(count, 1 << 40, dtype=np.int64)
    np.minimum.at(oldest, prefix, since)
    kept = main > 0
    columns: dict[str, Any] = {
        "as": main.astype(np.uint32), "others": others, "upstreams": _lists(hosts[rank], ups[rank], count),
        "since_s": np.where(oldest < 1 << 40, oldest, 0),
    }
    table = prefix_rows(prefixes.first, prefixes.last, **columns)
    return table if kept.all() else table.filter(pa.array(kept))


def _counted(keys: Ints, values: Ints) -> tuple[Ints, Ints, Ints]:
    """Distinct pairs and how often each is there."""
    pairs, counts = np.unique((keys << 32) | values, return_counts=True)
    return pairs >> 32, pairs & 0xFFFFFFFF, counts.astype(np.int64)


def _lists(keys: Ints, values: Ints, count: int) -> pa.Array:
    """A list for each of `count` keys, from pairs in order of key."""
    offsets = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(np.bincount(keys, minlength=count), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.astype(np.uint32)))
