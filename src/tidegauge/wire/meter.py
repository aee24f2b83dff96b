"""Raw packets to flows: a vectorised flow meter over blocks of captured packets.

Packets of one pair of ends are one flow until a pause (idle timeout), its age (active timeout), or, for TCP, a new
connection after the old one's end. The first packet's side is the initiator. Tunnels are taken by their outer header,
unless they are to be taken off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, LedgerBuilder, Skipped, halves, sane_times
from tidegauge.wire.frames import ICMP, ICMP6, TCP, IpHeaders, network_offsets, parse_ip
from tidegauge.wire.pcap import Packets
from tidegauge.wire.tunnels import decapsulated

IDLE_US = 60_000_000
ACTIVE_US = 300_000_000
MOST_OPEN = 1_000_000
"""Flows kept open; the longest idle go first when somebody makes more."""
MOST_MINUTES = 2 * 366 * 1440
FIN, SYN, RST, ACK = 1, 2, 4, 16

Columns = dict[str, NDArray[Any]]


@dataclass
class FlowMeter:
    """Meters the packets of one capture after the other.

    Attributes:
        exporter: name that the flows get.
        idle_us, active_us: timeouts.
        tunnels: which are taken off (`tunnels.mask_of`); the inner packet counts with its IP length.
    """

    exporter: str
    skipped: Skipped = field(default_factory=Skipped)
    ledger: LedgerBuilder = field(default_factory=LedgerBuilder)
    idle_us: int = IDLE_US
    active_us: int = ACTIVE_US
    tunnels: np.uint8 | None = None
    _open: Columns | None = None
    _key: int = field(default_factory=lambda: int(np.random.default_rng().integers(1, 2**63)) * 2 + 1)
    _span: tuple[int, int] | None = None

    def meter(self, packets: Packets) -> Iterator[FlowBatch]:
        """Flows that end within or before a block of packets."""
        ends = packets.offsets + packets.lengths
        at, has_ip = network_offsets(packets.buffer, packets.offsets, ends, packets.links)
        self.skipped.add("packet", "not IP, or of an unknown link type", int((~has_ip).sum()))
        ip = parse_ip(packets.buffer, at[has_ip], ends[has_ip])
        self.skipped.add("packet", "IP header cut short", int((~ip.valid).sum()))
        times_us = packets.times_us[has_ip][ip.valid]
        if not len(times_us):
            return
        first, last = int(times_us.min()), int(times_us.max())
        self._span = (first, last) if self._span is None else (min(first, self._span[0]), max(last, self._span[1]))
        # As softflowd counts: what lies behind the link header, the padding of short frames included.
        behind = packets.wire_lengths - (at - packets.offsets)
        octets = behind[has_ip]
        if self.tunnels:
            wanted = np.full(len(octets), self.tunnels, dtype=np.uint8)
            inner = decapsulated(packets.buffer, ip, ends[has_ip], wanted, self.skipped)
            octets = np.where(inner.network != ip.network, inner.ip_lengths, octets)
            ip = inner
        rows = _rows(ip, octets, times_us)
        if self._open is not None:
            rows = {name: np.concatenate([self._open[name], column]) for name, column in rows.items()}
        flows = self._joined(rows)
        # Late packets of an earlier time are no reason to end what is going on: the newest time counts.
        open_still = (flows["last"] > last - self.idle_us) & (flows["start"] > last - self.active_us)
        open_still &= flows["newest"]
        if open_still.sum() > MOST_OPEN:
            limit = np.sort(flows["last"][open_still])[-MOST_OPEN // 2]
            open_still &= flows["last"] >= limit
            self.skipped.add("flow", "was cut since too many are open at once (counted, not lost)")
        self._open = {name: column[open_still] for name, column in flows.items()}
        yield self._batch({name: column[~open_still] for name, column in flows.items()})

    def finish(self) -> Iterator[FlowBatch]:
        """The flows that are still open at the end of a capture, and its coverage."""
        if self._open is not None:
            yield self._batch(self._open)
        if self._span is not None:
            # The capture ran from its first to its last packet, whether or not anything came.
            first, last = (t // 60_000_000 for t in self._span)
            if last - first < MOST_MINUTES:
                minutes = np.arange(first, last + 1) * 60
                self.ledger.add(
                    exporters=(self.exporter,), exporter=np.zeros(len(minutes), dtype=np.int32), minute_s=minutes,
                    stated=np.ones(len(minutes)),
                )
        self._open = self._span = None

    def _joined(self, rows: Columns) -> Columns:
        """Rows (packets, or flows so far) to flows."""
        order = np.lexsort((rows["start"], self._hash(rows)))
        rows = {name: column[order] for name, column in rows.items()}
        pair = np.r_[True, _differs(rows)]
        starts, lasts = rows["start"], rows["last"]
        # A later row may end before an earlier one does; what counts is when the pair was last seen.
        seen_us = _running_max(lasts, pair)
        pause = np.r_[0, starts[1:] - seen_us[:-1]]
        begins = pair | (pause > self.idle_us) | _new_connection(rows, pair)
        segment = np.cumsum(begins) - 1
        origin = starts[begins][segment]
        # The active timeout cuts at multiples of its length from the flow's start.
        age = (starts - origin) // self.active_us
        begins |= np.r_[False, np.diff(age) > 0] & ~begins
        edges = np.flatnonzero(begins)
        joined: Columns = {name: rows[name][edges] for name in ("src", "dst", "src_port", "dst_port", "proto", "first")}
        joined["tos"] = rows["tos"][edges]
        joined["start"] = starts[edges]
        joined["last"] = np.maximum.reduceat(lasts, edges)
        for name in ("packets0", "packets1", "bytes0", "bytes1"):
            joined[name] = np.add.reduceat(rows[name], edges)
        for name in ("flags0", "flags1"):
            joined[name] = np.bitwise_or.reduceat(rows[name], edges)
        # Only the newest flow of a pair can go on.
        joined["newest"] = np.r_[pair[edges][1:], True]
        return joined

    def _hash(self, rows: Columns) -> NDArray[np.uint64]:
        """64 bits of the pair of ends, with a key of this run, so that nobody can make pairs collide."""
        mixed = np.full(len(rows["start"]), self._key, dtype=np.uint64)
        with np.errstate(over="ignore"):
            for words in (
                *halves(rows["src"]), *halves(rows["dst"]),
                rows["src_port"].astype(np.uint64) << np.uint64(24) | rows["dst_port"].astype(np.uint64) << np.uint64(8)
                | rows["proto"].astype(np.uint64),
            ):
                mixed = (mixed ^ words) * np.uint64(0xBF58476D1CE4E5B9)
                mixed ^= mixed >> np.uint64(31)
        return mixed

    def _batch(self, flows: Columns) -> FlowBatch:
        """Two flows a pair, the initiator's first."""
        turned = flows["first"] == 1

        def pick(a: str, b: str) -> NDArray[Any]:
            mask = turned[:, None] if flows[a].ndim == 2 else turned
            return np.where(mask, flows[b], flows[a])

        starts, ends = sane_times(flows["start"], flows["last"])
        icmp = (flows["proto"] == ICMP) | (flows["proto"] == ICMP6)
        # Who spoke first began it; in the middle of a TCP connection that is not known, and of ICMP the type tells it,
        # since question and answer are flows of their own.
        sure = (flows["proto"] != TCP) & ~icmp | (pick("flags0", "flags1") & SYN > 0)
        batch = FlowBatch.build(
            src=pick("src", "dst"), dst=pick("dst", "src"), exporters=(self.exporter,),
            time_start=starts, time_end=ends, proto=flows["proto"], tos=flows["tos"],
            src_port=np.where(icmp, 0, pick("src_port", "dst_port")),
            dst_port=np.where(icmp, np.maximum(flows["src_port"], flows["dst_port"]), pick("dst_port", "src_port")),
            packets=pick("packets0", "packets1"), bytes=pick("bytes0", "bytes1"), tcp_flags=pick("flags0", "flags1"),
        )
        self.ledger.add(
            exporters=(self.exporter,), exporter=np.zeros(len(batch), dtype=np.int32), records=1,
            minute_s=ends // 1_000_000,
        )
        return batch.both_ways(
            pick("packets1", "packets0"), pick("bytes1", "bytes0"), said=np.where(sure, 1, 0).astype(np.uint8),
            tcp_flags=pick("flags1", "flags0"),
        )


