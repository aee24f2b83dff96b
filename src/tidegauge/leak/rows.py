"""Where values stand in their text: which row and column, under which header; for a block's candidates at once.

Lines of a delimited table are rows; in SQL the tuples of INSERT statements are, and the lines of COPY. Quoted cells
count as one, within their line.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field

import numpy as np
import re2
from numpy.typing import NDArray

from tidegauge.leak.words import LABEL_CELL, said

DELIMITERS = "\t;|,"
LOOKED = 30
INSERT = re.compile(rb"(?is)insert\s+(?:ignore\s+)?into\s+[^\s(]+\s*\(([^()]{1,4000})\)\s*(?:values|select)")
COPY = re.compile(rb"(?is)copy\s+[^\s(]+\s*\(([^()]{1,4000})\)\s*from\s+stdin")
CREATE = re.compile(rb"(?is)create\s+(?:temporary\s+)?table\b[^(]{0,300}\((.{1,8000}?)\n\s*\)")
STATEMENT = re2.compile(
    rb"(?i)insert\s+(?:ignore\s+)?into\s|create\s+(?:temporary\s+)?table\s|(?:^|\n)copy\s[^\n]*from\s+stdin"
)
COLUMN = re.compile(r"\s*[`\"\[]?(\w{1,64})[`\"\]]?\s+\w")
NO_COLUMN = frozenset("PRIMARY KEY UNIQUE CONSTRAINT INDEX FOREIGN CHECK FULLTEXT".split())
PASSWORD = re.compile(
    r"(?i)pass(?:w|\b|_|$)|pwd|passwd|kennwort|contrase|senha|mot[ _]de[ _]passe|\bmdp\b|wachtwoord|"
    r"密碼|密码|пароль|パスワード"
)
Places = NDArray[np.int64]


@dataclass
class Rows:
    """How the lines of one text are to be read.

    Attributes:
        delimiter: between cells, where lines are rows; empty where they are not.
        header: names of columns, where there are any.
        sql: rows are tuples of INSERT statements, or lines of COPY.
    """

    delimiter: str = ""
    header: list[str] = field(default_factory=list)
    sql: bool = False
    copying: bool = False

    @classmethod
    def of(cls, beginning: str, *, table: bool) -> Rows:
        """How a text is to be read, by its first lines."""
        lines = [line for line in beginning.splitlines()[:LOOKED] if line.strip()]
        if table:
            return cls() if _pairs(lines, "\t") else cls("\t", _header(lines[0].split("\t")) if lines else [])
        if re.search(r"(?im)^\s*(?:insert\s+(?:ignore\s+)?into|create\s+table|copy\s+\S+\s*\()\b", beginning):
            return cls(sql=True)
        if len(lines) < 2 or lines[0].lstrip().startswith(("{", "[", "<")):
            return cls()
        for delimiter in DELIMITERS:
            width = _width(lines, delimiter)
            if width >= (3 if delimiter == "," and '"' not in beginning else 2):
                if width == 2 and _pairs(lines, delimiter):
                    return cls()
                return cls(delimiter, _header(cells_of(lines[0], delimiter)))
        return cls()

    @property
    def passwords(self) -> list[int]:
        """Columns whose names say password or hash."""
        return [i for i, name in enumerate(self.header) if PASSWORD.search(name)]

    def name(self, column: int) -> str:
        """The name of a column, empty where it has none."""
        return self.header[column] if 0 <= column < len(self.header) else ""

    def statements(self, data: bytes) -> list[tuple[int, list[str], bool]]:
        """Statements of a block that name columns: place, columns, whether rows of COPY follow."""
        if not self.sql:
            return []
        found = []
        for match in STATEMENT.finditer(data):
            at = match.start() + (data[match.start() : match.start() + 1] == b"\n")
            rest = data[at : at + 12_000]
            columns: list[str] = []
            copying = False
            if named := INSERT.match(rest) or COPY.match(rest):
                copying = rest[:1] in b"cC"
                columns = [one.strip(" `\"[]'\r\n\t") for one in named[1].decode("utf-8", "replace").split(",")]
            elif table := CREATE.match(rest):
                for line in table[1].decode("utf-8", "replace").splitlines():
                    column = COLUMN.match(line)
                    if column and column[1].upper() not in NO_COLUMN:
                        columns.append(column[1])
            if columns:
                found.append((at, columns, copying))
        return found


@dataclass(frozen=True)
class Layout:
    """Where the candidates of one block stand; arrays of one entry each.

    Attributes:
        lines: the line of each, from 0 in the block.
        begins: where that line begins.
        columns: its column, -1 where lines are no rows.
        rows: which row it stands in, where lines or tuples are rows; else -1.
    """

    lines: Places
    begins: Places
    columns: Places
    rows: Places


def lay_out(data: bytes, places: Places, rows: Rows, copied: list[tuple[int, int]]) -> Layout:
    """Lines, columns and rows of places in a block.

    Args:
        places: where the candidates begin, in order.
        copied: ranges of the block that are rows of COPY.
    """
    raw = np.frombuffer(data, np.uint8)
    newlines = np.flatnonzero(raw == 10)
    lines = np.searchsorted(newlines, places)
    begins = np.where(lines > 0, newlines[np.maximum(lines - 1, 0)] + 1, 0) if len(newlines) else np.zeros_like(places)
    if rows.sql:
        columns, tuples = _in_tuples(raw, places)
        for first, last in copied:
            here = (places >= first) & (places < last)
            columns[here] = _between(raw, places[here], begins[here], 9, quoted=False)
            tuples[here] = lines[here] + len(raw)
        return Layout(lines, begins, columns, tuples)
    if rows.delimiter:
        return Layout(lines, begins, _between(raw, places, begins, ord(rows.delimiter)), lines)
    none = np.full(len(places), -1, np.int64)
    return Layout(lines, begins, none, none)


def _between(raw: NDArray[np.uint8], places: Places, begins: Places, sign: int, *, quoted: bool = True) -> Places:
    """How many delimiters outside of quotes stand between the beginnings of lines and places."""
    marks = raw == sign
    if quoted and (quotes := raw == 34).any():
        marks &= _outside(raw, quotes)
    counts = _counted(marks)
    return (counts[places] - counts[begins]).astype(np.int64)


def _in_tuples(raw: NDArray[np.uint8], places: Places) -> tuple[Places, Places]:
    """Columns and tuples of places in INSERT statements: a tuple is known by where it opens; -1 outside of one."""
    quotes = raw == 39
    escaped = np.zeros(len(raw), np.bool_)
    slashes = raw == 92
    if slashes.any():
        escaped[1:] = slashes[:-1]
        escaped[2:] &= ~slashes[:-2]
    outside = _outside(raw, quotes & ~escaped)
    opened = (raw == 40) & outside
    depth = np.cumsum(opened.astype(np.int8) - ((raw == 41) & outside).astype(np.int8), dtype=np.int32)
    depth -= np.minimum(np.minimum.accumulate(depth), 0)  # a block may begin within a tuple
    firsts = np.flatnonzero(opened & (depth == 1))
    commas = _counted((raw == 44) & outside & (depth == 1))
    if not len(firsts):
        none = np.full(len(places), -1, np.int64)
        return none, none
    index = np.searchsorted(firsts, places, side="right") - 1
    held = firsts[np.maximum(index, 0)]
    inside = (index >= 0) & (depth[np.minimum(places, len(raw) - 1)] >= 1)
    columns = np.where(inside, commas[places] - commas[held], -1).astype(np.int64)
    return columns, np.where(inside, held, -1)


def _outside(raw: NDArray[np.uint8], quotes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which bytes stand outside of quotes; a quote that is not closed holds to the end of its line."""
    opened = _counted(quotes)
    newlines = np.flatnonzero(raw[:-1] == 10)
    before = np.zeros(len(raw), np.int32)
    before[newlines + 1] = np.diff(opened[newlines + 1], prepend=0)
    outside: NDArray[np.bool_] = (opened[1:] - np.cumsum(before)) % 2 == 0
    return outside


