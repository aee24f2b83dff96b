"""Whether records can be what a template makes of them that was not sent for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegauge.wire import elements as e
from tidegauge.wire.records import Records, read_records
from tidegauge.wire.sets import SetTable
from tidegauge.wire.templates import Template

MOST_PADDING = 3
"""Bytes of padding that a set can end with whatever they are (RFC 7011 3.3.1: to 4 bytes); more of them are 0."""
LIKELY, LEAST_PACKET, LARGEST_PACKET, DAY_MS = 0.5, 20, 65_535, 86_400_000
"""The share of records that have to be likely, bytes of a packet at least and at most, milliseconds."""


def fills(template: Template, sets: SetTable) -> bool:
    """Whether records of a template fill sets, but for padding."""
    return template.variable or not bool((sets.lengths % template.size > MOST_PADDING).any())


def leftovers(template: Template, sets: SetTable) -> NDArray[np.int64]:
    """Bytes behind the last whole record of each set that are no padding: too many, and not all 0."""
    rest = np.zeros(len(sets), dtype=np.int64) if template.variable else sets.lengths % template.size
    rest[rest <= MOST_PADDING] = 0
    for size in np.unique(rest[rest > 0]).tolist():
        rows = np.flatnonzero(rest == size)
        ends = sets.offsets[rows] + sets.lengths[rows]
        rest[rows[~sets.buffer.bytes_at(ends - size, size).any(axis=1)]] = 0
    return rest


def likely(template: Template, sets: SetTable) -> bool:
    """Whether what a template makes of sets can be: so that they are not read by another process' layout.

    Records fill the sets, packets have 20 bytes to 64 kB, addresses are none of "this network" (0.0.0.0/8; RFC 6890),
    and times by uptime or clock are within a day of the export.
    """
    if not fills(template, sets):
        return False
    records = read_records(template, sets)
    octets, packets = records.number(e.OCTET_DELTA_COUNT), records.number(e.PACKET_DELTA_COUNT)
    if octets is not None and packets is not None and float(octets.sum()) < LEAST_PACKET * float(packets.sum()):
        return False
    good = _can_be(records, sets)
    return bool(len(good) and good.mean() >= LIKELY)


def misfits(template: Template, sets: SetTable) -> NDArray[np.bool_]:
    """Which sets are of another layout: its records leave a rest, and what they say cannot be. Shape (n,)."""
    odd = leftovers(template, sets) > 0
    if odd.any():
        rows = np.flatnonzero(odd)
        records = read_records(template, sets.take(rows))
        good, owners = _can_be(records, sets.take(rows)), records.owners
        whole = np.bincount(owners, minlength=len(rows))
        odd[rows] = np.bincount(owners, weights=good, minlength=len(rows)) < LIKELY * np.maximum(whole, 1)
    return odd


def cut_at_end(work: list[tuple[Template, SetTable]], datagrams: int) -> NDArray[np.int64]:
    """How many of the sets in each datagram end with a part of a record of flows."""
    found = np.zeros(datagrams, dtype=np.int64)
    for template, sets in work:
        if not template.options:
            cut = (2 * leftovers(template, sets) >= template.size) & (sets.messages >= 0)
            np.add.at(found, sets.messages[cut], 1)
    return found


def _can_be(records: Records, sets: SetTable) -> NDArray[np.bool_]:
    """Which records of sets can be: shape (records,)."""
    owners = records.owners
    good = np.ones(len(owners), dtype=bool)
    octets, packets = records.number(e.OCTET_DELTA_COUNT), records.number(e.PACKET_DELTA_COUNT)
    if octets is not None and packets is not None:
        good &= octets <= LARGEST_PACKET * np.maximum(packets.astype(np.float64), 1)
    for element in (e.SOURCE_IPV4_ADDRESS, e.DESTINATION_IPV4_ADDRESS):
        if (address := records.number(element)) is not None:
            good &= address >> 24 > 0
    export_ms, uptime_ms = sets.export_ms[owners], sets.uptime_ms[owners]
    for element, clock in ((e.FLOW_END_SYS_UP_TIME, uptime_ms), (e.FLOW_END_MILLISECONDS, export_ms)):
        if (ended := records.number(element)) is not None:
            good &= (clock < 0) | (np.abs(ended.astype(np.float64) - clock) < DAY_MS)
    return good
