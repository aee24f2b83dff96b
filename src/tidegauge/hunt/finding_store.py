"""Findings that people closed as expected, with a reason and an end: kept, shown, and out of the list until then."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from typing import Any

from tidegauge.model import Finding, UsageError
from tidegauge.store import Store


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
             str(finding.evidence.get("shape", ""))]
    return hashlib.blake2b("\n".join(about).encode(), digest_size=6).hexdigest()


class HuntLedger:
    """What was found and what was closed, in the site's database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def note(self, findings: list[Finding]) -> list[str]:
        """Keep what was found, with the first and the last time it was seen; the names of what is new."""
        from tidegauge.store.writing import note_change, put, select, tables

        if not findings:
            return []
        found_table = tables.found
        with self._store.changing() as session:
            times = {
                name: (first_s, last_s)
                for name, first_s, last_s in session.execute(
                    select(found_table.c.id, found_table.c.first_s, found_table.c.last_s)
                )
            }
            rows: dict[str, dict[str, Any]] = {}
            for f in findings:
                name = finding_id(f)
                first_s, last_s = times.get(name, (f.start_s, f.end_s))
                rows[name] = {
                    "id": name, "kind": f.kind, "subject": f.subject, "title": f.title,
                    "first_s": min(first_s, f.start_s), "last_s": max(last_s, f.end_s), "severity": f.severity,
                    "score": f.score, "peers": f" {' '.join(f.peers[:20])} ", "noted_s": int(time.time()),
                    "body": json.dumps({**f.to_json(), "id": name}, ensure_ascii=False),
                }
            put(session, found_table, list(rows.values()))
            note_change(session, "found")
        return [name for name in rows if name not in times]

    def close(self, name: str, reason: str, until_s: int) -> Closed:
        """Close a finding until a time.

        Raises:
            UsageError: no such finding, or no reason.
        """
        if not reason.strip():
            raise UsageError("--reason is required.", hint="Say in a few words why the finding is expected.")
        from tidegauge.store.writing import note_change, put, select, tables

        with self._store.changing() as session:
            title = session.scalar(select(tables.found.c.title).where(tables.found.c.id == name))
            if title is None:
                raise UsageError(f"no such finding: {name!r}", hint="tidegauge hunt shows their names")
            done = Closed(name, reason.strip(), until_s, int(time.time()), title)
            put(session, tables.closed, asdict(done))
            note_change(session, "found")
        return done

    def reopen(self, name: str) -> None:
        from tidegauge.store.writing import delete, note_change, tables

        with self._store.changing() as session:
            if not session.execute(delete(tables.closed).where(tables.closed.c.id == name)).rowcount:
                raise UsageError(f"not closed: {name!r}")
            note_change(session, "found")

    def closed(self) -> dict[str, Closed]:
        """What is closed, by name; also what has run out."""
        rows = self._store.rows("SELECT id, reason, until_s, closed_s, title FROM closed")
        return {row[0]: Closed(*row) for row in rows}

    def kept(self) -> list[dict[str, Any]]:
        """All findings that were noted, as JSON, the newest first."""
        rows = self._store.rows("SELECT body FROM found WHERE body IS NOT NULL ORDER BY last_s DESC, id")
        return [json.loads(body or "{}") for (body,) in rows]

    def about(self, subject: str, at_s: int) -> list[str]:
        """Titles of serious findings about a host, or with it at the far end, around a time (a day either side)."""
        rows = self._store.rows(
            "SELECT title, subject, peers FROM found WHERE severity IN ('high', 'critical')"
            " AND first_s <= :until AND last_s >= :since",
            since=at_s - 86400, until=at_s + 86400,
        )
        return [title or "" for title, whose, peers in rows if subject == whose or f" {subject} " in (peers or "")]
