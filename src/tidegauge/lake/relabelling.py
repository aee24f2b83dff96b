"""Labels made anew when an edition of the atlas came late, or the site's own settings changed: new segments stand for
the old ones, rows stay the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidegauge.atlas import Atlas, relabelled
from tidegauge.lake.manifest import KEPT_S, Manifest, Segment
from tidegauge.lake.ours import Ours, known_names, renamed
from tidegauge.lake.sources import read_whole
from tidegauge.lake.writer import LakeWriter
from tidegauge.site import Site

LABELS = (
    "src_country", "dst_country", "src_as", "dst_as", "src_class", "dst_class", "direction", "exporter",
)


@dataclass
class Relabelled:
    """What a run did: segments looked at, of these current already or unchanged, and flows with other labels."""

    segments: int = 0
    current: int = 0
    rewritten: int = 0
    flows: int = 0
    changed: int = 0


@dataclass(frozen=True)
class _Labels:
    """What labels are made by, and how exporters were called by earlier settings."""

    atlas: Atlas
    site: Site | None
    ours: Ours | None
    names: dict[str, dict[str, str]]

    def renames(self, segment: Segment) -> dict[str, str]:
        return renamed(self.names.get(segment.site, {}), self.ours.told["names"]) if self.ours else {}

    def whose(self, segment: Segment) -> Site | None:
        """The site by which directions are made anew: none where its settings are the same. By which ASes ends were
        ours the exporter said, and flows keep the atlas's where it has one: they are looked at only after a change."""
        if self.ours is None or self.site is None or segment.site == self.ours.name:
            return None
        return self.site if segment.site or not self.site.home_as else None

    def settings(self, segment: Segment) -> str:
        """The short name of the settings that the segment's labels will rest on."""
        return self.ours.name if self.ours else segment.site


def relabel(
    folder: Path, atlas: Atlas, *, since_us: int | None, until_us: int | None, site: Site | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Relabelled:
    """Label the flows between two times again, a segment at a time; those whose editions and settings are the same are
    left.

    Readers see the old segment or the new one; the old file stays for a while for those that have it open.

    Args:
        site: whose home prefixes and names of exporters the flows get too, these also in the coverage ledger; none
            where None.

    Raises:
        LakeError: a segment is damaged, or another run replaced one meanwhile.
    """
    manifest = Manifest(folder)
    manifest.remove_replaced(older_than_s=KEPT_S)
    labels = _Labels(atlas, site, Ours.of(site) if site else None, known_names(manifest))
    report = Relabelled()
    with manifest.writing() as staging:
        for segment in manifest.segments("flows", since_us, until_us):
            report.segments += 1
            _segment(folder, manifest, staging, labels, segment, report)
            progress()
        for kind in ("coverage", "names"):
            for segment in manifest.segments(kind, since_us, until_us):
                if labels.ours and segment.site != labels.ours.name:
                    _rename(folder, manifest, staging, labels.ours, labels.renames(segment), segment)
    return report


def _segment(
    folder: Path, manifest: Manifest, staging: Path, labels: _Labels, segment: Segment, report: Relabelled
) -> None:
    atlas = labels.atlas
    name, editions = atlas.stamp(segment.first_us // 1_000_000, segment.last_us // 1_000_000)
    report.flows += segment.rows
    if name == segment.atlas and segment.site == labels.settings(segment):
        report.current += 1
        return
    old = read_whole(folder, segment)
    new = relabelled(_called(old, labels.renames(segment)), atlas, labels.whose(segment))
    differs = np.zeros(len(old), dtype=bool)
    for column in LABELS:
        differs |= np.asarray(pc.not_equal(_plain(old[column]), _plain(new[column])).to_numpy(), dtype=bool)
    if not differs.any():
        told = [{"source": e.source, "edition": e.edition} for e in editions]
        ours = labels.ours.to_state() if labels.ours else None
        manifest.mark_labelled(segment.path, name, told, labels.settings(segment), ours)
        report.current += 1
        return
    writer = LakeWriter(staging, manifest, atlas.stamp, labels.ours, kept=segment)
    try:
        writer.add_flows(new)
        writer.replace([segment.path])
        writer.commit()
    finally:
        writer.close()
    report.rewritten += 1
    report.changed += int(differs.sum())


def _rename(
    folder: Path, manifest: Manifest, staging: Path, ours: Ours, renames: dict[str, str], segment: Segment
) -> None:
    """Exporters of a segment of another kind under their names of now."""
    table = read_whole(folder, segment)
    if not set(table["exporter"].to_pylist()) & renames.keys():
        manifest.mark_labelled(segment.path, "", [], ours.name, ours.to_state())
        return
    writer = LakeWriter(staging, manifest, None, ours)
    try:
        (writer.add_ledger if segment.kind == "coverage" else writer.add_names)(_called(table, renames))
        writer.replace([segment.path])
        writer.commit()
    finally:
        writer.close()


def _called(table: pa.Table, renames: dict[str, str]) -> pa.Table:
    """The rows with exporters under other names."""
    place = table.schema.get_field_index("exporter")
    field = table.schema.field(place)
    names = _plain(table["exporter"]).combine_chunks().dictionary_encode()
    called = pa.array([renames.get(name, name) for name in names.dictionary.to_pylist()], pa.string())
    return table.set_column(place, field, called.take(names.indices).cast(field.type))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
