"""Flows as JSON, a record a line or in one document: goflow2, pmacct, nfdump, Filebeat, ipfixcol2, super_mediator,
Google Cloud's VPC flow logs, and Azure's NSG and VNet flow logs."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, InputError, NoFlowsError
from tidegauge.wire.azure import azure_table, is_azure
from tidegauge.wire.cells import times_us
from tidegauge.wire.columnmap import NEEDED, ColumnMap
from tidegauge.wire.columns import PLAIN, plain_name, with_sole_counters
from tidegauge.wire.lines import Unread, too_deep
from tidegauge.wire.stream import Stream
from tidegauge.wire.tabular import TableReader
from tidegauge.wire.text import whole_us

MOST_DEPTH = 6
ROWS = 20_000
LARGEST_RECORD = 64 << 20
MOST_REMEMBERED = 2_000_000
"""Reports of Google Cloud's logs, by either end of a connection, that are remembered."""
WANTED = frozenset((*chain.from_iterable(PLAIN.values()), "final", "id"))
TOTAL = "octettotalcount"
WITH_PORT = r"^(\d+\.\d+\.\d+\.\d+|\[.*\]):\d+$"
BETWEEN = re.compile(r"[\s,\[\]}]*")
BEFORE_JSON = re.compile(rb"^[^{\n]*(?=\{)", re.MULTILINE)


def is_json(head: bytes) -> bool:
    """Whether a file begins with JSON objects: by itself, in a list, or behind what a syslog puts before each."""
    line = head.lstrip().split(b"\n", 1)[0]
    return (re.match(rb"\[?\s*$|\[\s*\{|\{", line) is not None and b"{" in head) or (
        re.search(rb'\{"[^"]{1,60}"\s*:', line) is not None and line.rstrip().endswith(b"}")
    )


