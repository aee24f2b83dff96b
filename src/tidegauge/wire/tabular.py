"""Flows as tables: CSV (nfdump's, SiLK's rwcut, our own, or any with a map) and Parquet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, InputError, LedgerBuilder, NoFlowsError, Skipped, sane_times
from tidegauge.wire.cells import Cells, fitted, plain_columns, stripped
from tidegauge.wire.columnmap import ColumnMap
from tidegauge.wire.connections import Connections
from tidegauge.wire.datagrams import Names
from tidegauge.wire.elements import FIREWALL_DELETED, FIREWALL_UPDATE
from tidegauge.wire.lines import Unread, csv_block, placed
from tidegauge.wire.stream import Stream, damage_named
from tidegauge.wire.text import are_times, numbers, whole_us

VPC_FIELDS = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
).split()
"""Of AWS VPC flow logs in their default format, whose records often come without a line of names."""
TITLE = re.compile(rb"^[^0-9\n]+(?:[0-9]{1,2}[^0-9.\n][^0-9\n]*)*$", re.MULTILINE)
"""A line without an address or a large number in it: of names, perhaps."""
OF_NFDUMP = re.compile(rb"(?m)^(?:Summary\r?\nflows,bytes,[^\n]*\n[^\n]*(?:\n|\Z)|No match\w* flows\r?(?:\n|\Z))")
"""What nfdump writes behind the flows of a CSV."""
OF_WAY_BACK = ("back_bytes", "back_packets", "out_bytes", "out_packets")
LONGEST_SKIPPED = 60
"""Minutes that a record of AWS can tell of, with room (it aggregates over ten at most)."""


def _header(block: bytes, chosen: ColumnMap | None) -> tuple[list[str], str, bytes]:
    """Names of columns, what stands between them, and the block without the line of names."""
    first, _, rest = block.partition(b"\n")
    if is_vpc_line(first):
        return [*(["logged"] if first[4:5] == b"-" else []), *VPC_FIELDS], " ", block
    line = first.decode("utf-8-sig", "replace").strip()
    bare = re.sub(r'"[^"]*"', "", line)
    delimiter = chosen.delimiter if chosen and chosen.delimiter else max(",\t|;", key=bare.count)
    if delimiter not in line:
        delimiter = " "
    try:
        names = next(csv.reader([line], delimiter=delimiter, skipinitialspace=delimiter != " "), [])
    except csv.Error:  # a name longer than any
        names = line.split(delimiter)
    return [name.strip().strip('"') for name in names], delimiter, rest


def _until_header(block: bytes, header: list[str], given: ColumnMap | None) -> tuple[bytes, bytes]:
    """A block as far as a line of other names that are known, and the rest from there: tables that were joined."""
    for match in TITLE.finditer(block):
        names, _, _ = _header(match[0], given)
        chosen = given or ColumnMap.recognised(names)
        if names != header and chosen.complete(names):
            return block[: match.start()], block[match.start() :]
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
        out_bytes: by exporter, what a second pair of counters is: `reverse` or `same`.
        connections: what was told of connections before, so that nothing is counted twice; exporters by `names`.
    """

    exporter: str
    column_map: ColumnMap | None = None
    sampling: dict[str, int] = field(default_factory=dict)
    skipped: Skipped = field(default_factory=Skipped)
    ledger: LedgerBuilder = field(default_factory=LedgerBuilder)
    out_bytes: dict[str, str] = field(default_factory=dict)
    connections: Connections = field(default_factory=Connections)
    names: Names = field(default_factory=Names)
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
                part, further = _until_header(OF_NFDUMP.sub(b"", block), header, self.column_map)
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
                    yield self._flows(plain_columns(pa.Table.from_batches([batch])), chosen)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"damaged Parquet: {str(error).splitlines()[0]}", where=path) from None

    def _flows(self, table: pa.Table, chosen: ColumnMap, unread: Unread | None = None) -> FlowBatch:
        cells = Cells(table, chosen)
        src, src_ok = cells.addresses("src")
        dst, dst_ok = cells.addresses("dst")
        starts, ends = cells.times_us()
        octets, second = cells.counts("bytes"), {name: cells.counts(name) for name in OF_WAY_BACK}
        half = np.any([cells.unreadable(name, counts) for name, counts in second.items()], axis=0)
        sole = np.isnan(octets) & (second["out_bytes"] > 0) & ~cells.unreadable("bytes", octets)
        octets = np.where(sole, second["out_bytes"], octets)
        starts, ends, untimed = placed(starts, ends, unit=1e6)
        good = src_ok & dst_ok & np.isfinite(octets)
        self._counted |= bool(good.any())
        # A flow without a count of bytes is lost, but it is known whose it was: no answer with no overlooks it.
        bare = src_ok & dst_ok & ~good & ~untimed & src[:, -4:].any(axis=1) & self._counted
        rows = np.flatnonzero(good | bare)
        columns = {"bytes": octets, **cells.others()}
        exporters, codes = self._exporters(cells.column("exporter"), chosen, table.num_rows)
        if sole.any():
            columns["packets"] = np.where(sole, np.nan_to_num(second["out_packets"], nan=1), columns["packets"])
        back_octets, back_packets = self._back(second, good & ~sole, exporters, codes, columns)
        amounts = [columns["bytes"], columns["packets"], back_octets, back_packets]
        repeats = self._told_before(cells, good, exporters, codes, amounts, starts, ends)
        tells = (src_ok & dst_ok) | (octets > 0)
        for ok, name in ((src_ok, "src"), (dst_ok, "dst")):
            if not ok.all():
                tells &= ~cells.of_no_ip(name)
        status = cells.column("log_status")
        self._left_out(good, tells, half, untimed, unread or Unread(), exporters, codes, starts, ends, status)
        self._weigh(tells & ~(src_ok & dst_ok) & self._counted, good, octets, exporters, codes, np.fmax(starts, ends))
        column = cells.column("unapplied_sampling")
        stated = np.ones(table.num_rows) if column is None else np.nan_to_num(numbers(column))
        times, unapplied = self._sampled(exporters, codes, columns.get("sampling"), stated, good)
        if bare.any():
            columns["bytes"] = np.where(bare, 0.0, columns["bytes"])
            columns["packets"] = np.where(bare & ~np.isfinite(cells.counts("packets")), 0.0, columns["packets"])
        for name in ("bytes", "packets", "sampling"):
            columns[name] = columns.get(name, np.ones(table.num_rows)) * times
        taken = {name: fitted(name, np.asarray(values)[rows]) for name, values in columns.items()}
        taken["sampling"] = np.maximum(taken["sampling"], 1)
        starts_us, ends_us = sane_times(whole_us(starts[rows]), whole_us(ends[rows]))
        flows = FlowBatch.build(
            src=src[rows], dst=dst[rows], time_start=starts_us, time_end=ends_us,
            exporter=codes[rows], exporters=exporters, **taken,
        )
        self.ledger.add(
            exporters=exporters, exporter=flows["exporter"], domain=flows["domain"],
            minute_s=flows["time_end"] // 1_000_000, records=good[rows], unsampled=unapplied[rows],
        )
        new = ~repeats[rows]
        flows = flows if new.all() else flows.take(new)
        octets, packets = (np.nan_to_num(back[rows] * times[rows])[new] for back in (back_octets, back_packets))
        packets = np.maximum(packets, octets > 0)
        return flows.both_ways(fitted("packets", packets), fitted("bytes", octets), said=0) if packets.any() else flows

    def _back(
        self, second: dict[str, NDArray[np.float64]], good: NDArray[np.bool_], exporters: tuple[str, ...],
        codes: NDArray[np.int32], columns: dict[str, Any],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bytes and packets of the way back, NaN where there is none. A second pair of counters (of `OF_WAY_BACK`, each
        by its name) is that, or stands in where the first of `columns` is 0, by the rule for records."""
        octets, packets = second["back_bytes"], second["back_packets"]
        given = columns["bytes"], second["out_bytes"], columns["packets"], second["out_packets"]
        if not (given[1] > 0).any() and not (given[3] > 0).any():
            return octets, packets
        of_out = good & ((given[1] > 0) | (given[3] > 0))
        for code in np.unique(codes[of_out]).tolist():
            rows = np.flatnonzero(of_out & (codes == code))
            setting = self.out_bytes.get(exporters[code], "auto")
            there, out, packets_there, packets_out = (np.nan_to_num(c[rows]).astype(np.int64) for c in given)
            key = self.names.position(exporters[code]), 0, "table"
            if self.connections.way_back(key, there, out, packets_there, packets_out, setting):
                octets[rows], packets[rows] = given[1][rows], given[3][rows]
            else:
                columns["bytes"][rows] = np.where(there > 0, there, out)
                columns["packets"][rows] = np.where(packets_there > 0, packets_there, packets_out)
        return octets, packets

    def _told_before(
        self, cells: Cells, good: NDArray[np.bool_], exporters: tuple[str, ...], codes: NDArray[np.int32],
        amounts: list[NDArray[np.float64]], starts: NDArray[np.float64], ends: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Take off what others told of the same flow before (records of a firewall, or with totals since its start),
        in `amounts` and `starts` themselves; return which rows tell nothing new."""
        repeats = np.zeros(len(good), dtype=bool)
        events = cells.column("firewall_event")
        names = cells.column("running_flow" if events is None else "flow_id")
        if names is None:
            return repeats
        rows = np.flatnonzero(good & names.is_valid().to_numpy().astype(bool))
        taken = names.take(pa.array(rows)).cast(pa.string()).to_pylist()
        positions = [self.names.position(name) for name in exporters]
        keys = [(positions[c], 0, name.encode()) for c, name in zip(codes[rows].tolist(), taken, strict=True)]
        told = np.nan_to_num([amount[rows] for amount in amounts]).astype(np.int64)
        begun, ended = whole_us(starts[rows]), whole_us(ends[rows])
        if events is None:
            added, starts[rows] = self.connections.since_last(keys, told, begun, ended)
        else:
            kinds = cells.counts("firewall_event")[rows]
            updates, deleted = kinds == FIREWALL_UPDATE, kinds == FIREWALL_DELETED
            added, starts[rows] = self.connections.of_firewall(keys, updates, deleted, told, begun, ended)
        repeats[rows] = told.any(axis=0) & ~added.any(axis=0)
        for amount, new in zip(amounts, added, strict=True):
            amount[rows] = new
        return repeats

    def _left_out(
        self, good: NDArray[np.bool_], tells: NDArray[np.bool_], half: NDArray[np.bool_],
        untimed: NDArray[np.bool_], unread: Unread, exporters: tuple[str, ...], codes: NDArray[np.int32],
        starts: NDArray[np.float64], ends: NDArray[np.float64], status: pa.ChunkedArray | None,
    ) -> None:
        """Count the rows that are no flows. Those that tell of traffic are lost in their minute, unless no row was ever
        good: then it is the map that is wrong. While AWS says that it skipped records (`SKIPDATA`), nothing counts as
        seen; where it had none (`NODATA`), all does.

        Args:
            half: rows whose way back cannot be read; of a flow as much is lost as is there.
        """
        if good.all() and not unread.lines and not half.any() and not untimed.any():
            return
        texts = pa.nulls(len(good), pa.string()) if status is None else stripped(status).cast(pa.string())
        passed, empty = (
            np.asarray(pc.equal(texts, word).fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
            for word in ("SKIPDATA", "NODATA")
        )
        self.skipped.add("record", "AWS skipped records of that time: it counts as not observed", int(passed.sum()))
        self.skipped.add("record", "AWS had no traffic to tell of", int((empty & ~good).sum()))
        left = ~good & ~passed & ~empty
        lost = left & tells & self._counted | good & half
        self.skipped.add("record", "no time, address or byte count", int((left & ~lost).sum()))
        if self._counted:
            unread.lose(self.ledger, self.skipped, exporters, codes, np.fmax(starts, ends) / 1e6, lost, untimed & good)
        told = np.flatnonzero((passed | empty) & are_times(starts / 1e6) & are_times(ends / 1e6))
        first_s, last_s = ((times[told] // 1e6).astype(np.int64) for times in (starts, ends))
        minutes = np.clip((last_s - 1) // 60 - first_s // 60 + 1, 1, LONGEST_SKIPPED)
        within = np.arange(minutes.sum()) - np.repeat(np.cumsum(minutes) - minutes, minutes)
        self.ledger.add(
            exporters=exporters, exporter=np.repeat(codes[told], minutes),
            minute_s=np.repeat(first_s, minutes) + within * 60, stated=np.repeat(empty[told], minutes),
        )

    def _weigh(
        self, lost: NDArray[np.bool_], good: NDArray[np.bool_], octets: NDArray[np.float64],
        exporters: tuple[str, ...], codes: NDArray[np.int32], ends: NDArray[np.float64],
    ) -> None:
        """Tell of rows whose ends cannot be read but whose bytes can, and by bytes how much was seen of their minutes:
        one large row among many small ones is most of its minute."""
        lost = lost & (octets > 0) & are_times(ends / 1e6)
        if not lost.any():
            return
        minutes = np.where(lost | good, ends, 0).astype(np.int64) // 60_000_000
        keys, inverse = np.unique(minutes * len(exporters) + codes, return_inverse=True)
        gone, kept = (np.bincount(inverse, np.where(which, octets, 0.0), len(keys)) for which in (lost, good))
        found = np.flatnonzero(gone > 0)
        self.ledger.add(
            exporters=exporters, exporter=(keys[found] % len(exporters)).astype(np.int32),
            minute_s=keys[found] // len(exporters) * 60, stated=kept[found] / (kept[found] + gone[found]),
            unread=gone[found].astype(np.int64),
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
        return tuple(self.names.called(name or self.exporter) for name in encoded.dictionary.to_pylist()), codes
