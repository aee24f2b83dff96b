"""From the spool to the lake: decodes, labels and commits, exactly once whatever is killed when.

What has been read of the spool, what the decoder knows and the flows become part of the lake in one transaction. After
a crash, or an error of the disk, all three are taken up from the last one.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.atlas import Atlas, label
from tidegauge.collect.admission import Door
from tidegauge.collect.log import log_event
from tidegauge.collect.quarantine import Quarantine
from tidegauge.collect.silence import SilenceWatch
from tidegauge.collect.spool import DATA, Frame, Position, SpoolReader
from tidegauge.collect.status import DECODER, write_status
from tidegauge.lake import SETTLED_S, LakeWriter, Manifest, Ours, compact, open_writer, roll
from tidegauge.model import (
    CONTRADICTORY,
    PROVEN,
    Addresses,
    Finding,
    FlowBatch,
    LakeError,
    LedgerBuilder,
    Skipped,
    keep_freed_memory,
    stamp_ledger,
)
from tidegauge.site import Site
from tidegauge.wire import Bounds, Buffer, Datagrams, Decoder, Names, mask_of, resume, whole_state

COMMIT_ROWS = 4_000_000
PENDING_S = 1800
"""How long data wait for their template before they count as lost."""
LOOK_S = 5.0
COMPACT_S = 60.0
RETRY_S = 5.0
ROLLED_AT_ONCE = 2
"""Segments whose rollups are made before datagrams are looked for again."""
IDLE_S = 0.05
STATE = "collector"
NAMED = 5
"""Senders that are named in logs and states; of more only the number is told."""


class Consumer:
    """Takes the spool's datagrams into the lake; owns the reader, the decoder and the writer while `run` runs."""

    def __init__(self, site: Site, *, commit_s: float) -> None:
        self._site, self._commit_s = site, commit_s
        self._folder = site.data / "collect"
        self._atlas = Atlas.of(site)
        self._manifest = Manifest(site.data)
        self._silence = SilenceWatch()
        self._recent: Counter[str] = Counter()
        self._states: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.skipped = Skipped()
        self._compacted_s = self._looked_s = 0.0

    def run(self, stopping: Callable[[], bool], *, patience_s: float = math.inf) -> None:
        """Work until `stopping` says so and the spool is read to its end, or for so long after that; what is left in
        the spool then is taken up at the next start."""
        keep_freed_memory()
        self._patience_s = patience_s
        while True:
            try:
                with ExitStack() as stack:
                    opened = open_writer(self._site.data, self._atlas.stamp, Ours.of(self._site))
                    self._begin(stack.enter_context(opened))
                    self._work(stopping)
                return
            except LakeError as error:
                self._states["lake_failed"] = str(error)
                log_event("lake_failed", why=str(error), retry_s=RETRY_S)
                self._status()
                if stopping():
                    raise
                time.sleep(RETRY_S)

    def _begin(self, writer: LakeWriter) -> None:
        """Take up everything from the last commit."""
        self._writer = writer
        state = self._manifest.load_state(STATE) or {}
        self._reader = SpoolReader(self._folder / "spool", Position(*state.get("position", (0, 0))))
        self._reader.remove_read()
        wanted = self._site.collect
        self._decoder = Decoder(
            Names(self._site.exporter_names), self._site.sampling, self.skipped, live=True, relays=self._site.relays,
            tunnels={name: mask_of(kinds) for name, kinds in self._site.decapsulate.items()},
            out_bytes=self._site.out_bytes, count=self._site.count,
            bounds=Bounds(wanted.back_s, wanted.ahead_s, wanted.speed_bps, self._site.speeds_bps),
        )
        resume(self._decoder, state.get("decoder", {}))
        self._door = Door(self._site)
        self._door.resume(state.get("door", []))
        self._quarantine = Quarantine(self._site)
        self._fresh = 0
        self._committed_s = time.monotonic()

    def _work(self, stopping: Callable[[], bool]) -> None:
        deadline = math.inf
        while True:
            ending = stopping()
            if ending:
                deadline = min(deadline, time.monotonic() + self._patience_s)
            frames = [] if time.monotonic() > deadline else self._reader.read()
            if frames:
                self._take(frames)
            due = self._fresh and time.monotonic() - self._committed_s >= self._commit_s
            if due or self._writer.uncommitted_rows > COMMIT_ROWS or (ending and not frames):
                self._commit(ending=ending)
            self._look(caught_up=not frames)
            if not frames:
                if ending:
                    self._status()
                    return
                if time.monotonic() - self._compacted_s > COMPACT_S:
                    self._compacted_s = time.monotonic()
                    now_s = time.time()
                    self.counts["compacted"] += compact(self._site.data, now_s=now_s)
                    over_us = int(now_s - SETTLED_S) // 3600 * 3_600_000_000
                    self.counts["rolled"] += roll(self._site.data, until_us=over_us, most=ROLLED_AT_ONCE).written
                time.sleep(IDLE_S)

    def _take(self, frames: list[Frame]) -> None:
        for frame in frames:
            if frame.kind != DATA:
                self._share_out(frame.count, frame.arrived_us)
        data = [frame for frame in frames if frame.kind == DATA]
        self._fresh += sum(frame.count for frame in frames)
        if not data:
            return
        block, senders = _block_of(data)
        kept = self._admitted(senders, block.arrived_us)
        if not kept.all():
            block, senders = block.take(kept), senders[kept]
        if not len(block):
            return
        block.senders[:] = self._decoder.names.positions(senders)
        self._heard(block)
        self.counts["datagrams"] += len(block)
        flows = [batch for batch in self._decoder.decode(block) if len(batch)]
        suspects = self._judged(float(block.arrived_us[-1]) / 1e6)
        for batch in flows:
            self._store(batch, suspects)
        for batch, codes in self._decoder.apart:
            self._quarantine.add(batch, codes)
        self._decoder.apart.clear()

    def _admitted(self, senders: Addresses, arrived_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which datagrams are read; the others are counted, and new senders reported."""
        kept, waiting = self._door.admit(senders, arrived_us)
        for address in self._door.departures:
            self._decoder.forget(address)
            self._silence.forget(self._name(address))
        for address in waiting:
            self._silence.heard(self._name(address), float(arrived_us[0]) / 1e6, float(arrived_us[-1]) / 1e6)
        if waiting:
            self._decoder.ledger.add(
                exporters=[self._name(address) for address in waiting],
                exporter=np.arange(len(waiting), dtype=np.int32), held=np.array(list(waiting.values())),
                minute_s=np.full(len(waiting), int(arrived_us[-1]) // 1_000_000),
            )
        if self._door.arrivals:
            log_event("new_exporters", limited=True, senders=self._door.arrivals[:NAMED])
        if not kept.all():
            log_event("not_read", limited=True, counts=dict(self._door.counts),
                      senders=[a for a, _ in self._door.turned_away.most_common(NAMED)])
        self._door.departures, self._door.arrivals = [], []
        for name, count in self._door.counts.items():
            self.counts[name] = count
        return kept

    def _name(self, address: str) -> str:
        return self._site.exporter_names.get(address, address)

    def _judged(self, now_s: float) -> set[str]:
        """Exporters whose flows are kept out of the lake, by how the datagrams of the block were."""
        suspects = set()
        names = self._decoder.names
        for position, conduct in self._decoder.conduct.items():
            name = names.names[position]
            if self._door.behaved(names.address(name), conduct, now_s):
                suspects.add(name)
                log_event("on_hold", limited=True, exporter=name, why="most of its datagrams do not hold")
        self._decoder.conduct.clear()
        return suspects

    def _store(self, flows: FlowBatch, suspects: set[str]) -> None:
        """Flows into the lake, those of suspects into quarantine."""
        if suspects:
            wrong = np.isin(flows["exporter"], [i for i, n in enumerate(flows.exporters) if n in suspects])
            held = flows.take(wrong)
            self._quarantine.add(held, np.zeros(len(held), dtype=np.uint8))
            self._decoder.ledger.add(
                exporters=held.exporters, exporter=held["exporter"], domain=held["domain"], apart=1,
                minute_s=held["time_end"] // 1_000_000,
            )
            flows = flows.take(~wrong)
        if len(flows):
            self.counts["flows"] += len(flows)
            self._writer.add_flows(label(flows, self._site, self._atlas))

    def _heard(self, block: Datagrams) -> None:
        names = self._decoder.names.names
        for sender in np.unique(block.senders).tolist():
            times = block.arrived_us[block.senders == sender] / 1e6
            self._recent[names[sender]] += len(times)
            if finding := self._silence.heard(names[sender], float(times.min()), float(times.max())):
                self._report(finding)

    def _share_out(self, count: int, arrived_us: int) -> None:
        """Ledger rows for datagrams that our own machine dropped, by what each exporter sent at the time."""
        self.counts["dropped"] += count
        total = sum(self._recent.values())
        if not total:
            return
        names = list(self._recent)
        exact = np.array([self._recent[n] for n in names]) * count / total
        shares = np.floor(exact).astype(np.int64)
        # The remainder goes to those whose share was cut most.
        shares[np.argsort(shares - exact)[: count - int(shares.sum())]] += 1
        self._decoder.ledger.add(
            exporters=names, exporter=np.arange(len(names), dtype=np.int32), dropped=shares,
            minute_s=np.full(len(names), arrived_us // 1_000_000),
        )

    def _commit(self, *, ending: bool) -> None:
        begun = time.monotonic()
        for batch in self._decoder.give_up(int((time.time() - PENDING_S) * 1e6)):
            self._store(batch, set())
        ledger, self._decoder.ledger = self._decoder.ledger, LedgerBuilder()
        self._writer.add_ledger(stamp_ledger(ledger.table(), self._standings()))
        rows = self._writer.uncommitted_rows
        position = self._reader.position
        self._writer.commit(
            {STATE: {"position": [position.file, position.offset], "decoder": whole_state(self._decoder),
                     "door": self._door.state()}}
        )
        self._quarantine.write(at_once=ending)
        self._reader.remove_read()
        self._fresh = 0
        self._committed_s = time.monotonic()
        self._states.pop("lake_failed", None)
        self.counts["commits"] += 1
        log_event("committed", limited=True, flows=rows, seconds=round(time.monotonic() - begun, 3))

    def _standings(self) -> dict[str, int]:
        """How far each exporter can be relied on, by name."""
        return {self._name(address): sender.standing for address, sender in self._door.senders.items()}

    def _look(self, *, caught_up: bool) -> None:
        if time.monotonic() - self._looked_s < LOOK_S:
            return
        self._looked_s = time.monotonic()
        self._recent.clear()
        if caught_up:  # else what is missing may only not have been read yet
            for finding in self._silence.look(time.time()):
                self._report(finding)
        self._status()

    def _report(self, finding: Finding) -> None:
        log_event("finding", finding=finding.to_json())
        self.counts["findings"] += 1
        with (self._folder / "findings.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(finding.to_json()) + "\n")

    def _status(self) -> None:
        write_status(
            self._folder,
            DECODER,
            {
                "counts": dict(self.counts),
                "skipped": self.skipped.to_json()[:200],
                "backlog_bytes": self._reader.backlog_bytes(),
                "torn_bytes": self._reader.torn_bytes,
                "damaged_bytes": self._reader.damaged_bytes,
                "waiting_sets": sum(len(sets) for sets in self._decoder.pending),
                "templates": len(self._decoder.templates.histories),
                "silent": self._silence.silent()[:100],
                "states": self._states,
                **self._senders(),
            },
        )

    def _senders(self) -> dict[str, Any]:
        """Senders that somebody should look at: how many, and the first of each kind by name."""
        door = self._door
        kinds = {
            "held": [a for a, s in door.senders.items() if s.held],
            "contradictory": [a for a, s in door.senders.items() if s.standing == CONTRADICTORY and not s.held],
            "new": [a for a, s in door.senders.items() if s.standing not in (PROVEN, CONTRADICTORY) and not s.held],
            "turned_away": [a for a, _ in door.turned_away.most_common()],
        }
        return {
            "senders": {kind: {"count": len(found), "named": found[:NAMED]} for kind, found in kinds.items()},
            "quarantined": self._quarantine.total,
        }


def _block_of(frames: list[Frame]) -> tuple[Datagrams, Addresses]:
    """The datagrams of frames, whose senders have no position yet, and the senders' addresses."""
    entries = np.concatenate([frame.entries for frame in frames])
    arrived_us = np.repeat([frame.arrived_us for frame in frames], [frame.count for frame in frames])
    lengths = entries["length"].astype(np.int64)
    block = Datagrams(
        Buffer.of(b"".join([frame.payloads for frame in frames])),
        np.cumsum(lengths) - lengths,
        lengths,
        arrived_us.astype(np.int64),
        np.full(len(entries), -1, dtype=np.int32),
        entries["port"].astype(np.int64),
    )
    return block, np.ascontiguousarray(entries["sender"])
