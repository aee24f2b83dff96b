"""Who asked and changed what: an append-only log whose rows are chained by keyed hashes.

Each row's hash covers the row and the hash before it, under a key that lies outside the database (HMAC-SHA-256, RFC
2104): who can write the database but has no key can neither change, insert, reorder nor remove rows unseen. How many
rows there are is also kept beside the key, so that rows missing at the end are seen.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from tidegauge.model import LakeError, format_time
from tidegauge.store.database import Store
from tidegauge.store.keys import site_key
from tidegauge.store.tables import audit

FIRST = "0" * 64
AT_ONCE = 10_000


@dataclass(frozen=True)
class Entry:
    """One row: who did what, when (microseconds), with details as JSON."""

    number: int
    at_us: int
    who: str
    what: str
    detail: str
    before: str
    hash: str

    def to_json(self) -> dict[str, Any]:
        return {"number": self.number, "at": format_time(self.at_us / 1e6), "who": self.who, "what": self.what,
                "detail": json.loads(self.detail), "hash": self.hash}


@dataclass(frozen=True)
class Verified:
    """What a look at the whole chain found: how many rows are whole, and where it is broken (None: nowhere)."""

    rows: int
    broken: int | None
    why: str


class Audit:
    """The audit log of a site."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def note(self, who: str, what: str, detail: dict[str, Any] | None = None) -> None:
        """Add a row.

        Raises:
            LakeError: the database or the key cannot be used.
        """
        with self._store.changing() as connection:
            self.note_in(connection, who, what, detail)

    def note_in(self, connection: Connection, who: str, what: str, detail: dict[str, Any] | None = None) -> None:
        """Add a row in the transaction that makes the change."""
        last = connection.execute(select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)).first()
        number, before = (last[0] + 1, last[1]) if last else (1, FIRST)
        text = json.dumps(detail or {}, ensure_ascii=False, sort_keys=True)
        at_us = time.time_ns() // 1000
        row = {"number": number, "at_us": at_us, "who": who, "what": what, "detail": text, "before": before}
        connection.execute(audit.insert(), {**row, "hash": self._hash(row)})
        self._count(number)

    def _hash(self, row: dict[str, Any]) -> str:
        text = json.dumps([row[name] for name in ("number", "at_us", "who", "what", "detail", "before")])
        return hmac.new(site_key(self._folder, "audit"), text.encode(), hashlib.sha256).hexdigest()

    def _count(self, number: int) -> None:
        """Keep beside the key that there are so many rows; at a crash it may be one behind, or one ahead of what was
        rolled back."""
        path = self._folder / "keys" / "audit.count"
        staged = path.with_name(f".audit.count.{os.getpid()}")
        with suppress(OSError):
            staged.write_text(str(number))
            os.replace(staged, path)

    def entries(self, *, after: int = 0, most: int = AT_ONCE) -> list[Entry]:
        """Rows behind a number, by number."""
        if not self._store.there:
            return []
        with self._store.reading() as connection:
            rows = connection.execute(select(audit).where(audit.c.number > after).order_by(audit.c.number).limit(most))
            return [Entry(*row) for row in rows]

    def _all(self) -> Iterator[Entry]:
        after = 0
        while found := self.entries(after=after):
            yield from found
            after = found[-1].number

    def verify(self) -> Verified:
        """Look at every row.

        Raises:
            LakeError: the database or the key cannot be used.
        """
        before, rows = FIRST, 0
        for entry in self._all():
            if entry.number != rows + 1:
                return Verified(rows, rows + 1, f"row {rows + 1} is missing")
            if entry.before != before:
                return Verified(rows, entry.number, f"row {entry.number} does not follow row {rows}")
            row = {name: getattr(entry, name) for name in ("number", "at_us", "who", "what", "detail", "before")}
            if not hmac.compare_digest(self._hash(row), entry.hash):
                return Verified(rows, entry.number, f"row {entry.number} was altered")
            before, rows = entry.hash, rows + 1
        kept = self._kept()
        if kept is None and rows:
            return Verified(rows, rows + 1, "how many rows there were is not known: keys/audit.count is missing")
        if kept is not None and kept > rows + 1:
            return Verified(rows, rows + 1, f"{kept - rows} rows are missing at the end")
        return Verified(rows, None, "")

    def _kept(self) -> int | None:
        path = self._folder / "keys" / "audit.count"
        try:
            return int(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LakeError(f"the count of rows cannot be read: {error}", where=str(path)) from None
