"""Small SQLite files for what people and programs note: opened, changed in one transaction, and closed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidegauge.model.errors import LakeError

BUSY_S = 30
"""How long one waits for another process's transaction."""


@contextmanager
def sqlite_session(
    path: Path, schema: str, *, what: str = "", added: tuple[tuple[str, str], ...] = ()
) -> Iterator[sqlite3.Connection]:
    """A connection within one transaction, to a file that is made with its tables where it is missing.

    Args:
        what: how errors call the file.
        added: (table, column and type) of columns that older files do not have.

    Raises:
        LakeError: it cannot be opened, or is damaged; nothing of the transaction is kept.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_S)
    except (OSError, sqlite3.Error) as error:
        raise LakeError(f"{what} cannot be opened: {error}".lstrip(), where=str(path)) from None
    try:
        with connection:
            connection.executescript(schema)
            for table, column in added:
                if column.split()[0] not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
                    connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
            yield connection
    except sqlite3.OperationalError as error:
        raise LakeError(f"{what} cannot be used: {error}".lstrip(), where=str(path)) from None
    except sqlite3.Error as error:
        raise LakeError(f"{what} is damaged: {error}".lstrip(), where=str(path)) from None
    finally:
        connection.close()
