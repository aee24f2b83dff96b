"""All flow export protocols behind one door: datagrams in, flows and coverage rows out, state kept between blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, LedgerBuilder, Skipped
from tidegauge.wire.clocks import Clocks
from tidegauge.wire.datagrams import IPFIX, SFLOW, V5, V9, Datagrams, Names, protocols
from tidegauge.wire.fields import describes_flows, flows_of
from tidegauge.wire.grouping import groups
from tidegauge.wire.netflow5 import decode_v5
from tidegauge.wire.records import Records, read_records
from tidegauge.wire.sampling import (
    DEFAULT,
    INGRESS_INTERFACE,
    SAMPLER_IDS,
    SamplingTable,
    announced_intervals,
    speaks_of_sampling,
)
from tidegauge.wire.sequence import Recent, SequenceTracker
from tidegauge.wire.sets import Heads, SetTable, read_heads, walk_sets
from tidegauge.wire.sflow import decode_sflow, read_headers
from tidegauge.wire.templates import Key, Template, TemplateStore, parse_templates

MOST_PENDING_BYTES = 32 << 20
"""Data sets that wait for their template, in all; the oldest go first."""
MOST_STREAMS = 1 << 16
"""Exporters' domains of which something is remembered; the oldest go when somebody sends more."""
ORDINARY_RECORD = 48
UPTIME_WRAP_MS = 1 << 32
RESTART_MS = 60_000


