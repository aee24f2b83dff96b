"""Where a value stands in its line: which column, under which header or key, and whether lines are rows of a table."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field

DELIMITERS = "\t;|,"
LOOKED = 30
BEFORE = 60
INSERT = re.compile(r"(?i)insert\s+into\s+\S+\s*\(([^()]{1,4000})\)\s*values")
CREATED = re.compile(r"(?i)create\s+table\b")
COLUMN = re.compile(r"^\s*[`\"\[]?(\w{1,64})[`\"\]]?\s+\w")


PASSWORD = re.compile(
    r"(?i)pass(?:w|\b|_|$)|pwd|passwd|kennwort|contrase|senha|mot[ _]de[ _]passe|\bmdp\b|wachtwoord|"
    r"密碼|密码|пароль|パスワード"
)


@dataclass
class Rows:
    """How the lines of one text are to be read.

    Attributes:
        delimiter: between cells, where lines are rows; empty where they are not.
        header: names of columns, where there are any.
        sql: rows are tuples of INSERT statements.
    """

    delimiter: str = ""
    header: list[str] = field(default_factory=list)
    sql: bool = False
    _columns: list[str] = field(default_factory=list)
    _creating: bool = False

    @classmethod
    def of(cls, beginning: str, *, table: bool) -> Rows:
        """How a text is to be read, by its first lines."""
        lines = [line for line in beginning.splitlines()[:LOOKED] if line.strip()]
        if table:
            return cls("\t", _header(lines[0].split("\t")) if lines else [])
        if re.search(r"(?im)^\s*(?:insert\s+into|create\s+table)\b", beginning[:200_000]):
            return cls(sql=True)
        if len(lines) < 2 or lines[0].lstrip().startswith(("{", "[", "<")):
            return cls()
        for delimiter in DELIMITERS:
            counts = [len(_cells(line, delimiter)) for line in lines]
            most = max(set(counts), key=counts.count)
            if (
                most >= 2
                and counts.count(most) >= 0.9 * len(counts)
                and (delimiter != "," or most >= 3 or '"' in beginning)
            ):
                return cls(delimiter, _header(_cells(lines[0], delimiter)))
        return cls()

    @property
    def passwords(self) -> list[int]:
        """Columns whose names say password or hash."""
        return [i for i, name in enumerate(self.header) if PASSWORD.search(name)]

    def cells(self, line: str) -> list[list[str]]:
        """The rows that a line holds, as cells."""
        return _tuples(line) if self.sql else [_cells(line, self.delimiter)] if self.delimiter else []

    def follow(self, line: str) -> None:
        """Take in a line that tells of columns (of SQL)."""
        if not self.sql:
            return
        match = INSERT.search(line)
        if match:
            self.header = [name.strip(" `\"[]'") for name in match[1].split(",")]
        elif CREATED.search(line):
            self._creating, self._columns = True, []
        elif self._creating:
            if line.lstrip().startswith(")"):
                self._creating, self.header = False, self._columns
            else:
                column = COLUMN.match(line)
                if column and column[1].upper() not in (
                    "PRIMARY",
                    "KEY",
                    "UNIQUE",
                    "CONSTRAINT",
                    "INDEX",
                    "FOREIGN",
                    "CHECK",
                ):
                    self._columns.append(column[1])

    def place(self, line: str, start: int) -> tuple[int, str]:
        """The column of a place in a line (-1 where lines are no rows), and the label over or before it."""
        if self.sql:
            column = _tuple_column(line, start)
            if column >= 0:
                return column, self.header[column] if column < len(self.header) else ""
        elif self.delimiter:
            before = line[:start]
            column = len(_cells(before, self.delimiter)) - 1 if '"' in before else before.count(self.delimiter)
            label = self.header[column] if column < len(self.header) else ""
            inside = before.rpartition(self.delimiter)[2]
            return column, f"{label} {inside}".strip()
        before = line[max(start - BEFORE, 0) : start]
        # What stands before another value says nothing of this one.
        return -1, re.split(r"[,;|}\t]", before.rstrip(" \t\"':=,"))[-1] if before.strip(" \t\"':=,") else ""


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def _header(cells: list[str]) -> list[str]:
    """Cells as names of columns; empty where they are values."""
    named = sum(bool(re.search(r"[^\W\d_]{2,}", cell)) and not re.search(r"\d{4,}|@", cell) for cell in cells)
    return [cell.strip() for cell in cells] if named >= max(1, len(cells) * 0.6) else []


def _tuple_column(line: str, start: int) -> int:
    """Which value of its tuple a place in an INSERT statement is; -1 outside of one."""
    column, quoted, depth, i = -1, "", 0, 0
    values = re.search(r"(?i)\bvalues\b", line)
    i = values.end() if values and values.end() <= start else 0
    while i < start:
        c = line[i]
        if quoted:
            if c == "\\":
                i += 1
            elif c == quoted:
                quoted = ""
        elif c in "'\"":
            quoted = c
        elif c == "(":
            depth += 1
            if depth == 1:
                column = 0
        elif c == ")":
            depth -= 1
            if not depth:
                column = -1
        elif c == "," and depth == 1:
            column += 1
        i += 1
    return column


TOKENS = re.compile(r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|[(),]|[^'"(),]+|['"]""")


def _tuples(line: str) -> list[list[str]]:
    """Tuples of values in an INSERT statement's line, in one pass.

    >>> _tuples("INSERT INTO t (a, b) VALUES (1, 'it''s'), (2, NULL);")
    [['a', 'b'], ['1', "it's"], ['2', 'NULL']]
    """
    found: list[list[str]] = []
    cells: list[str] | None = None
    value = ""
    for token in TOKENS.findall(line[:1_000_000]):
        if token == "(":
            cells, value = [], ""
        elif cells is not None and token in (",", ")"):
            cells.append(value.strip())
            value = ""
            if token == ")":
                found.append(cells)
                cells = None
        elif len(token) > 1 and token[0] in "'\"" and token[0] == token[-1]:
            value += token[1:-1].replace("''", "'")
        else:
            value += token
    return found
