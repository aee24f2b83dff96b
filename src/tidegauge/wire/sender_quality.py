"""How a sender's datagrams were: what of them held, and whether their numbers make sense."""

from __future__ import annotations

from dataclasses import dataclass

LEAST = 20
"""Fewer datagrams than this say nothing of a sender."""
BROKEN_SHARE, RESTART_SHARE, STEADY_SHARE = 0.5, 0.1, 0.1
PARTLY_BROKEN_SHARE, UNSOUND_SHARE = 0.2, 0.6
"""Datagrams that do not hold, or follow upon no other. Two line cards that count apart behind one address make up to
half of theirs begin anew, but none that does not hold."""
LOST_TIMES = 50


@dataclass
class Conduct:
    """Counts of datagrams (`restarts`: after which the sequence began anew) and of records."""

    datagrams: int = 0
    broken: int = 0
    restarts: int = 0
    records: int = 0
    lost: int = 0

    def add(self, name: str, count: int) -> None:
        setattr(self, name, getattr(self, name) + count)

    def merge(self, other: Conduct) -> None:
        for name, count in vars(other).items():
            self.add(name, count)

    @property
    def mostly_broken(self) -> bool:
        """Most datagrams do not hold what they say."""
        return self.datagrams >= LEAST and self.unsound

    @property
    def unsound(self) -> bool:
        """The same of however few."""
        partly = self.broken > PARTLY_BROKEN_SHARE * self.datagrams
        return self.broken > BROKEN_SHARE * self.datagrams or (
            partly and self.broken + self.restarts > UNSOUND_SHARE * self.datagrams
        )

    @property
    def contradictory(self) -> bool:
        """It contradicts itself: its sequence begins anew all the time, or would mean that nearly all was lost."""
        return self.datagrams >= LEAST and (
            self.restarts > RESTART_SHARE * self.datagrams
            or self.broken > STEADY_SHARE * self.datagrams
            or self.lost > LOST_TIMES * max(self.records, 1)
        )
