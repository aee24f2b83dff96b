"""MRT update messages (RouteViews, RIPE RIS) to the times in which a prefix was announced by an AS.

Format: RFC 6396 (BGP4MP, also with microseconds), RFC 4271, RFC 4760. A route holds from its announcement until every
peer that announced it has withdrawn it or announced another origin; what is not withdrawn holds until the next table.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from tidegauge.atlas.sources.mrt import HEADER, LONGEST_RECORD
from tidegauge.atlas.statements import Parsed, joined, prefix_rows, too_many
from tidegauge.model import FOREVER_S, V4_MAPPED, InputError, Skipped
from tidegauge.wire import Stream

MESSAGES = {1: 2, 4: 4, 6: 2, 7: 4}
"""Subtypes of BGP4MP that hold a message, and the bytes of an AS number in them."""
UPDATE = 2
AS_PATH, REACH, UNREACH, AS4_PATH = 2, 14, 15, 17
MOST_OPEN = 5_000_000

Range = tuple[bytes, bytes]


@dataclass
class _Open:
    """A route that is announced: since when, over which AS, by which peers."""

    from_s: int
    upstream: int
    peers: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class _Message:
    announced: list[Range]
    withdrawn: list[Range]
    origin: int
    upstream: int


def read_updates(stream: Stream) -> Parsed:
    """Routes by the time in which they were announced.

    Raises:
        InputError: no message in it, a record longer than any, or cut within one.
    """
    open_routes: dict[Range, dict[int, _Open]] = {}
    closed: list[tuple[Range, int, _Open, int]] = []
    skipped = Skipped()
    first_s, messages = 0, 0
    for when, width, body in _messages(stream, skipped):
        first_s = first_s or when
        messages += 1
        try:
            peer, message = _parse(body, width)
        except (struct.error, IndexError, ValueError):
            skipped.add("message", "does not follow RFC 4271")
            continue
        for prefix in message.withdrawn:
            _withdraw(open_routes, closed, prefix, peer, when, 0)
        for prefix in message.announced if message.origin else ():
            _withdraw(open_routes, closed, prefix, peer, when, message.origin)
            routes = open_routes.setdefault(prefix, {})
            routes.setdefault(message.origin, _Open(when, message.upstream)).peers.add(peer)
        if len(open_routes) > MOST_OPEN:
            raise InputError(f"more than {MOST_OPEN:,} prefixes announced", where=stream.name)
        too_many(len(closed), stream.name)
    if not messages:
        raise InputError("no BGP message in it", where=f"{stream.name}, offset {stream.offset}")
    still = [(p, origin, o, FOREVER_S) for p, found in open_routes.items() for origin, o in found.items()]
    return Parsed(_table(closed + still), date_s=first_s, skipped=skipped)


def _table(rows: list[tuple[Range, int, _Open, int]]) -> pa.Table:
    """Statements of routes: prefix, origin, from when and upstream, until when."""
    return prefix_rows(
        joined(r[0][0] for r in rows), joined(r[0][1] for r in rows),
        **{"as": np.array([r[1] for r in rows], dtype=np.uint32)},
        from_s=np.array([r[2].from_s for r in rows], dtype=np.int64),
        until_s=np.array([r[3] for r in rows], dtype=np.int64),
        since_s=np.array([r[2].from_s for r in rows], dtype=np.int64),
        upstreams=[[r[2].upstream] if r[2].upstream else [] for r in rows],
    )


def _withdraw(
    open_routes: dict[Range, dict[int, _Open]], closed: list[tuple[Range, int, _Open, int]], prefix: Range,
    peer: bytes, when: int, kept_origin: int,
) -> None:
    """Take a peer's routes to a prefix away, but for those to one origin; what no peer has any more is over."""
    routes = open_routes.get(prefix)
    if not routes:
        return
    for origin in [o for o in routes if o != kept_origin]:
        routes[origin].peers.discard(peer)
        if not routes[origin].peers:
            route = routes.pop(origin)
            if when > route.from_s:
                closed.append((prefix, origin, route, when))
    if not routes:
        del open_routes[prefix]


