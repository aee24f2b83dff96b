"""What is in a case: entries that are added and never changed, chained by hashes and sealed by the site's key.

An entry's hash covers it and the hash before it (SHA-256), so that another team can follow the chain with nothing but
the entries; its seal is that hash under a key that lies outside the database (HMAC-SHA-256), so that who can write the
database but has no key cannot make a chain of his own. How many entries there are is kept beside the key.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, func, select

from tidegauge.model import LakeError, TidegaugeError, UsageError, case_shapes, format_time
from tidegauge.model.case_shapes import EntryKind
from tidegauge.store import Store
from tidegauge.store.keys import site_key
from tidegauge.store.tables import case_entries, cases

LETTERS: dict[str, str] = {
    "claim": "C",
    "evidence": "E",
    "hypothesis": "H",
    "request": "R",
    "decision": "D",
    "note": "N",
    "stamp": "T",
}
"""Kinds whose entries are named, and by which letter."""
FIRST = "0" * 64
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MOST_BODY = 64 << 20


class ConflictError(TidegaugeError):
    """Somebody else changed the same thing in between."""


@dataclass(frozen=True)
class Entry:
    """One entry; `about` names what it says something of, where a later one of the same name takes its place."""

    case: str
    number: int
    at_us: int
    who: str
    kind: str
    id: str
    about: str
    body: dict[str, Any]
    before: str
    hash: str
    seal: str = ""

    def to_json(self) -> case_shapes.Entry:
        told: dict[str, Any] = {
            "number": self.number,
            "at": format_time(self.at_us / 1e6),
            "who": self.who,
            "kind": self.kind,
            "id": self.id,
            "about": self.about,
            **self.body,
        }
        return cast(case_shapes.Entry, told)

    def packed(self) -> dict[str, Any]:
        """As it stands in a bundle, without its seal."""
        names = ("case", "number", "at_us", "who", "kind", "id", "about", "body", "before", "hash")
        return {name: getattr(self, name) for name in names}


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same text for the same value."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def entry_hash(entry: dict[str, Any]) -> str:
    """What an entry's hash must be, by its columns."""
    names = ("case", "number", "at_us", "who", "kind", "id", "about", "body", "before")
    return digest([entry[name] for name in names])


@dataclass(frozen=True)
class Case:
    """One case as it stands: its entries in order."""

    name: str
    title: str
    created_us: int
    entries: tuple[Entry, ...]

    @property
    def revision(self) -> int:
        return self.entries[-1].number if self.entries else 0

    def of(self, kind: EntryKind) -> list[Entry]:
        """Entries of a kind; of those about the same thing the last."""
        last: dict[str, Entry] = {}
        for entry in self.entries:
            if entry.kind == kind:
                last[entry.about or entry.id] = entry
        return list(last.values())

    def get(self, name: str) -> Entry:
        """The entry of a name (`C1`, `E2`).

        Raises:
            UsageError: there is none.
        """
        for entry in reversed(self.entries):
            if entry.id == name:
                return entry
        raise UsageError(f"no such entry: {name!r}", hint=f"tidegauge case show {self.name}")

    @property
    def mark(self) -> str:
        """The TLP 2.0 mark."""
        marks = self.of("mark")
        return str(marks[-1].body["mark"]) if marks else "TLP:AMBER"

    def to_json(self) -> case_shapes.CaseTold:
        return {
            "name": self.name,
            "title": self.title,
            "created": format_time(self.created_us / 1e6),
            "mark": self.mark,
            "revision": self.revision,
            "entries": [entry.to_json() for entry in self.entries],
        }


