"""The database of a site: SQLite in the data folder, or what the site file names by URL; brought to the newest form
when it is first opened."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tidegauge.site import Site

FILE_NAME = "tidegauge.sqlite"
OLD_FILES = ("watches.sqlite", "hunt.sqlite", "atlas/catalogue.sqlite")
"""What versions before the database kept by themselves, by place in the data folder."""
HEAD = "left_out"
"""The newest migration."""
BUSY_S = 30


class Store:
    """Transactions on a site's database. Nothing is made by reading: where there is none, there is nothing to read.

    Args:
        folder: the data folder, for the default database and for files of older versions.
        url: an SQLAlchemy URL instead.
    """

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.path = None if url else folder / FILE_NAME
        self.url = url or f"sqlite:///{self.path}"
        self._changed: dict[str, tuple[tuple[float, ...], int]] = {}

    @classmethod
    def of(cls, site: Site) -> Store:
        return cls(site.data, site.store_url)

    @property
    def there(self) -> bool:
        """Whether anything can have been written yet."""
        if self.path is None or self.path.exists():
            return True
        return any((self.folder / name).exists() for name in OLD_FILES)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of things.

        Raises:
            LakeError: the database cannot be used.
        """
        with self._begun(writing=False) as connection:
            yield connection

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """A transaction: all of it is kept, or nothing.

        Raises:
            LakeError: the database cannot be used.
        """
        with self._begun(writing=True) as connection:
            yield connection

    @contextmanager
    def _begun(self, *, writing: bool) -> Iterator[Connection]:
        from tidegauge.store.writing import begun  # SQLAlchemy takes as long to import as a short question to answer

        with begun(self.folder, self.url, self.shown, writing=writing) as connection:
            yield connection

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query with named parameters (`:name`); read without SQLAlchemy where the database is a file in
        its newest form.

        Raises:
            LakeError: the database cannot be used.
        """
        if not self.there:
            return []
        found = self._quickly(sql, values)
        if found is None:
            from sqlalchemy import text

            with self.reading() as connection:
                found = [tuple(row) for row in connection.execute(text(sql), values)]
        return found

    def _quickly(self, sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]] | None:
        """The rows by SQLite itself; None where the database is another one, or must be brought up to date first."""
        if self.path is None or not self.path.exists():
            return None
        old = {name for name in OLD_FILES if (self.folder / name).exists()}
        try:
            with closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as file:
                if file.execute("SELECT version_num FROM alembic_version").fetchone() != (HEAD,):
                    return None
                if not old <= {path for (path,) in file.execute("SELECT path FROM taken_over")}:
                    return None
                return file.execute(sql, values).fetchall()
        except sqlite3.Error:
            return None  # the other way says what is wrong

    @property
    def shown(self) -> str:
        """Where it is, without passwords."""
        return str(self.path or re.sub(r"(?<=:)[^:@/]*(?=@)", "***", self.url))

    def changed(self, name: str) -> int:
        """How often something was changed: readers that keep a copy look here, as often as they like."""
        if not self.there:
            return 0
        seen = self._seen()
        known = self._changed.get(name)
        if known is None or known[0] != seen:
            found = self.rows("SELECT number FROM changes WHERE name = :name", name=name)
            known = self._changed[name] = seen, int(found[0][0]) if found else 0
        return known[1]

    def _seen(self) -> tuple[float, ...]:
        """The same as long as nothing can have been written: by the files' times, elsewhere for a second."""
        if self.path is None:
            return (time.monotonic() // 1,)
        found = []
        for path in (self.path, self.path.with_name(self.path.name + "-wal")):
            with suppress(OSError):
                status = path.stat()
                found += [status.st_mtime_ns, status.st_size]
        return tuple(found)

    def keep(self, name: str, value: str) -> None:
        """Keep a text under a name."""
        from tidegauge.store.writing import put, tables

        with self.changing() as connection:
            put(connection, tables.kept, {"name": name, "value": value})

    def recall(self, name: str) -> str | None:
        """The text that is kept under a name; None where none is."""
        found = self.rows("SELECT value FROM kept WHERE name = :name", name=name)
        return None if not found else str(found[0][0])
