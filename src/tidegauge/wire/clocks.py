"""Exporters' clocks beside our own: how far off each is, and by how much its times are set right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.wire.datagrams import Datagrams
from tidegauge.wire.grouping import groups

TOLERATED_MS = 5_000
"""A clock that is off by less is taken as it is: headers have whole seconds, and the way takes its time."""
CONVINCING = 3
"""So many datagrams in a row make a new error of a clock believed; that it is right again, the first one does."""


@dataclass(frozen=True)
class Clocked:
    """What headers say of a block's clocks; arrays of shape (n,).

    Attributes:
        skew_s: the exporter's clock minus the arrival; NaN where there is no arrival time.
        shift_ms: what to take off the exporter's times.
        trusted: the header's time fits what is known of the exporter's clock.
    """

    skew_s: NDArray[np.float64]
    shift_ms: NDArray[np.int64]
    trusted: NDArray[np.bool_]


class Clocks:
    """Follows the clock of each exporter by the difference between header and arrival.

    Attributes:
        shifts_ms: by exporter, how far its clock is off, where that is more than what is tolerated.
        doubts: by exporter, an error that its last datagrams showed and how many did, not believed yet.
    """

    def __init__(self) -> None:
        self.shifts_ms: dict[int, int] = {}
        self.doubts: dict[int, tuple[int, int]] = {}

    def forget(self, exporter: int) -> None:
        self.shifts_ms.pop(exporter, None)
        self.doubts.pop(exporter, None)

    def read(self, export_ms: NDArray[np.int64], datagrams: Datagrams, *, correct: bool) -> Clocked:
        """Skew of each datagram, and what to take off its times.

        A run of datagrams whose skews agree is taken by its median; a clock that is set in the middle of a block
        makes two runs. The shift of an exporter changes only when a run differs by more than what is tolerated, so
        that a correct clock is never touched and a wrong one gets a steady correction.
        """
        skew_ms = export_ms - datagrams.arrived_us // 1000
        known = datagrams.arrived_us > 0
        shift = np.zeros(len(skew_ms), dtype=np.int64)
        trusted = np.ones(len(skew_ms), dtype=bool)
        if correct:
            for rows in groups(datagrams.senders):
                told = rows[known[rows]]
                if len(told):
                    shift[told], trusted[told] = self._follow(int(datagrams.senders[told[0]]), skew_ms[told])
        return Clocked(np.where(known, skew_ms / 1000, np.nan), shift, trusted)

    def _follow(self, sender: int, skews: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        new = sender not in self.shifts_ms
        held = self.shifts_ms.get(sender, 0)
        if not new and (np.abs(skews - held) <= TOLERATED_MS).all():
            self.doubts.pop(sender, None)
            return np.full(len(skews), held), np.ones(len(skews), dtype=bool)
        shift, trusted = np.empty(len(skews), dtype=np.int64), np.ones(len(skews), dtype=bool)
        edges = np.flatnonzero(np.r_[True, np.abs(np.diff(skews)) > TOLERATED_MS, True])
        for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            median = int(np.median(skews[begin:end])) if end - begin > 1 else int(skews[begin])
            doubt, seen = self.doubts.pop(sender, (median, 0))
            count = end - begin + (seen if abs(doubt - median) <= TOLERATED_MS else 0)
            if abs(median - held) > TOLERATED_MS:
                if abs(median) <= TOLERATED_MS:
                    held = 0
                elif new or count >= CONVINCING:
                    held = median
                else:
                    self.doubts[sender] = (median, count)
                    trusted[begin:end] = False
            new = False
            shift[begin:end] = held
        self.shifts_ms[sender] = held
        return shift, trusted
