"""TCP's byte streams put together from captured packets: each direction of a connection by itself, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

import numpy as np

from tidegauge.model import InputError, Skipped, format_address
from tidegauge.wire.frames import TCP, network_offsets, parse_ip
from tidegauge.wire.pcap import Packets, read_packets
from tidegauge.wire.stream import Stream

MOST_ONE = 16 << 20
"""Bytes of one stream that are held; what comes behind goes on as another piece."""
MOST_HELD = 64 << 20
MOST_STREAMS = 50_000
FIN, SYN, RST = 1, 2, 4
Key = tuple[bytes, int, bytes, int]


@dataclass(frozen=True)
class TcpStream:
    """What one side sent: `gaps` counts bytes that were not captured; they are left out."""

    src: str
    src_port: int
    dst: str
    dst_port: int
    data: bytes
    gaps: int

    @property
    def name(self) -> str:
        return f"{self.src}:{self.src_port} to {self.dst}:{self.dst_port}"


@dataclass
class _Held:
    """Segments of one direction by their distance from its first byte."""

    base: int
    segments: list[tuple[int, bytes]] = field(default_factory=list)
    size: int = 0

    def add(self, sequence: int, data: bytes) -> None:
        self.segments.append(((sequence - self.base + 2**31) % 2**32 - 2**31, data))
        self.size += len(data)

    def joined(self) -> tuple[bytes, int]:
        """The bytes in order, each once, and how many are missing between them."""
        pieces: list[bytes] = []
        self.segments.sort(key=lambda segment: segment[0])
        at, gaps = self.segments[0][0] if self.segments else 0, 0
        for start, data in self.segments:
            if start > at:
                gaps += start - at
                at = start
            fresh = data[at - start :]
            pieces.append(fresh)
            at += len(fresh)
        return b"".join(pieces), gaps


def tcp_streams(source: IO[bytes], name: str, skipped: Skipped) -> Iterator[TcpStream]:
    """All streams of a capture that carry bytes, as they end.

    Args:
        source: a pcap or pcapng file.
        skipped: counts what could not be used.

    Raises:
        InputError: the file is cut short or damaged; what came before was yielded.
    """
    held: dict[Key, _Held] = {}
    total = 0
    try:
        for packets in read_packets(Stream(source, name), skipped):
            for key, sequence, flags, data in _segments(packets):
                one = held.get(key)
                if one is None:
                    if not data:
                        continue
                    one = held[key] = _Held(sequence)
                if data:
                    one.add(sequence, data)
                    total += len(data)
                if flags & (FIN | RST) or one.size > MOST_ONE:
                    total -= one.size
                    yield _ended(key, held.pop(key))
                elif total > MOST_HELD or len(held) > MOST_STREAMS:
                    largest = max(held, key=lambda k: held[k].size)
                    total -= held[largest].size
                    yield _ended(largest, held.pop(largest))
    finally:
        rest = list(held.items())
        held.clear()
        yield from (_ended(key, one) for key, one in rest)


def _ended(key: Key, one: _Held) -> TcpStream:
    src, src_port, dst, dst_port = key
    data, gaps = one.joined()
    return TcpStream(format_address(src), src_port, format_address(dst), dst_port, data, gaps)


def _segments(packets: Packets) -> Iterator[tuple[Key, int, int, bytes]]:
    """TCP segments of a block: who sent, sequence number of the first byte, flags and bytes."""
    buffer = packets.buffer
    ends = packets.offsets + packets.lengths
    at, has_ip = network_offsets(buffer, packets.offsets, ends, packets.links)
    ip = parse_ip(buffer, at[has_ip], ends[has_ip])
    tcp = ip.valid & (ip.protos == TCP) & ~ip.fragments & (ip.payload_lengths >= 20)
    starts = ip.payloads[tcp]
    sequences = buffer.u32(starts + 4)
    headers = (buffer.u8(starts + 12) >> 4) * 4
    firsts = starts + np.maximum(headers, 20)
    lasts = starts + ip.payload_lengths[tcp]
    raw = buffer.data.data
    # A segment at a time: connections are found by their key, which no array operation does in order.
    for src, src_port, dst, dst_port, sequence, flags, first, last in zip(
        ip.src[tcp], ip.src_ports[tcp].tolist(), ip.dst[tcp], ip.dst_ports[tcp].tolist(), sequences.tolist(),
        ip.tcp_flags[tcp].tolist(), firsts.tolist(), lasts.tolist(), strict=True,
    ):
        begin = sequence + 1 if flags & SYN else sequence
        yield (src.tobytes(), src_port, dst.tobytes(), dst_port), begin % 2**32, flags, bytes(raw[first:last])


__all__ = ["InputError", "TcpStream", "tcp_streams"]
