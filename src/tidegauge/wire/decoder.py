"""All flow export protocols behind one door: datagrams in, flows and coverage rows out, state kept between blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, LedgerBuilder, Skipped
from tidegauge.wire.datagrams import IPFIX, SFLOW, V5, V9, Datagrams, Names, protocols
from tidegauge.wire.fields import describes_flows, flows_of
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
from tidegauge.wire.sequence import SequenceTracker
from tidegauge.wire.sets import Heads, SetTable, read_heads, walk_sets
from tidegauge.wire.sflow import decode_sflow, read_headers
from tidegauge.wire.templates import Field, Key, Template, TemplateStore, parse_templates

MOST_PENDING_BYTES = 32 << 20
"""Data sets that wait for their template, in all; the oldest go first."""
UPTIME_WRAP_MS = 1 << 32
RESTART_MS = 60_000


@dataclass
class Decoder:
    """Decodes datagrams of any exporters and protocols.

    Attributes:
        overrides: sampling interval by exporter name, from the site file.
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
    datagrams: int = 0
    _sequences: dict[int, SequenceTracker] = field(
        default_factory=lambda: {kind: SequenceTracker() for kind in (V5, V9, IPFIX, SFLOW)}
    )
    _drops: dict[tuple[int, int], int] = field(default_factory=dict)
    _boots: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    _pending: list[SetTable] = field(default_factory=list)
    _order: int = 0

    def decode(self, datagrams: Datagrams) -> Iterator[FlowBatch]:
        """Flows of a block of datagrams, with those of earlier blocks whose template came now."""
        kinds = protocols(datagrams)
        self.skipped.add("datagram", "not NetFlow v5, v9, IPFIX or sFlow v5", int((kinds == 0).sum()))
        self.datagrams += int((kinds > 0).sum())
        for kind, decode in ((V5, self._decode_v5), (SFLOW, self._decode_sflow)):
            if (chosen := kinds == kind).any():
                yield decode(datagrams.take(chosen))
        if (chosen := (kinds == V9) | (kinds == IPFIX)).any():
            yield from self._decode_sets(datagrams.take(chosen), kinds[chosen])

    def finish(self) -> Iterator[FlowBatch]:
        """Flows of data whose template never came but is known from before; the rest is counted as lost."""
        if not self._pending:
            return
        table = SetTable.concat(self._pending)
        self._pending = []
        for key, rows in _by_key(table):
            template = self.templates.expired.get(key) or self.remembered.at(key, np.inf)
            if template is None or (table.lengths[rows] % template.size > 3).any():
                self.skipped.add("data set", f"no template {key[2]} came from {self._name(key[0])}", len(rows))
            elif not template.options:
                yield from self._flows(template, table.take(rows), None, wait=False)

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

    def _account(
        self, kind: int, clock_ms: NDArray[np.int64], exporters: NDArray[np.int32], domains: NDArray[np.int64],
        sequences: NDArray[np.int64], counts: NDArray[np.int64], records: NDArray[np.int64], **more: Any,
    ) -> None:  # fmt: skip
        """Ledger rows of a block, by the exporter's clock as the flows are.

        Losses are in records, from the mean records a datagram where the protocol numbers datagrams.
        """
        by_record = kind in (V5, IPFIX)
        steps = counts if by_record else np.ones(len(counts), dtype=np.int64)
        lost = self._sequences[kind].lost(exporters, domains, sequences, steps)
        if not by_record and lost.any():
            lost = np.rint(lost * max(float(counts.mean()), 1.0)).astype(np.int64)
        self._add_losses(clock_ms, exporters, domains, lost, records, **more)

    def _add_losses(
        self, clock_ms: NDArray[np.int64], exporters: NDArray[np.int32], domains: NDArray[np.int64],
        lost: NDArray[np.int64], records: NDArray[np.int64], **more: Any,
    ) -> None:  # fmt: skip
        # A datagram that came late takes back a loss that was counted before, at most what the minute has.
        minutes = clock_ms // 60_000
        if (lost < 0).any():
            keys = (minutes << 40) ^ (domains << 16) ^ exporters
            _, group = np.unique(keys, return_inverse=True)
            total = np.maximum(np.bincount(group, weights=lost), 0)
            first = np.zeros(len(lost), dtype=np.int64)
            _, index = np.unique(group, return_index=True)
            first[index] = total.astype(np.int64)
            lost = first
        self.ledger.add(
            exporters=self.names.names, exporter=exporters, domain=domains, minute_s=minutes * 60,
            datagrams=1, records=records, lost=lost, **more,
        )  # fmt: skip

    def _decode_v5(self, datagrams: Datagrams) -> FlowBatch:
        flows, owner, heads = decode_v5(datagrams, self.skipped)
        self._account(
            V5, heads["export_ms"], datagrams.senders, heads["domain"], heads["sequence"], heads["count"],
            np.bincount(owner, minlength=len(datagrams)), sampling=heads["sampling"],
            skew_s=_skew_s(heads["export_ms"], datagrams),
        )  # fmt: skip
        return self._named(flows)

    def _decode_sflow(self, datagrams: Datagrams) -> FlowBatch:
        headers = read_headers(datagrams, self.names)
        flows, owner, drops = decode_sflow(datagrams, headers, self.skipped)
        records = np.bincount(owner, minlength=len(datagrams))
        rates = np.zeros(len(datagrams), dtype=np.int64)
        np.maximum.at(rates, owner, flows["sampling"].astype(np.int64))
        lost = self._sequences[SFLOW].lost(
            headers.agents, headers.domains, headers.sequences, np.ones(len(datagrams), dtype=np.int64)
        )
        lost = np.rint(lost * max(float(headers.counts.mean()), 1.0)).astype(np.int64)
        lost += self._newly_dropped(headers.agents, headers.domains, drops)
        self._add_losses(datagrams.arrived_us // 1000, headers.agents, headers.domains, lost, records, sampling=rates)
        return self._named(flows)

    def _newly_dropped(
        self, agents: NDArray[np.int32], domains: NDArray[np.int64], drops: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Samples that agents say they dropped since the datagram before; the counter is cumulative."""
        new = np.zeros(len(drops), dtype=np.int64)
        for i in np.flatnonzero(drops > 0).tolist():
            key = (int(agents[i]), int(domains[i]))
            before = self._drops.get(key, int(drops[i]))
            new[i] = max(int(drops[i]) - before, 0)
            self._drops[key] = int(drops[i])
        return new

    def _decode_sets(self, datagrams: Datagrams, kinds: NDArray[np.int64]) -> Iterator[FlowBatch]:
        heads = read_heads(datagrams, kinds)
        fresh = walk_sets(datagrams, kinds, heads, self._order, self.skipped)
        self._order += len(fresh) + 1
        self._notice_restarts(fresh, heads, datagrams)
        self._learn_templates(fresh)
        table = SetTable.concat([*self._pending, fresh]) if self._pending else fresh
        self._pending = []
        work = self._assign(table.take(table.ids >= 256))
        records = np.zeros(len(datagrams), dtype=np.int64)
        optional = np.zeros(len(datagrams), dtype=np.int64)
        for template, sets in work:
            if template.options:
                found = read_records(template, sets)
                own = sets.messages[found.owners]
                np.add.at(optional, own[own >= 0], 1)
                self._learn_options(found, sets)
        for template, sets in work:
            if not template.options:
                yield from self._flows(template, sets, records, wait=True)
        seen = records + optional
        for kind in (V9, IPFIX):
            chosen = kinds == kind
            if chosen.any():
                counts = np.where(kinds == V9, heads.counts, seen)[chosen]
                self._account(
                    kind, heads.export_ms[chosen], datagrams.senders[chosen], heads.domains[chosen],
                    heads.sequences[chosen], counts, records[chosen],
                    skew_s=_skew_s(heads.export_ms[chosen], datagrams.take(chosen)),
                )  # fmt: skip
        self.templates.forget_past()
        self.sampling.forget_past()

    def _notice_restarts(self, table: SetTable, heads: Heads, datagrams: Datagrams) -> None:
        """An exporter whose boot time jumps ahead while its sequence falls has restarted: its templates are void."""
        boots = np.where(heads.uptime_ms > 0, heads.export_ms - heads.uptime_ms, -1)
        streams = heads.domains << 16 | datagrams.senders
        for stream in np.unique(streams[boots >= 0]).tolist():
            rows = np.flatnonzero((streams == stream) & (boots >= 0))
            key = (int(datagrams.senders[rows[0]]), int(heads.domains[rows[0]]))
            before = self._boots.get(key, (int(boots[rows[0]]), int(heads.sequences[rows[0]])))
            jumps = np.diff(np.r_[before[0], boots[rows]])
            falls = np.diff(np.r_[before[1], heads.sequences[rows]]) < 0
            wrapped = np.abs(jumps - UPTIME_WRAP_MS) < RESTART_MS
            for row in rows[(jumps > RESTART_MS) & falls & ~wrapped].tolist():
                sets = np.flatnonzero(table.messages >= row)
                order = table.orders[sets[0]] if len(sets) else self._order
                self.templates.expire_stream(*key, float(order) - 0.5)
            self._boots[key] = (int(boots[rows[-1]]), int(heads.sequences[rows[-1]]))

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
        self.skipped.add("data set", "waited for a template too long", int((~kept).sum()))
        sets = sets.take(kept).compact()
        sets.messages[:] = -1
        self._pending.append(sets)

    def _learn_options(self, records: Records, sets: SetTable) -> None:
        if speaks_of_sampling(records.template):
            owners = records.owners
            self.sampling.learn(records, sets.senders[owners], sets.domains[owners], sets.orders[owners])

    def _flows(
        self, template: Template, sets: SetTable, counted: NDArray[np.int64] | None, *, wait: bool
    ) -> Iterator[FlowBatch]:
        """Flows of sets that follow one template; sets whose sampler is not known yet are kept where `wait`."""
        records = read_records(template, sets)
        intervals = self._intervals(records, sets)
        unknown = intervals == 0
        if unknown.any():
            if wait:
                rows = np.unique(records.owners[unknown])
                self._keep(sets.take(rows))
                rest = np.setdiff1d(np.arange(len(sets)), rows)
                if len(rest):
                    yield from self._flows(template, sets.take(rest), counted, wait=False)
                return
            self.skipped.add("sampler", "never announced, its flows count as unsampled", int(unknown.sum()))
            intervals = np.maximum(intervals, 1)
        flows, _ = flows_of(records, sets, intervals)
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
        yield self._named(flows)

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

    def state(self) -> dict[str, Any]:
        """Templates and sampling in force, as JSON, for the next run."""
        names = self.names.names
        templates = [
            [names[e], d, i, t.options, [[f.element, f.length, f.enterprise] for f in t.fields]]
            for (e, d, i), history in self.templates.histories.items()
            if (t := history[-1][1]) is not None
        ]
        sampling = [[names[e], d, s[0], s[1], history[-1][1]] for (e, d, s), history in self.sampling.histories.items()]
        return {"templates": templates, "sampling": sampling}

    def remember(self, state: dict[str, Any]) -> None:
        """Take in the state of an earlier run. Its templates serve only data whose template does not come anew."""
        for name, domain, template_id, options, fields in state.get("templates", []):
            key: Key = (self.names.position(name), domain, template_id)
            self.remembered.put(key, -1.0, Template(tuple(Field(*f) for f in fields), options), Skipped())
        for name, domain, kind, selector, interval in state.get("sampling", []):
            self.sampling.remembered[self.names.position(name), domain, (kind, selector)] = interval


def _skew_s(export_ms: NDArray[np.int64], datagrams: Datagrams) -> NDArray[np.float64]:
    """The exporter's clock minus the arrival; NaN where the capture has no clock of its own."""
    arrived = datagrams.arrived_us / 1e6
    return np.where(arrived > 0, export_ms / 1000 - arrived, np.nan)


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
    groups = set_groups.reshape(-1)[owners] * (int(selector_groups.max()) + 1) + selector_groups
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(groups[order]) != 0])
    for start, end in zip(starts, np.r_[starts[1:], len(order)], strict=True):
        rows = order[start:end]
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
