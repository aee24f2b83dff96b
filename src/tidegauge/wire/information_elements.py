"""Information elements to flow columns: the records of one template in, flows out (RFC 7012, RFC 3954, RFC 5103)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, Skipped, interleaved, mapped_ipv4, sane_times, turned
from tidegauge.wire import elements as e
from tidegauge.wire.counters import Reading, amounts_of, connection_keys, counts_octets, first_amount, records_kept
from tidegauge.wire.frames import ETHERNET, ICMP, ICMP6, IpHeaders, network_offsets, of_frames, parse_ip
from tidegauge.wire.records import MOST, Column, Records, as_int64
from tidegauge.wire.sets import SetTable
from tidegauge.wire.templates import REVERSE_PEN, Template
from tidegauge.wire.times import times_of
from tidegauge.wire.tunnels import decapsulated

SRC_PORTS = (e.SOURCE_TRANSPORT_PORT, e.TCP_SOURCE_PORT, e.UDP_SOURCE_PORT)
DST_PORTS = (e.DESTINATION_TRANSPORT_PORT, e.TCP_DESTINATION_PORT, e.UDP_DESTINATION_PORT)
IN_INTERFACES = (e.INGRESS_INTERFACE, e.INGRESS_PHYSICAL_INTERFACE)
OUT_INTERFACES = (e.EGRESS_INTERFACE, e.EGRESS_PHYSICAL_INTERFACE)
SECTIONS = ((e.DATA_LINK_FRAME_SECTION, True), (e.PACKET_SECTION_V9, True), (e.IP_HEADER_PACKET_SECTION, False))
"""Elements that hold the beginning of a packet, and whether that is its frame."""
SOURCES = ((e.SOURCE_IPV4_ADDRESS, e.SOURCE_IPV4_PREFIX), (e.SOURCE_IPV6_ADDRESS, e.SOURCE_IPV6_PREFIX))
DESTINATIONS = (
    (e.DESTINATION_IPV4_ADDRESS, e.DESTINATION_IPV4_PREFIX), (e.DESTINATION_IPV6_ADDRESS, e.DESTINATION_IPV6_PREFIX),
)
"""Elements that name an end, of IPv4 and of IPv6: its address, else its prefix, as caches that aggregate export it."""


def describes_flows(template: Template) -> bool:
    """Whether its records name a source and a destination, in fields or in a packet's header."""
    sections = any(template.has(n) for n, _ in SECTIONS)
    fields = {(f.element, f.length) for f in template.fields if f.enterprise == 0}
    named = (
        any((element, width) in fields for elements, width in zip(end, (4, 16), strict=True) for element in elements)
        for end in (SOURCES, DESTINATIONS)
    )
    return sections or all(named)


def describes_packets(template: Template) -> bool:
    """Whether its records name the ends in the header of a packet alone."""
    return not _has_addresses(template)