def _counted(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """How often a mask is true before each place, and at the end."""
    counts = np.zeros(len(mask) + 1, np.int32)
    np.cumsum(mask, out=counts[1:])
    return counts


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of a line."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def _pairs(lines: list[str], delimiter: str) -> bool:
    """Whether lines are a label and its value each: together they are of one person, and no table."""
    firsts = [line.partition(delimiter)[0].strip() for line in lines if line.count(delimiter) == 1]
    labels = [first for first in firsts if LABEL_CELL.fullmatch(first) and any(said(first)[:2])]
    return len(firsts) == len(lines) and len(lines) >= 2 and len(set(labels)) >= max(1, len(lines) // 5)


def _header(cells: list[str]) -> list[str]:
    """Cells as names of columns; empty where they are values."""
    named = sum(bool(re.search(r"[^\W\d_]{2,}", cell)) and not re.search(r"\d{4,}|[@={}();]", cell) for cell in cells)
    return [cell.strip() for cell in cells] if named >= max(1, len(cells) * 0.6) else []


TOKENS = re.compile(r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|[(),]|[^'"(),]+|['"]""")


def tuples(text: str) -> list[list[str]]:
    """Tuples of values in an INSERT statement, in one pass.

    >>> tuples("INSERT INTO t (a, b) VALUES (1, 'it''s'), (2, NULL);")
    [['a', 'b'], ['1', "it's"], ['2', 'NULL']]
    """
    found: list[list[str]] = []
    cells: list[str] | None = None
    value = ""
    for token in TOKENS.findall(text):
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


def _width(lines: list[str], delimiter: str) -> int:
    """How many cells nearly all lines have; 0 where they differ."""
    counts = [len(cells_of(line, delimiter)) for line in lines]
    most = max(set(counts), key=counts.count)
    return most if counts.count(most) >= 0.9 * len(counts) else 0
