"""Transport sessions: an exporter's address and UDP source port (RFC 7011, section 8), to which templates, samplers and
sequence numbers belong. Two processes behind one address are told apart; a port that changes is no new exporter."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MOST_SESSIONS = 32
"""Of one exporter that are told apart; whatever has more changes its port all the time, and the rest count as one."""
SILENT_US = 3_600_000_000
SESSION_SHIFT = 32
DOMAIN_MASK = (1 << SESSION_SHIFT) - 1


@dataclass
class Sessions:
    """The sessions of each exporter by source port: number, and when they were heard first and last (microseconds)."""

    known: dict[int, dict[int, list[int]]] = field(default_factory=dict)
    ended: list[tuple[int, int]] = field(default_factory=list)
    """Exporter and number of sessions whose number was given to another one: what is known of them is void."""

    def numbers(
        self, exporters: NDArray[np.int32], ports: NDArray[np.int64], arrived_us: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the number of each datagram's session, 0 for an exporter's first; all of shape (n,)."""
        if not len(exporters):
            return np.zeros(0, dtype=np.int64)
        now_us, first_us = int(arrived_us.max()), int(arrived_us.min())
        keys = exporters.astype(np.int64) << 16 | ports
        if (keys == keys[0]).all():
            return np.full(len(keys), self._number(int(exporters[0]), int(ports[0]), first_us, now_us), dtype=np.int64)
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")  # numbers are given in order of first sight
        found = np.zeros(len(first), dtype=np.int64)
        for place in order.tolist():
            row, own = int(first[place]), arrived_us[inverse == place]
            found[place] = self._number(int(exporters[row]), int(ports[row]), int(own.min()), int(own.max()))
        return np.asarray(found[inverse])

    def _number(self, exporter: int, port: int, first_us: int, now_us: int) -> int:
        own = self.known.setdefault(exporter, {})
        if port not in own:
            number = len(own)
            if number >= MOST_SESSIONS - 1:
                oldest = min(own, key=lambda p: own[p][2])
                if now_us - own[oldest][2] < SILENT_US:
                    return MOST_SESSIONS - 1
                number = own.pop(oldest)[0]
                self.ended.append((exporter, number))
            own[port] = [number, first_us, now_us]
        own[port][2] = max(own[port][2], now_us)
        return own[port][0]

    def at_once(self, exporter: int, one: int, other: int) -> bool:
        """Whether two sessions of an exporter were heard in the same time."""
        spans = {number: (first, last) for number, first, last in self.known.get(exporter, {}).values()}
        if one not in spans or other not in spans:
            return False
        (first, last), (begun, ended) = spans[one], spans[other]
        return first <= ended and begun <= last


def domains_of_sessions(sessions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the observation domains of sessions (number and domain in one)."""
    return sessions & DOMAIN_MASK
