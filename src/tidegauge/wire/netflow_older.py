"""NetFlow v1 and v7 datagrams rewritten as v5, whose records hold the same fields (Cisco, "NetFlow Export Datagram
Format"): softflowd, and Catalyst 5000 and 6500 switches, still send them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegauge.wire.buffer import Buffer
from tidegauge.wire.datagrams import V5, V5_HEADER, V5_RECORD, Datagrams

V1, V7 = 1, 7
HEADERS, RECORD, MOST_RECORDS = {V1: 16, V7: 24}, 52, 28
SHARED = 36
"""Bytes from the source address to the destination port, which all versions have in common."""
V1_PROTO, V1_TOS, V1_FLAGS = 38, 39, 40
V5_FLAGS, V5_PROTO, V5_TOS = 37, 38, 39


def as_v5(datagrams: Datagrams) -> Datagrams:
    """Return datagrams among which those of v1 and v7 are v5; v1 has no sequence numbers, so they stay 0."""
    chosen = [(version, older_rows(datagrams, version)) for version in (V1, V7)]
    if not any(rows.any() for _, rows in chosen):
        return datagrams
    offsets, lengths = datagrams.offsets.copy(), datagrams.lengths.copy()
    parts, end = [bytes(datagrams.buffer.data)], len(datagrams.buffer.data)
    for version, rows in chosen:
        for row in np.flatnonzero(rows).tolist():
            at = int(offsets[row])
            made = _rewritten(bytes(datagrams.buffer.data[at : at + int(lengths[row])]), version)
            offsets[row], lengths[row] = end, len(made)
            parts.append(made)
            end += len(made)
    return Datagrams(
        Buffer.of(b"".join(parts)), offsets, lengths, datagrams.arrived_us, datagrams.senders, datagrams.ports
    )


def older_rows(datagrams: Datagrams, version: int) -> NDArray[np.bool_]:
    """Return which datagrams are of an older version: their length is that of their records to the byte."""
    buffer, at = datagrams.buffer, datagrams.offsets
    counts = buffer.u16(at + 2).astype(np.int64)
    fits = datagrams.lengths == HEADERS[version] + counts * RECORD
    named = (datagrams.lengths >= 4) & (buffer.u16(at) == version)
    return np.asarray(named & (counts >= 1) & (counts <= MOST_RECORDS) & fits)


def _rewritten(data: bytes, version: int) -> bytes:
    header = HEADERS[version]
    count = int.from_bytes(data[2:4])
    rows = np.frombuffer(data, dtype=np.uint8, offset=header).reshape(count, RECORD)
    made = np.zeros((count, V5_RECORD), dtype=np.uint8)
    if version == V7:
        made[:] = rows[:, :V5_RECORD]
    else:
        made[:, :SHARED] = rows[:, :SHARED]
        for ours, theirs in ((V5_FLAGS, V1_FLAGS), (V5_PROTO, V1_PROTO), (V5_TOS, V1_TOS)):
            made[:, ours] = rows[:, theirs]
    head = V5.to_bytes(2) + data[2:16] + (data[16:20] if version == V7 else bytes(4)) + bytes(4)
    assert len(head) == V5_HEADER
    return head + made.tobytes()
