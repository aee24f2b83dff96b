"""Alarms of live judgement: opened, updated and ended; and silences, which keep them from being sent for a while."""

from __future__ import annotations

import fnmatch
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import Connection, delete, select

from tidegauge.model import FOREVER_S, UsageError, format_time, shapes
from tidegauge.store import Store, note_change, put
from tidegauge.store.tables import alarms, silences


@dataclass(frozen=True)
class Alarm:
    """One alarm: the series it is about, its time, and the answer that stands behind it (`body`, JSON)."""

    id: str
    series: str
    state: Literal["open", "ended"]
    start_s: int
    end_s: int
    opened_s: int
    updated_s: int
    ended_s: int | None
    body: str

    def to_json(self) -> shapes.Alarm:
        return {
            "id": self.id, "series": self.series, "state": self.state, "start": format_time(self.start_s),
            "end": format_time(self.end_s), "opened": format_time(self.opened_s),
            "updated": format_time(self.updated_s),
            "ended": None if self.ended_s is None else format_time(self.ended_s),
            **cast(shapes.AlarmBody, json.loads(self.body)),
        }


@dataclass(frozen=True)
class Silence:
    """Alarms and findings that are not sent until a time: `what` is a pattern of their series or subject."""

    id: str
    what: str
    reason: str
    by: str
    created_s: int
    until_s: int

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "what": self.what, "reason": self.reason, "by": self.by,
                "created": format_time(self.created_s), "until": format_time(self.until_s)}


class Alarms:
    """The alarms and silences of a site."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def listed(self, *, state: str | None = None, since_s: int = 0, until_s: int = FOREVER_S) -> list[Alarm]:
        """Alarms that touch a time, the newest first."""
        if not self._store.there:
            return []
        wanted = [alarms.c.end_s > since_s, alarms.c.start_s < until_s, *([alarms.c.state == state] if state else [])]
        with self._store.reading() as connection:
            rows = connection.execute(
                select(alarms).where(*wanted).order_by(alarms.c.start_s.desc(), alarms.c.id)
            )
            return [Alarm(*row) for row in rows]

    def get(self, name: str) -> Alarm:
        """One alarm.

        Raises:
            UsageError: there is none of that name.
        """
        with self._store.reading() as connection:
            row = connection.execute(select(alarms).where(alarms.c.id == name)).first()
        if row is None:
            raise UsageError(f"no such alarm: {name!r}", hint="GET alarms lists them")
        return Alarm(*row)

    def write(self, connection: Connection, alarm: Alarm) -> None:
        """Open or change an alarm, in the transaction that also sends word of it."""
        names = [column.name for column in alarms.columns]
        put(connection, alarms, {name: getattr(alarm, name) for name in names})
        note_change(connection, "alarms")

    def silence(self, what: str, reason: str, by: str, until_s: int) -> Silence:
        """Send nothing about what matches a pattern until a time.

        Raises:
            UsageError: no reason, or an end that is over.
        """
        if not reason.strip():
            raise UsageError("why is it silenced?", hint="a reason that others understand")
        if not what.strip() or until_s <= time.time():
            raise UsageError("a silence needs what it is about, and an end that is to come")
        made = Silence(secrets.token_hex(6), what.strip(), reason.strip(), by, int(time.time()), until_s)
        with self._store.changing() as connection:
            connection.execute(silences.insert(), vars(made))
        return made

    def unsilence(self, name: str) -> None:
        """End a silence.

        Raises:
            UsageError: there is none of that name.
        """
        with self._store.changing() as connection:
            if not connection.execute(delete(silences).where(silences.c.id == name)).rowcount:
                raise UsageError(f"no such silence: {name!r}")

    def silences(self) -> list[Silence]:
        """Silences that have not run out, by their end."""
        if not self._store.there:
            return []
        with self._store.reading() as connection:
            rows = connection.execute(
                select(silences).where(silences.c.until_s > int(time.time())).order_by(silences.c.until_s)
            )
            return [Silence(*row) for row in rows]


def silenced(about: str, listed: list[Silence]) -> Silence | None:
    """The silence that an alarm's series or a finding's subject falls under.

    >>> nap = Silence("1", "country KP *", "known", "me", 0, 10)
    >>> silenced("country KP in bytes", [nap]) is nap, silenced("country CN in bytes", [nap])
    (True, None)
    """
    return next((one for one in listed if fnmatch.fnmatchcase(about, one.what)), None)