class Cases:
    """The cases of a site.

    Args:
        folder: the site's folder, in which the key lies.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store, self._folder = store, folder

    def names(self) -> list[dict[str, Any]]:
        """All cases: name, title, when made, how many entries."""
        if not self._store.there:
            return []
        count = func.count(case_entries.c.number)
        with self._store.reading() as session:
            rows = session.execute(
                select(cases.c.name, cases.c.title, cases.c.created_us, count)
                .join(case_entries, case_entries.c.case_name == cases.c.name, isouter=True)
                .group_by(cases.c.name, cases.c.title, cases.c.created_us)
                .order_by(cases.c.created_us)
            ).all()
        return [{"name": n, "title": t, "created": format_time(at / 1e6), "entries": c} for n, t, at, c in rows]

    def new(self, name: str, who: str, title: str = "", hypotheses: dict[str, str] | None = None) -> Case:
        """Make a case, with hypotheses by their keys.

        Raises:
            UsageError: the name is taken, or no name.
        """
        if not NAME.fullmatch(name):
            raise UsageError(f"not a name for a case: {name!r}", hint="letters, digits, . _ and -, at most 64")
        self._count(name, 0)
        with self._store.changing() as session:
            if session.scalar(select(cases.c.name).where(cases.c.name == name)) is not None:
                raise UsageError(f"there is a case of that name: {name!r}")
            row = {"name": name, "title": title or name, "created_us": time.time_ns() // 1000}
            session.execute(cases.insert(), row)
            self._add(session, name, who, "note", {"text": f"The case was opened: {title or name}"}, "", None)
            for key, text in (hypotheses or {}).items():
                self._add(session, name, who, "hypothesis", {"key": key, "text": text}, "", None)
        made = self.get(name)
        self._count(name, made.revision)
        return made

    def get(self, name: str) -> Case:
        """A case.

        Raises:
            UsageError: there is none.
        """
        if self._store.there:
            with self._store.reading() as session:
                head = session.execute(select(cases).where(cases.c.name == name)).first()
                if head is not None:
                    return Case(head[0], head[1], head[2], self._entries(session, name))
        raise UsageError(f"no such case: {name!r}", hint="tidegauge case list")

    def _entries(self, session: Connection, name: str) -> tuple[Entry, ...]:
        query = select(case_entries).where(case_entries.c.case_name == name).order_by(case_entries.c.number)
        found = []
        for row in session.execute(query):
            try:
                body = json.loads(row.body)
            except ValueError:
                body = {"altered": row.body[:200]}
            found.append(
                Entry(
                    row.case_name,
                    row.number,
                    row.at_us,
                    row.who,
                    row.kind,
                    row.id,
                    row.about,
                    body if isinstance(body, dict) else {"altered": body},
                    row.before,
                    row.hash,
                    row.seal,
                )
            )
        return tuple(found)

    def add(
        self, name: str, who: str, kind: EntryKind, body: dict[str, Any], *, about: str = "",
        expected: int | None = None,
    ) -> Entry:
        """Add an entry.

        Args:
            about: what it says something of; a later entry of the same name takes its place.
            expected: the revision that its writer saw: if somebody wrote about the same since, nothing is written.

        Raises:
            UsageError: no such case, or too long.
            ConflictError: somebody else wrote about the same in between.
        """
        with self._store.changing() as session:
            if session.scalar(select(cases.c.name).where(cases.c.name == name)) is None:
                raise UsageError(f"no such case: {name!r}", hint="tidegauge case list")
            made = self._add(session, name, who, kind, body, about, expected)
        self._count(name, made.number)
        return made

    def _add(
        self,
        session: Connection,
        name: str,
        who: str,
        kind: EntryKind,
        body: dict[str, Any],
        about: str,
        expected: int | None,
    ) -> Entry:
        table = case_entries.c
        if about and expected is not None:
            newer = session.execute(
                select(table.number, table.who)
                .where(table.case_name == name, table.about == about, table.number > expected)
                .order_by(table.number.desc())
                .limit(1)
            ).first()
            if newer is not None:
                raise ConflictError(
                    f"{newer[1]} changed {about} in between (entry {newer[0]})", hint="look, then again"
                )
        last = session.execute(
            select(table.number, table.hash).where(table.case_name == name).order_by(table.number.desc()).limit(1)
        ).first()
        number, before = (last[0] + 1, last[1]) if last else (1, FIRST)
        letter = LETTERS.get(kind, "")
        if letter:
            same = select(func.count()).where(table.case_name == name, table.kind == kind)
            identity = f"{letter}{(session.scalar(same) or 0) + 1}"
        else:
            identity = ""
        row: dict[str, Any] = {
            "case": name,
            "number": number,
            "at_us": time.time_ns() // 1000,
            "who": who,
            "kind": kind,
            "id": identity,
            "about": about[:300],
            "body": body,
            "before": before,
        }
        made = entry_hash(row)
        text = canonical(body)
        if len(text) > MOST_BODY:
            raise UsageError(f"larger than {MOST_BODY >> 20} MB", hint="ask for less: a shorter time, wider bins")
        seal = self._seal(made)
        columns = {key: row[key] for key in row if key not in ("case", "body")}
        session.execute(case_entries.insert(), {**columns, "case_name": name, "body": text, "hash": made, "seal": seal})
        return Entry(**row, hash=made, seal=seal)

    def _seal(self, text: str) -> str:
        return hmac.new(site_key(self._folder, "case"), text.encode(), hashlib.sha256).hexdigest()

    # How many entries there are, beside the key.

    @property
    def _counts(self) -> Path:
        return self._folder / "keys" / "cases.count"

    def _counted(self) -> dict[str, int]:
        try:
            told = json.loads(self._counts.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise LakeError(f"the count of entries cannot be read: {error}", where=str(self._counts)) from None
        return {str(name): int(count) for name, count in told.items()}

    def _count(self, name: str, number: int) -> None:
        """Keep that there are so many entries, once they are: at a crash it may be behind, never ahead."""
        self._counts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._counts.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            counts = self._counted()
            if name in counts and counts[name] >= number:
                return
            counts[name] = number
            staged = self._counts.with_name(f".cases.count.{os.getpid()}")
            staged.write_text(json.dumps(counts))
            os.replace(staged, self._counts)

    def broken(self, case: Case) -> str:
        """Where the chain of a case is broken, and how; empty where it is whole."""
        said = broken_chain(case.name, [e.packed() for e in case.entries], lambda n, h: self._sealed(case, n, h))
        if said:
            return said
        counted = self._counted().get(case.name)
        if counted is None and case.entries:
            return "how many entries there were is not known: keys/cases.count has nothing about it"
        if counted is not None and counted > case.revision:
            missing = counted - case.revision
            return f"{missing} {'entry is' if missing == 1 else 'entries are'} missing at the end"
        return ""

    def _sealed(self, case: Case, number: int, made: str) -> bool:
        return hmac.compare_digest(self._seal(made), case.entries[number - 1].seal)


def broken_chain(name: str, entries: list[dict[str, Any]], sealed: Callable[[int, str], bool] | None = None) -> str:
    """Where a chain of packed entries is broken, and how; empty where it is whole.

    Args:
        sealed: whether the seal of an entry (by number and hash) is right, where seals can be looked at.
    """
    before = FIRST
    for number, entry in enumerate(entries, 1):
        title = f"entry {entry.get('number')} ({entry.get('id') or entry.get('kind')})"
        if entry.get("case") != name or entry.get("number") != number:
            return f"entry {number} is missing or out of order: {title} stands in its place"
        if entry.get("before") != before:
            return f"{title} does not follow entry {number - 1}"
        try:
            right = hmac.compare_digest(entry_hash(entry), str(entry.get("hash")))
        except (KeyError, TypeError):
            right = False
        if not right:
            return f"{title} was altered"
        if sealed is not None and not sealed(number, entry["hash"]):
            return f"{title} was not sealed with this site's key"
        before = entry["hash"]
    return ""
