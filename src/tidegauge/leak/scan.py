"""Look through texts for personal data: candidates in one pass of a compiled matcher, then what makes each one it."""

from __future__ import annotations

import re
import shlex
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from tidegauge.content.unpack import Block, Source
from tidegauge.leak import mrz, numbers, secrets
from tidegauge.leak.people import People
from tidegauge.leak.rows import Rows
from tidegauge.leak.triggers import CANDIDATE, COMBO, DATE, FORMS, JOINED, LOGIN, VALUE, candidates, trigger
from tidegauge.leak.words import OTHER, said
from tidegauge.model import Finding, Severity, format_time
from tidegauge.model.generated import entropy

PLACES, SAMPLES = 20, 5
LEAST_ROWS, COLUMN_SHARE = 20, 0.95
"""A column is of a kind when so many of its cells, and such a share, are valid."""
HOPE = 200
"""After so many cells of which not half are of one kind, a column without a name is not looked at any more."""
RECORD_LINES = 60
FAR = 400


@dataclass
class Tally:
    """What was found of one kind in one text."""

    what: str
    confidence: float
    count: int = 0
    places: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Hit:
    """A candidate: its kind, plain value, how it is masked, why it counts, and in which record it stands."""

    kind: str
    value: str
    masked: str
    what: str
    why: str
    confidence: float
    line: int
    offset: int
    page: str


def masked(value: str) -> str:
    """A value as it may be shown: its form and the last two characters.

    >>> masked("536-90-4399"), masked("A123456789")
    ('***-**-**99', '********89')
    """
    kept = len(value) - 2
    return "".join(c if i >= kept or not c.isalnum() else "*" for i, c in enumerate(value))


def _iban_of(text: str) -> str:
    """The IBAN with which a text in groups begins, without words in capitals behind it; else the text."""
    groups = text.split(" ")
    for count in range(len(groups), 1, -1):
        if 15 <= len("".join(groups[:count])) <= 34 and numbers.iban("".join(groups[:count])):
            return " ".join(groups[:count])
    return text


class Scan:
    """Looks through one text after the other.

    Args:
        people: who is counted over all of them.
        reveal: is given each value in full, where somebody asked for that.
        match: is given kind and plain value of each, to be compared with somebody's own.
    """

    def __init__(
        self, people: People, *, reveal: Callable[[str, str, str], None] | None = None,
        match: Callable[[str, str], None] | None = None,
    ) -> None:  # fmt: skip
        self.people, self._reveal, self._match = people, reveal, match
        self.bytes = self.sources = 0
        self.samples_apart: Counter[str] = Counter()
        self.newest = ""
        self.now_s = int(time.time())
        self.exchanges: Counter[tuple[str, str]] = Counter()

    def source(self, source: Source) -> list[Finding]:
        """Findings of one text, a kind each."""
        self.sources += 1
        one = _Text(self, source)
        for block in source.blocks:
            self.bytes += len(block.data)
            one.block(block)
        return one.findings()


