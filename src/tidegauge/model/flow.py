"""One schema for every flow: the columns of the lake, and a batch of flows as decoders make it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.model.address import Addresses

DICTIONARY = pa.dictionary(pa.int32(), pa.string())
TIMESTAMP = pa.timestamp("us", tz="UTC")

FLOW_SCHEMA = pa.schema(
    [
        ("time_start", TIMESTAMP),
        ("time_end", TIMESTAMP),
        ("exporter", DICTIONARY),
        ("domain", pa.uint32()),
        ("in_if", pa.uint32()),
        ("out_if", pa.uint32()),
        ("src", pa.binary(16)),
        ("dst", pa.binary(16)),
        ("src_port", pa.uint16()),
        ("dst_port", pa.uint16()),
        ("proto", pa.uint8()),
        ("tcp_flags", pa.uint16()),
        ("tos", pa.uint8()),
        ("packets", pa.uint64()),
        ("bytes", pa.uint64()),
        ("sampling", pa.uint32()),
        ("biflow_direction", pa.uint8()),
        ("direction", DICTIONARY),
        ("src_country", DICTIONARY),
        ("dst_country", DICTIONARY),
        ("src_as", pa.uint32()),
        ("dst_as", pa.uint32()),
        ("src_class", pa.uint16()),
        ("dst_class", pa.uint16()),
    ]
)
"""The columns of a labelled flow, in the order of the lake's files."""

NUMBERS: dict[str, type[np.generic]] = {
    "time_start": np.int64, "time_end": np.int64, "exporter": np.int32, "domain": np.uint32,
    "in_if": np.uint32, "out_if": np.uint32, "src_port": np.uint16, "dst_port": np.uint16,
    "proto": np.uint8, "tcp_flags": np.uint16, "tos": np.uint8, "packets": np.uint64, "bytes": np.uint64,
    "sampling": np.uint32, "biflow_direction": np.uint8, "src_as": np.uint32, "dst_as": np.uint32,
}
"""The columns that a decoder fills besides `src` and `dst`, with their dtypes; times in microseconds UTC."""

TURNED = {"src": "dst", "src_port": "dst_port", "in_if": "out_if", "src_as": "dst_as"}
TURNED |= {b: a for a, b in TURNED.items()}
ICMP_PROTOS = (1, 58)

LATEST_US = 4_102_444_800_000_000  # 2100-01-01; a clock past it is broken, not a time


@dataclass(frozen=True)
class FlowBatch:
    """Flows before labelling: one array a column, all of one length.

    Attributes:
        columns: `src` and `dst` of shape (n, 16); the names of `NUMBERS` of shape (n,), with their dtypes.
            `exporter` holds positions in `exporters`.
        exporters: addresses or names.
    """

    columns: dict[str, NDArray[Any]]
    exporters: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.columns["time_start"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    @classmethod
    def build(
        cls, *, src: Addresses, dst: Addresses, exporters: Iterable[str], **numbers: NDArray[Any] | int
    ) -> FlowBatch:
        """Make a batch; a number stands for a whole column, a column left out is 0 (`sampling`: 1)."""
        length = len(src)
        columns: dict[str, NDArray[Any]] = {"src": src, "dst": dst}
        for name, dtype in NUMBERS.items():
            given = numbers.pop(name, 1 if name == "sampling" else 0)
            if isinstance(given, np.ndarray):
                columns[name] = given.astype(dtype, copy=False)
            else:
                columns[name] = np.full(length, given, dtype=dtype)
        if numbers:
            raise ValueError(f"no such flow column: {', '.join(numbers)}")
        return cls(columns, tuple(exporters))

    @classmethod
    def empty(cls) -> FlowBatch:
        none = np.zeros((0, 16), dtype=np.uint8)
        return cls.build(src=none, dst=none, exporters=())

    def take(self, index: NDArray[Any]) -> FlowBatch:
        """The flows at these positions, or where this mask is true."""
        return FlowBatch({name: column[index] for name, column in self.columns.items()}, self.exporters)

    def shifted(self, by_us: NDArray[np.int64]) -> FlowBatch:
        """The same flows, times earlier by so many microseconds; shape (n,)."""
        if not by_us.any():
            return self
        starts, ends = sane_times(self["time_start"] - by_us, self["time_end"] - by_us)
        return FlowBatch({**self.columns, "time_start": starts, "time_end": ends}, self.exporters)

    def both_ways(
        self, back_packets: NDArray[Any], back_bytes: NDArray[Any], *, said: NDArray[np.uint8] | int = 1,
        **more: NDArray[Any],
    ) -> FlowBatch:
        """Two flows for each two-way record, the reverse one left out where it carried no packet, in order.

        Args:
            back_packets, back_bytes: of the way back; shape (n,).
            said: `biflow_direction` of the forward flows (RFC 5103 6.3): 0 not known, 1 initiator, 2 responder.
            more: other columns of the reverse flows that differ.
        """
        said = np.broadcast_to(np.asarray(said, dtype=np.uint8), (len(self),))
        forward = FlowBatch({**self.columns, "biflow_direction": said}, self.exporters)
        counts = {"packets": back_packets.astype(np.uint64), "bytes": back_bytes.astype(np.uint64)}
        answered = np.where(said == 0, 0, 3 - said).astype(np.uint8)
        given = {name: column.astype(NUMBERS[name]) for name, column in more.items()}
        back = FlowBatch({**turned(self.columns), **counts, **given, "biflow_direction": answered}, self.exporters)
        return interleaved(forward, back, np.flatnonzero(back_packets > 0))

    @classmethod
    def concat(cls, batches: Iterable[FlowBatch]) -> FlowBatch:
        """One batch of many, in order; exporters are matched by name."""
        kept = [batch for batch in batches if len(batch)]
        if not kept:
            return cls.empty()
        if len(kept) == 1:
            return kept[0]
        if all(batch.exporters == kept[0].exporters for batch in kept):
            joined = {name: np.concatenate([batch[name] for batch in kept]) for name in kept[0].columns}
            return cls(joined, kept[0].exporters)
        names = tuple(dict.fromkeys(name for batch in kept for name in batch.exporters))
        return cls.concat([batch._named(names) for batch in kept])

    def _named(self, names: tuple[str, ...]) -> FlowBatch:
        """The same flows, whose exporters are positions among these names."""
        positions = np.array([names.index(name) for name in self.exporters], dtype=np.int32)
        return FlowBatch({**self.columns, "exporter": positions[self["exporter"]]}, names)


def turned(columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Columns of the way back: ends swapped; ICMP's type and code stay in the destination port."""
    swapped = {TURNED.get(name, name): column for name, column in columns.items()}
    if {"proto", "src_port", "dst_port"} <= columns.keys():
        icmp = np.isin(columns["proto"], ICMP_PROTOS)
        if icmp.any():
            for name in ("src_port", "dst_port"):
                swapped[name] = np.where(icmp, columns[name], swapped[name])
    return swapped


def interleaved(forward: FlowBatch, back: FlowBatch, kept: NDArray[np.int64]) -> FlowBatch:
    """Forward flows, each followed by its reverse one where that is kept (positions)."""
    order = np.argsort(np.r_[np.arange(len(forward)) * 2, kept * 2 + 1], kind="stable")
    return FlowBatch.concat([forward, back.take(kept)]).take(order)


def sane_times(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Times clipped to 1970..2100 with no end before its start (an exporter's clock can say anything)."""
    starts = np.clip(starts, 0, LATEST_US)
    return starts, np.maximum(np.clip(ends, 0, LATEST_US), starts)
