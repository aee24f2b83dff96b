"""MRT files as route collectors write them (RFC 6396), for tests and benchmarks: a table, and update messages."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import IO

TABLE_DUMP_V2, PEER_INDEX, RIB_IPV4, RIB_IPV6 = 13, 1, 2, 4
BGP4MP, MESSAGE_AS4 = 16, 4
MARKER = b"\xff" * 16

Route = tuple[bytes, int, list[list[int]]]
"""Network address (4 or 16 bytes), prefix length, and the AS path that each peer has (empty: none)."""


def _record(time_s: int, kind: int, subtype: int, body: bytes) -> bytes:
    return struct.pack(">IHHI", time_s, kind, subtype, len(body)) + body


def _path(path: list[int]) -> bytes:
    """ORIGIN and AS_PATH attributes."""
    segment = struct.pack(f">BB{len(path)}I", 2, len(path), *path)
    return b"\x40\x01\x01\x00" + struct.pack(">BBH", 0x50, 2, len(segment)) + segment


def write_table(file: IO[bytes], routes: Iterable[Route], *, peers: int, time_s: int, since_s: int) -> int:
    """Write a TABLE_DUMP_V2 file; how many prefixes it has.

    Args:
        since_s: when each route was received last.
    """
    body = b"\xc0\x00\x02\x01" + struct.pack(">HH", 0, peers)
    for peer in range(peers):
        body += struct.pack(">BIII", 2, peer + 1, 0xC0000200 + peer, 64500 + peer)
    file.write(_record(time_s, TABLE_DUMP_V2, PEER_INDEX, body))
    count = 0
    for count, (network, bits, paths) in enumerate(routes, start=1):
        entries = []
        for peer, path in enumerate(paths):
            if path:
                attributes = _path(path)
                entries.append(struct.pack(">HIH", peer, since_s, len(attributes)) + attributes)
        head = struct.pack(">IB", count - 1, bits) + network[: (bits + 7) // 8] + struct.pack(">H", len(entries))
        kind = RIB_IPV4 if len(network) == 4 else RIB_IPV6
        file.write(_record(time_s, TABLE_DUMP_V2, kind, head + b"".join(entries)))
    return count


def update_record(
    time_s: int, *, peer: int, path: list[int] | None = None, announced: tuple[tuple[bytes, int], ...] = (),
    withdrawn: tuple[tuple[bytes, int], ...] = (),
) -> bytes:
    """A BGP4MP_MESSAGE_AS4 record with one IPv4 update."""

    def packed(prefixes: tuple[tuple[bytes, int], ...]) -> bytes:
        return b"".join(bytes([bits]) + network[: (bits + 7) // 8] for network, bits in prefixes)

    gone, attributes = packed(withdrawn), _path(path) if path else b""
    body = struct.pack(">H", len(gone)) + gone + struct.pack(">H", len(attributes)) + attributes + packed(announced)
    message = MARKER + struct.pack(">HB", 19 + len(body), 2) + body
    head = struct.pack(">IIHH4s4s", 64500 + peer, 64499, 0, 1, bytes([192, 0, 2, peer]), bytes([192, 0, 2, 254]))
    return _record(time_s, BGP4MP, MESSAGE_AS4, head + message)
