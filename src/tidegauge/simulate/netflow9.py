"""Flows to real NetFlow v9 datagrams (RFC 3954), and those to a pcap file or a socket."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

import numpy as np

from tidegauge.model import FlowBatch, low32

FIELDS = (
    (8, ">u4", "src"), (12, ">u4", "dst"), (7, ">u2", "src_port"), (11, ">u2", "dst_port"), (4, "u1", "proto"),
    (6, "u1", "tcp_flags"), (10, ">u4", "in_if"), (14, ">u4", "out_if"), (1, ">u8", "bytes"), (2, ">u4", "packets"),
    (22, ">u4", "first"), (21, ">u4", "last"),
)
RECORD = np.dtype([(name, kind) for _, kind, name in FIELDS])
TEMPLATE_ID = 256
RECORDS_EACH = 25
FLUSH_S = 60
TEMPLATE_EVERY = 100


@dataclass(frozen=True)
class Datagram:
    """One export packet: when it is sent (epoch seconds) and its UDP payload."""

    sent_s: int
    payload: bytes


def template_set() -> bytes:
    """The FlowSet that describes `RECORD`."""
    body = struct.pack(">HH", TEMPLATE_ID, len(FIELDS))
    body += b"".join(struct.pack(">HH", element, np.dtype(kind).itemsize) for element, kind, _ in FIELDS)
    return struct.pack(">HH", 0, 4 + len(body)) + body


def encode(flows: FlowBatch, *, boot_s: int, source_id: int = 1) -> Iterator[Datagram]:
    """Datagrams of IPv4 flows as a router sends them: by time of end, flushed each minute, templates repeated."""
    order = np.argsort(flows["time_end"], kind="stable")
    flows = flows.take(order)
    records = np.zeros(len(flows), dtype=RECORD)
    for _, _, name in FIELDS:
        if name in ("src", "dst"):
            records[name] = low32(flows[name])
        elif name in ("first", "last"):
            moment = flows["time_start" if name == "first" else "time_end"]
            records[name] = (moment // 1000 - boot_s * 1000) & 0xFFFFFFFF
        else:
            records[name] = flows[name]
    flushed = flows["time_end"] // (FLUSH_S * 1_000_000) + 1
    edges = np.flatnonzero(np.r_[True, np.diff(flushed) != 0, True]).tolist()
    definition = template_set()
    sequence = 0
    for start, end in pairwise(edges):
        sent_s = int(flushed[start]) * FLUSH_S
        for first in range(start, end, RECORDS_EACH):
            part = records[first : min(first + RECORDS_EACH, end)].tobytes()
            padding = bytes(-(4 + len(part)) % 4)
            data = struct.pack(">HH", TEMPLATE_ID, 4 + len(part) + len(padding)) + part + padding
            described = sequence % TEMPLATE_EVERY == 0
            count = len(part) // RECORD.itemsize + described
            uptime_ms = (sent_s - boot_s) * 1000 & 0xFFFFFFFF
            header = struct.pack(">HHIIII", 9, count, uptime_ms, sent_s, sequence & 0xFFFFFFFF, source_id)
            yield Datagram(sent_s, header + (definition if described else b"") + data)
            sequence += 1


def write_pcap(file: BinaryIO, datagrams: Iterator[Datagram], *, sender: bytes, port: int = 2055) -> int:
    """Write datagrams as captured raw IPv4 packets from `sender` (4 bytes); returns how many."""
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
    count = 0
    for datagram in datagrams:
        length = len(datagram.payload)
        udp = struct.pack(">HHHH", port, port, 8 + length, 0)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 28 + length, count & 0xFFFF, 0, 64, 17, 0) + sender + b"\xc0\x00\x02\xfe"
        file.write(struct.pack("<IIII", datagram.sent_s, 0, 28 + length, 28 + length))
        file.write(ip + udp + datagram.payload)
        count += 1
    return count
