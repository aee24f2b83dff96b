"""What records count: bytes and packets of each way by one rule, and which records are traffic that counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Skipped
from tidegauge.wire import elements as e
from tidegauge.wire.connections import Connections
from tidegauge.wire.records import Column, Records, as_int64
from tidegauge.wire.sets import SetTable
from tidegauge.wire.templates import REVERSE_PEN, Template

OCTETS: tuple[int, ...] = (e.OCTET_DELTA_COUNT, e.LAYER2_OCTET_DELTA_COUNT, e.INITIATOR_OCTETS, e.OCTET_TOTAL_COUNT)
PACKETS: tuple[int, ...] = (e.PACKET_DELTA_COUNT, e.INITIATOR_PACKETS, e.PACKET_TOTAL_COUNT)
"""Elements that count what went there, the first that is not 0 before the others."""
STARTS = (e.FLOW_START_MILLISECONDS, e.FLOW_START_SYS_UP_TIME, e.FLOW_START_SECONDS)


def counts_traffic(template: Template) -> bool:
    """Whether its records count bytes or packets, and tell of no event."""
    return any(template.has(element) for element in (*OCTETS, *PACKETS))


def counts_octets(template: Template) -> bool:
    """Whether its records count bytes, either way."""
    there = (*OCTETS, e.POST_OCTET_DELTA_COUNT, e.RESPONDER_OCTETS)
    return any(template.has(n) for n in there) or template.has(e.OCTET_DELTA_COUNT, REVERSE_PEN)


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


@dataclass(frozen=True)
class Amounts:
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


def amounts_of(records: Records, sets: SetTable, reading: Reading) -> Amounts | None:
    """The counters of records by one rule, whatever their exporter calls them; None where they have none.

    There: the first of octetDeltaCount, layer2OctetDeltaCount, initiatorOctets, octetTotalCount and
    postOctetDeltaCount that is not 0, record by record. Back: the reverse elements (RFC 5103), responderOctets, else
    postOctetDeltaCount beside octetDeltaCount where it is not about the same (`Connections.way_back`).
    """
    octets, packets = _there(records)
    back_octets, back_packets, directions = _back(records)
    out_octets, out_packets = (records.number(n) for n in (e.POST_OCTET_DELTA_COUNT, e.POST_PACKET_DELTA_COUNT))
    zeros = np.zeros(len(records.owners), dtype=np.uint64)
    if out_octets is not None or out_packets is not None:
        given = [zeros if c is None else c for c in (octets, out_octets, packets, out_packets)]
        if octets is None or not _is_way_back(records, sets, reading, given):
            octets, packets = _or_else(octets, given[1]), _or_else(packets, given[3])
        elif back_octets is None:
            back_octets, back_packets = given[1], out_packets if back_packets is None else back_packets
            directions = zeros.astype(np.uint8)
    if all(column is None for column in (octets, packets, back_octets, back_packets)):
        return None
    firewall = records.template.has(e.INITIATOR_OCTETS) and not records.template.has(e.OCTET_DELTA_COUNT)
    if packets is None:
        packets = np.asarray(octets > 0, dtype=np.uint64) if firewall and octets is not None else zeros
    if back_packets is None and back_octets is not None:
        back_packets = np.asarray(back_octets > 0, dtype=np.uint64)
    if back_octets is None and back_packets is not None:
        back_octets = zeros
    return Amounts(
        zeros if octets is None else octets, packets, back_octets, back_packets, directions, firewall,
        _told_before(records, reading),
    )


def _there(records: Records) -> tuple[Column | None, Column | None]:
    """Bytes and packets of the way there."""
    octets, packets = OCTETS, PACKETS
    if records.template.has(e.RESPONDER_OCTETS):
        octets, packets = (e.INITIATOR_OCTETS, *octets), (e.INITIATOR_PACKETS, *packets)
    return first_amount(records, octets), first_amount(records, packets)


def _back(records: Records) -> tuple[Column | None, Column | None, Column | None]:
    """Bytes and packets of the way back by elements of its own, and `biflow_direction` where these are reverse ones."""
    octets = first_amount(records, (e.OCTET_DELTA_COUNT, e.OCTET_TOTAL_COUNT), REVERSE_PEN)
    packets = first_amount(records, (e.PACKET_DELTA_COUNT, e.PACKET_TOTAL_COUNT), REVERSE_PEN)
    directions = None if octets is None and packets is None else records.number(e.BIFLOW_DIRECTION)
    responded, answers = records.number(e.RESPONDER_OCTETS), records.number(e.RESPONDER_PACKETS)
    return octets if responded is None else responded, packets if answers is None else answers, directions


def _or_else(first: Column | None, second: Column) -> Column:
    return second if first is None else np.where(first == 0, second, first)


def first_amount(records: Records, elements: tuple[int, ...], enterprise: int = 0) -> Column | None:
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
    octets, out_octets, packets, out_packets = (as_int64(column) for column in given)
    key = (exporter, int(sets.sessions[records.owners[0]]) if len(records.owners) else 0, records.template)
    return reading.known.way_back(key, octets, out_octets, packets, out_packets, setting)


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
    named = template.has(e.FLOW_ID) or any(template.has(n) for n in STARTS)
    if template.has(e.OCTET_TOTAL_COUNT) and not named and not template.has(e.OCTET_DELTA_COUNT):
        reading.known.applied["records of totals that name neither a start nor a flow: each counts in full"] += len(
            records.owners
        )
    if template.has(e.OCTET_TOTAL_COUNT) and named:
        deltas = records.number(e.OCTET_DELTA_COUNT)

        def since_last(keys: Any, table: Column, starts: Column, ends: Column, rows: Column) -> tuple[Column, Column]:
            if deltas is None:
                return reading.known.since_last(keys, table, starts, ends)
            added, begins = table.copy(), starts.copy()
            running = np.flatnonzero(deltas[rows] == 0)  # only there the totals are what is counted
            own = [keys[i] for i in running.tolist()]
            added[:, running], begins[running] = reading.known.since_last(
                own, table[:, running], starts[running], ends[running]
            )
            return added, begins

        return since_last
    return None


def connection_keys(
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


def records_kept(
    records: Records, sets: SetTable, amounts: Amounts, reading: Reading, skipped: Skipped
) -> NDArray[np.bool_]:
    """Which records are traffic, and of the flow direction that counts."""
    kept = np.ones(len(records.owners), dtype=bool)
    template = records.template
    if template.has(e.FIREWALL_EVENT) or template.has(e.NAT_EVENT):
        for column in amounts.table():
            kept &= column == 0
        kept = ~kept
        skipped.add("record", "an event without traffic (NAT, a connection that began or was denied)",
                    int((~kept).sum()))
    ways = records.number(e.FLOW_DIRECTION)
    if reading.count and ways is not None:
        leave_other_ways(reading.count, sets.senders[records.owners], ways == e.EGRESS_FLOW, kept, skipped)
    return kept


def leave_other_ways(
    count: dict[int, str], exporters: NDArray[np.int32], egress: NDArray[np.bool_], kept: NDArray[np.bool_],
    skipped: Skipped,
) -> None:
    """Leave out, in `kept` itself, what is not of the flow direction that counts.

    Args:
        count: as in `Reading`.
        exporters, egress: of each record, and whether it was told of where it went out; shape (n,), as `kept`.
    """
    for exporter, wanted in count.items():
        if wanted in ("ingress", "egress"):
            other = (exporters == exporter) & (egress != (wanted == "egress"))
            skipped.add("record", f"not of the flow direction that counts ({wanted})", int((other & kept).sum()))
            kept &= ~other
