"""Look through texts for personal data: candidates of a block at once, then what makes each one it."""

from __future__ import annotations

import re
import shlex
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.content import Block, Source
from tidegauge.leak import classify, secrets
from tidegauge.leak.classify import AROUND, Columns, Hit, Sight, masked
from tidegauge.leak.matchers import TRIGGERS, trigger
from tidegauge.leak.people import People
from tidegauge.leak.rows import Rows, cells_of, lay_out, tuples
from tidegauge.leak.tokens import find_numbers
from tidegauge.leak.words import ANY_BYTES, said
from tidegauge.model import Finding, Severity, format_time

PLACES, SAMPLES = 20, 5
LEAST_ROWS, COLUMN_SHARE = 20, 0.95
"""A column is of a kind when so many of its cells, and such a share, are valid."""
RECORD_LINES = 60
LABEL_REACH = 160
"""Bytes before a number within which a label stands, on its line or the one before."""
FEW_NUMBERS = 1000
"""Below so many in a block each one's own surroundings are searched for labels, else the whole block once."""
MOST_WAITING = 2000
MOST_DISTINCT = 2_000_000
MOST_RECORD = 400


@dataclass
class Tally:
    """What was found of one kind in one text, or in the texts of one group; `seen` knows the values by their marks."""

    what: str
    confidence: float
    count: int = 0
    places: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    seen: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Place:
    """Where a value stands in its text."""

    line: int
    offset: int
    page: str

    def __str__(self) -> str:
        page = f"{self.page}, " if self.page else ""
        return f"{page}line {self.line}, byte {self.offset}" if self.line else f"{page}byte {self.offset}"


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
    ) -> None:
        self.people, self.reveal, self.match = people, reveal, match
        self.bytes = self.sources = 0
        self.samples_apart: Counter[str] = Counter()
        self.newest = ""
        self.oldest = ""
        self.now_s = int(time.time())
        self.exchanges: Counter[tuple[str, str]] = Counter()
        self._groups: dict[str, dict[str, Tally]] = {}

    def source(self, source: Source) -> list[Finding]:
        """Findings of one text, a kind each; those of a group come when all of it was seen (`grouped`)."""
        self.sources += 1
        tallies = self._groups.setdefault(source.group, {}) if source.group else {}
        one = _Text(self, source, tallies)
        for block in source.blocks:
            self.bytes += len(block.data)
            one.block(block)
        one.end()
        return [] if source.group else self._findings(source.path, tallies)

    def grouped(self) -> list[Finding]:
        """Findings of texts that are told of together."""
        return [finding for path, tallies in self._groups.items() for finding in self._findings(path, tallies)]

    def _findings(self, path: str, tallies: dict[str, Tally]) -> list[Finding]:
        found = [_finding(path, kind, tally, self.now_s) for kind, tally in tallies.items()]
        return sorted(found, key=lambda f: -f.evidence["count"])


