"""Rollups: the sums of a segment's flows by bin, direction, far ends' labels, protocol and exporter, beside it.

A segment never changes, and neither does its rollup: flows that come late bring segments and rollups of their own, and
where a segment is replaced (compaction, new labels) its rollup goes with it. Bytes and packets are spread over the bins
of a flow in fixed point, so that sums over rollups and sums over flows are the same to the last unit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidegauge.lake.binning import spread
from tidegauge.lake.manifest import Manifest, sync_folder
from tidegauge.model import FLOW_SCHEMA, LakeError

WIDTHS_S = (60, 300, 3600)
NARROW = ("direction", "exporter", "proto", "src_country", "dst_country", "src_class", "dst_class")
KEYS = {"origin": NARROW, "as": (*NARROW, "src_as", "dst_as")}
"""What rollups of each kind are kept by; those without ASes have far fewer rows, and are read where they do."""
AMOUNTS = ("bytes", "packets")
MOST_BINS = 2000
"""A segment with a flow over more bins has no rollup of that width: its flows are read."""
MOST_ROWS = 0.5
"""A rollup with more rows than this share of its flows is not kept, since reading it would be no faster."""
SCHEMAS = {
    kind: pa.schema(
        [("bin", pa.int64()), *((name, FLOW_SCHEMA.field(name).type) for name in keys), ("flows", pa.int64())]
        + [(f"{name}{part}", pa.int64()) for name in AMOUNTS for part in ("", "_fraction", "_begun")]
    )
    for kind, keys in KEYS.items()
}
"""`bin`: start in epoch seconds over the width. `flows`: those that start in it. `bytes` and `bytes_fraction`: whole
numbers and fractions (`FRACTION`) of what is spread over it; `bytes_begun`: all of the flows that start
in it. A change of this is a new `ROLLUP_FORM`."""


@dataclass
class Rolled:
    """What a run did: segments looked at, rollups written, and those not kept since they save nothing."""

    segments: int = 0
    written: int = 0
    left: int = 0


def rolled(table: pa.Table, width_s: int) -> dict[str, pa.Table | None]:
    """The rollups of a table of flows by kind (`SCHEMAS`), by keys and bins; None where one would save nothing."""
    nothing: dict[str, pa.Table | None] = dict.fromkeys(KEYS)
    starts, ends = (np.asarray(table[n].cast(pa.int64()).to_numpy()) for n in ("time_start", "time_end"))
    if not len(starts):
        return nothing
    width_us = width_s * 1_000_000
    parts = [spread(starts, ends, table[n].to_numpy().astype(np.float64), width_us) for n in AMOUNTS]
    first, last = parts[0].first, parts[0].last
    spans = last - first + 1
    if int(spans.max()) > MOST_BINS or int(spans.sum()) > MOST_BINS * 1000 + 8 * len(spans):
        return nothing
    owner = np.repeat(np.arange(len(starts)), spans)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(spans) - spans, spans)
    at_first, at_last = place == 0, place == spans[owner] - 1
    columns: dict[str, NDArray[np.int64]] = {"bin": first[owner] + place, "flows": at_first.astype(np.int64)}
    for name, part in zip(AMOUNTS, parts, strict=True):
        columns[name + "_begun"] = np.where(at_first, table[name].to_numpy().astype(np.int64)[owner], 0)
        for suffix, which in (("", 0), ("_fraction", 1)):
            between = np.where(at_last, part.tail[which][owner], part.middle[which][owner])
            columns[name + suffix] = np.where(at_first, part.head[which][owner], between)
    made = dict(nothing)
    for kind, schema in SCHEMAS.items():
        group, begins, keys = _groups(table, KEYS[kind], owner, columns["bin"])
        if len(begins) > MOST_ROWS * len(starts):
            break  # with more keys there are no fewer rows
        sums = {n: np.add.reduceat(v[group], begins) for n, v in columns.items() if n != "bin"}
        out = {"bin": columns["bin"][group][begins], **keys, **sums}
        arrays = [pa.array(out[f.name]) if isinstance(out[f.name], np.ndarray) else out[f.name] for f in schema]
        made[kind] = pa.table(arrays, schema=schema)
    return made


def _groups(
    table: pa.Table, names: tuple[str, ...], owner: NDArray[np.int64], bins: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, pa.Array]]:
    """Pieces in order of their keys and bins, where each group begins, and the keys of each group."""
    flows, coded = table.select(names).unify_dictionaries().combine_chunks(), []
    for name in names:
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
    taken = flows.take(pa.array(owner[pieces][changes])).combine_chunks()
    return pieces, changes, {name: taken[name].chunk(0).cast(FLOW_SCHEMA.field(name).type) for name in names}


def roll(
    folder: Path, *, since_us: int | None = None, until_us: int | None = None, anew: bool = False,
    most: int | None = None, progress: Callable[[], None] = lambda: None,
) -> Rolled:
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
                folder / segment.path, partitioning=None, columns=["time_start", "time_end", *KEYS["as"], *AMOUNTS]
            )
        except FileNotFoundError:
            continue  # replaced meanwhile
        except (OSError, pa.ArrowException) as error:
            raise LakeError(f"a segment is damaged: {str(error).splitlines()[0]}", where=segment.path) from None
        written: dict[tuple[str, int], str | None] = {}
        for width_s in WIDTHS_S:
            for kind, made in rolled(table, width_s).items():
                place = f"rollup/{width_s}/{kind}/{segment.path.removeprefix('flows/')}"
                written[kind, width_s] = None if made is None else _write(folder, place, made)
        report.written += sum(path is not None for path in written.values())
        report.left += sum(path is None for path in written.values())
        manifest.note_rollups(segment.path, written)
        progress()
    return report


def _write(folder: Path, path: str, table: pa.Table) -> str:
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


PLAIN = re.compile(r'(?:sum\()?"?(\w+)"?\)?')
"""A column, or its sum: read without the parser."""


@lru_cache(maxsize=512)
def _columns_of(text: str) -> frozenset[str]:
    """The columns in an SQL expression; one of very many addresses takes long to read, and is asked about often."""
    if plain := PLAIN.fullmatch(text):
        return frozenset({plain[1].lower()})
    import sqlglot  # by who asks with conditions alone

    tree: Any = sqlglot.parse_one(text, read="duckdb")
    return frozenset(column.name.lower() for column in tree.find_all(sqlglot.exp.Column))


def answerable(*expressions: str, besides: tuple[str, ...] = ()) -> str | None:
    """The kind of rollups that keep all that SQL over flows asks for, but for the columns `besides`; None: none do."""
    asked: set[str] = set()
    for text in expressions:
        asked |= _columns_of(text)
    return next((kind for kind, keys in KEYS.items() if asked <= {*keys, *besides}), None)
