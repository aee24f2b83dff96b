"""Suricata's EVE JSON lines: `flow` and `netflow` events give flows, `dns` and `tls` names, `stats` coverage."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson
from numpy.typing import NDArray

from tidegauge.model import LONGEST_NAME, FlowBatch, LedgerBuilder, Skipped, names_table, sane_times
from tidegauge.wire.lines import Unread, placed, too_deep
from tidegauge.wire.stream import Stream
from tidegauge.wire.text import (
    looked_up,
    moments,
    numbers,
    packed_addresses,
    protocol_numbers,
    whole,
    whole_micros,
)

EVENT = re.compile(rb'"event_type"\s*:\s*"([a-z_]+)"')
COUNTS = pa.struct(
    [
        ("pkts_toserver", pa.int64()), ("pkts_toclient", pa.int64()),
        ("bytes_toserver", pa.int64()), ("bytes_toclient", pa.int64()),
        ("pkts", pa.int64()), ("bytes", pa.int64()), ("start", pa.string()), ("end", pa.string()),
    ]
)
COUNTERS = {
    "flow": ("pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient"), "netflow": ("pkts", "bytes"),
}
TCP = pa.struct([("tcp_flags", pa.string()), ("tcp_flags_ts", pa.string()), ("tcp_flags_tc", pa.string())])
SCHEMA = pa.schema(
    [
        ("timestamp", pa.string()), ("src_ip", pa.string()), ("src_port", pa.int64()), ("dest_ip", pa.string()),
        ("dest_port", pa.int64()), ("proto", pa.string()), ("icmp_type", pa.int64()), ("icmp_code", pa.int64()),
        ("flow", COUNTS), ("netflow", COUNTS), ("tcp", TCP),
    ]
)
WANTED = ("flow", "netflow", "dns", "tls", "stats")
MOST_ANSWERS = 100
MANY_ALONE = 1000
"""So many events of one kind in a block without one of the other are not written beside it."""


def is_eve(head: bytes) -> bool:
    """Whether a file begins as EVE does: a JSON object with an event type, by itself or behind a syslog's prefix."""
    first = _object(head.lstrip().split(b"\n", 1)[0])
    return first.startswith(b"{") and EVENT.search(first) is not None and b'"timestamp"' in first


def _object(line: bytes) -> bytes:
    """The object of a line, without what a syslog put before it."""
    return line if line.startswith(b"{") else line[max(line.find(b"{"), 0) :]


