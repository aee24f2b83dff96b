"""Argus bidirectional flows as text (`ra`'s binetflow: comma or tab): each record gives one or two flows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, InputError, LedgerBuilder, Skipped, sane_times
from tidegauge.wire.lines import Unread, csv_block, matching, of_hardware, placed
from tidegauge.wire.services import SERVICES
from tidegauge.wire.stream import Stream, damage_named
from tidegauge.wire.text import (
    epoch_seconds,
    flags_of_letters,
    looked_up,
    moments,
    numbers,
    packed_addresses,
    protocol_numbers,
    whole,
    whole_micros,
)

NEEDED = ("StartTime", "Proto", "SrcAddr", "Dir", "DstAddr", "TotBytes")
OPTIONAL = (
    "Dur", "LastTime", "Sport", "Dport", "State", "sTos", "dTos", "TotPkts", "SrcBytes", "SrcPkts", "DstBytes",
    "DstPkts", "SrcId",
)
COUNTS = ("TotBytes", "SrcBytes", "DstBytes", "TotPkts", "SrcPkts", "DstPkts")
MANAGEMENT = ("man", "", None)
NO_IP = ("arp", "rarp", "llc")


def is_argus(head: bytes) -> bool:
    """Whether a file begins with the header line of Argus records."""
    first = head.lstrip(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    return all(name.encode() in first for name in ("StartTime", "SrcAddr", "DstAddr", "TotBytes"))


@dataclass
class ArgusReader:
    """Reads Argus records of one sensor; times without an offset are UTC."""

    exporter: str
    skipped: Skipped = field(default_factory=Skipped)
    ledger: LedgerBuilder = field(default_factory=LedgerBuilder)

    def read(self, stream: Stream) -> Iterator[FlowBatch]:
        """Flows, block by block.

        Raises:
            InputError: a needed column is missing.
        """
        header: list[str] = []
        delimiter = ","
        for block in stream.lines():
            if not header:
                first, _, block = block.partition(b"\n")
                line = first.decode("utf-8-sig", "replace").rstrip("\r")
                delimiter = max(",\t", key=line.count)
                header = [name.strip() for name in line.split(delimiter)]
                if missing := [name for name in NEEDED if name not in header]:
                    raise InputError(f"no column {', '.join(missing)}", where=stream.name, hint="not a binetflow file")
            wanted = [name for name in (*NEEDED, *OPTIONAL) if name in header]
            if block.strip():
                unread = Unread()
                with damage_named(stream):
                    table = csv_block(block, header, delimiter, wanted, self.skipped, unread)
                yield self._flows(table, unread)

    def _flows(self, table: pa.Table, unread: Unread) -> FlowBatch:
        columns = {name: pc.utf8_trim_whitespace(table[name]) for name in table.column_names}
        count = table.num_rows

        def text(name: str) -> pa.ChunkedArray:
            return columns[name] if name in columns else pa.chunked_array([pa.array([""] * count, pa.string())])

        proto_names = np.asarray(pc.utf8_lower(text("Proto")).to_numpy(zero_copy_only=False), dtype=object)
        management = np.isin(proto_names, [name for name in MANAGEMENT if name is not None])
        self.skipped.add("record", "Argus management record", int(management.sum()))
        src, src_ok = packed_addresses(text("SrcAddr"))
        dst, dst_ok = packed_addresses(text("DstAddr"))
        no_ip = np.isin(proto_names, NO_IP) | of_hardware(text("SrcAddr")) | of_hardware(text("DstAddr"))
        starts = epoch_seconds(moments(text("StartTime")))
        good = src_ok & dst_ok & ~no_ip & ~management
        self.skipped.add("record", "not IP", int((no_ip & ~management).sum()))
        amounts = {name: numbers(columns[name]) for name in COUNTS if name in columns}
        counted = np.all([np.isfinite(a) & (a >= 0) for a in amounts.values()], axis=0)
        good &= counted
        if "Dur" in columns:
            ends = starts + np.clip(np.nan_to_num(numbers(columns["Dur"])), 0, 1e9)
        else:
            ends = epoch_seconds(moments(text("LastTime")))
        starts, ends, untimed = placed(starts, ends)
        unread.lose(
            self.ledger, self.skipped, (self.exporter,), np.zeros(count, dtype=np.int32), np.fmax(starts, ends),
            ~good & ~no_ip & ~management & (src_ok | dst_ok | counted), untimed & good,
        )
        starts_us, ends_us = sane_times(whole_micros(starts), whole_micros(ends))
        protos = protocol_numbers(text("Proto"))
        protos = np.where(np.isin(proto_names, ("rtp", "rtcp", "udt")), 17, protos).astype(np.uint8)
        src_ports, dst_ports = (_ports(text(name), self.skipped) for name in ("Sport", "Dport"))
        icmp = (protos == 1) | (protos == 58)
        hexadecimal = np.asarray(pc.starts_with(text("Sport"), "0x").fill_null(False).to_numpy(zero_copy_only=False))
        # Argus writes ICMP's code and type as one hexadecimal number, code first; in decimal the type alone.
        kinds = np.where(
            hexadecimal, (src_ports & 255) * 256 + (src_ports >> 8), (src_ports & 255) * 256 + (dst_ports & 255)
        )
        forward_bytes, back_bytes, forward_packets, back_packets = _volumes(
            {name: np.where(counted, amount, 0) for name, amount in amounts.items()}
        )
        forward_flags, back_flags = _flags(text("State"), protos)
        tos, back_tos = (np.clip(np.nan_to_num(numbers(text(n))), 0, 255) for n in ("sTos", "dTos"))
        flows = FlowBatch.build(
            src=src, dst=dst, exporters=(self.exporter,), time_start=starts_us, time_end=ends_us, proto=protos,
            src_port=np.where(icmp, 0, src_ports), dst_port=np.where(icmp, kinds, dst_ports),
            packets=forward_packets, bytes=forward_bytes, tcp_flags=forward_flags, tos=tos,
        )
        kept = np.flatnonzero(good)
        self.ledger.add(
            exporters=(self.exporter,), exporter=np.zeros(len(kept), dtype=np.int32), records=1,
            minute_s=ends_us[kept] // 1_000_000,
        )
        return flows.take(kept).both_ways(
            back_packets[kept], back_bytes[kept], said=_said(text("Dir"))[kept],
            tcp_flags=back_flags[kept], tos=back_tos[kept],
        )


def _ports(column: pa.ChunkedArray, skipped: Skipped) -> NDArray[np.int64]:
    """Port numbers, or those of services by their names; what is neither is counted."""
    found = numbers(column)
    if np.isnan(found).any():
        named = looked_up(pc.utf8_lower(column).fill_null(""), lambda name: SERVICES.get(name or "", -1))
        lost = np.isnan(found) & (named < 0) & matching(column, "[a-z]")
        skipped.add("port", "the name of a service that is not known: counts as port 0", int(lost.sum()))
        found = np.where(np.isnan(found) & (named >= 0), named, found)
    return whole(found, 65535)


Amount = NDArray[np.float64]


def _volumes(given: dict[str, Amount]) -> tuple[Amount, Amount, Amount, Amount]:
    """Bytes there and back, packets there and back, from the columns that there are.

    Without a count of packets each way they are taken to be shared as the bytes are, at least one where there were any.
    """
    total = given["TotBytes"]
    src = given.get("SrcBytes", total - given.get("DstBytes", np.zeros(len(total))))
    src = np.clip(src, 0, total)
    back = np.maximum(given.get("DstBytes", total - src), 0)
    least, least_back = (src > 0) * 1.0, (back > 0) * 1.0
    total_packets = given.get("TotPkts", least + least_back)
    if "SrcPkts" in given:
        src_packets = given["SrcPkts"]
    elif "DstPkts" in given:
        src_packets = total_packets - given["DstPkts"]
    else:
        share = np.divide(src, total, out=np.ones(len(src)), where=total > 0)
        src_packets = np.clip(np.rint(total_packets * share), least, np.maximum(total_packets - least_back, least))
    back_packets = np.maximum(given.get("DstPkts", total_packets - src_packets), 0)
    limit = float(2**53)
    a, b, c, d = (np.clip(column, 0, limit) for column in (src, back, src_packets, back_packets))
    return a, b, c, d


def _said(directions: pa.ChunkedArray) -> NDArray[np.uint8]:
    """`biflow_direction` of the source's side: 0 where Argus is not sure who began."""
    texts = np.asarray(directions.fill_null("").to_numpy(zero_copy_only=False), dtype=object)
    sure = np.isin(texts, ("->", "<->"))
    return np.where(sure, 1, np.where(texts == "<-", 2, 0)).astype(np.uint8)


def _flags(states: pa.ChunkedArray, protos: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """TCP flags each way from a state such as `FSPA_FSPA`; states in words (`CON`, `RST`) tell none."""
    marked = pc.match_substring(states.fill_null(""), "_")
    parts = [
        pc.replace_substring_regex(pc.if_else(marked, states, pa.scalar("")), pattern=pattern, replacement="")
        for pattern in ("_.*$", "^[^_]*_")
    ]
    tcp = protos == 6
    forward, back = (np.where(tcp, flags_of_letters(part), 0) for part in parts)
    return forward, back
