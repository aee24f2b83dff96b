"""What is remembered of connections between records: running totals, updates of firewalls, who told a flow already."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, halves

MOST_CONNECTIONS = 200_000
"""The connections that are remembered; the one that was heard of longest ago goes first."""
MOST_KEYS = 1 << 19
Ints = NDArray[np.int64]
Key = tuple[Any, ...]


@dataclass
class Told:
    """What was told of a connection so far: bytes and packets each way, until when, and whether it has ended."""

    amounts: list[int]
    until_us: int
    ended: bool = False


@dataclass
class Connections:
    """What exporters told before, so that nothing is counted twice.

    Attributes:
        boots_ms: when each session booted (epoch milliseconds), from options data.
        alike: by session and template, records whose two counters were alike, and that were not (`way_back`).
        applied: how often each rule was applied, for whoever reports.
    """

    boots_ms: dict[tuple[int, int], int] = field(default_factory=dict)
    alike: dict[Key, list[int]] = field(default_factory=dict)
    applied: Counter[str] = field(default_factory=Counter)
    _told: OrderedDict[Key, Told] = field(default_factory=OrderedDict)
    _keys: dict[int, tuple[NDArray[np.uint64], NDArray[np.uint8]]] = field(default_factory=dict)

    def forget(self, exporter: int) -> None:
        """Drop all that is known of an exporter."""
        for known in (self.boots_ms, self.alike, self._told):
            for key in [k for k in known if k[0] == exporter]:
                del known[key]
        self._keys.pop(exporter, None)

    def _remember(self, key: Key, told: Told) -> None:
        self._told[key] = told
        self._told.move_to_end(key)
        while len(self._told) > MOST_CONNECTIONS:
            self._told.popitem(last=False)

    def since_last(self, keys: Iterable[Key], totals: Ints, starts_us: Ints, ends_us: Ints) -> tuple[Ints, Ints]:
        """Running totals to what was added since the last record of the same flow.

        Args:
            totals: bytes and packets, forward and back; shape (4, n).
        Returns:
            What was added, shape (4, n), and from when it is; shape (n,).
        """
        added, begins = totals.copy(), starts_us.copy()
        for i, key in enumerate(keys):
            now = totals[:, i].tolist()
            before = self._told.get(key)
            if before is not None and all(a >= b for a, b in zip(now, before.amounts, strict=True)):
                added[:, i] = [a - b for a, b in zip(now, before.amounts, strict=True)]
                begins[i] = min(max(int(starts_us[i]), before.until_us), int(ends_us[i]))
                self.applied["records with running totals, of which what was new was counted"] += 1
            self._remember(key, Told(now, int(ends_us[i])))
        return added, begins

    def of_firewall(
        self, keys: Iterable[Key], updates: NDArray[np.bool_], deleted: NDArray[np.bool_], amounts: Ints,
        starts_us: Ints, ends_us: Ints,
    ) -> tuple[Ints, Ints]:  # fmt: skip
        """Records of a firewall to what each adds: an update tells what passed since the last one, the end repeats the
        sum (Cisco, "ASA NetFlow Implementation Guide", element 233).

        Args:
            amounts: bytes and packets, forward and back; shape (4, n). Others of shape (n,).
        Returns:
            As `since_last`.
        """
        added, begins = amounts.copy(), starts_us.copy()
        for i, key in enumerate(keys):
            before = self._told.get(key)
            begins[i] = min(max(int(starts_us[i]), before.until_us if before else 0), int(ends_us[i]))
            if updates[i]:
                if before is not None and before.ended:
                    added[:, i] = 0
                    self.applied["updates of a firewall that came after the end of their connection"] += 1
                    continue
                told = before.amounts if before is not None else [0, 0, 0, 0]
                sums = [a + b for a, b in zip(told, amounts[:, i].tolist(), strict=True)]
                self._remember(key, Told(sums, int(ends_us[i])))
            elif deleted[i]:
                if before is not None:
                    rest = [max(a - b, 0) for a, b in zip(amounts[:, i].tolist(), before.amounts, strict=True)]
                    added[:, i] = [0, 0, 0, 0] if before.ended else rest
                    self.applied["ends of connections that repeated what updates had told"] += 1
                self._remember(key, Told(amounts[:, i].tolist(), int(ends_us[i]), ended=True))
        return added, begins

    def way_back(self, key: Key, octets: Ints, out_octets: Ints, packets: Ints, out_packets: Ints) -> bool:
        """Whether a second pair of counters is the way back, and not the same traffic behind the box.

        It is where in most of the records so far, of those with both, neither packets nor bytes are about the same.
        """
        both = (octets > 0) & (out_octets > 0)
        same = np.abs(octets - out_octets) <= 0.05 * octets
        same |= (packets > 0) & (packets == out_packets) & (np.abs(octets - out_octets) <= 0.5 * octets)
        counts = self.alike.setdefault(key, [0, 0])
        counts[0] += int((both & same).sum())
        counts[1] += int((both & ~same).sum())
        return counts[1] > counts[0]

    def told_elsewhere(self, exporter: int, flows: FlowBatch, egress: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which flows the same exporter told already by its monitor of the other direction, between the same
        interfaces; shape (n,)."""
        keys = _flow_keys(flows)
        ways = egress.astype(np.uint8)
        known, known_ways = self._keys.get(exporter, (np.zeros(0, np.uint64), np.zeros(0, np.uint8)))
        keys_all, ways_all = np.r_[known, keys], np.r_[known_ways, ways]
        _, first, inverse = np.unique(keys_all, return_index=True, return_inverse=True)
        again = (ways_all[first][inverse] != ways_all)[len(known) :]
        self._keys[exporter] = (keys_all[first][-MOST_KEYS:], ways_all[first][-MOST_KEYS:])
        return np.asarray(again)


def _flow_keys(flows: FlowBatch) -> NDArray[np.uint64]:
    """64 bits of ends, protocol and interfaces of each flow."""
    mixed = np.zeros(len(flows), dtype=np.uint64)
    words = (
        *halves(flows["src"]), *halves(flows["dst"]),
        flows["src_port"].astype(np.uint64) << np.uint64(24) | flows["dst_port"].astype(np.uint64) << np.uint64(8)
        | flows["proto"].astype(np.uint64),
        flows["in_if"].astype(np.uint64) << np.uint64(32) | flows["out_if"].astype(np.uint64),
    )  # fmt: skip
    with np.errstate(over="ignore"):
        for word in words:
            mixed = (mixed ^ word) * np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(31)
    return mixed