@dataclass
class EveReader:
    """Reads EVE of one sensor.

    Attributes:
        exporter: name that its flows get; the `host` of the events where it is None.
        names: tables of `NAMES_SCHEMA` that have been read and not been taken yet.
        counted: the kind of events that counts, by exporter: `flow` or `netflow`.
    """

    exporter: str | None
    skipped: Skipped = field(default_factory=Skipped)
    ledger: LedgerBuilder = field(default_factory=LedgerBuilder)
    names: list[pa.Table] = field(default_factory=list)
    counted: dict[str, str] = field(default_factory=dict)

    def read(self, stream: Stream) -> Iterator[FlowBatch]:
        """Flows, block by block.

        Suricata can tell the same traffic by `flow` and by `netflow` events: one of them counts for each exporter, in
        all of its files; `flow` where it has both. A block of many events of the other kind alone changes that: its
        settings were changed.
        """
        name = self.exporter or _host(stream.peek(65536)) or "suricata"
        packets_before = drops_before = 0
        for block in stream.lines():
            lines = self._sorted_out(block)
            chosen = self.counted.get(name, "flow" if lines["flow"] or not lines["netflow"] else "netflow")
            other = "flow" if chosen == "netflow" else "netflow"
            if not lines[chosen] and len(lines[other]) >= MANY_ALONE:
                chosen, other = other, chosen
            if lines[chosen]:
                self.counted[name] = chosen
            self.skipped.add("event", f"a {other} event beside {chosen} events", len(lines[other]))
            if lines[chosen]:
                yield self._flows(lines[chosen], chosen, name)
            self._names(lines["dns"], lines["tls"], name)
            for line in lines["stats"]:
                packets_before, drops_before = self._stats(line, name, packets_before, drops_before)

    def _sorted_out(self, block: bytes) -> dict[str, list[bytes]]:
        lines: dict[str, list[bytes]] = {kind: [] for kind in WANTED}
        for line in block.splitlines():
            match = EVENT.search(line)
            if match is None:
                if line.strip():
                    self.skipped.add("record", "not an EVE event")
                continue
            kind = match[1].decode()
            if kind in lines:
                lines[kind].append(_object(line))
            else:
                self.skipped.add("event", f"{kind}: neither flow nor name")
        return lines

    def _flows(self, lines: list[bytes], kind: str, name: str) -> FlowBatch:
        unread = Unread()
        table = self._table(lines, unread)
        counters = {name: numbers(pc.struct_field(table[kind], name)) for name in COUNTERS[kind]}

        def count(name: str) -> NDArray[Any]:
            return np.clip(np.nan_to_num(counters[name]), 0, 2**53).astype(np.uint64)

        src, src_ok = packed_addresses(table["src_ip"])
        dst, dst_ok = packed_addresses(table["dest_ip"])
        starts, ends = (moments(pc.struct_field(table[kind], n)) for n in ("start", "end"))
        starts = np.where(np.isfinite(starts), starts, moments(table["timestamp"]))
        ends = np.where(np.isfinite(ends), ends, starts)
        octets = [values for name, values in counters.items() if "bytes" in name]
        counted = np.any(np.isfinite(octets), axis=0) & ~np.any([values < 0 for values in counters.values()], axis=0)
        good = src_ok & dst_ok & counted
        starts, ends, untimed = placed(starts, ends)
        whose = np.zeros(len(good), dtype=np.int32)
        unread.lose(self.ledger, self.skipped, (name,), whose, ends, ~good, untimed & good)
        starts_us, ends_us = sane_times(whole_micros(starts), whole_micros(ends))
        protos = protocol_numbers(table["proto"])
        icmp = (protos == 1) | (protos == 58)
        types, codes, src_ports, dst_ports = (
            whole(numbers(table[n]), 65535)
            for n in ("icmp_type", "icmp_code", "src_port", "dest_port")
        )
        two_way = kind == "flow"
        flags = [_hex_flags(pc.struct_field(table["tcp"], f)) for f in ("tcp_flags", "tcp_flags_ts", "tcp_flags_tc")]
        flows = FlowBatch.build(
            src=src, dst=dst, exporters=(name,), time_start=starts_us, time_end=ends_us, proto=protos,
            src_port=np.where(icmp, 0, src_ports),
            dst_port=np.where(icmp, (types & 255) * 256 + (codes & 255), dst_ports),
            packets=count("pkts_toserver" if two_way else "pkts"),
            bytes=count("bytes_toserver" if two_way else "bytes"),
            tcp_flags=flags[1] if two_way else flags[0],
        )
        kept = np.flatnonzero(good)
        flows = flows.take(kept)
        self.ledger.add(
            exporters=(name,), exporter=np.zeros(len(kept), dtype=np.int32), records=1,
            minute_s=flows["time_end"] // 1_000_000,
        )
        if not two_way:
            return flows
        back_packets, back_bytes = count("pkts_toclient")[kept], count("bytes_toclient")[kept]
        return flows.both_ways(back_packets, back_bytes, tcp_flags=flags[2][kept])

    def _table(self, lines: list[bytes], unread: Unread) -> pa.Table:
        options = pajson.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="ignore")
        block = b"\n".join(lines) + b"\n"
        if too_deep(block):
            return self._table_by_line(lines, unread)
        try:
            table = pajson.read_json(
                io.BytesIO(block),
                read_options=pajson.ReadOptions(use_threads=False, block_size=len(block) + 1),
                parse_options=options,
            )
        except pa.ArrowInvalid:
            table = self._table_by_line(lines, unread)
        return table

    def _table_by_line(self, lines: list[bytes], unread: Unread) -> pa.Table:
        """The same, line by line: slow, for blocks in which some line is not what it should be."""
        kept: list[pa.RecordBatch] = []
        for line in lines:
            try:
                if (row := self._object(line)) is not None:
                    kept.append(pa.RecordBatch.from_pylist([row], schema=SCHEMA))
                    continue
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                self.skipped.add("record", "a field of another type than EVE's")
            unread.line(line.decode("utf-8", "replace"), len(kept))
        return pa.Table.from_batches(kept, schema=SCHEMA)

    def _object(self, line: bytes) -> dict[str, Any] | None:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            self.skipped.add("record", "not a JSON object")
            return None
        return row

    def _names(self, dns: list[bytes], tls: list[bytes], exporter: str) -> None:
        for source, lines in (("dns", dns), ("tls", tls)):
            rows = [found for line in lines if (row := self._object(line)) for found in _seen_names(source, row)]
            if not rows:
                continue
            times, clients, servers, names, types, answers, ttls = zip(*rows, strict=True)
            seconds = moments(pa.chunked_array([pa.array(times, pa.string())]))
            client, client_ok = packed_addresses(pa.chunked_array([pa.array(clients, pa.string())]))
            server, server_ok = packed_addresses(pa.chunked_array([pa.array(servers, pa.string())]))
            good = client_ok & server_ok & np.isfinite(seconds)
            self.skipped.add("name", "no time or no address", int((~good).sum()))
            keep = pa.array(good)
            self.names.append(
                names_table(
                    exporter=exporter, source=source, times_us=whole_micros(seconds[good]),
                    clients=client[good], servers=server[good], names=pa.array(names, pa.string()).filter(keep),
                    query_types=pa.array(types, pa.string()).filter(keep),
                    answers=pa.array(answers, pa.list_(pa.string())).filter(keep),
                    ttls_s=np.array(ttls, dtype=np.float64)[good],
                )
            )

    def _stats(self, line: bytes, exporter: str, packets_before: int, drops_before: int) -> tuple[int, int]:
        """Coverage from the kernel's counters: the share of packets since the last `stats` that were not dropped."""
        row = self._object(line) or {}
        stats = row.get("stats")
        capture = stats.get("capture") if isinstance(stats, dict) else None
        when = moments(pa.chunked_array([pa.array([str(row.get("timestamp"))], pa.string())]))[0]
        if not isinstance(capture, dict) or not np.isfinite(when):
            return packets_before, drops_before
        packets, drops = (
            n if isinstance(n := capture.get(k), int) else 0 for k in ("kernel_packets", "kernel_drops")
        )
        new_packets = packets - packets_before if packets >= packets_before else packets
        new_drops = drops - drops_before if drops >= drops_before else drops
        share = 1 - min(new_drops / new_packets, 1.0) if new_packets > 0 else 1.0
        self.ledger.add(
            exporters=(exporter,), exporter=np.zeros(1, dtype=np.int32), minute_s=np.array([int(when)]),
            stated=np.array([share]),
        )
        return packets, drops


