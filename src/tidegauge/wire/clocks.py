"""Exporters' clocks beside our own: how far off each is, and by how much its times are set right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegauge.wire.datagrams import Datagrams

TOLERATED_MS = 5_000
"""A clock that is off by less is taken as it is: headers have whole seconds, and the way takes its time."""


class Clocks:
    """Follows the clock of each exporter by the difference between header and arrival."""

    def __init__(self) -> None:
        self.shifts_ms: dict[int, int] = {}

    def read(
        self, export_ms: NDArray[np.int64], datagrams: Datagrams, *, correct: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Skew of each datagram in seconds (NaN where there is no arrival time), and what to take off its times.

        The shift of an exporter is the median of a block and changes only when that has moved by more than what is
        tolerated, so that a correct clock is never touched and a wrong one gets a steady correction.
        """
        skew_ms = export_ms - datagrams.arrived_us // 1000
        known = datagrams.arrived_us > 0
        shift = np.zeros(len(skew_ms), dtype=np.int64)
        if correct:
            for sender in np.unique(datagrams.senders).tolist():
                own = datagrams.senders == sender
                if not (known & own).any():
                    continue
                median = int(np.median(skew_ms[known & own]))
                held = self.shifts_ms.get(sender, 0)
                if abs(median - held) > TOLERATED_MS:
                    held = median if abs(median) > TOLERATED_MS else 0
                    self.shifts_ms[sender] = held
                shift[own] = held
        return np.where(known, skew_ms / 1000, np.nan), shift
