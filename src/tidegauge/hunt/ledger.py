"""Findings that people closed as expected, with a reason and an end: kept, shown, and out of the list until then."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, or_, select

from tidegauge.model import Finding, UsageError
from tidegauge.store import Store, note_change, put
from tidegauge.store.tables import closed as closed_table, found as found_table


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
    """What was found and what was closed, in the site's database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def note(self, findings: list[Finding]) -> list[str]:
        """Keep what was found, with the first and the last time it was seen; the names of what is new."""
        if not findings:
            return []
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
                }  # fmt: skip
            put(session, found_table, list(rows.values()))
            note_change(session, "found")
        return [name for name in rows if name not in times]

    def close(self, name: str, reason: str, until_s: int) -> Closed:
        """Close a finding until a time.

        Raises:
            UsageError: no such finding, or no reason.
        """
        if not reason.strip():
            raise UsageError("why is it expected?", hint="--reason TEXT")
        with self._store.changing() as session:
            title = session.scalar(select(found_table.c.title).where(found_table.c.id == name))
            if title is None:
                raise UsageError(f"no such finding: {name!r}", hint="tidegauge hunt shows their names")
            done = Closed(name, reason.strip(), until_s, int(time.time()), title)
            put(session, closed_table, asdict(done))
            note_change(session, "found")
        return done

    def reopen(self, name: str) -> None:
        with self._store.changing() as session:
            if not session.execute(delete(closed_table).where(closed_table.c.id == name)).rowcount:
                raise UsageError(f"not closed: {name!r}")
            note_change(session, "found")

    def closed(self) -> dict[str, Closed]:
        """What is closed, by name; also what has run out."""
        if not self._store.there:
            return {}
        names = [column.name for column in closed_table.columns]
        with self._store.reading() as session:
            rows = session.execute(select(closed_table)).all()
        return {row[0]: Closed(**dict(zip(names, row, strict=True))) for row in rows}

    def kept(self) -> list[dict[str, Any]]:
        """All findings that were noted, as JSON, the newest first."""
        if not self._store.there:
            return []
        order = found_table.c.last_s.desc(), found_table.c.id
        with self._store.reading() as session:
            texts = session.scalars(select(found_table.c.body).where(found_table.c.body.is_not(None)).order_by(*order))
            return [json.loads(text or "{}") for text in texts]

    def about(self, subject: str, at_s: int) -> list[str]:
        """Titles of serious findings about a host, or with it at the far end, around a time (a day either side)."""
        if not self._store.there:
            return []
        table = found_table.c
        whose = or_(table.subject == subject, table.peers.contains(f" {subject} ", autoescape=True))
        serious = table.severity.in_(("high", "critical"))
        when = table.first_s <= at_s + 86400, table.last_s >= at_s - 86400
        with self._store.reading() as session:
            return [title or "" for title in session.scalars(select(table.title).where(whose, serious, *when))]
