"""Which files were taken in, what is left of them, and taking one out again.

Every row of the lake knows its file (`MARK`), so that what was taken in wrongly can be taken out whole: flows, names
and the rows of the coverage ledger, in one commit. What was received live came from no file and stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidegauge.lake.manifest import CONNECTIONS, DELETED, KEPT_S, MARK, Manifest, Segment, Source
from tidegauge.lake.writer import LakeWriter, open_writer
from tidegauge.model import InputError, LakeError, UsageError, format_time, merge_intervals
from tidegauge.wire import forgotten, hash_file

KINDS = ("flows", "coverage", "names")
Kept = Literal["whole", "part", "gone"]
SET_ASIDE = "set-aside"
"""The folder for damaged segments, beside those that are read."""
LEAST_NAMED = 6
"""Signs of a file's hash that are enough to name it."""


@dataclass(frozen=True)
class Held:
    """A file and what the lake has of it.

    Attributes:
        flows: how many it gave, and `left` how many are still there.
        span_us: from its first start to its last; None where nothing is left.
    """

    source: Source
    left: int
    span_us: tuple[int, int] | None

    @property
    def flows(self) -> int:
        return int(self.source.counts.get("flows", 0))

    @property
    def kept(self) -> Kept:
        if self.source.mark is None or self.left >= self.flows:
            return "whole"
        return "part" if self.left else "gone"

    def to_json(self) -> dict[str, Any]:
        since, until = (format_time(t / 1e6) for t in self.span_us) if self.span_us else (None, None)
        return {
            "source": self.source.id, "file": self.source.name, "taken_in": format_time(self.source.taken_in_s),
            "flows": self.flows, "since": since, "until": until, "kept": self.kept,
        }


class Known:
    """The files that were taken in, by hash and by the begin of what they hold; those without flows have none."""

    def __init__(self, sources: list[Source]) -> None:
        self.sources: list[Source] = []
        self.by_hash: dict[str, Source] = {}
        self.by_head: dict[str, list[Source]] = {}
        for source in sources:
            self.add(source)

    def rechain(self, source: Source, chain: int | None) -> None:
        """Note that a file belongs to another chain."""
        made = replace(source, chain=chain)
        self.sources[self.sources.index(source)] = made
        self.by_hash[made.hash] = made
        for alike in self.by_head.values():
            alike[:] = [made if one is source else one for one in alike]

    def add(self, source: Source) -> None:
        self.sources.append(source)
        self.by_hash[source.hash] = source
        if source.head and source.length and source.counts.get("flows"):
            self.by_head.setdefault(source.head, []).append(source)


def held(folder: Path) -> list[Held]:
    """All files that were taken in, by when.

    Raises:
        LakeError: a segment is damaged.
    """
    manifest = Manifest(folder)
    left: Counter[int] = Counter()
    spans: dict[int, tuple[int, int]] = {}
    for segment in manifest.segments("flows"):
        table = read_segment(folder, segment, [MARK, "time_start"])
        if MARK not in table.schema.names:
            continue
        times = pa.table({"m": table[MARK], "t": table["time_start"].cast(pa.int64())})
        for row in times.group_by("m").aggregate([("t", "count"), ("t", "min"), ("t", "max")]).to_pylist():
            if row["m"] is not None:
                first, last = spans.get(row["m"], (row["t_min"], row["t_max"]))
                spans[row["m"]] = min(first, row["t_min"]), max(last, row["t_max"])
                left[row["m"]] += row["t_count"]
    return [
        Held(s, left[s.mark] if s.mark is not None else 0, spans.get(s.mark) if s.mark is not None else None)
        for s in manifest.sources()
    ]


def named(known: Sequence[Source], wanted: Iterable[str], *, besides: Collection[str | None] = ()) -> list[Source]:
    """The files that are meant by their names, or by the begin of their hashes.

    Args:
        besides: hashes of files that go too.

    Raises:
        UsageError: none or several are meant, or one cannot be told from others that are not named with it.
    """
    found = {source.hash: source for text in wanted for source in _named(known, text)}
    for source in found.values():
        if source.mark is None:
            raise UsageError(
                f"{source.name} was taken in by a version that did not keep apart which flows are of which file",
                hint="take its flows out by time (tidegauge lake retain), or make the lake anew",
            )
        others = [s for s in known if s.chain == source.chain and s.hash not in found and s.hash not in besides]
        if source.chain is not None and others:
            raise UsageError(
                f"{source.name} cannot be taken out alone: {', '.join(s.name for s in others)} goes on with it, or has"
                " flows that waited for it",
                hint="name all of them: " + " ".join(s.id for s in [source, *others]),
            )
    return list(found.values())


def _named(known: Sequence[Source], text: str) -> list[Source]:
    """All that was taken in of one file, which may have grown since; or the one whose hash begins so."""
    meant = [
        s for s in known
        if s.name == text or Path(s.name).name == text or (len(text) >= LEAST_NAMED and s.hash.startswith(text))
    ]
    if not meant:
        raise UsageError(
            f"no file of that name was taken in: {text!r}", hint="tidegauge lake sources lists them"
        )
    if len({s.name for s in meant}) > 1:
        raise UsageError(
            f"{len(meant)} files are called that: {text!r}",
            hint="name one: " + ", ".join(f"{s.id} ({s.name})" for s in meant),
        )
    return meant


