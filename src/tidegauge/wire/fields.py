"""Information elements to flow columns: the records of one template in, flows out (RFC 7012, RFC 3954, RFC 5103)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import FlowBatch, Skipped, interleaved, mapped_ipv4, sane_times, turned
from tidegauge.wire import elements as e
from tidegauge.wire.connections import Connections
from tidegauge.wire.frames import ETHERNET, ICMP, ICMP6, IpHeaders, network_offsets, parse_ip
from tidegauge.wire.netflow5 import since_boot_us
from tidegauge.wire.records import Records
from tidegauge.wire.sets import SetTable
from tidegauge.wire.templates import REVERSE_PEN, Template
from tidegauge.wire.tunnels import decapsulated

Column = NDArray[Any]

SRC_PORTS = (e.SOURCE_TRANSPORT_PORT, e.TCP_SOURCE_PORT, e.UDP_SOURCE_PORT)
DST_PORTS = (e.DESTINATION_TRANSPORT_PORT, e.TCP_DESTINATION_PORT, e.UDP_DESTINATION_PORT)
IN_INTERFACES = (e.INGRESS_INTERFACE, e.INGRESS_PHYSICAL_INTERFACE)
OUT_INTERFACES = (e.EGRESS_INTERFACE, e.EGRESS_PHYSICAL_INTERFACE)
MOST = (1 << 63) - 1
"""The largest amount of a flow: sums of more are no numbers that anything behind this can take."""
SECTIONS = ((e.DATA_LINK_FRAME_SECTION, True), (e.PACKET_SECTION_V9, True), (e.IP_HEADER_PACKET_SECTION, False))
"""Elements that hold the beginning of a packet, and whether that is its frame."""
START_CLOCKS = (
    e.FLOW_START_MILLISECONDS, e.FLOW_START_MICROSECONDS, e.FLOW_START_NANOSECONDS, e.FLOW_START_SECONDS,
    e.FLOW_START_DELTA_MICROSECONDS, e.FLOW_START_SYS_UP_TIME,
)  # fmt: skip
END_CLOCKS = (
    e.FLOW_END_MILLISECONDS, e.FLOW_END_MICROSECONDS, e.FLOW_END_NANOSECONDS, e.FLOW_END_SECONDS,
    e.FLOW_END_DELTA_MICROSECONDS, e.FLOW_END_SYS_UP_TIME,
)  # fmt: skip
OBSERVED_CLOCKS = (
    e.OBSERVATION_TIME_MILLISECONDS, e.OBSERVATION_TIME_MICROSECONDS, e.OBSERVATION_TIME_NANOSECONDS,
    e.OBSERVATION_TIME_SECONDS, -1, -1,
)  # fmt: skip
"""In milliseconds, microseconds, nanoseconds, seconds, before the export, since boot."""
STARTS = (*START_CLOCKS[:1], e.FLOW_START_SYS_UP_TIME, e.FLOW_START_SECONDS)
NTP_EPOCH_S = 2_208_988_800
NTP_ERA_S = 1 << 32


def describes_flows(template: Template) -> bool:
    """Whether its records name a source and a destination, in fields or in a packet's header."""
    sections = any(template.has(n) for n, _ in SECTIONS)
    fields = {(f.element, f.length) for f in template.fields if f.enterprise == 0}
    sources = {(e.SOURCE_IPV4_ADDRESS, 4), (e.SOURCE_IPV6_ADDRESS, 16)}
    targets = {(e.DESTINATION_IPV4_ADDRESS, 4), (e.DESTINATION_IPV6_ADDRESS, 16)}
    return sections or (sources & fields != set() and targets & fields != set())


def describes_packets(template: Template) -> bool:
    """Whether its records name the ends in the header of a packet alone."""
    return not _has_addresses(template)


