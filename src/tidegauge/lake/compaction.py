"""Small segments of hours that are over become large ones: a collector commits often, readers want few files."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pyarrow as pa

from tidegauge.lake.manifest import KEPT_S, MARK, Manifest, Segment
from tidegauge.lake.sources import read_whole
from tidegauge.lake.writer import LakeWriter
from tidegauge.model import LEDGER_SCHEMA, LakeError

MARKED_LEDGER = LEDGER_SCHEMA.append(pa.field(MARK, pa.int64()))
SETTLED_S = 900
"""An hour is over when it ended so long ago: exporters send long flows late."""
FEW = 4
MOST_ROWS = 1 << 20


def compact(folder: Path, *, now_s: float, most_hours: int = 4) -> int:
    """Join small segments, a few hours at a time; how many segments went.

    Rows do not change, and readers see either the old segments or the new one. Several may run at once: who comes
    second to a segment gives up.
    """
    manifest = Manifest(folder)
    manifest.remove_replaced(older_than_s=KEPT_S)
    work = list(_work(manifest, now_s))[:most_hours]
    if not work:
        return 0
    gone = 0
    with manifest.writing() as staging:
        for segments in work:
            writer = LakeWriter(staging, manifest, kept=segments[0])
            try:
                if segments[0].kind == "flows":
                    for segment in segments:
                        writer.add_flows(read_whole(folder, segment))
                else:  # older ones may lack columns
                    tables = [read_whole(folder, s) for s in segments]
                    writer.add_ledger(pa.concat_tables([_completed(table) for table in tables]))
                writer.replace([s.path for s in segments])
                writer.commit()
                gone += len(segments) - 1
            except (LakeError, pa.ArrowException, OSError):
                # Another run was first, or a file is damaged: the segments stay as they are, and readers say so.
                continue
            finally:
                writer.close()
    return gone


def _completed(table: pa.Table) -> pa.Table:
    """Ledger rows with the columns that older segments lack."""
    for field in MARKED_LEDGER:
        if field.name not in table.schema.names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table.select(MARKED_LEDGER.names).cast(MARKED_LEDGER)


def _work(manifest: Manifest, now_s: float) -> list[list[Segment]]:
    """Groups of small segments that belong together: an hour's flows, and all coverage; each with labels that rest on
    the same."""
    groups: dict[tuple[str, str, str], list[Segment]] = defaultdict(list)
    for segment in (*manifest.segments("flows"), *manifest.segments("coverage")):
        settled = segment.kind == "coverage" or segment.last_us < (now_s - SETTLED_S) // 3600 * 3600 * 1e6
        if settled and segment.rows < MOST_ROWS // FEW:
            groups[str(Path(segment.path).parent), segment.atlas, segment.site].append(segment)
    chosen = []
    for segments in groups.values():
        rows, part = 0, []
        for segment in segments:
            rows += segment.rows
            part.append(segment)
            if rows > MOST_ROWS:
                break
        if len(part) > (FEW if part[0].kind == "flows" else 16 * FEW):
            chosen.append(part)
    return chosen
