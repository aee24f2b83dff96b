"""What a candidate is, by its form, check digits, label, column and neighbours: a `Hit` or nothing.

Everything here sees a candidate with a few hundred bytes around it, never its whole line, which may have no end.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tidegauge.leak import mrz, numbers, secrets
from tidegauge.leak.matchers import CANDIDATE, COMBO, DATE, LOGIN, VALUE, bare_may_be, forms_of
from tidegauge.leak.words import LABEL_CELL, said
from tidegauge.model.generated import entropy

AROUND = 240
BEFORE = 60
"""Characters before a value in which a label may stand."""
GLUE = "_-.+#/\\%$"
NO_PASSWORD = re.compile(r"[\d./-]{1,12}|[A-Za-z]{2,14}|https?")
PASSWORD_LABEL = re.compile(r"(?i)pass|pwd|kennwort|contrase|senha|密|hash")
NAMED = re.compile(r"\b[A-Z][a-zà-ÿ]{2,}[ ,]+[A-Z][a-zà-ÿ]{2,}\b|[\u4e00-\u9fff]{2,4}")
KEYED = re.compile(r"(?i)key|secret|token")
SEPARATED = re.compile(r"[,;|}\t]")
FORMED = "its form and check digits"
LABELLED, NEIGHBOURED, COLUMNED = (f"{FORMED}, and its {what}" for what in ("label", "neighbours", "column"))
PARTED = str.maketrans("", "", " .-/")
SSN = re.compile(r"\d{3}([- ]?)\d{2}\1\d{4}")
CARD = re.compile(r"\d+|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{5}")
JOINING = 0x0590
"""Letters before this one are written with spaces between words: a number right behind one is part of its word."""


@dataclass(frozen=True)
class Hit:
    """A value: its kind, plain form, what it is called, why it counts; `shown` is how it may be shown, its masked form
    where nothing is said."""

    kind: str
    value: str
    what: str
    why: str
    confidence: float
    text: str = ""
    shown: str = ""

    @property
    def masked(self) -> str:
        return self.shown or masked(self.text)


@dataclass
class Sight:
    """A candidate with what stands around it.

    Attributes:
        text: the candidate.
        before, after: of its line, up to `AROUND` bytes of each.
        previous: the end of the line before.
        column: its column, -1 where lines are no rows; `header` its name, `delimiter` what parts cells.
    """

    text: str
    before: str
    after: str
    previous: str = ""
    column: int = -1
    header: str = ""
    delimiter: str = ""

    def label(self) -> str:
        """What may say what the candidate is: the header over it and what stands before it in its cell or clause."""
        if self.column >= 0:
            inside = self.before.rpartition(self.delimiter)[2] if self.delimiter else ""
            told = f"{self.header} {inside}".strip()
            if self.delimiter and not said(told)[0]:
                cell = self.before.removesuffix(inside).removesuffix(self.delimiter).rpartition(self.delimiter)[2]
                if LABEL_CELL.fullmatch(cell):
                    told = f"{told} {cell}".strip()
            return told
        near = self.before[-BEFORE:]
        if not near.strip(" \t\"'"):
            return self.previous[-BEFORE:]
        # What stands before another value says nothing of this one.
        return SEPARATED.split(near.rstrip(" \t\"':=,"))[-1] if near.strip(" \t\"':=,") else ""

    def stands_alone(self) -> bool:
        """Whether it is no part of a longer word."""
        before, beyond = self.before[-1:], self.after[:2]
        if before and ((before.isalnum() and ord(before) < JOINING) or before in GLUE):
            return False
        return not beyond or not (
            (beyond[0].isalnum() and ord(beyond[0]) < JOINING)
            or beyond[0] == "_" or (beyond[0] in "-./" and beyond[1:].isalnum() and beyond[1:].isascii())
        )

    def named(self) -> bool:
        """Whether a name or a date of birth stands beside it."""
        return any(NAMED.search(side) or DATE.search(side) for side in (self.before, self.after))


@dataclass
class Columns:
    """What the columns of one text have shown.

    A column without a name proves its values when nearly all of its cells are valid; one that shows little is not
    looked at any more.
    """

    seen: dict[tuple[int, str], list[int]]
    misses: Counter[tuple[int, str]]
    dead: set[tuple[int, str]]
    hopeless: set[int]
    cells: Counter[int]

    HOPE = 200
    DEAD = 50

    @classmethod
    def new(cls) -> Columns:
        return cls({}, Counter(), set(), set(), Counter())

    def cell(self, column: int) -> None:
        """A cell in a column without a name."""
        self.cells[column] += 1
        if self.cells[column] == self.HOPE:
            best = max((valid for (c, _), (_, valid) in self.seen.items() if c == column), default=0)
            if best < self.HOPE / 2:
                self.hopeless.add(column)

    def valid(self, column: int, kind: str) -> None:
        self.seen.setdefault((column, kind), [0, 0])[1] += 1

    def looked(self, column: int) -> None:
        for key, counts in self.seen.items():
            if key[0] == column:
                counts[0] += 1

    def missed(self, column: int, kind: str) -> None:
        self.misses[column, kind] += 1
        if self.misses[column, kind] > self.DEAD:
            self.dead.add((column, kind))


def masked(value: str) -> str:
    """A value as it may be shown: its form and the last two characters.

    >>> masked("536-90-4399"), masked("A123456789")
    ('***-**-**99', '********89')
    """
    kept = len(value) - 2
    return "".join(c if i >= kept or not c.isalnum() else "*" for i, c in enumerate(value))


def number(
    sight: Sight, columns: Columns, *, among: bool, samples: Counter[str]
) -> tuple[Hit, tuple[int, str] | None] | None:
    """What a number is; with the column and kind that must prove it, where form and label don't.

    Args:
        among: an address or other values stand in its record.
        samples: numbers of advertisements and tests, counted here.
    """
    text = sight.text
    if " " in text and text[:2].isalpha():
        text = _iban_of(text)
    if CANDIDATE.fullmatch(text) is None or not sight.stands_alone():
        return None
    column, label = sight.column, sight.label()
    names, national, other = said(label)
    bare = text.isdigit()
    if not national and not (bare_may_be(names, len(text)) if bare else names):
        # Bare digits that no label names: only their column could prove them, or eighteen of a Chinese number.
        if bare and ((column < 0 and len(text) != 18) or column in columns.hopeless):
            return None
        if column >= 0:
            columns.cell(column)
    found = _meant(list(_kinds(text, names, national, column, columns, samples)), names, national, other)
    hit = _chosen(found, text, sight, columns, among)
    if column >= 0 and (hit is None or hit[1] is not None):
        columns.looked(column)
    return hit


def _meant(forms: list[Form], names: frozenset[str], national: bool, other: bool) -> list[tuple[*Form, bool]]:
    """The forms that a label means, and whether it does; all of them where it says nothing, none where it says
    something else."""

    def named(kind: str) -> bool:
        return kind.removeprefix("national-id:") in names

    own = [form for form in forms if named(form[0])]
    told = own or [form for form in forms if national and form[0].startswith(("national-id:", "tw-id"))][:1]
    if told:
        return [(*form, True) for form in told]
    return [] if other else [(*form, False) for form in forms]


def _chosen(
    found: list[tuple[*Form, bool]], text: str, sight: Sight, columns: Columns, among: bool
) -> tuple[Hit, tuple[int, str] | None] | None:
    waiting = None
    for kind, value, what, chance, shaped, labelled in found:
        if labelled:
            return Hit(kind, value, what, LABELLED, 0.95, text), None
        if chance == "strong":
            return Hit(kind, value, what, FORMED, 0.8, text), None
        if shaped and (among or sight.named()):
            return Hit(kind, value, what, NEIGHBOURED, 0.8, text), None
        if sight.column >= 0 and (chance == "checked" or shaped):
            columns.valid(sight.column, kind)
            if waiting is None:
                waiting = Hit(kind, value, what, COLUMNED, 0.85, text), (sight.column, kind)
    return waiting


def _iban_of(text: str) -> str:
    """The IBAN with which a text in groups begins, without words in capitals behind it; else the text."""
    groups = text.split(" ")
    for count in range(len(groups), 1, -1):
        if 15 <= len("".join(groups[:count])) <= 34 and numbers.iban("".join(groups[:count])):
            return " ".join(groups[:count])
    return text


Form = tuple[str, str, str, str, bool]
"""What a text can be by form and check digits: kind, plain value, name, how sure, whether shaped."""


def _kinds(
    text: str, names: frozenset[str], national: bool, column: int, columns: Columns, samples: Counter[str]
) -> Iterator[Form]:
    """Yield what a text can be by form and check digits."""
    plain = text.translate(PARTED).upper()
    if len(plain) == 9 and plain.isdigit() and SSN.fullmatch(text):
        found = numbers.ssn(plain)
        if found == "sample":
            samples["us-ssn"] += 1
            return
        if found == "valid":
            yield "us-ssn", plain, "US social security number", "", "-" in text
    yield from _checked(text, plain, samples)
    if plain[:2].isalpha() and 15 <= len(plain) <= 34 and plain[2:4].isdigit():
        if numbers.iban(plain):
            yield "iban", plain, "IBAN", "strong", False
        return
    if text.isdigit() and column < 0 and not names and not national and len(plain) != 18:
        return  # nothing but a label could prove it
    yield from _national(text, plain, names, national, column, columns)


def _checked(text: str, plain: str, samples: Counter[str]) -> Iterator[Form]:
    """Yield numbers with check digits that stand for themselves: Taiwanese identity numbers, and cards."""
    if len(plain) == 10 and plain[0].isalpha() and plain[2:].isdigit() and plain == text:
        found, kind, name = numbers.tw_id(plain), "tw-id", "Taiwanese identity or residence number"
    elif 12 <= len(plain) <= 19 and plain.isdigit() and CARD.fullmatch(text):
        found, kind, name = numbers.card(plain), "payment-card", "payment card"
    else:
        return
    if found == "sample":
        samples[kind] += 1
    elif found == "valid":
        yield kind, plain, name, "checked", kind == "payment-card" and not text.isdigit()


def _national(
    text: str, plain: str, names: frozenset[str], national: bool, column: int, columns: Columns
) -> Iterator[Form]:
    """Yield national numbers, of countries whose form says enough, which a label names, or whose column it is."""
    bare = text.isdigit()
    for form, pattern, shaped in forms_of(text):
        told, kind = national or form.country in names, f"national-id:{form.country}"
        dead = column >= 0 and not told and (column, kind) in columns.dead
        if dead or not (form.strong or told or column >= 0 or not bare) or pattern.fullmatch(text) is None:
            continue
        written = shaped.fullmatch(text) is not None
        if not (form.strong or written or column >= 0 or told):
            continue
        if numbers.national(form, text):
            yield kind, plain, f"national number of {form.country}", "strong" if form.strong else "checked", written
        elif column >= 0 and not told:
            columns.missed(column, kind)


def combo(address: str, after: str, header: str, delimiter: str) -> Hit | None:
    """A password or hash right behind an address."""
    match = COMBO.match(after)
    if match is None:
        return None
    value = match[1]
    kind = secrets.hash_kind(value)
    labelled = PASSWORD_LABEL.search(header) is not None
    looks = secrets.is_password(value, beside_owner=True) and not NO_PASSWORD.fullmatch(value)
    if kind or labelled or (looks and delimiter not in ("\t", ",")):
        return credential(address, value, kind or "password", 0.9 if labelled or kind else 0.7)
    return None


def labelled(sight: Sight, owner: str, at: int) -> Hit | None:
    """A password, key or token after the word for it.

    Args:
        owner: whose it is where that is known; else it is known by its place `at`.
    """
    before, after = sight.before[-80:], sight.after[:200]
    found = VALUE.match(after.removesuffix("\r"))
    if found is None or (before[-1:].isalnum() and before[-1:].isascii()):
        return None
    value = found[2] or found[1].rstrip("\"'`,;)}]>")
    owned = bool(owner or LOGIN.search(before) or LOGIN.search(sight.previous))
    kind = secrets.hash_kind(value)
    if KEYED.search(sight.text):
        if _is_random(value):
            return Hit("secret", value, "secret by its label", "a label, and a value as random as a key", 0.7,
                       shown=f"{sight.text}, {len(value)} characters")
    elif kind or secrets.is_password(value, beside_owner=owned):
        return credential(owner or str(at), value, kind or "password", 0.9 if owned else 0.7)
    return None


def _is_random(value: str) -> bool:
    """Whether a value is as random as a key."""
    return (
        len(value) >= 20 and entropy(value) >= 3.5 and any(map(str.isdigit, value))
        and re.fullmatch(r"[A-Za-z0-9+/_=.\-]+", value) is not None
    )


def credential(owner: str, value: str, what: str, confidence: float) -> Hit:
    """A password or hash with its owner."""
    shown = f"{owner[:1]}***@{owner.rpartition('@')[2]}" if "@" in owner else "***"
    return Hit("credential", f"{owner}\0{value}", what, f"{what} beside its owner or after its label", confidence,
               shown=f"{shown}: {'*' * 6} ({len(value)} characters)")


def signed_in(text: str) -> Hit | None:
    """A name and password in a URL."""
    login = re.search(r"://([^:@]+):([^@]+)@([\w.-]+)", text)
    if login and secrets.is_password(login[2], beside_owner=True):
        return credential(f"{login[1]}@{login[3]}", login[2], "sign-in data in a URL", 0.9)
    return None


def token(text: str, place: str) -> Hit | None:
    """A key or token by its form; a private key is known by its place."""
    private = "PRIVATE KEY" in text
    kind = "private key" if private else secrets.token_kind(text)
    if not kind:
        return None
    return Hit("secret", place if private else text, kind, f"its form is that of a {kind}", 0.95,
               shown=f"{kind}, {len(text)} characters")


def zone(lines: list[str]) -> tuple[Hit, int] | None:
    """A machine-readable zone that begins with the first of some lines, and how many lines it has."""
    tidy = [re.sub(r"^.*?([A-Z0-9<]{28,})\W*$", r"\1", one) for one in lines]
    found = mrz.read_zone(tidy)
    if found is None:
        return None
    mended = ", with a confusion of OCR mended" if found.mended else ""
    hit = Hit(
        "mrz", f"{found.country}:{found.number}", f"{found.form} machine-readable zone",
        f"{found.checks} of {found.of} check digits fit{mended}", 0.99 if found.checks == found.of else 0.9,
        shown=f"{found.form} of {found.country}, {masked(found.number)}",
    )
    return hit, 3 if found.form == "TD1" else 2
