"""The statements that are kept in files are read by a parser of SQL, and by the engine that runs them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import sqlglot

import tidegauge

FILES = sorted(Path(tidegauge.__file__).parent.glob("*/sql/*.sql"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_every_statement_is_parsed(path: Path) -> None:
    text = path.read_text()
    assert [tree for tree in sqlglot.parse(text, read="duckdb") if tree is not None]
    assert duckdb.extract_statements(text)


def test_there_are_statements() -> None:
    assert len(FILES) > 40
