"""What is remembered of connections between records: running totals, updates of firewalls, who told a flow already."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, halves
from tidegauge.wire.sessions import DOMAIN_MASK

MOST_CONNECTIONS = 200_000
"""The connections that are remembered; the one that was heard of longest ago goes first."""
MOST_KEYS = 1 << 19
LONGEST_SILENCE_US = 6 * 3600 * 1_000_000
MOST_KEPT, MOST_KEYS_KEPT = 50_000, 1 << 16
"""Connections, and keys of flows of an exporter, that go on to a later run: those heard of last."""
Ints = NDArray[np.int64]
Key = tuple[Any, ...]


@dataclass
class Told:
    """What was told of a connection so far: bytes and packets each way, until when, whether it has ended, and by which
    file (its mark) last."""

    amounts: list[int]
    until_us: int
    ended: bool = False
    mark: int | None = None


@dataclass
class Sighted:
    """Flows that monitors of one exporter told, the last ones last; arrays of shape (n,).

    Attributes:
        keys: 64 bits of each flow.
        ways: of which monitor it came, 1: that of egress.
        marks: of which file it came, 0: of none.
    """

    keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    ways: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    marks: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def last(self, most: int) -> Sighted:
        return Sighted(self.keys[-most:], self.ways[-most:], self.marks[-most:])


@dataclass
class Connections:
    """What exporters told before, so that nothing is counted twice.

    Attributes:
        boots_ms: when each session booted (epoch milliseconds), from options data.
        alike: by session and template, records whose two counters were alike, and that were not (`way_back`).
        applied: how often each rule was applied, for whoever reports.
        mark: of the file that is being read; `leans_on` those of earlier files without which it would count more.
        earlier: what was told in an earlier run, by keys without the number of the session; each is used once.
    """

    boots_ms: dict[tuple[int, int], int] = field(default_factory=dict)
    alike: dict[Key, list[int]] = field(default_factory=dict)
    applied: Counter[str] = field(default_factory=Counter)
    mark: int | None = None
    leans_on: set[int] = field(default_factory=set)
    earlier: dict[Key, Told] = field(default_factory=dict)
    told: OrderedDict[Key, Told] = field(default_factory=OrderedDict)
    sighted: dict[int, Sighted] = field(default_factory=dict)

    def forget(self, exporter: int) -> None:
        """Drop all that is known of an exporter."""
        for known in (self.boots_ms, self.alike, self.told, self.earlier):
            for key in [k for k in known if k[0] == exporter]:
                del known[key]
        self.sighted.pop(exporter, None)

    def _remember(self, key: Key, told: Told) -> None:
        told.mark = self.mark
        self.told[key] = told
        self.told.move_to_end(key)
        while len(self.told) > MOST_CONNECTIONS:
            self.told.popitem(last=False)

    def _before(self, key: Key, at_us: int) -> Told | None:
        """What was told of a connection so far, in this run, or not long before in an earlier one."""
        found = self.told.get(key)
        if found is None and self.earlier:
            found = self.earlier.pop(without_session(key), None)
            if found is not None and abs(at_us - found.until_us) > LONGEST_SILENCE_US:
                found = None  # its identifier belongs to another connection by now
        if found is not None and found.mark is not None and found.mark != self.mark:
            self.leans_on.add(found.mark)
        return found

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
            before = self._before(key, int(ends_us[i]))
            if before is not None and all(a >= b for a, b in zip(now, before.amounts, strict=True)):
                added[:, i] = [a - b for a, b in zip(now, before.amounts, strict=True)]
                begins[i] = min(max(int(starts_us[i]), before.until_us), int(ends_us[i]))
                self.applied["records with running totals, of which what was new was counted"] += 1
            elif before is not None and int(ends_us[i]) < before.until_us and all(
                a <= b for a, b in zip(now, before.amounts, strict=True)
            ):
                added[:, i] = 0
                self.applied["records with running totals that came after later ones, of which nothing was new"] += 1
                continue
            self._remember(key, Told(now, int(ends_us[i])))
        return added, begins

    def of_firewall(
        self, keys: Iterable[Key], updates: NDArray[np.bool_], deleted: NDArray[np.bool_], amounts: Ints,
        starts_us: Ints, ends_us: Ints,
    ) -> tuple[Ints, Ints]:
        """Records of a firewall to what each adds: an update tells what passed since the last one, the end repeats the
        sum (Cisco, "ASA NetFlow Implementation Guide", element 233).

        Args:
            amounts: bytes and packets, forward and back; shape (4, n). Others of shape (n,).
        Returns:
            As `since_last`.
        """
        added, begins = amounts.copy(), starts_us.copy()
        for i, key in enumerate(keys):
            before = self._before(key, int(ends_us[i]))
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
        known = self.sighted.get(exporter, Sighted())
        both = Sighted(
            np.r_[known.keys, _flow_keys(flows)], np.r_[known.ways, egress.astype(np.uint8)],
            np.r_[known.marks, np.full(len(flows), self.mark or 0)],
        )
        _, first, inverse = np.unique(both.keys, return_index=True, return_inverse=True)
        again = (both.ways[first][inverse] != both.ways)[len(known.keys) :]
        told_by = both.marks[first][inverse][len(known.keys) :][again]
        self.leans_on |= set(np.unique(told_by[(told_by != 0) & (told_by != (self.mark or 0))]).tolist())
        kept = np.sort(first)
        self.sighted[exporter] = Sighted(both.keys[kept], both.ways[kept], both.marks[kept]).last(MOST_KEYS)
        return np.asarray(again)


def without_session(key: Key) -> Key:
    """The key of a connection as it is for a later run, in which sessions have other numbers."""
    return (key[0], key[1] & DOMAIN_MASK, *key[2:])


def _flow_keys(flows: FlowBatch) -> NDArray[np.uint64]:
    """64 bits of ends, protocol and interfaces of each flow."""
    mixed = np.zeros(len(flows), dtype=np.uint64)
    words = (
        *halves(flows["src"]), *halves(flows["dst"]),
        flows["src_port"].astype(np.uint64) << np.uint64(24) | flows["dst_port"].astype(np.uint64) << np.uint64(8)
        | flows["proto"].astype(np.uint64),
        flows["in_if"].astype(np.uint64) << np.uint64(32) | flows["out_if"].astype(np.uint64),
    )
    with np.errstate(over="ignore"):
        for word in words:
            mixed = (mixed ^ word) * np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(31)
    return mixed