def _messages(stream: Stream, skipped: Skipped) -> Iterator[tuple[int, int, bytes]]:
    """Time, bytes of an AS number, and body of each message."""
    while header := stream.read(12):
        if len(header) < 12:
            raise InputError("cut within a record", where=f"{stream.name}, offset {stream.offset}")
        when, kind, subtype, length = HEADER.unpack(header)
        if length > LONGEST_RECORD:
            raise InputError(f"a record of {length:,} bytes: not MRT, or damaged",
                             where=f"{stream.name}, offset {stream.offset - 12}")
        body = stream.read(length)
        if len(body) < length:
            raise InputError("cut within a record", where=f"{stream.name}, offset {stream.offset}")
        if kind == 17:
            body = body[4:]
        if kind in (16, 17) and subtype in MESSAGES:
            yield when, MESSAGES[subtype], body
        else:
            skipped.add("record", "of another kind than a BGP message")


def _parse(body: bytes, width: int) -> tuple[bytes, _Message]:
    (family,) = struct.unpack_from(">H", body, 2 * width + 2)
    octets = {1: 4, 2: 16}[family] if family in (1, 2) else 0
    if not octets:
        raise ValueError("neither IPv4 nor IPv6")
    at = 2 * width + 4
    peer = body[at : at + octets] + body[:width]
    at += 2 * octets
    length, kind = struct.unpack_from(">HB", body, at + 16)
    message = body[at : at + length]
    if len(message) < length or kind != UPDATE:
        return peer, _Message([], [], 0, 0)
    (gone,) = struct.unpack_from(">H", message, 19)
    withdrawn = _prefixes(message[21 : 21 + gone], 4)
    (size,) = struct.unpack_from(">H", message, 21 + gone)
    attributes = message[23 + gone : 23 + gone + size]
    announced = _prefixes(message[23 + gone + size :], 4)
    path, path4 = b"", b""
    for number, value in _attributes(attributes):
        if number == AS_PATH:
            path = value
        elif number == AS4_PATH:
            path4 = value
        elif number == REACH and value[2] == 1:
            announced += _prefixes(value[5 + value[3] :], {1: 4, 2: 16}.get(value[1], 0))
        elif number == UNREACH and value[2] == 1:
            withdrawn += _prefixes(value[3:], {1: 4, 2: 16}.get(value[1], 0))
    origin, upstream = _origin(path4, 4) if path4 and width == 2 else _origin(path, width)
    return peer, _Message(announced, withdrawn, origin, upstream)


def _attributes(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Path attributes: type and value.

    Raises:
        ValueError, struct.error, IndexError: one reaches past the end.
    """
    at = 0
    while at < len(message):
        long = message[at] & 0x10
        number = message[at + 1]
        (count,) = struct.unpack_from(">H" if long else ">B", message, at + 2)
        at += 4 if long else 3
        value = message[at : at + count]
        if len(value) < count:
            raise ValueError("an attribute past the end")
        at += count
        yield number, value


def _origin(path: bytes, width: int) -> tuple[int, int]:
    """Origin and the AS before it; 0 where there is none."""
    numbers: list[int] = []
    at = 0
    while at + 2 <= len(path):
        kind, count = path[at], path[at + 1]
        found = [int.from_bytes(path[at + 2 + i * width : at + 2 + (i + 1) * width]) for i in range(count)]
        numbers += found if kind == 2 else found[:1]
        at += 2 + count * width
    origin = numbers[-1] if numbers else 0
    return origin, next((n for n in reversed(numbers) if n != origin), 0)


def _prefixes(data: bytes, octets: int) -> list[Range]:
    found = []
    at = 0
    while octets and at < len(data):
        bits = data[at]
        used = (bits + 7) // 8
        if bits > octets * 8 or at + 1 + used > len(data):
            raise ValueError("a prefix past the end")
        host = (1 << (octets * 8 - bits)) - 1
        low = int.from_bytes(data[at + 1 : at + 1 + used].ljust(octets, b"\0")) & ~host
        lead = V4_MAPPED if octets == 4 else b""
        found.append((lead + low.to_bytes(octets), lead + (low | host).to_bytes(octets)))
        at += 1 + used
    return found