def _host(head: bytes) -> str | None:
    match = re.search(rb'"host"\s*:\s*"([^"\\]{1,200})"\s*[,}]', head.split(b"\n", 1)[0])
    return None if match is None else match[1].decode("utf-8", "replace")


def _hex_flags(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return looked_up(
        column, lambda text: int(text, 16) & 0x1FF if text and re.fullmatch("[0-9a-fA-F]{1,4}", text) else 0
    )


Name = tuple[str, str, str, str, str, list[str], float]


def _seen_names(source: str, row: dict[str, Any]) -> Iterator[Name]:
    """Names of one event: (time, client, server, name, type, answers, TTL). EVE's DNS has had three shapes."""
    about = row.get(source)
    if not isinstance(about, dict):
        return
    time, src, dst = (str(row.get(k, "")) for k in ("timestamp", "src_ip", "dest_ip"))
    if source == "tls":
        if name := _name(about.get("sni")):
            yield time, src, dst, name, "", [], 0.0
        return
    answered = about.get("type") in ("answer", "response")
    # An answer goes from the resolver to the client, whichever end the event calls the source.
    client, server = (dst, src) if answered and row.get("src_port") == 53 else (src, dst)
    data, ttl = _answers(about) if answered else ([], 0.0)
    if not data:
        data = _grouped(about)
    queries = about.get("queries")
    for query in queries[:MOST_ANSWERS] if isinstance(queries, list) else [about]:
        if isinstance(query, dict) and (name := _name(query.get("rrname"))):
            yield time, client, server, name, str(query.get("rrtype", ""))[:16], data, ttl


def _answers(about: dict[str, Any]) -> tuple[list[str], float]:
    """What an answer holds, and the shortest time to live in it (seconds)."""
    listed = about.get("answers")
    answers = [a for a in (listed if isinstance(listed, list) else [about]) if isinstance(a, dict)]
    data = [str(a["rdata"])[:LONGEST_NAME] for a in answers[:MOST_ANSWERS] if a.get("rdata")]
    return data, float(min((a["ttl"] for a in answers if isinstance(a.get("ttl"), int)), default=0))


def _grouped(about: dict[str, Any]) -> list[str]:
    """The same by type of record, as later versions write it."""
    grouped = about.get("grouped")
    lists = (grouped.get(kind) for kind in ("A", "AAAA", "CNAME")) if isinstance(grouped, dict) else ()
    return [str(a)[:LONGEST_NAME] for found in lists if isinstance(found, list) for a in found][:MOST_ANSWERS]


def _name(value: Any) -> str:
    return value.rstrip(".").lower()[:LONGEST_NAME] if isinstance(value, str) else ""
