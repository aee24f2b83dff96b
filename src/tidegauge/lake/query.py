"""Reading the lake through DuckDB: flows, top talkers, bin sums and the coverage ledger."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidegauge.lake.columns import COLUMNS, VIRTUAL, column_sql, meant_columns
from tidegauge.lake.extent import Extent, find_extent, live_now
from tidegauge.lake.manifest import Manifest
from tidegauge.lake.rollup import WIDTHS_S, answerable
from tidegauge.lake.statements import asked, text_of, view
from tidegauge.lake.totals import begun, files
from tidegauge.model import (
    CONTRADICTORY,
    FLOW_SCHEMA,
    LEDGER_SCHEMA,
    NAMES_SCHEMA,
    LakeError,
    UsageError,
    complete_ledger,
    fold_ledger,
)

MINUTE_US, HOUR_US, LONGEST_US = 60_000_000, 3_600_000_000, 3_600_000_000
Parts = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Whole numbers and fractions (`FRACTION`) of what lies in each bin."""
FLOW_COLUMNS = ", ".join(f'"{name}"' for name in FLOW_SCHEMA.names)
PAGE_SPAN_US = 600_000_000
"""A page of flows is looked for in so much time first, and in twice as much each time."""
QUARANTINE_FOLDER = "quarantine"
"""Where a collector keeps apart what cannot be true."""


@dataclass(frozen=True)
class FlowFilter:
    """Which flows: a time (start within `[since_us, until_us)`; None: open) and checked SQL conditions."""

    since_us: int | None = None
    until_us: int | None = None
    conditions: tuple[str, ...] = ()

    def sql(self) -> str:
        parts = [f"({c})" for c in self.conditions]
        if self.since_us is not None:
            parts.append(f"time_start >= make_timestamptz({self.since_us})")
        if self.until_us is not None:
            parts.append(f"time_start < make_timestamptz({self.until_us})")
        return " AND ".join(parts) or "true"


@dataclass(frozen=True)
class BinSums:
    """Sums over bins, by key as text (the empty one where none was asked for).

    Attributes:
        sums: of the flows that lie within one bin; shape (bins,), float64.
        parts: whole numbers and fractions of what rollups hold, each of shape (bins,).
        long_flows: of the other flows, to be spread, batches of (keys or None, starts, ends, values), in microseconds.
    """

    sums: dict[str, NDArray[np.float64]]
    parts: dict[str, Parts]
    long_flows: Iterator[tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any], NDArray[Any]]]


