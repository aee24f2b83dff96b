"""What changes a site's database: SQLAlchemy's engine and statements, and the tables; migrated when first opened."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, Table, delete, event, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tidegauge.model import LakeError
from tidegauge.store import tables
from tidegauge.store.database import BUSY_S, FILE_NAME, HEAD, OLD_FILES
from tidegauge.store.legacy import take_over
from tidegauge.store.tables import changes, taken_over

__all__ = ["begun", "delete", "note_change", "or_", "put", "select", "tables"]
ADVISORY_LOCK = 0x71DE6A06E


@contextmanager
def begun(folder: Path, url: str, shown: str, *, writing: bool) -> Iterator[Connection]:
    """A transaction on a site's database.

    Args:
        shown: how errors call it.
    Raises:
        LakeError: the database cannot be used.
    """
    try:
        engine = _engine(folder, url).execution_options(writing=writing)
        with engine.begin() as connection:
            if writing and connection.dialect.name == "postgresql":
                # One writer at a time, as in SQLite: who reads and then writes sees what he read.
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
            yield connection
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise LakeError(f"the database cannot be used: {cause}", where=shown) from None


def note_change(connection: Connection, name: str) -> None:
    """Count one change more, in the transaction that makes it."""
    before = connection.scalar(select(changes.c.number).where(changes.c.name == name)) or 0
    put(connection, changes, {"name": name, "number": before + 1})


def put(
    connection: Connection, table: Table, row: dict[str, Any] | Sequence[dict[str, Any]], *, keys: Sequence[str] = (),
    keep: Sequence[str] = (), fresh: bool = False,
) -> None:
    """Insert rows, or change those that are there by their keys (the primary key where none are named).

    Args:
        keep: columns that stay as they are in rows that are there.
        fresh: leave rows that are there alone.
    """
    rows = [row] if isinstance(row, dict) else list(row)
    if not rows:
        return
    statement: Any
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        statement = postgresql.insert(table)
    else:
        from sqlalchemy.dialects import sqlite

        statement = sqlite.insert(table)
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
