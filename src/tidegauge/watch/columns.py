"""CSV files of indicators: `kind,value[,from,until]`, or columns that a first line names, as public lists have them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from tidegauge.model.domains import registered
from tidegauge.watch.rows import (
    LONELY_PORT,
    NO_PORT,
    NO_TITLE,
    NO_TITLES,
    NO_VALUE,
    NOT_SHOWN,
    OF_ADDRESS,
    OF_NETWORK,
    OTHER_END,
    Left,
    Row,
    is_address,
    range_of,
    refanged,
)

LONGEST_LINE = 100_000
KIND_OF = {
    "ip": "prefix", "ip-src": "prefix", "ip-dst": "prefix", "ipv4": "prefix", "ipv6": "prefix", "cidr": "prefix",
    "ipv4-addr": "prefix", "ipv6-addr": "prefix", "prefix": "prefix", "ip:port": "prefix", "address": "prefix",
    "ip-address": "prefix", "ipv4-address": "prefix", "ipv6-address": "prefix", "network": "prefix", "as": "as",
    "asn": "as", "autonomous-system": "as", "domain": "domain", "hostname": "domain", "domain-name": "domain",
    "fqdn": "domain", "port": "port", "dst-port": "port", "url": "url", "uri": "url", "link": "url", "host": "host",
}
"""Names of kinds, and ours."""
KIND_COLUMNS = ("kind", "type", "indicator-type", "ioc-type", "observable-type", "attribute-type")
VALUE_COLUMNS = ("value", "indicator", "ioc", "ioc-value", "observable", "indicator-value")
FROM_COLUMNS = ("from", "valid-from", "start")
UNTIL_COLUMNS = ("until", "valid-until", "valid-to", "end", "expires", "expiration", "expiration-date", "expiry")
PORT_COLUMNS = ("dst-port", "dstport", "port", "far-port")
TYPED = {
    **{name: kind for name, kind in KIND_OF.items() if kind != "port"}, "dst-ip": "prefix", "dstip": "prefix",
    "src-ip": "prefix", "srcip": "prefix", "dest-ip": "prefix", "source-ip": "prefix", "destination-ip": "prefix",
    "destip": "prefix",
}
"""Columns that hold values of one kind."""
FIRSTS = frozenset(("start", "first", "from", "begin", "low", "lower", "min"))
LASTS = frozenset(("end", "last", "to", "stop", "high", "upper", "max"))
"""Words in the names of columns that hold the first and the last address of a range."""
MASKS = ("mask", "netmask", "subnet-mask", "masklen", "mask-length", "prefixlen", "prefix-length", "prefix-len", "bits")
NETWORKS = ("netblock", "inetnum", "range", "ip-range", "subnet", "net")
SOURCES = ("src-ip", "srcip", "source-ip")
HASHES = re.compile(r"(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})", re.IGNORECASE)

_COMMENTS = ("#", "; ")
"""How lines begin that are no entries; the second, of DROP lists, only where the first line does."""


def csv_rows(text: str) -> Iterator[Row | Left]:
    """Yield the indicators of a CSV text, whose cells stand between commas, semicolons or tabs.

    Without a line of names the columns are kind, value, from and until, or any of them hold values. The line of names
    may be a comment, as some public lists have it.
    """
    if text.lstrip().startswith("<"):
        yield Left("XML", "such as OpenIOC: not a form that is read")
        return
    names: list[str] | None = None
    begun = False
    lines = text.splitlines()
    for line in lines:
        if len(line) > LONGEST_LINE:
            yield Left("line", f"longer than {LONGEST_LINE:,} characters")
    short = [line for line in lines if line.strip() and len(line) <= LONGEST_LINE]
    delimiter = _delimiter(short)
    for comment, cells in _cells(short, delimiter):
        if not begun and (found := _names(cells, comment=comment)):
            names, begun = found, not comment
        elif not (begun or comment or names) and len(short) > 1 and _are_titles(cells):
            begun = True
            yield Left("line", NO_TITLES)
        elif not comment:
            begun = True
            if names is None or len(cells) == 1:
                yield from _by_place(cells)
            else:
                yield from named_row(list(zip(names, cells, strict=False)))
                yield from _values(cells[len(names) :])


def _delimiter(lines: Sequence[str]) -> str:
    """What stands between the cells of the first lines that are no prose."""
    some = [line for line in lines[:50] if not line.lstrip().startswith(_COMMENTS)] or lines[:1]
    return max(",\t;", key=lambda mark: sum(mark in line for line in some)) if some else ","


def _cells(lines: Sequence[str], delimiter: str) -> Iterator[tuple[bool, list[str]]]:
    """Whether each row is a comment, and its cells; a cell in quotes may reach over lines."""
    marks: tuple[str, ...] = _COMMENTS if lines and lines[0].startswith(_COMMENTS[1]) else _COMMENTS[:1]
    comments = [line.lstrip("#; ") for line in lines if line.lstrip().startswith(marks)]
    for row in _read(comments, delimiter, apart=True):
        yield True, row
    yield from ((False, row) for row in _read([x for x in lines if not x.lstrip().startswith(marks)], delimiter))


def _read(lines: Sequence[str], delimiter: str, *, apart: bool = False) -> Iterator[list[str]]:
    """Cells of rows; line by line where a quote that does not end would swallow the rest."""
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)) if not apart else None
    except csv.Error:
        rows = None
    if rows is None:
        rows = [next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), []) for line in lines]
    for row in rows:
        yield [cell.split(" #", 1)[0].strip() for cell in row]


def _names(cells: Sequence[str], *, comment: bool) -> list[str] | None:
    """The names of columns that a line holds; None where it is none of names."""
    named = [_hyphened(cell) for cell in cells]
    if comment and (len(cells) < 2 or any(len(cell.split()) > 2 for cell in cells)):
        return None  # prose
    # A row of data may begin with a kind, which is a name too; but it holds a value, and no name is one.
    known = any(name in VALUE_COLUMNS or name in TYPED or name in NETWORKS for name in named)
    roles = {_role(name) for name in named}
    if (known or {"first", "last"} <= roles) and not any(map(_is_value, cells)):
        return named
    return None


def _role(name: str) -> str:
    """What part of a network a column can hold by its name: its first address, its last, its mask; or nothing."""
    words = set(name.split("-"))
    return "mask" if name in MASKS else "first" if words & FIRSTS else "last" if words & LASTS else ""


def _are_titles(cells: Sequence[str]) -> bool:
    """Whether a first line is one of names that are not known: words, none of a kind or a value."""
    words = all(re.fullmatch(r"[A-Za-z][\w -]*", cell) for cell in cells)
    return words and not any(_plain(cell) in KIND_OF or HASHES.fullmatch(cell) for cell in cells)


def _is_value(cell: str) -> bool:
    """Whether a cell can hold an indicator, and be no name of a column."""
    return is_address(cell) or re.search(r"\.|^\d+$|://|^as\s?\d+$", cell, re.IGNORECASE) is not None


def named_row(cells: Sequence[tuple[str, str]]) -> Iterator[Row | Left]:
    """Yield what a row says whose values have names: the cells of a line, or what a JSON object holds."""
    filled = _networks([(_hyphened(name), value) for name, value in cells if value])

    def first(names: Sequence[str], default: str = "") -> str:
        return next((value for wanted in names for name, value in filled if name == wanted), default)

    kind = first(KIND_COLUMNS).lower()
    if first(("to-ids",), "1").lower() in ("0", "false", "no"):
        yield Left(f"CSV {kind[:40]}", "to_ids is false: the sender does not mean it for detection")
        return
    if first(("revoked",)).lower() in ("1", "true", "yes"):
        yield Left(f"CSV {kind[:40]}", "revoked")
        return
    start, end = first(FROM_COLUMNS), first(UNTIL_COLUMNS)
    port, odd = _port(first(PORT_COLUMNS))
    if odd:
        yield Left("port", NO_PORT)
    value = first(VALUE_COLUMNS)
    if value:
        yield from _of_kind(kind, value, start, end, port)
    found = [(name, TYPED[name], text) for name, text in filled if name in TYPED and text != value]
    found += [(name, "network", text) for name, text in filled if name in NETWORKS and text != value]
    if value:  # a link beside it is where it comes from
        found = [one for one in found if one[1] != "url"]
    addressed = bool(value) or any(its_kind not in ("as", "network") for _, its_kind, _ in found)
    for name, its_kind, text in found:
        if its_kind == "as" and addressed:
            yield Left("as", OF_ADDRESS)
        elif its_kind == "network" and addressed:
            yield Left("network", OF_NETWORK)
        else:
            theirs = "" if its_kind == "as" or name in SOURCES else port
            yield Row("prefix" if its_kind == "network" else its_kind, text, start, end, theirs)
    if port and found and all(name in SOURCES for name, _, _ in found):
        yield Left("port", OTHER_END)
    if not found and not value:
        yield Left("line", "none of its columns that name an indicator is filled")


def _networks(filled: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Named cells with the first and last addresses of a range, or an address and its mask, as one network each."""
    ends = {_role(name): (name, text) for name, text in reversed(filled) if _role(name) and _is_single(text)}
    if "first" in ends and "last" in ends and range_of(joined := f"{ends['first'][1]}-{ends['last'][1]}"):
        rest = [cell for cell in filled if cell not in ends.values() and _role(cell[0]) != "mask"]
        return [*rest, ("network", joined)]
    masks = [(name, text) for name, text in filled if name in MASKS or (name == "cidr" and text.isdigit())]
    if not masks:
        return [(("network" if (name, text) in ends.values() else name), text) for name, text in filled]
    mask = masks[0][1].lstrip("/")
    rest = [cell for cell in filled if cell not in masks]
    return [(name, f"{text}/{mask}" if _is_single(text) else text) for name, text in rest]