def _rows(ip: IpHeaders, octets: NDArray[np.int64], times_us: NDArray[np.int64]) -> Columns:
    """Packets as flows of one packet, ends in a fixed order: `first` is 1 where the packet went the other way."""
    valid = ip.valid
    src, dst = ip.src[valid], ip.dst[valid]
    protos, src_ports, dst_ports = ip.protos[valid], ip.src_ports[valid], ip.dst_ports[valid]
    (src_high, src_low), (dst_high, dst_low) = halves(src), halves(dst)
    same = (src_high == dst_high) & (src_low == dst_low)
    turned = (src_high > dst_high) | ((src_high == dst_high) & (src_low > dst_low)) | (same & (src_ports > dst_ports))
    lengths = octets[valid]
    flags = ip.tcp_flags[valid]
    # A SYN that answers shows that the other side began, though its packet was not seen first.
    answers = (protos == TCP) & (flags & (SYN | ACK) == SYN | ACK)
    one = np.ones(len(protos), dtype=np.int64)
    return {
        "src": np.where(turned[:, None], dst, src),
        "dst": np.where(turned[:, None], src, dst),
        "src_port": np.where(turned, dst_ports, src_ports),
        "dst_port": np.where(turned, src_ports, dst_ports),
        "proto": protos,
        "tos": ip.tos[valid],
        "first": (turned ^ answers).astype(np.int64),
        "start": times_us,
        "last": times_us,
        "packets0": np.where(turned, 0, one),
        "packets1": np.where(turned, one, 0),
        "bytes0": np.where(turned, 0, lengths),
        "bytes1": np.where(turned, lengths, 0),
        "flags0": np.where(turned, 0, flags),
        "flags1": np.where(turned, flags, 0),
        "newest": np.ones(len(protos), dtype=bool),
    }


