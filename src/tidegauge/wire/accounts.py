"""What exporters sent and what was lost of it: names, bounds and the ledger, whatever the protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import OTHER_PARTS, FlowBatch, LedgerBuilder, Skipped
from tidegauge.wire.bounds import REASONS, Bounds
from tidegauge.wire.datagrams import SFLOW, V5, V9, Datagrams, Names
from tidegauge.wire.domains import AGENT_SHIFT, Parts, domains_of
from tidegauge.wire.sender_quality import Conduct
from tidegauge.wire.sequence import (
    COUNT_RECORDS,
    COUNTED,
    PART_MASK,
    STREAM_SHIFT,
    SequenceTracker,
    Uptimes,
)
from tidegauge.wire.sessions import Sessions
from tidegauge.wire.sets import SetTable
from tidegauge.wire.tcpexport import IPFIX

ORDINARY_RECORD = 48


@dataclass
class Accounts:
    """What is known of exporters from block to block, and what is told of them.

    Attributes:
        overrides: sampling interval by exporter name, from the site file.
        skipped: what was left out, and why.
        ledger: datagrams, records and losses by exporter, domain and minute of export.
        bounds: what flows that come in live may claim; None: they are taken as they are.
        conduct: what each exporter's datagrams were like since somebody looked and cleared it.
        apart: flows that broke a bound, and which (positions in `bounds.REASONS`); likewise.
        parts, sequences, sessions: the domains of each exporter, their numbers and their ports.
    """

    names: Names = field(default_factory=Names)
    overrides: dict[str, int] = field(default_factory=dict)
    skipped: Skipped = field(default_factory=Skipped)
    ledger: LedgerBuilder = field(default_factory=LedgerBuilder)
    bounds: Bounds | None = None
    conduct: dict[int, Conduct] = field(default_factory=dict)
    apart: list[tuple[FlowBatch, NDArray[np.uint8]]] = field(default_factory=list)
    parts: Parts = field(default_factory=Parts)
    sequences: dict[int, SequenceTracker] = field(
        default_factory=lambda: {
            kind: SequenceTracker(counts_records=kind in (V5, IPFIX), may_count_records=kind != SFLOW)
            for kind in (V5, V9, IPFIX, SFLOW)
        }
    )
    sessions: Sessions = field(default_factory=Sessions)

    def _name(self, position: int) -> str:
        return self.names.names[position] if 0 <= position < len(self.names.names) else f"exporter {position}"

    def _named(self, flows: FlowBatch) -> FlowBatch:
        """Give the batch its exporter names, and the site's sampling intervals instead of the exporter's."""
        flows = FlowBatch(flows.columns, tuple(self.names.names))
        for name, interval in self.overrides.items():
            if name not in flows.exporters:
                continue
            rows = flows["exporter"] == flows.exporters.index(name)
            for column in ("packets", "bytes"):
                flows[column][rows] = flows[column][rows] // flows["sampling"][rows] * np.uint64(interval)
            flows["sampling"][rows] = interval
        return flows

    def _missed(self, sets: SetTable) -> None:
        """Sets that are given up: their records are lost, as many as would fit at an ordinary size. By how much they
        moved numbers that count records is not known, so nor is what was lost besides."""
        about = about_records(sets)
        self.ledger.add(
            exporters=self.names.names, exporter=sets.senders, domain=self._told_apart(sets),
            minute_s=self._minutes_s(sets.export_ms, sets.arrived_us), misses=1,
            lost=about, unfollowed=np.where(sets.versions == IPFIX, about, 0),
        )

    def _behave(self, exporters: NDArray[np.int32], what: str, counted: NDArray[np.bool_]) -> None:
        """Note for each exporter how many of its datagrams are counted as something (a field of `Conduct`)."""
        if self.bounds is None or not counted.any():
            return
        for position, count in enumerate(np.bincount(exporters[counted]).tolist()):
            if count:
                self.conduct.setdefault(position, Conduct()).add(what, count)

    def _bounded(
        self, flows: FlowBatch, arrived_us: NDArray[np.int64], apart: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> FlowBatch:
        """Named flows that hold; others are kept apart.

        Args:
            arrived_us: of each flow's datagram; shape (n,), as `rows`.
            apart: by datagram, how many of its flows were kept apart; added to in place.
            rows: position of each flow's datagram, -1 where it came in an earlier block.
        """
        flows = self._named(flows)
        if self.bounds is None or not len(flows):
            return flows
        codes = self.bounds.check(flows, self.names.names, arrived_us)
        bad = codes > 0
        if not bad.any():
            return flows
        for code, count in enumerate(np.bincount(codes[bad]).tolist()):
            self.skipped.add("flow", REASONS[code], count)
        self.apart.append((flows.take(bad), codes[bad]))
        apart += np.bincount(rows[bad & (rows >= 0)], minlength=len(apart))
        return flows.take(~bad)

    def _minutes_s(self, clock_ms: NDArray[np.int64], arrived_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Minutes of the ledger: by the exporter's clock, by the arrival where that clock cannot be meant."""
        if self.bounds is None:
            return clock_ms // 60_000 * 60
        late_us = arrived_us - clock_ms * 1000
        odd = (late_us > self.bounds.back_s * 1e6) | (late_us < -self.bounds.ahead_s * 1e6)
        return np.where(odd & (arrived_us > 0), arrived_us // 60_000_000 * 60, clock_ms // 60_000 * 60)

    def _told_apart(self, sets: SetTable) -> NDArray[np.int64]:
        """The domain of each set, that of all others where its part is not told apart."""
        known = self.parts.known(sets.senders, sets.domains, sets.arrived_us)
        return np.where(known, sets.domains, OTHER_PARTS)

    def _account(
        self, kind: int, datagrams: Datagrams, clock_ms: NDArray[np.int64], exporters: NDArray[np.int32],
        parts: NDArray[np.int64], sequences: NDArray[np.int64], steps: NDArray[np.int64],
        records: NDArray[np.int64], unsure: NDArray[np.bool_] | None = None,
        more_lost: NDArray[np.int64] | int = 0, templates: NDArray[np.int64] | None = None,
        uptimes: Uptimes | None = None, sets: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None, *,
        sampling: NDArray[np.int64], **more: Any,
    ) -> None:
        """Ledger rows of a block, by the clock that its flows have. Parts beyond the bound are counted together,
        without their sequence."""
        for name in self.overrides.keys() & set(self.names.names):
            sampling = np.where(exporters == self.names.position(name), self.overrides[name], sampling)
        minutes_s = self._minutes_s(clock_ms, datagrams.arrived_us)
        known = self.parts.known(exporters, parts, datagrams.arrived_us)
        own = slice(None) if known.all() else known
        numbers = self.sessions.numbers(datagrams.senders, datagrams.ports, datagrams.arrived_us)
        streams = parts | numbers << STREAM_SHIFT
        found = self.sequences[kind].follow(
            exporters[own], streams[own], sequences[own], steps[own], records[own], minutes_s[own],
            None if unsure is None else unsure[own], None if templates is None else templates[own],
            parts[own], (parts | datagrams.ports << STREAM_SHIFT)[own], None if uptimes is None else uptimes.take(own),
            None if sets is None else (sets[0][own], sets[1][own]),
        )
        lost, overtaken, restarted, unknown, counts = (np.zeros(len(parts), dtype=np.int64) for _ in range(5))
        lost[own], overtaken[own], restarted[own], unknown[own], counts[own] = (
            found.lost, found.overtaken, found.restarted, found.unknown, COUNTED[kind][found.rules]
        )
        if kind == IPFIX:  # what was cut off its messages shows already in numbers that count records
            by_number = np.zeros(len(parts), dtype=bool)
            by_number[own] = np.isin(found.rules, COUNT_RECORDS)
            more_lost = np.where(by_number, 0, more_lost)
        if self.bounds is not None:
            for position in np.unique(exporters).tolist():
                mine = exporters == position
                conduct = self.conduct.setdefault(position, Conduct())
                conduct.add("restarts", int(restarted[mine].sum()))
                conduct.add("lost", int(lost[mine].sum()))
                conduct.add("records", int(records[mine].sum()))
        shown = parts if known.all() else np.where(known, parts, OTHER_PARTS)
        for agent in np.unique(shown >> AGENT_SHIFT).tolist():
            mine = shown >> AGENT_SHIFT == agent
            self.ledger.add(
                exporters=self.names.names, exporter=exporters[mine], agent=self.parts.agents[agent],
                domain=domains_of(shown[mine]), minute_s=minutes_s[mine], datagrams=1, records=records[mine],
                lost=(lost + more_lost)[mine], overtaken=overtaken[mine], restarts=restarted[mine],
                unfollowed=(unknown * records)[mine], counts=counts[mine], sampling=sampling[mine],
                **{name: column[mine] for name, column in more.items()},
            )
        for exporter, part, minute_s, units in found.credits:
            self.ledger.add(
                exporters=self.names.names, exporter=np.array([exporter], dtype=np.int32),
                agent=self.parts.name(part & PART_MASK), domain=part & OTHER_PARTS, minute_s=np.array([minute_s]),
                lost=np.array([-units]),
            )


def about_records(sets: SetTable) -> NDArray[np.int64]:
    """How many records of an ordinary size each set holds, where they cannot be read."""
    return np.asarray(np.maximum(sets.lengths // ORDINARY_RECORD, 1))


def records_cut(
    cut_bytes: NDArray[np.int64], told: NDArray[np.int64], sets: SetTable, records: NDArray[np.int64]
) -> NDArray[np.int64]:
    """About how many records were in the bytes that were cut off each message, by the size of those that are there.

    Args:
        told: how many are missing by the header, which not all exporters fill alike; taken where it is about as many.
    """
    if not cut_bytes.any():
        return cut_bytes
    data = sets.ids >= 256
    held = np.bincount(sets.messages[data], weights=sets.lengths[data], minlength=len(cut_bytes))
    size = np.where(records > 0, held / np.maximum(records, 1), ORDINARY_RECORD)
    about = np.ceil(cut_bytes / np.maximum(size, 1)).astype(np.int64)
    return np.where((told > 0) & (about > 0) & (np.abs(told - about) <= about // 2 + 1), told, about)


def delays_s(
    ends_us: NDArray[np.int64], owner: NDArray[np.int64], arrived_us: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How long after its end the latest flow of each datagram arrived; NaN where there is none or no clock."""
    first_end = np.full(len(arrived_us), np.iinfo(np.int64).max)
    np.minimum.at(first_end, owner, ends_us)
    known = (arrived_us > 0) & (first_end != np.iinfo(np.int64).max)
    return np.where(known, (arrived_us - np.where(known, first_end, 0)) / 1e6, np.nan)
