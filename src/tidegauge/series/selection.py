"""`ORIGIN` as a user writes it, to a condition over flows: a country, AS, prefix, class, list file, or a union."""

from __future__ import annotations

import re
from pathlib import Path

from tidegauge.model import Prefix, UsageError, class_bit

DIRECTIONS = ("in", "out", "internal", "transit")
HINT = "KP, AS131279, 175.45.176.0/22, class:tor-exit or @FILE; several joined by commas"


def origin_sql(text: str, direction: str) -> str:
    """SQL condition for flows of a direction whose far end is of an origin.

    For `internal` and `transit`, where neither end is far, either end may match.

    >>> origin_sql("AS64500", "in")
    "direction = 'in' AND (src_as = 64500)"

    Raises:
        UsageError: not an origin, or a list file that cannot be read.
    """
    if direction not in DIRECTIONS:
        raise UsageError(f"no such direction: {direction!r}", hint="one of " + ", ".join(DIRECTIONS))
    ends = {"in": ("src",), "out": ("dst",)}.get(direction, ("src", "dst"))
    parts = [_one(part, end) for part in _parts(text) for end in ends]
    return f"direction = '{direction}' AND ({' OR '.join(parts)})"


def origin_where(text: str, direction: str) -> str:
    """The same as `--where` takes it.

    >>> origin_where("KP,192.0.2.0/24", "in")
    "direction = 'in' AND (far_country = 'KP' OR inside(far, '192.0.2.0/24'))"
    """
    ends = ("far",) if direction in ("in", "out") else ("src", "dst")
    return f"direction = '{direction}' AND ({' OR '.join(_where(part, end) for part in _parts(text) for end in ends)})"


def _where(part: str, end: str) -> str:
    if re.fullmatch(r"[A-Za-z]{2}", part):
        return f"{end}_country = '{part.upper()}'"
    if match := re.fullmatch(r"[Aa][Ss](\d{1,10})", part):
        return f"{end}_as = {int(match[1])}"
    if part.startswith("class:"):
        return f"is_class({end}_class, '{part[6:]}')"
    return f"inside({end}, '{part}')"


def _parts(text: str) -> list[str]:
    found: list[str] = []
    for part in (p.strip() for p in text.split(",")):
        if part.startswith("@"):
            found += _list_file(Path(part[1:]))
        elif part:
            found.append(part)
    if not found:
        raise UsageError("no origin given", where=repr(text), hint=HINT)
    return found


def _list_file(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the list: {error}", where=str(path)) from None
    entries = [line.split("#", 1)[0].strip() for line in lines]
    for number, entry in enumerate(entries, start=1):
        try:
            if entry.startswith("@"):
                raise UsageError("a list names no other list")
            if entry:
                _one(entry, "src")
        except UsageError as error:
            raise UsageError(str(error), where=f"{path}, line {number}") from None
    return [entry for entry in entries if entry]


def _one(part: str, end: str) -> str:
    if re.fullmatch(r"[A-Za-z]{2}", part):
        return f"{end}_country = '{part.upper()}'"
    if match := re.fullmatch(r"[Aa][Ss](\d{1,10})", part):
        if int(match[1]) >= 1 << 32:
            raise UsageError(f"not an AS number: {part!r}")
        return f"{end}_as = {int(match[1])}"
    if part.startswith("class:"):
        return f"({end}_class & {class_bit(part[6:])}) <> 0"
    if re.fullmatch(r"[0-9a-fA-F:.]+(/\d+)?", part):
        prefix = Prefix.parse(part)
        return f"{end} BETWEEN unhex('{prefix.first.hex()}') AND unhex('{prefix.last.hex()}')"
    raise UsageError(f"not an origin: {part!r}", hint=HINT)
