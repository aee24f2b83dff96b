"""Whether records can be what a template makes of them that was not sent for them."""

from __future__ import annotations

import numpy as np

from tidegauge.wire import elements as e
from tidegauge.wire.records import read_records
from tidegauge.wire.sets import SetTable
from tidegauge.wire.templates import Template

LIKELY, LEAST_PACKET, LARGEST_PACKET, DAY_MS = 0.5, 20, 65_535, 86_400_000
"""The share of records that have to be likely, bytes of a packet at least and at most, milliseconds."""


def fills(template: Template, sets: SetTable) -> bool:
    """Whether records of a template fill sets, but for padding."""
    return template.variable or not bool((sets.lengths % template.size > 3).any())


def likely(template: Template, sets: SetTable) -> bool:
    """Whether what a template makes of sets can be: so that they are not read by another process' layout.

    Records fill the sets, packets have 20 bytes to 64 kB, addresses are none of "this network" (0.0.0.0/8; RFC 6890),
    and times by uptime or clock are within a day of the export.
    """
    if not fills(template, sets):
        return False
    records = read_records(template, sets)
    count = len(records.owners)
    if not count:
        return False
    good = np.ones(count, dtype=bool)
    octets, packets = records.number(e.OCTET_DELTA_COUNT), records.number(e.PACKET_DELTA_COUNT)
    if octets is not None and packets is not None:
        good &= octets <= LARGEST_PACKET * np.maximum(packets.astype(np.float64), 1)
        good &= bool(float(octets.sum()) >= LEAST_PACKET * float(packets.sum()))
    for element in (e.SOURCE_IPV4_ADDRESS, e.DESTINATION_IPV4_ADDRESS):
        if (address := records.number(element)) is not None:
            good &= address >> 24 > 0
    export_ms, uptime_ms = sets.export_ms[records.owners], sets.uptime_ms[records.owners]
    for element, clock in ((e.FLOW_END_SYS_UP_TIME, uptime_ms), (e.FLOW_END_MILLISECONDS, export_ms)):
        if (ended := records.number(element)) is not None:
            good &= (clock < 0) | (np.abs(ended.astype(np.float64) - clock) < DAY_MS)
    return bool(good.mean() >= LIKELY)
