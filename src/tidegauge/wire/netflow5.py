"""NetFlow v5 datagrams to flows (Cisco, "NetFlow Export Datagram Format")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, Skipped, mapped_ipv4, sane_times
from tidegauge.wire.datagrams import V5_HEADER, V5_RECORD, Datagrams

HEADER = np.dtype(
    [
        ("version", ">u2"), ("count", ">u2"), ("uptime_ms", ">u4"), ("secs", ">u4"), ("nsecs", ">u4"),
        ("sequence", ">u4"), ("engine_type", "u1"), ("engine_id", "u1"), ("sampling", ">u2"),
    ]
)  # fmt: skip
RECORD = np.dtype(
    [
        ("srcaddr", ">u4"), ("dstaddr", ">u4"), ("nexthop", ">u4"), ("input", ">u2"), ("output", ">u2"),
        ("dPkts", ">u4"), ("dOctets", ">u4"), ("first", ">u4"), ("last", ">u4"), ("srcport", ">u2"),
        ("dstport", ">u2"), ("pad1", "u1"), ("tcp_flags", "u1"), ("prot", "u1"), ("tos", "u1"),
        ("src_as", ">u2"), ("dst_as", ">u2"), ("src_mask", "u1"), ("dst_mask", "u1"), ("pad2", ">u2"),
    ]
)  # fmt: skip
EARLIEST_CLOCK_S = 631_152_000  # 1990: a header time before it is an unset clock


def clock_ms(secs: NDArray[np.int64], millis: NDArray[np.int64], arrived_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """The header's time in milliseconds, the arrival where the exporter's clock is not set."""
    return np.where(secs >= EARLIEST_CLOCK_S, secs * 1000 + millis, arrived_us // 1000)


def since_boot_us(
    export_ms: NDArray[np.int64], uptime_ms: NDArray[np.int64], switched_ms: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Absolute microseconds of a sysUptime value; both may wrap at 2^32 ms (49.7 days)."""
    ago = (uptime_ms - switched_ms + 0x80000000) % 0x100000000 - 0x80000000
    return (export_ms - ago) * 1000


def decode_v5(
    datagrams: Datagrams, skipped: Skipped
) -> tuple[FlowBatch, NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """All flows of v5 datagrams, in order, `packets` and `bytes` scaled by the header's sampling interval.

    A datagram shorter than its count says gives the records that are whole.

    Returns:
        The flows (`exporter` holds senders), for each the position of its datagram, and the header columns of
        each datagram (`domain`, `sequence`, `count`, `export_ms`, `sampling`).
    """
    buffer, at = datagrams.buffer, datagrams.offsets
    heads = buffer.bytes_at(at, V5_HEADER).view(HEADER).reshape(-1)
    counts = heads["count"].astype(np.int64)
    room = (datagrams.lengths - V5_HEADER) // V5_RECORD
    skipped.add("record", "NetFlow v5 datagram is shorter than its count", int(np.maximum(counts - room, 0).sum()))
    present = np.minimum(counts, room)

    joined = buffer.join(at + V5_HEADER, present * V5_RECORD)
    records = np.frombuffer(joined, dtype=RECORD)
    owner = np.repeat(np.arange(len(at)), present)

    export_ms = clock_ms(
        heads["secs"].astype(np.int64), heads["nsecs"].astype(np.int64) // 1_000_000, datagrams.arrived_us
    )
    uptime = heads["uptime_ms"].astype(np.int64)
    interval = np.maximum(heads["sampling"].astype(np.int64) & 0x3FFF, 1)
    domain = heads["engine_type"].astype(np.int64) * 256 + heads["engine_id"]
    starts, ends = sane_times(
        since_boot_us(export_ms[owner], uptime[owner], records["first"].astype(np.int64)),
        since_boot_us(export_ms[owner], uptime[owner], records["last"].astype(np.int64)),
    )
    icmp = (records["prot"] == 1) & (records["dstport"] == 0)
    sampling = interval[owner]
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
    heads_out = {
        "domain": domain, "sequence": heads["sequence"].astype(np.int64), "count": counts,
        "export_ms": export_ms, "sampling": interval,
    }  # fmt: skip
    return flows, owner, heads_out
