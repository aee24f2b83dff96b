"""NetFlow v9 FlowSets and IPFIX Sets: datagrams in, a table of sets out, with the header values each rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Skipped
from tidegauge.wire.buffer import Buffer, Offsets
from tidegauge.wire.datagrams import V9, Datagrams
from tidegauge.wire.netflow5 import clock_ms


@dataclass(frozen=True)
class Heads:
    """Message headers; arrays of shape (n,). `uptime_ms` is -1 where the protocol has none."""

    domains: NDArray[np.int64]
    sequences: NDArray[np.int64]
    counts: NDArray[np.int64]
    export_ms: NDArray[np.int64]
    uptime_ms: NDArray[np.int64]


@dataclass(frozen=True)
class SetTable:
    """Sets with everything needed to decode them alone; arrays of shape (n,).

    Attributes:
        ids: set ids; from 256 on, the template's.
        offsets, lengths: the body behind the set header, in `buffer`.
        orders: number of the set within the run.
        messages: position of its datagram in the block; -1 for sets kept for later.
        waiting: the same for sets that were kept for later in this block, else -1.
        sessions: the number of the transport session above the domain: what templates belong to.
        shift_ms: what has been taken off the exporter's clock.
    """

    buffer: Buffer
    versions: NDArray[np.int64]
    ids: NDArray[np.int64]
    offsets: Offsets
    lengths: NDArray[np.int64]
    orders: NDArray[np.int64]
    messages: NDArray[np.int64]
    waiting: NDArray[np.int64]
    senders: NDArray[np.int32]
    domains: NDArray[np.int64]
    sessions: NDArray[np.int64]
    export_ms: NDArray[np.int64]
    uptime_ms: NDArray[np.int64]
    arrived_us: NDArray[np.int64]
    shift_ms: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> SetTable:
        rest = {f.name: getattr(self, f.name)[index] for f in fields(self) if f.name != "buffer"}
        return SetTable(self.buffer, **rest)

    def body(self, i: int) -> bytes:
        return bytes(self.buffer.data[self.offsets[i] : self.offsets[i] + self.lengths[i]])

    def compact(self) -> SetTable:
        """The same sets over a buffer that holds only their bytes."""
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("buffer", "offsets")}
        buffer = Buffer.of(self.buffer.join(self.offsets, self.lengths))
        return SetTable(buffer, offsets=np.cumsum(self.lengths) - self.lengths, **rest)

    @classmethod
    def concat(cls, tables: Sequence[SetTable]) -> SetTable:
        if len(tables) == 1:
            return tables[0]
        sizes = [len(t.buffer.data) for t in tables]
        shifts = np.cumsum(sizes) - sizes
        columns = {
            f.name: np.concatenate([getattr(t, f.name) for t in tables]) for f in fields(cls) if f.name != "buffer"
        }
        columns["offsets"] = np.concatenate([t.offsets + s for t, s in zip(tables, shifts, strict=True)])
        return cls(Buffer(np.concatenate([t.buffer.data for t in tables])), **columns)


def read_heads(datagrams: Datagrams, kinds: NDArray[np.int64], *, live: bool) -> Heads:
    """The headers of v9 and IPFIX messages; an unset clock gives way to the arrival, live it is set right as others."""
    buffer, at = datagrams.buffer, datagrams.offsets
    nine = kinds == V9
    secs = np.where(nine, buffer.u32(at + 8), buffer.u32(at + 4))
    return Heads(
        domains=np.where(nine, buffer.u32(at + 16), buffer.u32(at + 12)),
        sequences=np.where(nine, buffer.u32(at + 12), buffer.u32(at + 8)),
        counts=np.where(nine, buffer.u16(at + 2), 0),
        export_ms=secs * 1000 if live else clock_ms(secs, np.zeros_like(secs), datagrams.arrived_us),
        uptime_ms=np.where(nine, buffer.u32(at + 4), -1),
    )


def walk_sets(
    datagrams: Datagrams,
    kinds: NDArray[np.int64],
    heads: Heads,
    sessions: NDArray[np.int64],
    shift_ms: NDArray[np.int64],
    first_order: int,
    skipped: Skipped,
    broken: NDArray[np.bool_],
) -> tuple[SetTable, NDArray[np.int64]]:
    """All sets of all messages, in order; where a set's length is wrong, the rest of its message is left out.

    All messages are walked side by side, one set a step. `broken` is set for messages with a wrong length in them.

    Returns:
        The sets, and for each message how many bytes of it could not be read: cut off, or behind a wrong length.
    """
    buffer = datagrams.buffer
    nine = kinds == V9
    cursors = datagrams.offsets + np.where(nine, 20, 16)
    ends = datagrams.offsets + datagrams.lengths
    message_ends = np.where(nine, ends, np.minimum(datagrams.offsets + buffer.u16(datagrams.offsets + 2), ends))
    cut = ~nine & (buffer.u16(datagrams.offsets + 2) > datagrams.lengths)
    broken |= cut
    skipped.add("datagram", "IPFIX message is cut short", int(cut.sum()))
    unread = np.zeros(len(cursors), dtype=np.int64)
    active = np.flatnonzero(cursors + 4 <= message_ends)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], Offsets, NDArray[np.int64]]] = []
    while len(active):
        at = cursors[active]
        ids, lengths = buffer.u16(at), buffer.u16(at + 2)
        room = message_ends[active] - at
        over = lengths > room
        bad = lengths < 4
        broken[active[over | (bad & (ids != 0))]] = True
        unread[active[over]] = (lengths - room)[over]
        unread[active[bad & (ids != 0)]] = room[bad & (ids != 0)]
        # A set that runs past its message is cut to what is there: its whole records are good.
        skipped.add("set", "longer than its message: it was captured or sent cut short", int(over.sum()))
        skipped.add("set", "length below 4", int((bad & (ids != 0)).sum()))
        kept = np.flatnonzero(~bad)
        body = np.minimum(lengths, room)[kept] - 4
        found.append((active[kept], ids[kept], at[kept] + 4, body))
        cursors[active[kept]] += lengths[kept]
        active = active[kept]
        active = active[cursors[active] + 4 <= message_ends[active]]
    if found:
        messages, ids, offsets, lengths = (np.concatenate(part) for part in zip(*found, strict=True))
        order = np.argsort(messages, kind="stable")
        messages, ids, offsets, lengths = messages[order], ids[order], offsets[order], lengths[order]
    else:
        messages = ids = offsets = lengths = np.zeros(0, dtype=np.int64)
    table = SetTable(
        buffer=buffer,
        versions=kinds[messages],
        ids=ids,
        offsets=offsets,
        lengths=lengths,
        orders=first_order + np.arange(len(ids)),
        messages=messages,
        waiting=np.full(len(ids), -1),
        senders=datagrams.senders[messages],
        domains=heads.domains[messages],
        sessions=sessions[messages],
        export_ms=heads.export_ms[messages],
        uptime_ms=heads.uptime_ms[messages],
        arrived_us=datagrams.arrived_us[messages],
        shift_ms=shift_ms[messages],
    )
    return table, unread


def by_template(table: SetTable) -> Iterator[tuple[tuple[int, int, int], NDArray[np.int64]]]:
    """Yield the rows of each exporter, session and template id, in order."""
    if not len(table):
        return
    order = np.lexsort((table.orders, table.ids, table.sessions, table.senders))
    columns = np.stack([table.senders, table.sessions, table.ids])[:, order]
    starts = np.flatnonzero(np.r_[True, (np.diff(columns) != 0).any(axis=0)])
    for start, end in zip(starts, np.r_[starts[1:], len(order)], strict=True):
        sender, session, template_id = columns[:, start].tolist()
        yield (sender, session, template_id), order[start:end]
