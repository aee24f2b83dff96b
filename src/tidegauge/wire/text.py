"""Columns of text to columns of numbers and addresses, without a Python loop over the rows."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import isfinite, isnan

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidegauge.model import PROTOCOLS, Addresses

FLAG_LETTERS = "FSRPAUECN"
FARTHEST_US = 2.0**62
AHEAD_S = 100 * 366 * 86400
"""No clock is wrong by a century: what lies so far ahead is no time, or one of another form."""


def flags_of_letters(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """TCP flags from letters in any order; other characters mean nothing. Looked at once for each distinct text."""
    return looked_up(
        column, lambda text: sum(1 << FLAG_LETTERS.index(c) for c in set((text or "").upper()) & set(FLAG_LETTERS))
    )


def looked_up(column: pa.ChunkedArray, value: Callable[[str | None], int]) -> NDArray[np.int64]:
    """A whole number for each text, made once for each distinct one."""
    texts = pc.unique(column).to_pylist()
    codes = np.asarray(pc.index_in(column, value_set=pa.array(texts, pa.string())).to_numpy(), dtype=np.int64)
    return np.array([value(text) for text in texts], dtype=np.int64)[codes] if texts else np.zeros(0, dtype=np.int64)


def column_or_nulls(table: pa.Table, name: str) -> pa.ChunkedArray:
    return table[name] if name in table.column_names else pa.chunked_array([pa.nulls(table.num_rows, pa.string())])


def numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Doubles; NaN where the text is no number, or none that a double holds."""
    return _read(column, _number)


def moments(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """The same of times: RFC 3339 ones become epoch seconds, numbers stay in their own unit."""
    return _read(column, _moment)


def _read(column: pa.ChunkedArray, read: Callable[[str], float]) -> NDArray[np.float64]:
    """Texts as doubles, each distinct one read once; all at once where all of them are plain numbers."""
    if not pa.types.is_string(column.type):  # times in nanoseconds are wider than a double: they lose some of these
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    try:
        values = np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
        return np.where(np.isinf(values), np.nan, values)
    except pa.ArrowInvalid:
        pass
    unique = pc.unique(column).to_pylist()
    table = np.array([np.nan if text is None else read(text.strip()) for text in unique], dtype=np.float64)
    codes = pc.index_in(column, value_set=pa.array(unique, pa.string()))
    return table[np.asarray(codes.to_numpy(), dtype=np.int64)] if len(unique) else np.zeros(0)


def _number(text: str) -> float:
    try:
        value = float(int(text, 16)) if text[:2].lower() == "0x" else float(text)
    except (ValueError, OverflowError):
        return float("nan")
    return value if isfinite(value) else float("nan")


def _moment(text: str) -> float:
    value = _number(text)
    if not isnan(value):
        return value
    try:
        moment = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        return value
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def whole_micros(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Seconds since 1970 as microseconds; 0 where there is no number, and no further off than 64 bits hold."""
    with np.errstate(over="ignore"):
        return whole_us(np.nan_to_num(seconds) * 1e6)


def whole_us(micros: NDArray[np.float64]) -> NDArray[np.int64]:
    """The same of microseconds."""
    return np.rint(np.clip(np.nan_to_num(micros), -FARTHEST_US, FARTHEST_US)).astype(np.int64)


def whole(values: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Whole numbers from 0 to the largest; 0 where there is none."""
    return np.clip(np.nan_to_num(values), 0, most).astype(np.int64)


def epoch_seconds(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Times since 1970 in seconds, whatever of s, ms, us or ns each was written in: the years 1973 to 5138 in one unit
    are told apart from those in another by their size alone."""
    unit = np.select([times > 1e17, times > 1e14, times > 1e11], [1e9, 1e6, 1e3], 1.0)
    return np.asarray(times / unit)


def are_times(seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which numbers of seconds since 1970 can be when a flow was seen: not 0, which stands for none, and not far
    ahead of the clock."""
    return np.isfinite(seconds) & (seconds > 0) & (seconds < time.time() + AHEAD_S)


def packed_addresses(column: pa.ChunkedArray) -> tuple[Addresses, NDArray[np.bool_]]:
    """Addresses of shape (n, 16), and which of the texts are addresses; parsed once for each distinct text."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    texts = encoded.dictionary.to_pylist()
    table = np.zeros((len(texts) + 1, 16), dtype=np.uint8)
    good = np.zeros(len(texts) + 1, dtype=bool)
    for i, text in enumerate(texts):
        packed = _pack(text)
        if packed is not None:
            table[i] = np.frombuffer(packed, dtype=np.uint8)
            good[i] = True
    codes = np.asarray(encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False), dtype=np.int64)
    return table[codes], good[codes]


def _pack(text: str) -> bytes | None:
    text = text.strip()
    try:
        if ":" in text:
            return socket.inet_pton(socket.AF_INET6, text.split("%", 1)[0])
        return bytes(10) + b"\xff\xff" + socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return None


def protocol_numbers(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """IANA numbers of protocols given by name or number; 0 where unknown."""
    if not pa.types.is_string(column.type):
        return np.clip(np.nan_to_num(numbers(column)), 0, 255).astype(np.uint8)
    texts = pc.unique(column).to_pylist()
    table = []
    for text in texts:
        name = (text or "").strip().lower()
        table.append(int(name) if name.isdigit() and int(name) < 256 else PROTOCOLS.get(name, 0))
    codes = pc.index_in(column, value_set=pa.array(texts, column.type))
    found = np.asarray(codes.to_numpy(), dtype=np.int64)
    return np.array(table, dtype=np.uint8)[found] if texts else np.zeros(0, dtype=np.uint8)
