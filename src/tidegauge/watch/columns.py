"""CSV files of indicators: `kind,value[,from,until]`, or columns that a first line names, as public lists have them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from tidegauge.watch.rows import LONELY_PORT, NOT_SHOWN, Left, Row, is_address

LONGEST_LINE = 100_000
KIND_OF = {
    "ip": "prefix", "ip-src": "prefix", "ip-dst": "prefix", "ipv4": "prefix", "ipv6": "prefix", "cidr": "prefix",
    "ipv4-addr": "prefix", "ipv6-addr": "prefix", "prefix": "prefix", "ip:port": "prefix", "address": "prefix",
    "ip-address": "prefix", "network": "prefix", "as": "as", "asn": "as", "autonomous-system": "as",
    "domain": "domain", "hostname": "domain", "domain-name": "domain", "fqdn": "domain", "port": "port",
    "dst-port": "port", "url": "url", "uri": "url", "link": "url", "host": "host",
}  # fmt: skip
"""Names of kinds, and ours."""
KIND_COLUMNS = ("kind", "type", "indicator-type", "ioc-type", "observable-type", "attribute-type")
VALUE_COLUMNS = ("value", "indicator", "ioc", "ioc-value", "observable", "indicator-value")
FROM_COLUMNS = ("from", "valid-from", "start")
UNTIL_COLUMNS = ("until", "valid-until", "valid-to", "end", "expires")
PORT_COLUMNS = ("dst-port", "port", "far-port")
TYPED = {**{name: kind for name, kind in KIND_OF.items() if kind != "port"}, "dst-ip": "prefix"}
"""Columns that hold values of one kind."""


def csv_rows(text: str) -> Iterator[Row | Left]:
    """Yield the indicators of a CSV text.

    Without a line of names the columns are kind, value, from and until, or a value alone. The line of names may be
    a comment, as some public lists have it.
    """
    names: list[str] | None = None
    begun = False
    for line in text.splitlines():
        if not line.strip():
            continue
        if len(line) > LONGEST_LINE:
            yield Left("line", f"longer than {LONGEST_LINE:,} characters")
            continue
        comment = line.lstrip().startswith("#")
        cells = [cell.strip() for cell in next(csv.reader([line.lstrip("# ")], skipinitialspace=True), [])]
        if not begun and (found := _names(cells)):
            names, begun = found, not comment
            continue
        if comment:
            continue
        begun = True
        if names is None or len(cells) == 1:
            yield from _by_place(cells)
        else:
            yield from _by_name(dict(zip(names, cells, strict=False)))


def _names(cells: Sequence[str]) -> list[str] | None:
    """The names of columns that a line holds; None where it is none of names."""
    named = [re.sub(r"[\s_]+", "-", cell.lower()) for cell in cells]
    # A row of data may begin with a kind, which is a name too; but it holds a value, and no name is one.
    if any(name in VALUE_COLUMNS or name in TYPED for name in named) and not any(
        is_address(cell) or re.search(r"\.|^\d+$|://", cell) for cell in cells
    ):
        return named
    return None


def _by_name(cells: dict[str, str]) -> Iterator[Row | Left]:
    """The row of a line whose columns have names."""

    def first(names: Sequence[str]) -> str:
        return next((cells[name] for name in names if cells.get(name)), "")

    if cells.get("to-ids", "1").lower() in ("0", "false"):
        yield Left(f"CSV {first(KIND_COLUMNS)[:40]}", "to_ids is false: the sender does not mean it for detection")
        return
    start, end, port = first(FROM_COLUMNS), first(UNTIL_COLUMNS), first(PORT_COLUMNS)
    if value := first(VALUE_COLUMNS):
        yield from _of_kind(first(KIND_COLUMNS).lower(), value, start, end, port)
        return
    found = [(kind, cells[name]) for name, kind in TYPED.items() if cells.get(name)]
    for kind, value in found:
        yield Row(kind, value, start, end, port if kind != "as" else "")
    if not found:
        yield Left("line", "none of its columns that name an indicator is filled")


def _by_place(cells: list[str]) -> Iterator[Row | Left]:
    """The row of a line without names: kind and value (or the other way round), from, until; or a value alone."""
    first, second, start, end = [*cells, "", "", "", ""][:4]
    if not second:
        yield Row(*_guess(first))
    elif second.lower() in KIND_OF and first.lower() not in KIND_OF:
        yield from _of_kind(second.lower(), first, start, end, "")
    else:
        yield from _of_kind(first.lower(), second, start, end, "")


def _of_kind(name: str, value: str, start: str, end: str, port: str) -> Iterator[Row | Left]:
    if not name:
        kind, value = _guess(value)
        yield Row(kind, value, start, end, port)
        return
    kinds = name.split("|")
    known = KIND_OF.get(kinds[0].replace("_", "-"))
    if len(kinds) == 2 and kinds[1] == "port" and "|" in value:
        value, _, port = value.partition("|")
    if known is None:
        yield Left(f"kind {name[:40]}", NOT_SHOWN)
    elif known == "port":
        yield Left("port", LONELY_PORT)
    else:
        yield Row(known, value, start, end, port)


def _guess(value: str) -> tuple[str, str]:
    if re.fullmatch(r"[Aa][Ss]\s?\d+", value):
        return "as", value
    return ("url" if "://" in value or ("/" in value and not is_address(value)) else "host"), value
