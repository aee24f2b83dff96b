"""The manifest: which files were taken in, which segments hold their flows, and what an interrupted run left behind."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from tidegauge.model import LakeError, shapes, sqlite_session

SCHEMA = """
CREATE TABLE IF NOT EXISTS commits (
    id INTEGER PRIMARY KEY, made_at TEXT DEFAULT CURRENT_TIMESTAMP, done INTEGER, staging TEXT);
CREATE TABLE IF NOT EXISTS sources (hash TEXT PRIMARY KEY, name TEXT, counts TEXT, commit_id INTEGER);
CREATE TABLE IF NOT EXISTS segments (
    path TEXT PRIMARY KEY, kind TEXT, rows INTEGER, size INTEGER, hash TEXT,
    first_us INTEGER, last_us INTEGER, end_us INTEGER, commit_id INTEGER, atlas TEXT DEFAULT '');
CREATE TABLE IF NOT EXISTS labelled (atlas TEXT PRIMARY KEY, editions TEXT);
CREATE TABLE IF NOT EXISTS replaced (path TEXT PRIMARY KEY, at INTEGER, commit_id INTEGER);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS rolled (
    segment TEXT, kind TEXT, width_s INTEGER, path TEXT, form INTEGER, PRIMARY KEY (segment, kind, width_s));
"""
KEPT_S = 900
"""How long replaced files stay for readers that have them open."""
ROLLUP_FORM = 1
"""Counts the changes of what rollups hold: those of another form are not read, and made anew."""
OURS = "ours"
"""The state that holds the settings behind the short names that segments mention (`lake.ours`)."""
CONNECTIONS = "connections"
"""The state that holds what exporters told of connections so far (`wire.connections_state`)."""
DELETED = "deleted"
"""The state that holds when flows were that are there no more: half-open times (us), by time."""
ADDED = (
    ("commits", "staging TEXT"), ("segments", "atlas TEXT DEFAULT ''"), ("segments", "site TEXT DEFAULT ''"),
    ("sources", "mark INTEGER"), ("sources", "chain INTEGER"), ("sources", "head TEXT DEFAULT ''"),
    ("sources", "content TEXT DEFAULT ''"), ("sources", "length INTEGER DEFAULT 0"),
)
MARK = "mark"
"""The column of segments that tells from which file a row came (`Source.mark`), null of what was received live. It is
no flow column: readers do not see it."""


@dataclass(frozen=True)
class Segment:
    """One immutable Parquet file.

    Attributes:
        path: relative to the data folder.
        kind: `flows`, `coverage` or `names`.
        first_us, last_us: least and greatest start of what it holds, `end_us` the greatest end.
        hash: BLAKE2b of the file.
        atlas: the short name of the editions that its labels rest on (`labelled` has them), empty where unknown.
        site: the short name of the settings that they rest on (`lake.ours`), empty where unknown.
    """

    path: str
    kind: str
    rows: int
    size: int
    hash: str
    first_us: int
    last_us: int
    end_us: int
    atlas: str = ""
    site: str = ""


@dataclass(frozen=True)
class Source:
    """One file that was taken in.

    Attributes:
        hash: BLAKE2b of the file as it lay there; `content` of what it unpacks to, of `length` bytes, and `head` of
            the begin of that; empty where not known.
        counts: what the file gave.
        mark: the number by which its rows are known; None of files of earlier versions, which told none apart.
        chain: the mark of the first of files whose flows cannot be told apart by file: one that has grown, or whose
            flows waited for templates of the next.
        taken_in_s: epoch seconds.
    """

    hash: str
    name: str
    counts: dict[str, Any]
    mark: int | None = None
    chain: int | None = None
    head: str = ""
    content: str = ""
    length: int = 0
    taken_in_s: int = 0

    @property
    def id(self) -> str:
        """What people call it by."""
        return self.hash[:12]


def new_mark() -> int:
    """A number for a file, like no other's."""
    return secrets.randbits(62)


