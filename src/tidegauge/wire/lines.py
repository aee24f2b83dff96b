"""Blocks of lines as tables of text; and lines and rows that tell of traffic and cannot be read, which is lost then."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from tidegauge.model import LedgerBuilder, Skipped
from tidegauge.wire.text import are_times

TELLING = re.compile(r"\d+\.\d+\.\d+\.\d+|[0-9A-Fa-f]+:[0-9A-Fa-f:]+")
"""An address or a time: a line with one tells of traffic; totals and titles have none."""
OF_HARDWARE = r"^\s*[0-9A-Fa-f]{1,2}([:-][0-9A-Fa-f]{1,2}){5}\s*$"
ORDINARY = re.compile(rb"^[^#\n][^\n]{1,3}", re.MULTILINE)
NO_OPENING = bytes(set(range(256)) - set(b"[{\n"))
MOST_OPENING = 500
UNADDRESSED = "its template has no addresses, so that it counts as lost"
UNREADABLE = "no time, address or count that can be read: counts as lost"
UNTIMED = "none that can be read: the flow is kept, and belongs to no asked time"


@dataclass
class Unread:
    """What of a block tells of traffic and cannot be read.

    Attributes:
        lines: those that gave no row; for each how many rows of the block came before it.
        begins: how a line of the block begins.
    """

    lines: list[int] = field(default_factory=list)
    begins: str = ""

    def of_block(self, block: bytes) -> None:
        """Note how its lines begin, by the first that is no comment: one that was cut after that tells of traffic."""
        first = ORDINARY.search(block)
        self.begins = first[0].decode("ascii", "replace") if first else ""

    def line(self, text: str, rows_before: int, *, certain: bool = False) -> None:
        """Note a line, if it tells of traffic; `certain`: every line of its file does."""
        text = text.strip()
        cut = len(text) > 1 and self.begins[: len(text)] == text[: len(self.begins)]
        if certain or cut or TELLING.search(text):
            self.lines.append(rows_before)

    def lose(
        self, ledger: LedgerBuilder, skipped: Skipped, exporters: tuple[str, ...], codes: NDArray[np.int32],
        seconds: NDArray[np.float64], rows: NDArray[np.bool_], untimed: NDArray[np.bool_],
    ) -> None:
        """Count the noted lines, and rows of the block, as lost; what has no time by that of the row before it.

        Args:
            exporters: names; the exporter of each row is its position in `codes`.
            codes, seconds, rows: exporter and end (since 1970) of each row, and which cannot be read; shape (n,).
            untimed: rows of which all but the time can be read (`placed`): where they belong they are missing.
        """
        skipped.add("record", UNREADABLE, int(rows.sum()))
        skipped.add("time", UNTIMED, int(untimed.sum()))
        timed = np.flatnonzero(are_times(seconds))
        if not len(timed):
            return
        lines = np.minimum(np.array(self.lines, dtype=np.int64), len(seconds) - 1)
        places = np.r_[np.flatnonzero(rows | untimed), lines]
        nearest = timed[np.maximum(np.searchsorted(timed, places, side="right") - 1, 0)]
        ledger.add(exporters=exporters, exporter=codes[nearest], minute_s=seconds[nearest].astype(np.int64), lost=1)


def placed(
    starts: NDArray[np.float64], ends: NDArray[np.float64], *, unit: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return starts and ends, the one in place of the other where that is none; and which rows have neither. Their
    flows are of 1970, so that it is known what they carried though not when, and no answer with no overlooks them.

    Args:
        starts, ends: since 1970, so many units a second; shape (n,).
    """
    began, ended = are_times(starts / unit), are_times(ends / unit)
    timed = np.where(began, starts, np.where(ended, ends, 0.0))
    return timed, np.where(ended | (began & np.isfinite(ends)), ends, timed), ~began & ~ended


def too_deep(block: bytes) -> bool:
    """Whether a line of JSON has more brackets that open than any flow: parsers of whole blocks go down with them."""
    return max(map(len, block.translate(None, delete=NO_OPENING).split(b"\n"))) > MOST_OPENING


def csv_block(
    block: bytes, header: list[str], delimiter: str, wanted: list[str], skipped: Skipped, unread: Unread
) -> pa.Table:
    """Columns of a block of whole CSV lines without a header, all as text; lines of another width are counted.

    Of columns with equal names the first is meant.
    """

    def passed_over(row: Any) -> str:
        skipped.add("record", f"has {row.actual_columns} columns, not {row.expected_columns}")
        unread.line(row.text or "", row.number - 1)
        return "skip"

    unread.of_block(block)
    if b'"' in block:
        block = _balanced(block, skipped, unread)
    unique = [name if header.index(name) == i else f"{name}#{i}" for i, name in enumerate(header)]
    return pacsv.read_csv(
        io.BytesIO(block),
        read_options=pacsv.ReadOptions(column_names=unique, use_threads=False, block_size=len(block) + 1),
        parse_options=pacsv.ParseOptions(delimiter=delimiter, invalid_row_handler=passed_over),
        convert_options=pacsv.ConvertOptions(
            include_columns=wanted,
            column_types={name: pa.string() for name in unique},
            strings_can_be_null=True,
            check_utf8=False,
        ),
    )


def _balanced(block: bytes, skipped: Skipped, unread: Unread) -> bytes:
    """The lines without those in which a quote is opened and not closed: it would swallow what follows."""
    whole = []
    for line in block.split(b"\n"):
        if line.count(b'"') % 2 == 0:
            whole.append(line)
        else:
            skipped.add("record", "has a quote that is not closed")
            unread.line(line.decode("utf-8", "replace"), len(whole))
    return b"\n".join(whole)


def of_hardware(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Which texts are addresses of hardware (MAC): of traffic that is no IP; shape (n,)."""
    return matching(column, OF_HARDWARE)


def matching(column: pa.ChunkedArray, pattern: str) -> NDArray[Any]:
    """Which texts match a regular expression; absent ones and other kinds do not. Shape (n,)."""
    if not pa.types.is_string(column.type):
        return np.zeros(len(column), dtype=bool)
    found = pc.match_substring_regex(column, pattern).fill_null(False)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)
