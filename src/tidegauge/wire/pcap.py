"""Packet captures: a pcap or pcapng stream in, packets in bounded blocks out."""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import InputError, Skipped
from tidegauge.wire.buffer import Buffer
from tidegauge.wire.stream import Stream

BLOCK = 8 << 20
LARGEST_PACKET = 1 << 20
MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1), b"\xa1\xb2\xc3\xd4": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1000), b"\xa1\xb2\x3c\x4d": (">", 1000),
}
VERSIONS = (b"\x02\x00\x04\x00", b"\x00\x02\x00\x04")
PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"


@dataclass(frozen=True)
class Packets:
    """Captured frames.

    Attributes:
        buffer: the bytes.
        offsets, lengths: where each captured frame lies in it; shape (n,).
        wire_lengths: of the frames as they were on the wire; what was captured may be less.
        times_us: capture times, UTC.
        links: link types (pcap's LINKTYPE numbers).
    """

    buffer: Buffer
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    wire_lengths: NDArray[np.int64]
    times_us: NDArray[np.int64]
    links: NDArray[np.int64]


def is_pcap(head: bytes) -> bool:
    return head[:4] in MAGICS or head[:4] == PCAPNG_MAGIC


def read_packets(stream: Stream, skipped: Skipped) -> Iterator[Packets]:
    """All packets of a capture, in order.

    Raises:
        InputError: where the file is cut short or damaged; what came before has been yielded.
    """
    if stream.peek(4) == PCAPNG_MAGIC:
        yield from _read_pcapng(stream, skipped)
    else:
        yield from _read_pcap(stream)


def _read_pcap(stream: Stream) -> Iterator[Packets]:
    """Packets of a capture, and of others that were joined to it."""
    held: bytes | None = b""
    while held is not None:
        held = yield from _one_capture(stream, held)


def _one_capture(stream: Stream, held: bytes) -> Generator[Packets, None, bytes | None]:
    """Packets of a capture that begins with what was read already; what was read of another behind it."""
    begun = held + stream.read(max(24 - len(held), 0))
    header, held = begun[:24], begun[24:]
    if len(header) < 24:
        place = stream.offset - len(header)
        raise InputError("the capture's header is cut short", where=f"{stream.name}, offset {place}")
    order, divisor = MAGICS[header[:4]]
    link = struct.unpack(order + "I", header[20:])[0] & 0xFFFF
    read_u32 = struct.Struct(order + "I").unpack_from
    while True:
        start = stream.offset - len(held)
        more = stream.read(BLOCK)
        block = held + more
        places, position, damage, further = [], 0, "", False
        while position + 16 <= len(block):
            if block[position : position + 4] in MAGICS and block[position + 4 : position + 8] in VERSIONS:
                further = True  # another capture, joined to this one
                break
            captured = read_u32(block, position + 8)[0]
            if captured > LARGEST_PACKET:
                damage = f"a packet record claims {captured} bytes"
                break
            if position + 16 + captured > len(block):
                break
            places.append(position)
            position += 16 + captured
        if places:
            yield _pcap_block(block[:position], np.array(places, dtype=np.int64), order, divisor, link)
        held = block[position:]
        if further:
            return held
        if damage:
            raise InputError(damage, where=f"{stream.name}, offset {start + position}")
        if not more:
            if held:
                raise InputError("the last packet is cut short", where=f"{stream.name}, offset {start + position}")
            return None


def _pcap_block(block: bytes, places: NDArray[np.int64], order: str, divisor: int, link: int) -> Packets:
    buffer = Buffer.of(block)
    heads = buffer.bytes_at(places, 16).view(order + "u4").astype(np.int64)
    times_us = heads[:, 0] * 1_000_000 + heads[:, 1] // divisor
    wire_lengths = np.maximum(heads[:, 3], heads[:, 2])
    return Packets(buffer, places + 16, heads[:, 2], wire_lengths, times_us, np.full(len(places), link))


def _read_pcapng(stream: Stream, skipped: Skipped) -> Iterator[Packets]:
    order = "<"
    interfaces: list[tuple[int, int, int]] = []  # link type, ticks per second, microseconds to add
    chunks: list[bytes] = []
    rows: list[tuple[int, int, int, int, int]] = []
    size = 0

    def flush() -> Packets:
        nonlocal size
        buffer = Buffer.of(b"".join(chunks))
        columns = np.array(rows, dtype=np.int64).reshape(-1, 5).T
        chunks.clear()
        rows.clear()
        size = 0
        return Packets(buffer, *columns)

    damage: InputError | None = None
    while True:
        offset = stream.offset
        head = stream.read(8)
        if not head:
            break
        where = f"{stream.name}, offset {offset}"
        if head[:4] == PCAPNG_MAGIC and len(head) == 8:
            order = "<" if stream.peek(4) == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces.clear()
        if len(head) < 8:
            damage = InputError("the last block is cut short", where=where)
            break
        kind, total = struct.unpack(order + "II", head)
        if total < 12 or total % 4 or total > 16 * LARGEST_PACKET:
            damage = InputError(f"a block claims {total} bytes", where=where)
            break
        body = stream.read(total - 8)
        if len(body) < total - 8:
            damage = InputError("the last block is cut short", where=where)
            break
        body = body[:-4]
        if kind == 1 and len(body) >= 8:
            interfaces.append((struct.unpack_from(order + "H", body)[0], *_clock(body[8:], order)))
        elif kind in (2, 6) and len(body) >= 20:  # 2: the packet block that the enhanced one has replaced
            interface, high, low, captured, original = struct.unpack_from(order + ("IIIII", "HxxIIII")[kind == 2], body)
            if interface >= len(interfaces) or captured > len(body) - 20:
                skipped.add("packet", "names an interface that is not described, or is longer than its block")
                continue
            link, ticks, offset_us = interfaces[interface]
            time_us = (((high << 32) | low) * 1_000_000 // ticks + offset_us) & (2**62 - 1)
            rows.append((size, captured, max(original, captured), time_us, link))
            chunks.append(body[20 : 20 + captured])
            size += captured
        elif kind == 3 and interfaces:
            skipped.add("packet", "simple packet block without a time")
        if size > BLOCK:
            yield flush()
    if rows:
        yield flush()
    if damage:
        raise damage


def _clock(options: bytes, order: str) -> tuple[int, int]:
    """Ticks per second of an interface (if_tsresol, else microseconds), and microseconds to add (if_tsoffset)."""
    position, ticks, offset_us = 0, 1_000_000, 0
    while position + 4 <= len(options):
        code, length = struct.unpack_from(order + "HH", options, position)
        value = options[position + 4 : position + 4 + length]
        if code == 0:
            break
        if code == 9 and value and value[0] & 0x7F <= 60:
            ticks = int((2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F))
        elif code == 14 and len(value) == 8:
            offset_us = int(np.clip(struct.unpack(order + "q", value)[0], -(2**40), 2**40)) * 1_000_000
        position += 4 + (length + 3) // 4 * 4
    return ticks, offset_us