@dataclass
class Decoder:
    """Decodes datagrams of any exporters and protocols.

    Attributes:
        overrides: sampling interval by exporter name, from the site file.
        sequences, clocks, drops, boots: what is known of each exporter, from block to block.
        pending: data sets that wait for their template or sampler.
        skipped: what was left out, and why.
        ledger: datagrams, records and losses by exporter, domain and minute of export.
    """

    names: Names = field(default_factory=Names)
    overrides: dict[str, int] = field(default_factory=dict)
    skipped: Skipped = field(default_factory=Skipped)
    ledger: LedgerBuilder = field(default_factory=LedgerBuilder)
    templates: TemplateStore = field(default_factory=TemplateStore)
    sampling: SamplingTable = field(default_factory=SamplingTable)
    remembered: TemplateStore = field(default_factory=TemplateStore)
    """Templates of earlier runs: used at the end, for data whose template never came in this one."""
    live: bool = False
    """Datagrams carry our own time of arrival: an exporter's clock that is off is set right by it."""
    datagrams: int = 0
    sequences: dict[int, SequenceTracker] = field(
        default_factory=lambda: {
            kind: SequenceTracker(counts_records=kind in (V5, IPFIX)) for kind in (V5, V9, IPFIX, SFLOW)
        }
    )
    _recent: Recent = field(default_factory=Recent)
    clocks: Clocks = field(default_factory=Clocks)
    drops: dict[tuple[int, int], int] = field(default_factory=dict)
    boots: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    pending: list[SetTable] = field(default_factory=list)
    order: int = 0

    def new_capture(self) -> None:
        """Another capture begins: the same datagram in it is another sighting, not a duplicate."""
        self._recent = Recent()

    def decode(self, datagrams: Datagrams) -> Iterator[FlowBatch]:
        """Flows of a block of datagrams, with those of earlier blocks whose template came now."""
        kinds = protocols(datagrams)
        self.skipped.add("datagram", "not NetFlow v5, v9, IPFIX or sFlow v5", int((kinds == 0).sum()))
        self.datagrams += int((kinds > 0).sum())
        again = self._recent.seen_before(datagrams) & (kinds > 0)
        if again.any():
            self.skipped.add("datagram", "came twice", int(again.sum()))
            self.ledger.add(
                exporters=self.names.names, exporter=datagrams.senders[again], duplicates=1,
                minute_s=datagrams.arrived_us[again] // 1_000_000,
            )  # fmt: skip
            datagrams, kinds = datagrams.take(~again), kinds[~again]
        for kind, decode in ((V5, self._decode_v5), (SFLOW, self._decode_sflow)):
            if (chosen := kinds == kind).any():
                yield decode(datagrams.take(chosen))
        if (chosen := (kinds == V9) | (kinds == IPFIX)).any():
            yield from self._decode_sets(datagrams.take(chosen), kinds[chosen])
        remembered: list[dict[Any, Any]] = [self.drops, self.boots, *(t.streams for t in self.sequences.values())]
        for known in remembered:
            while len(known) > MOST_STREAMS:
                known.pop(next(iter(known)))

    def finish(self) -> Iterator[FlowBatch]:
        """Flows of data whose template never came but is known from before; the rest is counted as lost."""
        if not self.pending:
            return
        table = SetTable.concat(self.pending)
        self.pending = []
        for key, rows in _by_key(table):
            template = self.templates.expired.get(key) or self.remembered.at(key, np.inf)
            if template is None or (table.lengths[rows] % template.size > 3).any():
                self._missed(table.take(rows), f"no template {key[2]} came from {self._name(key[0])}")
            elif not template.options:
                for flows, _ in self._flows(template, table.take(rows), None, wait=False):
                    yield self._named(flows)

    def give_up(self, before_us: int) -> None:
        """Count data that have waited for their template since before a time as lost."""
        kept = []
        for sets in self.pending:
            old = sets.arrived_us < before_us
            if old.any():
                self._missed(sets.take(old), "waited for a template too long")
            if not old.all():
                kept.append(sets.take(~old))
        self.pending = kept

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

    def _missed(self, sets: SetTable, why: str) -> None:
        """Sets that are given up: their records are lost, as many as would fit at an ordinary size."""
        self.skipped.add("data set", why, len(sets))
        self.ledger.add(
            exporters=self.names.names, exporter=sets.senders, domain=sets.domains, minute_s=sets.export_ms // 1000,
            misses=1, lost=np.maximum(sets.lengths // ORDINARY_RECORD, 1),
        )  # fmt: skip

    def _account(
        self, kind: int, clock_ms: NDArray[np.int64], exporters: NDArray[np.int32], domains: NDArray[np.int64],
        sequences: NDArray[np.int64], steps: NDArray[np.int64], records: NDArray[np.int64],
        unsure: NDArray[np.bool_] | None = None, more_lost: NDArray[np.int64] | int = 0, **more: Any,
    ) -> None:  # fmt: skip
        """Ledger rows of a block, by the clock that its flows have."""
        minutes_s = clock_ms // 60_000 * 60
        found = self.sequences[kind].follow(exporters, domains, sequences, steps, records, minutes_s, unsure)
        self.ledger.add(
            exporters=self.names.names, exporter=exporters, domain=domains, minute_s=minutes_s, datagrams=1,
            records=records, lost=found.lost + more_lost, overtaken=found.overtaken, restarts=found.restarted, **more,
        )  # fmt: skip
        if found.credits:
            exporter, domain, minute_s, units = (np.array(c, dtype=np.int64) for c in zip(*found.credits, strict=True))
            self.ledger.add(
                exporters=self.names.names, exporter=exporter.astype(np.int32), domain=domain, minute_s=minute_s,
                lost=-units,
            )  # fmt: skip

    def _decode_v5(self, datagrams: Datagrams) -> FlowBatch:
        flows, owner, heads = decode_v5(datagrams, self.skipped)
        skew_s, shift_ms = self.clocks.read(heads["export_ms"], datagrams, correct=self.live)
        flows = flows.shifted(shift_ms[owner] * 1000)
        self._account(
            V5, heads["export_ms"] - shift_ms, datagrams.senders, heads["domain"], heads["sequence"], heads["count"],
            np.bincount(owner, minlength=len(datagrams)), sampling=heads["sampling"], skew_s=skew_s,
            delay_s=_delay_s(flows["time_end"], owner, datagrams.arrived_us),
        )  # fmt: skip
        return self._named(flows)

    def _decode_sflow(self, datagrams: Datagrams) -> FlowBatch:
        headers = read_headers(datagrams, self.names)
        flows, owner, drops = decode_sflow(datagrams, headers, self.skipped)
        rates = np.zeros(len(datagrams), dtype=np.int64)
        np.maximum.at(rates, owner, flows["sampling"].astype(np.int64))
        self._account(
            SFLOW, datagrams.arrived_us // 1000, headers.agents, headers.domains, headers.sequences,
            np.ones(len(datagrams), dtype=np.int64), np.bincount(owner, minlength=len(datagrams)),
            more_lost=self._newly_dropped(headers.agents, headers.domains, drops), sampling=rates,
        )  # fmt: skip
        return self._named(flows)

    def _newly_dropped(
        self, agents: NDArray[np.int32], domains: NDArray[np.int64], drops: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Samples that agents say they dropped since the datagram before; the counter is cumulative."""
        new = np.zeros(len(drops), dtype=np.int64)
        for i in np.flatnonzero(drops > 0).tolist():
            key = (int(agents[i]), int(domains[i]))
            before = self.drops.get(key, int(drops[i]))
            new[i] = max(int(drops[i]) - before, 0)
            self.drops[key] = int(drops[i])
        return new

    def _decode_sets(self, datagrams: Datagrams, kinds: NDArray[np.int64]) -> Iterator[FlowBatch]:
        heads = read_heads(datagrams, kinds)
        skew_s, shift_ms = self.clocks.read(heads.export_ms, datagrams, correct=self.live)
        heads = replace(heads, export_ms=heads.export_ms - shift_ms)
        fresh = walk_sets(datagrams, kinds, heads, shift_ms, self.order, self.skipped)
        self.order += len(fresh) + 1
        self._notice_restarts(fresh, heads, datagrams)
        self._learn_templates(fresh)
        table = SetTable.concat([*self.pending, fresh]) if self.pending else fresh
        self.pending = []
        work = self._assign(table.take(table.ids >= 256))
        records = np.zeros(len(datagrams), dtype=np.int64)
        optional = np.zeros(len(datagrams), dtype=np.int64)
        for template, sets in work:
            if template.options:
                found = read_records(template, sets)
                own = sets.messages[found.owners]
                np.add.at(optional, own[own >= 0], 1)
                self._learn_options(found, sets)
        delay_s = np.full(len(datagrams), np.nan)
        for template, sets in work:
            if not template.options:
                for flows, owner in self._flows(template, sets, records, wait=True):
                    rows = sets.messages[owner]
                    fresh_rows = rows >= 0
                    late = _delay_s(flows["time_end"][fresh_rows], rows[fresh_rows], datagrams.arrived_us)
                    delay_s = np.fmax(delay_s, late)
                    yield self._named(flows)
        unsure = np.zeros(len(datagrams), dtype=bool)
        for kept in self.pending:
            unsure[kept.waiting[kept.waiting >= 0]] = True
            kept.waiting[:] = -1
        for kind in (V9, IPFIX):
            chosen = kinds == kind
            if chosen.any():
                steps = np.where(kinds == V9, 1, records + optional)[chosen]
                self._account(
                    kind, heads.export_ms[chosen], datagrams.senders[chosen], heads.domains[chosen],
                    heads.sequences[chosen], steps, records[chosen], unsure[chosen] & (kind == IPFIX),
                    skew_s=skew_s[chosen], delay_s=delay_s[chosen],
                )  # fmt: skip
        self.templates.forget_past()
        self.sampling.forget_past()

    def _notice_restarts(self, table: SetTable, heads: Heads, datagrams: Datagrams) -> None:
        """An exporter whose boot time jumps ahead while its sequence falls has restarted: its templates are void."""
        boots = np.where(heads.uptime_ms > 0, heads.export_ms - heads.uptime_ms, -1)
        streams = heads.domains << 16 | datagrams.senders
        told = np.flatnonzero(boots >= 0)
        for rows in (told[own] for own in groups(streams[told])):
            key = (int(datagrams.senders[rows[0]]), int(heads.domains[rows[0]]))
            before = self.boots.get(key, (int(boots[rows[0]]), int(heads.sequences[rows[0]])))
            jumps = np.diff(np.r_[before[0], boots[rows]])
            falls = np.diff(np.r_[before[1], heads.sequences[rows]]) < 0
            wrapped = np.abs(jumps - UPTIME_WRAP_MS) < RESTART_MS
            for row in rows[(jumps > RESTART_MS) & falls & ~wrapped].tolist():
                sets = np.flatnonzero(table.messages >= row)
                place = table.orders[sets[0]] if len(sets) else self.order
                self.templates.expire_stream(*key, float(place) - 0.5)
            self.boots[key] = (int(boots[rows[-1]]), int(heads.sequences[rows[-1]]))

    def _learn_templates(self, table: SetTable) -> None:
        version = np.where(table.versions == V9, 9, 10)
        definitions = ((version == 9) & (table.ids <= 1)) | ((version == 10) & ((table.ids == 2) | (table.ids == 3)))
        unknown = (table.ids < 256) & ~definitions
        self.skipped.add("set", "reserved set id", int(unknown.sum()))
        for i in np.flatnonzero(definitions).tolist():
            options = bool(table.ids[i] & 1)
            exporter, domain, order = int(table.senders[i]), int(table.domains[i]), float(table.orders[i])
            parsed = parse_templates(table.body(i), version=int(version[i]), options=options, skipped=self.skipped)
            for template_id, template in parsed:
                if template is None:
                    self._withdraw(exporter, domain, template_id, order)
                else:
                    self.templates.put((exporter, domain, template_id), order, template, self.skipped)

    def _withdraw(self, exporter: int, domain: int, template_id: int, order: float) -> None:
        if template_id in (2, 3):  # all templates, or all options templates (RFC 7011 8.1)
            self.templates.expire_stream(exporter, domain, order)
        else:
            self.templates.expire((exporter, domain, template_id), order)

    def _assign(self, table: SetTable) -> list[tuple[Template, SetTable]]:
        """Data sets with their templates, in the order of first use; those without one are kept for later."""
        work: list[tuple[int, Template, NDArray[np.int64]]] = []
        waiting: list[NDArray[np.int64]] = []
        for key, rows in _by_key(table):
            history = self.templates.histories.get(key)
            if not history:
                waiting.append(rows)
                continue
            epochs = np.searchsorted([order for order, _ in history], table.orders[rows], side="right")
            for epoch in np.unique(epochs):
                chosen = rows[epochs == epoch]
                template = self.templates.at(key, float(table.orders[chosen[0]]))
                if template is None:
                    waiting.append(chosen)
                elif not template.options and not describes_flows(template):
                    count = int((table.lengths[chosen] // template.size).sum())
                    self.skipped.add("record", "its template has no addresses", count)
                else:
                    work.append((int(table.orders[chosen[0]]), template, chosen))
        if waiting:
            self._keep(table.take(np.sort(np.concatenate(waiting))))
        work.sort(key=lambda item: item[0])
        return [(template, table.take(rows)) for _, template, rows in work]

    def _keep(self, sets: SetTable) -> None:
        """Keep sets for a later block, the newest where there are too many."""
        newest_first = np.cumsum(sets.lengths[::-1] + 128)[::-1]
        kept = newest_first <= MOST_PENDING_BYTES
        if not kept.all():
            self._missed(sets.take(~kept), "waited for a template too long")
        sets = sets.take(kept).compact()
        sets.waiting[:] = sets.messages
        sets.messages[:] = -1
        self.pending.append(sets)

    def _learn_options(self, records: Records, sets: SetTable) -> None:
        if speaks_of_sampling(records.template):
            owners = records.owners
            self.sampling.learn(records, sets.senders[owners], sets.domains[owners], sets.orders[owners])

    def _flows(
        self, template: Template, sets: SetTable, counted: NDArray[np.int64] | None, *, wait: bool
    ) -> Iterator[tuple[FlowBatch, NDArray[np.int64]]]:
        """Flows of sets that follow one template, and for each its row of `sets`; sets whose sampler is not known
        yet are kept where `wait`."""
        records = read_records(template, sets)
        intervals = self._intervals(records, sets)
        unknown = intervals == 0
        if unknown.any():
            if wait:
                rows = np.unique(records.owners[unknown])
                self._keep(sets.take(rows))
                rest = np.setdiff1d(np.arange(len(sets)), rows)
                if len(rest):
                    for flows, owner in self._flows(template, sets.take(rest), counted, wait=False):
                        yield flows, rest[owner]
                return
            self.skipped.add("sampler", "never announced, its flows count as unsampled", int(unknown.sum()))
            intervals = np.maximum(intervals, 1)
        flows, owner = flows_of(records, sets, intervals)
        if len(flows) < len(records.owners):
            self.skipped.add("record", "its packet section holds no IP header", len(records.owners) - len(flows))
        if counted is not None:
            messages = sets.messages[records.owners]
            np.add.at(counted, messages[messages >= 0], 1)
            late = messages < 0
        else:
            late = np.ones(len(records.owners), dtype=bool)
        if late.any():
            rows = records.owners[late]
            self.ledger.add(
                exporters=self.names.names, exporter=sets.senders[rows], domain=sets.domains[rows],
                minute_s=sets.export_ms[rows] // 1000, records=1,
            )  # fmt: skip
        yield flows, owner

    def _intervals(self, records: Records, sets: SetTable) -> NDArray[np.int64]:
        """The sampling interval of each record: its own, its sampler's, its interface's, the exporter's, else 1.

        0 where it names a sampler that is not known.
        """
        own = announced_intervals(records)
        if own is not None and (own > 0).all():
            return own
        owners = records.owners
        kind, selectors = "", np.zeros(len(owners), dtype=np.int64)
        samplers = next((found for e in SAMPLER_IDS if (found := records.number(e)) is not None), None)
        interfaces = records.number(INGRESS_INTERFACE)
        if samplers is not None:
            kind, selectors = (
                "sampler",
                np.minimum(samplers.astype(np.uint64), np.uint64(2**40)).astype(np.int64),
            )
        elif interfaces is not None and self.sampling.by_interface():
            kind, selectors = "interface", interfaces.astype(np.int64)
        found = np.ones(len(owners), dtype=np.int64)
        for rows, exporter, domain, order, selector in _combinations(sets, owners, selectors, self.sampling.changes()):
            interval = self.sampling.lookup(exporter, domain, (kind, selector), order) if kind else None
            interval = interval or self.sampling.lookup(exporter, domain, DEFAULT, order)
            waits = kind == "sampler" and selector != 0 and self._name(exporter) not in self.overrides
            found[rows] = interval or (0 if waits else 1)
        return found if own is None else np.where(own > 0, own, found)


def _delay_s(
    ends_us: NDArray[np.int64], owner: NDArray[np.int64], arrived_us: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How long after its end the latest flow of each datagram arrived; NaN where there is none or no clock."""
    first_end = np.full(len(arrived_us), np.iinfo(np.int64).max)
    np.minimum.at(first_end, owner, ends_us)
    known = (arrived_us > 0) & (first_end != np.iinfo(np.int64).max)
    return np.where(known, (arrived_us - np.where(known, first_end, 0)) / 1e6, np.nan)


def _combinations(
    sets: SetTable, owners: NDArray[np.int64], selectors: NDArray[np.int64], in_order: bool
) -> Iterator[tuple[NDArray[np.int64], int, int, int, int]]:
    """Records grouped by what decides their sampling: rows, exporter, domain, order (of the last set), selector."""
    if not len(owners):
        return
    orders = sets.orders if in_order else np.full(len(sets), sets.orders.max())
    keys = np.stack([sets.senders, sets.domains, orders])
    if (keys == keys[:, :1]).all() and (selectors == selectors[0]).all():
        yield np.arange(len(owners)), *keys[:, 0].tolist(), int(selectors[0])
        return
    _, set_groups = np.unique(keys, axis=1, return_inverse=True)
    _, selector_groups = np.unique(selectors, return_inverse=True)
    for rows in groups(set_groups.reshape(-1)[owners] * (int(selector_groups.max()) + 1) + selector_groups):
        yield rows, *keys[:, owners[rows[0]]].tolist(), int(selectors[rows[0]])


def _by_key(table: SetTable) -> Iterator[tuple[Key, NDArray[np.int64]]]:
    """Rows of each exporter, domain and template id, in order."""
    if not len(table):
        return
    order = np.lexsort((table.orders, table.ids, table.domains, table.senders))
    columns = np.stack([table.senders[order], table.domains[order], table.ids[order]])
    starts = np.flatnonzero(np.r_[True, (np.diff(columns) != 0).any(axis=0)])
    for start, end in zip(starts, np.r_[starts[1:], len(order)], strict=True):
        sender, domain, template_id = columns[:, start].tolist()
        yield (sender, domain, template_id), order[start:end]
