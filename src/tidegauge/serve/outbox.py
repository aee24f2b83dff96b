"""Word of alarms and findings that is to be sent: a queue in the database, written in the transaction of what it is
about, so that neither a crash nor a dead channel loses any."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from tidegauge.model import Finding
from tidegauge.serve.alarms import Alarm, Alarms, silenced
from tidegauge.settings import AlertSettings
from tidegauge.site import Site
from tidegauge.store import Store, put
from tidegauge.store.tables import outbox

SEVERITIES = ("info", "low", "medium", "high", "critical")
FIRST_WAIT_S, LONGEST_WAIT_S, GIVE_UP_S = 10.0, 3600.0, 3 * 86400.0
HOUR_S = 3600.0
WAITING, SENT, HELD, SILENCED, FAILED = "waiting", "sent", "held", "silenced", "failed"


@dataclass(frozen=True)
class Word:
    """What is to be told: `about` what (the same for all that is said of it), which `event` of it, and the whole."""

    about: str
    event: str
    subject: str
    severity: str
    title: str
    body: dict[str, Any]

    @classmethod
    def of_alarm(cls, alarm: Alarm, event: str) -> Word:
        told = alarm.to_json()
        return cls(alarm.id, event, alarm.series, "high", told["title"], {"alarm": told})

    @classmethod
    def of_finding(cls, name: str, finding: Finding) -> Word:
        told = {"finding": {**finding.to_json(), "id": name}}
        return cls(name, "found", finding.subject, finding.severity, finding.title, told)

    @classmethod
    def test(cls, site: str) -> Word:
        name = f"test-{time.time_ns()}"
        return cls(name, "test", "test", "critical", f"a test message of tidegauge at {site}: nothing happened", {})


@dataclass(frozen=True)
class Letter:
    """A word on its way to one channel."""

    id: int
    channel: str
    about: str
    event: str
    body: str
    created_s: float
    tries: int

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Outbox:
    """The queue of a site."""

    def __init__(self, store: Store, site: Site) -> None:
        self._store, self._site = store, site

    def put(self, connection: Connection, word: Word) -> None:
        """Queue a word for every channel that wants it, once; changes of an alarm that goes on are not sent."""
        if word.event == "updated":
            return
        quiet = silenced(word.subject, Alarms(self._store).silences())
        for name, channel in self._site.alerts.items():
            if SEVERITIES.index(word.severity) >= SEVERITIES.index(channel.least):
                self._queue(connection, name, word, SILENCED if quiet else WAITING, quiet.id if quiet else "")

    def put_test(self, channel: str, word: Word) -> None:
        with self._store.changing() as connection:
            self._queue(connection, channel, word, WAITING, "")

    def _queue(self, connection: Connection, channel: str, word: Word, state: str, why: str) -> None:
        now_s = time.time()
        told = {"site": self._site.name, "simulated": self._site.simulated, "event": word.event, "about": word.about,
                "subject": word.subject, "severity": word.severity, "title": word.title, **word.body}
        row = {
            "channel": channel, "about": word.about, "event": word.event, "state": state, "error": why, "tries": 0,
            "body": json.dumps(told, ensure_ascii=False), "created_s": now_s, "next_s": now_s,
        }
        put(connection, outbox, row, keys=("channel", "about", "event"), fresh=True)

    def due(self, now_s: float | None = None, most: int = 100) -> list[Letter]:
        """What is to be sent now, the oldest first."""
        if not self._store.there:
            return []
        now_s = time.time() if now_s is None else now_s
        table = outbox.c
        with self._store.reading() as connection:
            rows = connection.execute(
                select(table.id, table.channel, table.about, table.event, table.body, table.created_s, table.tries)
                .where(table.state == WAITING, table.next_s <= now_s).order_by(table.id).limit(most)
            )
            return [Letter(*row) for row in rows]

    def sent_within_hour(self, channel: str) -> int:
        """How many went to a channel within the last hour."""
        with self._store.reading() as connection:
            return int(
                connection.scalar(
                    select(func.count()).where(
                        outbox.c.channel == channel, outbox.c.state == SENT, outbox.c.next_s > time.time() - HOUR_S
                    )
                ) or 0
            )

    def mark(self, letter: Letter, state: str, error: str = "") -> None:
        """Note what became of a letter."""
        self._change(letter, state=state, error=error, next_s=time.time(), tries=letter.tries + 1)

    def later(self, letter: Letter, error: str) -> None:
        """Try again after a wait that doubles; given up after three days."""
        if time.time() - letter.created_s > GIVE_UP_S:
            self.mark(letter, FAILED, error)
            return
        wait_s = min(FIRST_WAIT_S * 2 ** min(letter.tries, 20), LONGEST_WAIT_S)
        self._change(letter, error=error, next_s=time.time() + wait_s, tries=letter.tries + 1)

    def _change(self, letter: Letter, **values: Any) -> None:
        with self._store.changing() as connection:
            connection.execute(update(outbox).where(outbox.c.id == letter.id).values(**values))

    def hold(self, letter: Letter, channel: AlertSettings) -> None:
        """Hold a letter back since too many went out; one that says so goes out an hour later."""
        now_s = time.time()
        hour = int(now_s // HOUR_S)
        word = Word(
            f"held-{hour}", "held", "flood", "critical",
            f"more than {channel.most_an_hour} messages within an hour: further ones are held back", {},
        )
        self.mark(letter, HELD, f"more than {channel.most_an_hour} an hour")
        with self._store.changing() as connection:
            self._queue(connection, letter.channel, word, WAITING, "")

    def states(self) -> dict[tuple[str, str], int]:
        """How many letters there are by channel and state."""
        if not self._store.there:
            return {}
        table = outbox.c
        with self._store.reading() as connection:
            counted = select(table.channel, table.state, func.count()).group_by(table.channel, table.state)
            rows = connection.execute(counted)
            return {(channel, state): count for channel, state, count in rows}
