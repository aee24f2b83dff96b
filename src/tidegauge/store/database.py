"""The database of a site: SQLite in the data folder, or what the site file names by URL; brought to the newest form
when it is first opened."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import Connection, Engine, Table, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tidegauge.model import LakeError
from tidegauge.store.legacy import OLD_FILES, take_over
from tidegauge.store.tables import changes, kept, taken_over

if TYPE_CHECKING:
    from tidegauge.site import Site

FILE_NAME = "tidegauge.sqlite"
HEAD = "left_out"
"""The newest migration."""
BUSY_S = 30
ADVISORY_LOCK = 0x71DE6A06E


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
        try:
            engine = _engine(self.folder, self.url).execution_options(writing=writing)
            with engine.begin() as connection:
                if writing and connection.dialect.name == "postgresql":
                    # One writer at a time, as in SQLite: who reads and then writes sees what he read.
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
                yield connection
        except SQLAlchemyError as error:
            cause = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise LakeError(f"the database cannot be used: {cause}", where=self.shown) from None

    @property
    def shown(self) -> str:
        """Where it is, without passwords."""
        return str(self.path or sqlalchemy.make_url(self.url).render_as_string(hide_password=True))

    def changed(self, name: str) -> int:
        """How often something was changed: readers that keep a copy look here, as often as they like."""
        if not self.there:
            return 0
        seen = self._seen()
        known = self._changed.get(name)
        if known is None or known[0] != seen:
            with self.reading() as connection:
                number = int(connection.scalar(select(changes.c.number).where(changes.c.name == name)) or 0)
            known = self._changed[name] = seen, number
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
        with self.changing() as connection:
            put(connection, kept, {"name": name, "value": value})

    def recall(self, name: str) -> str | None:
        if not self.there:
            return None
        with self.reading() as connection:
            return connection.scalar(select(kept.c.value).where(kept.c.name == name))


def note_change(connection: Connection, name: str) -> None:
    """Count one change more, in the transaction that makes it."""
    before = connection.scalar(select(changes.c.number).where(changes.c.name == name)) or 0
    put(connection, changes, {"name": name, "number": before + 1})


def put(
    connection: Connection, table: Table, row: dict[str, Any] | Sequence[dict[str, Any]], *, keys: Sequence[str] = (),
    keep: Sequence[str] = (), fresh: bool = False,
) -> None:  # fmt: skip
    """Insert rows, or change those that are there by their keys (the primary key where none are named).

    Args:
        keep: columns that stay as they are in rows that are there.
        fresh: leave rows that are there alone.
    """
    rows = [row] if isinstance(row, dict) else list(row)
    if not rows:
        return
    build = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
    statement = build.insert(table)
    named = list(keys) or [column.name for column in table.primary_key]
    rest = {n: statement.excluded[n] for n in rows[0] if n not in named and n not in keep}
    if fresh or not rest:
        connection.execute(statement.on_conflict_do_nothing(index_elements=named), rows)
    else:
        connection.execute(statement.on_conflict_do_update(index_elements=named, set_=rest), rows)


@lru_cache(maxsize=16)
def _engine(folder: Path, url: str) -> Engine:
    """An engine on a database of the newest form."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LakeError(f"the data folder cannot be made: {error.strerror}", where=str(folder)) from None
    if not url.startswith("sqlite"):
        engine = sqlalchemy.create_engine(url, pool_pre_ping=True)
        _bring_up(engine, folder)
        return engine
    if url == f"sqlite:///{folder / FILE_NAME}":
        (folder / FILE_NAME).touch(mode=0o640)  # it holds hashes of passwords
    engine = sqlalchemy.create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_S})

    @event.listens_for(engine, "connect")
    def opened(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions begin as `begun` says, not by the driver's guess
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A writer that begins as a reader would fail where another one writes in between.
        writing = connection.get_execution_options().get("writing")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    with (folder / "store.lock").open("w") as lock:  # one process makes the tables, the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        _bring_up(engine, folder)
    return engine


def _bring_up(engine: Engine, folder: Path) -> None:
    """Migrate where the form is older, and take over what older versions kept in files of their own."""
    with engine.execution_options(writing=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
        if _form(connection) != HEAD:
            _migrate(connection)
        known = set(connection.scalars(select(taken_over.c.path)))
        for name in OLD_FILES:
            if (folder / name).exists() and name not in known:
                take_over(connection, folder, name)
                put(connection, taken_over, {"path": name})


def _form(connection: Connection) -> str | None:
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
