"""Rollups: the sums of a segment's flows by bin, direction, far ends' labels, protocol and exporter, beside it.

A segment never changes, and neither does its rollup: flows that come late bring segments and rollups of their own, and
where a segment is replaced (compaction, new labels) its rollup goes with it. Bytes and packets are spread over the bins
of a flow in fixed point, so that sums over rollups and sums over flows are the same to the last unit.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from numpy.typing import NDArray
from sqlglot import exp

from tidegauge.lake.manifest import Manifest, Segment, sync_folder
from tidegauge.lake.pieces import spread
from tidegauge.model import FLOW_SCHEMA, LakeError

WIDTHS_S = (60, 300, 3600)
KEYS = ("direction", "exporter", "proto", "src_country", "dst_country", "src_as", "dst_as", "src_class", "dst_class")
AMOUNTS = ("bytes", "packets")
MOST_BINS = 2000
"""A segment with a flow over more bins has no rollup of that width: its flows are read."""
MOST_ROWS = 0.5
"""A rollup with more rows than this share of its flows is not kept, since reading it would be no faster."""
SCHEMA = pa.schema(
    [("bin", pa.int64()), *((name, FLOW_SCHEMA.field(name).type) for name in KEYS), ("flows", pa.int64())]
    + [(f"{name}{part}", pa.int64()) for name in AMOUNTS for part in ("", "_fraction")]
)
"""`bin`: start in epoch seconds over the width. `flows`: those that start in it. `bytes` and `bytes_fraction`: whole
numbers and fractions (`FRACTION`) of what is spread over it."""


@dataclass
class Rolled:
    """What a run did: segments looked at, rollups written, and those not kept since they save nothing."""

    segments: int = 0
    written: int = 0
    left: int = 0


def rolled(table: pa.Table, width_s: int) -> pa.Table | None:
    """The rollup of a table of flows (`SCHEMA`), by its keys and bins; None where it would save nothing."""
    starts, ends = (np.asarray(table[n].cast(pa.int64()).to_numpy()) for n in ("time_start", "time_end"))
    if not len(starts):
        return None
    width_us = width_s * 1_000_000
    parts = [spread(starts, ends, table[n].to_numpy().astype(np.float64), width_us) for n in AMOUNTS]
    first, last = parts[0].first, parts[0].last
    spans = last - first + 1
    if int(spans.max()) > MOST_BINS or int(spans.sum()) > MOST_BINS * 1000 + 8 * len(spans):
        return None
    owner = np.repeat(np.arange(len(starts)), spans)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(spans) - spans, spans)
    at_first, at_last = place == 0, place == spans[owner] - 1
    columns: dict[str, NDArray[np.int64]] = {"bin": first[owner] + place, "flows": at_first.astype(np.int64)}
    for name, part in zip(AMOUNTS, parts, strict=True):
        for suffix, which in (("", 0), ("_fraction", 1)):
            between = np.where(at_last, part.tail[which][owner], part.middle[which][owner])
            columns[name + suffix] = np.where(at_first, part.head[which][owner], between)
    group, begins, keys = _groups(table, owner, columns["bin"])
    if len(begins) > MOST_ROWS * len(starts):
        return None
    sums = {n: np.add.reduceat(v[group], begins) for n, v in columns.items() if n != "bin"}
    out = {"bin": columns["bin"][group][begins], **keys, **sums}
    return pa.table([pa.array(out[f.name]) if isinstance(out[f.name], np.ndarray) else out[f.name] for f in SCHEMA],
                    schema=SCHEMA)  # fmt: skip


def _groups(
    table: pa.Table, owner: NDArray[np.int64], bins: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, pa.Array]]:
    """Pieces in order of their keys and bins, where each group begins, and the keys of each group."""
    flows, coded = table.select(KEYS).unify_dictionaries().combine_chunks(), []
    for name in KEYS:
        column = flows[name].chunk(0) if flows[name].num_chunks else flows[name].combine_chunks()
        codes = column.indices if pa.types.is_dictionary(column.type) else column
        coded.append(np.asarray(codes).astype(np.int64))
    # Keys of flows to one number each first: far fewer columns are then sorted by pieces.
    key = np.zeros(len(table), dtype=np.int64)
    for codes in coded:
        _, codes = np.unique(codes, return_inverse=True)
        key = key * (int(codes.max(initial=0)) + 1) + codes
        _, key = np.unique(key, return_inverse=True)
    pieces = np.lexsort((bins, key[owner]))
    own = key[owner][pieces]
    changes = np.flatnonzero(np.r_[True, (np.diff(own) != 0) | (np.diff(bins[pieces]) != 0)])
    rows = pa.array(owner[pieces][changes])
    taken = flows.take(rows).combine_chunks()
    return pieces, changes, {name: taken[name].chunk(0).cast(SCHEMA.field(name).type) for name in KEYS}


def roll(
    folder: Path, *, since_us: int | None = None, until_us: int | None = None, anew: bool = False,
    most: int | None = None, progress: Callable[[], None] = lambda: None,
) -> Rolled:  # fmt: skip
    """Write the rollups of segments that have none yet (of all, with `anew`), at most so many; readers see each when
    it is whole.

    Raises:
        LakeError: a segment is damaged, or nothing can be written here.
    """
    manifest, report = Manifest(folder), Rolled()
    known = set() if anew else manifest.rolled_segments()
    for segment in manifest.segments("flows", since_us, until_us):
        if segment.path in known:
            continue
        if most is not None and report.segments >= most:
            break
        report.segments += 1
        try:
            table = pq.read_table(
                folder / segment.path, partitioning=None, columns=["time_start", "time_end", *KEYS, *AMOUNTS]
            )  # fmt: skip
        except FileNotFoundError:
            continue  # replaced meanwhile
        except (OSError, pa.ArrowException) as error:
            raise LakeError(f"a segment is damaged: {str(error).splitlines()[0]}", where=segment.path) from None
        written = {}
        for width_s in WIDTHS_S:
            made = rolled(table, width_s)
            written[width_s] = None if made is None else _write(folder, segment, width_s, made)
        report.written += sum(path is not None for path in written.values())
        report.left += sum(path is None for path in written.values())
        manifest.note_rollups(segment.path, written)
        progress()
    return report


def _write(folder: Path, segment: Segment, width_s: int, table: pa.Table) -> str:
    path = f"rollup/{width_s}/{segment.path.removeprefix('flows/')}"
    final = folder / path
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        staged = final.with_suffix(f".{os.getpid()}.tmp")
        pq.write_table(table, staged, compression="zstd")
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(staged, final)
        sync_folder(final.parent)
    except OSError as error:
        raise LakeError(f"cannot write a rollup: {error.strerror or error}", where=str(final)) from None
    return path


def answerable(*expressions: str) -> bool:
    """Whether SQL over flows asks only for what rollups keep."""
    for text in expressions:
        tree: Any = sqlglot.parse_one(text, read="duckdb")
        if any(column.name.lower() not in KEYS for column in tree.find_all(exp.Column)):
            return False
    return True

