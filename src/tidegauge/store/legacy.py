"""What versions before the database kept in SQLite files of their own, taken over into it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, Table

from tidegauge.model import LakeError
from tidegauge.store import tables

OLD_FILES: dict[str, tuple[Table, ...]] = {
    "watches.sqlite": (tables.watches, tables.indicators),
    "hunt.sqlite": (tables.closed, tables.found),
    "atlas/catalogue.sqlite": (tables.editions, tables.fetched),
}
"""Files by their place in the data folder, with their tables, which have the same names and columns here."""


def take_over(connection: Connection, folder: Path, name: str) -> None:
    """Copy the rows of an old file; the file stays as it is.

    Raises:
        LakeError: it is damaged; nothing of it is taken over.
    """
    try:
        with closing(sqlite3.connect(f"file:{folder / name}?mode=ro", uri=True)) as old:
            old.row_factory = sqlite3.Row
            for table in OLD_FILES[name]:
                there = {row["name"] for row in old.execute(f"PRAGMA table_info({table.name})")}
                columns = [column.name for column in table.columns if column.name in there]
                rows = [
                    dict(row) for row in old.execute(f"SELECT {', '.join(columns)} FROM {table.name} ORDER BY rowid")
                ]
                if rows:
                    connection.execute(table.insert(), rows)
    except sqlite3.Error as error:
        raise LakeError(f"a file of an older version is damaged: {error}", where=str(folder / name),
                        hint="move it away to begin without it") from None  # fmt: skip
