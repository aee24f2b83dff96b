"""From the spool to the lake: decodes, labels and commits, exactly once whatever is killed when.

What has been read of the spool, what the decoder knows and the flows become part of the lake in one transaction. After
a crash, or an error of the disk, all three are taken up from the last one.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from tidegauge.atlas import Atlas, label
from tidegauge.collect.log import log_event
from tidegauge.collect.silence import SilenceWatch
from tidegauge.collect.spool import DATA, Frame, Position, SpoolReader
from tidegauge.collect.status import DECODER, write_status
from tidegauge.lake import LakeWriter, Manifest, compact, open_writer
from tidegauge.model import (
    Addresses,
    Finding,
    LakeError,
    LedgerBuilder,
    Skipped,
    as_strings16,
    format_address,
    inside,
    keep_freed_memory,
)
from tidegauge.site import Site
from tidegauge.wire import Buffer, Datagrams, Decoder, Names, resume, whole_state

COMMIT_ROWS = 4_000_000
PENDING_S = 1800
"""How long data wait for their template before they count as lost."""
LOOK_S = 5.0
COMPACT_S = 60.0
RETRY_S = 5.0
IDLE_S = 0.05
STATE = "collector"


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

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until `stopping` says so and the spool is read to its end."""
        keep_freed_memory()
        while True:
            try:
                with ExitStack() as stack:
                    self._begin(stack.enter_context(open_writer(self._site.data, self._atlas.stamp)))
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
        self._decoder = Decoder(Names(self._site.exporter_names), self._site.sampling, self.skipped, live=True)
        resume(self._decoder, state.get("decoder", {}))
        self._fresh = 0
        self._committed_s = time.monotonic()

    def _work(self, stopping: Callable[[], bool]) -> None:
        while True:
            ending = stopping()
            frames = self._reader.read()
            if frames:
                self._take(frames)
            due = self._fresh and time.monotonic() - self._committed_s >= self._commit_s
            if due or self._writer.uncommitted_rows > COMMIT_ROWS or (ending and not frames):
                self._commit()
            self._look(caught_up=not frames)
            if not frames:
                if ending:
                    self._status()
                    return
                if time.monotonic() - self._compacted_s > COMPACT_S:
                    self._compacted_s = time.monotonic()
                    self.counts["compacted"] += compact(self._site.data, now_s=time.time())
                time.sleep(IDLE_S)

    def _take(self, frames: list[Frame]) -> None:
        for frame in frames:
            if frame.kind != DATA:
                self._share_out(frame.count, frame.arrived_us)
        data = [frame for frame in frames if frame.kind == DATA]
        self._fresh += sum(frame.count for frame in frames)
        if not data:
            return
        entries = np.concatenate([frame.entries for frame in data])
        arrived_us = np.repeat([frame.arrived_us for frame in data], [frame.count for frame in data])
        senders = np.ascontiguousarray(entries["sender"])
        kept = self._admitted(senders)
        lengths = entries["length"].astype(np.int64)
        block = Datagrams(
            Buffer.of(b"".join([frame.payloads for frame in data])),
            np.cumsum(lengths) - lengths,
            lengths,
            arrived_us.astype(np.int64),
            np.full(len(entries), -1, dtype=np.int32),
        )
        if not kept.all():
            block, senders = block.take(kept), senders[kept]
        if not len(block):
            return
        block.senders[:] = self._decoder.names.positions(senders)
        self._heard(block)
        self.counts["datagrams"] += len(block)
        for flows in self._decoder.decode(block):
            if len(flows):
                self.counts["flows"] += len(flows)
                self._writer.add_flows(label(flows, self._site, self._atlas))

    def _admitted(self, senders: Addresses) -> Any:
        """Which senders are on the allow-list, where there is one."""
        if not self._site.collect.allow:
            return np.ones(len(senders), dtype=bool)
        kept = inside(senders, self._site.collect.allow)
        if refused := int((~kept).sum()):
            self.counts["refused"] += refused
            names = [format_address(bytes(a)) for a in np.unique(as_strings16(senders[~kept]))[:5]]
            log_event("refused", limited=True, count=refused, senders=names)
        return kept

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
        )  # fmt: skip

    def _commit(self) -> None:
        begun = time.monotonic()
        self._decoder.give_up(int((time.time() - PENDING_S) * 1e6))
        ledger, self._decoder.ledger = self._decoder.ledger, LedgerBuilder()
        self._writer.add_ledger(ledger.table())
        rows = self._writer.uncommitted_rows
        position = self._reader.position
        self._writer.commit(
            {STATE: {"position": [position.file, position.offset], "decoder": whole_state(self._decoder)}}
        )
        self._reader.remove_read()
        self._fresh = 0
        self._committed_s = time.monotonic()
        self._states.pop("lake_failed", None)
        self.counts["commits"] += 1
        log_event("committed", limited=True, flows=rows, seconds=round(time.monotonic() - begun, 3))

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
            },
        )
