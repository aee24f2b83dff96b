"""Labels made anew when an edition of the atlas came late: new segments stand for the old ones, rows stay the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidegauge.atlas import Atlas, relabelled
from tidegauge.lake.compact import KEPT_S
from tidegauge.lake.manifest import Manifest, Segment
from tidegauge.lake.writer import LakeWriter
from tidegauge.model import LakeError

LABELS = ("src_country", "dst_country", "src_as", "dst_as", "src_class", "dst_class")


@dataclass
class Relabelled:
    """What a run did: segments looked at, of these current already or unchanged, and flows with other labels."""

    segments: int = 0
    current: int = 0
    rewritten: int = 0
    flows: int = 0
    changed: int = 0


def relabel(
    folder: Path, atlas: Atlas, *, since_us: int | None, until_us: int | None,
    progress: Callable[[], None] = lambda: None,
) -> Relabelled:  # fmt: skip
    """Label the flows between two times again, a segment at a time; those whose editions are the same are left.

    Readers see the old segment or the new one; the old file stays for a while for those that have it open.

    Raises:
        LakeError: a segment is damaged, or another run replaced one meanwhile.
    """
    manifest = Manifest(folder)
    manifest.remove_replaced(older_than_s=KEPT_S)
    report = Relabelled()
    with manifest.writing() as staging:
        for segment in manifest.segments("flows", since_us, until_us):
            report.segments += 1
            _segment(folder, manifest, staging, atlas, segment, report)
            progress()
    return report


def _segment(
    folder: Path, manifest: Manifest, staging: Path, atlas: Atlas, segment: Segment, report: Relabelled
) -> None:
    name, editions = atlas.stamp(segment.first_us // 1_000_000, segment.last_us // 1_000_000)
    report.flows += segment.rows
    if name == segment.atlas:
        report.current += 1
        return
    try:
        old = pq.read_table(folder / segment.path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise LakeError(f"a segment is damaged: {str(error).splitlines()[0]}", where=segment.path) from None
    new = relabelled(old, atlas)
    differs = np.zeros(len(old), dtype=bool)
    for column in LABELS:
        differs |= np.asarray(pc.not_equal(_plain(old[column]), _plain(new[column])).to_numpy(), dtype=bool)
    if not differs.any():
        manifest.mark_labelled([segment.path], name, [{"source": e.source, "edition": e.edition} for e in editions])
        report.current += 1
        return
    writer = LakeWriter(staging, manifest, atlas.stamp)
    try:
        writer.add_flows(new)
        writer.replace([segment.path])
        writer.commit()
    finally:
        writer.close()
    report.rewritten += 1
    report.changed += int(differs.sum())


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
