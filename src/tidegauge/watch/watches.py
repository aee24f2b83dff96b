"""The watches of a site, kept in its database."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from tidegauge.model import UsageError
from tidegauge.store import Store
from tidegauge.watch.indicator import Indicator

MOST_LEFT, MOST_INDICATORS = 200, 50_000
FIELDS = ("kind", "value", "from_s", "until_s", "source", "far_port", "home_port")


@dataclass(frozen=True)
class Watch:
    """A named asset.

    Attributes:
        sizes: known sizes of the loot, in bytes.
        left: what of its files is not watched: what, why, how many.
    """

    name: str
    note: str = ""
    sizes: tuple[int, ...] = ()
    indicators: tuple[Indicator, ...] = field(default=())
    left: tuple[tuple[str, str, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "note": self.note, "sizes": list(self.sizes),
                "indicators": [i.to_json() for i in self.indicators]}


class Watches:
    """The watches of a site, in its database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self, name: str, indicators: list[Indicator], *, note: str = "", sizes: tuple[int, ...] = (),
        left: Iterable[tuple[str, str, int]] = (),
    ) -> Watch:
        """Make a watch, or add to one. An indicator that is added never takes away from the others.

        Args:
            left: what of the files with the indicators is not watched.

        Raises:
            UsageError: a name that is none, or no indicators.
        """
        if not re.fullmatch(r"[\w.-]{1,64}", name):
            raise UsageError(f"not a name for a watch: {name!r}", hint="letters, digits, - . _")
        if len(indicators) > MOST_INDICATORS:
            raise UsageError(f"{len(indicators):,} indicators are more than a watch holds ({MOST_INDICATORS:,})",
                             hint="split them over several watches")
        if not indicators:
            raise UsageError("a watch needs indicators", hint="--prefix, --as, --domain or --port")
        from tidegauge.store.writing import note_change, put, select, tables

        watches_table, marks_table = tables.watches, tables.indicators
        with self._store.changing() as session:
            before = session.execute(
                select(watches_table.c.note, watches_table.c.sizes, watches_table.c.left_out)
                .where(watches_table.c.name == name)
            ).first()
            old_note, old_sizes, old_left = (before[0], *map(json.loads, before[1:])) if before else ("", [], [])
            known = json.dumps(sorted({*old_sizes, *sizes}))
            # The same file again leaves out the same.
            unwatched = list(dict.fromkeys((*map(tuple, old_left), *left)))[:MOST_LEFT]
            put(session, watches_table, {"name": name, "note": note or old_note, "sizes": known,
                                         "left_out": json.dumps(unwatched)})
            put(
                session, marks_table, [{"watch": name, **asdict(mark)} for mark in indicators],
                keys=("watch", "kind", "value", "from_s", "until_s", "far_port", "home_port"), fresh=True,
            )
            note_change(session, "watches")
        return self.get(name)

    def get(self, name: str) -> Watch:
        """Return one watch.

        Raises:
            UsageError: there is none of that name.
        """
        found = next((w for w in self.all() if w.name == name), None)
        if found is None:
            raise UsageError(f"no such watch: {name!r}", hint="tidegauge watch list")
        return found

    def all(self) -> list[Watch]:
        """Return all watches, by name."""
        marks: dict[str, list[Indicator]] = defaultdict(list)
        for watch, *values in self._store.rows(f"SELECT watch, {', '.join(FIELDS)} FROM indicators ORDER BY id"):
            marks[watch].append(Indicator(*values))
        rows = self._store.rows("SELECT name, note, sizes, left_out FROM watches ORDER BY name")
        return [
            Watch(name, note, tuple(json.loads(sizes)), tuple(marks[name]), tuple(map(tuple, json.loads(left))))
            for name, note, sizes, left in rows
        ]

    def remove(self, name: str) -> None:
        """Forget a watch.

        Raises:
            UsageError: there is none of that name.
        """
        from tidegauge.store.writing import delete, note_change, tables

        self.get(name)
        with self._store.changing() as session:
            session.execute(delete(tables.watches).where(tables.watches.c.name == name))
            session.execute(delete(tables.indicators).where(tables.indicators.c.watch == name))
            note_change(session, "watches")
