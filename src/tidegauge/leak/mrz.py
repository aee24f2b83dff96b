"""Machine-readable zones of passports, identity cards and visas (ICAO 9303, parts 4 to 7), with OCR's confusions mended
where check digits prove it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import product

WEIGHTS = (7, 3, 1)
AS_DIGIT = str.maketrans("OQDIZSBGLT", "0001258617")
TO_FILL = str.maketrans({" ": "", "«": "<<", "‹": "<", "＜": "<"})
LINE = re.compile(r"[A-Z0-9<«‹＜ ]{28,60}")
MIXED = {
    "0": "0OQD",
    "O": "0OQ",
    "1": "1IL",
    "I": "1I",
    "5": "5S",
    "S": "5S",
    "8": "8B",
    "B": "8B",
    "2": "2Z",
    "Z": "2Z",
    "6": "6G",
    "G": "6G",
}
MOST_TRIED = 256
MOST_MISCOUNTED = 5


@dataclass(frozen=True)
class Zone:
    """A zone that was read.

    Attributes:
        form: `TD1`, `TD2`, `TD3`, `MRV-A` or `MRV-B`.
        checks: check digits that fit, and how many there are.
        mended: a confusion of OCR was mended.
    """

    form: str
    country: str
    number: str
    birth: str
    checks: int
    of: int
    mended: bool


def digit(text: str) -> int:
    """The check digit of a field.

    >>> digit("L898902C3"), digit("740812")
    (6, 2)
    """
    total = 0
    for i, c in enumerate(text):
        value = int(c) if c.isdigit() else ord(c) - 55 if "A" <= c <= "Z" else 0
        total += value * WEIGHTS[i % 3]
    return total % 10


def _fits(field: str, check: str) -> bool:
    return (check == "<" and not field.strip("<")) or (check.isdigit() and digit(field) == int(check))


def _mended(field: str, check: str) -> str | None:
    """A field with letters and digits exchanged as OCR does, so that its check digit fits; None where that can't be."""
    if not check.isdigit():
        check = check.translate(AS_DIGIT)
    if not check.isdigit():
        return None
    choices = [MIXED.get(c, c) for c in field]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > MOST_TRIED:
        return None
    return next(("".join(t) for t in product(*choices) if digit("".join(t)) == int(check)), None)


LAYOUTS: dict[str, tuple[int, int, tuple[tuple[str, int, int, int, int], ...]]] = {
    # lines, length; fields with check digits: name, line, first, last, place of the digit
    "TD3": (2, 44, (("number", 1, 0, 9, 9), ("birth", 1, 13, 19, 19), ("expiry", 1, 21, 27, 27),
                    ("optional", 1, 28, 42, 42))),
    "MRV-A": (2, 44, (("number", 1, 0, 9, 9), ("birth", 1, 13, 19, 19), ("expiry", 1, 21, 27, 27))),
    "TD2": (2, 36, (("number", 1, 0, 9, 9), ("birth", 1, 13, 19, 19), ("expiry", 1, 21, 27, 27))),
    "MRV-B": (2, 36, (("number", 1, 0, 9, 9), ("birth", 1, 13, 19, 19), ("expiry", 1, 21, 27, 27))),
    "TD1": (3, 30, (("number", 0, 5, 14, 14), ("birth", 1, 0, 6, 6), ("expiry", 1, 8, 14, 14))),
}
STARTS = {"TD3": "P", "MRV-A": "V", "TD2": "ACIP", "MRV-B": "V", "TD1": "ACI"}


def read_zone(lines: list[str]) -> Zone | None:
    """The zone that begins with the first of some lines; None where none does."""
    tidy = [line.strip().translate(TO_FILL) for line in lines[:3]]
    for form, (count, length, fields) in LAYOUTS.items():
        if len(tidy) < count or tidy[0][:1] not in STARTS[form] or not tidy[0]:
            continue
        rows = [_fitted(row, length) for row in tidy[:count]]
        if all(rows):
            zone = _zone(form, rows, fields)
            if zone is not None:
                return zone
    return _misread([line.upper() for line in tidy])


NEEDED = {"TD3": (5, 28), "MRV-A": (5, 28), "TD2": (5, 28), "MRV-B": (5, 28), "TD1": (15, 18, 0)}
"""Characters at the beginning of each line that check digits or the country depend on; behind them stand names,
optional data and fillers, which OCR reads as it likes."""
MOST_ASTRAY = 10
DATES = re.compile(r"\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")


