"""All flow export protocols behind one door: datagrams in, flows and coverage rows out, state kept between blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, Prefix, format_address, inside
from tidegauge.wire.accounts import delays_s
from tidegauge.wire.counters import leave_other_ways
from tidegauge.wire.datagrams import SFLOW, V5, V9, Datagrams, protocols, unread_versions
from tidegauge.wire.domains import AGENT_SHIFT
from tidegauge.wire.netflow5 import clock_ms, decode_v5, read_heads5
from tidegauge.wire.netflow_older import as_v5
from tidegauge.wire.sequence import (
    PART_MASK,
    Recent,
    Uptimes,
)
from tidegauge.wire.sessions import DOMAIN_MASK
from tidegauge.wire.setdecoder import SetDecoder
from tidegauge.wire.sflow import Drops, Headers, Sampled, decode_sflow, read_headers
from tidegauge.wire.tcpexport import IPFIX

MOST_SOURCES = 4096
"""Data sources of an sFlow agent whose drops are remembered."""


@dataclass
class Decoder(SetDecoder):
    """Decodes datagrams of any exporters and protocols.

    Attributes:
        relays: by exporter name, the sFlow agents whose datagrams it may pass on; what others relay is their own.
        drops: of each sFlow agent's data sources.
        datagrams: of all protocols that are read.
    """

    relays: dict[str, tuple[Prefix, ...]] = field(default_factory=dict)
    drops: dict[tuple[int, int], dict[int, int]] = field(default_factory=dict)
    datagrams: int = 0
    _recent: Recent = field(default_factory=Recent)

    def new_capture(self) -> None:
        """Another capture begins: the same datagram in it is another sighting, not a duplicate."""
        self._recent = Recent()

    def decode(self, datagrams: Datagrams) -> Iterator[FlowBatch]:
        """Flows of a block of datagrams, with those of earlier blocks whose template came now."""
        datagrams = as_v5(datagrams)
        kinds = protocols(datagrams)
        versions = unread_versions(datagrams, kinds)
        for version in np.unique(versions[versions > 0]).tolist():
            self.skipped.add("datagram", f"NetFlow v{version}, which is not read", int((versions == version).sum()))
        unread = int(((kinds == 0) & (versions == 0)).sum())
        self.skipped.add("datagram", "not NetFlow v5, v9, IPFIX or sFlow v5", unread)
        self.datagrams += int((kinds > 0).sum())
        self._behave(datagrams.senders, "datagrams", np.ones(len(kinds), dtype=bool))
        self._behave(datagrams.senders, "broken", kinds == 0)
        again = self._recent.seen_before(datagrams) & (kinds > 0)
        if again.any():
            self.skipped.add("datagram", "came twice", int(again.sum()))
            self.ledger.add(
                exporters=self.names.names, exporter=datagrams.senders[again], duplicates=1,
                minute_s=datagrams.arrived_us[again] // 1_000_000,
            )
            datagrams, kinds = datagrams.take(~again), kinds[~again]
        for kind, decode in ((V5, self._decode_v5), (SFLOW, self._decode_sflow)):
            if (chosen := kinds == kind).any():
                yield decode(datagrams.take(chosen))
        if (chosen := (kinds == V9) | (kinds == IPFIX)).any():
            yield from self._decode_sets(datagrams.take(chosen), kinds[chosen])
        self._forget()

    def _forget(self) -> None:
        """Drop what is remembered of parts that are not told apart any more: senders can make them up without end."""
        told = self.parts.heard_us
        count = sum(len(own) for own in told.values())
        streams: list[tuple[dict[Any, Any], int]] = [(t.streams, PART_MASK) for t in self.sequences.values()]
        remembered: list[tuple[dict[Any, Any], int]] = [(self.drops, PART_MASK), (self.boots, DOMAIN_MASK)]
        for known, mask in (*remembered, *streams):
            if len(known) > count or any(key[0] not in told for key in known):
                for key in [k for k in known if k[1] & mask not in told.get(k[0], ())]:
                    del known[key]

    def forget(self, address: str) -> None:
        """Drop all that is known of an exporter: it gave up its place."""
        position = self.names.forget(address)
        if position is None:
            return
        self.templates.forget(position)
        self.sampling.forget(position)
        self.clocks.forget(position)
        self.parts.heard_us.pop(position, None)
        self.sessions.known.pop(position, None)
        self.connections.forget(position)
        self.conduct.pop(position, None)
        for tracker in self.sequences.values():
            tracker.scopes.pop(position, None)
        self._forget()
        self.pending = [sets.take(sets.senders != position) for sets in self.pending]

    def _decode_v5(self, datagrams: Datagrams) -> FlowBatch:
        heads = read_heads5(datagrams)
        raw_ms = heads.secs * 1000 + heads.millis
        if not self.live:
            raw_ms = clock_ms(heads.secs, heads.millis, datagrams.arrived_us)
        clocked = self.clocks.read(raw_ms, datagrams, correct=self.live)
        export_ms = raw_ms - clocked.shift_ms
        flows, owner = decode_v5(datagrams, heads, export_ms, self.skipped)
        delay_s = delays_s(flows["time_end"], owner, datagrams.arrived_us)
        apart = np.zeros(len(datagrams), dtype=np.int64)
        flows = self._bounded(flows, datagrams.arrived_us[owner], apart, owner)
        broken = (heads.counts > heads.present) | ~clocked.trusted | (2 * apart > heads.present)
        self._behave(datagrams.senders, "broken", broken)
        self._account(
            V5, datagrams, export_ms, datagrams.senders, heads.domains, heads.sequences, heads.counts,
            heads.present, more_lost=heads.counts - heads.present, apart=apart, sampling=heads.sampling,
            skew_s=clocked.skew_s, delay_s=delay_s, uptimes=Uptimes.of(export_ms, heads.uptime_ms),
        )
        return flows

    def _decode_sflow(self, datagrams: Datagrams) -> FlowBatch:
        headers = read_headers(datagrams)
        exporters, parts = self._sflow_parts(datagrams, headers)
        sampled = decode_sflow(datagrams, headers, exporters, self._tunnels(exporters), self.skipped)
        flows, owner = self._of_way(sampled)
        rates = np.zeros(len(datagrams), dtype=np.int64)
        np.maximum.at(rates, owner, flows["sampling"].astype(np.int64))
        records = np.bincount(owner, minlength=len(datagrams))
        apart = np.zeros(len(datagrams), dtype=np.int64)
        flows = self._bounded(flows, datagrams.arrived_us[owner], apart, owner)
        self._behave(datagrams.senders, "broken", sampled.broken | (2 * apart > records))
        self._account(
            SFLOW, datagrams, datagrams.arrived_us // 1000, exporters, parts, headers.sequences,
            np.ones(len(datagrams), dtype=np.int64), records,
            more_lost=self._newly_dropped(exporters, parts, sampled.drops) + sampled.cut, apart=apart, sampling=rates,
            uptimes=Uptimes.of(datagrams.arrived_us // 1000, headers.uptime_ms),
        )
        return flows

    def _of_way(self, sampled: Sampled) -> tuple[FlowBatch, NDArray[np.int64]]:
        """The flows of the direction that counts by the site file, where it says one."""
        flows, owner = sampled.flows, sampled.owner
        kept = np.ones(len(flows), dtype=bool)
        leave_other_ways(self._by_position(self.count), flows["exporter"], sampled.egress, kept, self.skipped)
        return (flows, owner) if kept.all() else (flows.take(kept), owner[kept])

    def _sflow_parts(self, datagrams: Datagrams, headers: Headers) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Exporter and part of sFlow datagrams: the sender with the agent as a part of it; the agent itself where the
        site says that this sender relays it."""
        exporters = datagrams.senders.copy()
        parts = headers.domains.copy()
        pairs = np.concatenate([headers.agents, exporters[:, None].view(np.uint8)], axis=1)
        if (pairs == pairs[0]).all():
            firsts, inverse = np.zeros(1, dtype=np.intp), np.zeros(len(pairs), dtype=np.intp)
        else:
            _, firsts, inverse = np.unique(pairs.view("V20").reshape(-1), return_index=True, return_inverse=True)
        for number, first in enumerate(firsts.tolist()):
            sender, agent = self._name(int(datagrams.senders[first])), format_address(bytes(headers.agents[first]))
            if inside(headers.agents[first : first + 1], self.relays.get(sender, ()))[0]:
                exporters[inverse == number] = self.names.position(agent)
            elif agent not in (sender, self.names.address(sender)):
                parts[inverse == number] |= self.parts.agent(agent) << AGENT_SHIFT
        return exporters, parts

    def _newly_dropped(
        self, exporters: NDArray[np.int32], parts: NDArray[np.int64], drops: Drops
    ) -> NDArray[np.int64]:
        """Samples that data sources of agents say they dropped since their sample before; the counters are cumulative.
        By datagram."""
        new = np.zeros(len(exporters), dtype=np.int64)
        if not drops.counts.any():
            return new
        part, exporter = parts[drops.owner], exporters[drops.owner]
        order = np.lexsort((drops.source, part, exporter))  # keeps the order of arrival within a source
        part, exporter, source, counts = part[order], exporter[order], drops.source[order], drops.counts[order]
        begins = np.r_[True, (np.diff(source) != 0) | (np.diff(part) != 0) | (np.diff(exporter) != 0)]
        gained = np.maximum(np.diff(counts, prepend=counts[0]), 0)
        firsts = np.flatnonzero(begins)
        for first, end in zip(firsts.tolist(), [*firsts[1:].tolist(), len(counts)], strict=True):
            known = self.drops.setdefault((int(exporter[first]), int(part[first])), {})
            gained[first] = max(int(counts[first]) - known.pop(int(source[first]), int(counts[first])), 0)
            if len(known) >= MOST_SOURCES:
                del known[next(iter(known))]  # the one that was not heard of for longest
            known[int(source[first])] = int(counts[end - 1])
        np.add.at(new, drops.owner[order], gained)
        return new
