"""SQL that is kept in files: a statement is read once, and its parameters (`$since_us`) are bound when it runs."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

Row = TypeVar("Row")


@cache
def statement(package: str, name: str) -> str:
    """The text of `sql/NAME.sql` in a package."""
    return (files(package) / "sql" / f"{name}.sql").read_text(encoding="utf-8").strip().removesuffix(";")


def text_of(name: str) -> str:
    """The text of one of the lake's own statements."""
    return statement("tidegauge.lake", name)


def view(
    engine: duckdb.DuckDBPyConnection, name: str, source: str, where: str = "true", **columns: str
) -> None:
    """Make a view of a table's rows that meet a condition: of all its columns, or of SQL by name."""
    listed = ", ".join(f"{sql} AS {column}" for column, sql in columns.items()) or "*"
    engine.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {listed} FROM {source} WHERE {where}")


def asked(engine: duckdb.DuckDBPyConnection, text: str, **given: Any) -> pa.Table:
    """What a statement gives; sums that DuckDB holds as 128-bit integers as 64-bit ones.

    Args:
        given: the statement's parameters; all of them and no others.
    """
    table = engine.sql(text, params=given or None).to_arrow_table()
    for place, column in enumerate(table.schema):
        if pa.types.is_decimal(column.type):
            table = table.set_column(place, column.name, table[place].cast(pa.int64()))
    return table


def rows_of(of: type[Row], table: pa.Table) -> list[Row]:
    """One object a row, of a dataclass with a field for each column.

    Raises:
        TypeError: the columns are not the fields.
    """
    names = [field.name for field in fields(of)]  # type: ignore[arg-type]
    if set(names) != set(table.column_names):
        different = sorted(set(names) ^ set(table.column_names))
        raise TypeError(f"{of.__name__} and its query differ in {', '.join(different)}")
    columns = [table[name].to_pylist() for name in names]
    return [of(**dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)]