def flows_of(
    records: Records, sets: SetTable, intervals: NDArray[np.int64], reading: Reading, skipped: Skipped,
    chosen: NDArray[np.bool_] | None = None,
) -> tuple[FlowBatch, NDArray[np.int64]]:
    """Flows of records; a two-way record gives two, the reverse one left out where it carried no packet.

    Args:
        intervals: sampling interval for each record; shape (n,).
        chosen: the records that are read; None: all.
    Returns:
        The flows, `packets` and `bytes` scaled, and for each the row of `sets` that it came in.
    """
    owners = records.owners
    tunnels = None if reading.tunnels is None else reading.tunnels[owners]
    columns = _addresses_and_ports(records, tunnels, skipped)
    starts, ends = sane_times(*times_of(records, sets, reading.known, skipped))
    header = columns.pop("header", None)
    if header is not None:
        return _sampled_packets(records, sets, columns, header, starts, ends, intervals)
    amounts = amounts_of(records, sets, reading)
    if amounts is None:
        skipped.add("record", "an event without counters (NAT, a connection that began): no traffic", len(owners))
        return FlowBatch.empty(), owners[:0]
    if not counts_octets(records.template):
        skipped.add("byte count", "none in its template: its flows have packets and 0 bytes", len(owners))
    kept = records_kept(records, sets, amounts, reading, skipped)
    if chosen is not None:
        kept &= chosen
    if amounts.told_before is not None:
        rows = np.flatnonzero(kept)
        keys = connection_keys(records, sets, columns, rows)
        table = np.stack([as_int64(column)[rows] for column in amounts.table()])
        table, begins = amounts.told_before(keys, table, starts[rows], ends[rows], rows)
        added = [np.zeros(len(owners), dtype=np.uint64) for _ in range(4)]
        for column, values in zip(added, table, strict=True):
            column[rows] = values.astype(np.uint64)
        amounts = replace(amounts, octets=added[0], packets=added[1], back_octets=added[2], back_packets=added[3])
        starts = starts.copy()
        starts[rows] = begins
        kept &= (added[0] > 0) | (added[2] > 0) | (added[1] > 0) | (added[3] > 0)
    if amounts.unsampled:
        intervals = np.ones(len(owners), dtype=np.int64)
    forward = _batch(columns, sets, owners, starts, ends, amounts.octets, amounts.packets, intervals)
    if amounts.back_octets is None or amounts.back_packets is None:
        forward_kept = forward if kept.all() else forward.take(kept)
        return forward_kept, owners if kept.all() else owners[kept]
    reverse_columns = turned(columns)
    for name, element in (("tcp_flags", e.TCP_CONTROL_BITS), ("tos", e.IP_CLASS_OF_SERVICE)):
        if (given := records.number(element, REVERSE_PEN)) is not None:
            reverse_columns[name] = given
    reverse_times = sane_times(
        *times_of(records, sets, reading.known, skipped, REVERSE_PEN, fallback=(starts, ends))
    )
    reverse = _batch(
        reverse_columns, sets, owners, *reverse_times, amounts.back_octets, amounts.back_packets, intervals
    )
    carried = kept & ((amounts.back_packets > 0) | (amounts.back_octets > 0))
    # Of a record whose way there carried nothing only the way back is a flow.
    one_way = carried & (amounts.octets == 0) & (amounts.packets == 0)
    return _both(forward, reverse, kept & ~one_way, carried, owners, amounts.directions)


def _sampled_packets(
    records: Records, sets: SetTable, columns: dict[str, Any], header: IpHeaders, starts: Column, ends: Column,
    intervals: NDArray[np.int64],
) -> tuple[FlowBatch, NDArray[np.int64]]:
    """Flows of records that hold a section of a packet."""
    owners = records.owners
    octets = first_amount(records, (e.OCTET_DELTA_COUNT, e.OCTET_TOTAL_COUNT, e.LAYER2_OCTET_DELTA_COUNT,
                               e.POST_OCTET_DELTA_COUNT))
    packets = first_amount(records, (e.PACKET_DELTA_COUNT, e.PACKET_TOTAL_COUNT, e.POST_PACKET_DELTA_COUNT))
    if packets is None:
        packets = np.ones(len(owners), dtype=np.uint64)
    if octets is None:
        octets = scaled(header.ip_lengths.astype(np.uint64), packets)
    forward = _batch(columns, sets, owners, starts, ends, octets, packets, intervals)
    return forward.take(header.valid), owners[header.valid]


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
    forward: FlowBatch, reverse: FlowBatch, there: NDArray[np.bool_], back: NDArray[np.bool_],
    owners: NDArray[np.int64], directions: Column | None,
) -> tuple[FlowBatch, NDArray[np.int64]]:
    """Forward and reverse flows of two-way records side by side, each where it carried something,
    `biflow_direction` set on both (RFC 5103 6.3)."""
    if directions is None:
        directions = np.ones(len(forward), dtype=np.uint8)
    said = np.where(np.isin(directions, (1, 2)), directions, 0).astype(np.uint8)
    forward.columns["biflow_direction"] = said
    reverse.columns["biflow_direction"] = np.where(said == 0, 0, 3 - said).astype(np.uint8)
    kept = np.flatnonzero(back)
    order = np.argsort(np.r_[np.arange(len(forward)) * 2, kept * 2 + 1], kind="stable")
    flows, whose = interleaved(forward, reverse, kept), np.r_[owners, owners[kept]][order]
    if there.all():
        return flows, whose
    shown = np.r_[there, np.ones(len(kept), dtype=bool)][order]
    return flows.take(shown), whose[shown]


