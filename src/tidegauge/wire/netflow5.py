"""NetFlow v5 datagrams to flows (Cisco, "NetFlow Export Datagram Format")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import EARLIEST_US, FlowBatch, Skipped, mapped_ipv4, sane_times
from tidegauge.wire.datagrams import V5_HEADER, V5_RECORD, Datagrams

HEADER = np.dtype(
    [
        ("version", ">u2"), ("count", ">u2"), ("uptime_ms", ">u4"), ("secs", ">u4"), ("nsecs", ">u4"),
        ("sequence", ">u4"), ("engine_type", "u1"), ("engine_id", "u1"), ("sampling", ">u2"),
    ]
)
RECORD = np.dtype(
    [
        ("srcaddr", ">u4"), ("dstaddr", ">u4"), ("nexthop", ">u4"), ("input", ">u2"), ("output", ">u2"),
        ("dPkts", ">u4"), ("dOctets", ">u4"), ("first", ">u4"), ("last", ">u4"), ("srcport", ">u2"),
        ("dstport", ">u2"), ("pad1", "u1"), ("tcp_flags", "u1"), ("prot", "u1"), ("tos", "u1"),
        ("src_as", ">u2"), ("dst_as", ">u2"), ("src_mask", "u1"), ("dst_mask", "u1"), ("pad2", ">u2"),
    ]
)
JUST_BOOTED_MS, AHEAD_MS, AGO_MS = 60_000, 300_000, 86_400_000
DAY_MS = 86_400_000
EARLIEST_CLOCK_S = EARLIEST_US // 1_000_000  # a header time before it is an unset clock
YEAR_2000_S = (946_684_800, 978_307_200)


def clock_ms(secs: NDArray[np.int64], millis: NDArray[np.int64], arrived_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """The header's time in milliseconds; the arrival where the exporter's clock is not set, or is more than a day ahead
    of it: a datagram cannot have been sent after it came. Boxes without a battery begin at 1970, 1980 or 2000: the year
    2000 is believed only of a capture that is as old."""
    arrived_ms = arrived_us // 1000
    never_set = (secs >= YEAR_2000_S[0]) & (secs < YEAR_2000_S[1]) & (arrived_ms > YEAR_2000_S[1] * 1000)
    wrong = (secs < EARLIEST_CLOCK_S) | never_set | ((arrived_ms > 0) & (secs * 1000 > arrived_ms + DAY_MS))
    return np.where(wrong, arrived_ms, secs * 1000 + millis)


def since_boot_us(
    export_ms: NDArray[np.int64], uptime_ms: NDArray[np.int64], switched_ms: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Absolute microseconds of a sysUptime value; both may wrap at 2^32 ms (49.7 days).

    Of a flow that was switched long after it was exported (0 stands for a time that is not known), or long after a box
    that has only just booted says it is now (softflowd says so while it reads a capture), nothing is known but when it
    was exported.
    """
    ago = (uptime_ms - switched_ms + 0x80000000 & 0xFFFFFFFF) - 0x80000000
    unrelated = (uptime_ms < JUST_BOOTED_MS) & (switched_ms > uptime_ms + AHEAD_MS) & (ago > AGO_MS)
    # No flow is switched after it was exported.
    unrelated |= ago < -AHEAD_MS
    return np.where(unrelated, export_ms, export_ms - ago) * 1000


@dataclass(frozen=True)
class Heads5:
    """Header columns of v5 datagrams; arrays of shape (n,). `present`: records that are whole."""

    domains: NDArray[np.int64]
    sequences: NDArray[np.int64]
    counts: NDArray[np.int64]
    present: NDArray[np.int64]
    secs: NDArray[np.int64]
    millis: NDArray[np.int64]
    uptime_ms: NDArray[np.int64]
    sampling: NDArray[np.int64]


def read_heads5(datagrams: Datagrams) -> Heads5:
    """The headers."""
    heads = datagrams.buffer.bytes_at(datagrams.offsets, V5_HEADER).view(HEADER).reshape(-1)
    columns = {name: heads[name].astype(np.int64) for name in HEADER.names or ()}
    room = (datagrams.lengths - V5_HEADER) // V5_RECORD
    return Heads5(
        domains=columns["engine_type"] * 256 + columns["engine_id"],
        sequences=columns["sequence"],
        counts=columns["count"],
        present=np.minimum(columns["count"], room),
        secs=columns["secs"],
        millis=columns["nsecs"] // 1_000_000,
        uptime_ms=columns["uptime_ms"],
        sampling=np.maximum(columns["sampling"] & 0x3FFF, 1),
    )


def decode_v5(
    datagrams: Datagrams, heads: Heads5, export_ms: NDArray[np.int64], skipped: Skipped
) -> tuple[FlowBatch, NDArray[np.int64]]:
    """All flows of v5 datagrams, in order, `packets` and `bytes` scaled by the header's sampling interval.

    A datagram shorter than its count says gives the records that are whole.

    Args:
        export_ms: the exporter's time of each datagram, set right where it was wrong; shape (n,).
    Returns:
        The flows (`exporter` holds senders), and for each the position of its datagram.
    """
    buffer, at, present = datagrams.buffer, datagrams.offsets, heads.present
    missing = int((heads.counts - present).sum())
    skipped.add("record", "NetFlow v5 datagram is shorter than its count", missing)

    records = buffer.runs_at(at + V5_HEADER, present, RECORD)
    owner = np.repeat(np.arange(len(at)), present)

    uptime, domain = heads.uptime_ms, heads.domains
    starts, ends = sane_times(
        since_boot_us(export_ms[owner], uptime[owner], records["first"].astype(np.int64)),
        since_boot_us(export_ms[owner], uptime[owner], records["last"].astype(np.int64)),
    )
    icmp = (records["prot"] == 1) & (records["dstport"] == 0)
    sampling = heads.sampling[owner]
    flows = FlowBatch.build(
        src=mapped_ipv4(records["srcaddr"]),
        dst=mapped_ipv4(records["dstaddr"]),
        exporters=(),
        time_start=starts,
        time_end=ends,
        exporter=datagrams.senders[owner],
        domain=domain[owner],
        in_if=records["input"],
        out_if=records["output"],
        src_port=np.where(records["prot"] == 1, 0, records["srcport"]),
        dst_port=np.where(icmp, records["srcport"], records["dstport"]),
        proto=records["prot"],
        tcp_flags=records["tcp_flags"],
        tos=records["tos"],
        packets=records["dPkts"].astype(np.uint64) * sampling.astype(np.uint64),
        bytes=records["dOctets"].astype(np.uint64) * sampling.astype(np.uint64),
        sampling=sampling,
        src_as=records["src_as"],
        dst_as=records["dst_as"],
    )
    return flows, owner