def _is_single(text: str) -> bool:
    return "/" not in text and is_address(text)


def _port(text: str) -> tuple[str, bool]:
    """A port, empty for every one; and whether the text says something else."""
    match = re.fullmatch(r"(\d{1,5})(?:/(?:tcp|udp))?", text.strip(), re.IGNORECASE)
    if match and 0 < int(match[1]) < 65536:
        return match[1], False
    return "", text.strip().lower() not in ("", "0", "any", "*", "-")


def _by_place(cells: list[str]) -> Iterator[Row | Left]:
    """What a line without names says: kind and value (or the other way round), from, until; or values in any cell. A
    number behind an address may count anything, and is its port only by a title."""
    first, second, start, end = [*cells, "", "", "", ""][:4]
    if _is_single(first) and _is_single(second) and len(block := range_of(f"{first}-{second}")) == 1:
        length = int(block[0].rpartition("/")[2])
        if length <= (126 if ":" in first else 30) or start == str(length):  # the ends of a block, not two hosts
            yield Row("prefix", block[0])
            yield from _values(cells[2:])
            return
    if second and _plain(first) in KIND_OF:
        yield from _of_kind(first.lower(), second, start, end, "")
        yield from _values(cells[4:])
    elif _plain(second) in KIND_OF:
        yield from _of_kind(second.lower(), first, start, end, "")
        yield from _values(cells[4:])
    elif _is_value(first) or not second or not any(map(_shows, cells)):
        words = first.split()
        if len(words) > 1 and all(map(_shows, words)):  # a file of hosts: an address and its names
            yield from _values(words)
        elif _is_value(first) or not second:
            kind, value = _guess(first)
            yield Row(kind, value)
        else:
            yield from _of_kind(first.lower(), second, "", "", "")
        if is_address(first) and second.isdigit():
            yield Left("number", NO_TITLE)
        yield from _values(cells[1:])
    else:
        yield from _values(cells)


