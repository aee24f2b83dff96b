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
NEAR_US = 1_000_000
"""By so much the times of two monitors of one exporter may differ."""
LONGEST_GAP_US = 120_000_000
"""Records of one flow that are no further apart tell of one stretch of it."""
LONGEST_SILENCE_US = 6 * 3600 * 1_000_000
LONGEST_HEADER, HEADERS_APART = 80, 16
"""Bytes that a tunnel adds to a packet at most (IPsec in tunnel mode, VXLAN), and by how much they vary (padding)."""
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


SIGHTED = ("<u8", "<u1", "<i8", "<i8", "<i8")
"""The columns of `Sighted` as they are kept."""


@dataclass
class Sighted:
    """Flows that monitors of one exporter told and that count, the last ones last; arrays of shape (n,).

    Attributes:
        keys: 64 bits of each flow.
        ways: of which monitor it came, 1: that of egress.
        starts_us, untils_us: of its last stretch without a longer gap than `LONGEST_GAP_US`.
        marks: of which file it came, 0: of none.
    """

    keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    ways: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    starts_us: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    untils_us: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    marks: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def take(self, rows: NDArray[Any] | slice) -> Sighted:
        return Sighted(*(column[rows] for column in vars(self).values()))

    def last(self, most: int) -> Sighted:
        return self.take(slice(-most, None))

    def joined(self) -> Sighted:
        """A stretch for each flow and way: its last one."""
        order = np.lexsort((np.arange(len(self.keys)), self.starts_us, self.ways, self.keys))
        own = self.take(order)
        new = np.r_[True, (own.keys[1:] != own.keys[:-1]) | (own.ways[1:] != own.ways[:-1])][: len(order)]
        untils = _running_max(own.untils_us, new)
        gap = np.r_[True, own.starts_us[1:] > untils[:-1] + LONGEST_GAP_US][: len(order)]
        begins = np.flatnonzero(new | gap)
        latest = np.maximum.reduceat(order, begins) if len(begins) else order
        ends = np.r_[begins[1:] - 1, len(order) - 1][: len(begins)]
        found = Sighted(own.keys[begins], own.ways[begins], own.starts_us[begins], untils[ends], own.marks[ends])
        last = np.r_[new[begins[1:]], True][: len(begins)]
        kept = np.flatnonzero(last)
        return found.take(kept[np.argsort(latest[kept], kind="stable")])

    def told(self, flows: Sighted) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Which flows lie, for half of their time at least, in a stretch of the same key of the other way; and of
        which file that came. Here a key has at most one stretch a way."""
        again, marks = np.zeros(len(flows.keys), dtype=bool), np.zeros(len(flows.keys), dtype=np.int64)
        for way in (0, 1):
            other = self.take(self.ways != way)
            if not len(other.keys):
                continue
            order = np.argsort(other.keys, kind="stable")
            other = other.take(order)
            rows = np.flatnonzero(flows.ways == way)
            places = np.minimum(np.searchsorted(other.keys, flows.keys[rows]), len(other.keys) - 1)
            same = other.keys[places] == flows.keys[rows]
            starts, ends = flows.starts_us[rows], flows.untils_us[rows]
            common = np.minimum(ends, other.untils_us[places] + NEAR_US)
            common -= np.maximum(starts, other.starts_us[places] - NEAR_US)
            same &= 2 * common >= ends - starts
            again[rows], marks[rows] = same, np.where(same, other.marks[places], 0)
        return again, marks


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
            if found is not None:
                self.told[key] = found
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

    def way_back(
        self, key: Key, octets: Ints, out_octets: Ints, packets: Ints, out_packets: Ints, setting: str = "auto"
    ) -> bool:
        """Whether a second pair of counters is the way back, and not the same traffic behind the box.

        It is where in most of the records so far, of those with both, bytes are not about the same, nor packets the
        same with so many bytes more or less each as a tunnel's header has, always as many.

        Args:
            key: what the records have in common; the first part is the exporter.
            setting: `reverse` or `same` where the site says which; else `auto`.
        """
        both = (octets > 0) & (out_octets > 0)
        same = np.abs(octets - out_octets) <= 0.05 * octets
        alike = both & (packets > 0) & (packets == out_packets)
        each = (out_octets - octets) / np.maximum(packets, 1)
        usual = float(np.median(each[alike])) if alike.any() else 0.0
        same |= alike & (np.abs(each) <= LONGEST_HEADER) & (np.abs(each - usual) <= HEADERS_APART)
        counts = self.alike.setdefault(key, [0, 0])
        counts[0] += int((both & same).sum())
        counts[1] += int((both & ~same).sum())
        back = setting == "reverse" or (setting == "auto" and counts[1] > counts[0])
        what = "the way back" if back else "the same traffic behind the exporter, counted once"
        if given := int((out_octets > 0).sum()):
            self.applied[f"records whose OUT_BYTES were taken for {what}"] += given
        return back

    def told_elsewhere(self, exporter: int, flows: FlowBatch, egress: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which flows the same exporter told already by its monitor of the other direction, between the same
        interfaces; shape (n,)."""
        known = self.sighted.get(exporter, Sighted())
        ends_us = np.maximum(flows["time_end"], flows["time_start"])
        here = Sighted(
            _flow_keys(flows), egress.astype(np.uint8), flows["time_start"], ends_us,
            np.full(len(flows), self.mark or 0, dtype=np.int64),
        )
        again, marks = known.told(here)
        self.leans_on |= set(np.unique(marks[(marks != 0) & (marks != (self.mark or 0))]).tolist())
        if len(np.unique(here.ways)) > 1:  # of those that came together the way of the first one counts
            rest = np.flatnonzero(~again)
            fresh = here.take(rest)
            _, first, inverse = np.unique(fresh.keys, return_index=True, return_inverse=True)
            owners = fresh.ways[first][inverse] == fresh.ways
            again[rest[fresh.take(owners).joined().told(fresh)[0] & ~owners]] = True
        both = zip(vars(known).values(), vars(here.take(~again)).values(), strict=True)
        self.sighted[exporter] = Sighted(*map(np.concatenate, both)).joined().last(MOST_KEYS)
        return again


def _running_max(values: Ints, new: NDArray[np.bool_]) -> Ints:
    """The largest value so far of each group; groups begin where `new`."""
    if not len(values):
        return values
    groups = np.cumsum(new) - 1
    lowest = int(values.min())
    span = int(values.max()) - lowest + 1
    if span * int(groups[-1] + 1) < 1 << 62:
        return np.asarray(np.maximum.accumulate(values - lowest + groups * span) - groups * span + lowest)
    found = values.copy()
    begins = np.r_[np.flatnonzero(new), len(values)]
    for a, b in zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True):
        found[a:b] = np.maximum.accumulate(values[a:b])
    return found


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
