"""Zeek logs (TSV or JSON): `conn` gives two flows a connection, `capture_loss` and `stats` coverage, `dns` and `ssl`
names."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.json as pajson
from numpy.typing import NDArray

from tidegauge.model import (
    LONGEST_NAME,
    FlowBatch,
    InputError,
    LedgerBuilder,
    Skipped,
    names_table,
    sane_times,
)
from tidegauge.wire.lines import Unread, placed, too_deep
from tidegauge.wire.stream import BYTE_ORDER_MARK, Stream, damage_named
from tidegauge.wire.text import (
    column_or_nulls,
    epoch_seconds,
    looked_up,
    moments,
    numbers,
    packed_addresses,
    protocol_numbers,
    whole,
    whole_micros,
)

CONN = (
    "ts", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "duration",
    "orig_bytes", "resp_bytes", "orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes", "history",
    "missed_bytes",
)
LOSS = ("ts", "ts_delta", "peer", "percent_lost")
STATS = ("ts", "peer")
TEXT = (
    "id.orig_h", "id.resp_h", "proto", "history", "peer", "_node_name", "_path", "query", "qtype_name", "server_name",
)
LISTS = {"answers": pa.string(), "TTLs": pa.float64()}
STATS_INTERVAL_S = 300
MISSED_SHARE = 0.05
"""Where Zeek itself missed more than this share of a connection's bytes, these do not stand for it."""
DNS = ("ts", "id.orig_h", "id.resp_h", "query", "qtype_name", "answers", "TTLs")
SSL = ("ts", "id.orig_h", "id.resp_h", "server_name")
KINDS = {"conn": CONN, "capture_loss": LOSS, "stats": STATS, "dns": DNS, "ssl": SSL}


def is_zeek(head: bytes) -> bool:
    """Whether a file begins as a Zeek log does."""
    if head.startswith(b"#separator"):
        return True
    first = head.lstrip().split(b"\n", 1)[0]
    return first.startswith(b"{") and (b'"ts"' in first or b'"percent_lost"' in first)


def names_logs(stream: Stream) -> bool:
    """Whether a stream is of JSON whose records say of which log they are."""
    head = stream.peek(4096).removeprefix(BYTE_ORDER_MARK).lstrip()
    return head.startswith(b"{") and b'"_path"' in head.split(b"\n", 1)[0]


def log_path(stream: Stream) -> str:
    """The log's own name of itself (`#path`), or what its first JSON record looks like; empty if unknown."""
    head = stream.peek(4096).removeprefix(BYTE_ORDER_MARK)
    for line in head.split(b"\n"):
        if line.startswith(b"#path"):
            return line.split(b"\t")[-1].strip().decode("ascii", "replace").split("_node")[0]
        if not line.startswith(b"#"):
            break
    first = head.lstrip().split(b"\n", 1)[0]
    if b'"percent_lost"' in first:
        return "capture_loss"
    if b'"conn_state"' in first or (b'"orig_pkts"' in first or b'"orig_bytes"' in first):
        return "conn"
    if b'"query"' in first and b'"trans_id"' in first:
        return "dns"
    if b'"server_name"' in first or (b'"cipher"' in first and b'"version"' in first):
        return "ssl"
    return ""


