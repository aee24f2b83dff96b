"""Information elements to flow columns: the records of one template in, flows out (RFC 7012, RFC 3954, RFC 5103)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, Skipped, interleaved, mapped_ipv4, sane_times, turned
from tidegauge.wire.frames import ETHERNET, ICMP, ICMP6, IpHeaders, network_offsets, parse_ip
from tidegauge.wire.netflow5 import since_boot_us
from tidegauge.wire.records import Records
from tidegauge.wire.sets import SetTable
from tidegauge.wire.templates import REVERSE_PEN, Template
from tidegauge.wire.tunnels import decapsulated

Column = NDArray[Any]

OCTETS = (1, 85, 352, 23)
PACKETS = (2, 86, 24)
SRC_PORTS, DST_PORTS = (7, 182, 180), (11, 183, 181)
IN_INTERFACES, OUT_INTERFACES = (10, 252), (14, 253)
FRAME_SECTION, PACKET_SECTION, PACKET_SECTION_V9 = 315, 313, 104
MOST = (1 << 63) - 1
"""The largest amount of a flow: sums of more are no numbers that anything behind this can take."""
NTP_EPOCH_S = 2_208_988_800
NTP_ERA_S = 1 << 32


def describes_flows(template: Template) -> bool:
    """Whether its records name a source and a destination, in fields or in a packet's header."""
    sections = any(template.has(e) for e in (FRAME_SECTION, PACKET_SECTION, PACKET_SECTION_V9))
    fields = {(f.element, f.length) for f in template.fields if f.enterprise == 0}
    return sections or ({(8, 4), (27, 16)} & fields != set() and {(12, 4), (28, 16)} & fields != set())


def flows_of(
    records: Records, sets: SetTable, intervals: NDArray[np.int64], tunnels: NDArray[np.uint8] | None, skipped: Skipped
) -> tuple[FlowBatch, NDArray[np.int64]]:
    """Flows of records; a biflow gives two, the reverse one left out where it carried no packet.

    Args:
        intervals: sampling interval for each record; shape (n,).
        tunnels: the tunnels that are taken off the packets of each set's exporter, by row of `sets`; None: none are.
    Returns:
        The flows, `packets` and `bytes` scaled, and for each the row of `sets` that it came in.
    """
    owners = records.owners
    columns = _addresses_and_ports(records, None if tunnels is None else tunnels[owners], skipped)
    starts, ends = sane_times(*_times(records, sets))
    octets, packets = _first(records, OCTETS), _first(records, PACKETS)
    if octets is None and (initiated := records.number(231)) is not None:  # Cisco's firewalls
        return _firewall_flows(records, sets, columns, starts, ends, initiated)
    header = columns.pop("header", None)
    if packets is None:
        sampled = header is not None or octets is None
        packets = np.full(len(owners), 1 if sampled else 0, dtype=np.uint64)
    if octets is None:
        octets = (
            scaled(header.ip_lengths.astype(np.uint64), packets)
            if header is not None
            else np.zeros(len(owners), np.uint64)
        )
    forward = _batch(columns, sets, owners, starts, ends, octets, packets, intervals)
    if header is not None:
        return forward.take(header.valid), owners[header.valid]

    reverse_octets = _first(records, (1, 85), REVERSE_PEN)
    reverse_packets = _first(records, (2, 86), REVERSE_PEN)
    if reverse_octets is None and reverse_packets is None:
        return forward, owners
    if reverse_packets is None:
        assert reverse_octets is not None
        reverse_packets = np.asarray(reverse_octets > 0, dtype=np.uint64)
    if reverse_octets is None:
        reverse_octets = np.zeros(len(owners), np.uint64)
    reverse_columns = turned(columns)
    for name, element in (("tcp_flags", 6), ("tos", 5)):
        if (given := records.number(element, REVERSE_PEN)) is not None:
            reverse_columns[name] = given
    reverse_times = _times(records, sets, REVERSE_PEN, fallback=(starts, ends))
    reverse = _batch(
        reverse_columns, sets, owners, *sane_times(*reverse_times), reverse_octets, reverse_packets, intervals
    )
    return _both(forward, reverse, reverse_packets > 0, owners, records.number(239))