class JsonReader(TableReader):
    """Reads JSON in which each object is a flow; their keys tell who wrote them."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._reported: dict[str, Counter[tuple[Any, ...]]] = {"SRC": Counter(), "DEST": Counter()}

    def read(self, stream: Stream) -> Iterator[FlowBatch]:
        """Yield the flows of a stream.

        Raises:
            NoFlowsError: its objects are no flows; the message names their keys.
            InputError: not JSON, with the offset.
        """
        known = False
        unread = Unread()
        for table in self._tables(stream, unread):
            if not table.num_columns:
                continue
            table = self._told_once(table)
            ours = _ours(table)
            if not (missing := [name for name in NEEDED if name not in ours]):
                known = True
                yield self._flows(pa.table(ours), ColumnMap({name: name for name in ours}), unread)
                unread.lines.clear()
            elif known:
                self.skipped.add("record", f"JSON without {', '.join(missing)}", table.num_rows)
            else:
                shown = ", ".join(table.column_names[:8])
                raise NoFlowsError(
                    f"JSON of an unknown kind: its keys are {shown}", where=stream.name,
                    hint="read are the flows of goflow2, pmacct, nfdump, Filebeat, ipfixcol2, super_mediator, Google"
                    " Cloud and Azure, Zeek's logs and Suricata's EVE",
                )
        if not known:
            raise NoFlowsError("JSON without a flow in it", where=stream.name)

    def _told_once(self, table: pa.Table) -> pa.Table:
        """Without what Google Cloud tells twice (`reporter`): the report of one end of a connection, where that of the
        other end of the same minute, or else one beside it, was taken in before or lies in the same block: each stands
        for one. Within a block the source's stays."""
        if "reporter" not in table.column_names:
            return table
        again = self._told_by_other_end(table)
        self.skipped.add("record", "the report of the other end of a connection that was reported", int(again.sum()))
        return table.filter(pa.array(~again))

    def _told_by_other_end(self, table: pa.Table) -> NDArray[np.bool_]:
        ours = _ours(table)
        if not {"src", "dst", "time_start"} <= ours.keys():
            return np.zeros(table.num_rows, dtype=bool)
        ends = [ours[n].to_pylist() for n in ("src", "dst", "src_port", "dst_port", "proto") if n in ours]
        minutes = (whole_us(times_us(ours["time_start"], None)) // 60_000_000).tolist()
        reporters = np.array([str(who).split("_")[0] for who in table["reporter"].to_pylist()])
        keys = list(zip(minutes, zip(*ends, strict=True), strict=True))
        again = np.zeros(table.num_rows, dtype=bool)
        for own, other in (("SRC", "DEST"), ("DEST", "SRC")):
            for i in np.flatnonzero(reporters == own).tolist():
                minute, ends_of_it = keys[i]
                near = ((minute + beside, ends_of_it) for beside in (0, -1, 1))
                paired = next((key for key in near if self._reported[other][key] > 0), None)
                again[i] = paired is not None
                if paired is not None:
                    self._reported[other][paired] -= 1
                elif len(self._reported[own]) < MOST_REMEMBERED:
                    self._reported[own][keys[i]] += 1
        return again

    def _tables(self, stream: Stream, unread: Unread) -> Iterator[pa.Table]:
        """Records as columns with plain names."""
        head = stream.peek(1 << 16)
        if is_azure(head):
            for some in _batched(_records(stream, after='"records"'), 1000):
                yield azure_table(some, self.skipped)
        elif head.lstrip()[:1] == b"[" or not _whole_line(head):
            for some in _batched(_records(stream), ROWS):
                yield _rows(some)
        else:
            for block in stream.lines():
                yield self._table(BEFORE_JSON.sub(b"", block), unread)

    def _table(self, block: bytes, unread: Unread) -> pa.Table:
        """The lines of a block as columns with plain names."""
        if too_deep(block):
            return _rows(self._lines(block, unread))
        try:
            table = pajson.read_json(
                io.BytesIO(block), read_options=pajson.ReadOptions(use_threads=False, block_size=len(block) + 1)
            )
        except pa.ArrowInvalid:
            return _rows(self._lines(block, unread))
        for _ in range(MOST_DEPTH):
            if not any(pa.types.is_struct(column.type) for column in table.schema):
                break
            table = table.flatten()
        columns: dict[str, pa.ChunkedArray] = {}
        for name, column in zip(table.column_names, table.columns, strict=True):
            if (plain := plain_name(name)) in columns or not _is_scalar(column.type):
                continue
            columns[plain] = column
        return pa.table(columns)

    def _lines(self, block: bytes, unread: Unread) -> Iterator[dict[str, Any]]:
        """The objects of lines, one by one: slow, for blocks in which some line is not like the others."""
        rows = 0
        for line in block.splitlines():
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                found = None
            if isinstance(found, dict):
                rows += 1
                yield found
            else:
                self.skipped.add("record", "not a JSON object")
                unread.line(line.decode("utf-8", "replace"), rows, certain=True)


def _ours(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Our columns, as far as a table with plain names has them."""
    ours = {}
    for column, names in PLAIN.items():
        if present := [table[name] for name in names if name in table.column_names]:
            ours[column] = _first_of(present)
            if not column.startswith("time_") and pa.types.is_timestamp(ours[column].type):
                ours[column] = ours[column].cast(pa.string())  # a text that happens to be a time
    if "exporter" in ours:
        ours["exporter"] = pc.replace_substring_regex(ours["exporter"].cast(pa.string()), WITH_PORT, r"\1")
    if {"final", "id"} <= set(table.column_names):  # Packetbeat's `flow.final` and `flow.id`
        ours["running_flow"] = table["id"]
    elif "flow_id" in ours and "firewall_event" not in ours and TOTAL in table.column_names:
        ours["running_flow"] = ours["flow_id"]
    return with_sole_counters(ours)


def _batched(records: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """Records in lists; those before damage come before it is raised."""
    some: list[dict[str, Any]] = []
    try:
        for record in records:
            some.append(record)
            if len(some) == size:
                yield some
                some = []
    except InputError:
        yield some
        raise
    yield some


def _is_scalar(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
        or pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind) or pa.types.is_boolean(kind)
    )


def _first_of(columns: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    """What the first of some columns says that says anything, row by row."""
    filled = [column for column in columns if column.null_count < len(column)] or columns[:1]
    if len(filled) == 1 or filled[0].null_count == 0:
        return filled[0]
    if len({column.type for column in filled}) > 1:
        filled = [column.cast(pa.string()) for column in filled]
    return pc.coalesce(*filled)


def _whole_line(head: bytes) -> bool:
    """Whether the first line is an object by itself; where it does not end here, one is taken to be."""
    line, end, _ = head.lstrip().partition(b"\n")
    if not end:
        return b"\n" not in head
    try:
        return isinstance(json.loads(BEFORE_JSON.sub(b"", line)), dict)
    except (ValueError, RecursionError):
        return line.rstrip().endswith(b"}")


def _records(stream: Stream, after: str = "") -> Iterator[dict[str, Any]]:
    """The objects of a document, one by one: of a list, or one behind the other.

    Args:
        after: a key whose list holds them.
    """
    decoder, text, begun = json.JSONDecoder(), "", 0
    listed, last = stream.peek(64).lstrip().startswith(b"["), ""
    while more := stream.read(1 << 22):
        text = text[begun:] + more.decode("utf-8", "replace")
        last = text.rstrip()[-1:] or last
        begun = 0
        if after:
            begun = text.find("[", text.find(after)) + 1
            if not begun:
                continue
            after = ""
        while True:
            begun = _behind_gap(text, begun)
            if begun == len(text):
                break
            try:
                found, begun = decoder.raw_decode(text, begun)
            except (ValueError, RecursionError):
                break  # the rest of it may come
            yield found
        if len(text) - begun > LARGEST_RECORD:
            raise InputError("a JSON object without an end", where=f"{stream.name}, before offset {stream.offset}")
    if begun < len(text) and text[begun:].strip():
        place = stream.offset - len(text) + begun
        raise InputError("not JSON, or cut off", where=f"{stream.name}, near offset {place}")
    if listed and last != "]":
        raise InputError("a list of JSON without an end: it is cut off", where=f"{stream.name}, offset {stream.offset}")


def _behind_gap(text: str, begun: int) -> int:
    """Where the next object begins, behind what stands between two of a list."""
    match = BETWEEN.match(text, begun)
    assert match is not None
    return match.end()


def _rows(records: Iterable[Any]) -> pa.Table:
    """Objects as columns with plain names; of nested ones the scalars."""
    columns: dict[str, list[Any]] = {}
    count = 0
    for record in records:
        if not isinstance(record, dict):
            continue
        for name, value in _scalars(record, "", 0):
            if (plain := plain_name(name)) in WANTED or count == 0:
                column = columns.setdefault(plain, [])
                if len(column) <= count:
                    column += [None] * (count - len(column)) + [value]
        count += 1
    return pa.table({name: _array(values + [None] * (count - len(values))) for name, values in columns.items()})


def _scalars(record: dict[str, Any], before: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict) and depth < MOST_DEPTH:
            yield from _scalars(value, f"{before}{name}.", depth + 1)
        elif isinstance(value, str | int | float):
            yield f"{before}{name}", value


def _array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