class Lake:
    """The flows and the ledger of a site, read only.

    Attributes:
        reads: how many files were read, by what they are: where answers come from.
        manifest: what the lake holds: as it is whenever it is asked, or at one moment (`Snapshot`).
    """

    def __init__(self, folder: Path, *, memory_mb: int = 384, manifest: Manifest | None = None) -> None:
        self.folder = folder
        self.manifest = manifest or Manifest(folder)
        self._memory_mb = memory_mb
        self.reads: Counter[str] = Counter()
        self._opening = threading.Lock()

    @contextmanager
    def engine(self, since_us: int | None, until_us: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
        """DuckDB with a view `flows` over the segments that can hold the time; for the stages of the lake alone."""
        segments = self.manifest.segments("flows", since_us, until_us)
        self.reads["segments of flows"] += len(segments)
        with self.over([s.path for s in segments], FLOW_COLUMNS) as connection:
            yield connection

    @contextmanager
    def sampled(self, since_us: int, until_us: int, rows: int) -> Iterator[duckdb.DuckDBPyConnection]:
        """DuckDB with a view `flows` over some of the segments that can hold a time, spread evenly over it: so many
        that they have about so many rows; for the stages of the lake alone."""
        segments = self.manifest.segments("flows", since_us, until_us)
        most = max(1, rows * len(segments) // max(sum(s.rows for s in segments), 1))
        step = max(-(-len(segments) // most), 1)
        with self.over([s.path for s in segments[::step]], FLOW_COLUMNS) as connection:
            yield connection

    @cached_property
    def _database(self) -> duckdb.DuckDBPyConnection:
        """One database for all queries, since opening one takes longer than most of them. What it has read of the
        files' metadata it keeps, as far as its memory goes."""
        spill = str(self.folder / "spill")
        database = duckdb.connect(":memory:", config={"memory_limit": f"{self._memory_mb}MiB", "temp_directory": spill})
        for setting in ("TimeZone = 'UTC'", "preserve_insertion_order = false", "parquet_metadata_cache = true"):
            database.execute(f"SET GLOBAL {setting}")
        return database

    @contextmanager
    def over(
        self, paths: list[str], columns: str = "*", *, by_name: bool = False
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """DuckDB with a view `flows` over files, relative to the folder; for the stages of the lake alone. Segments
        need their columns named, since some have a further one (`MARK`), which is null in the others with `by_name`."""
        with self._opening:
            connection = self._database.cursor()
        try:
            connection.register("no_flows", FLOW_SCHEMA.empty_table())
            connection.execute(f"CREATE TEMP VIEW flows AS SELECT {columns} FROM {files(self.folder, paths, by_name)}")
            yield connection
        except duckdb.Error as error:
            raise LakeError(f"the query failed: {str(error).splitlines()[0]}", where=str(self.folder)) from None
        finally:
            connection.close()

    def extent(self, now_s: float | None = None) -> Extent | None:
        """Where the data lie and what "now" is, by the flows and the ledger; None where there are none."""
        now_s = time.time() if now_s is None else now_s
        segments = self.manifest.segments("flows")
        minutes, doubted = self._ledger_minutes()
        told = np.array([(s.first_us, s.last_us, s.end_us, s.rows) for s in segments], dtype=np.int64).reshape(-1, 4)
        if doubted.any() and not doubted.all():
            # What only a sender that contradicts itself says does not decide when the data begin.
            minutes = minutes[~doubted]
            told = told[told[:, 1] >= int(minutes.min()) - LONGEST_US]
        signs = np.stack([minutes, minutes, minutes + MINUTE_US, np.ones_like(minutes)], axis=1)
        starts, lasts, ends, rows = np.concatenate([told, signs]).T
        flows = np.arange(len(starts)) < len(told)
        return find_extent(starts, lasts, ends, rows, flows, live=live_now(self.folder, now_s), now_s=now_s)

    def _ledger_minutes(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The minutes (microseconds) of the ledger's rows, and which are of senders that contradict themselves;
        without those whose flows were deleted."""
        table = self.ledger()
        minutes = np.asarray(table["minute"].cast(pa.int64()).to_numpy())
        doubted = np.asarray(pc.fill_null(table["standing"], 0).to_numpy()) == CONTRADICTORY
        kept = np.ones(len(minutes), dtype=bool)
        for since_s, until_s in self.deleted_s():
            kept &= (minutes < since_s) | (minutes >= until_s)
        return minutes[kept] * 1_000_000, doubted[kept]

    def flows(self, chosen: FlowFilter, *, limit: int | None = None) -> Iterator[pa.RecordBatch]:
        """Flows by start time, in batches of `FLOW_SCHEMA`'s columns."""
        with self.engine(chosen.since_us, chosen.until_us) as engine:
            view(engine, "chosen", "flows", chosen.sql())
            yield from engine.sql(text_of("in_order"), params={"most": limit}).to_arrow_reader(100_000)

    def page(self, chosen: FlowFilter, *, limit: int, after: tuple[int, int, bytes, bytes, int] | None) -> pa.Table:
        """So many flows in the order of `flows`, behind a place in it.

        Args:
            after: start and end (us), source and destination of the last flow before, and how many of exactly these
                were before.
        """
        extent_us = [(s.first_us, s.last_us) for s in self.manifest.segments("flows", chosen.since_us, chosen.until_us)]
        begin = max([min((a for a, _ in extent_us), default=0), chosen.since_us or 0, after[0] if after else 0])
        end = min([max((b for _, b in extent_us), default=-1) + 1, *([chosen.until_us] if chosen.until_us else [])])
        span, found = PAGE_SPAN_US, FLOW_SCHEMA.empty_table()
        start_us, end_us, src, dst, skip = after or (0, 0, b"", b"", 0)
        place = {"behind": after is not None, "start_us": start_us, "end_us": end_us, "src": src, "dst": dst}
        while begin < end and found.num_rows < limit:
            part = FlowFilter(begin, min(begin + span, end), chosen.conditions)
            with self.engine(part.since_us, part.until_us) as engine:
                view(engine, "chosen", "flows", part.sql())
                more = asked(engine, text_of("page"), **place, most=limit - found.num_rows, skip=skip)
            # The flows to be skipped all begin at the place itself, so they lie in the first part.
            found, skip = pa.concat_tables([found, more.cast(FLOW_SCHEMA)]), 0
            begin, span = begin + span, span * 2
        return found

    def quarantined(self, chosen: FlowFilter, *, limit: int | None = None) -> Iterator[pa.RecordBatch]:
        """Flows that a collector kept apart, in batches of `FLOW_SCHEMA`'s columns and `reason`."""
        kept = sorted((self.folder / QUARANTINE_FOLDER).glob("*.parquet"))
        paths = [str(path.relative_to(self.folder)) for path in kept]
        if not paths:
            return
        with self.over(paths) as engine:
            view(engine, "chosen", "flows", chosen.sql())
            yield from engine.sql(text_of("in_order"), params={"most": limit}).to_arrow_reader(100_000)

    def top(self, by: list[str], chosen: FlowFilter, *, metric: str, limit: int) -> tuple[pa.Table, int]:
        """Groups with the largest sums of a metric, and the sum over all groups."""
        for name in by:
            if name not in COLUMNS:
                raise UsageError(f"no such flow column: {name!r}", hint=meant_columns(name))
        keys = {f"k{i}": column_sql(name) for i, name in enumerate(by)}
        source = self._begun(chosen, *keys.values(), _begun_amount(metric))
        with self.over([]) as engine:
            where = FlowFilter(conditions=chosen.conditions).sql()
            view(engine, "chosen", f"({source})", where, **keys, amount=_begun_amount(metric))
            table = engine.sql(text_of("top_hosts" if metric == "hosts" else "top"), params={"most": limit})
            table = table.to_arrow_table()
            total = int(table["total"][0].as_py()) if table.num_rows else 0
        if metric == "hosts":  # a host of two groups counts once in all
            total = int(self.total(f"count(DISTINCT {VIRTUAL['far']})", chosen))
        return table.drop_columns(["total"]).rename_columns([*by, metric]), total

    def _begun(self, chosen: FlowFilter, *expressions: str) -> str:
        """SQL of a table of what begins in a filter's time, from rollups where they hold all that is asked for."""
        kind = answerable(*chosen.conditions, *expressions, besides=("flows", "bytes", "packets"))
        return begun(self.folder, self.manifest, chosen.since_us, chosen.until_us, kind=kind, reads=self.reads)

    def total(self, expression: str, chosen: FlowFilter) -> Any:
        """One aggregate over the chosen flows, by flow columns and `flows`, how many a row stands for: sums of
        `flows`, `bytes` and `packets`, and whatever does not count rows."""
        source, conditions = self._begun(chosen, expression), FlowFilter(conditions=chosen.conditions).sql()
        with self.over([]) as engine:
            row = engine.execute(f"SELECT {expression} FROM ({source}) WHERE {conditions}").fetchone()
        return row[0] if row else None

    def bin_sums(
        self, chosen: FlowFilter, *, metric: str, width_s: int, first_bin: int, bins: int, by: str | None = None
    ) -> BinSums:
        """Sums of flows over bins, for every value of a column where one is named.

        A flow without duration lies in the bin of its start. `flows` and `hosts` count in that bin alone.
        """
        width_us = width_s * 1_000_000
        since_us, until_us = first_bin * width_us, (first_bin + bins) * width_us
        key, whole = f"({column_sql(by)})::VARCHAR" if by else "''", metric in ("flows", "hosts")
        needed = (*chosen.conditions, *([column_sql(by)] if by else []))
        raw, rollups = self._sources(needed if metric != "hosts" else None, width_s, since_us, until_us)
        where = FlowFilter(None, until_us, chosen.conditions).sql()
        amount = {"flows": "1", "hosts": VIRTUAL["far"]}.get(metric, f'"{metric}"')
        sums: dict[str, NDArray[np.float64]] = {}
        if raw:
            with self.over(raw) as engine:
                view(engine, "chosen", "flows", where, key=key, amount=amount, time_start="time_start",
                     time_end="time_end")
                given = {"width_us": width_us, "since_us": since_us}
                named, given = ("bin_hosts", given) if metric == "hosts" else ("bin_sums", given | {"whole": whole})
                found = asked(engine, text_of(named), **given)
            for name, at, (amounts,) in _by_name(found, first_bin, "amount"):
                sums[name] = np.zeros(bins)
                sums[name][at] = amounts
        parts: dict[str, Parts] = {}
        if rollups:
            with self.over(rollups) as engine:
                columns = {"amount": metric, "fraction": "0" if whole else f"{metric}_fraction", "bin": "bin"}
                view(engine, "chosen", "flows", FlowFilter(conditions=chosen.conditions).sql(), key=key, **columns)
                found = asked(engine, text_of("bin_rollups"), first=first_bin, last=first_bin + bins - 1)
            for name, at, both in _by_name(found, first_bin, "whole", "fraction"):
                parts[name] = np.zeros(bins, dtype=np.int64), np.zeros(bins, dtype=np.int64)
                for part, amounts in zip(parts[name], both, strict=True):
                    part[at] = amounts
        spread = self._long_flows([] if whole else raw, where, key, amount, width_us, since_us, named=by is not None)
        return BinSums(sums, parts, spread)

    def directions_by_hour(self, first_hour: int, hours: int) -> dict[str, NDArray[np.float64]]:
        """Bytes of the flows that begin in each hour, by direction; shape (hours,) each."""
        since_us, until_us = first_hour * HOUR_US, (first_hour + hours) * HOUR_US
        raw, rollups = self._sources(("direction",), 3600, since_us, until_us)
        found: dict[str, NDArray[np.float64]] = {}
        begun = f"epoch_us(time_start) // {HOUR_US}"
        for paths, hour, amount in ((raw, begun, "bytes"), (rollups, "bin", "bytes_begun")):
            if not paths:
                continue
            with self.over(paths) as engine:
                view(engine, "chosen", "flows", direction="direction", hour=hour, amount=amount)
                rows = asked(engine, text_of("directions"), first=first_hour, last=first_hour + hours - 1).to_pylist()
            for row in rows:
                found.setdefault(row["way"], np.zeros(hours))[row["hour"] - first_hour] += row["bytes"]
        return found

    def _sources(
        self, asked_for: tuple[str, ...] | None, width_s: int, since_us: int, until_us: int
    ) -> tuple[list[str], list[str]]:
        """Files of the segments whose flows must be read, and of the rollups that stand for the others.

        Args:
            asked_for: SQL of all that is asked for; None: no rollup holds it.
        """
        segments = self.manifest.segments("flows", since_us, until_us)
        kind = None if asked_for is None or width_s not in WIDTHS_S else answerable(*asked_for)
        rollups = self.manifest.rollups(kind, width_s) if kind else {}
        raw = [s.path for s in segments if s.path not in rollups]
        whole = [rollups[s.path] for s in segments if s.path in rollups]
        self.reads[f"rollups of {width_s} s"] += len(whole)
        self.reads["segments of flows"] += len(raw)
        return raw, whole

    def _long_flows(
        self, raw: list[str], where: str, key: str, amount: str, width_us: int, since_us: int, *, named: bool
    ) -> Iterator[tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """The flows that reach over bins: their keys where they are `named`, starts and ends (us), amounts."""
        if not raw:
            return
        with self.over(raw) as engine:
            view(engine, "chosen", "flows", where, key=key, amount=amount, time_start="time_start", time_end="time_end")
            given = {"width_us": width_us, "since_us": since_us}
            for batch in engine.sql(text_of("long_flows"), params=given).to_arrow_reader(200_000):
                starts, ends, values = (batch[name].to_numpy(zero_copy_only=False) for name in ("s", "e", "v"))
                yield batch["key"].to_numpy(zero_copy_only=False) if named else None, starts, ends, values

    def compare(
        self, by: str, inside: FlowFilter, before: FlowFilter, *, metric: str, most: int = 200
    ) -> list[tuple[Any, float, float]]:
        """Groups by their sums within one choice of flows, largest first, and their sums within another."""
        key, amount = column_sql(by), _begun_amount(metric)
        with self.over([]) as engine:
            for name, filtered in (("now", inside), ("past", before)):
                source = f"({self._begun(filtered, key, amount)})"
                view(engine, name, source, FlowFilter(conditions=filtered.conditions).sql(), key=key, amount=amount)
            statement = text_of("compared_hosts" if metric == "hosts" else "compared")
            rows: list[tuple[Any, float, float]] = engine.execute(statement, {"most": most}).fetchall()
        return rows

    def ledger(self) -> pa.Table:
        """All coverage rows (`LEDGER_SCHEMA`), one per exporter, domain and minute, by minute."""
        return _ledger(self.folder, tuple(s.path for s in self.manifest.segments("coverage")))

    def exporters(self) -> set[str]:
        """The names of all exporters of which there are flows."""
        table, _ = self.top(["exporter"], FlowFilter(), metric="flows", limit=1_000_000)
        return set(table["exporter"].to_pylist())

    def deleted_s(self) -> list[tuple[int, int]]:
        """Whole minutes of which flows are there no more, since the site does not keep them so long; half-open."""
        return [(since // MINUTE_US * 60, -(-until // MINUTE_US) * 60) for since, until in self.manifest.deleted_us()]

    def names(self, since_us: int | None = None, until_us: int | None = None) -> pa.Table:
        """Names seen between two times (`NAMES_SCHEMA`), by time."""
        paths = [str(self.folder / s.path) for s in self.manifest.segments("names", since_us, until_us)]
        if not paths:
            return NAMES_SCHEMA.empty_table()
        table = pa.concat_tables([pq.read_table(path, schema=NAMES_SCHEMA, partitioning=None) for path in paths])
        times = table["time"].cast(pa.int64())
        inside = pc.and_(
            pc.greater_equal(times, since_us if since_us is not None else -(2**62)),
            pc.less(times, until_us if until_us is not None else 2**62),
        )
        return table.filter(inside).sort_by("time")

    def transfers(self, chosen: FlowFilter, least: int) -> NDArray[np.float64]:
        """Bytes that each host of ours sent to each far end on each day (UTC), of at least so many; sorted."""
        with self.engine(chosen.since_us, chosen.until_us) as engine:
            view(engine, "chosen", "flows", chosen.sql())
            found = engine.execute(text_of("transfers"), {"least": least}).fetchnumpy()
        return np.asarray(found["sent"], np.float64)

    def scalar(self, sql_amount: str, chosen: FlowFilter) -> Any:
        """One aggregate over the chosen flows."""
        with self.engine(chosen.since_us, chosen.until_us) as engine:
            row = engine.execute(f"SELECT {sql_amount} FROM flows WHERE {chosen.sql()}").fetchone()
        return row[0] if row else None


@lru_cache(maxsize=4)
def _ledger(folder: Path, paths: tuple[str, ...]) -> pa.Table:
    """The rows of coverage segments, which never change, folded."""
    tables = []
    for path in paths:
        try:
            tables.append(pq.read_table(folder / path, schema=LEDGER_SCHEMA, partitioning=None))
        except (pa.ArrowException, OSError) as error:
            raise LakeError(f"a coverage segment is damaged: {str(error).splitlines()[0]}", where=str(folder)) from None
    whole = fold_ledger(pa.concat_tables(tables)) if tables else LEDGER_SCHEMA.empty_table()
    return complete_ledger(whole).sort_by("minute")


def _begun_amount(metric: str) -> str:
    """What a metric sums (`hosts`: counts, each once) over a table of what begins."""
    return VIRTUAL["far"] if metric == "hosts" else metric


def _by_name(
    found: pa.Table, first_bin: int, *columns: str
) -> Iterator[tuple[str, NDArray[np.int64], tuple[NDArray[Any], ...]]]:
    """Name, places and amounts of each key in a table of sums by `key` and `bin`."""
    keys = found["key"].combine_chunks().dictionary_encode()
    codes = np.asarray(keys.indices)
    order = np.argsort(codes, kind="stable")
    at = np.asarray(found["bin"].to_numpy(), dtype=np.int64)[order] - first_bin
    amounts = [np.asarray(found[name].to_numpy())[order] for name in columns]
    edges = np.searchsorted(codes[order], np.arange(len(keys.dictionary) + 1))
    for name, begin, end in zip(keys.dictionary.to_pylist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        yield name, at[begin:end], tuple(column[begin:end] for column in amounts)