@dataclass
class ZeekReader:
    """Reads Zeek logs of one sensor.

    Attributes:
        exporter: name that its flows get.
    """

    exporter: str
    skipped: Skipped = field(default_factory=Skipped)
    ledger: LedgerBuilder = field(default_factory=LedgerBuilder)
    names: list[pa.Table] = field(default_factory=list)

    def read(self, stream: Stream) -> Iterator[FlowBatch]:
        """Flows of a conn log; coverage logs add to the ledger, DNS and TLS logs to `names`; others are counted."""
        unread = Unread()
        for path, table in self._logs(stream, unread):
            if path == "conn":
                yield self._flows(table, unread)
            elif path in ("dns", "ssl"):
                self._names(table, path)
            else:
                self._coverage(table, path)
            unread.lines.clear()

    def _logs(self, stream: Stream, unread: Unread) -> Iterator[tuple[str, pa.Table]]:
        """Blocks of records with the log that they are of; a stream of JSON may hold several logs, each line saying
        which (`_path`)."""
        if names_logs(stream):
            wanted = tuple(dict.fromkeys(("_path", *chain.from_iterable(KINDS.values()))))
            for table in _tables(stream, wanted, self.skipped, unread):
                paths = table["_path"].fill_null("")
                others = table.num_rows
                for path, columns in KINDS.items():
                    part = table.filter(pc.equal(paths, path))
                    others -= part.num_rows
                    if part.num_rows:
                        yield path, part.select(columns)
                self.skipped.add("record", "of a Zeek log without flows", others)
        elif (path := log_path(stream)) in KINDS:
            yield from ((path, table) for table in _tables(stream, KINDS[path], self.skipped, unread))
        else:
            self.skipped.add("file", f"Zeek log without flows ({path or 'unknown kind'})")

    def _flows(self, table: pa.Table, unread: Unread) -> FlowBatch:
        src, src_ok = packed_addresses(table["id.orig_h"])
        dst, dst_ok = packed_addresses(table["id.resp_h"])
        seconds = epoch_seconds(moments(table["ts"]))
        good = src_ok & dst_ok
        ends_given = np.asarray(pc.or_(table["id.orig_h"].is_valid(), table["id.resp_h"].is_valid()).to_numpy())
        self.skipped.add("record", "not of a connection", int((~ends_given).sum()))
        until = seconds + np.clip(np.nan_to_num(self._numbers(table, "duration")), 0, 1e9)
        seconds, until, untimed = placed(seconds, until)
        unread.lose(
            self.ledger, self.skipped, (self.exporter,), np.zeros(len(good), dtype=np.int32), until, ~good & ends_given,
            untimed & good,
        )
        starts, ends = sane_times(whole_micros(seconds), whole_micros(until))
        protos = protocol_numbers(table["proto"])
        icmp = (protos == 1) | (protos == 58)
        orig_port, resp_port = (whole(self._numbers(table, f"id.{end}_p"), 65535) for end in ("orig", "resp"))
        forward_packets, forward_bytes, forward_uncounted = self._volume(table, "orig")
        back_packets, back_bytes, back_uncounted = self._volume(table, "resp")
        uncounted = good & (forward_uncounted | back_uncounted)
        missed = good & (
            np.nan_to_num(self._numbers(table, "missed_bytes"))
            > MISSED_SHARE * (forward_bytes.astype(np.float64) + back_bytes)
        )
        self.skipped.add("value", "bytes that Zeek missed itself: the connection counts as lost", int(missed.sum()))
        self.skipped.add("value", "no byte count that can be read: the connection counts as lost", int(uncounted.sum()))
        # Zeek keeps ICMP's type and code in the ports.
        kinds = np.where(icmp, orig_port * 256 + resp_port, 0)
        flags, back_flags = (np.where(protos == 6, _flags(table["history"], s), 0) for s in ("orig", "resp"))
        forward = FlowBatch.build(
            src=src, dst=dst, src_port=np.where(icmp, 0, orig_port), dst_port=np.where(icmp, kinds, resp_port),
            packets=forward_packets, bytes=forward_bytes, exporters=(self.exporter,),
            time_start=starts, time_end=ends, proto=protos, tcp_flags=flags,
        )
        kept = np.flatnonzero(good)
        both = forward.take(kept).both_ways(back_packets[kept], back_bytes[kept], tcp_flags=back_flags[kept])
        # Zeek writes a connection when it ends: that is when the sensor was awake.
        written = ends[kept] // 1_000_000
        self.ledger.add(
            exporters=(self.exporter,),
            exporter=np.zeros(len(kept), dtype=np.int32),
            minute_s=written,
            records=~(uncounted | missed)[kept],
            lost=(uncounted | missed)[kept],
        )
        return both.take(np.argsort(both["time_start"], kind="stable"))

    def _numbers(self, table: pa.Table, name: str) -> NDArray[np.float64]:
        """A column as doubles, NaN where there is none; what is no number is counted."""
        found = numbers(table[name])
        given = np.asarray(table[name].is_valid().to_numpy())
        self.skipped.add("value", f"{name} is not a number", int((np.isnan(found) & given).sum()))
        return found

    def _volume(self, table: pa.Table, side: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
        """Packets and IP bytes of one side; payload bytes, and one packet where there were any, if that is all there
        is. Last, where packets are stated and no bytes at all."""
        packets = self._numbers(table, f"{side}_pkts")
        ip_bytes = self._numbers(table, f"{side}_ip_bytes")
        payload = self._numbers(table, f"{side}_bytes")
        unreadable = [
            np.isnan(values) & np.asarray(table[f"{side}_{name}"].is_valid().to_numpy())
            for name, values in (("ip_bytes", ip_bytes), ("bytes", payload))
        ]
        uncounted = ((packets > 0) | np.any(unreadable, axis=0)) & np.isnan(ip_bytes) & np.isnan(payload)
        payload = np.nan_to_num(payload)
        history = table["history"].fill_null("")
        signs = "[A-Z]" if side == "orig" else "[a-z]"
        seen = np.asarray(pc.match_substring_regex(history, signs).to_numpy(zero_copy_only=False))
        packets = np.where(np.isfinite(packets), packets, np.where((payload > 0) | seen, 1, 0))
        octets = np.where(np.isfinite(ip_bytes) & (ip_bytes > 0), ip_bytes, payload)
        amounts = [np.clip(values, 0, MOST_COUNT).astype(np.uint64) for values in (packets, octets)]
        return amounts[0], amounts[1], uncounted

    def _names(self, table: pa.Table, path: str) -> None:
        column = table[column_name(path)]
        client, client_ok = packed_addresses(table["id.orig_h"])
        server, server_ok = packed_addresses(table["id.resp_h"])
        seconds = epoch_seconds(moments(table["ts"]))
        named = np.asarray(pc.and_(pc.is_valid(column), pc.not_equal(column, "")).fill_null(False).to_numpy())
        good = client_ok & server_ok & np.isfinite(seconds) & named
        self.skipped.add("name", "no time, address or name", int((~good).sum()))
        kept = table.filter(pa.array(good)).combine_chunks()
        answers = ttls = None
        if path == "dns":
            answers = _lists(kept["answers"], pa.string())
            ttls = np.array([min((t for t in row if t is not None), default=0.0) for row in
                             _lists(kept["TTLs"], pa.float64()).to_pylist()])
        names = pc.utf8_slice_codeunits(pc.utf8_lower(pc.utf8_rtrim(kept[column_name(path)], ".")), 0, LONGEST_NAME)
        self.names.append(
            names_table(
                exporter=self.exporter, source="dns" if path == "dns" else "tls",
                times_us=whole_micros(seconds[good]), clients=client[good], servers=server[good],
                names=names.combine_chunks(), answers=answers, ttls_s=ttls,
                query_types=kept["qtype_name"].combine_chunks() if path == "dns" else None,
            )
        )

    def _coverage(self, table: pa.Table, path: str) -> None:
        ends = epoch_seconds(moments(table["ts"]))
        if path == "capture_loss":
            lengths = np.clip(np.nan_to_num(numbers(table["ts_delta"])), 0, 86400)
            lost = np.clip(np.nan_to_num(numbers(table["percent_lost"])) / 100, 0, 1)
        else:
            lengths = np.full(len(ends), STATS_INTERVAL_S, dtype=np.float64)
            lost = np.zeros(len(ends))
            peers = table["peer"].to_pylist()
            seeing = np.array([not str(peer).startswith(("manager", "proxy", "logger")) for peer in peers], dtype=bool)
            ends, lengths, lost = ends[seeing], lengths[seeing], lost[seeing]
        good = np.isfinite(ends)
        self.skipped.add("record", "coverage row without a time", int((~good).sum()))
        for end, length, share in zip(ends[good], lengths[good], lost[good], strict=True):
            minutes = np.arange(int(end - length) // 60 * 60, int(end) // 60 * 60 + 60, 60)
            self.ledger.add(
                exporters=(self.exporter,), exporter=np.zeros(len(minutes), dtype=np.int32), minute_s=minutes,
                stated=np.full(len(minutes), 1 - share),
            )


def column_name(path: str) -> str:
    """The column that holds the name."""
    return "query" if path == "dns" else "server_name"


def _lists(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """A column of lists; in TSV logs they are text with commas. Absent ones are empty."""
    column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_null(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):
        rows = [[] if text is None else text.split(",") for text in column.to_pylist()]
        if kind == pa.float64():
            rows = [[_float(part) for part in row] for row in rows]
        return pa.array(rows, pa.list_(kind))
    return pc.if_else(pc.is_valid(column), column, pa.scalar([], pa.list_(kind))).cast(pa.list_(kind))


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


MOST_COUNT = float(2**53)

HISTORY_FLAGS = {"s": 0x02, "h": 0x12, "a": 0x10, "d": 0x18, "f": 0x11, "r": 0x04}


def _flags(history: pa.ChunkedArray, side: str) -> NDArray[np.int64]:
    """TCP flags that one side sent, from Zeek's history of a connection: capital letters are the originator's."""

    def of(text: str | None) -> int:
        found = 0
        for letter in set(text or ""):
            if letter.isupper() == (side == "orig"):
                found |= HISTORY_FLAGS.get(letter.lower(), 0)
        return found

    return looked_up(history, of)


def _tables(stream: Stream, wanted: tuple[str, ...], skipped: Skipped, unread: Unread) -> Iterator[pa.Table]:
    """The wanted columns in blocks, all as text or double; absent ones are null."""
    tsv = stream.peek(4).removeprefix(BYTE_ORDER_MARK).startswith(b"#")
    header: list[str] = []
    for block in stream.lines():
        if tsv:
            for names, part in _sections(block, header):
                header = names
                if not header:
                    raise InputError("no #fields line before the data", where=stream.name, hint="not a whole Zeek log")
                with damage_named(stream):
                    table = _tsv_block(part, header, wanted, skipped, unread)
                yield pa.table({name: column_or_nulls(table, name) for name in wanted})
        else:
            table = _json_block(block, wanted, skipped, unread)
            yield pa.table({name: column_or_nulls(table, name) for name in wanted})


def _sections(block: bytes, header: list[str]) -> Iterator[tuple[list[str], bytes]]:
    """A block as parts that have one line of names each: logs that were joined can have their columns in other orders.
    """
    begin = 0
    for match in re.finditer(rb"(?m)^#fields\t([^\r\n]*)", block) if b"#fields\t" in block else ():
        names = match[1].decode("utf-8", "replace").split("\t")
        if names == header:
            continue
        if header and match.start() > begin:
            yield header, block[begin : match.start()]
        begin, header = match.start(), names
    yield header, block[begin:]


def _tsv_block(
    block: bytes, header: list[str], wanted: tuple[str, ...], skipped: Skipped, unread: Unread
) -> pa.Table:
    unread.of_block(block)
    comments = block.count(b"\n#") + block.startswith(b"#")
    seen_comments = 0

    def passed_over(row: Any) -> str:
        nonlocal seen_comments
        if (row.text or "").startswith("#"):
            seen_comments += 1
        else:
            skipped.add("record", f"has {row.actual_columns} columns, not {row.expected_columns}")
            unread.line(row.text or "", row.number - 1)
        return "skip"

    table = pacsv.read_csv(
        io.BytesIO(block),
        read_options=pacsv.ReadOptions(column_names=header, use_threads=False, block_size=len(block) + 1),
        parse_options=pacsv.ParseOptions(delimiter="\t", quote_char=False, invalid_row_handler=passed_over),
        convert_options=pacsv.ConvertOptions(
            include_columns=[n for n in wanted if n in header],
            column_types={n: pa.string() for n in header},
            null_values=["-", "(empty)", ""],
            strings_can_be_null=True,
            check_utf8=False,
        ),
    )
    if comments > seen_comments and table.num_columns:
        # A comment with as many columns as a record has parses as one; its first column gives it away.
        first = table[0]
        keep = pc.invert(pc.fill_null(pc.starts_with(pc.cast(first, pa.string()), "#"), False))
        table = table.filter(keep)
    return table


def _json_block(block: bytes, wanted: tuple[str, ...], skipped: Skipped, unread: Unread) -> pa.Table:
    if b'"id_orig_h"' in block:  # `Log::default_scope_sep = "_"`, as on the way to Elasticsearch and Kafka
        for name in (b"orig_h", b"orig_p", b"resp_h", b"resp_p"):
            block = block.replace(b'"id_' + name + b'"', b'"id.' + name + b'"')
    kinds = [
        (n, pa.list_(LISTS[n]) if n in LISTS else pa.string() if n in TEXT else pa.float64()) for n in wanted
    ]
    if b'"ts":"' in block or b'"ts": "' in block:
        kinds = [(n, pa.string() if n == "ts" else t) for n, t in kinds]
    options = pajson.ParseOptions(explicit_schema=pa.schema(kinds), unexpected_field_behavior="ignore")
    if too_deep(block):
        return _json_rows(block, kinds, skipped, unread)
    try:
        return pajson.read_json(
            io.BytesIO(block),
            read_options=pajson.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=options,
        )
    except pa.ArrowInvalid:
        return _json_rows(block, kinds, skipped, unread)


def _json_rows(block: bytes, kinds: list[tuple[str, Any]], skipped: Skipped, unread: Unread) -> pa.Table:
    """The same, line by line: slow, for blocks in which some line is not what it should be."""
    rows = []
    for line in block.splitlines():
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            rows.append({name: row.get(name) for name, _ in kinds})
        except (ValueError, AttributeError, RecursionError):
            skipped.add("record", "not a JSON object")
            unread.line(line.decode("utf-8", "replace"), len(rows), certain=True)
    return pa.table({name: _column_of([row[name] for row in rows], name, kind) for name, kind in kinds})


def _column_of(values: list[Any], name: str, kind: pa.DataType) -> pa.Array:
    if name in TEXT:
        return pa.array([v if isinstance(v, str) else None for v in values], kind)
    if pa.types.is_list(kind):
        own = str if kind.value_type == pa.string() else (int, float)
        return pa.array([[x for x in v if isinstance(x, own)] if isinstance(v, list) else None for v in values], kind)
    # Some write numbers as texts; what is none is counted where the column is used.
    return pa.array([None if v is None else str(v) for v in values], pa.string())