class _Text:
    """One text on its way through."""

    def __init__(self, scan: Scan, source: Source, tallies: dict[str, Tally]) -> None:
        self._scan, self._source, self._tallies = scan, source, tallies
        self._rows: Rows | None = None
        self._columns = Columns.new()
        self._settled: set[tuple[int, str]] = set()
        self._waiting: dict[tuple[int, str], list[tuple[Hit, Place, list[tuple[str, int]]]]] = defaultdict(list)
        self._record: list[tuple[str, int]] = []
        self._mails: dict[int, str] = {}
        self._owner = ""
        self._record_line, self._row = 0, -2
        self._zone_until = 0

    def block(self, block: Block) -> None:
        """Look through a piece of the text."""
        data = block.data
        if self._rows is None:
            head = data[:200_000].decode("utf-8", "replace")
            shape = self._source.shape
            self._rows = Rows() if shape == "mail" else Rows.of(head, table=shape == "table")
        statements = self._rows.statements(data)
        copied = _copied(data, statements, self._rows.copying)
        told = [match.span() for match in TRIGGERS.finditer(data)]
        numbers = find_numbers(data)
        near = self._labelled(data, numbers.starts) | numbers.apart
        kept = near | self._in_columns(data, numbers.starts, copied)
        starts = np.concatenate([numbers.starts[kept], np.array([start for start, _ in told], np.int64)])
        ends = np.concatenate([numbers.ends[kept], np.array([end for _, end in told], np.int64)])
        is_number = np.arange(len(starts)) < int(kept.sum())
        near = np.concatenate([near[kept], np.ones(len(told), np.bool_)])
        order = np.lexsort((-ends, starts))
        self._candidates(block, starts[order], ends[order], is_number[order], near[order], statements, copied)
        if statements:
            self._rows.header, self._rows.copying = statements[-1][1], bool(copied) and copied[-1][1] == len(data)
        elif self._rows.copying and not copied:
            self._rows.copying = False
        if self._source.shape != "mail" and block.line + data.count(b"\n") - self._record_line > RECORD_LINES:
            self._flush()

    def _labelled(self, data: bytes, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which numbers have a label near them."""
        near = np.zeros(len(starts), np.bool_)
        if len(starts) < FEW_NUMBERS:
            for i, start in enumerate(starts.tolist()):
                near[i] = ANY_BYTES.search(data[max(start - LABEL_REACH, 0) : start]) is not None
            return near
        ends = np.array([match.end() for match in ANY_BYTES.finditer(data)] if len(starts) else [], np.int64)
        if len(ends):
            before = np.searchsorted(ends, starts, side="right") - 1
            near = (before >= 0) & (starts - ends[np.maximum(before, 0)] <= LABEL_REACH)
        return near

    def _in_columns(self, data: bytes, starts: NDArray[np.int64], copied: list[tuple[int, int]]) -> NDArray[np.bool_]:
        """Which numbers stand in columns that may prove them."""
        rows = self._rows
        assert rows is not None
        if not len(starts) or not (rows.sql or rows.delimiter):
            return np.zeros(len(starts), np.bool_)
        columns = lay_out(data, starts, rows, copied).columns
        hopeless = [c for c in self._columns.hopeless if rows.sql or not any(said(rows.name(c))[:2])]
        kept: NDArray[np.bool_] = (columns >= 0) & ~np.isin(columns, hopeless)
        return kept

    def _candidates(
        self, block: Block, starts: NDArray[np.int64], ends: NDArray[np.int64], is_number: NDArray[np.bool_],
        near: NDArray[np.bool_], statements: list[tuple[int, list[str], bool]], copied: list[tuple[int, int]],
    ) -> None:
        """Look at candidates in order of their places; of two that overlap the first and longer counts."""
        assert self._rows is not None
        data, rows = block.data, self._rows
        layout = lay_out(data, starts, rows, copied)
        coming = iter([*statements, (len(data) + 1, [], False)])
        statement = next(coming)
        passwords = iter(self._rows_with_passwords(block, statements, copied))
        password = next(passwords, None)
        until = last = 0
        for i in range(len(starts)):
            start, end = int(starts[i]), int(ends[i])
            column = int(layout.columns[i])
            if start < until or (column in self._columns.hopeless and not near[i] and not any(said(rows.name(column)))):
                continue
            while statement[0] <= start:
                rows.header = statement[1]
                statement = next(coming)
            line, begin, row = int(layout.lines[i]), int(layout.begins[i]), int(layout.rows[i])
            while password is not None and password[0] <= start:
                self._take_password(password)
                password = next(passwords, None)
            self._new_line(block.line + line, row + (block.offset if row >= 0 else 0), data[last:start])
            last = end
            if self._look(block, start, end, bool(is_number[i]), line, begin, column):
                until = end
        while password is not None:
            self._take_password(password)
            password = next(passwords, None)

    def _look(self, block: Block, start: int, end: int, is_number: bool, line: int, begin: int, column: int) -> bool:
        """Look at one candidate; whether its bytes are used up."""
        assert self._rows is not None
        data, rows = block.data, self._rows
        close = data.find(b"\n", end, end + AROUND)
        sight = Sight(
            data[start:end].decode("utf-8", "replace"),
            data[max(begin, start - AROUND) : start].decode("utf-8", "replace"),
            data[end : close if close >= 0 else end + AROUND].decode("utf-8", "replace"),
            data[max(begin - AROUND, 0) : max(begin - 1, 0)].rpartition(b"\n")[2].decode("utf-8", "replace"),
            column, rows.name(column), rows.delimiter,
        )
        place = Place(block.line + line, block.offset + start, block.page)
        if is_number:
            found = classify.number(sight, self._columns, among=bool(self._mails or self._record),
                                samples=self._scan.samples_apart)
            if found is not None:
                self._take(found[0], place, found[1])
            return found is not None
        kind = trigger(data[start:end])
        hit: Hit | None = None
        if kind == "email":
            self._email(sight, place)
        elif kind == "secret":
            hit = classify.token(sight.text, f"{self._source.path}:{place.offset}")
        elif kind == "url":
            hit = classify.signed_in(sight.text)
        elif kind == "zone":
            hit = self._zone(place, data, begin)
        elif not rows.passwords or column < 0:
            hit = classify.labelled(sight, self._owner, place.offset)
        if hit is not None:
            self._take(hit, place, None)
        return True

    # Records.

    def _new_line(self, line: int, row: int, between: bytes) -> None:
        """Another candidate's line and row; `between` stands between it and the one before."""
        if self._source.shape == "mail":
            return
        if row >= 0:
            if row != self._row:
                self._flush()
            self._row = row
            return
        if b"\n\n" in between or b"\n\r\n" in between or line - self._record_line > RECORD_LINES:
            self._flush()
        self._record_line = line

    def _rows_with_passwords(
        self, block: Block, statements: list[tuple[int, list[str], bool]], copied: list[tuple[int, int]]
    ) -> Iterator[tuple[int, list[str], list[int], Place, int]]:
        """Rows of a table that has columns of passwords, each with its place and number."""
        rows = self._rows
        assert rows is not None
        heads = [rows.header, *(columns for _, columns, _ in statements)]
        named = [Rows(header=head).passwords for head in heads]
        if not any(named) or not (rows.sql or rows.delimiter):
            return
        data, at, number = block.data, 0, 0
        coming = [*statements, (len(data) + 1, [], False)]
        wanted, turn, parts = named[0], 0, copied
        while at < len(data):
            end = data.find(b"\n", at)
            end = len(data) if end < 0 else end
            while coming[turn][0] <= at:
                turn += 1
                wanted = named[turn]
            if wanted and end > at:
                text = data[at:end].decode("utf-8", "replace").removesuffix("\r")
                copying = any(first <= at < last for first, last in parts)
                found = (
                    [cells_of(text, "\t" if copying else rows.delimiter)] if copying or not rows.sql else tuples(text)
                )
                starts = [at] if copying or not rows.sql else _openings(data[at:end], at)
                for cells, start in zip(found, starts, strict=False):
                    if [cell.strip(' `"[]') for cell in cells] == heads[turn]:
                        continue
                    row = start if rows.sql and not copying else number + (len(data) if copying else 0)
                    row += block.offset
                    yield start, cells, wanted, Place(block.line + number, block.offset + start, block.page), row
            at, number = end + 1, number + 1

    def _take_password(self, told: tuple[int, list[str], list[int], Place, int]) -> None:
        """Passwords of a row, by the names of its columns."""
        _, cells, columns, place, row = told
        rows = self._rows
        assert rows is not None
        owner = next((cell for cell in cells if "@" in cell), next((cell for cell in cells if cell.strip()), ""))
        for column in columns:
            value = cells[column].strip(" ") if column < len(cells) else ""
            kind = secrets.hash_kind(value)
            if (
                value
                and value not in rows.header
                and (kind or secrets.is_password(value, beside_owner=True, in_column=True))
            ):
                if row != self._row:
                    self._flush()
                    self._row = row
                self._take(classify.credential(owner.lower(), value, kind or "password", 0.95), place, None)

    def _flush(self) -> None:
        if self._record:
            self._scan.people.record(self._record, self._mails if len(self._mails) == 1 else {})
        self._record, self._mails, self._owner = [], {}, ""

    def _join(self, kind: str, mark: int) -> None:
        """Put a value into the record that goes on; a second one of its kind begins another."""
        if (kind, mark) in self._record:
            return
        if self._row < 0 and kind != "mail" and any(k == kind for k, _ in self._record):
            self._flush()
        if len(self._record) < MOST_RECORD:
            self._record.append((kind, mark))

    # What is found.

    def _take(self, hit: Hit, place: Place, column: tuple[int, str] | None) -> None:
        """Count a hit; one that only its column can prove waits for it."""
        mark = self._scan.people.mark(f"{hit.kind}:{hit.value}")
        if column is not None and column not in self._settled:
            waiting = self._waiting[column]
            waiting.append((hit, place, [(hit.kind, mark), *self._record]))
            seen, valid = self._columns.seen.get(column, (0, 0))
            if valid >= LEAST_ROWS and valid >= COLUMN_SHARE * seen:
                self._settled.add(column)
                self._settle(column)
            elif len(waiting) > MOST_WAITING:
                waiting.clear()
            return
        self._join(hit.kind, mark)
        self._count(hit, place, mark)

    def _settle(self, column: tuple[int, str]) -> None:
        for hit, place, record in self._waiting.pop(column, ()):
            self._scan.people.record(record, {})
            self._count(hit, place, record[0][1])

    def _count(self, hit: Hit, place: Place, mark: int) -> None:
        scan = self._scan
        scan.people.count(hit.kind, mark)
        tally = self._tallies.setdefault(hit.kind, Tally(hit.what, 0.0))
        tally.confidence = max(tally.confidence, hit.confidence)
        tally.reasons[hit.why] += 1
        if mark in tally.seen:
            return
        if len(tally.seen) < MOST_DISTINCT:
            tally.seen.add(mark)
        tally.count += 1
        if len(tally.places) < PLACES:
            inner = self._source.path.removeprefix(self._source.group).lstrip("/") + ", " if self._source.group else ""
            tally.places.append(f"{inner}{place}")
        if len(tally.samples) < SAMPLES:
            tally.samples.append(hit.masked)
        if scan.match is not None:
            scan.match(hit.kind, hit.value)
        if scan.reveal is not None:
            scan.reveal(hit.kind, hit.value, f"{self._source.path}, {place}")

    def _email(self, sight: Sight, place: Place) -> None:
        """An address: whose record this is; and what stands right behind it."""
        address = sight.text.lower()
        mark = self._scan.people.mark(f"mail:{address}")
        if self._source.shape == "mail":
            if address in self._source.headers.get("from", "").lower():
                self._mails, self._owner = {mark: address.rpartition("@")[2]}, address
            return
        if self._mails and mark not in self._mails and self._record and self._row < 0:
            self._flush()
        if len(self._mails) < 50:
            self._mails[mark] = address.rpartition("@")[2]
        self._owner = address
        assert self._rows is not None
        if not (self._rows.passwords and sight.column >= 0):
            hit = classify.combo(address, sight.after, self._rows.name(sight.column + 1) if sight.column >= 0 else "",
                             self._rows.delimiter)
            if hit is not None:
                self._take(hit, place, None)

    def _zone(self, place: Place, data: bytes, begin: int) -> Hit | None:
        if place.line < self._zone_until:
            return None
        above = data.rfind(b"\n", 0, max(begin - 1, 0)) + 1
        for first in (begin, above):
            lines = data[first : first + 400].decode("utf-8", "replace").split("\n")[:3]
            found = classify.zone([one.strip() for one in lines])
            if found is not None:
                self._zone_until = place.line + found[1]
                return found[0]
        return None

    # What is told of it.

    def end(self) -> None:
        """The text is at its end."""
        for column in [
            c for c, (seen, valid) in self._columns.seen.items()
            if valid >= LEAST_ROWS / 2 and valid >= COLUMN_SHARE * seen
        ]:
            self._settle(column)
        if self._source.shape == "mail":
            self._exchange()
        self._flush()

    def _exchange(self) -> None:
        """Who wrote to whom, of a mail."""
        headers = self._source.headers
        senders = [a.lower() for _, a in getaddresses([headers.get("from", "")]) if "@" in a]
        others = [a.lower() for _, a in getaddresses([headers.get("to", ""), headers.get("cc", "")]) if "@" in a][:200]
        scan = self._scan
        if senders:
            scan.people.count("mail", scan.people.mark(f"message:{self._source.path}"))
            for other in others:
                scan.exchanges[senders[0].rpartition("@")[2], other.rpartition("@")[2]] += 1
        try:
            sent = parsedate_to_datetime(headers.get("date", "")).timestamp()
            if 0 < sent < 1 << 34:
                when = format_time(int(sent))
                scan.newest, scan.oldest = max(scan.newest, when), min(scan.oldest or when, when)
        except (ValueError, TypeError, IndexError, OverflowError):
            pass


def _finding(path: str, kind: str, tally: Tally, now_s: int) -> Finding:
    evidence: dict[str, Any] = {
        "what": kind, "name": tally.what, "count": tally.count, "confidence": round(tally.confidence, 2),
        "file": path, "places": tally.places, "samples": tally.samples,
    }
    reasons = tuple(f"{count:,} by {why}" for why, count in tally.reasons.most_common(4))
    severity: Severity = (
        "critical" if tally.count >= 1000 and kind != "secret" else "high" if tally.confidence >= 0.8 else "medium"
    )
    return Finding(
        kind="leak",
        title=f"{tally.count:,} x {tally.what} in {path}",
        start_s=now_s,
        end_s=now_s,
        subject=path,
        score=round(tally.confidence, 2),
        severity=severity,
        reasons=reasons,
        query=f"tidegauge leak {shlex.quote(path)}",
        evidence=evidence,
    )


def _copied(data: bytes, statements: list[tuple[int, list[str], bool]], copying: bool) -> list[tuple[int, int]]:
    """Ranges of a block that are rows of COPY: from behind such a statement to `\\.`."""
    found = []
    begins = [0] if copying else []
    begins += [data.find(b"\n", at) + 1 for at, _, copies in statements if copies]
    for begin in begins:
        end = re.compile(rb"^\\\.", re.MULTILINE).search(data, begin)
        found.append((begin, end.start() if end else len(data)))
    return found


def _openings(line: bytes, at: int) -> Iterator[int]:
    """Where the tuples of an INSERT statement's line open, in order, with its list of columns where it has one."""
    quoted = False
    for match in re.finditer(rb"\\.|'|\(", line):
        if match[0] == b"'":
            quoted = not quoted
        elif match[0] == b"(" and not quoted:
            yield at + match.start()


__all__ = ["Scan", "masked"]
