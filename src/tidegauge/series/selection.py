"""`ORIGIN` as a user writes it, to a condition over flows: a country, AS, prefix, class, list file, or a union."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tidegauge.model import DIRECTIONS, Prefix, UsageError, class_bit, parse_country

HINT = "KP, North Korea, AS131279, 175.45.176.0/22, class:tor-exit or @FILE; several joined by commas"


@dataclass(frozen=True)
class Part:
    """One origin of a union: `kind` is `country`, `as`, `prefix` or `class`, `value` its canonical text."""

    kind: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read one origin.

        >>> str(Part.parse("north korea")), str(Part.parse("as131279"))
        ('KP', 'AS131279')

        Raises:
            UsageError: it is none; the hint names what may have been meant.
        """
        text = text.strip()
        if match := re.fullmatch(r"[Aa][Ss]\s?(\d+)", text):
            if len(match[1]) > 10 or not 0 < int(match[1]) < 1 << 32:
                raise UsageError(f"not an AS number: {text[:40]!r}", hint="1 to 4294967295")
            return cls("as", str(int(match[1])))
        if text.startswith("class:"):
            class_bit(text[6:])
            return cls("class", text[6:])
        if re.fullmatch(r"[0-9a-fA-F:.]+(/\d+)?", text) and (set(text) & {".", ":", "/"}):
            Prefix.parse(text)
            return cls("prefix", text)
        if not any(letter.isalpha() for letter in text):
            raise UsageError(f"not an origin: {text!r}", hint=HINT)
        return cls("country", parse_country(text))

    def __str__(self) -> str:
        return {"as": "AS", "class": "class:"}.get(self.kind, "") + self.value

    def sql(self, end: str) -> str:
        """Condition on flows whose end `src` or `dst` is of this origin."""
        if self.kind == "country":
            return f"{end}_country = '{self.value}'"
        if self.kind == "as":
            return f"{end}_as = {self.value}"
        if self.kind == "class":
            return f"({end}_class & {class_bit(self.value)}) <> 0"
        prefix = Prefix.parse(self.value)
        return f"{end} BETWEEN unhex('{prefix.first.hex()}') AND unhex('{prefix.last.hex()}')"

    def where(self, end: str) -> str:
        """The same as `--where` takes it."""
        if self.kind == "country":
            return f"{end}_country = '{self.value}'"
        if self.kind == "as":
            return f"{end}_as = {self.value}"
        if self.kind == "class":
            return f"is_class({end}_class, '{self.value}')"
        return f"inside({end}, '{self.value}')"


@dataclass(frozen=True)
class Origins:
    """A union of origins; its list files were read when it was made, and are not read again.

    Attributes:
        text: the union as it is shown: countries as codes, list files by their name.
    """

    text: str
    parts: tuple[Part, ...]

    @classmethod
    def parse(cls, text: str) -> Origins:
        """Read a union as a user writes it.

        >>> Origins.parse("north korea, as131279").text
        'KP,AS131279'

        Raises:
            UsageError: one is no origin, or a list file cannot be read.
        """
        names: list[str] = []
        found: list[Part] = []
        for piece in (p.strip() for p in text.split(",")):
            if piece.startswith("@"):
                found += _list_file(Path(piece[1:]))
                names.append(piece)
            elif piece:
                found.append(Part.parse(piece))
                names.append(str(found[-1]))
        if not found:
            raise UsageError("no origin given", where=repr(text), hint=HINT)
        return cls(",".join(names), tuple(found))

    def __str__(self) -> str:
        return self.text

    def and_prefixes(self, prefixes: tuple[str, ...]) -> Origins:
        """Return the union with further prefixes."""
        if not prefixes:
            return self
        return Origins(",".join((self.text, *prefixes)), (*self.parts, *(Part("prefix", p) for p in prefixes)))

    def classes(self) -> list[str]:
        """Return the names of the classes in the union."""
        return [part.value for part in self.parts if part.kind == "class"]

    def sql(self, direction: str) -> str:
        """Return the SQL condition for flows of a direction whose far end is of one of the origins.

        For `internal` and `transit`, where neither end is far, either end may match.

        >>> Origins.parse("AS64500").sql("in")
        "direction = 'in' AND (src_as = 64500)"

        Raises:
            UsageError: no such direction.
        """
        if direction not in DIRECTIONS:
            raise UsageError(f"no such direction: {direction!r}", hint="one of " + ", ".join(DIRECTIONS))
        ends = {"in": ("src",), "out": ("dst",)}.get(direction, ("src", "dst"))
        conditions = [part.sql(end) for part in self.parts for end in ends]
        return f"direction = '{direction}' AND ({' OR '.join(conditions)})"

    def where(self, direction: str) -> str:
        """Return the same as `--where` takes it.

        >>> Origins.parse("KP,192.0.2.0/24").where("in")
        "direction = 'in' AND (far_country = 'KP' OR inside(far, '192.0.2.0/24'))"
        """
        ends = ("far",) if direction in ("in", "out") else ("src", "dst")
        conditions = [part.where(end) for part in self.parts for end in ends]
        return f"direction = '{direction}' AND ({' OR '.join(conditions)})"


def origin_sql(text: str, direction: str) -> str:
    """Return `Origins.sql` of a union as a user writes it."""
    return Origins.parse(text).sql(direction)


def _list_file(path: Path) -> list[Part]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"Cannot read the list file: {why}.", where=str(path)) from None
    found = []
    for number, line in enumerate(lines, start=1):
        entry = line.split("#", 1)[0].strip()
        try:
            if entry.startswith("@"):
                raise UsageError("a list names no other list")
            if entry:
                found.append(Part.parse(entry))
        except UsageError as error:
            raise UsageError(error.what, where=f"{path}, line {number}", hint=error.hint) from None
    return found
