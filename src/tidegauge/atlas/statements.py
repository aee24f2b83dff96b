"""What one edition of one source says: rows about ranges of addresses, and rows about AS numbers.

Every parser of `sources` makes these two tables; everything behind them knows nothing of file formats.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.model import FOREVER_S, V4_MAPPED, Addresses, InputError, Skipped, mapped_ipv4

LONGEST_NAME = 120
MOST_ROWS = 30_000_000
"""Statements that one edition may have: more is an attack or a mistake."""

PREFIX_SCHEMA = pa.schema(
    [
        ("first", pa.binary(16)),
        ("last", pa.binary(16)),
        ("country", pa.dictionary(pa.int32(), pa.string())),
        ("as", pa.uint32()),
        ("classes", pa.uint16()),
        ("from_s", pa.int64()),
        ("until_s", pa.int64()),
        ("since_s", pa.int64()),
        ("name", pa.string()),
        ("used_by", pa.string()),
        ("others", pa.list_(pa.uint32())),
        ("upstreams", pa.list_(pa.uint32())),
    ]
)
"""Addresses `first` to `last`, both included. `country` null, `as` 0, `classes` 0: nothing is said of it. `[from_s,
until_s)`: the row's own valid time (0 and `FOREVER_S`: as long as its edition). `since_s`: when it was registered or
first routed, 0 unknown. `used_by`: the country from which it was used, where that is documented and differs. `others`:
further ASes that announce it, `upstreams`: the ASes before the origin, most seen first."""

AS_SCHEMA = pa.schema(
    [
        ("first", pa.uint32()),
        ("last", pa.uint32()),
        ("country", pa.string()),
        ("classes", pa.uint16()),
        ("since_s", pa.int64()),
        ("name", pa.string()),
        ("upstream", pa.uint32()),
        ("from_s", pa.int64()),
        ("until_s", pa.int64()),
    ]
)
"""AS numbers `first` to `last`, both included: where they are registered, what they are used for, or (documented) an
upstream that they had."""


@dataclass
class Parsed:
    """One edition as a parser found it.

    Attributes:
        prefixes: of `PREFIX_SCHEMA`; `ases`: of `AS_SCHEMA`.
        date_s: the date that the file itself states, None where it states none.
    """

    prefixes: pa.Table
    ases: pa.Table = field(default_factory=AS_SCHEMA.empty_table)
    date_s: int | None = None
    skipped: Skipped = field(default_factory=Skipped)


def prefix_rows(first: Addresses, last: Addresses, **columns: Any) -> pa.Table:
    """A table of `PREFIX_SCHEMA`; columns left out say nothing, a number or a text stands for a whole column."""
    count = len(first)
    defaults: dict[str, Any] = {
        "country": None, "as": 0, "classes": 0, "from_s": 0, "until_s": FOREVER_S, "since_s": 0, "name": None,
        "used_by": None, "others": None, "upstreams": None,
    }
    unknown = columns.keys() - defaults.keys()
    if unknown:
        raise ValueError(f"no such column: {unknown}")
    arrays = [_addresses(first), _addresses(last)]
    for column in list(PREFIX_SCHEMA)[2:]:
        arrays.append(_column(columns.get(column.name, defaults[column.name]), count, column.type))
    return pa.Table.from_arrays(arrays, schema=PREFIX_SCHEMA)


def as_rows(first: Sequence[int] | NDArray[Any], last: Sequence[int] | NDArray[Any], **columns: Any) -> pa.Table:
    """A table of `AS_SCHEMA`."""
    defaults: dict[str, Any] = {
        "country": None, "classes": 0, "since_s": 0, "name": None, "upstream": 0, "from_s": 0, "until_s": FOREVER_S,
    }
    arrays = [pa.array(first, pa.uint32()), pa.array(last, pa.uint32())]
    for column in list(AS_SCHEMA)[2:]:
        arrays.append(_column(columns.get(column.name, defaults[column.name]), len(first), column.type))
    return pa.Table.from_arrays(arrays, schema=AS_SCHEMA)


def _addresses(values: Addresses) -> pa.Array:
    data = np.ascontiguousarray(values, dtype=np.uint8)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(data), [None, pa.py_buffer(data)])


def _column(value: Any, count: int, kind: pa.DataType) -> pa.Array:
    if isinstance(value, pa.Array | pa.ChunkedArray):
        array = value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value
        return array.cast(kind) if array.type != kind else array
    if value is None:
        return pa.nulls(count, kind)
    if isinstance(value, np.ndarray):
        return pa.array(value).cast(kind)
    if isinstance(value, list | tuple):
        if pa.types.is_dictionary(kind):
            return pa.array(value, pa.string()).dictionary_encode()
        return pa.array(value, kind)
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int32)), pa.array([value]))
    return pa.repeat(pa.scalar(value, kind), count)


def packed(column: pa.ChunkedArray) -> Addresses:
    """A column of addresses as an array of shape (n, 16)."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if not len(array):
        return np.zeros((0, 16), dtype=np.uint8)
    data = np.frombuffer(array.buffers()[1], dtype=np.uint8)
    return data[array.offset * 16 : (array.offset + len(array)) * 16].reshape(-1, 16)


def country_code(text: str) -> str | None:
    """An ISO 3166-1 alpha-2 code; None for what is none, or stands for no country.

    >>> [country_code(t) for t in (" kp", "ZZ", "EU", "Korea")]
    ['KP', None, None, None]
    """
    text = text.strip().upper()
    return text if re.fullmatch("[A-Z]{2}", text) and text not in ("ZZ", "XX", "EU", "AP") else None


def range_of(text: str) -> tuple[bytes, bytes] | None:
    """First and last address of `192.0.2.0/24`, `192.0.2.1`, `192.0.2.0 - 192.0.2.9` (16 bytes each); None: no range.

    Bits behind a prefix's length are cut off.

    >>> [part.hex()[-8:] for part in range_of("192.0.2.77/24")]
    ['c0000200', 'c00002ff']
    """
    try:
        if "-" in text:
            first, _, last = text.partition("-")
            a, b = _pack(first.strip()), _pack(last.strip())
            return (a, b) if a <= b and (a[:12] == V4_MAPPED) == (b[:12] == V4_MAPPED) else None
        address, slash, bits = text.strip().partition("/")
        start = _pack(address)
        if not slash:
            return start, start
        four = ":" not in address
        if not (bits.isascii() and bits.isdigit() and int(bits) <= (32 if four else 128)):
            return None
        host = (1 << ((32 if four else 128) - int(bits))) - 1
        low = int.from_bytes(start) & ~host
        return low.to_bytes(16), (low | host).to_bytes(16)
    except (OSError, ValueError):
        return None


def _pack(text: str) -> bytes:
    if ":" in text:
        return socket.inet_pton(socket.AF_INET6, text)
    return V4_MAPPED + socket.inet_pton(socket.AF_INET, text)


def joined(parts: Iterable[bytes]) -> Addresses:
    """16-byte texts as an array of shape (n, 16)."""
    return np.frombuffer(b"".join(parts), dtype=np.uint8).reshape(-1, 16)


def ipv4_ranges(firsts: NDArray[np.int64], lasts: NDArray[np.int64]) -> tuple[Addresses, Addresses]:
    return mapped_ipv4(firsts.astype(np.uint32)), mapped_ipv4(lasts.astype(np.uint32))


def too_many(count: int, where: str) -> None:
    """Stop a parser that has made more statements than any edition has."""
    if count > MOST_ROWS:
        raise InputError(f"more than {MOST_ROWS:,} statements", where=where, hint="is this file what it claims to be?")
