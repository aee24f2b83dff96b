"""Flows that cannot be true, kept apart for who wants to look: a few of each sender and minute, in files of bounded
size altogether. `tidegauge flows --quarantine` shows them."""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidegauge.atlas import unlabelled
from tidegauge.lake import QUARANTINE_FOLDER
from tidegauge.model import FlowBatch
from tidegauge.site import Site
from tidegauge.wire import REASONS, groups

SUSPECT = "its sender's datagrams mostly do not hold"
MOST_OF_ONE = 2000
"""Flows of one exporter that are kept for a file, the first of them."""
SHARE = 32
"""One file takes at most this part of the room."""
BYTES_A_FLOW = 40
EVERY_S = 60.0


class Quarantine:
    """Collects flows and writes a file a minute at most; the oldest files go first. `total` counts all, kept or not."""

    def __init__(self, site: Site) -> None:
        self._site, self._most = site, site.collect.quarantine_bytes
        self._folder = site.data / QUARANTINE_FOLDER
        self._held: list[pa.Table] = []
        self._taken: Counter[str] = Counter()
        self._written_s = 0.0
        self.total = 0

    def add(self, flows: FlowBatch, codes: NDArray[np.uint8]) -> None:
        """Take flows with named exporters; `codes` are positions in `bounds.REASONS`, shape (n,)."""
        self.total += len(flows)
        kept = []
        for rows in groups(flows["exporter"]):
            name = flows.exporters[int(flows["exporter"][rows[0]])]
            room = max(MOST_OF_ONE - self._taken[name], 0)
            self._taken[name] += min(room, len(rows))
            kept.append(rows[:room])
        chosen = np.sort(np.concatenate(kept)) if kept else np.zeros(0, dtype=np.int64)
        if len(chosen):
            reasons = [REASONS[code] or SUSPECT for code in codes[chosen].tolist()]
            table = unlabelled(flows.take(chosen), self._site)
            self._held.append(table.append_column("reason", pa.array(reasons, pa.string())))

    def write(self, *, at_once: bool) -> None:
        """Write what was taken since the last time, once a minute or now; a disk that fails loses only that."""
        if not at_once and time.monotonic() - self._written_s < EVERY_S:
            return
        self._written_s = time.monotonic()
        held, self._held, self._taken = self._held, [], Counter()
        rows = max(self._most // SHARE // BYTES_A_FLOW, 1)
        if not held or not self._most:
            return
        table = pa.concat_tables(held).slice(0, rows)
        staged = self._folder / f"{uuid.uuid4().hex}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, staged, compression="zstd")
            os.replace(staged, self._folder / f"{time.time_ns():020d}.parquet")
            self._make_room()
        except OSError:
            staged.unlink(missing_ok=True)

    def _make_room(self) -> None:
        files = sorted(self._folder.glob("*.parquet"))
        sizes = [path.stat().st_size for path in files]
        while files and (sum(sizes) > self._most or len(files) > SHARE):
            files.pop(0).unlink(missing_ok=True)
            sizes.pop(0)
