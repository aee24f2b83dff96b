"""Whose values these are: those of one row, message or document belong to one person, and the same value to the same.

Values are known by keyed hashes alone; the key is made for one run and forgotten. What is kept are arrays: 8 bytes a
distinct value and kind, 16 for what ties it to its person.
"""

from __future__ import annotations

import hashlib
import secrets
from array import array
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import shapes

PERSONAL = ("us-ssn", "tw-id", "national-id", "mrz", "credential", "payment-card", "iban", "mail")
MOST_COMBINATIONS = 200
FOLD = 1 << 20
"""After so many new entries an array is brought to its distinct ones."""
Marks = NDArray[np.uint64]
State = tuple[dict[str, Marks], Marks, Marks, Marks, list[str]]
"""Values by kind, ties, kinds held, domains of addresses; and the names that the last two count by."""


@dataclass
class _Distinct:
    """Rows of numbers of which only distinct ones are kept."""

    width: int
    _kept: Marks = field(init=False)
    _new: array[int] = field(default_factory=lambda: array("Q"))

    def __post_init__(self) -> None:
        self._kept = np.empty((0, self.width), np.uint64)

    def add(self, *row: int) -> None:
        self._new.extend(row)
        if len(self._new) >= max(FOLD, len(self._kept) * self.width):
            self.rows()

    def rows(self) -> Marks:
        """The distinct rows, sorted."""
        if len(self._new):
            new = np.frombuffer(self._new, np.uint64).reshape(-1, self.width)
            both = np.concatenate([self._kept, new])
            order = np.lexsort(both.T[::-1])
            both = both[order]
            first = np.ones(len(both), np.bool_)
            first[1:] = (both[1:] != both[:-1]).any(axis=1)
            self._kept, self._new = both[first], array("Q")
        return self._kept

    def take(self, other: Marks) -> None:
        self._new.frombytes(np.ascontiguousarray(other).tobytes())
        self.rows()


@dataclass
class People:
    """Persons as they come together: values of a record are tied to its first one.

    Attributes:
        key: by which values are hashed; several processes that look through one heap of files share it.
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    _kinds: dict[str, _Distinct] = field(default_factory=dict)
    _ties: _Distinct = field(default_factory=lambda: _Distinct(2))
    _held: _Distinct = field(default_factory=lambda: _Distinct(2))
    _homes: _Distinct = field(default_factory=lambda: _Distinct(2))
    _names: dict[str, int] = field(default_factory=dict)

    def mark(self, value: str) -> int:
        """A value as it is known here."""
        return int.from_bytes(
            hashlib.blake2b(value.encode("utf-8", "replace"), key=self.key, digest_size=8).digest(), "big"
        )

    def count(self, kind: str, mark: int) -> None:
        """Count a valid value of a kind."""
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = _Distinct(1)
        known.add(mark)

    def record(self, found: list[tuple[str, int]], mails: dict[int, str]) -> None:
        """Values of one row, message or document: `found` by kind, and addresses with their domains."""
        personal = [(kind, mark) for kind, mark in found if kind.partition(":")[0] in PERSONAL]
        if not personal:
            return
        first = personal[0][1]
        for kind, mark in personal:
            self._ties.add(first, mark)
            self._held.add(mark, self._name(kind))
        for mark, domain in mails.items():
            self._ties.add(first, mark)
            self._homes.add(mark, self._name("@" + domain))

    def _name(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))

    def by_kind(self) -> dict[str, int]:
        """Distinct values by kind."""
        return {kind: len(self._kinds[kind].rows()) for kind in sorted(self._kinds)}

    def state(self) -> State:
        """What another process has to know of this one (`take`)."""
        kinds = {kind: marks.rows() for kind, marks in self._kinds.items()}
        return kinds, self._ties.rows(), self._held.rows(), self._homes.rows(), list(self._names)

    def take(self, state: State) -> None:
        """Add what another with the same key has found."""
        kinds, ties, held, homes, names = state
        for kind, marks in kinds.items():
            self._kinds.setdefault(kind, _Distinct(1)).take(marks)
        self._ties.take(ties)
        renamed = np.array([self._name(name) for name in names], np.uint64)
        for own, other in ((self._held, held), (self._homes, homes)):
            if len(other):
                own.take(np.column_stack([other[:, 0], renamed[other[:, 1].astype(np.int64)]]))

    def summary(self) -> shapes.Persons:
        """Persons affected, distinct values by kind, persons by mail domain, and which kinds come together."""
        ties, held, homes = self._ties.rows(), self._held.rows(), self._homes.rows()
        names = list(self._names)
        marks = np.unique(ties)
        count = len(marks)
        persons, whose = _together(marks, ties) if count else (0, np.empty(0, np.int32))
        together: Counter[str] = Counter()
        countries: Counter[str] = Counter()
        if len(held):
            pairs = np.unique(np.column_stack([whose[np.searchsorted(marks, held[:, 0])], held[:, 1]]), axis=0)
            kinds = np.array([names[i] for i in pairs[:, 1].astype(np.int64)], object)
            starts = np.flatnonzero(np.r_[True, pairs[1:, 0] != pairs[:-1, 0]])
            for at, until in zip(starts, np.r_[starts[1:], len(pairs)], strict=True):
                if until - at > 1:
                    together[" + ".join(sorted(kinds[at:until]))] += 1
            countries.update(kind.partition(":")[2] for kind in kinds if ":" in kind)
        domains: Counter[str] = Counter()
        if len(homes):
            lived = np.unique(np.column_stack([whose[np.searchsorted(marks, homes[:, 0])], homes[:, 1]]), axis=0)
            domains.update(names[i][1:] for i in lived[:, 1].astype(np.int64))
        return {
            "persons": persons,
            "by_kind": self.by_kind(),
            "by_domain": dict(domains.most_common(1000)),
            "combinations": dict(together.most_common(MOST_COMBINATIONS)),
            "by_country": dict(countries.most_common()),
        }


def _together(marks: Marks, ties: Marks) -> tuple[int, NDArray[np.int32]]:
    """How many persons there are, and which one each mark belongs to."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = (np.searchsorted(marks, ties[:, i]) for i in (0, 1))
    graph = coo_array((np.ones(len(ties), np.int8), (first, second)), shape=(len(marks), len(marks)))
    count, whose = connected_components(graph, directed=False)
    return int(count), whose
