"""Who comes in: senders that the site names, and others up to a bound; who is new, who contradicts itself, who must
wait because what it sends mostly does not hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import CONTRADICTORY, NEW, PROVEN, Addresses, as_strings16, format_address, inside
from tidegauge.site import Site
from tidegauge.wire import Conduct

GOOD_MINUTES = 10
"""Minutes in which a new sender must have behaved before it weighs as others do."""
GIVES_UP_S = 600
"""A new sender that was not heard for so long gives its place to another one."""
HELD_LOOKS = 60
"""Datagrams a minute that are looked at of a sender that must wait."""
MOST_REFUSED_NAMED = 1000


@dataclass
class Sender:
    """One sender.

    Attributes:
        listed: the site names it (an exporter's table, or the allow-list).
        minute: the minute of arrival (since 1970) that `conduct` is about.
        good_minutes: minutes in which it behaved.
        ever: what its datagrams were like so far.
        held: it must wait: in its last minute most of its datagrams did not hold.
        looked: datagrams of the minute that were looked at while it is held.
    """

    first_s: float
    last_s: float
    listed: bool = False
    minute: int = 0
    good_minutes: int = 0
    held: bool = False
    looked: int = 0
    conduct: Conduct = field(default_factory=Conduct)
    ever: Conduct = field(default_factory=Conduct)

    @property
    def standing(self) -> int:
        if self.listed or self.good_minutes >= GOOD_MINUTES:
            return PROVEN
        return CONTRADICTORY if self.ever.contradictory else NEW


class Door:
    """Decides for every datagram whether it is read. Times are those of arrival, in epoch seconds.

    Attributes:
        counts: `refused` (not on the allow-list), `crowded` (no place is left for its sender), `held`.
        turned_away: addresses of senders that were refused or found no place, with how often.
    """

    def __init__(self, site: Site) -> None:
        self._allow = site.collect.allow
        self._most = site.collect.most_exporters
        self._named = site.exporter_names
        self.senders: dict[str, Sender] = {}
        self.counts: Counter[str] = Counter()
        self.turned_away: Counter[str] = Counter()
        self.arrivals: list[str] = []
        self.departures: list[str] = []

    def admit(
        self, addresses: Addresses, arrived_us: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], dict[str, int]]:
        """Which datagrams are read, shape (n,); and by sender how many are not since it must wait.

        Senders that are new are added to `arrivals`, those that gave up their place to `departures`.
        """
        waiting: dict[str, int] = {}
        kept = np.ones(len(addresses), dtype=bool)
        unique, inverse, counts = np.unique(as_strings16(addresses), return_inverse=True, return_counts=True)
        now_s = float(arrived_us.max(initial=0)) / 1e6
        for place, (packed, count) in enumerate(zip(unique.tolist(), counts.tolist(), strict=True)):
            address = format_address(bytes(packed))
            if self._allow and not inside(np.frombuffer(packed, np.uint8).reshape(1, 16), self._allow)[0]:
                self._turn_away(address, count, "refused")
                kept[inverse == place] = False
                continue
            sender = self.senders.get(address) or self._newcomer(address, now_s)
            if sender is None:
                self._turn_away(address, count, "crowded")
                kept[inverse == place] = False
                continue
            sender.last_s = now_s
            self._turn(sender, now_s)
            if sender.held:
                rows = np.flatnonzero(inverse == place)
                looks = max(HELD_LOOKS - sender.looked, 0)
                sender.looked += min(looks, len(rows))
                kept[rows[looks:]] = False
                if len(rows) > looks:
                    waiting[address] = len(rows) - looks
                    self.counts["held"] += len(rows) - looks
        return kept, waiting

    def _listed(self, address: str) -> bool:
        """Whether the site names a sender that was let in: by an exporter's table, or by the allow-list."""
        return address in self._named or bool(self._allow)

    def _turn_away(self, address: str, count: int, why: str) -> None:
        self.counts[why] += count
        if address in self.turned_away or len(self.turned_away) < MOST_REFUSED_NAMED:
            self.turned_away[address] += count

    def _newcomer(self, address: str, now_s: float) -> Sender | None:
        """A place for a sender that was not here before; None where there is none."""
        listed = self._listed(address)
        own = [s for s in self.senders.values() if not s.listed]
        if not listed and len(own) >= self._most:
            idle = [
                (s.standing == NEW, s.last_s, a) for a, s in self.senders.items()
                if s.standing != PROVEN and (now_s - s.last_s > GIVES_UP_S or s.held)
            ]
            if not idle:
                return None
            leaving = min(idle)[2]
            del self.senders[leaving]
            self.departures.append(leaving)
        self.senders[address] = Sender(now_s, now_s, listed)
        self.arrivals.append(address)
        return self.senders[address]

    def behaved(self, address: str, conduct: Conduct, arrived_s: float) -> bool:
        """Note what a sender's datagrams were like; whether they are to be kept out of the lake.

        At the end of each minute it is decided whether the sender must wait in the next one; within a minute it is
        made to as soon as most of that minute's datagrams did not hold.
        """
        sender = self.senders.get(address)
        if sender is None:
            return False
        self._turn(sender, arrived_s)
        sender.conduct.merge(conduct)
        sender.ever.merge(conduct)
        if sender.conduct.mostly_broken:
            sender.held = True
        return sender.held or (sender.standing != PROVEN and sender.ever.unsound and conduct.unsound)

    @staticmethod
    def _turn(sender: Sender, now_s: float) -> None:
        """Where a new minute has begun, draw the sum of the one before."""
        minute = int(now_s // 60)
        if minute == sender.minute:
            return
        if sender.conduct.datagrams:
            sender.held = sender.conduct.mostly_broken
            if not sender.conduct.contradictory and not sender.ever.contradictory:
                sender.good_minutes += 1
        sender.minute, sender.looked, sender.conduct = minute, 0, Conduct()

    def state(self) -> list[list[Any]]:
        """What must survive a restart, as JSON."""
        return [
            [a, s.first_s, s.last_s, s.good_minutes, s.held, s.minute, s.looked, asdict(s.conduct), asdict(s.ever)]
            for a, s in self.senders.items()
        ]

    def resume(self, state: list[list[Any]]) -> None:
        """Go on where the state was written; what the site file says now counts."""
        for address, first_s, last_s, good, held, minute, looked, conduct, ever in state:
            self.senders[address] = Sender(
                first_s, last_s, self._listed(address), minute, good, held, looked, Conduct(**conduct), Conduct(**ever)
            )