def _misread(lines: list[str]) -> Zone | None:
    """A zone whose fillers and names were misread, or with one character too many in a line: only if the check
    digits of number, birth and expiry all fit, and both are dates."""
    for form, (count, length, fields) in LAYOUTS.items():
        if not _could_be(form, lines[:2], length):
            continue
        proven = tuple(field for field in fields if field[0] != "optional")
        first, second = (_shifted(lines[i], NEEDED[form][i], length) for i in (0, 1))
        for rows in product(first if count == 3 else first[:1], second):
            zone = _zone(form, list(rows), proven)
            if zone is not None and zone.checks == zone.of == 3 and _dated(rows, fields):
                return replace(zone, mended=True)
    return None


def _could_be(form: str, lines: list[str], length: int) -> bool:
    """Whether the first two lines look like those of a form; the third line of a card holds its name alone."""
    return (
        len(lines) == 2 and lines[0][:1] in STARTS[form] and "<" in lines[0]
        and all(abs(len(line) - length) <= MOST_ASTRAY for line in lines)
        and re.fullmatch(r"[A-Z0-9<]+", "".join(lines)) is not None
    )


def _shifted(line: str, need: int, length: int) -> list[str]:
    """A line as it is, and with one of its characters taken out: OCR makes two of one, a `0` into `OZ`."""
    lines = [line, *(line[:at] + line[at + 1 :] for at in range(min(need, len(line) - 1) + 1))]
    return list(dict.fromkeys(one[:need].ljust(length, "<") for one in lines))


def _dated(rows: tuple[str, ...], fields: tuple[tuple[str, int, int, int, int], ...]) -> bool:
    spans = [rows[line][first:last].translate(AS_DIGIT) for name, line, first, last, _ in fields if name != "number"]
    return all(DATES.fullmatch(text) for text in spans[:2])


def _fitted(row: str, length: int) -> str:
    """A line in its length: OCR miscounts fillers and reads single ones as letters; empty where more is amiss.

    >>> _fitted("P<UTOERIKSSON<<ANNA<K<<<<<<<<", 30)
    'P<UTOERIKSSON<<ANNA<<<<<<<<<<<'
    """
    row = re.sub(r"(?<=<)[CEKLSX](?=<)", "<", row)
    if len(row) == length:
        return row
    if abs(len(row) - length) > MOST_MISCOUNTED:
        return ""
    runs = sorted(re.finditer(r"<+", row), key=lambda m: m.end() - m.start())
    if not runs or runs[-1].end() - runs[-1].start() < 2:
        return row.ljust(length, "<") if length - len(row) == 1 else ""
    if len(row) < length:
        return row[: runs[-1].start()] + "<" * (length - len(row)) + row[runs[-1].start() :]
    over = len(row) - length
    return row[: runs[-1].start()] + row[runs[-1].start() + over :] if over < runs[-1].end() - runs[-1].start() else ""


def _zone(form: str, rows: list[str], fields: tuple[tuple[str, int, int, int, int], ...]) -> Zone | None:
    good, mended = 0, False
    values: dict[str, str] = {}
    for name, line, first, last, place in fields:
        value, check = rows[line][first:last], rows[line][place]
        if name in ("birth", "expiry"):
            plain = value.translate(AS_DIGIT)
            mended |= plain != value
            value = plain
        if not _fits(value, check):
            other = _mended(value, check)
            mended |= other is not None
            good += other is not None
            value = other or value
        else:
            good += 1
        values[name] = value
    birth, number = values["birth"], values["number"].rstrip("<")
    if not re.fullmatch(r"\d{2}(?:0[1-9]|1[0-2]|<<)(?:0[1-9]|[12]\d|3[01]|<<)", birth) or len(number) < 5:
        return None
    # Two of three check digits by chance, with a date in its place: one in ten thousand of lines of this form.
    if good < 2 or (good < len(fields) - 1):
        return None
    country = rows[0][2:5].translate(str.maketrans("0158", "OISB"))
    if not re.fullmatch(r"[A-Z]{1,3}<{0,2}", country):
        return None
    return Zone(form, country.rstrip("<"), number, birth, good, len(fields), mended)