@dataclass(frozen=True)
class Reading:
    """How records are read, besides their template.

    Attributes:
        known: what exporters told before.
        tunnels: the tunnels that are taken off the packets of each set's exporter, by row of the sets; None: none are.
        out_bytes: for each exporter (position) what its second pair of counters is: `reverse`, `same`; else it is
            decided by the records.
        count: for each exporter, the flow direction whose records count (`ingress`, `egress`); else both do.
    """

    known: Connections
    tunnels: NDArray[np.uint8] | None
    out_bytes: dict[int, str]
    count: dict[int, str]


def flows_of(
    records: Records, sets: SetTable, intervals: NDArray[np.int64], reading: Reading, skipped: Skipped,
    chosen: NDArray[np.bool_] | None = None,
) -> tuple[FlowBatch, NDArray[np.int64]]:  # fmt: skip
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
    starts, ends = sane_times(*_times(records, sets, reading.known))
    header = columns.pop("header", None)
    if header is not None:
        return _sampled_packets(records, sets, columns, header, starts, ends, intervals)
    amounts = _amounts(records, sets, reading)
    if amounts is None:
        skipped.add("record", "an event without counters (NAT, a connection that began): no traffic", len(owners))
        return FlowBatch.empty(), owners[:0]
    kept = _kept(records, sets, amounts, reading, skipped)
    if chosen is not None:
        kept &= chosen
    if amounts.told_before is not None:
        rows = np.flatnonzero(kept)
        keys = _connection_keys(records, sets, columns, rows)
        table = np.stack([_int64(column)[rows] for column in amounts.table()])
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
    one_way = np.zeros(len(owners), dtype=bool)
    if amounts.back_octets is None or amounts.back_packets is None:
        forward_kept = forward if kept.all() else forward.take(kept)
        return forward_kept, owners if kept.all() else owners[kept]
    reverse_columns = turned(columns)
    for name, element in (("tcp_flags", e.TCP_CONTROL_BITS), ("tos", e.IP_CLASS_OF_SERVICE)):
        if (given := records.number(element, REVERSE_PEN)) is not None:
            reverse_columns[name] = given
    reverse_times = sane_times(*_times(records, sets, reading.known, REVERSE_PEN, fallback=(starts, ends)))
    reverse = _batch(
        reverse_columns, sets, owners, *reverse_times, amounts.back_octets, amounts.back_packets, intervals
    )  # fmt: skip
    carried = kept & ((amounts.back_packets > 0) | (amounts.back_octets > 0))
    # Of a record whose way there carried nothing only the way back is a flow.
    one_way = carried & (amounts.octets == 0) & (amounts.packets == 0)
    return _both(forward, reverse, kept & ~one_way, carried, owners, amounts.directions)


@dataclass(frozen=True)
class _Amounts:
    """Bytes and packets of each record, and of the way back where it has one; arrays of shape (n,).

    Attributes:
        directions: `biflow_direction` of the way there.
        unsampled: they are of a device that sees all packets.
        told_before: takes off what was told of the same connections before; None where records stand for themselves.
    """

    octets: Column
    packets: Column
    back_octets: Column | None = None
    back_packets: Column | None = None
    directions: Column | None = None
    unsampled: bool = False
    told_before: Callable[..., tuple[Column, Column]] | None = None

    def table(self) -> list[Column]:
        none = np.zeros(len(self.octets), dtype=np.uint64)
        columns = (self.octets, self.packets, self.back_octets, self.back_packets)
        return [none if column is None else column for column in columns]


