"""Files into editions: recognised, read, dated, and taken in whole or not at all."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidegauge.atlas.catalogue import Catalogue, Edition
from tidegauge.atlas.sources import FORMATS, format_of, read_source
from tidegauge.atlas.statements import Parsed
from tidegauge.model import FOREVER_S, Skipped, UsageError, class_bit, parse_time
from tidegauge.wire import hash_file

DATED = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-._]?(\d\d)[-._]?(\d\d)(?:[-._T]?(\d\d)[-:._]?(\d\d)(?:[-:._]?(\d\d))?)?(?!\d)"
)


@dataclass(frozen=True)
class Wanted:
    """What a user says of the files to be imported; None and empty: the files say it.

    Attributes:
        classes: names of classes that its prefixes have.
        valid_s: from when to when the statements hold, epoch seconds.
        date_s: the edition's date, whatever the file says; `otherwise_s` where the file says none.
    """

    source: str | None = None
    format: str | None = None
    classes: tuple[str, ...] = ()
    valid_s: tuple[int, int] | None = None
    date_s: int | None = None
    otherwise_s: int | None = None
    licence: str | None = None


@dataclass(frozen=True)
class Taken:
    """What became of one file: the edition, or None where its content was one already; what was left out."""

    path: str
    edition: Edition | None
    skipped: Skipped


def parse_valid(text: str) -> tuple[int, int]:
    """`2014-01-01/2015-01-01`, either end open.

    >>> parse_valid("/1970-01-02")
    (0, 86400)
    """
    first, slash, last = text.partition("/")
    found = (parse_time(first, now_s=0) if first else 0, parse_time(last, now_s=0) if last else FOREVER_S)
    if not slash or found[0] >= found[1]:
        raise UsageError(f"not a time from/until: {text!r}", hint="for example 2014-01-01/2015-01-01, or 2014-01-01/")
    return found


def import_file(catalogue: Catalogue, path: str, wanted: Wanted, *, origin: str | None = None) -> Taken:
    """Read a file and take it in as an edition; the same content of the same date twice changes nothing.

    Raises:
        InputError: the file is damaged, cut, hostile or empty: nothing of it is used, what was in force stays.
        UsageError: its format cannot be told, or a list has no class.
    """
    kind = wanted.format or format_of(path)
    if kind not in FORMATS:
        raise UsageError(f"no such format: {kind!r}", hint="one of " + ", ".join(FORMATS))
    digest = hash_file(path) or ""
    bits = sum(class_bit(name) for name in set(wanted.classes))
    name = origin or path
    source = wanted.source or _source_of(name, kind)
    if bits or wanted.valid_s:
        digest += f"/{bits}/{wanted.valid_s}"
    parsed = read_source(path, kind, bits)
    if bits and kind != "list":
        parsed = replace(parsed, prefixes=_with_classes(parsed.prefixes, bits))
    if wanted.valid_s:
        parsed = _valid(parsed, wanted.valid_s)
    dated = wanted.date_s or parsed.date_s or wanted.otherwise_s or _dated(Path(name).name)
    if dated is None and wanted.valid_s and wanted.valid_s[0]:
        dated = wanted.valid_s[0]
    if catalogue.knows(source, digest, dated):
        return Taken(path, None, Skipped())
    date_s = dated if dated is not None else int(time.time()) // 86400 * 86400
    edition = catalogue.add(
        parsed, source=source, kind=kind, date_s=date_s, licence=wanted.licence or FORMATS[kind].licence,
        origin=name, digest=digest,
    )
    return Taken(path, edition, parsed.skipped)


def _source_of(path: str, kind: str) -> str:
    """A source's name from a file's: without dates, families and endings, so that its editions share it.

    >>> _source_of("delegated-apnic-extended-20141124.gz", "delegated")
    'delegated-apnic-extended'
    >>> _source_of("2014-11-24-11-00-00-consensus", "tor-consensus")
    'tor-consensus'
    """
    if kind in ("tor-consensus", "tor-exit-list"):
        return kind
    stem = re.sub(r"\.(gz|bz2|zst|xz|csv|txt|json|mmdb|latest|netset|ipset)\b", "", Path(path).name)
    stem = re.sub(r"(?i)[-_.]?ip(v)?[46]\b", "", DATED.sub("", stem))
    return stem.strip("-_. ") or kind


def _dated(name: str) -> int | None:
    """The date in a file's name.

    >>> _dated("rib.20141124.0800.bz2")
    1416816000
    """
    match = DATED.search(name)
    if match is None:
        return None
    try:
        parts = [int(part or 0) for part in match.groups()]
        return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]
    except ValueError:
        return None


def _with_classes(table: pa.Table, bits: int) -> pa.Table:
    place = table.schema.get_field_index("classes")
    return table.set_column(
        place, table.schema.field(place), pc.bit_wise_or(table["classes"], pa.scalar(bits, pa.uint16()))
    )


def _valid(parsed: Parsed, valid_s: tuple[int, int]) -> Parsed:
    """The same statements, each within the stated time."""
    return replace(parsed, prefixes=_clipped(parsed.prefixes, valid_s), ases=_clipped(parsed.ases, valid_s))


def _clipped(table: pa.Table, valid_s: tuple[int, int]) -> pa.Table:
    for name, choose, bound in (("from_s", np.maximum, valid_s[0]), ("until_s", np.minimum, valid_s[1])):
        place = table.schema.get_field_index(name)
        values = choose(table[name].to_numpy(), bound)
        table = table.set_column(place, table.schema.field(place), pa.array(values, pa.int64()))
    return table