def _differs(rows: Columns) -> NDArray[np.bool_]:
    """Which rows, from the second on, belong to another pair than the one before."""
    other = (np.diff(rows["src_port"]) != 0) | (np.diff(rows["dst_port"]) != 0) | (np.diff(rows["proto"]) != 0)
    for name in ("src", "dst"):
        for half in halves(rows[name]):
            other |= half[1:] != half[:-1]
    return np.asarray(other)


def _running_max(values: NDArray[np.int64], begins: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The largest value so far within each group; groups lie one behind the other."""
    group = np.cumsum(begins)
    span = int(values.max() - values.min()) + 1
    # With groups shifted apart, the running maximum of all never looks back past a group's start.
    if span < (1 << 62) // max(int(group[-1]), 1):
        shifted = (values - values.min()) + group * span
        return np.asarray(np.maximum.accumulate(shifted) - group * span + values.min())
    return values


def _new_connection(rows: Columns, pair: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """TCP packets that begin a new connection between the same ends after the old one's FIN or RST."""
    flags = rows["flags0"] | rows["flags1"]
    tcp = rows["proto"] == TCP
    ended = np.cumsum(tcp & (flags & (FIN | RST) > 0))
    ended_before = np.r_[0, ended[:-1]]
    opens = np.flatnonzero(tcp & (flags & SYN > 0) & (flags & (ACK | FIN | RST) == 0))
    found = np.zeros(len(flags), dtype=bool)
    if not len(opens):
        return found
    group = np.cumsum(pair)
    group_start = np.flatnonzero(pair)[group - 1]
    base = ended_before[group_start]
    # Ends that lie before the SYN of the same pair before this one have begun a connection already.
    previous = np.r_[-1, opens[:-1]]
    same = (previous >= 0) & (group[opens] == group[np.maximum(previous, 0)])
    since = np.where(same, ended_before[np.maximum(previous, 0)], base[opens])
    found[opens] = ended_before[opens] > since
    return found
