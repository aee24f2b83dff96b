"""Flows as tables: CSV (nfdump's, SiLK's rwcut, our own, or any with a map) and Parquet."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from tidegauge.model import (
    FLOW_SCHEMA,
    NUMBERS,
    FlowBatch,
    InputError,
    LedgerBuilder,
    NoFlowsError,
    Skipped,
    UsageError,
    sane_times,
)
from tidegauge.wire.columns import ALIASES, recognised
from tidegauge.wire.lines import Unread, csv_block, matching, of_hardware
from tidegauge.wire.stream import Stream, damage_named
from tidegauge.wire.text import (
    are_times,
    epoch_seconds,
    flags_of_letters,
    numbers,
    packed_addresses,
    protocol_numbers,
)

NEEDED = ("time_start", "src", "dst", "bytes")
VPC_FIELDS = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
).split()
"""Of AWS VPC flow logs in their default format, whose records often come without a line of names."""
LONGEST_SKIPPED = 60
"""Minutes that a record of AWS can tell of, with room (it aggregates over ten at most)."""
TIMES_US = (-(2**62), 2**62)
"""Microseconds that 64 bits hold with room; what lies outside is no time."""
UNITS_US = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}


class _MapFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    columns: dict[str, str]
    units: dict[str, str] = {}
    constants: dict[str, int | str] = {}
    delimiter: str | None = None


@dataclass(frozen=True)
class ColumnMap:
    """Which of a table's columns is which of ours, and the unit of numeric times."""

    columns: dict[str, str]
    units: dict[str, str] = field(default_factory=dict)
    constants: dict[str, int | str] = field(default_factory=dict)
    delimiter: str | None = None

    @classmethod
    def load(cls, path: Path) -> ColumnMap:
        """Read a map file.

        Raises:
            UsageError: it is missing or wrong.
        """
        try:
            read = _MapFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise UsageError(f"cannot read the map: {error.strerror}", where=str(path)) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"not valid TOML: {error}", where=str(path)) from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(p) for p in first["loc"])
            raise UsageError(f"`{place}`: {first['msg'].lower()}", where=str(path)) from None
        for name in (*read.columns, *read.units, *read.constants):
            if name not in ALIASES:
                raise UsageError(
                    f"no flow column is called {name!r}", where=str(path), hint="one of " + ", ".join(ALIASES)
                )
        for name, unit in read.units.items():
            if unit not in UNITS_US:
                raise UsageError(f"no unit {unit!r} for {name}", where=str(path), hint="one of s, ms, us, ns")
        return cls(read.columns, read.units, read.constants, read.delimiter)

    @classmethod
    def recognised(cls, header: list[str]) -> ColumnMap:
        """The map of a table whose columns have names that we know."""
        return cls({ours: names[0] for ours, names in recognised(header).items()})

    def check(self, header: list[str], where: str) -> None:
        missing = [n for n in NEEDED if n not in self.columns and n not in self.constants]
        if missing:
            raise NoFlowsError(
                f"no column for {', '.join(missing)} among {', '.join(header[:12])}",
                where=where,
                hint="name them with --map FILE",
            )
        absent = [name for name in self.columns.values() if name not in header]
        if absent:
            raise InputError(f"the map names columns that are not there: {', '.join(absent)}", where=where)


def _header(block: bytes, chosen: ColumnMap | None) -> tuple[list[str], str, bytes]:
    """Names of columns, what stands between them, and the block without the line of names."""
    first, _, rest = block.partition(b"\n")
    if is_vpc_line(first):
        return [*(["logged"] if first[4:5] == b"-" else []), *VPC_FIELDS], " ", block
    line = first.decode("utf-8-sig", "replace").strip()
    delimiter = chosen.delimiter if chosen and chosen.delimiter else max(",\t|;", key=line.count)
    if delimiter not in line:
        delimiter = " "
    return [name.strip().strip('"') for name in line.split(delimiter)], delimiter, rest


