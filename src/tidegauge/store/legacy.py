"""What versions before the database kept in SQLite files of their own, taken over into it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, delete, select

from tidegauge.model import LakeError
from tidegauge.store import tables

OLD_TABLES: dict[str, tuple[Table, ...]] = {
    "watches.sqlite": (tables.watches, tables.indicators),
    "hunt.sqlite": (tables.closed, tables.found),
    "atlas/catalogue.sqlite": (tables.editions, tables.fetched),
}
"""The tables of each of `OLD_FILES`, which have the same names and columns here."""


def take_over(connection: Connection, folder: Path, name: str) -> None:
    """Copy the rows of an old file; the file stays as it is.

    Raises:
        LakeError: it is damaged; nothing of it is taken over.
    """
    try:
        with closing(sqlite3.connect(f"file:{folder / name}?mode=ro", uri=True)) as old:
            old.row_factory = sqlite3.Row
            for table in OLD_TABLES[name]:
                there = {row["name"] for row in old.execute(f"PRAGMA table_info({table.name})")}
                columns = [column.name for column in table.columns if column.name in there]
                rows = [
                    dict(row) for row in old.execute(f"SELECT {', '.join(columns)} FROM {table.name} ORDER BY rowid")
                ]
                if rows:
                    connection.execute(table.insert(), rows)
                if table is tables.indicators:
                    pair_ports(connection)
    except sqlite3.Error as error:
        raise LakeError(f"a file of an older version is damaged: {error}", where=str(folder / name),
                        hint="move it away to begin without it") from None


def _without_id(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


def pair_ports(connection: Connection) -> None:
    """Give the ports of a watch to the indicators that they narrowed, in rows of versions in which all ports narrowed
    all others.

    Ports that were given by hand go to every other indicator of their watch. To which address a port of a file
    belonged is not known any more: its addresses are watched at all ports, so that nothing is missed.
    """
    marks = tables.indicators
    rows = [dict(row) for row in connection.execute(select(marks)).mappings()]
    by_hand: dict[str, list[int]] = {}
    for row in rows:
        if row["kind"] == "port" and not row["source"]:
            by_hand.setdefault(row["watch"], []).append(int(row["value"]))
    others = [row for row in rows if row["kind"] != "port" and not row["far_port"]]
    told = {row["watch"] for row in others}
    gone = [row["id"] for row in rows if row["kind"] == "port" and row["watch"] in told]
    paired = [row for row in others if row["watch"] in by_hand]
    gone += [row["id"] for row in paired]
    for begin in range(0, len(gone), 500):
        connection.execute(delete(marks).where(marks.c.id.in_(gone[begin : begin + 500])))
    made = [
        {**row, "far_port": port} for row in map(_without_id, paired) for port in sorted(set(by_hand[row["watch"]]))
    ]
    if made:
        connection.execute(marks.insert(), made)
