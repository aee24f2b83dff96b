"""IPFIX files (RFC 5655): messages one behind the other, as YAF, super_mediator and ipfixcol2 write them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tidegauge.model import InputError
from tidegauge.wire.buffer import Buffer
from tidegauge.wire.datagrams import Datagrams
from tidegauge.wire.stream import Stream
from tidegauge.wire.tcpexport import HEAD, IPFIX, MESSAGE_HEADER, begins_message

BLOCK = 4 << 20


def is_ipfix_file(head: bytes) -> bool:
    """Whether a file begins with an IPFIX message whose first set lies inside it."""
    return begins_message(head)


def ipfix_messages(stream: Stream, sender: int) -> Iterator[Datagrams]:
    """The messages of a file as if they had come from one sender, each at its export time, in bounded blocks.

    Args:
        sender: position of the exporter's name.
    Raises:
        InputError: at a byte where no message begins, or at a message that is cut short; those before it were yielded.
    """
    held = b""
    while True:
        begin = stream.offset - len(held)
        more = stream.read(BLOCK)
        block = held + more
        places: list[tuple[int, int, int]] = []
        position, damage = 0, ""
        while position + HEAD.size <= len(block):
            version, length, export_s = HEAD.unpack_from(block, position)
            if version != IPFIX or length < MESSAGE_HEADER:
                damage = "no IPFIX message begins here"
                break
            if position + length > len(block):
                break
            places.append((position, length, export_s))
            position += length
        if not more and not damage and position < len(block):
            damage = "the last IPFIX message is cut short"
        if places:
            offsets, lengths, exported_s = np.array(places, dtype=np.int64).T
            count = len(places)
            yield Datagrams(
                Buffer.of(block), offsets, lengths, exported_s * 1_000_000,
                np.full(count, sender, dtype=np.int32), np.zeros(count, dtype=np.int64),
            )
        if damage:
            raise InputError(damage, where=f"{stream.name}, offset {begin + position}")
        if not more:
            return
        held = block[position:]
