"""Azure's NSG flow logs (version 2) and VNet flow logs: JSON documents whose flows are tuples of text."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from tidegauge.model import Skipped
from tidegauge.wire.text import numbers

NSG = ("time", "src", "dst", "src_port", "dst_port", "proto", "way", "decision", "state", "packets", "bytes",
       "back_packets", "back_bytes")
VNET = ("time", "src", "dst", "src_port", "dst_port", "proto", "way", "state", "encryption", "packets", "bytes",
        "back_packets", "back_bytes")
CUT = ",0.0.0.0,0.0.0.0" + "," * (len(NSG) - 3)
"""In place of the rest of a tuple that was cut: without counters it is lost, in the minute of its time."""
VERSION_1 = 8
"""Parts of a tuple of NSG flow logs of the first version."""
PROTOCOLS = {"T": "6", "U": "17"}
INTERVAL_S = 300
"""A flow that goes on is reported so often at least, with what it carried since (learn.microsoft.com, "Flow logs")."""
KEY = ("src", "dst", "src_port", "dst_port", "proto")
MOST_DEPTH = 8


def is_azure(head: bytes) -> bool:
    """Whether a document is a flow log of Azure, by its beginning."""
    return re.match(rb'\s*\{\s*"records"\s*:', head) is not None and b"low" in head


def azure_table(records: Iterable[dict[str, Any]], skipped: Skipped) -> pa.Table:
    """Return the flows of records as a table with plain names of our columns; times in milliseconds.

    A tuple tells what a connection carried each way since it was told of last, `INTERVAL_S` before at the most; one
    that begins or was denied carries nothing and is counted.
    """
    tuples, of_version_1, vnet = [], 0, False
    for record in records:
        vnet = "flowRecords" in record if isinstance(record, dict) else vnet
        for text in _tuples(record, 0):
            parts = text.count(",") + 1
            if parts == VERSION_1:
                of_version_1 += 1
            else:
                tuples.append(text if parts == len(NSG) else text.split(",")[0] + CUT)
    skipped.add("record", "an Azure flow tuple without counters: version 1", of_version_1)
    if not tuples:
        return pa.table({})
    names = VNET if vnet else NSG
    table = pacsv.read_csv(
        io.BytesIO("\n".join(tuples).encode()),
        read_options=pacsv.ReadOptions(column_names=list(names)),
        parse_options=pacsv.ParseOptions(quote_char=False),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True),
    )
    denied = pc.equal(table["state"], "D") if vnet else pc.equal(table["decision"], "D")
    empty = pc.or_(denied, pc.equal(table["state"], "B")).fill_null(False)
    skipped.add("event", "Azure: a connection that begins or was denied carries nothing", pc.sum(empty).as_py() or 0)
    ends_ms = numbers(table["time"]) * (1 if vnet else 1000)
    starts_ms = ends_ms - INTERVAL_S * 1000
    starts_ms = np.where(np.isfinite(ends_ms), np.fmax(starts_ms, _told_last(table, ends_ms)), starts_ms)
    carries = pc.invert(empty)
    kept = carries.to_numpy().astype(bool)
    table, starts_ms, ends_ms = table.filter(carries), starts_ms[kept], ends_ms[kept]
    proto = table["proto"]
    for letter, number in PROTOCOLS.items():
        proto = pc.if_else(pc.equal(proto, letter), number, proto)
    named = {name.replace("_", ""): table[name] for name in KEY[:-1]}
    return pa.table({
        **named, "proto": proto, "timestart": starts_ms, "timeend": ends_ms,
        "bytes": table["bytes"], "packets": table["packets"], "destination.packets": table["back_packets"],
        "destination.bytes": table["back_bytes"],
    })


def _told_last(table: pa.Table, times_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """When the connection of each tuple was told of before, in milliseconds; NaN where it was not."""
    codes = np.zeros(len(times_ms), dtype=np.int64)
    for name in KEY:
        values = table[name].combine_chunks().dictionary_encode(null_encoding="encode")
        _, codes = np.unique(codes * (len(values.dictionary) + 1) + values.indices.to_numpy(), return_inverse=True)
    order = np.lexsort((times_ms, codes))
    before = np.r_[np.nan, np.where(np.diff(codes[order]) == 0, times_ms[order][:-1], np.nan)]
    found = np.empty(len(times_ms))
    found[order] = before
    return found


def _tuples(value: Any, depth: int) -> Iterator[str]:
    """The flow tuples in an object, wherever they lie."""
    if depth > MOST_DEPTH:
        return
    if isinstance(value, list):
        for one in value:
            yield from _tuples(one, depth + 1)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name == "flowTuples" and isinstance(inner, list):
                yield from (text for text in inner if isinstance(text, str))
            else:
                yield from _tuples(inner, depth + 1)
