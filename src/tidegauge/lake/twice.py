"""Are the same flows here twice: from two exporters on one way, from two monitors of one, or from two files?

Looked at in a sample that is bounded whatever the lake holds: some minutes spread over the time, and of their flows
those whose keys fall into one of so many classes by hash, so that both of a pair are in the sample or neither is.
Exporters that sample packets see different flows, so that this finds nothing there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from tidegauge.lake.manifest import MARK
from tidegauge.lake.query import FLOW_COLUMNS, Lake

WINDOWS, WINDOW_US = 6, 60_000_000
SAMPLE_ROWS = 30_000
"""Stretches of time, of a minute at least, that are looked at; and about so many flows in them."""
LEAST_FLOWS, LEAST_SHARE = 20, 0.2
APART_US = 10_000_000
"""Clocks of two exporters, and what they take for the begin of a flow, differ by less than this."""
KEY = "src, dst, src_port, dst_port, proto"
SEEN = (
    f"CREATE TEMP TABLE seen AS SELECT row_number() OVER () AS id, exporter::VARCHAR AS exporter, {KEY},"
    " epoch_us(time_start) AS t, epoch_us(time_end) AS e, bytes, packets{more} FROM flows WHERE ({windows})"
    f" AND proto IN (6, 17) AND src_port <> 0 AND dst_port <> 0 AND hash({KEY}) % {{classes}} = 0"
)
TWO_EXPORTERS = (
    "WITH own AS (SELECT exporter, count(*) AS flows FROM seen GROUP BY exporter),"
    " paired AS (SELECT a.exporter AS one, b.exporter AS other, count(DISTINCT a.id) AS matched"
    f" FROM seen a JOIN seen b USING ({KEY}) WHERE a.exporter <> b.exporter AND a.t <= b.e + {APART_US}"
    f" AND b.t <= a.e + {APART_US} GROUP BY ALL)"
    " SELECT one, other, matched, flows FROM paired JOIN own ON own.exporter = one"
    f" WHERE matched >= {LEAST_FLOWS} AND matched >= {LEAST_SHARE} * flows ORDER BY matched DESC"
)
ONE_EXPORTER = (
    "WITH own AS (SELECT exporter, count(*) AS flows FROM seen GROUP BY exporter),"
    " same AS (SELECT exporter, sum(n) AS n FROM (SELECT exporter, count(*) AS n FROM seen"
    f" GROUP BY exporter, {KEY}, t, e, bytes, packets HAVING n > 1) GROUP BY exporter)"
    " SELECT exporter, exporter, n, flows FROM same JOIN own USING (exporter)"
    f" WHERE n >= {LEAST_FLOWS} AND n >= {LEAST_SHARE} * flows ORDER BY n DESC"
)
TWO_FILES = (
    f"WITH new AS (SELECT * FROM seen WHERE {MARK} IN (SELECT unnest(?::BIGINT[]))),"
    f" own AS (SELECT {MARK}, count(*) AS flows FROM new GROUP BY {MARK}),"
    f" paired AS (SELECT a.{MARK} AS one, b.{MARK} AS other, count(DISTINCT a.id) AS matched"
    f" FROM new a JOIN seen b USING (exporter, {KEY}, t, e, bytes, packets) WHERE b.{MARK} IS DISTINCT FROM a.{MARK}"
    " GROUP BY ALL)"
    f" SELECT one, other, matched, flows FROM paired JOIN own ON own.{MARK} = one"
    f" WHERE matched >= {LEAST_FLOWS} AND matched > 0.5 * flows ORDER BY matched DESC"
)


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


def seen_twice(lake: Lake, since_s: int, until_s: int) -> list[Twice]:
    """Which exporters show the same flows in a time, the pairs with the most first; each pair once."""
    found: dict[frozenset[str], Twice] = {}
    with _sample(lake, since_s, until_s) as engine:
        if engine is None:
            return []
        for one, other, matched, flows in engine.execute(TWO_EXPORTERS).fetchall():
            pair = frozenset((one, other))
            if pair not in found or matched / flows > found[pair].matched / found[pair].looked_at:
                found[pair] = Twice(one, other, matched, flows)
        for one, other, matched, flows in engine.execute(ONE_EXPORTER).fetchall():
            found[frozenset((one, other))] = Twice(one, other, matched, flows)
    return list(found.values())


def here_already(lake: Lake, marks: list[int], since_s: int, until_s: int) -> list[tuple[int, int | None, int, int]]:
    """Which of some files hold mostly flows that others hold too: mark of the file and of the other (None: received
    live), how many flows, and how many were looked at."""
    with _sample(lake, since_s, until_s, f", {MARK}") as engine:
        return [] if engine is None else [tuple(row) for row in engine.execute(TWO_FILES, [marks]).fetchall()]


@contextmanager
def _sample(
    lake: Lake, since_s: int, until_s: int, more: str = ""
) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """DuckDB with a table `seen` of some flows of a time; None where there are none."""
    begin_us, end_us = since_s * 1_000_000, until_s * 1_000_000
    segments = [s for s in lake.manifest.segments("flows", begin_us, end_us) if s.site or not more]
    if not segments:
        yield None
        return
    windows: list[tuple[int, int]] = []
    for segment in segments[:: -(-len(segments) // WINDOWS)]:
        first, last = max(segment.first_us, begin_us), min(segment.last_us + 1, end_us)
        share = min(SAMPLE_ROWS / WINDOWS / segment.rows, 1.0)
        width = max(int((last - first) * share), WINDOW_US)
        middle = (first + last) // 2
        windows.append((max(middle - width // 2, begin_us), min(middle + width // 2 + 1, end_us)))
    near = [s for s in segments if any(s.first_us < b and s.last_us >= a for a, b in windows)]
    rows = sum(
        s.rows * min((b - a) / max(s.last_us - s.first_us, 1), 1.0)
        for s in near for a, b in windows if s.first_us < b and s.last_us >= a
    )  # fmt: skip
    chosen = " OR ".join(
        f"time_start >= make_timestamptz({a}) AND time_start < make_timestamptz({b})" for a, b in windows
    )
    with lake.over([s.path for s in near], FLOW_COLUMNS + more) as engine:
        classes = max(int(rows) // (2 * SAMPLE_ROWS), 1)
        engine.execute(SEEN.format(more=more, windows=chosen, classes=classes))
        yield engine
