"""Over what an exporter's sequence numbers count: each session's observation domain, as the standards say, all domains
of a session, a domain over all UDP ports, or everything that it sends. Learned from the numbers.

Some open a socket for each message, or sit behind an address translator that gives each a port of its own; older
devices have one counter for all their engines. Followed apart, such numbers show losses that were none.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidegauge.wire.grouping import groups

SESSION, ALL_DOMAINS, DOMAIN, EXPORTER = 0, 1, 2, 3
WIDER = (ALL_DOMAINS, DOMAIN, EXPORTER)
SCOPES = 4
ENOUGH = 16
"""Another scope than the standard's needs so many steps."""
SURE, IN_DOUBT = 4.0, 2
"""It has to explain more steps than the standard's by so many standard deviations; where it explains so many more, but
not surely, nothing is known."""
ORDERLY = 0.95
"""Share of steps ahead from which on numbers are of one counter, where sessions are too short to tell."""
SHORT = 0.25
"""Sessions of which fewer datagrams than this share follow another of the same one tell nothing."""
NEARER, LEAST_OFF, FAR_OFF = 0.8, 8, 1024
"""Another scope whose steps are off by so small a share of the standard's, and by so much less, is in doubt; a step
counts as off by no more than the last."""
REMEMBERED = 2048
"""Older steps count half whenever so many datagrams have been seen."""
MOST_KEYS = 4096
FARTHEST = 1 << 28


@dataclass
class Scope:
    """The evidence of one exporter, by scope.

    Attributes:
        datagrams: so far.
        part: the first that was seen; it names the counter of all.
        steps, ahead: steps between two numbers of one counter, and those that go ahead.
        fits: those that advance by one message; those that advance by the records of one.
        off: by how much, in all, they advance otherwise.
        last: by what would be one counter, its last number, and by how much it should advance by messages and records.
        chosen: the scope; None where none fits.
    """

    datagrams: int = 0
    part: int = 0
    steps: list[int] = field(default_factory=lambda: [0] * SCOPES)
    fits: list[list[int]] = field(default_factory=lambda: [[0] * SCOPES, [0] * SCOPES])
    ahead: list[int] = field(default_factory=lambda: [0] * SCOPES)
    off: list[int] = field(default_factory=lambda: [0] * SCOPES)
    last: list[dict[int, tuple[int, int]]] = field(default_factory=lambda: [{} for _ in range(SCOPES)])
    chosen: int | None = SESSION

    def learn(
        self, streams: NDArray[np.int64], parts: NDArray[np.int64], numbers: NDArray[np.int64],
        records: NDArray[np.int64],
    ) -> int | None:
        """Take datagrams into account, in order of arrival; the scope by then.

        Args:
            streams, parts: of each datagram its session's domain, and its domain alone; shape (n,), as the others.
        """
        self.part = self.part if self.datagrams else int(parts[0])
        self.datagrams += len(numbers)
        first = int(streams[0])
        if (streams == first).all() and self.last[SESSION].keys() <= {first}:
            self.last[SESSION] = {first: (int(numbers[-1]), int(records[-1]))}
            self.steps[SESSION] += len(numbers) - 1
            self.steps[SESSION] = min(self.steps[SESSION], REMEMBERED)
            for fits in self.fits:
                fits[SESSION] = min(fits[SESSION] + len(numbers) - 1, REMEMBERED)
            self.datagrams = min(self.datagrams, REMEMBERED)
            return self.chosen
        keys_by_scope = ((SESSION, streams), (ALL_DOMAINS, streams - parts), (DOMAIN, parts), (EXPORTER, 0 * parts))
        for scope, keys in keys_by_scope:
            self._look(scope, keys, numbers, records)
        self.chosen = self._best()
        if self.datagrams >= REMEMBERED:
            self.datagrams //= 2
            for counts in (self.steps, self.ahead, self.off, *self.fits):
                counts[:] = [count // 2 for count in counts]
        return self.chosen

    def _look(
        self, scope: int, keys: NDArray[np.int64], numbers: NDArray[np.int64], records: NDArray[np.int64]
    ) -> None:
        last = self.last[scope]
        for rows in groups(keys):
            key = int(keys[rows[0]])
            own, sent = numbers[rows], records[rows]
            if key in last:
                own, sent = np.r_[last[key][0], own], np.r_[last[key][1], sent]
            advanced = (np.diff(own) + 0x80000000) % 0x100000000 - 0x80000000
            self.steps[scope] += len(advanced)
            self.fits[0][scope] += int((advanced == 1).sum())
            self.fits[1][scope] += int((advanced == sent[:-1]).sum())
            off = np.minimum(np.abs(advanced - 1), np.abs(advanced - sent[:-1]))
            self.off[scope] += int(np.minimum(off, FAR_OFF).sum())
            self.ahead[scope] += int(((advanced > 0) & (advanced < FARTHEST)).sum())
            last.pop(key, None)
            last[key] = int(own[-1]), int(sent[-1])
            if len(last) > MOST_KEYS:
                del last[next(iter(last))]

    def _best(self) -> int | None:
        steps = self.steps
        if self.datagrams >= ENOUGH and steps[SESSION] < SHORT * self.datagrams:
            others = (s for s in WIDER if steps[s] >= ENOUGH)
            return next((s for s in others if self.ahead[s] >= ORDERLY * steps[s]), None)
        told = [max(fits[s] for fits in self.fits) for s in range(SCOPES)]
        best, more = SESSION, 0.0
        for s in WIDER:
            gained = told[s] - told[SESSION] * steps[s] / max(steps[SESSION], 1)
            if gained > more + 0.5:
                best, more = s, gained
        nearer = any(self.off[s] + LEAST_OFF < NEARER * self.off[SESSION] for s in WIDER)
        if best == SESSION or more < IN_DOUBT:
            return None if nearer else SESSION
        share = told[best] / max(steps[best], 1)
        deviation = (max(share * (1 - share), 1 / steps[best]) * steps[best]) ** 0.5
        return best if steps[best] >= ENOUGH and more >= SURE * deviation else None
