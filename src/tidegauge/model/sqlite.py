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
def sqlite_session(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """A connection within one transaction, to a file that is made with its tables where it is missing.

    Raises:
        LakeError: it cannot be opened, or is damaged; nothing of the transaction is kept.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_S)
    except (OSError, sqlite3.Error) as error:
        raise LakeError(f"cannot be opened: {error}", where=str(path)) from None
    try:
        with connection:
            connection.executescript(schema)
            yield connection
    except sqlite3.Error as error:
        raise LakeError(f"is damaged: {error}", where=str(path)) from None
    finally:
        connection.close()
