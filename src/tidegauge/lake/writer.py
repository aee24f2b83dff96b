"""Labelled flows and ledger rows to segments: by hour, sorted by time, staged, synced, then renamed into the lake."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidegauge.atlas import Edition
from tidegauge.lake.manifest import MARK, Manifest, Segment, Source
from tidegauge.lake.ours import Ours
from tidegauge.model import LakeError, fold_ledger

Stamp = Callable[[int, int], tuple[str, tuple[Edition, ...]]]
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
HELD_ROWS = 500_000
"""Flows held in memory before the fullest hours are written (about 130 bytes each)."""
WRITERS = 2
"""Threads that write segments; one more waits for them, so that none is ever idle."""
SEGMENT_ROWS = 1 << 20
ROW_GROUP = 1 << 19
SPLIT_ROWS = 1 << 17
"""An hour with more flows than this at once gets a segment for each direction: a question about one reads no other,
and columns that differ by direction (interfaces, home's AS and country, ports) pack a tenth smaller."""
ENCODINGS = {
    "time_start": "DELTA_BINARY_PACKED",
    "time_end": "BYTE_STREAM_SPLIT",
    "bytes": "BYTE_STREAM_SPLIT",
    "packets": "BYTE_STREAM_SPLIT",
    "src_port": "BYTE_STREAM_SPLIT",
    "dst_port": "BYTE_STREAM_SPLIT",
}
"""Columns with too many distinct values for a dictionary; all others have one. Together 10 % smaller than defaults."""
PACKED_HARDER = {"time_start": 9, "packets": 9}
"""Columns for which a higher level of zstd is worth its time (2 % of the file for a tenth of the time)."""


def write_options(schema: pa.Schema) -> dict[str, Any]:
    """Parquet settings for a table of flows."""
    names = schema.names
    return {
        "compression": "zstd",
        "compression_level": {n: PACKED_HARDER.get(n, 3) for n in names},
        "use_dictionary": [n for n in names if n not in ENCODINGS],
        "column_encoding": {n: e for n, e in ENCODINGS.items() if n in names},
        "row_group_size": ROW_GROUP,
        "data_page_size": 1 << 20,
        "write_statistics": True,
    }


class LakeWriter:
    """Takes tables in any order; `commit` makes everything since the last one part of the lake at once.

    Segments carry the names of the editions and of the settings behind their labels: `stamp` and `ours` give them, or
    they are those of what they were made from (`kept`).
    """

    def __init__(
        self, staging: Path, manifest: Manifest, stamp: Stamp | None = None, ours: Ours | None = None, *,
        kept: Segment | None = None,
    ) -> None:
        self._staging, self.manifest, self._stamp, self._ours = staging, manifest, stamp, ours
        self._kept = (kept.atlas, kept.site) if kept else ("", "")
        self._labelled: dict[str, list[dict[str, str]]] = {}
        self._held: dict[int, list[pa.Table]] = {}
        self._held_rows: dict[int, int] = {}
        self._ledgers: list[pa.Table] = []
        self._names: list[pa.Table] = []
        self._sources: list[Source] = []
        self._removed: list[Source] = []
        self._rests_on: list[Source] = []
        self._chained: list[tuple[int | None, str]] = []
        self._replaced: list[str] = []
        self._more: list[Segment] = []
        self._jobs: list[Future[list[Segment]]] = []
        self._running: list[Future[list[Segment]]] = []
        self._pool = ThreadPoolExecutor(max_workers=WRITERS, thread_name_prefix="segment")
        self.uncommitted_rows = 0

    def add_flows(self, table: pa.Table, mark: int | None = None) -> None:
        """Take labelled flows (`FLOW_SCHEMA`) of a file, which are marked already where they come from a segment."""
        if not table.num_rows:
            return
        table = _marked(table, mark)
        hours = np.asarray(table["time_start"].cast(pa.int64()).to_numpy()) // HOUR_US
        if hours[0] == hours[-1] and (hours == hours[0]).all():
            self._hold(int(hours[0]), table)
        else:
            order = np.argsort(hours, kind="stable")
            if (np.diff(order) != 1).any():
                table, hours = table.take(pa.array(order)), hours[order]
            edges = np.flatnonzero(np.r_[True, np.diff(hours) != 0, True])
            for start, end in pairwise(edges):
                self._hold(int(hours[start]), table.slice(start, end - start))
        self.uncommitted_rows += table.num_rows
        if sum(self._held_rows.values()) > HELD_ROWS:
            # The fullest hours go first; those that only began stay and get fuller.
            for hour in sorted(self._held, key=self._held_rows.__getitem__, reverse=True):
                self._write_hour(hour)
                if sum(self._held_rows.values()) <= HELD_ROWS // 2:
                    break

    def add_ledger(self, table: pa.Table, mark: int | None = None) -> None:
        """Take ledger rows (`LEDGER_SCHEMA`) of a file."""
        if table.num_rows:
            self._ledgers.append(_marked(table, mark))

    def add_names(self, table: pa.Table, mark: int | None = None) -> None:
        """Take names that were seen (`NAMES_SCHEMA`) in a file."""
        if table.num_rows:
            self._names.append(_marked(table, mark))

    def add_source(self, source: Source) -> None:
        """Note that everything of a file has been added."""
        self._sources.append(source)

    def chain_source(self, digest: str, chain: int | None) -> None:
        """Note that a file that is here already cannot be told from another any more."""
        self._chained.append((chain, digest))

    def rest_on(self, source: Source) -> None:
        """Note that the next commit is only right as long as a file that is here stays."""
        if source.hash not in {own.hash for own in self._sources}:
            self._rests_on.append(source)

    def take_back(self, source: Source) -> bool:
        """Drop a file that has not been committed, with its ledger rows and names; False where it has been."""
        if source not in self._sources:
            return False
        self._sources.remove(source)
        other = pc.is_in(pc.field(MARK), pa.array([source.mark], pa.int64()))
        self._ledgers = [table.filter(~other) for table in self._ledgers]
        self._names = [table.filter(~other) for table in self._names]
        return True

    def remove_source(self, source: Source) -> None:
        """Note that nothing of a file stays: what was replaced is without it."""
        self._removed.append(source)

    def replace(self, paths: list[str]) -> None:
        """Note that what has been added stands for the rows of these segments."""
        self._replaced += paths

    def commit(self, state: dict[str, Any] | None = None) -> None:
        """Write what is held and make it all visible. After an error here nothing of it is.

        Args:
            state: values to keep in the manifest by name, all or nothing with the flows.
        """
        segments = [*self.finish(), *self._more]
        if segments or self._sources or self._removed or self._replaced or state:
            self.manifest.commit(
                self._staging, segments, self._sources, removed=self._removed, rests_on=self._rests_on,
                chained=self._chained, state=state, replaced=self._replaced, labelled=self._labelled,
                ours=self._ours.to_state() if self._ours else None,
            )
        self._sources, self._removed, self._chained, self._replaced, self._more = [], [], [], [], []
        self._rests_on, self._labelled = [], {}
        self.uncommitted_rows = 0

    def stand_in(self, segment: Segment, rest: pa.Table | None) -> None:
        """Put some rows of a segment in its place with the next commit; none of them where None."""
        self._replaced.append(segment.path)
        if rest is None:
            return
        writer = LakeWriter(self._staging, self.manifest, kept=segment)
        try:
            {"flows": writer.add_flows, "coverage": writer.add_ledger, "names": writer.add_names}[segment.kind](rest)
            self._more += writer.finish()
        finally:
            writer.close()

    def finish(self) -> list[Segment]:
        """Write what is held, and commit nothing."""
        for hour in list(self._held):
            self._write_hour(hour)
        segments = [segment for job in self._jobs for segment in job.result()]
        self._jobs = []
        if any(table.num_rows for table in self._ledgers):
            segments += self._write_ledger()
        if any(table.num_rows for table in self._names):
            segments += self._write_names()
        return [self._stamped(s) for s in segments]

    def _stamped(self, segment: Segment) -> Segment:
        """A segment with the names of the editions and the settings that its labels rest on."""
        segment = replace(segment, site=self._ours.name if self._ours else self._kept[1])
        if segment.kind != "flows":
            return segment
        if self._stamp is None:
            return replace(segment, atlas=self._kept[0])
        name, editions = self._stamp(segment.first_us // 1_000_000, segment.last_us // 1_000_000)
        self._labelled[name] = [{"source": e.source, "edition": e.edition} for e in editions]
        return replace(segment, atlas=name)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _hold(self, hour: int, table: pa.Table) -> None:
        self._held.setdefault(hour, []).append(table)
        self._held_rows[hour] = self._held_rows.get(hour, 0) + table.num_rows

    def _write_hour(self, hour: int) -> None:
        tables = self._held.pop(hour)
        del self._held_rows[hour]
        self._running = [job for job in self._running if not job.done()]
        while len(self._running) > WRITERS:
            self._running = list(wait(self._running, return_when=FIRST_COMPLETED).not_done)
        self._running.append(self._pool.submit(self._write_segments, hour, tables))
        self._jobs.append(self._running[-1])

    def _write_segments(self, hour: int, tables: list[pa.Table]) -> list[Segment]:
        table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
        starts = np.asarray(table["time_start"].cast(pa.int64()).to_numpy())
        parts = np.zeros(len(starts), dtype=np.int32)
        if len(starts) > SPLIT_ROWS:
            parts = np.asarray(table["direction"].chunk(0).indices)
        if (np.diff(starts) < 0).any() or parts.any():
            order = np.lexsort((starts, parts))
            table, starts, parts = table.take(pa.array(order)), starts[order], parts[order]
        ends = np.asarray(table["time_end"].cast(pa.int64()).to_numpy())
        moment = datetime.fromtimestamp(hour * 3600, UTC)
        place = f"flows/day={moment:%Y-%m-%d}/hour={moment:%H}"
        segments = []
        edges = np.flatnonzero(np.r_[True, np.diff(parts) != 0, True]).tolist()
        for begin, end in pairwise(edges):
            for first in range(begin, end, SEGMENT_ROWS):
                part = slice(first, min(first + SEGMENT_ROWS, end))
                segments.append(
                    self._write(
                        table.slice(first, part.stop - first), "flows", f"{place}/{uuid.uuid4().hex}.parquet",
                        (int(starts[part][0]), int(starts[part][-1]), int(ends[part].max())),
                        **write_options(table.schema),
                    )
                )
        return segments

    def _write_ledger(self) -> list[Segment]:
        table = fold_ledger(pa.concat_tables(self._ledgers), by=MARK).sort_by("minute")
        self._ledgers = []
        minutes = np.asarray(table["minute"].cast(pa.int64()).to_numpy())
        times = (int(minutes[0]) * 1_000_000, int(minutes[-1]) * 1_000_000, int(minutes[-1] + 60) * 1_000_000)
        path = f"coverage/{uuid.uuid4().hex}.parquet"
        return [self._write(table, "coverage", path, times, compression="zstd")]

    def _write_names(self) -> list[Segment]:
        """A segment a day."""
        table = pa.concat_tables(self._names).sort_by("time")
        self._names = []
        times = np.asarray(table["time"].cast(pa.int64()).to_numpy())
        segments = []
        for begin, end in pairwise(np.flatnonzero(np.diff(times // DAY_US, prepend=-1, append=-1)).tolist()):
            day = datetime.fromtimestamp(int(times[begin]) // 1_000_000, UTC)
            path = f"names/day={day:%Y-%m-%d}/{uuid.uuid4().hex}.parquet"
            span = (int(times[begin]), int(times[end - 1]), int(times[end - 1]))
            segments.append(self._write(table.slice(begin, end - begin), "names", path, span, compression="zstd"))
        return segments

    def _write(self, table: pa.Table, kind: str, path: str, times: tuple[int, int, int], **options: Any) -> Segment:
        staged = self._staging / path
        try:
            staged.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, staged, **options)
            with staged.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
                os.fsync(file.fileno())
        except OSError as error:
            raise LakeError(f"cannot write a segment: {error.strerror or error}", where=str(staged)) from None
        return Segment(path, kind, table.num_rows, staged.stat().st_size, digest, *times)


def _marked(table: pa.Table, mark: int | None) -> pa.Table:
    """The rows with the file that they came from."""
    if MARK in table.schema.names:
        return table
    return table.append_column(MARK, pa.repeat(pa.scalar(mark, pa.int64()), len(table)))


@contextmanager
def open_writer(folder: Path, stamp: Stamp | None = None, ours: Ours | None = None) -> Iterator[LakeWriter]:
    """A writer with a staging folder of its own; what is not committed when it is closed is dropped.

    Args:
        stamp: names the editions that labels between two times (seconds) rest on (`Atlas.stamp`).
        ours: the settings that they rest on.
    """
    manifest = Manifest(folder)
    with manifest.writing() as staging:
        writer = LakeWriter(staging, manifest, stamp, ours)
        try:
            yield writer
        finally:
            writer.close()