def remove(folder: Path, sources: Sequence[Source]) -> int:
    """Take files out of the lake, in one commit: readers see all of a file or none. How many flows went.

    Raises:
        LakeError: a segment is damaged, or another run replaced one meanwhile; nothing was taken out then.
    """
    Manifest(folder).remove_replaced(older_than_s=KEPT_S)
    with open_writer(folder) as writer:
        gone = withdraw(writer, sources)
        told = writer.manifest.load_state(CONNECTIONS)
        writer.commit({CONNECTIONS: forgotten(told, {s.mark for s in sources})} if told else None)
    return gone


def withdraw(writer: LakeWriter, sources: Sequence[Source]) -> int:
    """Make the removal of files part of a writer's next commit; how many flows go with them."""
    marks = pa.array([s.mark for s in sources], pa.int64())
    gone = 0
    for segment, keeps in _touched(writer.manifest, marks):
        gone += int((~keeps).sum()) if segment.kind == "flows" else 0
        rest = read_whole(writer.manifest.folder, segment).filter(pa.array(keeps)) if keeps.any() else None
        writer.stand_in(segment, rest)
    for source in sources:
        writer.remove_source(source)
    return gone


def _touched(manifest: Manifest, marks: pa.Array) -> Iterator[tuple[Segment, np.ndarray[Any, Any]]]:
    """Segments that hold rows of files, and which of their rows are of others."""
    for kind in KINDS:
        for segment in manifest.segments(kind):
            table = read_segment(manifest.folder, segment, [MARK])
            if MARK in table.schema.names:
                keeps = ~np.asarray(pc.is_in(table[MARK], value_set=marks).to_numpy(), dtype=bool)
                if not keeps.all():
                    yield segment, keeps


def read_segment(folder: Path, segment: Segment, wanted: list[str] | None = None) -> pa.Table:
    """A segment, or columns of it without those that it does not have.

    Raises:
        LakeError: it is damaged.
    """
    try:
        with pq.ParquetFile(folder / segment.path) as file:
            have = None if wanted is None else [name for name in wanted if name in file.schema_arrow.names]
            return file.read(columns=have)
    except (OSError, pa.ArrowException) as error:
        raise LakeError(f"a segment is damaged: {str(error).splitlines()[0]}", where=segment.path) from None


def read_whole(folder: Path, segment: Segment) -> pa.Table:
    """A segment whose rows are to be written anew: it must be what was written, or damage would become truth.

    Raises:
        LakeError: it is damaged.
    """
    try:
        same = hash_file(str(folder / segment.path)) == segment.hash
    except InputError as error:
        raise LakeError(f"a segment is damaged: {error.what}", where=segment.path) from None
    if not same:
        raise LakeError(
            "a segment is damaged: its hash is not the one that was written", where=segment.path,
            hint="tidegauge lake check --set-aside takes damaged segments out",
        )
    return read_segment(folder, segment)


@dataclass(frozen=True)
class Checked:
    """What a look at the files of the lake found; paths are relative to its folder.

    Attributes:
        damaged: files that are not what was written, and why.
        missing: files that are not there, and `unknown` those of which the manifest knows nothing.
    """

    checked: int
    damaged: list[tuple[str, str]]
    missing: list[str]
    unknown: list[str]

    @property
    def whole(self) -> bool:
        return not self.damaged and not self.missing

    def to_json(self) -> dict[str, Any]:
        return {"checked": self.checked, "damaged": [{"path": path, "why": why} for path, why in self.damaged],
                "missing": self.missing, "unknown": self.unknown}


def set_aside(folder: Path) -> tuple[Checked, int]:
    """Take damaged and missing segments out of the lake, so that the others can be read and changed; what they held is
    noted as deleted, and coverage is blind there. Damaged files are kept under `set-aside`.

    Returns:
        What was found, and how many flows are there no more.
    """
    found, manifest = check(folder), Manifest(folder)
    going = {path for path, _ in found.damaged} | set(found.missing)
    if not going:
        return found, 0
    segments = [s for kind in KINDS for s in manifest.segments(kind) if s.path in going]
    flows = [s for s in segments if s.kind == "flows"]
    deleted = merge_intervals([*manifest.deleted_us(), *((s.first_us, s.last_us + 1) for s in flows)])
    with manifest.writing() as staging:
        manifest.commit(staging, [], [], state={DELETED: deleted}, replaced=sorted(going))
    for path, _ in found.damaged:
        place = folder / SET_ASIDE / path
        place.parent.mkdir(parents=True, exist_ok=True)
        (folder / path).rename(place)
    return found, sum(s.rows for s in flows)


def check(folder: Path) -> Checked:
    """Compare every file of the lake with what the manifest says of it."""
    manifest = Manifest(folder)
    damaged, missing = [], []
    segments = [s for kind in KINDS for s in manifest.segments(kind)]
    for segment in segments:
        path = folder / segment.path
        if not path.exists():
            missing.append(segment.path)
            continue
        try:
            digest = hash_file(str(path))
        except InputError as error:
            damaged.append((segment.path, error.what))
            continue
        if digest != segment.hash:
            damaged.append((segment.path, "its hash is not the one that was written"))
    expected = {s.path for s in segments} | manifest.replaced_paths()
    found = {str(p.relative_to(folder)) for kind in KINDS for p in (folder / kind).rglob("*.parquet")}
    return Checked(len(segments), damaged, missing, sorted(found - expected))
