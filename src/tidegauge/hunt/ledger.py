"""Findings that people closed as expected, with a reason and an end: kept, shown, and out of the list until then."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tidegauge.model import Finding, UsageError, sqlite_session

SCHEMA = """
CREATE TABLE IF NOT EXISTS closed (
    id TEXT PRIMARY KEY, reason TEXT NOT NULL, until_s INTEGER NOT NULL, closed_s INTEGER NOT NULL, title TEXT);
CREATE TABLE IF NOT EXISTS found (
    id TEXT PRIMARY KEY, kind TEXT, subject TEXT, title TEXT, first_s INTEGER, last_s INTEGER,
    severity TEXT, score REAL, peers TEXT);
"""


@dataclass(frozen=True)
class Closed:
    """A finding that was closed: until when, and why."""

    id: str
    reason: str
    until_s: int
    closed_s: int
    title: str


def finding_id(finding: Finding) -> str:
    """The same for the same thing found again, whenever: kind, whose, with whom, on which service."""
    about = [finding.kind, finding.subject, *finding.peers[:1], str(finding.evidence.get("service", "")),
             str(finding.evidence.get("shape", ""))]  # fmt: skip
    return hashlib.blake2b("\n".join(about).encode(), digest_size=6).hexdigest()


class HuntLedger:
    """What was found and what was closed, in `<data>/hunt.sqlite`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "hunt.sqlite"

    def _session(self) -> AbstractContextManager[sqlite3.Connection]:
        return sqlite_session(self.path, SCHEMA)

    def note(self, findings: list[Finding]) -> None:
        """Keep what was found, with the first and the last time it was seen."""
        with self._session() as session:
            session.executemany(
                "INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " first_s = min(first_s, excluded.first_s), last_s = max(last_s, excluded.last_s),"
                " severity = excluded.severity, score = excluded.score, title = excluded.title",
                [
                    (
                        finding_id(f),
                        f.kind,
                        f.subject,
                        f.title,
                        f.start_s,
                        f.end_s,
                        f.severity,
                        f.score,
                        f" {' '.join(f.peers[:20])} ",
                    )
                    for f in findings
                ],
            )

    def close(self, name: str, reason: str, until_s: int) -> Closed:
        """Close a finding until a time.

        Raises:
            UsageError: no such finding, or no reason.
        """
        if not reason.strip():
            raise UsageError("why is it expected?", hint="--reason TEXT")
        with self._session() as session:
            row = session.execute("SELECT title FROM found WHERE id = ?", (name,)).fetchone()
            if row is None:
                raise UsageError(f"no such finding: {name!r}", hint="tidegauge hunt shows their names")
            now_s = int(time.time())
            session.execute(
                "INSERT OR REPLACE INTO closed VALUES (?, ?, ?, ?, ?)", (name, reason.strip(), until_s, now_s, row[0])
            )
        return Closed(name, reason.strip(), until_s, now_s, row[0])

    def reopen(self, name: str) -> None:
        with self._session() as session:
            if not session.execute("DELETE FROM closed WHERE id = ?", (name,)).rowcount:
                raise UsageError(f"not closed: {name!r}")

    def closed(self) -> dict[str, Closed]:
        """What is closed, by name; also what has run out."""
        if not self.path.exists():
            return {}
        with self._session() as session:
            rows = session.execute("SELECT id, reason, until_s, closed_s, title FROM closed").fetchall()
        return {row[0]: Closed(*row) for row in rows}

    def about(self, subject: str, at_s: int) -> list[str]:
        """Titles of serious findings about a host, or with it at the far end, around a time (a day either side)."""
        if not self.path.exists():
            return []
        with self._session() as session:
            rows = session.execute(
                "SELECT title FROM found WHERE (subject = ? OR peers LIKE ?) AND severity IN ('high', 'critical')"
                " AND first_s <= ? AND last_s >= ?", (subject, f"% {subject} %", at_s + 86400, at_s - 86400),
            ).fetchall()  # fmt: skip
        return [row[0] for row in rows]
