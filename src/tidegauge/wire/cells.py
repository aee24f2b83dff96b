"""The cells of a table of flows as columns of ours: addresses, times, counts, ports and flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidegauge.model import FLOW_SCHEMA, NUMBERS, Addresses, mapped_ipv4
from tidegauge.wire.columnmap import UNITS_US, ColumnMap
from tidegauge.wire.lines import matching, of_hardware
from tidegauge.wire.text import (
    epoch_seconds,
    flags_of_letters,
    moments,
    numbers,
    packed_addresses,
    protocol_numbers,
    whole,
)

PLAIN_NUMBERS = ("domain", "in_if", "out_if", "tos", "sampling", "biflow_direction", "src_as", "dst_as")


@dataclass(frozen=True)
class Cells:
    """A table by our names of its columns. What is read of it has shape (n,), addresses (n, 16)."""

    table: pa.Table
    chosen: ColumnMap

    def column(self, name: str) -> pa.ChunkedArray | None:
        """The column of one of our names, where the table has it."""
        return self.table[self.chosen.columns[name]] if name in self.chosen.columns else None

    def addresses(self, name: str) -> tuple[Addresses, NDArray[np.bool_]]:
        """Addresses, and which cells hold one."""
        return _addresses(self.column(name), self.chosen.constants.get(name), self.table.num_rows)

    def of_no_ip(self, name: str) -> NDArray[np.bool_]:
        """Which cells hold addresses of hardware."""
        column = self.column(name)
        return np.zeros(self.table.num_rows, dtype=bool) if column is None else of_hardware(column)

    def counts(self, name: str) -> NDArray[np.float64]:
        """Bytes or packets; NaN where there is none, or none that can be."""
        column, constant = self.column(name), self.chosen.constants.get(name)
        if column is None:
            return np.full(self.table.num_rows, float(constant) if isinstance(constant, int) else np.nan)
        column = stripped(column)
        values = numbers(column)
        if np.isnan(values).any() and pa.types.is_string(column.type):
            values = np.where(np.isnan(values), _written_for_people(column), values)
        if (dotted := matching(column, DOTTED)).any() and not matching(column, DECIMAL).any():
            values = np.where(dotted, np.nan, values)
        return np.where((values >= 0) & (values <= MOST_COUNTED), values, np.nan)

    def unreadable(self, name: str, counts: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which cells hold something that is no count."""
        column = self.column(name)
        if column is None or not np.isnan(counts).any():
            return np.zeros(self.table.num_rows, dtype=bool)
        return np.asarray(np.isnan(counts) & matching(column.cast(pa.string()), r"[^\s-]"))

    def times_us(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Starts and ends in microseconds since 1970."""
        starts = times_us(self.column("time_start"), self.chosen.units.get("time_start"))
        if (column := self.column("time_end")) is not None:
            return starts, times_us(column, self.chosen.units.get("time_end"))
        if (column := self.column("duration")) is not None:
            return starts, starts + _durations(stripped(column)) * UNITS_US[self.chosen.units.get("duration", "s")]
        return starts, starts

    def others(self) -> dict[str, Any]:
        """All other columns that the table has, and constants."""
        protos = self.column("proto")
        proto = np.zeros(self.table.num_rows, np.uint8) if protos is None else protocol_numbers(stripped(protos))
        columns: dict[str, Any] = {"proto": proto, "packets": np.nan_to_num(self.counts("packets"), nan=1.0)}
        for name in ("src_port", "dst_port"):
            if (column := self.column(name)) is not None:
                columns[name] = _ports(stripped(column), proto)
        if (column := self.column("tcp_flags")) is not None:
            columns["tcp_flags"] = _flags(stripped(column))
        for name in PLAIN_NUMBERS:
            if (column := self.column(name)) is not None:
                columns[name] = np.nan_to_num(numbers(stripped(column)))
        for name, value in self.chosen.constants.items():
            if isinstance(value, int) and name in FLOW_SCHEMA.names:
                columns[name] = np.full(self.table.num_rows, value)
        if self.column("icmp_type") is not None:
            kinds, subkinds = (np.nan_to_num(self.counts(name)) for name in ("icmp_type", "icmp_code"))
            ports = np.where(kinds <= 255, kinds * 256 + np.minimum(subkinds, 255), 0)
            columns["dst_port"] = np.where(np.isin(proto, (1, 58)), ports, columns.get("dst_port", 0))
        return columns


def plain_columns(table: pa.Table) -> pa.Table:
    """A table of Parquet's types as one of those that are read: dictionaries unfolded, lengths of time in seconds,
    days as times; what is of no use (structures, lists) as nulls."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_dictionary(kind):
            column, kind = column.cast(kind.value_type), kind.value_type
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            column = column.cast(pa.string())
        elif pa.types.is_duration(kind):
            column = pc.divide(column.cast(pa.duration("us"), safe=False).cast(pa.int64()).cast(pa.float64()), 1e6)
        elif pa.types.is_date(kind):
            column = column.cast(pa.timestamp("us"))
        elif pa.types.is_time(kind):
            column = column.cast(pa.string())
        elif pa.types.is_nested(kind):
            column = pa.chunked_array([pa.nulls(len(column), pa.string())])
        columns[name] = column
    return pa.table(columns)


def stripped(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_trim_whitespace(column) if pa.types.is_string(column.type) else column


DOTTED, DECIMAL = r"^[0-9]{1,3}\.[0-9]{3}$", r"^[0-9]{4,}\.[0-9]{3}$"
"""Counts that may be of thousands (`200.000`), unless others of the table show that they have decimals."""
OF_ENDPOINT = r"^(?:([0-9.]+)|\[([0-9A-Fa-f:]+)\]):[0-9]+$"
"""An address with a port behind it."""
PADDED = r"(^|\.)0{1,2}([0-9])"
"""Numbers of IPv4 addresses with zeros before them, as SiLK writes them (`--ip-format=zero-padded`): decimal."""
GROUPED = r"^[0-9]{1,3}(,[0-9]{3})+$"
SCALED = r"^(?P<amount>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>(?:[KkMGT]i?)?)B?$"
MOST_COUNTED = 2.0**53
"""No flow has more bytes or packets: a link of 1 Tbit/s carries so much in 20 hours."""


def fitted(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Values clipped to what the column's type holds."""
    kept = MOST_COUNTED if name in ("packets", "bytes") else np.iinfo(np.dtype(NUMBERS[name])).max
    return np.asarray(np.clip(values, 0, kept))


def _written_for_people(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Counts with commas between thousands, or with a unit as nfdump's text has them (`16.7 M`, of 1000); NaN else."""
    grouped = pc.match_substring_regex(column, GROUPED)
    parts = pc.extract_regex(pc.if_else(grouped, pc.replace_substring(column, ",", ""), column), SCALED)
    amounts, units = numbers(pc.struct_field(parts, "amount")), pc.struct_field(parts, "unit").fill_null("").to_pylist()
    scales = {unit: float((1024 if "i" in unit else 1000) ** (" KMGT".find(unit[:1].upper()))) for unit in set(units)}
    return np.asarray(amounts * np.array([scales[unit] if unit else 1.0 for unit in units]))


def _addresses(
    column: pa.ChunkedArray | None, constant: int | str | None, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    if column is None:
        column = pa.chunked_array([pa.array([str(constant)] * count, pa.string())])
    if pa.types.is_integer(column.type) or (pa.types.is_fixed_size_binary(column.type) and column.type.byte_width == 4):
        return _ipv4(column)
    if (pa.types.is_fixed_size_binary(column.type) and column.type.byte_width == 16) or pa.types.is_binary(column.type):
        fixed = column.cast(pa.binary(16)).combine_chunks()
        if isinstance(fixed, pa.ChunkedArray):
            fixed = pa.concat_arrays(fixed.chunks) if fixed.num_chunks else pa.array([], pa.binary(16))
        raw = np.frombuffer(fixed.buffers()[1] or b"", dtype=np.uint8).reshape(-1, 16)
        return raw[fixed.offset : fixed.offset + len(fixed)].copy(), np.asarray(fixed.is_valid())
    texts = column.cast(pa.string())
    found, good = packed_addresses(texts)
    if good.all():
        return found, good
    plain = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), OF_ENDPOINT, r"\1\2")
    again, also = packed_addresses(pc.replace_substring_regex(plain, PADDED, r"\1\2"))
    return np.where(good[:, None], found, again), good | also


def _ipv4(column: pa.ChunkedArray) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """IPv4 addresses that are numbers, or four bytes."""
    valid = np.asarray(column.is_valid().to_numpy())
    if pa.types.is_integer(column.type):
        values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
        valid = valid & (values > 0) & (values < 2**32)
        return mapped_ipv4(np.where(valid, values, 0).astype(np.uint32)), valid
    raw = b"".join(cell or bytes(4) for cell in column.to_pylist())
    return mapped_ipv4(np.frombuffer(raw, dtype=">u4").astype(np.uint32)), valid


CLOCK = r"^\s*(?P<hours>[0-9]+):(?P<minutes>[0-9]{2}):(?P<seconds>[0-9]{2}(?:\.[0-9]+)?)\s*$"


def _durations(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Numbers, or hours, minutes and seconds as a clock shows them (then seconds); 0 where there is neither."""
    values = numbers(column)
    if pa.types.is_string(column.type) and np.isnan(values).any():
        parts = pc.extract_regex(column, CLOCK)
        hours, minutes, seconds = (numbers(pc.struct_field(parts, n)) for n in ("hours", "minutes", "seconds"))
        values = np.where(np.isnan(values), hours * 3600 + minutes * 60 + seconds, values)
    return np.maximum(np.nan_to_num(values), 0)


def times_us(column: pa.ChunkedArray | None, unit: str | None) -> NDArray[np.float64]:
    """Microseconds since 1970; numbers whose unit nobody stated are told apart by their size."""
    assert column is not None  # `ColumnMap.check` has seen to it
    if pa.types.is_timestamp(column.type):
        micros = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
        return np.asarray(micros.to_numpy(), dtype=np.float64)
    column = stripped(column)
    if pa.types.is_string(column.type):
        for text in (column, pc.replace_substring(column, "/", "-")):
            try:
                read = text.cast(pa.timestamp("us"))
                return np.asarray(read.cast(pa.int64()).to_numpy(), dtype=np.float64)
            except pa.ArrowInvalid:
                continue
    values = moments(column)
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
        return whole(numbers(column), 65535)
    numeric = pc.match_substring_regex(column, r"^\s*[0-9]")
    if pc.any(numeric).as_py():
        values = numbers(pc.if_else(numeric, column, pa.scalar("0")))
        return whole(values, 65535)
    return flags_of_letters(column)
