"""Sequence numbers: what was lost between the datagrams that arrived."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW = 1 << 16
"""Numbers further back than this are a restart, nearer ones a datagram that was overtaken."""
FARTHEST = 1 << 28
"""A jump ahead further than this is a restart."""


class SequenceTracker:
    """Follows the sequence numbers of many streams (exporter and domain) across blocks of datagrams."""

    def __init__(self) -> None:
        self._expected: dict[tuple[int, int], int] = {}

    def lost(
        self,
        senders: NDArray[np.int32],
        domains: NDArray[np.int64],
        numbers: NDArray[np.int64],
        steps: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Units lost just before each datagram, in arrival order; negative where an overtaken one came late.

        Args:
            senders, domains: the stream of each datagram; shape (n,).
            numbers: its sequence number (modulo 2^32).
            steps: by how much it advances the sequence: its records where the protocol counts records, else 1.
        """
        lost = np.zeros(len(numbers), dtype=np.int64)
        streams = domains * (1 << 20) + senders
        order = np.argsort(streams, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(streams[order]) != 0]) if len(order) else np.zeros(0, int)
        for start, end in zip(starts, np.r_[starts[1:], len(order)], strict=True):
            rows = order[start:end]
            key = (int(senders[rows[0]]), int(domains[rows[0]]))
            lost[rows], self._expected[key] = _lost_in_stream(numbers[rows], steps[rows], self._expected.get(key))
        return lost


def _lost_in_stream(
    numbers: NDArray[np.int64], steps: NDArray[np.int64], expected: int | None
) -> tuple[NDArray[np.int64], int]:
    """Losses in one stream, and the number expected next.

    >>> _lost_in_stream(np.array([10, 12, 13]), np.array([1, 1, 1]), None)[0].tolist()
    [0, 1, 0]
    """
    follows = (numbers + steps) & 0xFFFFFFFF
    first = int(numbers[0]) if expected is None else expected
    jumps = _signed(numbers - np.r_[first, follows[:-1]])
    if not jumps.any():
        return jumps, int(follows[-1])
    # Something is out of step: walk this block one by one, with the highest number seen so far.
    lost = np.zeros(len(numbers), dtype=np.int64)
    due = first
    for i, (number, step) in enumerate(zip(numbers.tolist(), steps.tolist(), strict=True)):
        jump = (number - due + 0x80000000) % 0x100000000 - 0x80000000
        if 0 <= jump < FARTHEST:
            lost[i] = jump
            due = (number + step) & 0xFFFFFFFF
        elif -WINDOW <= jump < 0 and number > step:
            lost[i] = -step
        else:
            due = (number + step) & 0xFFFFFFFF
    # An overtaken datagram cannot give back more than was missing.
    if lost.sum() < 0:
        lost = np.maximum(lost, 0)
    return lost, due


def _signed(differences: NDArray[np.int64]) -> NDArray[np.int64]:
    return (differences + 0x80000000) % 0x100000000 - 0x80000000
