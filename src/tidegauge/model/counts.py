"""Counting what was left out and why: every drop in the program ends up in one of these tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tidegauge.model import shapes


@dataclass
class Skipped:
    """What was left out, by (what, why), with how often."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, what: str, why: str, count: int = 1) -> None:
        if count:
            self.counts[what, why] += int(count)

    @property
    def total(self) -> int:
        return self.counts.total()

    def merge(self, other: Skipped) -> None:
        self.counts.update(other.counts)

    def forget(self, what: str) -> None:
        """Take back all that was counted of one thing, since it is told elsewhere."""
        for key in [key for key in self.counts if key[0] == what]:
            del self.counts[key]

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        for (what, why), count in sorted(self.counts.items()):
            yield what, why, count

    def __len__(self) -> int:
        return len(self.counts)

    def to_json(self) -> list[shapes.LeftOut]:
        return [{"what": what, "why": why, "count": count} for what, why, count in self]
