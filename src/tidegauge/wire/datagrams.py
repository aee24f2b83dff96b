"""UDP datagrams as one block of bytes with arrays beside it, and how flow export is told from other traffic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Skipped, as_strings16, format_address
from tidegauge.wire.buffer import Buffer, Offsets
from tidegauge.wire.fragments import Fragments
from tidegauge.wire.frames import UDP, network_offsets, parse_ip
from tidegauge.wire.pcap import Packets
from tidegauge.wire.tcpexport import IPFIX, TcpExport

V5, V9, SFLOW = 5, 9, 105
V5_HEADER, V5_RECORD = 24, 48
MOST_NAMES = 20_000
BEYOND = "other exporters"
"""Stands for all exporters beyond the most that are told apart: senders can be forged without end."""


class Names:
    """Exporter names by position; positions are given in order of first sight."""

    def __init__(self, configured: dict[str, str] | None = None) -> None:
        self._configured = configured or {}
        self._addresses = {name: address for address, name in self._configured.items()}
        self._position: dict[str, int] = {}
        self._free: list[int] = []
        self.names: list[str] = []

    def address(self, name: str) -> str:
        """The address of a configured name; the name itself where it is none."""
        return self._addresses.get(name, name)

    def called(self, address: str) -> str:
        """The configured name of an address; the address itself where it has none."""
        return self._configured.get(address, address)

    def position(self, address: str) -> int:
        """Position of an exporter's address (its configured name where there is one)."""
        name = self.called(address)
        if name not in self._position and len(self._position) >= MOST_NAMES:
            name = BEYOND
        if name not in self._position:
            if self._free:
                self._position[name] = self._free.pop()
                self.names[self._position[name]] = name
            else:
                self._position[name] = len(self.names)
                self.names.append(name)
        return self._position[name]

    def forget(self, address: str) -> int | None:
        """Give the position of an exporter to whoever comes next; which it was, None where there was none."""
        position = self._position.pop(self.called(address), None)
        if position is not None:
            self._free.append(position)
        return position

    def positions(self, addresses: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Positions of addresses of shape (n, 16)."""
        unique, inverse = np.unique(as_strings16(addresses), return_inverse=True)
        found = [self.position(format_address(bytes(value))) for value in unique]
        return np.array(found, dtype=np.int32)[inverse]


@dataclass(frozen=True)
class Datagrams:
    """UDP payloads in order of arrival.

    Attributes:
        offsets, lengths: where each lies in the buffer; shape (n,).
        arrived_us: arrival times, UTC.
        senders: positions in the `Names` of the run.
        ports: the senders' UDP ports; 0 where they are not known.
    """

    buffer: Buffer
    offsets: Offsets
    lengths: NDArray[np.int64]
    arrived_us: NDArray[np.int64]
    senders: NDArray[np.int32]
    ports: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets)

    def payload(self, row: int) -> bytes:
        """The bytes of one datagram."""
        return self.buffer.data[self.offsets[row] : self.offsets[row] + self.lengths[row]].tobytes()

    def take(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> Datagrams:
        return Datagrams(
            self.buffer, self.offsets[index], self.lengths[index], self.arrived_us[index], self.senders[index],
            self.ports[index],
        )

    @classmethod
    def of(
        cls, payloads: list[bytes], *, arrived_us: list[int] | None = None, sender: int = 0, port: int = 0
    ) -> Datagrams:
        """Datagrams of one sender from payloads in memory."""
        lengths = np.array([len(p) for p in payloads], dtype=np.int64)
        times = np.zeros(len(payloads), dtype=np.int64) if arrived_us is None else np.array(arrived_us, dtype=np.int64)
        return cls(
            Buffer.of(b"".join(payloads)),
            np.cumsum(lengths) - lengths,
            lengths,
            times,
            np.full(len(payloads), sender, dtype=np.int32),
            np.full(len(payloads), port, dtype=np.int64),
        )


def datagrams_in(
    packets: Packets, names: Names, skipped: Skipped, fragments: Fragments | None = None,
    streams: TcpExport | None = None,
) -> Datagrams:
    """The UDP payloads in captured packets, those in fragments put together, and the messages of IPFIX over TCP;
    everything else is counted."""
    fragments = Fragments(skipped) if fragments is None else fragments
    streams = TcpExport(skipped) if streams is None else streams
    return speaking(packets, names, skipped, fragments, streams).datagrams


def late_messages(streams: TcpExport, names: Names) -> Iterator[Datagrams]:
    """Yield the messages behind gaps of connections that end with their capture, at the times of export."""
    for (sender, port, _, _), message in streams.finish():
        exported_us = int.from_bytes(message[4:8]) * 1_000_000
        position = names.position(format_address(sender))
        yield Datagrams.of([message], arrived_us=[exported_us], sender=position, port=port)


@dataclass(frozen=True)
class Spoken:
    """Datagrams in packets; how many packets belong to connections that carry IPFIX, and how many are fragments."""

    datagrams: Datagrams
    carrying: int
    fragments: int


def speaking(
    packets: Packets, names: Names, skipped: Skipped, fragments: Fragments, streams: TcpExport
) -> Spoken:
    """Return the datagrams in packets, and what the packets are besides."""
    buffer = packets.buffer
    ends = packets.offsets + packets.lengths
    at, has_ip = network_offsets(buffer, packets.offsets, ends, packets.links)
    skipped.add("packet", "not IP, or of an unknown link type", int((~has_ip).sum()))
    ip = parse_ip(buffer, at[has_ip], ends[has_ip])
    skipped.add("packet", "IP header cut short", int((~ip.valid).sum()))
    times_us = packets.times_us[has_ip]
    joined = fragments.add(buffer, ip, times_us, ends[has_ip]) if ip.fragments.any() else []
    whole = ip.valid & ~ip.fragments
    is_udp = whole & (ip.protos == UDP)
    messages, carrying = streams.add(buffer, ip)
    skipped.add("packet", "neither UDP nor IPFIX over TCP", int((whole & ~is_udp & ~carrying).sum()))
    rows = np.flatnonzero(is_udp)
    payloads, lengths, ports = ip.payloads[rows], ip.payload_lengths[rows], ip.src_ports[rows]
    # Of a datagram that was put together the UDP header is there, of a message on TCP its own bytes alone.
    made = [(row, data[8 : max(int.from_bytes(data[4:6]), 8)], int.from_bytes(data[:2])) for row, data in joined]
    made += [(row, data, int(ip.src_ports[row])) for row, data in messages]
    if made:
        cut = np.array([len(data) for _, data, _ in made], dtype=np.int64)
        begins = len(buffer.data) + np.cumsum(cut) - cut
        buffer = Buffer.of(bytes(buffer.data) + b"".join(data for _, data, _ in made))
        rows = np.r_[rows, [row for row, _, _ in made]]
        payloads, lengths = np.r_[payloads, begins], np.r_[lengths, cut]
        ports = np.r_[ports, [port for _, _, port in made]]
        order = np.argsort(rows, kind="stable")
        rows, payloads, lengths, ports = rows[order], payloads[order], lengths[order], ports[order]
    found = Datagrams(buffer, payloads, lengths, times_us[rows], names.positions(ip.src[rows]), ports)
    return Spoken(found, int(carrying.sum()), int(ip.fragments.sum()))


def unread_versions(datagrams: Datagrams, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which older NetFlow version (1, 7 or 8) a datagram of no known protocol says it is; 0 for none."""
    buffer, at = datagrams.buffer, datagrams.offsets
    versions, counts = buffer.u16(at).astype(np.int64), buffer.u16(at + 2)
    older = (kinds == 0) & (datagrams.lengths >= 16) & np.isin(versions, (1, 7, 8)) & (counts >= 1) & (counts <= 51)
    return np.where(older, versions, 0)


def protocols(datagrams: Datagrams) -> NDArray[np.int64]:
    """Which flow protocol each datagram speaks (`V5`, `V9`, `IPFIX`, `SFLOW`), judged by content; 0 for none."""
    buffer, at, lengths = datagrams.buffer, datagrams.offsets, datagrams.lengths
    versions = np.where(lengths >= 2, buffer.u16(at), 0)
    kinds = np.zeros(len(at), dtype=np.int64)

    counts = buffer.u16(at + 2)
    kinds[(versions == V5) & (lengths >= V5_HEADER) & (counts >= 1) & (counts <= 1365)] = V5

    set_id, set_length = buffer.u16(at + 20), buffer.u16(at + 22)
    known_v9 = (set_id <= 1) | (set_id >= 256)
    kinds[(versions == V9) & (lengths >= 24) & known_v9 & (set_length >= 4) & (counts >= 1)] = V9

    set_id, set_length = buffer.u16(at + 16), buffer.u16(at + 18)
    known_ipfix = (set_id == 2) | (set_id == 3) | (set_id >= 256)
    plausible = (counts >= 16) & (counts <= 65535) & ((lengths < 20) | (known_ipfix & (set_length >= 4)))
    kinds[(versions == IPFIX) & (lengths >= 16) & plausible & (counts >= lengths)] = IPFIX

    family = buffer.u32(at + 4)
    is_sflow = (lengths >= 28) & (buffer.u32(at) == 5) & ((family == 1) | (family == 2))
    kinds[is_sflow] = SFLOW
    return kinds