class _Text:
    """One text on its way through."""

    def __init__(self, scan: Scan, source: Source) -> None:
        self._scan, self._source = scan, source
        self._rows: Rows | None = None
        self.tallies: dict[str, Tally] = {}
        self._seen: dict[str, set[int]] = defaultdict(set)
        self._columns: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
        self._settled: set[tuple[int, str]] = set()
        self._misses: Counter[tuple[int, str]] = Counter()
        self._dead: set[tuple[int, str]] = set()
        self._cells: Counter[int] = Counter()
        self._hopeless: set[int] = set()
        self._waiting: dict[tuple[int, str], list[tuple[Hit, list[tuple[str, int]]]]] = defaultdict(list)
        self._record: list[tuple[str, int]] = []
        self._mails: dict[int, str] = {}
        self._record_line, self._row = 0, -1
        self._previous = ""
        self._last_zone = -9

    def block(self, block: Block) -> None:
        data = block.data
        if self._rows is None:
            self._rows = Rows.of(data[:200_000].decode("utf-8", "replace"), table=self._source.shape == "table")
        ends = [-1, *(m.start() for m in re.finditer(b"\n", data)), len(data)]
        number, known, last = -1, -1, 0
        line = ""
        start = end = 0
        plain = True
        for at, found in candidates(data):
            here = bisect_right(ends, at - 1) - 1
            if here != number:
                if self._rows.sql:
                    for skipped in range(known + 1, here + 1):
                        told = data[ends[skipped] + 1 : ends[skipped + 1]][:100_000]
                        self._rows.follow(told.decode("utf-8", "replace"))
                start, end = ends[here] + 1, ends[here + 1]
                long = end - start > 20_000
                if long:  # a line without end: what stands near
                    start, end = max(start, at - FAR), min(end, at + 4000)
                line = data[start:end].decode("utf-8", "replace")
                plain = len(line) == end - start
                number = -1 if long else here
                if here != known:
                    before = data[ends[max(here - 1, 0)] + 1 : ends[here]][-80:] if here else b""
                    self._previous = before.decode("utf-8", "replace")
                    between = data[last:at]
                    self._new_line(block.line + here, b"\n\n" in between or b"\n\r\n" in between)
                    if self._rows.passwords and not long:
                        self._row_password(line, (block.line + here, block.offset + start, block.page))
                    known = here
            last = at
            group = trigger(found)
            begin = at - start if plain else len(data[start:at].decode("utf-8", "replace"))
            text = found.decode("utf-8", "replace")
            place = (block.line + here, block.offset + at, block.page)
            for hit, column in self._looked_at(group, text, line, begin, place, data, ends, here):
                self._take(hit, column)
        if self._source.shape == "mail":
            return
        self._flush_if_far(block.line + len(ends))

    # Records.

    def _new_line(self, line_number: int, parted: bool) -> None:
        """Another line; `parted` by an empty one from what was found before."""
        assert self._rows is not None
        if self._source.shape == "mail":
            return
        if self._rows.delimiter or self._rows.sql:
            if line_number != self._row:
                self._flush()
            self._row = line_number
            return
        if parted or line_number - self._record_line > RECORD_LINES:
            self._flush()
        self._record_line = line_number

    def _row_password(self, line: str, place: tuple[int, int, str]) -> None:
        """Passwords of a row, by the names of its columns."""
        assert self._rows is not None
        for cells in self._rows.cells(line):
            owner = next((cell for cell in cells if "@" in cell), next((cell for cell in cells if cell.strip()), ""))
            for column in self._rows.passwords:
                value = cells[column].strip() if column < len(cells) else ""
                kind = secrets.hash_kind(value)
                if value and value not in self._rows.header and (kind or secrets.is_password(value, beside_owner=True)):
                    self._take(self._credential(owner.lower(), value, kind or "password", 0.95, place), None)

    def _flush_if_far(self, line_number: int) -> None:
        if line_number - self._record_line > RECORD_LINES:
            self._flush()

    def _flush(self) -> None:
        if self._record:
            self._scan.people.record(self._record, self._mails if len(self._mails) == 1 else {})
        self._record, self._mails = [], {}

    def _join(self, kind: str, mark: int) -> list[tuple[str, int]]:
        """Put a value into the record that goes on; a second one of its kind begins another."""
        assert self._rows is not None
        repeated = any(k == kind and m != mark for k, m in self._record)
        if repeated and not self._rows.delimiter and kind != "mail":
            self._flush()
        if (kind, mark) not in self._record:
            self._record.append((kind, mark))
        return self._record

    # What is found.

    def _take(self, hit: Hit, column: tuple[int, str] | None) -> None:
        """Count a hit; one that only its column can prove waits for it."""
        mark = self._scan.people.mark(f"{hit.kind}:{hit.value}")
        if column is not None and column not in self._settled:
            waiting = self._waiting[column]
            waiting.append((hit, [(hit.kind, mark), *((k, m) for k, m in self._record)]))
            seen, valid = self._columns[column]
            if valid >= LEAST_ROWS and valid >= COLUMN_SHARE * seen:
                self._settled.add(column)
                self._settle(column)
            elif len(waiting) > 2000:
                waiting.clear()
            return
        self._join(hit.kind, mark)
        self._count(hit, mark)

    def _settle(self, column: tuple[int, str]) -> None:
        for hit, record in self._waiting.pop(column, ()):
            self._scan.people.record(record, {})
            self._count(hit, record[0][1])

    def _count(self, hit: Hit, mark: int) -> None:
        scan = self._scan
        scan.people.count(hit.kind, mark)
        tally = self.tallies.setdefault(hit.kind, Tally(hit.what, 0.0))
        tally.confidence = max(tally.confidence, hit.confidence)
        tally.reasons[hit.why] += 1
        if mark in self._seen[hit.kind]:
            return
        if len(self._seen[hit.kind]) < 2_000_000:
            self._seen[hit.kind].add(mark)
        tally.count += 1
        if len(tally.places) < PLACES:
            page = f"{hit.page}, " if hit.page else ""
            tally.places.append(f"{page}line {hit.line}, byte {hit.offset}" if hit.line else f"{page}byte {hit.offset}")
        if len(tally.samples) < SAMPLES:
            tally.samples.append(hit.masked)
        if scan._match is not None:
            scan._match(hit.kind, hit.value)
        if scan._reveal is not None:
            scan._reveal(hit.kind, hit.value, f"{self._source.path}, {tally.places[-1] if tally.places else ''}")

    def _looked_at(
        self, group: str | None, text: str, line: str, begin: int, place: tuple[int, int, str], data: bytes,
        ends: list[int], here: int,
    ) -> Iterator[tuple[Hit, tuple[int, str] | None]]:  # fmt: skip
        """What a candidate is; with the column that must prove it, where form and labels don't."""
        if group == "email":
            yield from self._email(text, line, begin, place)
        elif group == "number" or group == "letters":
            yield from self._number(text, line, begin, place)
        elif group == "secret":
            kind = secrets.token_kind(text if "PRIVATE KEY" not in text else text + "-----") or (
                "private key" if "PRIVATE KEY" in text else ""
            )
            if kind:
                value = text if "PRIVATE" not in text else f"{self._source.path}:{place[1]}"
                yield (
                    Hit(
                        "secret",
                        value,
                        f"{kind}, {len(text)} characters",
                        kind,
                        f"its form is that of a {kind}",
                        0.95,
                        *place,
                    ),
                    None,
                )
        elif group == "zone":
            yield from self._zone(place, data, ends, here)
        elif group == "url":
            login = re.search(r"://([^:@]+):([^@]+)@([\w.-]+)", text)
            if login and secrets.is_password(login[2], beside_owner=True):
                yield self._credential(f"{login[1]}@{login[3]}", login[2], "sign-in data in a URL", 0.9, place), None
        elif group == "word":
            yield from self._password(text, line, begin, place)

    def _email(
        self, text: str, line: str, begin: int, place: tuple[int, int, str]
    ) -> Iterator[tuple[Hit, tuple[int, str] | None]]:
        address = text.lower()
        mark = self._scan.people.mark(f"mail:{address}")
        if self._source.shape == "mail":
            if address in self._source.headers.get("from", "").lower():
                self._mails = {mark: address.rpartition("@")[2]}
            return
        if self._mails and mark not in self._mails and self._record and self._rows and not self._rows.delimiter:
            self._flush()
        if len(self._mails) < 50:
            self._mails[mark] = address.rpartition("@")[2]
        after = line[begin + len(text) :]
        combo = COMBO.match(after)
        if combo is None or (self._rows and self._rows.passwords):
            return
        value = combo[1]
        kind = secrets.hash_kind(value)
        header = ""
        if self._rows and self._rows.delimiter:
            _, header = self._rows.place(line, begin + len(text) + 1)
        labelled = re.search(r"(?i)pass|pwd|kennwort|contrase|senha|密|hash", header) is not None
        looks = secrets.is_password(value, beside_owner=True) and not re.fullmatch(
            r"[\d./-]{1,12}|[A-Za-z]{2,14}|https?", value
        )
        if kind or labelled or (looks and not (self._rows and self._rows.delimiter in "\t," and self._rows.delimiter)):
            yield self._credential(address, value, kind or "password", 0.9 if labelled or kind else 0.7, place), None

    def _password(
        self, text: str, line: str, begin: int, place: tuple[int, int, str]
    ) -> Iterator[tuple[Hit, tuple[int, str] | None]]:
        after = line[begin + len(text) : begin + len(text) + 200]
        before = line[max(begin - 80, 0) : begin]
        found = VALUE.match(after.removesuffix("\r"))
        if found is None or before[-1:].isalnum():
            return
        value = found[2] or found[1].rstrip("\"'`,;)}]>")
        owned = bool(LOGIN.search(before) or LOGIN.search(self._previous) or self._mails)
        kind = secrets.hash_kind(value)
        if re.search(r"(?i)key|secret|token", text):
            if (
                len(value) >= 20
                and entropy(value) >= 3.5
                and re.fullmatch(r"[A-Za-z0-9+/_=.\-]+", value)
                and any(map(str.isdigit, value))
            ):
                yield (
                    Hit(
                        "secret",
                        value,
                        f"{text}, {len(value)} characters",
                        "secret by its label",
                        "a label, and a value as random as a key",
                        0.7,
                        *place,
                    ),
                    None,
                )
        elif kind or secrets.is_password(value, beside_owner=owned):
            who = next(iter(self._mails), 0) if self._mails else 0
            yield self._credential(str(who or place[1]), value, kind or "password", 0.9 if owned else 0.7, place), None

    def _credential(self, owner: str, value: str, what: str, confidence: float, place: tuple[int, int, str]) -> Hit:
        shown = f"{owner[:1]}***@{owner.rpartition('@')[2]}" if "@" in owner else "***"
        return Hit("credential", f"{owner}\0{value}", f"{shown}: {'*' * 6} ({len(value)} characters)", what,
                   f"{what} beside its owner or after its label", confidence, *place)  # fmt: skip

    def _zone(
        self, place: tuple[int, int, str], data: bytes, ends: list[int], here: int
    ) -> Iterator[tuple[Hit, tuple[int, str] | None]]:
        if place[0] - self._last_zone < 1:
            return
        for first in (here, here - 1):
            if first < 0:
                continue
            lines = [
                data[ends[i] + 1 : ends[i + 1]].decode("utf-8", "replace").strip()
                for i in range(first, min(first + 3, len(ends) - 1))
            ]
            lines = [re.sub(r"^.*?([A-Z0-9<]{28,})\W*$", r"\1", one) for one in lines]
            zone = mrz.read_zone(lines)
            if zone is not None:
                self._last_zone = place[0] + (3 if zone.form == "TD1" else 2) - 1
                mended = ", with a confusion of OCR mended" if zone.mended else ""
                yield (
                    Hit(
                        "mrz",
                        f"{zone.country}:{zone.number}",
                        f"{zone.form} of {zone.country}, {masked(zone.number)}",
                        f"{zone.form} machine-readable zone",
                        f"{zone.checks} of {zone.of} check digits fit{mended}",
                        0.99 if zone.checks == zone.of else 0.9,
                        *place,
                    ),
                    None,
                )
                return

    def _number(
        self, text: str, line: str, begin: int, place: tuple[int, int, str]
    ) -> Iterator[tuple[Hit, tuple[int, str] | None]]:
        if " " in text and text[:2].isalpha():
            text = _iban_of(text)
        if CANDIDATE.fullmatch(text) is None:
            return
        before, beyond = line[max(begin - 1, 0) : begin], line[begin + len(text) : begin + len(text) + 2]
        if before and (before.isalnum() or before in JOINED):
            return
        if beyond and (beyond[0].isalnum() or beyond[0] == "_" or (beyond[0] in "-./" and beyond[1:].isalnum())):
            return
        assert self._rows is not None
        column, label = self._rows.place(line, begin)
        if not label and column < 0 and not line[:begin].strip(" \t\"'"):
            label = self._previous[-60:]
        names, national = said(label)
        if text.isdigit() and not names and not national:
            # Bare digits that no label names: only their column could prove them, or eighteen of a Chinese number.
            if (column < 0 and len(text) != 18) or column in self._hopeless:
                return
            if column >= 0:
                self._cells[column] += 1
                if self._cells[column] == HOPE:
                    best = max((valid for (c, _), (_, valid) in self._columns.items() if c == column), default=0)
                    if best < HOPE / 2:
                        self._hopeless.add(column)
        digits = sum(c.isdigit() for c in text)
        found = [
            (kind, value, what, chance, shaped, kind.removeprefix("national-id:") in names
             or (national and kind.startswith(("national-id:", "tw-id"))))
            for kind, value, what, chance, shaped in self._kinds(text, digits, names, national, column)
        ]  # fmt: skip
        if any(one[5] for one in found):
            own = [one for one in found if one[0].removeprefix("national-id:") in names]
            found = own or [one for one in found if one[5]][:1]
        elif found and OTHER.search(label):
            found = []
        for kind, value, what, chance, shaped, labelled in found:
            reason = "its form and check digits"
            near = shaped and kind != "payment-card" and (self._mails or self._record or self._named(line))
            if labelled:
                yield Hit(kind, value, masked(text), what, f"{reason}, and the label beside it", 0.95, *place), None
                return
            if chance == "strong" or near:
                why = reason if chance == "strong" else f"{reason}, and its neighbours"
                yield Hit(kind, value, masked(text), what, why, 0.8, *place), None
                return
            if column >= 0 and (chance == "checked" or shaped):
                self._columns[column, kind][1] += 1
                yield Hit(kind, value, masked(text), what, f"{reason}, and its column", 0.85, *place), (column, kind)
        if column >= 0:
            for key in [k for k in self._columns if k[0] == column]:
                self._columns[key][0] += 1

    def _named(self, line: str) -> bool:
        """Whether a line looks like a person's: a name or a date of birth stands in it."""
        return bool(
            re.search(r"\b[A-Z][a-zà-ÿ]{2,}[ ,]+[A-Z][a-zà-ÿ]{2,}\b|[\u4e00-\u9fff]{2,4}", line) or DATE.search(line)
        )

    def _kinds(
        self, text: str, digits: int, names: frozenset[str], national: bool, column: int
    ) -> Iterator[tuple[str, str, str, str, bool]]:
        """What a text can be by form and check digits: kind, plain value, name, how sure, whether shaped."""
        plain = re.sub(r"[ .\-/]", "", text).upper()
        if digits == 9 and plain.isdigit() and re.fullmatch(r"\d{3}([- ]?)\d{2}\1\d{4}", text):
            found = numbers.ssn(plain)
            if found == "sample":
                self._scan.samples_apart["us-ssn"] += 1
                return
            if found == "valid":
                yield "us-ssn", plain, "US social security number", "", "-" in text
        if len(plain) == 10 and plain[0].isalpha() and plain[2:].isdigit() and plain == text:
            found = numbers.tw_id(plain)
            if found == "sample":
                self._scan.samples_apart["tw-id"] += 1
            elif found == "valid":
                yield "tw-id", plain, "Taiwanese identity or residence number", "checked", False
        if (
            12 <= digits <= 19
            and plain.isdigit()
            and re.fullmatch(r"\d+|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{5}", text)
        ):
            found = numbers.card(plain)
            if found == "sample":
                self._scan.samples_apart["payment-card"] += 1
            elif found == "valid":
                yield "payment-card", plain, "payment card", "checked", not text.isdigit()
        if plain[:2].isalpha() and 15 <= len(plain) <= 34 and plain[2:4].isdigit():
            if numbers.iban(plain):
                yield "iban", plain, "IBAN", "strong", False
            return
        bare = text.isdigit()
        if bare and column < 0 and not names and not national and len(plain) != 18:
            return  # nothing but a label could prove it
        for form, pattern, shaped in FORMS:
            kind = f"national-id:{form.country}"
            if not (form.strong or not bare or national or form.country in names or column >= 0) or (
                column >= 0 and (column, kind) in self._dead
            ):
                continue
            if pattern.fullmatch(text) is None:
                continue
            written = shaped.fullmatch(text) is not None
            told = national or form.country in names
            if not (form.strong or written or column >= 0 or told):
                continue
            if numbers.national(form, text):
                yield kind, plain, f"national number of {form.country}", "strong" if form.strong else "checked", written
            elif column >= 0 and not told:
                self._misses[column, kind] += 1
                if self._misses[column, kind] > 50:
                    self._dead.add((column, kind))

    def findings(self) -> list[Finding]:
        """What was found, by kind; the most of it first."""
        for column in [
            c for c, (seen, valid) in self._columns.items() if valid >= LEAST_ROWS / 2 and valid >= COLUMN_SHARE * seen
        ]:
            self._settle(column)
        if self._source.shape == "mail":
            self._exchange()
        self._flush()
        found = [self._finding(kind, tally) for kind, tally in self.tallies.items()]
        return sorted(found, key=lambda f: -f.evidence["count"])

    def _exchange(self) -> None:
        """Who wrote to whom, of a mail."""
        headers = self._source.headers
        senders = [a.lower() for _, a in getaddresses([headers.get("from", "")]) if "@" in a]
        others = [a.lower() for _, a in getaddresses([headers.get("to", ""), headers.get("cc", "")]) if "@" in a][:200]
        people = self._scan.people
        if senders:
            mark = people.mark(f"message:{self._source.path}")
            people.count("mail", mark)
            for other in others:
                self._scan.exchanges[senders[0].rpartition("@")[2], other.rpartition("@")[2]] += 1
        try:
            sent = parsedate_to_datetime(headers.get("date", "")).timestamp()
            if 0 < sent < 1 << 34:
                self._scan.newest = max(self._scan.newest, format_time(int(sent)))
        except (ValueError, TypeError, IndexError, OverflowError):
            pass

    def _finding(self, kind: str, tally: Tally) -> Finding:
        path = self._source.path
        evidence: dict[str, Any] = {
            "what": kind, "name": tally.what, "count": tally.count, "confidence": round(tally.confidence, 2),
            "file": path, "places": tally.places, "samples": tally.samples,
        }  # fmt: skip
        reasons = tuple(f"{count:,} by {why}" for why, count in tally.reasons.most_common(4))
        severity: Severity = (
            "critical" if tally.count >= 1000 and kind != "secret" else "high" if tally.confidence >= 0.8 else "medium"
        )
        return Finding(
            "leak", f"{tally.count:,} x {tally.what} in {path}", self._scan.now_s, self._scan.now_s, path,
            round(tally.confidence, 2), severity, reasons, f"tidegauge leak {shlex.quote(path)}", (), evidence,
        )  # fmt: skip
