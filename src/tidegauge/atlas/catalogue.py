"""The editions of a site: immutable Parquet, and a catalogue that says what they are; one is taken in whole or not at
all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidegauge.atlas.flat import disjoint, flatten, spaces
from tidegauge.atlas.sources import FORMATS
from tidegauge.atlas.statements import Parsed, packed
from tidegauge.model import FOREVER_S, InputError, SiteError, format_time
from tidegauge.store import Store

PREFIXES, ASES = "prefixes.parquet", "ases.parquet"
DAY_S = 86400
COLUMNS = (
    "source", "date_s", "format", "licence", "origin", "hash", "prefixes", "ases", "classes", "from_s", "until_s",
    "skipped", "added_s",
)
"""Of the table of editions, besides its key: fields of `Edition`."""
ROW_GROUP = 1 << 17
"""Statements that are packed at once: small, since their columns are many."""


@dataclass(frozen=True)
class Edition:
    """One dated release of one source.

    Attributes:
        date_s: its date, from which it holds until the next one of its source.
        format: which format of `sources` it came in; `kind` and `rank` are that format's.
        origin: file or URL; `hash` of its content (BLAKE2b).
        prefixes, ases: how many statements it has.
        classes: the classes that it can give, a bit set.
        folder: where its tables lie.
        from_s, until_s: where all its statements have times of their own, the first and the last of these.
    """

    source: str
    date_s: int
    format: str
    licence: str
    origin: str
    hash: str
    prefixes: int
    ases: int
    classes: int
    folder: Path
    from_s: int = 0
    until_s: int = FOREVER_S
    added_s: int = 0
    skipped: str = "[]"

    @property
    def edition(self) -> str:
        """Its date as text: a day, or a moment where it is not midnight."""
        text = format_time(self.date_s)
        return text[:10] if self.date_s % DAY_S == 0 else text

    @property
    def kind(self) -> str:
        return "embedded" if self.format == "embedded" else FORMATS[self.format].kind

    @property
    def rank(self) -> int:
        return 3 if self.format == "embedded" else FORMATS[self.format].rank

    def rows(self, columns: tuple[str, ...] | None = None) -> pa.Table:
        """Its statements about prefixes.

        Raises:
            SiteError: the file is damaged or gone.
        """
        return _read(self.folder / PREFIXES, columns)

    def as_rows(self) -> pa.Table:
        """Its statements about AS numbers."""
        return _read(self.folder / ASES, None)


def _read(path: Path, columns: tuple[str, ...] | None) -> pa.Table:
    try:
        return pq.read_table(path, columns=None if columns is None else list(columns), partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise SiteError(f"an edition of the atlas cannot be read: {str(error).splitlines()[0]}", where=str(path),
                        hint="remove it with `tidegauge atlas remove`, and import it again") from None


class Catalogue:
    """The editions of one site: their files in a folder, and what they are in its database.

    Args:
        folder: `<data>/atlas`.
        store: the site's database, where it is not the one in the data folder.
    """

    def __init__(self, folder: Path, store: Store | None = None) -> None:
        self.folder = folder
        self._store = store or Store(folder.parent)

    @property
    def changed(self) -> int:
        """How often editions came or went."""
        return self._store.changed("editions")

    def editions(self) -> list[Edition]:
        """All editions, by source and date."""
        rows = self._store.rows(f"SELECT id, {', '.join(COLUMNS)} FROM editions ORDER BY source, date_s, id")
        return [
            Edition(**dict(zip(COLUMNS, values, strict=True)), folder=self.folder / "editions" / name)
            for name, *values in rows
        ]

    def knows(self, source: str, digest: str, date_s: int | None) -> bool:
        """Whether this content is an edition of the source already, of that date (None: of any)."""
        sql = "SELECT date_s FROM editions WHERE source = :source AND hash = :hash"
        dates = {row[0] for row in self._store.rows(sql, source=source, hash=digest)}
        return bool(dates) if date_s is None else date_s in dates

    def add(
        self, parsed: Parsed, *, source: str, kind: str, date_s: int, licence: str, origin: str, digest: str
    ) -> Edition:
        """Take an edition in: written beside, synced, renamed, then listed.

        Raises:
            InputError: what it says cannot be compiled (ranges that overlap beyond reason).
        """
        first, last = packed(parsed.prefixes["first"]), packed(parsed.prefixes["last"])
        try:
            for space in () if disjoint(first, last) else spaces(first, last):
                flatten(space)
        except InputError as error:
            raise InputError(error.what, where=origin, hint=error.hint) from None
        name = uuid.uuid4().hex
        staged, final = self.folder / "staging" / name, self.folder / "editions" / name
        try:
            staged.mkdir(parents=True)
            for table, file in ((parsed.prefixes, PREFIXES), (parsed.ases, ASES)):
                pq.write_table(table, staged / file, compression="zstd", row_group_size=ROW_GROUP)
                with (staged / file).open("rb") as written:
                    os.fsync(written.fileno())
            final.parent.mkdir(parents=True, exist_ok=True)
            staged.rename(final)
        except OSError as error:
            shutil.rmtree(staged, ignore_errors=True)
            raise SiteError(f"cannot write an edition: {error.strerror or error}", where=str(self.folder)) from None
        classes = _bits(parsed.prefixes["classes"]) | _bits(parsed.ases["classes"])
        edition = Edition(
            source, date_s, kind, licence, origin, digest, parsed.prefixes.num_rows, parsed.ases.num_rows, classes,
            final, *_own_times(parsed.prefixes), int(time.time()), json.dumps(parsed.skipped.to_json()),
        )
        from tidegauge.store.writing import note_change, put, tables

        row = {name: value for name, value in asdict(edition).items() if name != "folder"}
        with self._store.changing() as session:
            put(session, tables.editions, {"id": name, **row}, keys=("source", "hash", "date_s"), fresh=True)
            note_change(session, "editions")
        return edition

    def remove(self, source: str, edition: str | None = None) -> int:
        """Take editions of a source out; how many. Their files go, since no lookup table needs them again."""
        from tidegauge.store.writing import delete, note_change, tables

        gone = [e for e in self.editions() if e.source == source and edition in (None, e.edition)]
        with self._store.changing() as session:
            names = [e.folder.name for e in gone]
            session.execute(delete(tables.editions).where(tables.editions.c.id.in_(names)))
            note_change(session, "editions")
        for found in gone:
            shutil.rmtree(found.folder, ignore_errors=True)
        return len(gone)

    def fetched(self, source: str) -> dict[str, Any] | None:
        """What the server said when the source was fetched last: `url`, `etag`, `modified`, `checked_s`."""
        sql = "SELECT url, etag, modified, checked_s FROM fetched WHERE source = :source"
        rows = self._store.rows(sql, source=source)
        return dict(zip(("url", "etag", "modified", "checked_s"), rows[0], strict=True)) if rows else None

    def note_fetched(self, source: str, url: str, etag: str, modified: str) -> None:
        from tidegauge.store.writing import put, tables

        row = {"source": source, "url": url, "etag": etag, "modified": modified, "checked_s": int(time.time())}
        with self._store.changing() as session:
            put(session, tables.fetched, row)


def _bits(column: pa.ChunkedArray) -> int:
    found = 0
    for value in column.unique().to_pylist():
        found |= value or 0
    return int(found)


def _own_times(table: pa.Table) -> tuple[int, int]:
    """First and last time of statements that all have their own; 0 and `FOREVER_S` where one has none."""
    if not table.num_rows:
        return 0, FOREVER_S
    return int(pc.min(table["from_s"]).as_py()), int(pc.max(table["until_s"]).as_py())


@lru_cache(maxsize=256)
def fingerprint(editions: tuple[Edition, ...], *, in_order: bool = False) -> str:
    """A short name for a set of editions; of the same ones in another order another, where the order decides."""
    names = [f"{e.source} {e.date_s} {e.hash}" for e in editions]
    text = "\n".join(names if in_order else sorted(names))
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
