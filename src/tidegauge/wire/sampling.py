"""Sampling intervals that exporters announce in options data, each with the time from which it holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.wire import elements as e
from tidegauge.wire.grouping import groups
from tidegauge.wire.records import Records
from tidegauge.wire.sessions import DOMAIN_MASK, SESSION_SHIFT
from tidegauge.wire.sets import SetTable
from tidegauge.wire.templates import SCOPE_V9, Template

SCOPE_INTERFACE_V9 = 2
UNHEARD, NEVER_ANNOUNCED, NOT_THEIRS = 0, -1, -2
"""Instead of a sampling interval: it may still come; it did not; intervals came, but for others of the exporter."""
UNSAMPLED = {
    NEVER_ANNOUNCED: "never announced, its flows count as unsampled",
    NOT_THEIRS: "announced for others of the exporter only, these flows count as unsampled",
}
SAMPLER_IDS = (e.SELECTOR_ID, e.SAMPLER_ID)

DEFAULT = ("", 0)
MOST_SELECTORS = 4096
"""Samplers and interfaces of one exporter whose intervals are kept."""
Selector = tuple[str, int]
"""("sampler", id), ("interface", ifIndex), or `DEFAULT`."""


def announced_intervals(records: Records) -> NDArray[np.int64] | None:
    """The sampling interval that each record states (RFC 5477, RFC 3954), 0 where it states none."""
    number = records.number
    stated = [given for n in (e.SAMPLING_INTERVAL, e.SAMPLER_RANDOM_INTERVAL) if (given := number(n)) is not None]
    if stated:
        return _bounded(stated[0] if len(stated) == 1 else np.where(stated[0] == 0, stated[1], stated[0]))
    kept, passed = number(e.SAMPLING_PACKET_INTERVAL), number(e.SAMPLING_PACKET_SPACE)
    if kept is not None and passed is not None:
        kept = np.maximum(kept.astype(np.float64), 1)
        return _bounded((kept + passed) / kept)
    size, population = number(e.SAMPLING_SIZE), number(e.SAMPLING_POPULATION)
    if size is not None and population is not None:
        return _bounded(population / np.maximum(size.astype(np.float64), 1))
    for width in (8, 4):  # a float64 may be sent as a float32 (RFC 7011, 6.2)
        raw = records.octets(e.SAMPLING_PROBABILITY, width)
        if raw is not None:
            probability = np.ascontiguousarray(raw).view(f">f{width}").reshape(-1).astype(np.float64)
            good = (probability > 0) & (probability <= 1)
            return _bounded(np.where(good, 1 / np.where(good, probability, 1), 0))
    return None


def _bounded(values: NDArray[Any]) -> NDArray[np.int64]:
    values = np.asarray(values)
    return np.rint(np.clip(values.astype(np.float64), 0, 2**32 - 1)).astype(np.int64)


def speaks_of_sampling(template: Template) -> bool:
    elements = (
        e.SAMPLING_INTERVAL,
        e.SAMPLER_RANDOM_INTERVAL,
        e.SAMPLING_PACKET_INTERVAL,
        e.SAMPLING_SIZE,
        e.SAMPLING_PROBABILITY,
    )
    return any(template.has(element) for element in elements)


@dataclass
class SamplingTable:
    """Interval by exporter, session (with its domain) and selector; a history of (order, interval) each."""

    histories: dict[tuple[int, int, Selector], list[tuple[int, int]]] = field(default_factory=dict)
    remembered: dict[tuple[int, int, Selector], int] = field(default_factory=dict)
    """Intervals of earlier runs; they give way to whatever is announced in this one."""

    sampled_before: set[int] = field(default_factory=set)
    """The exporters of which `remembered` has one above 1."""

    own: dict[int, dict[tuple[int, int, Selector], None]] = field(default_factory=dict)
    """Keys of each exporter, oldest first: who announces without end forgets only its own."""

    def remember(self, exporter: int, domain: int, selector: Selector, interval: int) -> None:
        """Take in what was announced in an earlier run."""
        self.remembered[exporter, domain, selector] = interval
        if interval > 1:
            self.sampled_before.add(exporter)

    def put(self, exporter: int, domain: int, selector: Selector, order: int, interval: int) -> None:
        key = (exporter, domain, selector)
        history = self.histories.setdefault(key, [])
        if not history or history[-1][1] != interval:
            history.append((order, interval))
        own = self.own.setdefault(exporter, {})
        own[key] = None
        if len(own) > MOST_SELECTORS:
            oldest = next(iter(own))
            del own[oldest], self.histories[oldest]

    def forget(self, exporter: int) -> None:
        for key in self.own.pop(exporter, ()):
            del self.histories[key]

    def learn(self, records: Records, exporters: NDArray[Any], domains: NDArray[Any], orders: NDArray[Any]) -> None:
        """Take in options records; arrays of shape (n,) describe the set of each record."""
        intervals = announced_intervals(records)
        if intervals is None:
            return
        places = (
            *(("sampler", n, 0) for n in SAMPLER_IDS),
            ("interface", SCOPE_INTERFACE_V9, SCOPE_V9),
            ("interface", e.INGRESS_INTERFACE, 0),
        )
        kind, ids = next(
            ((k, found) for k, n, pen in places if (found := records.number(n, pen)) is not None), ("", None)
        )
        for i, interval in enumerate(intervals.tolist()):
            selector = DEFAULT if ids is None else (kind, int(ids[i]))
            if interval >= 1:
                self.put(int(exporters[i]), int(domains[i]), selector, int(orders[i]), interval)

    def lookup(self, exporter: int, domain: int, selector: Selector, order: int) -> int | None:
        """The interval in force for a set; the first that was announced later where none came before it."""
        history = self.histories.get((exporter, domain, selector))
        if history is None and selector[0] == "sampler":
            # Some routers announce samplers in one domain and use them in the others.
            own = self.own.get(exporter, {})
            others = {self.histories[key][-1][1] for key in own if key[2] == selector}
            if len(others) == 1:
                return others.pop()
        if not history:
            return self.remembered.get((exporter, domain & DOMAIN_MASK, selector))
        return history[max(bisect_right(history, order, key=lambda entry: entry[0]) - 1, 0)][1]

    def only(self, exporter: int, session: int, *, of_none: bool) -> int | None:
        """The one interval that a session of an exporter announced, for whatever domain; None where there is none, or
        several: another port may be another process, which samples otherwise or not at all.

        Args:
            session: number and domain in one.
            of_none: leave out those of named samplers: the records name sampler 0, which is none.
        """
        own = [key for key in self.own.get(exporter, {}) if key[1] >> SESSION_SHIFT == session >> SESSION_SHIFT]
        found = {self.histories[key][-1][1] for key in own if not of_none or key[2] == DEFAULT}
        return found.pop() if len(found) == 1 else None

    def announced(self, exporter: int) -> bool:
        """Whether an exporter announced that it samples, whatever for."""
        return exporter in self.sampled_before or any(
            self.histories[key][-1][1] > 1 for key in self.own.get(exporter, {})
        )

    def by_interface(self) -> bool:
        """Whether any exporter samples its interfaces differently."""
        return any(s[0] == "interface" for _, _, s in (*self.histories, *self.remembered))

    def changes(self) -> bool:
        """Whether any interval changed within the block."""
        return any(len(history) > 1 for history in self.histories.values())

    def forget_past(self) -> None:
        for key, history in self.histories.items():
            if len(history) > 1:
                self.histories[key] = history[-1:]


def combinations(
    sets: SetTable, owners: NDArray[np.int64], selectors: NDArray[np.int64], in_order: bool
) -> Iterator[tuple[NDArray[np.int64], int, int, int, int]]:
    """Records grouped by what decides their sampling: rows, exporter, domain, order (of the last set), selector."""
    if not len(owners):
        return
    orders = sets.orders if in_order else np.full(len(sets), sets.orders.max())
    keys = np.stack([sets.senders, sets.sessions, orders])
    if (keys == keys[:, :1]).all() and (selectors == selectors[0]).all():
        yield np.arange(len(owners)), *keys[:, 0].tolist(), int(selectors[0])
        return
    _, set_groups = np.unique(keys, axis=1, return_inverse=True)
    _, selector_groups = np.unique(selectors, return_inverse=True)
    for rows in groups(set_groups.reshape(-1)[owners] * (int(selector_groups.max()) + 1) + selector_groups):
        yield rows, *keys[:, owners[rows[0]]].tolist(), int(selectors[rows[0]])


def note_intervals(
    rates: NDArray[np.int64], intervals: NDArray[np.uint32], owners: NDArray[np.int64], messages: NDArray[np.int64]
) -> None:
    """Raise, in place, the largest interval of each datagram to those of its flows.

    Args:
        owners: the datagram of each flow, -1 where it came in an earlier block; shape of `intervals`.
        messages: the datagrams that the flows are from, likewise.
    """
    if not len(intervals):
        return
    if intervals.min() == intervals.max():  # mostly, and then no flow need be looked at
        here = messages[messages >= 0]
        rates[here] = np.maximum(rates[here], int(intervals[0]))
        return
    fresh = owners >= 0
    np.maximum.at(rates, owners[fresh], intervals[fresh].astype(np.int64))