def _first(records: Records, elements: tuple[int, ...], enterprise: int = 0) -> Column | None:
    return next((found for n in elements if (found := records.number(n, enterprise)) is not None), None)


def _zeros(records: Records) -> Column:
    return np.zeros(len(records.owners), dtype=np.int64)


def _addresses_and_ports(
    records: Records, tunnels: NDArray[np.uint8] | None, skipped: Skipped
) -> dict[str, Any]:
    """Columns from fields; where there are none but a packet section, from the packet's headers (`header` then set)."""
    for element, framed in SECTIONS:
        if (span := records.span(element)) is not None and not _has_addresses(records.template):
            return _from_section(records, span, framed, tunnels, skipped)
    protos = records.number(e.PROTOCOL_IDENTIFIER)
    protos = _zeros(records) if protos is None else _fitting(protos, 255)
    src_ports, dst_ports = _first(records, SRC_PORTS), _first(records, DST_PORTS)
    src_ports = _zeros(records) if src_ports is None else _fitting(src_ports, 65535)
    dst_ports = _zeros(records) if dst_ports is None else _fitting(dst_ports, 65535)
    icmp = (protos == ICMP) | (protos == ICMP6)
    if icmp.any():
        src_ports = np.where(icmp, 0, src_ports)
        dst_ports = np.where(icmp, _icmp(records, protos, dst_ports), dst_ports)
    found: dict[str, Any] = {
        "src": _address(records, *SOURCES),
        "dst": _address(records, *DESTINATIONS),
        "src_port": src_ports,
        "dst_port": dst_ports,
        "proto": protos,
        **_counters(records),
    }
    for name, element in (("tcp_flags", e.TCP_CONTROL_BITS), ("tos", e.IP_CLASS_OF_SERVICE)):
        if (given := records.number(element)) is not None:
            found[name] = given
    return found


def _counters(records: Records) -> dict[str, Column]:
    """Interfaces and ASes, where stated."""
    wanted = {"in_if": IN_INTERFACES, "out_if": OUT_INTERFACES, "src_as": (e.BGP_SOURCE_AS_NUMBER,),
              "dst_as": (e.BGP_DESTINATION_AS_NUMBER,)}
    return {name: given for name, elements in wanted.items() if (given := _first(records, elements)) is not None}


def _has_addresses(template: Template) -> bool:
    return template.has(e.SOURCE_IPV4_ADDRESS) or template.has(e.SOURCE_IPV6_ADDRESS)


def _from_section(
    records: Records, span: tuple[Any, Column, Column], framed: bool, tunnels: NDArray[np.uint8] | None,
    skipped: Skipped,
) -> dict[str, Any]:
    buffer, begins, ends = span
    at, known = begins, np.ones(len(begins), dtype=bool)
    if framed:
        at, known = network_offsets(buffer, begins, ends, np.full(len(begins), ETHERNET))
    header = parse_ip(buffer, at, np.where(known, ends, at))
    if framed and (frames := records.number(e.DATA_LINK_FRAME_SIZE)) is not None:
        header = of_frames(header, frames.astype(np.int64) - (at - begins))
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


def _address(records: Records, four: tuple[int, ...], six: tuple[int, ...]) -> Column:
    """The first of the fields that is there, IPv4 and IPv6 alike; a template with both uses the IPv6 one where the IPv4
    one is 0."""
    v4, v6 = (
        next((found for element in elements if (found := records.octets(element, width)) is not None), None)
        for elements, width in ((four, 4), (six, 16))
    )
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
    for proto, both, kind, code in (
        (ICMP, e.ICMP_TYPE_CODE_IPV4, e.ICMP_TYPE_IPV4, e.ICMP_CODE_IPV4),
        (ICMP6, e.ICMP_TYPE_CODE_IPV6, e.ICMP_TYPE_IPV6, e.ICMP_CODE_IPV6),
    ):
        given = records.number(both)
        if given is None and (kinds := records.number(kind)) is not None:
            codes = records.number(code)
            given = _fitting(kinds, 255).astype(np.int64) * 256 + (0 if codes is None else _fitting(codes, 255))
        if given is not None:
            result = np.where(protos == proto, _fitting(given, 65535), result)
    return result