def _amounts(records: Records, sets: SetTable, reading: Reading) -> _Amounts | None:
    """The counters of records by one rule, whatever their exporter calls them; None where they have none.

    There: the first of octetDeltaCount, layer2OctetDeltaCount, initiatorOctets, octetTotalCount and
    postOctetDeltaCount that is not 0, record by record. Back: the reverse elements (RFC 5103), responderOctets, else
    postOctetDeltaCount beside octetDeltaCount where it is not about the same (`Connections.way_back`).
    """
    number = records.number
    back_octets = _amount(records, (e.OCTET_DELTA_COUNT, e.OCTET_TOTAL_COUNT), REVERSE_PEN)
    back_packets = _amount(records, (e.PACKET_DELTA_COUNT, e.PACKET_TOTAL_COUNT), REVERSE_PEN)
    directions = number(e.BIFLOW_DIRECTION) if back_octets is not None or back_packets is not None else None
    responded = number(e.RESPONDER_OCTETS)
    answers = number(e.RESPONDER_PACKETS)
    out_octets, out_packets = number(e.POST_OCTET_DELTA_COUNT), number(e.POST_PACKET_DELTA_COUNT)
    there = [e.OCTET_DELTA_COUNT, e.LAYER2_OCTET_DELTA_COUNT, e.INITIATOR_OCTETS, e.OCTET_TOTAL_COUNT]
    if records.template.has(e.RESPONDER_OCTETS):
        there.insert(0, e.INITIATOR_OCTETS)
    packets_there = [e.PACKET_DELTA_COUNT, e.INITIATOR_PACKETS, e.PACKET_TOTAL_COUNT]
    octets, packets = _amount(records, tuple(there)), _amount(records, tuple(packets_there))
    if out_octets is not None or out_packets is not None:
        count = len(records.owners)
        given = [np.zeros(count, np.uint64) if c is None else c for c in (octets, out_octets, packets, out_packets)]
        if octets is not None and _is_way_back(records, sets, reading, given):
            if back_octets is None and back_packets is None and responded is None:
                back_octets, back_packets = given[1], out_packets
                directions = np.zeros(count, dtype=np.uint8)
        else:
            octets = given[1] if octets is None else np.where(given[0] == 0, given[1], given[0])
            packets = given[3] if packets is None else np.where(given[2] == 0, given[3], given[2])
    if responded is not None or answers is not None:
        back_octets = responded if responded is not None else back_octets
        back_packets = answers if answers is not None else back_packets
    if octets is None and packets is None and back_octets is None and back_packets is None:
        return None
    zeros = np.zeros(len(records.owners), dtype=np.uint64)
    firewall = records.template.has(e.INITIATOR_OCTETS) and not records.template.has(e.OCTET_DELTA_COUNT)
    if packets is None:
        packets = np.asarray(octets > 0, dtype=np.uint64) if firewall and octets is not None else zeros
    if octets is None:
        octets = zeros
    if back_packets is None and back_octets is not None:
        back_packets = np.asarray(back_octets > 0, dtype=np.uint64)
    if back_octets is None and back_packets is not None:
        back_octets = zeros
    return _Amounts(octets, packets, back_octets, back_packets, directions, firewall, _told_before(records, reading))


def _amount(records: Records, elements: tuple[int, ...], enterprise: int = 0) -> Column | None:
    """The first of some elements that is not 0, for each record; None where the template has none of them."""
    found: Column | None = None
    for element in elements:
        if (given := records.number(element, enterprise)) is not None and given is not found:
            found = given if found is None else np.where(found == 0, given, found)
    return found


def _is_way_back(records: Records, sets: SetTable, reading: Reading, given: list[Column]) -> bool:
    """Whether the second pair of counters of these records, which are of one session, is the way back."""
    exporter = int(sets.senders[records.owners[0]]) if len(records.owners) else -1
    setting = reading.out_bytes.get(exporter, "auto")
    octets, out_octets, packets, out_packets = (_int64(column) for column in given)
    key = (exporter, int(sets.sessions[records.owners[0]]) if len(records.owners) else 0, records.template)
    decided = reading.known.way_back(key, octets, out_octets, packets, out_packets)
    back = setting == "reverse" or (setting == "auto" and decided)
    what = "the way back" if back else "the same traffic behind the exporter, not counted again"
    reading.known.applied[f"records whose OUT_BYTES were taken for {what}"] += int((out_octets > 0).sum())
    return back