def _values(cells: Sequence[str]) -> Iterator[Row]:
    """The addresses and names among cells of which nothing says what they hold."""
    for cell in cells:
        if _shows(cell):
            yield Row("host", cell)


def _shows(cell: str) -> bool:
    """Whether a cell is an address, with its port or without, or a name that can be registered; no link, which behind
    a value is where it comes from."""
    text = refanged(cell)
    host = re.sub(r"(?<=[\].0-9a-z]):\d{1,5}$", "", text, flags=re.IGNORECASE) if text.count(":") == 1 else text
    if is_address(host) and re.search(r"[.:]", host):
        return True
    return re.fullmatch(r"[\w*-]+(\.[\w-]+)*\.[^\W\d]{2,}", host) is not None and bool(registered(host))


def _hyphened(name: str) -> str:
    return re.sub(r"[\s_]+", "-", name.lower())


def _plain(name: str) -> str:
    return _hyphened(name.split("|")[0])


def _of_kind(name: str, value: str, start: str, end: str, port: str) -> Iterator[Row | Left]:
    """The rows of a value whose kind is named: of two kinds the parts, but for a port."""
    kinds, values = name.split("|"), value.split("|")
    if len(kinds) == 2 and kinds[1] == "port" and len(values) == 2:
        kinds, values, port = kinds[:1], values[:1], values[1]
    for one, text in zip(kinds, values, strict=False):
        known = KIND_OF.get(_plain(one))
        if known == "port":
            yield Left("port", LONELY_PORT)
        elif known is not None:
            yield Row(known, text, start, end, port)
        elif _is_value(text) and not HASHES.fullmatch(text):
            kind, text = _guess(text)
            yield Row(kind, text, start, end, port)
        elif not one:
            yield Left("value", f"{NO_VALUE} nor a name nor a link: {text[:40]}")
        else:
            yield Left(f"kind {one[:40]}", NOT_SHOWN if HASHES.fullmatch(text) else f"{NOT_SHOWN}, or is not known")


def _guess(value: str) -> tuple[str, str]:
    if re.fullmatch(r"[Aa][Ss]\s?\d+", value):
        return "as", value
    return ("url" if "://" in value or ("/" in value and not is_address(value)) else "host"), value
