"""Whose values these are: those of one row, message or document belong to one person, and the same value to the same.

Values are known by keyed hashes alone; the key is made for one run and forgotten.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from dataclasses import dataclass, field

PERSONAL = ("us-ssn", "tw-id", "national-id", "mrz", "credential", "payment-card", "iban", "mail")
MOST_COMBINATIONS = 200


@dataclass
class People:
    """Persons as they come together (union-find over hashes of values)."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    _parent: dict[int, int] = field(default_factory=dict)
    _domains: dict[int, str] = field(default_factory=dict)
    kinds: dict[str, set[int]] = field(default_factory=dict)
    _held: dict[int, set[str]] = field(default_factory=dict)

    def mark(self, value: str) -> int:
        """A value as it is known here."""
        return int.from_bytes(
            hashlib.blake2b(value.encode("utf-8", "replace"), key=self.key, digest_size=8).digest(), "big"
        )

    def count(self, kind: str, mark: int) -> None:
        """Count a valid value of a kind."""
        self.kinds.setdefault(kind, set()).add(mark)

    def record(self, found: list[tuple[str, int]], mails: dict[int, str]) -> None:
        """Values of one row, message or document: `found` by kind, and addresses with their domains."""
        personal = [(kind, mark) for kind, mark in found if kind.partition(":")[0] in PERSONAL]
        if not personal:
            return
        marks = [mark for _, mark in personal] + list(mails)
        first = self._root(marks[0])
        for mark in marks[1:]:
            other = self._root(mark)
            if other != first:
                self._parent[other] = first
                self._held.setdefault(first, set()).update(self._held.pop(other, ()))
        self._held.setdefault(first, set()).update(kind for kind, _ in personal)
        for mark, domain in mails.items():
            self._domains[mark] = domain

    def _root(self, mark: int) -> int:
        self._parent.setdefault(mark, mark)
        while self._parent[mark] != mark:
            self._parent[mark] = self._parent[self._parent[mark]]
            mark = self._parent[mark]
        return mark

    def summary(self) -> dict[str, object]:
        """Persons affected, distinct values by kind, persons by mail domain, and which kinds come together."""
        persons = {self._root(mark) for mark in self._parent}
        pairs = {(self._root(mark), domain) for mark, domain in self._domains.items()}
        together = Counter(tuple(sorted(kinds)) for kinds in self._held.values() if len(kinds) > 1)
        countries = Counter(kind.partition(":")[2] for kinds in self._held.values() for kind in kinds if ":" in kind)
        return {
            "persons": len(persons),
            "by_kind": {kind: len(marks) for kind, marks in sorted(self.kinds.items())},
            "by_domain": dict(Counter(domain for _, domain in pairs).most_common(1000)),
            "combinations": {" + ".join(kinds): count for kinds, count in together.most_common(MOST_COMBINATIONS)},
            "by_country": dict(countries.most_common()),
        }