def _told_before(records: Records, reading: Reading) -> Callable[..., tuple[Column, Column]] | None:
    """What takes off what was told before: for firewalls' updates and for running totals of flows with a name."""
    template = records.template
    if template.has(e.FIREWALL_EVENT) and template.has(e.FLOW_ID) and template.has(e.INITIATOR_OCTETS):
        events = records.number(e.FIREWALL_EVENT)
        assert events is not None

        def of_firewall(keys: Any, table: Column, starts: Column, ends: Column, rows: Column) -> tuple[Column, Column]:
            own = events[rows]
            updates, deleted = own == e.FIREWALL_UPDATE, own == e.FIREWALL_DELETED
            return reading.known.of_firewall(keys, updates, deleted, table, starts, ends)

        return of_firewall
    totals = template.has(e.OCTET_TOTAL_COUNT) and not template.has(e.OCTET_DELTA_COUNT)
    named = template.has(e.FLOW_ID) or any(template.has(n) for n in STARTS)
    if totals and named:

        def since_last(keys: Any, table: Column, starts: Column, ends: Column, rows: Column) -> tuple[Column, Column]:
            return reading.known.since_last(keys, table, starts, ends)

        return since_last
    return None


def _connection_keys(
    records: Records, sets: SetTable, columns: dict[str, Any], rows: NDArray[np.int64]
) -> list[tuple[Any, ...]]:
    """What names the connection of each record within its session: its identifier, else its ends; and its start."""
    owners = records.owners[rows]
    parts: list[list[Any]] = [sets.senders[owners].tolist(), sets.sessions[owners].tolist()]
    flow_ids = records.number(e.FLOW_ID)
    if flow_ids is not None:
        parts.append(flow_ids[rows].tolist())
    else:
        parts += [[bytes(a) for a in columns[end][rows]] for end in ("src", "dst")]
        parts += [np.asarray(columns[name])[rows].tolist() for name in ("src_port", "dst_port", "proto")]
    started = next((given for n in STARTS if (given := records.number(n)) is not None), None)
    if started is not None:
        parts.append(started[rows].tolist())
    return list(zip(*parts, strict=True))


def is_of_firewall(template: Template) -> bool:
    """Whether records tell of connections by events: updates are then read before ends, whatever their templates."""
    return all(template.has(n) for n in (e.FIREWALL_EVENT, e.FLOW_ID, e.INITIATOR_OCTETS))


def _kept(
    records: Records, sets: SetTable, amounts: _Amounts, reading: Reading, skipped: Skipped
) -> NDArray[np.bool_]:  # fmt: skip
    """Which records are traffic, and of the flow direction that counts."""
    kept = np.ones(len(records.owners), dtype=bool)
    template = records.template
    if template.has(e.FIREWALL_EVENT) or template.has(e.NAT_EVENT):
        for column in amounts.table():
            kept &= column == 0
        kept = ~kept
        skipped.add("record", "an event without traffic (NAT, a connection that began or was denied)",
                    int((~kept).sum()))  # fmt: skip
    ways = records.number(e.FLOW_DIRECTION)
    if reading.count and ways is not None:
        exporters = sets.senders[records.owners]
        for exporter, wanted in reading.count.items():
            other = (exporters == exporter) & ((ways == e.EGRESS_FLOW) != (wanted == "egress"))
            if wanted in ("ingress", "egress") and other.any():
                skipped.add("record", f"not of the flow direction that counts ({wanted})", int((other & kept).sum()))
                kept &= ~other
    return kept


def _sampled_packets(
    records: Records, sets: SetTable, columns: dict[str, Any], header: IpHeaders, starts: Column, ends: Column,
    intervals: NDArray[np.int64],
) -> tuple[FlowBatch, NDArray[np.int64]]:  # fmt: skip
    """Flows of records that hold a section of a packet."""
    owners = records.owners
    octets = _amount(records, (e.OCTET_DELTA_COUNT, e.OCTET_TOTAL_COUNT, e.LAYER2_OCTET_DELTA_COUNT,
                               e.POST_OCTET_DELTA_COUNT))  # fmt: skip
    packets = _amount(records, (e.PACKET_DELTA_COUNT, e.PACKET_TOTAL_COUNT, e.POST_PACKET_DELTA_COUNT))
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
) -> tuple[FlowBatch, NDArray[np.int64]]:  # fmt: skip
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
) -> dict[str, Any]:  # fmt: skip
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
        "src": _address(records, e.SOURCE_IPV4_ADDRESS, e.SOURCE_IPV6_ADDRESS),
        "dst": _address(records, e.DESTINATION_IPV4_ADDRESS, e.DESTINATION_IPV6_ADDRESS),
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
              "dst_as": (e.BGP_DESTINATION_AS_NUMBER,)}  # fmt: skip
    return {name: given for name, elements in wanted.items() if (given := _first(records, elements)) is not None}


