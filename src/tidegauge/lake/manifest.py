"""The manifest: which files were taken in, which segments hold their flows, and what an interrupted run left behind."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegauge.model import LakeError

SCHEMA = """
CREATE TABLE IF NOT EXISTS commits (id INTEGER PRIMARY KEY, made_at TEXT DEFAULT CURRENT_TIMESTAMP, done INTEGER);
CREATE TABLE IF NOT EXISTS sources (hash TEXT PRIMARY KEY, name TEXT, counts TEXT, commit_id INTEGER);
CREATE TABLE IF NOT EXISTS segments (
    path TEXT PRIMARY KEY, kind TEXT, rows INTEGER, size INTEGER, hash TEXT,
    first_us INTEGER, last_us INTEGER, end_us INTEGER, commit_id INTEGER);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT);
"""


@dataclass(frozen=True)
class Segment:
    """One immutable Parquet file.

    Attributes:
        path: relative to the data folder.
        kind: `flows` or `coverage`.
        first_us, last_us: least and greatest start of what it holds, `end_us` the greatest end.
        hash: BLAKE2b of the file.
    """

    path: str
    kind: str
    rows: int
    size: int
    hash: str
    first_us: int
    last_us: int
    end_us: int


class Manifest:
    """The SQLite file beside the segments. Segments are seen by readers only once their commit is done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "manifest.sqlite"

    def _connect(self) -> sqlite3.Connection:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=30)
            connection.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise LakeError(f"cannot open the manifest: {error}", where=str(self.path)) from None
        return connection

    @contextmanager
    def _session(self) -> Iterator[sqlite3.Connection]:
        connection = self._connect()
        try:
            with connection:
                yield connection
        except sqlite3.Error as error:
            raise LakeError(f"the manifest is damaged: {error}", where=str(self.path)) from None
        finally:
            connection.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder for one writer; what an interrupted one left is finished or removed first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LakeError(
                    "another run is writing here", where=str(self.folder), hint="wait until it has ended"
                ) from None
            self._recover()
            yield
            shutil.rmtree(self.folder / "staging", ignore_errors=True)

    def _recover(self) -> None:
        with self._session() as session:
            for (commit,) in session.execute("SELECT id FROM commits WHERE done = 0").fetchall():
                self._move(session, commit)
        shutil.rmtree(self.folder / "staging", ignore_errors=True)

    def _move(self, session: sqlite3.Connection, commit: int) -> None:
        """Rename the staged files of a commit into place; safe to repeat."""
        folders = set()
        for (path,) in session.execute("SELECT path FROM segments WHERE commit_id = ?", (commit,)).fetchall():
            staged, final = self.folder / "staging" / path, self.folder / path
            if staged.exists():
                final.parent.mkdir(parents=True, exist_ok=True)
                os.replace(staged, final)
                folders.add(final.parent)
        for folder in folders:
            sync_folder(folder)
        session.execute("UPDATE commits SET done = 1 WHERE id = ?", (commit,))

    def commit(self, segments: list[Segment], sources: list[tuple[str, str, dict[str, Any]]]) -> None:
        """Make staged segments and the files they came from part of the lake, all or nothing."""
        with self._session() as session:
            commit = session.execute("INSERT INTO commits (done) VALUES (0)").lastrowid
            assert commit is not None
            session.executemany(
                "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(s.path, s.kind, s.rows, s.size, s.hash, s.first_us, s.last_us, s.end_us, commit) for s in segments],
            )
            session.executemany(
                "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?)",
                [(digest, name, json.dumps(counts), commit) for digest, name, counts in sources],
            )
        with self._session() as session:
            self._move(session, commit)

    def knows(self, digest: str) -> bool:
        """Whether a file of this content has been taken in."""
        with self._session() as session:
            return session.execute("SELECT 1 FROM sources WHERE hash = ?", (digest,)).fetchone() is not None

    def segments(self, kind: str, since_us: int | None = None, until_us: int | None = None) -> list[Segment]:
        """Segments that hold anything between two times (half-open), by time."""
        if not self.path.exists():
            return []
        with self._session() as session:
            rows = session.execute(
                "SELECT path, kind, rows, size, s.hash, first_us, last_us, end_us FROM segments s"
                " JOIN commits c ON c.id = s.commit_id WHERE c.done = 1 AND kind = ?"
                " AND (? IS NULL OR end_us >= ?) AND (? IS NULL OR first_us < ?) ORDER BY first_us, path",
                (kind, since_us, since_us, until_us, until_us),
            ).fetchall()
        return [Segment(*row) for row in rows]

    def load_state(self, name: str) -> Any:
        """A JSON value kept under a name; None if there is none."""
        with self._session() as session:
            row = session.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def save_state(self, name: str, value: Any) -> None:
        with self._session() as session:
            session.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, json.dumps(value)))


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