def _until_header(block: bytes, header: list[str], delimiter: str) -> tuple[bytes, bytes]:
    """A block as far as another line of names, with the same names in another order, and the rest from there: tables
    that were joined."""
    name = max(header, key=len).encode()
    at = -1 if len(name) < 2 or name[:1].isdigit() else block.find(name)
    while at >= 0:
        begin, end = block.rfind(b"\n", 0, at) + 1, block.find(b"\n", at)
        line = block[begin : end if end >= 0 else len(block)].decode("utf-8-sig", "replace")
        names = [cell.strip().strip('"') for cell in line.strip().split(delimiter)]
        if names != header and sorted(names) == sorted(header):
            return block[:begin], block[begin:]
        at = block.find(name, end) if end >= 0 else -1
    return block, b""


def is_vpc_line(line: bytes) -> bool:
    """Whether a line is a record of AWS VPC's default format, by itself or behind the time of CloudWatch."""
    return re.match(rb"(\d{4}-\d\d-\d\dT\S+ )?\d \d{12} eni-\S+( \S+){11}\s*$", line) is not None


@dataclass
class TableReader:
    """Reads tables of flows.

    Attributes:
        exporter: name for flows whose table has no such column.
        sampling: by exporter, the interval that the site names; it is applied where the table's counters are not.
    """

    exporter: str
    column_map: ColumnMap | None = None
    sampling: dict[str, int] = field(default_factory=dict)
    skipped: Skipped = field(default_factory=Skipped)
    ledger: LedgerBuilder = field(default_factory=LedgerBuilder)
    _counted: bool = False

    def read_csv(self, stream: Stream) -> Iterator[FlowBatch]:
        """Flows of a CSV stream with a header line.

        Raises:
            InputError: no header, or columns that are not known and not mapped.
        """
        header: list[str] = []
        delimiter = ","
        chosen = self.column_map
        for block in stream.lines():
            if not header:
                header, delimiter, block = _header(block, chosen)
                chosen = chosen or ColumnMap.recognised(header)
                chosen.check(header, stream.name)
            assert chosen is not None
            while block.strip():
                part, further = _until_header(block, header, delimiter)
                if part.strip():
                    unread = Unread()
                    with damage_named(stream):
                        wanted = list(dict.fromkeys(chosen.columns.values()))
                        table = csv_block(part, header, delimiter, wanted, self.skipped, unread)
                    yield self._flows(table, chosen, unread)
                block = b""
                if further:
                    header, delimiter, block = _header(further, self.column_map)
                    chosen = self.column_map or ColumnMap.recognised(header)
                    chosen.check(header, stream.name)
        if not header:
            raise NoFlowsError("empty", where=stream.name)

    def read_parquet(self, path: str) -> Iterator[FlowBatch]:
        """Flows of a Parquet file, by row groups.

        Raises:
            InputError: damaged, or columns that are not known and not mapped.
        """
        try:
            with pq.ParquetFile(path) as file:
                header = file.schema_arrow.names
                chosen = self.column_map or ColumnMap.recognised(header)
                chosen.check(header, path)
                wanted = list(dict.fromkeys(chosen.columns.values()))
                for batch in file.iter_batches(batch_size=1 << 18, columns=wanted):
                    yield self._flows(pa.Table.from_batches([batch]), chosen)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"damaged Parquet: {str(error).splitlines()[0]}", where=path) from None

    def _flows(self, table: pa.Table, chosen: ColumnMap, unread: Unread | None = None) -> FlowBatch:
        def given(name: str) -> pa.ChunkedArray | None:
            return table[chosen.columns[name]] if name in chosen.columns else None

        count = table.num_rows
        src, src_ok = _addresses(given("src"), chosen.constants.get("src"), count)
        dst, dst_ok = _addresses(given("dst"), chosen.constants.get("dst"), count)
        starts = times_us(given("time_start"), chosen.units.get("time_start"))
        ends = starts
        if (column := given("time_end")) is not None:
            ends = times_us(column, chosen.units.get("time_end"))
        elif (column := given("duration")) is not None:
            ends = starts + np.nan_to_num(numbers(_stripped(column))) * UNITS_US[chosen.units.get("duration", "s")]
        octets = _count(given("bytes"), chosen.constants.get("bytes"), count)
        good = src_ok & dst_ok & are_times(starts / 1e6) & np.isfinite(octets)
        rows = np.flatnonzero(good)
        whole = (np.rint(np.clip(np.nan_to_num(t[rows]), *TIMES_US)).astype(np.int64) for t in (starts, ends))
        starts_us, ends_us = sane_times(*whole)

        protos = given("proto")
        proto = protocol_numbers(_stripped(protos)) if protos is not None else np.zeros(count, dtype=np.uint8)
        columns: dict[str, Any] = {"proto": proto, "bytes": octets}
        packets = _count(given("packets"), chosen.constants.get("packets"), count)
        columns["packets"] = np.nan_to_num(packets, nan=1.0)
        for name in ("src_port", "dst_port"):
            if (column := given(name)) is not None:
                columns[name] = _ports(_stripped(column), proto)
        if (column := given("tcp_flags")) is not None:
            columns["tcp_flags"] = _flags(_stripped(column))
        for name in ("domain", "in_if", "out_if", "tos", "sampling", "biflow_direction", "src_as", "dst_as"):
            if (column := given(name)) is not None:
                columns[name] = np.nan_to_num(numbers(_stripped(column)))
        for name, value in chosen.constants.items():
            if isinstance(value, int) and name in FLOW_SCHEMA.names:
                columns[name] = np.full(count, value)
        if (column := given("icmp_type")) is not None:
            kinds, subkinds = (np.nan_to_num(_count(c, 0, count)) for c in (column, given("icmp_code")))
            ports = np.where(kinds <= 255, kinds * 256 + np.minimum(subkinds, 255), 0)
            columns["dst_port"] = np.where(np.isin(proto, (1, 58)), ports, columns.get("dst_port", 0))
        exporters, codes = self._exporters(given("exporter"), chosen, count)
        tells = (src_ok & dst_ok) | (octets > 0)
        for ok, name in ((src_ok, "src"), (dst_ok, "dst")):
            if not ok.all() and (column := given(name)) is not None:
                tells &= ~of_hardware(column)
        self._left_out(good, tells, unread or Unread(), exporters, codes, starts, ends, given("log_status"))
        stated = np.ones(count) if (column := given("unapplied_sampling")) is None else np.nan_to_num(numbers(column))
        times, unapplied = self._sampled(exporters, codes, columns.get("sampling"), stated, good)
        for name in ("bytes", "packets", "sampling"):
            columns[name] = columns.get(name, np.ones(count)) * times
        taken = {name: _fitted(name, np.asarray(values)[rows]) for name, values in columns.items()}
        taken["sampling"] = np.maximum(taken["sampling"], 1)
        flows = FlowBatch.build(
            src=src[rows], dst=dst[rows], time_start=starts_us, time_end=ends_us,
            exporter=codes[rows], exporters=exporters, **taken,
        )
        self.ledger.add(
            exporters=exporters, exporter=flows["exporter"], domain=flows["domain"],
            minute_s=flows["time_end"] // 1_000_000, records=1, unsampled=unapplied[rows],
        )
        if (column := given("back_packets")) is not None:
            back_packets, back_bytes = (np.nan_to_num(_count(c, 0, count))[rows] for c in (column, given("back_bytes")))
            # The same counters again are the same traffic, counted behind the exporter (FortiGate).
            back_packets, back_bytes = back_packets * times[rows], back_bytes * times[rows]
            again = (back_bytes == flows["bytes"]) & (back_packets == flows["packets"])
            back_packets = np.where(again, 0, np.maximum(back_packets, back_bytes > 0))
            if back_packets.any():
                return flows.both_ways(_fitted("packets", back_packets), _fitted("bytes", back_bytes), said=0)
        return flows

    def _left_out(
        self, good: NDArray[np.bool_], tells: NDArray[np.bool_], unread: Unread,
        exporters: tuple[str, ...], codes: NDArray[np.int32],
        starts: NDArray[np.float64], ends: NDArray[np.float64], status: pa.ChunkedArray | None,
    ) -> None:
        """Count the rows that are no flows. Those that tell of traffic are lost in their minute, unless no row was ever
        good: then it is the map that is wrong. While AWS says that it skipped records (`SKIPDATA`), nothing counts as
        seen."""
        self._counted |= bool(good.any())
        if good.all() and not unread.lines:
            return
        texts = pa.nulls(len(good), pa.string()) if status is None else _stripped(status).cast(pa.string())
        passed, empty = (
            np.asarray(pc.equal(texts, word).fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
            for word in ("SKIPDATA", "NODATA")
        )
        self.skipped.add("record", "AWS skipped records of that time: it counts as not observed", int(passed.sum()))
        self.skipped.add("record", "AWS had no traffic to tell of", int((empty & ~good).sum()))
        left = ~good & ~passed & ~empty
        lost = left & tells & self._counted
        self.skipped.add("record", "no time, address or byte count", int((left & ~lost).sum()))
        if self._counted:
            unread.lose(self.ledger, self.skipped, exporters, codes, starts / 1e6, lost)
        placed = np.flatnonzero(passed & are_times(starts / 1e6) & are_times(ends / 1e6))
        first_s, last_s = ((times[placed] // 1e6).astype(np.int64) for times in (starts, ends))
        minutes = np.clip((last_s - 1) // 60 - first_s // 60 + 1, 1, LONGEST_SKIPPED)
        within = np.arange(minutes.sum()) - np.repeat(np.cumsum(minutes) - minutes, minutes)
        self.ledger.add(
            exporters=exporters, exporter=np.repeat(codes[placed], minutes),
            minute_s=np.repeat(first_s, minutes) + within * 60, stated=0,
        )

    def _sampled(
        self, exporters: tuple[str, ...], codes: NDArray[np.int32], applied: NDArray[np.float64] | None,
        stated: NDArray[np.float64], good: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """By what the counters of each row are multiplied, and which rows state an interval that is not applied.

        An interval that a table states counts only where the site names one for its exporter: some programs apply it
        before they write, and few tables say whether.
        """
        named = np.array([self.sampling.get(name, 0) for name in exporters], dtype=np.float64)[codes]
        if applied is not None:
            named = np.where(applied > 1, 1, named)
        left = good & (stated > 1) & (named == 0)
        if left.any():
            interval = int(stated[left].max())
            self.skipped.add("sampling interval", f"1:{interval:,} is stated and not applied, since tables may hold"
                             " estimates already: name it under [exporters] to apply it", int(left.sum()))
        return np.maximum(named, 1), left

    def _exporters(
        self, column: pa.ChunkedArray | None, chosen: ColumnMap, count: int
    ) -> tuple[tuple[str, ...], NDArray[np.int32]]:
        if column is None:
            return (str(chosen.constants.get("exporter", self.exporter)),), np.zeros(count, dtype=np.int32)
        texts = pc.utf8_trim_whitespace(column.cast(pa.string()).fill_null(self.exporter)).combine_chunks()
        encoded = texts.dictionary_encode()
        codes = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int32)
        return tuple(name or self.exporter for name in encoded.dictionary.to_pylist()), codes


def _stripped(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_trim_whitespace(column) if pa.types.is_string(column.type) else column


DOTTED, DECIMAL = r"^[0-9]{1,3}\.[0-9]{3}$", r"^[0-9]{4,}\.[0-9]{3}$"
"""Counts that may be of thousands (`200.000`), unless others of the table show that they have decimals."""
MOST_COUNTED = 2.0**53
"""No flow has more bytes or packets: a link of 1 Tbit/s carries so much in 20 hours."""


def _count(column: pa.ChunkedArray | None, constant: int | str | None, count: int) -> NDArray[np.float64]:
    if column is None:
        return np.full(count, float(constant) if isinstance(constant, int) else np.nan)
    column = _stripped(column)
    values = numbers(column)
    if (dotted := matching(column, DOTTED)).any() and not matching(column, DECIMAL).any():
        values = np.where(dotted, np.nan, values)
    return np.where((values >= 0) & (values <= MOST_COUNTED), values, np.nan)


def _fitted(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Values clipped to what the column's type holds."""
    kept = MOST_COUNTED if name in ("packets", "bytes") else np.iinfo(np.dtype(NUMBERS[name])).max
    return np.asarray(np.clip(values, 0, kept))


def _addresses(
    column: pa.ChunkedArray | None, constant: int | str | None, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    if column is None:
        column = pa.chunked_array([pa.array([str(constant)] * count, pa.string())])
    if (pa.types.is_fixed_size_binary(column.type) and column.type.byte_width == 16) or pa.types.is_binary(column.type):
        fixed = column.cast(pa.binary(16)).combine_chunks()
        if isinstance(fixed, pa.ChunkedArray):
            fixed = pa.concat_arrays(fixed.chunks) if fixed.num_chunks else pa.array([], pa.binary(16))
        raw = np.frombuffer(fixed.buffers()[1] or b"", dtype=np.uint8).reshape(-1, 16)
        return raw[fixed.offset : fixed.offset + len(fixed)].copy(), np.asarray(fixed.is_valid())
    return packed_addresses(column.cast(pa.string()))


def times_us(column: pa.ChunkedArray | None, unit: str | None) -> NDArray[np.float64]:
    """Microseconds since 1970; numbers whose unit nobody stated are told apart by their size."""
    assert column is not None  # `ColumnMap.check` has seen to it
    if pa.types.is_timestamp(column.type):
        micros = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
        return np.asarray(micros.to_numpy(), dtype=np.float64)
    column = _stripped(column)
    if pa.types.is_string(column.type):
        for text in (column, pc.replace_substring(column, "/", "-")):
            try:
                moments = text.cast(pa.timestamp("us"))
                return np.asarray(moments.cast(pa.int64()).to_numpy(), dtype=np.float64)
            except pa.ArrowInvalid:
                continue
    values = numbers(column)
    found = epoch_seconds(values) * 1e6 if unit is None else values * UNITS_US[unit]
    if pa.types.is_string(column.type):  # dates among numbers are read as dates, and the numbers in their own unit
        dated = np.asarray(pc.match_substring(column, ":").fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
        found = np.where(dated, values * 1e6, found)
    return np.asarray(found)


def _ports(column: pa.ChunkedArray, proto: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Port numbers; nfdump writes ICMP's type and code as `type.code`."""
    values = np.nan_to_num(numbers(column))
    if not pa.types.is_string(column.type):
        return values
    dotted = np.asarray(pc.match_substring(column, ".").fill_null(False).to_numpy(), dtype=bool)
    icmp = dotted & np.isin(proto, (1, 58))
    if icmp.any():
        parts = pc.extract_regex(column.filter(pa.array(icmp)), r"^\s*(?P<kind>[0-9]{1,3})\.(?P<code>[0-9]{0,3})\s*$")
        kind, code = (numbers(pc.struct_field(parts, name)) for name in ("kind", "code"))
        values[icmp] = np.nan_to_num(kind) * 256 + np.nan_to_num(code)
    return values


def _flags(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """TCP flags from letters (any order, dots and blanks between) or numbers."""
    if not pa.types.is_string(column.type):
        return np.clip(np.nan_to_num(numbers(column)), 0, 65535).astype(np.int64)
    numeric = pc.match_substring_regex(column, r"^\s*[0-9]")
    if pc.any(numeric).as_py():
        values = numbers(pc.if_else(numeric, column, pa.scalar("0")))
        return np.clip(np.nan_to_num(values), 0, 65535).astype(np.int64)
    return flags_of_letters(column)
