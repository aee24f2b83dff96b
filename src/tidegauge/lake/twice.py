"""Are the same flows here twice: from two exporters on one way, from two monitors of one, or from two files?

Looked at in a sample that is bounded whatever the lake holds: some minutes spread over the time, and of their flows
those whose keys fall into one of so many classes by hash, so that both of a pair are in the sample or neither is.
Exporters that sample packets see different flows, so that this finds nothing there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow.parquet as pq

from tidegauge.lake.manifest import MARK, Segment, Source
from tidegauge.lake.query import FLOW_COLUMNS, Lake
from tidegauge.lake.statements import text_of, view

WINDOWS, WINDOW_US = 6, 60_000_000
SAMPLE_ROWS = 30_000
"""Stretches of time, of a minute at least, that are looked at; and about so many flows in them."""
LEAST_FLOWS, LEAST_SHARE, OF_FILES = 20, 0.2, 0.05
"""So many flows must be there twice, and this share of those looked at: of an exporter's, and of a file's."""
LEAST_OF_ALL = 3
"""Of a file with fewer flows, all of so many must be there twice."""
WHOLE = 0.95
"""A file of which so many flows are in another is in it as a whole."""
APART_US, NEAR_US = 120_000_000, 1_000_000
"""Clocks of two exporters, and what they take for the begin of a flow, differ by less than the first; two monitors of
one exporter see begin and end of a flow within the second."""
ALIKE = 0.2
"""Bytes of two unsampled sightings of a flow differ by at most this share."""
MOST_ALIKE = 20
"""Flows of one key, exporter and file that are looked at: some senders use one port for ever."""


@dataclass(frozen=True)
class Twice:
    """Of the flows of one exporter that were looked at, how many came from another too (or twice from itself)."""

    one: str
    other: str
    matched: int
    looked_at: int

    def sentence(self) -> str:
        """What an answer must say of it."""
        share = f"{self.matched:,} of {self.looked_at:,} flows looked at"
        if self.one == self.other:
            return (
                f"The same flows came twice from the exporter {self.one} ({share}), as from a monitor at either side of"
                f' it: their bytes count twice. Set [exporters."{self.one}"] count = "ingress".'
            )
        return (
            f"The same flows came from two exporters, {self.one} and {self.other} ({share} of {self.one}): their bytes"
            " count twice. Let only one of them count: [exporters] external lists the interfaces of each that are a"
            " border, or take one out of the exporters."
        )


@dataclass(frozen=True)
class TwoFiles:
    """Of the flows of a file that were looked at, how many came from others too.

    Attributes:
        source: the file.
        other: the one that has most of them; None where they were received live, or by an earlier version.
        others: how many there are.
    """

    source: Source
    other: Source | None
    others: int
    matched: int
    looked_at: int

    def sentence(self) -> str:
        """What an answer must say of it."""
        whence = self.other.name if self.other else "what was received live, or by an earlier version"
        more = f" and {self.others - 1} more" if self.others > 1 else ""
        mend = f"Remove one of them: tidegauge lake remove {self.source.id}"
        if self.matched < WHOLE * self.looked_at:
            mend = f"Only a part of {self.source.name} is in the other: it is to be taken in without that part."
        return (
            f"The same flows came from two files, {self.source.name} and {whence}{more} ({self.matched:,} of"
            f" {self.looked_at:,} flows looked at): their bytes count twice. {mend}"
        )


def seen_twice(lake: Lake, since_s: int, until_s: int) -> list[Twice | TwoFiles]:
    """Which exporters, and which files, show the same flows in a time; each pair once."""
    found: dict[frozenset[str], Twice] = {}
    with _sample(lake, since_s, until_s) as engine:
        if engine is None:
            return []
        least = {"least_flows": LEAST_FLOWS, "least_share": LEAST_SHARE}
        by_exporters = {**least, "apart_us": APART_US, "alike": ALIKE}
        for one, other, matched, flows in engine.execute(text_of("twice_by_exporters"), by_exporters).fetchall():
            pair = frozenset((one, other))
            if pair not in found or matched / flows > found[pair].matched / found[pair].looked_at:
                found[pair] = Twice(one, other, matched, flows)
        by_one = {**least, "near_us": NEAR_US}
        for one, other, matched, flows in engine.execute(text_of("twice_by_one_exporter"), by_one).fetchall():
            found[frozenset((one, other))] = Twice(one, other, matched, flows)
        return [*found.values(), *_once(_files(lake, engine))]


def here_already(lake: Lake, marks: set[int], since_s: int, until_s: int) -> list[TwoFiles]:
    """Which of some files hold flows that others hold too."""
    with _sample(lake, since_s, until_s) as engine:
        return [] if engine is None else _once([f for f in _files(lake, engine) if f.source.mark in marks])


def _files(lake: Lake, engine: duckdb.DuckDBPyConnection) -> list[TwoFiles]:
    given = {"least_flows": LEAST_FLOWS, "least_share": OF_FILES, "least_of_all": LEAST_OF_ALL}
    rows = engine.execute(text_of("twice_by_files"), given).fetchall()
    known = {s.mark: s for s in lake.manifest.sources() if s.mark is not None} if rows else {}
    return [
        TwoFiles(known[one], known.get(other), others, matched, flows)
        for one, other, others, matched, flows in rows if one in known
    ]


def _once(found: list[TwoFiles]) -> list[TwoFiles]:
    """Each pair of files once, by the one that was taken in last."""
    pairs: dict[frozenset[str], TwoFiles] = {}
    for one in sorted(found, key=lambda f: -f.source.taken_in_s):
        pairs.setdefault(frozenset((one.source.hash, one.other.hash if one.other else "")), one)
    return list(pairs.values())


def _windows(segments: Sequence[Segment], begin_us: int, end_us: int) -> list[tuple[int, int]]:
    """Times in the middle of some segments, that hold about as many flows as are looked at; half-open."""
    windows = []
    for segment in segments[:: -(-len(segments) // WINDOWS)]:
        first, last = max(segment.first_us, begin_us), min(segment.last_us + 1, end_us)
        share = min(SAMPLE_ROWS / WINDOWS / segment.rows, 1.0)
        width = max(int((last - first) * share), WINDOW_US)
        middle = (first + last) // 2
        windows.append((max(middle - width // 2, begin_us), min(middle + width // 2 + 1, end_us)))
    return windows


@contextmanager
def _sample(lake: Lake, since_s: int, until_s: int) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """DuckDB with a table `seen` of some flows of a time; None where there are none."""
    begin_us, end_us = since_s * 1_000_000, until_s * 1_000_000
    segments = lake.manifest.segments("flows", begin_us, end_us)
    if not segments:
        yield None
        return
    windows = _windows(segments, begin_us, end_us)
    near = [s for s in segments if any(s.first_us < b and s.last_us >= a for a, b in windows)]
    rows = sum(
        s.rows * min((b - a) / max(s.last_us - s.first_us, 1), 1.0)
        for s in near for a, b in windows if s.first_us < b and s.last_us >= a
    )
    chosen = " OR ".join(
        f"time_start >= make_timestamptz({a}) AND time_start < make_timestamptz({b})" for a, b in windows
    )
    # Segments of earlier versions have no such column, even where their labels were looked at since.
    marked = any(MARK in pq.read_schema(lake.folder / s.path).names for s in near if s.site)
    columns = f"{FLOW_COLUMNS}, " + (MARK if marked else f"NULL::BIGINT AS {MARK}")
    with lake.over([s.path for s in near], columns, by_name=marked) as engine:
        classes = max(int(rows) // (2 * SAMPLE_ROWS), 1)
        view(engine, "looked_at", "flows", chosen)
        given = {"classes": classes, "most_alike": MOST_ALIKE}
        engine.execute(f"CREATE TEMP TABLE seen AS {text_of('seen')}", given)
        yield engine