SEGMENTS = (
    "SELECT path, kind, rows, size, s.hash, first_us, last_us, end_us, coalesce(atlas, ''), coalesce(site, '')"
    " FROM segments s JOIN commits c ON c.id = s.commit_id WHERE c.done = 1"
)
"""The columns of `Segment`, of segments that readers see."""
CUT_SHORT = (
    "SELECT name, json_extract(counts, '$.reached_s') FROM sources WHERE counts LIKE '%\"reached_s\"%' ORDER BY 2, 1"
)


class Manifest:
    """The SQLite file beside the segments. Segments are seen by readers only once their commit is done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "manifest.sqlite"

    def _session(self) -> AbstractContextManager[sqlite3.Connection]:
        return sqlite_session(self.path, SCHEMA, what="the manifest", added=ADDED)

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """A staging folder of one's own, held until the end; what interrupted writers left is finished or removed.

        Several may write at once: each holds the lock of its own folder, and commits follow one another.
        """
        staging = self.folder / "staging" / uuid.uuid4().hex
        try:
            staging.mkdir(parents=True)
            with (staging / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._recover(staging)
                # After an error the folder stays, since a commit may be half moved: the next writer goes on with it.
                yield staging
                shutil.rmtree(staging, ignore_errors=True)
        except OSError as error:
            raise LakeError(f"cannot write here: {error.strerror or error}", where=str(self.folder)) from None

    def _recover(self, own: Path) -> None:
        for staging in sorted((self.folder / "staging").iterdir()):
            if staging == own:
                continue
            if not staging.is_dir() or not (staging / "lock").exists():
                # A writer makes its folder and its lock in two steps; one that is a minute old has died between them.
                if time.time() - staging.stat().st_mtime > 60:
                    shutil.rmtree(staging, ignore_errors=True)
                continue
            with (staging / "lock").open("r+") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue  # its writer lives
                with self._session() as session:
                    undone = session.execute("SELECT id FROM commits WHERE done = 0 AND staging = ?", (staging.name,))
                    for (commit,) in undone.fetchall():
                        self._move(session, commit, staging)
                shutil.rmtree(staging, ignore_errors=True)

    def _move(self, session: sqlite3.Connection, commit: int, staging: Path) -> None:
        """Rename the staged files of a commit into place; safe to repeat."""
        folders = set()
        for (path,) in session.execute("SELECT path FROM segments WHERE commit_id = ?", (commit,)).fetchall():
            staged, final = staging / path, self.folder / path
            if staged.exists():
                final.parent.mkdir(parents=True, exist_ok=True)
                os.replace(staged, final)
                folders.add(final.parent)
        for folder in folders:
            sync_folder(folder)
        # Old rows go out of sight in the same moment in which the new ones come.
        session.execute(
            "DELETE FROM segments WHERE path IN (SELECT path FROM replaced WHERE commit_id = ? AND at IS NULL)",
            (commit,),
        )
        session.execute("UPDATE replaced SET at = ? WHERE commit_id = ?", (int(time.time()), commit))
        gone = "(SELECT path FROM replaced WHERE commit_id = ?)"
        session.execute(
            "INSERT OR IGNORE INTO replaced SELECT path, ?, ? FROM rolled"
            f" WHERE path IS NOT NULL AND segment IN {gone}",
            (int(time.time()), commit, commit),
        )
        session.execute(f"DELETE FROM rolled WHERE segment IN {gone}", (commit,))
        session.execute("UPDATE commits SET done = 1 WHERE id = ?", (commit,))

    def commit(
        self,
        staging: Path,
        segments: list[Segment],
        sources: list[Source],
        *,
        removed: Sequence[Source] = (),
        rests_on: Sequence[Source] = (),
        chained: Sequence[tuple[int | None, str]] = (),
        state: dict[str, Any] | None = None,
        replaced: list[str] | None = None,
        labelled: dict[str, list[dict[str, str]]] | None = None,
        ours: dict[str, Any] | None = None,
    ) -> None:
        """Make staged segments and the files they came from part of the lake, all or nothing.

        Args:
            removed: files that are not part of it any more; before the new ones come.
            rests_on: files that must still be part of it, since only what is new in them was taken in.
            chained: chains of files that are here already, and their hashes.
            state: values kept under names, set in the same transaction.
            replaced: paths of segments whose rows stand in the new ones; their files go with `remove_replaced`.
            labelled: the editions behind each short name that the segments carry, and `ours` the settings.

        Raises:
            LakeError: another writer has taken in or out one of the files, or replaced one of the segments, meanwhile.
        """
        with self._session() as session:
            session.execute("BEGIN IMMEDIATE")
            inserted = session.execute("INSERT INTO commits (done, staging) VALUES (0, ?)", (staging.name,))
            commit = inserted.lastrowid
            assert commit is not None
            session.executemany(
                "INSERT INTO segments (path, kind, rows, size, hash, first_us, last_us, end_us, atlas, site,"
                " commit_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*astuple(s), commit) for s in segments],
            )
            session.executemany(
                "INSERT OR IGNORE INTO labelled VALUES (?, ?)",
                [(name, json.dumps(editions)) for name, editions in (labelled or {}).items()],
            )
            for path in replaced or []:
                known = session.execute("SELECT 1 FROM segments WHERE path = ?", (path,)).fetchone()
                if known is None or session.execute("SELECT 1 FROM replaced WHERE path = ?", (path,)).fetchone():
                    raise LakeError("another run has replaced this segment", where=path)
                session.execute("INSERT INTO replaced VALUES (?, NULL, ?)", (path, commit))
            for source in (*rests_on, *removed):
                there = "SELECT 1 FROM sources WHERE hash = ? AND mark IS ?"
                if session.execute(there, (source.hash, source.mark)).fetchone() is None:
                    raise LakeError(
                        "another run has removed it, or taken it in anew, meanwhile: nothing was changed",
                        where=source.name,
                    )
            session.executemany("DELETE FROM sources WHERE hash = ?", [(source.hash,) for source in removed])
            for source in sources:
                try:
                    session.execute(
                        "INSERT INTO sources (hash, name, counts, commit_id, mark, chain, head, content, length)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (source.hash, source.name, json.dumps(source.counts), commit, source.mark, source.chain,
                         source.head, source.content, source.length),
                    )
                except sqlite3.IntegrityError:
                    raise LakeError(
                        "its content was taken in before, or by another run meanwhile: nothing was written twice",
                        where=source.name,
                    ) from None
            session.executemany("UPDATE sources SET chain = ? WHERE hash = ?", chained)
            _note_ours(session, ours)
            for name, value in (state or {}).items():
                _put_state(session, name, value)
        with self._session() as session:
            self._move(session, commit, staging)

    def remove_replaced(self, *, older_than_s: int) -> int:
        """Delete the files of segments that were replaced so long ago that no reader has them open; how many."""
        with self._session() as session:
            rows = session.execute(
                "SELECT path FROM replaced WHERE at <= ?", (int(time.time()) - older_than_s,)
            ).fetchall()
            for (path,) in rows:
                (self.folder / path).unlink(missing_ok=True)
            session.executemany("DELETE FROM replaced WHERE path = ?", rows)
        return len(rows)

    def replaced_paths(self) -> set[str]:
        """Files of segments that were replaced, and stay for readers that have them open."""
        if not self.path.exists():
            return set()
        with self._session() as session:
            return {path for (path,) in session.execute("SELECT path FROM replaced")}

    def sources(self) -> list[Source]:
        """The files that were taken in, by when."""
        if not self.path.exists():
            return []
        with self._session() as session:
            rows = session.execute(
                "SELECT hash, name, counts, mark, chain, coalesce(head, ''), coalesce(content, ''),"
                " coalesce(length, 0), coalesce(CAST(strftime('%s', made_at) AS INTEGER), 0) FROM sources s"
                " LEFT JOIN commits c ON c.id = s.commit_id ORDER BY commit_id, name"
            ).fetchall()
        return [Source(row[0], row[1], json.loads(row[2] or "{}"), *row[3:]) for row in rows]

    def cut_short(self) -> list[tuple[str, int]]:
        """Files that are damaged: their names, and when (epoch seconds) the last flow that could be read began."""
        if not self.path.exists():
            return []
        with self._session() as session:
            return session.execute(CUT_SHORT).fetchall()

    def segments(self, kind: str, since_us: int | None = None, until_us: int | None = None) -> list[Segment]:
        """Segments that hold anything between two times (half-open), by time."""
        if not self.path.exists():
            return []
        with self._session() as session:
            rows = session.execute(
                f"{SEGMENTS} AND kind = ? AND (? IS NULL OR end_us >= ?) AND (? IS NULL OR first_us < ?)"
                " ORDER BY first_us, path",
                (kind, since_us, since_us, until_us, until_us),
            ).fetchall()
        return [Segment(*row) for row in rows]

    def rolled_segments(self) -> set[str]:
        """Paths of segments whose rollups were made, or were found to save nothing."""
        if not self.path.exists():
            return set()
        with self._session() as session:
            rows = session.execute("SELECT DISTINCT segment FROM rolled WHERE form = ?", (ROLLUP_FORM,))
            return {path for (path,) in rows}

    def rollups(self, kind: str, width_s: int) -> dict[str, str]:
        """Paths of the rollups of a kind and width by their segments' paths."""
        if not self.path.exists():
            return {}
        with self._session() as session:
            rows = session.execute(
                "SELECT segment, path FROM rolled WHERE kind = ? AND width_s = ? AND form = ? AND path IS NOT NULL",
                (kind, width_s, ROLLUP_FORM),
            ).fetchall()
        return dict(rows)

    def note_rollups(self, segment: str, paths: dict[tuple[str, int], str | None]) -> None:
        """Note a segment's rollups by kind and width, None for those that save nothing; none where it was replaced."""
        with self._session() as session:
            session.execute("BEGIN IMMEDIATE")
            if session.execute("SELECT 1 FROM segments WHERE path = ?", (segment,)).fetchone() is None:
                for path in paths.values():
                    if path is not None:
                        (self.folder / path).unlink(missing_ok=True)
                return
            session.executemany(
                "INSERT OR REPLACE INTO rolled VALUES (?, ?, ?, ?, ?)",
                [(segment, kind, width_s, path, ROLLUP_FORM) for (kind, width_s), path in paths.items()],
            )

    def forget_rollups(self) -> None:
        """Read flows instead, until rollups are made again."""
        with self._session() as session:
            session.execute("DELETE FROM rolled")

    def mark_labelled(
        self, path: str, atlas: str, editions: list[dict[str, str]], site: str, ours: dict[str, Any] | None
    ) -> None:
        """Note that the labels of a segment rest on these: they were looked at again and stayed the same."""
        with self._session() as session:
            session.execute("UPDATE segments SET atlas = ?, site = ? WHERE path = ?", (atlas, site, path))
            _note_ours(session, ours)
            session.execute("INSERT OR IGNORE INTO labelled VALUES (?, ?)", (atlas, json.dumps(editions)))

    def editions_behind(self, since_us: int | None, until_us: int | None) -> list[shapes.EditionName]:
        """The editions (`source`, `edition`) that the labels of flows between two times rest on."""
        names = {s.atlas for s in self.segments("flows", since_us, until_us)}
        if not names:
            return []
        with self._session() as session:
            rows = session.execute("SELECT atlas, editions FROM labelled").fetchall()
        found = {(e["source"], e["edition"]) for name, text in rows if name in names for e in json.loads(text)}
        return [{"source": source, "edition": edition} for source, edition in sorted(found)]

    def deleted_us(self) -> list[tuple[int, int]]:
        """When flows were that the site did not keep: half-open times, by time."""
        return [(since, until) for since, until in self.load_state(DELETED) or ()] if self.path.exists() else []

    def load_state(self, name: str) -> Any:
        """A JSON value kept under a name; None if there is none."""
        with self._session() as session:
            return _state(session, name)

    def save_state(self, name: str, value: Any) -> None:
        with self._session() as session:
            _put_state(session, name, value)


def _state(session: sqlite3.Connection, name: str) -> Any:
    row = session.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
    return None if row is None else json.loads(row[0])


def _note_ours(session: sqlite3.Connection, ours: dict[str, Any] | None) -> None:
    """Keep the settings behind short names that are new."""
    known = _state(session, OURS) or {}
    if ours and not ours.keys() <= known.keys():
        _put_state(session, OURS, {**known, **ours})


def _put_state(session: sqlite3.Connection, name: str, value: Any) -> None:
    session.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, json.dumps(value)))


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
