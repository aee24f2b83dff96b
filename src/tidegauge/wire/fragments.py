"""Fragments of IP packets put together again, so that an export datagram that was cut on its way is read whole."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Skipped
from tidegauge.wire.buffer import Buffer
from tidegauge.wire.frames import UDP, IpHeaders

MOST_BYTES = 16 << 20
"""Of fragments that wait for others."""
PATIENCE_US = 30_000_000
"""As long as systems wait (RFC 791, 3.2; RFC 8200, 4.5 says 60 s)."""
LARGEST = 65_535
Key = tuple[bytes, bytes, int]


@dataclass
class _Parts:
    """The fragments of one packet: bytes by offset, its length where the last one is there, and when it began."""

    begun_us: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    length: int | None = None
    size: int = 0

    def whole(self) -> bytes | None:
        if self.length is None or self.size < self.length:
            return None
        found = bytearray(self.length)
        covered = 0
        for offset, piece in sorted(self.pieces.items()):
            if offset > covered:
                return None
            found[offset : offset + len(piece)] = piece
            covered = max(covered, offset + len(piece))
        return bytes(found[: self.length]) if covered >= self.length else None


@dataclass
class Fragments:
    """Puts UDP datagrams together; bounded in memory and in time."""

    skipped: Skipped
    waiting: OrderedDict[Key, _Parts] = field(default_factory=OrderedDict)
    size: int = 0

    def add(
        self, buffer: Buffer, ip: IpHeaders, times_us: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> list[tuple[int, bytes]]:
        """Take in the fragments among packets; for each datagram that became whole the row of the fragment that made it
        so, and its bytes from the UDP header on."""
        found = []
        for row in np.flatnonzero(ip.valid & ip.fragments).tolist():
            read = _read(buffer, ip, row, int(ends[row]))
            if read is None:
                self.skipped.add("packet", "fragment that cannot be put together")
                continue
            key, offset, more, piece = read
            parts = self.waiting.setdefault(key, _Parts(int(times_us[row])))
            if offset + len(piece) > LARGEST or offset in parts.pieces:
                self.skipped.add("packet", "fragment that came twice, or is too long")
                continue
            parts.pieces[offset] = piece
            parts.size += len(piece)
            self.size += len(piece)
            if not more:
                parts.length = offset + len(piece)
            if (whole := parts.whole()) is not None:
                self._drop(key)
                found.append((row, whole))
            self._forget(int(times_us[row]))
        return found

    def _forget(self, now_us: int) -> None:
        while self.waiting:
            key, parts = next(iter(self.waiting.items()))
            if self.size <= MOST_BYTES and now_us - parts.begun_us <= PATIENCE_US:
                return
            self.skipped.add("packet", "fragment of a datagram that never became whole", len(parts.pieces))
            self._drop(key)

    def _drop(self, key: Key) -> None:
        self.size -= self.waiting.pop(key).size

    def finish(self) -> None:
        """Count what still waits as lost."""
        for key in list(self.waiting):
            self.skipped.add("packet", "fragment of a datagram that never became whole", len(self.waiting[key].pieces))
            self._drop(key)


def _read(buffer: Buffer, ip: IpHeaders, row: int, end: int) -> tuple[Key, int, bool, bytes] | None:
    """Key, offset, whether more follow, and bytes of a fragment of a UDP datagram."""
    at = int(ip.network[row])
    data = buffer.data
    if ip.six[row]:
        if data[at + 6] != 44 or at + 48 > end or data[at + 40] != UDP:
            return None
        word = int(data[at + 42]) << 8 | int(data[at + 43])
        identity = int.from_bytes(bytes(data[at + 44 : at + 48]))
        offset, more, begin = word & 0xFFF8, bool(word & 1), at + 48
    else:
        if data[at + 9] != UDP:
            return None
        word = int(data[at + 6]) << 8 | int(data[at + 7])
        identity = int(data[at + 4]) << 8 | int(data[at + 5])
        offset, more, begin = (word & 0x1FFF) * 8, bool(word & 0x2000), at + (int(data[at]) & 15) * 4
    last = min(at + int(ip.ip_lengths[row]), end)
    if last < at + int(ip.ip_lengths[row]) or last <= begin:
        return None  # what was captured of it is cut short
    return (bytes(ip.src[row]), bytes(ip.dst[row]), identity), offset, more, bytes(data[begin:last])