def _batch(
    columns: dict[str, Column],
    sets: SetTable,
    owners: NDArray[np.int64],
    starts: Column,
    ends: Column,
    octets: Column,
    packets: Column,
    intervals: NDArray[np.int64],
) -> FlowBatch:
    return FlowBatch.build(
        **columns,
        exporters=(),
        time_start=starts,
        time_end=ends,
        exporter=sets.senders[owners],
        domain=sets.domains[owners],
        packets=scaled(packets, intervals),
        bytes=scaled(octets, intervals),
        sampling=intervals,
    )


def scaled(amounts: Column, intervals: Column) -> NDArray[np.uint64]:
    """Amounts times their sampling intervals; what does not fit becomes the largest number that does."""
    highest = int(intervals.max(initial=1))
    unscaled = highest == 1 and int(intervals.min(initial=1)) == 1
    narrow = amounts.dtype.itemsize < 8
    amounts = amounts.astype(np.uint64)
    if unscaled and narrow:
        return amounts
    if int(amounts.max(initial=0)) * highest <= MOST:
        return amounts if unscaled else np.asarray(amounts * intervals.astype(np.uint64))
    intervals = intervals.astype(np.uint64)
    return np.asarray(np.minimum(amounts, np.uint64(MOST) // np.maximum(intervals, 1)) * intervals)


def _fitting(values: Column, most: int) -> Column:
    """Numbers of any width as a column takes them: larger ones than it can hold become its largest."""
    if values.dtype.kind == "u" and np.iinfo(values.dtype).max <= most:
        return values
    return np.minimum(values.astype(np.uint64), np.uint64(most)).astype(np.int64)


def _both(
    forward: FlowBatch,
    reverse: FlowBatch,
    carried: Column,
    owners: NDArray[np.int64],
    directions: Column | None,
) -> tuple[FlowBatch, NDArray[np.int64]]:
    """Forward and reverse flows of biflows side by side, `biflow_direction` set on both (RFC 5103 6.3)."""
    if directions is None:
        directions = np.ones(len(forward), dtype=np.uint8)
    said = np.where(np.isin(directions, (1, 2)), directions, 0).astype(np.uint8)
    forward.columns["biflow_direction"] = said
    reverse.columns["biflow_direction"] = np.where(said == 0, 0, 3 - said).astype(np.uint8)
    kept = np.flatnonzero(carried)
    order = np.argsort(np.r_[np.arange(len(forward)) * 2, kept * 2 + 1], kind="stable")
    return interleaved(forward, reverse, kept), np.r_[owners, owners[kept]][order]


def _firewall_flows(
    records: Records,
    sets: SetTable,
    columns: dict[str, Column],
    starts: Column,
    ends: Column,
    initiated: Column,
) -> tuple[FlowBatch, NDArray[np.int64]]:
    """Records with initiatorOctets/responderOctets (231, 232), packets (298, 299): never sampled."""
    columns.pop("header", None)
    owners = records.owners
    ones = np.ones(len(owners), dtype=np.int64)
    answered = records.number(232)
    answered = np.zeros(len(owners), np.uint64) if answered is None else answered
    packets_out, packets_back = records.number(298), records.number(299)
    packets_out = (initiated > 0).astype(np.uint64) if packets_out is None else packets_out
    packets_back = (answered > 0).astype(np.uint64) if packets_back is None else packets_back
    forward = _batch(columns, sets, owners, starts, ends, initiated, packets_out, ones)
    reverse = _batch(turned(columns), sets, owners, starts, ends, answered, packets_back, ones)
    return _both(forward, reverse, packets_back > 0, owners, None)


def _first(records: Records, elements: tuple[int, ...], enterprise: int = 0) -> Column | None:
    return next((found for e in elements if (found := records.number(e, enterprise)) is not None), None)


def _zeros(records: Records) -> Column:
    return np.zeros(len(records.owners), dtype=np.int64)


def _addresses_and_ports(
    records: Records, tunnels: NDArray[np.uint8] | None, skipped: Skipped
) -> dict[str, Any]:  # fmt: skip
    """Columns from fields; where there are none but a packet section, from the packet's headers (`header` then set)."""
    sections = ((FRAME_SECTION, True), (PACKET_SECTION_V9, True), (PACKET_SECTION, False))
    for element, framed in sections:
        if (span := records.span(element)) is not None and not _has_addresses(records.template):
            return _from_section(records, span, framed, tunnels, skipped)
    protos = _first(records, (4,))
    protos = _zeros(records) if protos is None else _fitting(protos, 255)
    src_ports, dst_ports = _first(records, SRC_PORTS), _first(records, DST_PORTS)
    src_ports = _zeros(records) if src_ports is None else _fitting(src_ports, 65535)
    dst_ports = _zeros(records) if dst_ports is None else _fitting(dst_ports, 65535)
    icmp = (protos == ICMP) | (protos == ICMP6)
    if icmp.any():
        src_ports = np.where(icmp, 0, src_ports)
        dst_ports = np.where(icmp, _icmp(records, protos, dst_ports), dst_ports)
    found: dict[str, Any] = {
        "src": _address(records, 8, 27),
        "dst": _address(records, 12, 28),
        "src_port": src_ports,
        "dst_port": dst_ports,
        "proto": protos,
        **_counters(records),
    }
    for name, element in (("tcp_flags", 6), ("tos", 5)):
        if (given := records.number(element)) is not None:
            found[name] = given
    return found


def _counters(records: Records) -> dict[str, Column]:
    """Interfaces and ASes, where stated."""
    wanted = {"in_if": IN_INTERFACES, "out_if": OUT_INTERFACES, "src_as": (16,), "dst_as": (17,)}
    return {name: given for name, elements in wanted.items() if (given := _first(records, elements)) is not None}


def _has_addresses(template: Template) -> bool:
    return template.has(8) or template.has(27)


def _from_section(
    records: Records, span: tuple[Any, Column, Column], framed: bool, tunnels: NDArray[np.uint8] | None,
    skipped: Skipped,
) -> dict[str, Any]:  # fmt: skip
    buffer, begins, ends = span
    at, known = begins, np.ones(len(begins), dtype=bool)
    if framed:
        at, known = network_offsets(buffer, begins, ends, np.full(len(begins), ETHERNET))
    header = parse_ip(buffer, at, np.where(known, ends, at))
    if tunnels is not None:
        header = decapsulated(buffer, header, ends, tunnels, skipped)
    return {**header_columns(header), **_counters(records), "header": header}


def header_columns(header: IpHeaders) -> dict[str, Any]:
    """A packet's own headers as flow columns."""
    return {
        "src": header.src,
        "dst": header.dst,
        "src_port": header.src_ports,
        "dst_port": header.dst_ports,
        "proto": header.protos,
        "tcp_flags": header.tcp_flags,
        "tos": header.tos,
    }


def _address(records: Records, four: int, six: int) -> Column:
    """IPv4 and IPv6 fields alike; a template with both uses the IPv6 one where the IPv4 one is 0."""
    v4, v6 = records.octets(four, 4), records.octets(six, 16)
    if v4 is None:
        return np.zeros((len(records.owners), 16), dtype=np.uint8) if v6 is None else v6
    mapped = mapped_ipv4(np.ascontiguousarray(v4).view(">u4").reshape(-1))
    if v6 is not None:
        use = v6.any(axis=1) & ~v4.any(axis=1)
        mapped[use] = v6[use]
    return mapped


def _icmp(records: Records, protos: Column, dst_ports: Column) -> Column:
    """Type and code as type*256+code; by convention in the destination port where there is no field for them."""
    result = dst_ports.astype(np.int64)
    for proto, both, kind, code in ((ICMP, 32, 176, 177), (ICMP6, 139, 178, 179)):
        given = records.number(both)
        if given is None and (kinds := records.number(kind)) is not None:
            codes = records.number(code)
            given = _fitting(kinds, 255).astype(np.int64) * 256 + (0 if codes is None else _fitting(codes, 255))
        if given is not None:
            result = np.where(protos == proto, _fitting(given, 65535), result)
    return result


def _times(
    records: Records, sets: SetTable, enterprise: int = 0, fallback: tuple[Column, Column] | None = None
) -> tuple[Column, Column]:
    """Start and end in microseconds UTC, from the finest clock that the template has."""
    owners = records.owners
    export_ms = sets.export_ms[owners]
    shift_us = sets.shift_ms[owners] * 1000

    def clock(milli: int, micro: int, nano: int, second: int, delta: int, uptime: int) -> Column | None:
        number = records.number
        if (given := number(milli, enterprise)) is not None:
            return _signed(given, 2**52) * 1000 - shift_us
        for element in (micro, nano):
            if (raw := records.octets(element, 8, enterprise)) is not None:
                return _ntp_us(raw, export_ms) - shift_us
        if (given := number(second, enterprise)) is not None:
            return _signed(given, 2**42) * 1_000_000 - shift_us
        if (given := number(delta, enterprise)) is not None:
            return export_ms * 1000 - _signed(given, 2**42)
        if (given := number(uptime, enterprise)) is not None:
            return _from_uptime(records, sets, given)
        return None

    starts = clock(152, 154, 156, 150, 158, 22)
    ends = clock(153, 155, 157, 151, 159, 21)
    if starts is None and ends is None:
        if fallback is not None:
            return fallback
        starts = ends = clock(323, 324, 325, 322, -1, -1)  # observation time of one packet
    lasted = records.number(161, enterprise)
    duration_us = None if lasted is None else _signed(lasted, 2**42) * 1000
    if duration_us is None and (lasted := records.number(162, enterprise)) is not None:
        duration_us = _signed(lasted, 2**42)
    if starts is None and ends is None:
        ends = export_ms * 1000
    if starts is None:
        assert ends is not None
        starts = ends - duration_us if duration_us is not None else ends
    if ends is None:
        ends = starts + duration_us if duration_us is not None else starts
    return starts, ends


def _signed(values: Column, most: int) -> NDArray[np.int64]:
    return (
        np.minimum(values, np.uint64(most)).astype(np.int64) if values.dtype == np.uint64 else values.astype(np.int64)
    )


def _ntp_us(raw: NDArray[np.uint8], export_ms: Column) -> NDArray[np.int64]:
    """NTP timestamps (seconds since 1900, fraction of 2^-32 s) in the era nearest to the export time."""
    words = np.ascontiguousarray(raw).view(">u4").reshape(-1, 2).astype(np.int64)
    seconds = words[:, 0] - NTP_EPOCH_S
    seconds += np.rint((export_ms / 1000 - seconds) / NTP_ERA_S).astype(np.int64) * NTP_ERA_S
    return seconds * 1_000_000 + ((words[:, 1] * 1_000_000) >> 32)


def _from_uptime(records: Records, sets: SetTable, switched: Column) -> NDArray[np.int64]:
    owners = records.owners
    export_ms, uptime = sets.export_ms[owners], sets.uptime_ms[owners]
    switched = _signed(switched, 2**52)
    booted = records.number(160)  # systemInitTimeMilliseconds
    if booted is not None:
        return (_signed(booted, 2**52) + switched - sets.shift_ms[owners]) * 1000
    # IPFIX has no sysUptime in its header: without a boot time the value has no zero point, the export time stands.
    relative = since_boot_us(export_ms, uptime, switched & 0xFFFFFFFF)
    return np.where(uptime >= 0, relative, export_ms * 1000)
