"""What taking files in did, in figures."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from tidegauge.lake import AHEAD_US
from tidegauge.model import DIRECTIONS, EARLIEST_US, Skipped
from tidegauge.wire import UNADDRESSED, UNREADABLE


@dataclass
class Report:
    """What an ingest did."""

    files: int = 0
    datagrams: int = 0
    flows: int = 0
    removed: int = 0
    """Flows that were taken out, since their files were taken in again."""
    duplicates: int = 0
    skipped: Skipped = field(default_factory=Skipped)
    failures: list[str] = field(default_factory=list)
    direction: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, 0))
    """Bytes by direction."""
    warnings: list[str] = field(default_factory=list)
    odd_times: int = 0
    """Flows that began before flow export was invented, or after now."""
    span_us: tuple[int, int] | None = None
    """From the first start to the last start of the flows that were taken in, without odd ones."""
    applied: Counter[str] = field(default_factory=Counter)
    """How many records were read by each rule for exporters that do as no standard says."""

    def count(self, table: pa.Table) -> None:
        """Count labelled flows."""
        self.flows += len(table)
        column = table["direction"].combine_chunks()
        octets = np.bincount(
            np.asarray(column.indices), table["bytes"].to_numpy().astype(np.float64), len(column.dictionary)
        )
        for name, amount in zip(column.dictionary.to_pylist(), octets.tolist(), strict=True):
            self.direction[name] += int(amount)
        starts = table["time_start"].cast(pa.int64()).to_numpy()
        possible = starts[(starts >= EARLIEST_US) & (starts <= int(time.time() * 1e6) + AHEAD_US)]
        self.odd_times += len(starts) - len(possible)
        if len(possible):
            first, last = int(possible.min()), int(possible.max())
            before = self.span_us or (first, last)
            self.span_us = min(before[0], first), max(before[1], last)

    def unreadable(self, *, with_unaddressed: bool) -> int:
        """Rows that tell of traffic and could not be read; records without addresses among them where there is nothing
        else, since exporters tell of other layers beside IP, too."""
        reasons = (UNREADABLE, UNADDRESSED) if with_unaddressed else (UNREADABLE,)
        return sum(count for _, why, count in self.skipped if why in reasons)

    def without(self, before: Report) -> None:
        """Go back to what had been counted of flows before a file none of which is kept."""
        self.flows, self.direction = before.flows, before.direction
        self.odd_times, self.span_us = before.odd_times, before.span_us

    def to_json(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "datagrams": self.datagrams,
            "flows": self.flows,
            "duplicates": self.duplicates,
            "skipped": self.skipped.to_json(),
            "direction": self.direction,
            "warnings": self.warnings,
            **({"removed": self.removed} if self.removed else {}),
            **({"applied": dict(+self.applied)} if +self.applied else {}),
        }