def _has_addresses(template: Template) -> bool:
    return template.has(e.SOURCE_IPV4_ADDRESS) or template.has(e.SOURCE_IPV6_ADDRESS)


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


def _times(
    records: Records, sets: SetTable, known: Connections, enterprise: int = 0,
    fallback: tuple[Column, Column] | None = None,
) -> tuple[Column, Column]:  # fmt: skip
    """Start and end in microseconds UTC, from the finest clock that the template has."""
    owners = records.owners
    export_ms = sets.export_ms[owners]
    shift_us = sets.shift_ms[owners] * 1000

    def clock(clocks: tuple[int, ...]) -> Column | None:
        milli, micro, nano, second, delta, uptime = clocks
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
            return _from_uptime(records, sets, given, known)
        return None

    starts, ends = clock(START_CLOCKS), clock(END_CLOCKS)
    observed = clock(OBSERVED_CLOCKS)
    if starts is None and ends is None:
        if fallback is not None:
            return fallback
        starts = observed
    if ends is None:
        ends = observed  # of an event: when it happened
    lasted = records.number(e.FLOW_DURATION_MILLISECONDS, enterprise)
    duration_us = None if lasted is None else _signed(lasted, 2**42) * 1000
    if duration_us is None and (lasted := records.number(e.FLOW_DURATION_MICROSECONDS, enterprise)) is not None:
        duration_us = _signed(lasted, 2**42)
    if starts is None and ends is None:
        ends = export_ms * 1000
    if starts is None:
        assert ends is not None
        starts = ends - duration_us if duration_us is not None else ends
    if ends is None:
        ends = starts + duration_us if duration_us is not None else starts
    return starts, ends


def _int64(values: Column) -> NDArray[np.int64]:
    """Amounts of any width as signed numbers; what does not fit becomes the largest that does."""
    return np.minimum(values.astype(np.uint64), np.uint64(MOST)).astype(np.int64)


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


def _from_uptime(records: Records, sets: SetTable, switched: Column, known: Connections) -> NDArray[np.int64]:
    """Microseconds UTC of a time since boot: by the boot time of the record, the message, or the session's options.

    IPFIX has no uptime in its header. Without any boot time the flow that was switched last is taken for one that
    ended when it was exported, so that how long flows lasted, and their order, is kept.
    """
    owners = records.owners
    export_ms, uptime = sets.export_ms[owners], sets.uptime_ms[owners]
    switched = _signed(switched, 2**52)
    booted = records.number(e.SYSTEM_INIT_TIME_MILLISECONDS)
    if booted is not None:
        return (_signed(booted, 2**52) + switched - sets.shift_ms[owners]) * 1000
    if (uptime >= 0).all():
        return since_boot_us(export_ms, uptime, switched & 0xFFFFFFFF)
    ended = records.number(e.FLOW_END_SYS_UP_TIME)
    last = switched if ended is None else _signed(ended, 2**52)
    uptime = uptime.copy()
    keys = sets.sessions * (1 << 20) + sets.senders
    for key in np.unique(keys[owners]).tolist():
        own = keys[owners] == key
        row = int(owners[np.flatnonzero(own)[0]])
        told = known.boots_ms.get((int(sets.senders[row]), int(sets.sessions[row])))
        boot_ms = int((export_ms[own] - last[own]).min()) if told is None else told - int(sets.shift_ms[row])
        uptime[own] = np.where(uptime[own] < 0, export_ms[own] - boot_ms, uptime[own])
    return since_boot_us(export_ms, uptime, switched & 0xFFFFFFFF)
