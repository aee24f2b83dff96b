"""NetFlow v9 and IPFIX: sets to flows by their templates, which may come later or from an earlier run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import FlowBatch
from tidegauge.wire import elements as e
from tidegauge.wire.accounts import Accounts, about_records, delays_s, records_cut
from tidegauge.wire.clocks import Clocks
from tidegauge.wire.connections import Connections
from tidegauge.wire.counters import Reading, counts_traffic, is_of_firewall
from tidegauge.wire.datagrams import V9, Datagrams
from tidegauge.wire.grouping import fair_share, groups
from tidegauge.wire.information_elements import describes_flows, describes_packets, flows_of
from tidegauge.wire.likelihood import cut_at_end, fills, likely, misfits
from tidegauge.wire.lines import UNADDRESSED
from tidegauge.wire.records import Records, read_records
from tidegauge.wire.sampling import (
    DEFAULT,
    NEVER_ANNOUNCED,
    NOT_THEIRS,
    SAMPLER_IDS,
    UNHEARD,
    UNSAMPLED,
    SamplingTable,
    announced_intervals,
    combinations,
    note_intervals,
    speaks_of_sampling,
)
from tidegauge.wire.sequence import Uptimes
from tidegauge.wire.sessions import DOMAIN_MASK, SESSION_SHIFT
from tidegauge.wire.sets import Heads, SetTable, by_template, read_heads, walk_sets
from tidegauge.wire.tcpexport import IPFIX
from tidegauge.wire.templates import Key, Template, TemplateStore, parse_templates

MOST_PENDING_BYTES = 32 << 20
"""Data sets that wait for their template, in all; the oldest go first."""
LATEST_BOOT_MS, MOST_UNHEARD = 1 << 43, 1 << 16


@dataclass
class SetDecoder(Accounts):
    """Decodes datagrams whose records follow templates.

    Attributes:
        remembered: templates of earlier runs: used at the end, for data whose template never came in this one.
        live: datagrams carry our own time of arrival: an exporter's clock that is off is set right by it.
        tunnels: by exporter name, the tunnels that are taken off its packets (`tunnels.mask_of`).
        pending: data sets that wait for their template or sampler.
        connections, boots: what was told of connections, and when exporters booted.
        out_bytes: by exporter name, what its second pair of counters is: `reverse` or `same`.
        count: by exporter name, the flow direction whose records count: `ingress` or `egress`.
        order: of the next set.
        unheard: exporter, session and id of samplers that data waited for, live, until they were given up.
    """

    templates: TemplateStore = field(default_factory=TemplateStore)
    sampling: SamplingTable = field(default_factory=SamplingTable)
    remembered: TemplateStore = field(default_factory=TemplateStore)
    live: bool = False
    clocks: Clocks = field(default_factory=Clocks)
    tunnels: dict[str, np.uint8] = field(default_factory=dict)
    pending: list[SetTable] = field(default_factory=list)
    connections: Connections = field(default_factory=Connections)
    boots: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    out_bytes: dict[str, str] = field(default_factory=dict)
    count: dict[str, str] = field(default_factory=dict)
    order: int = 0
    unheard: set[tuple[int, int, int]] = field(default_factory=set)

    def finish(self) -> Iterator[FlowBatch]:
        """Flows of data whose template never came but is known from before; the rest is counted as lost."""
        if not self.pending:
            return
        table = SetTable.concat(self.pending)
        self.pending = []
        for flows, _ in self._last_chance(table):
            yield self._named(flows)

    def give_up(self, before_us: int) -> Iterator[FlowBatch]:
        """Flows of data that have waited since before a time, where they can be read all the same; the rest is counted
        as lost."""
        kept, old_ones = [], []
        for sets in self.pending:
            old = sets.arrived_us < before_us
            if old.any():
                old_ones.append(sets.take(old))
            if not old.all():
                kept.append(sets.take(~old))
        self.pending = kept
        if not old_ones:
            return
        for flows, owners in self._last_chance(table := SetTable.concat(old_ones)):
            none = np.zeros(0, dtype=np.int64)
            yield self._bounded(flows, table.arrived_us[owners], none, np.full(len(flows), -1))

    def _last_chance(self, table: SetTable) -> Iterator[tuple[FlowBatch, NDArray[np.int64]]]:
        """Flows of sets that need not wait any more, and for each its row: a sampler that was never announced does not
        keep them from being read, and a template may be known from elsewhere, if what it makes of them can be."""
        self._charge(table, -1)
        gone: list[NDArray[np.int64]] = []
        for key, rows in by_template(table):
            template, own = self.templates.at(key, float(table.orders[rows[0]])), table.take(rows)
            if template is None and (template := self._from_elsewhere(key)) is not None and not likely(template, own):
                template = None
            if template is None or not fills(template, own):
                self.skipped.add("data set", f"no template {key[2]} came from {self._name(key[0])}", len(rows))
                gone.append(rows)
            elif not template.options and describes_flows(template):
                for flows, owners in self._flows(template, own, None, wait=False):
                    yield flows, rows[owners]
        if gone:
            self._missed(table.take(np.concatenate(gone)))

    def _before_restart(self, key: Key, sets: SetTable) -> Template | None:
        """The template of a session that was over before this one began, or began when it was over, if what it makes
        of sets can be: an exporter that started again has another port, and mostly the same templates."""
        exporter, session, _ = key
        found = {
            template
            for own in self._alike(key)
            if not self.sessions.at_once(exporter, own[1] >> SESSION_SHIFT, session >> SESSION_SHIFT)
            and (template := self.templates.at(own, np.inf)) is not None
        }
        template = found.pop() if len(found) == 1 else None
        return template if template is not None and likely(template, sets) else None

    def _alike(self, key: Key) -> list[Key]:
        """Keys of the same template id and domain in other sessions of the same exporter."""
        exporter, session, template_id = key
        return [
            own for own in self.templates.sizes.get(exporter, ())
            if own[2] == template_id and (own[1] ^ session) & DOMAIN_MASK == 0 and own != key
        ]

    def _from_elsewhere(self, key: Key) -> Template | None:
        """The template of a set whose session never sent it: from before a restart or an earlier run, or from another
        session of the same exporter and domain, where all of these agree."""
        exporter, session, template_id = key
        domain = session & DOMAIN_MASK
        known = self.templates.expired.get(key) or self.remembered.at((exporter, domain, template_id), np.inf)
        if known is not None:
            return known
        others = {template for own in self._alike(key) if (template := self.templates.at(own, np.inf)) is not None}
        return others.pop() if len(others) == 1 else None

    def _decode_sets(self, datagrams: Datagrams, kinds: NDArray[np.int64]) -> Iterator[FlowBatch]:
        heads = read_heads(datagrams, kinds, live=self.live)
        clocked = self.clocks.read(heads.export_ms, datagrams, correct=self.live)
        heads = replace(heads, export_ms=heads.export_ms - clocked.shift_ms)
        broken, apart = ~clocked.trusted, np.zeros(len(datagrams), dtype=np.int64)
        numbers = self.sessions.numbers(datagrams.senders, datagrams.ports, datagrams.arrived_us)
        sessions = numbers << SESSION_SHIFT | heads.domains
        self._end_sessions()
        fresh, cut_bytes = walk_sets(
            datagrams, kinds, heads, sessions, clocked.shift_ms, self.order, self.skipped, broken
        )
        self.order += len(fresh) + 1
        restarts = self._restarts(fresh, heads, sessions, datagrams)
        defined = self._learn_templates(fresh, len(datagrams), restarts)
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
        delay_s, rates = np.full(len(datagrams), np.nan), np.zeros(len(datagrams), dtype=np.int64)
        passes = [(template, sets, True) for template, sets in work if is_of_firewall(template)]
        passes += [(template, sets, False) for template, sets in work]
        for template, sets, updates in passes:
            if not template.options:
                for flows, owner in self._flows(template, sets, records, wait=True, updates=updates):
                    rows = sets.messages[owner]
                    fresh_rows = rows >= 0
                    late = delays_s(flows["time_end"][fresh_rows], rows[fresh_rows], datagrams.arrived_us)
                    delay_s = np.fmax(delay_s, late)
                    note_intervals(rates, flows["sampling"], rows, sets.messages)
                    yield self._bounded(flows, sets.arrived_us[owner], apart, rows)
        self._behave(datagrams.senders, "broken", broken | (2 * apart > records))
        at_end = cut_at_end(work, len(datagrams))
        self.skipped.add("record", "cut at the end of its set", int(at_end[cut_bytes == 0].sum()))
        unsure = np.zeros(len(datagrams), dtype=bool)
        for kept in self.pending:
            unsure[kept.waiting[kept.waiting >= 0]] = True
            kept.waiting[:] = -1
        of_all, of_data = (
            np.bincount(fresh.messages[own], minlength=len(datagrams)) for own in (fresh.ids >= 0, fresh.ids >= 256)
        )
        for kind in (V9, IPFIX):
            chosen = kinds == kind
            if chosen.any():
                steps = np.where(kinds == V9, 1, records + optional)[chosen]
                told = heads.counts - defined - records - optional
                cut = (records_cut(cut_bytes, told, fresh, records) + np.where(cut_bytes > 0, 0, at_end))[chosen]
                self._account(
                    kind, datagrams.take(chosen), heads.export_ms[chosen], datagrams.senders[chosen],
                    heads.domains[chosen], heads.sequences[chosen], steps, records[chosen],
                    unsure[chosen] & (kind == IPFIX), cut, apart=apart[chosen], skew_s=clocked.skew_s[chosen],
                    delay_s=delay_s[chosen], templates=defined[chosen], sampling=rates[chosen],
                    uptimes=Uptimes.of(heads.export_ms, heads.uptime_ms).take(chosen),
                    sets=(of_all[chosen], of_data[chosen]),
                )
        self.templates.forget_past()
        self.sampling.forget_past()

    def _end_sessions(self) -> None:
        """Forget what sessions taught whose number belongs to others now."""
        for exporter, number in self.sessions.ended:
            for key in [k for k in self.templates.sizes.get(exporter, ()) if k[1] >> SESSION_SHIFT == number]:
                self.templates.expire(key, float(self.order) - 0.5)
                self.templates.expired.pop(key, None)
        self.sessions.ended.clear()

    def _restarts(
        self, table: SetTable, heads: Heads, sessions: NDArray[np.int64], datagrams: Datagrams
    ) -> list[tuple[float, int, int]]:
        """Restarts of exporters by their uptime: the order of the first set behind each, exporter and session."""
        uptimes = Uptimes.of(heads.export_ms, heads.uptime_ms)
        found: list[tuple[float, int, int]] = []
        if not uptimes.booted.any():  # IPFIX has none
            return found
        for rows in groups(sessions << 20 | datagrams.senders):
            key = (int(datagrams.senders[rows[0]]), int(sessions[rows[0]]))
            restarted, told = uptimes.take(rows).restarts(self.boots.get(key))
            if told is not None:
                self.boots[key] = told
            for row in rows[restarted].tolist():
                sets = np.flatnonzero(table.messages >= row)
                place = int(table.orders[sets[0]]) if len(sets) else self.order
                found.append((place - 0.5, *key))
        return sorted(found)

    def _learn_templates(
        self, table: SetTable, datagrams: int, restarts: list[tuple[float, int, int]]
    ) -> NDArray[np.int64]:
        """How many templates each datagram defines. Those of a session that restarted are void from there on."""
        defined = np.zeros(datagrams, dtype=np.int64)
        version = np.where(table.versions == V9, 9, 10)
        definitions = ((version == 9) & (table.ids <= 1)) | ((version == 10) & ((table.ids == 2) | (table.ids == 3)))
        unknown = (table.ids < 256) & ~definitions
        self.skipped.add("set", "reserved set id", int(unknown.sum()))
        due = list(reversed(restarts))
        for i in np.flatnonzero(definitions).tolist():
            options = bool(table.ids[i] & 1)
            exporter, session, order = int(table.senders[i]), int(table.sessions[i]), float(table.orders[i])
            self._void(due, order)
            parsed = parse_templates(table.body(i), version=int(version[i]), options=options, skipped=self.skipped)
            defined[table.messages[i]] += len(parsed)
            for template_id, template in parsed:
                if template is None:
                    self._withdraw(exporter, session, template_id, order)
                else:
                    self.templates.put((exporter, session, template_id), order, template, self.skipped)
        self._void(due, np.inf)
        return defined

    def _void(self, due: list[tuple[float, int, int]], before: float) -> None:
        """Void the templates of sessions that restarted before a set; the last ones of `due` come first."""
        while due and due[-1][0] < before:
            place, exporter, session = due.pop()
            self.templates.expire_stream(exporter, session, place)

    def _withdraw(self, exporter: int, session: int, template_id: int, order: float) -> None:
        if template_id in (2, 3):  # all templates, or all options templates (RFC 7011 8.1)
            self.templates.expire_stream(exporter, session, order)
        else:
            self.templates.expire((exporter, session, template_id), order)

    def _assign(self, table: SetTable) -> list[tuple[Template, SetTable]]:
        """Data sets with their templates, in the order of first use; those without one are kept for later."""
        work: list[tuple[int, Template, SetTable]] = []
        waiting: list[NDArray[np.int64]] = []
        for key, rows in by_template(table):
            history = self.templates.histories.get(key)
            if not history:
                template = self._before_restart(key, table.take(rows))
                if template is None or (not template.options and describes_flows(template)):
                    self._place(template, [], table, rows, work, waiting)
                continue
            epochs = np.searchsorted([order for order, _ in history], table.orders[rows], side="right")
            for epoch in np.unique(epochs).tolist():
                chosen = rows[epochs == epoch]
                template = self.templates.at(key, float(table.orders[chosen[0]]))
                if template is not None and not template.options and not describes_flows(template):
                    self._pass_over(template, table.take(chosen))
                else:
                    later = [one for _, one in history[epoch:] if one is not None]
                    self._place(template, later, table, chosen, work, waiting)
        still = np.zeros(len(table), dtype=bool)
        if waiting:
            still[np.concatenate(waiting)] = True
        kept_before = table.messages < 0
        self._charge(table.take(kept_before & ~still), -1)
        self._charge(table.take(still & ~kept_before), 1)
        if still.any():
            self._keep(table.take(still))
        work.sort(key=lambda item: item[0])
        return [(template, sets) for _, template, sets in work]

    def _place(
        self, template: Template | None, later: list[Template], table: SetTable, rows: NDArray[np.int64],
        work: list[tuple[int, Template, SetTable]], waiting: list[NDArray[np.int64]],
    ) -> None:
        """Rows of a table to be read by their template; those of another layout by a later one, or kept for it."""
        if template is None:
            waiting.append(rows)
            return
        sets = table.take(rows)
        if not template.options and (odd := misfits(template, sets)).any():
            new = next((one for one in later if one != template and likely(one, sets.take(odd))), None)
            self._place(new, [], table, rows[odd], work, waiting)
            sets = sets.take(~odd)
        if len(sets):
            work.append((int(sets.orders[0]), template, sets))

    def _pass_over(self, template: Template, sets: SetTable) -> None:
        """Count the records of sets that name no ends; those that count traffic are lost."""
        lost = counts_traffic(template)
        why = UNADDRESSED if lost else "its template has no addresses, nor counters"
        self.skipped.add("record", why, int((sets.lengths // template.size).sum()))
        if lost:
            self._note(sets, np.arange(len(sets)), lost=about_records(sets))

    def _charge(self, sets: SetTable, sign: int) -> None:
        """Count the records of sets that wait as lost (1), and no more as that (-1) when they are read or given up."""
        about = sign * about_records(sets)
        self._note(sets, np.arange(len(sets)), lost=about, waiting=about)

    def _note(self, sets: SetTable, rows: NDArray[np.int64], **amounts: Any) -> None:
        """Tell the ledger of records of some sets, in their minutes."""
        if len(rows):
            self.ledger.add(
                exporters=self.names.names, exporter=sets.senders[rows], domain=self._told_apart(sets)[rows],
                minute_s=self._minutes_s(sets.export_ms[rows], sets.arrived_us[rows]), **amounts,
            )

    def _keep(self, sets: SetTable) -> None:
        """Keep sets for a later block; where there are too many, the oldest of those exporters that have the most."""
        kept = fair_share(sets.senders, sets.lengths + 128, MOST_PENDING_BYTES)
        if not kept.all():
            self.skipped.add("data set", "waited for a template too long", int((~kept).sum()))
            self._charge(sets.take(~kept), -1)
            self._missed(sets.take(~kept))
        sets = sets.take(kept).compact()
        sets.waiting[:] = sets.messages
        sets.messages[:] = -1
        self.pending.append(sets)

    def _learn_options(self, records: Records, sets: SetTable) -> None:
        owners = records.owners
        if speaks_of_sampling(records.template):
            self.sampling.learn(records, sets.senders[owners], sets.sessions[owners], sets.orders[owners])
        if (booted := records.number(e.SYSTEM_INIT_TIME_MILLISECONDS)) is not None:
            for owner, boot_ms in zip(owners.tolist(), booted.tolist(), strict=True):
                if 0 < boot_ms < LATEST_BOOT_MS:
                    self.connections.boots_ms[int(sets.senders[owner]), int(sets.sessions[owner])] = boot_ms

    def _flows(
        self, template: Template, sets: SetTable, counted: NDArray[np.int64] | None, *, wait: bool,
        updates: bool = False,
    ) -> Iterator[tuple[FlowBatch, NDArray[np.int64]]]:
        """Flows of sets that follow one template, and for each its row of `sets`; sets whose sampler is not known
        yet are kept where `wait`. Of firewalls' records `updates` reads those that tell what passed meanwhile, which
        come before all others."""
        records = read_records(template, sets)
        intervals = self._intervals(records, sets, wait=wait)
        known = not len(intervals) or int(intervals.min()) >= 1
        if not known and wait and len(rows := np.unique(records.owners[intervals == UNHEARD])):
            self._charge(sets.take(rows), 1)
            self._keep(sets.take(rows))
            rest = np.setdiff1d(np.arange(len(sets)), rows)
            if len(rest):
                for flows, owner in self._flows(template, sets.take(rest), counted, wait=False):
                    yield flows, rest[owner]
            return
        if not known and not updates:
            for interval, why in UNSAMPLED.items():
                self.skipped.add("sampler", why, int((intervals == interval).sum()))
            self._note(sets, records.owners[intervals < 1], unsampled=1)
        intervals = intervals if known else np.maximum(intervals, 1)
        chosen = None
        if is_of_firewall(template):
            events = records.number(e.FIREWALL_EVENT)
            chosen = None if events is None else (events == e.FIREWALL_UPDATE) == updates
        flows, owner = flows_of(records, sets, intervals, self._reading(sets), self.skipped, chosen)
        if describes_packets(template) and len(flows) < len(records.owners):
            self.skipped.add("record", "its packet section holds no IP header", len(records.owners) - len(flows))
        flows, owner = self._told_once(records, flows, owner, sets)
        if updates:
            yield flows, owner
            return
        if counted is not None:
            messages = sets.messages[records.owners]
            np.add.at(counted, messages[messages >= 0], 1)
            late = messages < 0
        else:
            late = np.ones(len(records.owners), dtype=bool)
        if late.any():
            rows = records.owners[late]
            unfollowed = sets.versions[rows] == IPFIX  # by how much they moved the numbers was not known then
            self._note(sets, rows, records=1, unfollowed=unfollowed, sampling=intervals[late])
        yield flows, owner

    def _reading(self, sets: SetTable) -> Reading:
        """How the records of sets are read, by what the site says of their exporters."""
        out_bytes, count = self._by_position(self.out_bytes), self._by_position(self.count)
        return Reading(self.connections, self._tunnels(sets.senders), out_bytes, count)

    def _by_position(self, settings: dict[str, str]) -> dict[int, str]:
        """What the site file says of exporters, for those that were heard of."""
        heard_of = settings.keys() & set(self.names.names) if settings else ()
        return {self.names.position(name): settings[name] for name in heard_of}

    def _told_once(
        self, records: Records, flows: FlowBatch, owner: NDArray[np.int64], sets: SetTable
    ) -> tuple[FlowBatch, NDArray[np.int64]]:
        """Without flows that the same exporter told by its monitor of the other direction, between the same interfaces.
        Where records do not stand for one flow each, or the site says that both count, nothing is left out."""
        ways = records.number(e.FLOW_DIRECTION)
        if ways is None or len(flows) != len(records.owners) or not records.template.has(e.EGRESS_INTERFACE):
            return flows, owner
        kept = np.ones(len(flows), dtype=bool)
        exporters = sets.senders[owner]
        for exporter in np.unique(exporters).tolist():
            if self.count.get(self._name(exporter)) is None:
                own = np.flatnonzero(exporters == exporter)
                again = self.connections.told_elsewhere(exporter, flows.take(own), ways[own] == e.EGRESS_FLOW)
                kept[own[again]] = False
        if kept.all():
            return flows, owner
        self.skipped.add("record", "told already by the exporter's monitor of the other direction", int((~kept).sum()))
        return flows.take(kept), owner[kept]

    def _intervals(self, records: Records, sets: SetTable, *, wait: bool) -> NDArray[np.int64]:
        """The sampling interval of each record: its own, its sampler's, its interface's, the exporter's, else 1;
        below 1 where that is not known (`UNHEARD`, or in `UNSAMPLED`).

        Args:
            wait: a sampler that is not known may still be announced; else, live, nobody waits for it again.
        """
        own = announced_intervals(records)
        if own is not None and (own > 0).all():
            return own
        owners = records.owners
        kind, selectors = "", np.zeros(len(owners), dtype=np.int64)
        samplers = next((found for one in SAMPLER_IDS if (found := records.number(one)) is not None), None)
        interfaces = records.number(e.INGRESS_INTERFACE)
        if samplers is not None:
            kind, selectors = (
                "sampler",
                np.minimum(samplers.astype(np.uint64), np.uint64(2**40)).astype(np.int64),
            )
        elif interfaces is not None and self.sampling.by_interface():
            kind, selectors = "interface", interfaces.astype(np.int64)
        found = np.ones(len(owners), dtype=np.int64)
        for rows, exporter, domain, order, selector in combinations(sets, owners, selectors, self.sampling.changes()):
            interval = self.sampling.lookup(exporter, domain, (kind, selector), order) if kind else None
            interval = interval or self.sampling.lookup(exporter, domain, DEFAULT, order)
            if interval is None and kind != "interface":
                interval = self.sampling.only(exporter, domain, of_none=kind == "sampler" and selector == 0)
                told = "announced under another source id: it is the exporter's only one, and was used"
                self.skipped.add("sampler", told, len(rows) if interval is not None else 0)
            if interval is None and self._name(exporter) not in self.overrides:
                if kind == "sampler" and selector != 0:
                    key = exporter, domain, selector
                    interval = UNHEARD if wait and key not in self.unheard else NEVER_ANNOUNCED
                    if not wait and self.live and len(self.unheard) < MOST_UNHEARD:
                        self.unheard.add(key)
                elif kind == "" and self.sampling.announced(exporter):
                    interval = NOT_THEIRS
            found[rows] = 1 if interval is None else interval
        return found if own is None else np.where(own > 0, own, found)

    def _tunnels(self, exporters: NDArray[np.int32]) -> NDArray[np.uint8] | None:
        """The tunnels that are taken off, by exporter; None where that is none."""
        if not self.tunnels:
            return None
        masks = np.array([self.tunnels.get(name, 0) for name in self.names.names], dtype=np.uint8)[exporters]
        return masks if masks.any() else None

