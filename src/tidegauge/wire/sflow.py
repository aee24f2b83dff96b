"""sFlow version 5 datagrams to flows (sflow.org, "sFlow Version 5", July 2004): one flow for each flow sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Addresses, FlowBatch, Skipped, mapped_ipv4
from tidegauge.wire.buffer import Buffer, Offsets
from tidegauge.wire.datagrams import Datagrams
from tidegauge.wire.frames import ETHERNET, LABELLED, NULL, PPP, RAW_IP, IpHeaders, network_offsets, of_frames, parse_ip
from tidegauge.wire.information_elements import header_columns
from tidegauge.wire.tunnels import decapsulated

FLOW_SAMPLE, COUNTER_SAMPLE, EXPANDED_FLOW, EXPANDED_COUNTER, DISCARDED = 1, 2, 3, 4, 5
RAW_HEADER, SAMPLED_IPV4, SAMPLED_IPV6, EXTENDED_GATEWAY = 1, 3, 4, 1003
HEADER_PROTOCOLS = {1: ETHERNET, 7: PPP, 11: RAW_IP, 12: RAW_IP, 13: LABELLED}
TAGGED = np.dtype([("tag", ">u4"), ("length", ">u4")])
SAMPLE = np.dtype(
    [(name, ">u4") for name in ("sequence", "source", "rate", "pool", "drops", "input", "output", "count")]
)
EXPANDED_SAMPLE = np.dtype(
    [
        (name, ">u4")
        for name in (
            "sequence", "source_type", "source", "rate", "pool", "drops",
            "input_format", "input", "output_format", "output", "count",
        )
    ]
)
RAW = np.dtype([(name, ">u4") for name in ("protocol", "frame", "stripped", "length")])
MOST_SAMPLES = 1024
MOST_RECORDS = 64


@dataclass(frozen=True)
class Headers:
    """Datagram headers; arrays of shape (n,), `agents` (n, 16). `samples`: where samples begin."""

    agents: Addresses
    domains: NDArray[np.int64]
    sequences: NDArray[np.int64]
    uptime_ms: NDArray[np.int64]
    counts: NDArray[np.int64]
    samples: Offsets


def read_headers(datagrams: Datagrams) -> Headers:
    """The headers. The agent's address is what the datagram says, whoever sent it."""
    buffer, at = datagrams.buffer, datagrams.offsets
    six = buffer.u32(at + 4) == 2
    agents = np.where(six[:, None], buffer.bytes_at(at + 8, 16), mapped_ipv4(buffer.u32(at + 8).astype(np.uint32)))
    behind = at + np.where(six, 24, 12)
    return Headers(
        agents,
        buffer.u32(behind),
        buffer.u32(behind + 4),
        buffer.u32(behind + 8),
        buffer.u32(behind + 12),
        behind + 16,
    )


@dataclass(frozen=True)
class _Items:
    """A list of tagged, length-prefixed items in XDR; `owners` is the row of the list that each belongs to."""

    owners: NDArray[np.int64]
    tags: NDArray[np.int64]
    begins: Offsets
    ends: Offsets


def _walk(
    buffer: Buffer,
    begins: Offsets,
    ends: Offsets,
    counts: NDArray[np.int64],
    most: int,
    what: str,
    skipped: Skipped,
) -> tuple[_Items, NDArray[np.bool_]]:
    """Walk many lists side by side, one item a step; an item that runs past its list ends the list.

    Returns:
        The items, and which lists are not what they say: cut short, or longer than any honest one.
    """
    broken = counts > most
    skipped.add(what, f"its list is said to have more than {most}", int(broken.sum()))
    cursors, left = begins.copy(), np.minimum(counts, most)
    active = np.flatnonzero(left > 0)
    parts: list[tuple[NDArray[np.int64], ...]] = []
    while len(active):
        at = cursors[active]
        heads = buffer.rows_at(at, TAGGED)
        tags, lengths = heads["tag"].astype(np.int64), heads["length"].astype(np.int64)
        whole = (at + 8 <= ends[active]) & (lengths <= ends[active] - at - 8)
        skipped.add(what, "cut short", int((~whole).sum()))
        broken[active[~whole]] = True
        active, at = active[whole], at[whole]
        parts.append((active, tags[whole], at + 8, at + 8 + lengths[whole]))
        cursors[active] = at + 8 + (lengths[whole] + 3) // 4 * 4
        left[active] -= 1
        active = active[left[active] > 0]
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return _Items(none, none, none, none), broken
    owners, tags, item_begins, item_ends = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(owners, kind="stable")
    return _Items(owners[order], tags[order], item_begins[order], item_ends[order]), broken


@dataclass(frozen=True)
class Drops:
    """Packets that data sources could not sample since they began (`drops` of sFlow v5); a row for each flow sample.

    Attributes:
        owner: the position of its datagram.
        source: type and index of its data source.
        counts: how many were dropped, modulo 2^32.
    """

    owner: NDArray[np.int64]
    source: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Sampled:
    """Flows of sFlow datagrams.

    Attributes:
        flows: a packet each, scaled; `exporter` holds what the caller gave.
        owner: for each the position of its datagram.
        egress: which were sampled where they left the agent: their data source is their output interface.
        drops: what the flow samples say that their data source dropped.
        broken, cut: for each datagram whether lists in it are not what they say, and how many samples were cut off.
    """

    flows: FlowBatch
    owner: NDArray[np.int64]
    egress: NDArray[np.bool_]
    drops: Drops
    broken: NDArray[np.bool_]
    cut: NDArray[np.int64]


def decode_sflow(
    datagrams: Datagrams, headers: Headers, exporters: NDArray[np.int32], tunnels: NDArray[np.uint8] | None,
    skipped: Skipped,
) -> Sampled:
    """Flows of flow samples: a packet each, scaled by its sampling rate, at the time of arrival (sFlow has no clock).

    Args:
        exporters: of each datagram, as flows shall have it; shape (n,).
        tunnels: the tunnels that are taken off the packets of each datagram (`tunnels.MASKS`); None: none are.
    """
    buffer = datagrams.buffer
    ends = datagrams.offsets + datagrams.lengths
    samples, broken = _walk(buffer, headers.samples, ends, headers.counts, MOST_SAMPLES, "sFlow sample", skipped)
    skipped.add("sFlow sample", "counter sample", int(np.isin(samples.tags, (COUNTER_SAMPLE, EXPANDED_COUNTER)).sum()))
    skipped.add("sFlow sample", "a packet that was discarded, not forwarded", int((samples.tags == DISCARDED).sum()))
    skipped.add("sFlow sample", "of an unknown kind", int(((samples.tags > DISCARDED) | (samples.tags == 0)).sum()))

    flow = np.flatnonzero((samples.tags == FLOW_SAMPLE) | (samples.tags == EXPANDED_FLOW))
    at, expanded = samples.begins[flow], samples.tags[flow] == EXPANDED_FLOW
    compact = buffer.rows_at(at, SAMPLE)
    rates, drops, counts, sources = (compact[name].astype(np.int64) for name in ("rate", "drops", "count", "source"))
    sources = sources >> 24 << 32 | sources & 0xFFFFFF  # type and index, as in an expanded sample
    in_ifs, out_ifs = (_interface(compact[name].astype(np.int64)) for name in ("input", "output"))
    if expanded.any():
        long = buffer.rows_at(at[expanded], EXPANDED_SAMPLE)
        rates[expanded], drops[expanded], counts[expanded] = long["rate"], long["drops"], long["count"]
        sources[expanded] = long["source_type"].astype(np.int64) << 32 | long["source"]
        in_ifs[expanded] = np.where(long["input_format"] == 0, long["input"], 0)
        out_ifs[expanded] = np.where(long["output_format"] == 0, long["output"], 0)
    rates = np.maximum(rates, 1)
    behind = at + np.where(expanded, EXPANDED_SAMPLE.itemsize, SAMPLE.itemsize)
    records, cut = _walk(buffer, behind, samples.ends[flow], counts, MOST_RECORDS, "sFlow record", skipped)
    broken[samples.owners[flow][cut]] = True
    own_tunnels = None if tunnels is None else tunnels[samples.owners[flow]]
    columns, ip_lengths, found = _packets(buffer, records, len(flow), own_tunnels, skipped)
    skipped.add("sFlow sample", "no IP packet in it", int((~found).sum()))
    src_as, dst_as = _gateways(buffer, records, len(flow))

    owner = samples.owners[flow][found]
    rate = rates[found]
    flows = FlowBatch.build(
        **{name: column[found] for name, column in columns.items()},
        exporters=(),
        time_start=datagrams.arrived_us[owner],
        time_end=datagrams.arrived_us[owner],
        exporter=exporters[owner],
        domain=headers.domains[owner],
        in_if=in_ifs[found],
        out_if=out_ifs[found],
        packets=rate,
        bytes=ip_lengths[found].astype(np.uint64) * rate.astype(np.uint64),
        sampling=rate,
        src_as=src_as[found],
        dst_as=dst_as[found],
    )
    honest = np.where(headers.counts > MOST_SAMPLES, 0, headers.counts)
    missing = np.maximum(honest - np.bincount(samples.owners, minlength=len(datagrams)), 0)
    index = sources[found] & 0xFFFFFFFF
    egress = (index == flows["out_if"]) & (index != flows["in_if"]) & (index > 0)
    return Sampled(flows, owner, egress, Drops(samples.owners[flow], sources, drops), broken, missing)


def _interface(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ifIndex of a compact interface value: 0 where its format says dropped or many, or it is unknown."""
    return np.where((values >> 30 == 0) & (values != 0x3FFFFFFF), values, 0)


def _first_of(records: _Items, tag: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The samples that have a record of this kind, and the row of the first such record of each."""
    rows = np.flatnonzero(records.tags == tag)
    samples, first = np.unique(records.owners[rows], return_index=True)
    return samples, rows[first]


def _packets(
    buffer: Buffer, records: _Items, count: int, tunnels: NDArray[np.uint8] | None, skipped: Skipped
) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64], NDArray[np.bool_]]:
    """Flow columns of the sampled packets, their IP lengths, and which samples hold an IP packet."""
    raw_samples, ip = _raw_headers(buffer, records, tunnels, skipped)
    if len(raw_samples) == count and ip.valid.all():
        return header_columns(ip), ip.ip_lengths, ip.valid
    columns: dict[str, NDArray[Any]] = {
        name: np.zeros((count, *column.shape[1:]), dtype=column.dtype) for name, column in header_columns(ip).items()
    }
    ip_lengths = np.zeros(count, dtype=np.int64)
    found = np.zeros(count, dtype=bool)

    for tag, size in ((SAMPLED_IPV4, 32), (SAMPLED_IPV6, 56)):
        samples, rows = _first_of(records, tag)
        whole = records.ends[rows] - records.begins[rows] >= size
        samples, at = samples[whole], records.begins[rows][whole]
        width = 4 if tag == SAMPLED_IPV4 else 16
        if tag == SAMPLED_IPV4:
            columns["src"][samples] = mapped_ipv4(buffer.u32(at + 8).astype(np.uint32))
            columns["dst"][samples] = mapped_ipv4(buffer.u32(at + 12).astype(np.uint32))
        else:
            columns["src"][samples] = buffer.bytes_at(at + 8, 16)
            columns["dst"][samples] = buffer.bytes_at(at + 24, 16)
        ports = at + 8 + 2 * width
        ip_lengths[samples] = buffer.u32(at)
        columns["proto"][samples] = buffer.u32(at + 4) & 0xFF
        columns["src_port"][samples] = buffer.u32(ports) & 0xFFFF
        columns["dst_port"][samples] = buffer.u32(ports + 4) & 0xFFFF
        columns["tcp_flags"][samples] = buffer.u32(ports + 8) & 0xFFFF
        columns["tos"][samples] = buffer.u32(ports + 12) & 0xFF
        found[samples] = True

    rows = raw_samples[ip.valid]
    for name, column in header_columns(ip).items():
        columns[name][rows] = column[ip.valid]
    ip_lengths[rows] = ip.ip_lengths[ip.valid]
    found[rows] = True
    return columns, ip_lengths, found


def _raw_headers(
    buffer: Buffer, records: _Items, tunnels: NDArray[np.uint8] | None, skipped: Skipped
) -> tuple[NDArray[np.int64], IpHeaders]:
    """The samples that hold the start of a packet, and its headers (valid where it is IP)."""
    samples, rows = _first_of(records, RAW_HEADER)
    whole = records.ends[rows] - records.begins[rows] >= RAW.itemsize
    samples, at, ends = samples[whole], records.begins[rows][whole], records.ends[rows][whole]
    raw = buffer.rows_at(at, RAW)
    at = at + RAW.itemsize
    ends = np.minimum(at + raw["length"], ends)
    links = np.full(len(at), NULL - 1)
    for protocol, link in HEADER_PROTOCOLS.items():
        links[raw["protocol"] == protocol] = link
    network, known = network_offsets(buffer, at, ends, links)
    ip = parse_ip(buffer, network, np.where(known, ends, network))
    ip = of_frames(ip, raw["frame"].astype(np.int64) - raw["stripped"] - (network - at))
    return samples, ip if tunnels is None else decapsulated(buffer, ip, ends, tunnels[samples], skipped)


def _gateways(buffer: Buffer, records: _Items, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Source and destination AS from extended gateway records; 0 where there is none."""
    src_as, dst_as = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    samples, rows = _first_of(records, EXTENDED_GATEWAY)
    at, ends = records.begins[rows], records.ends[rows]
    behind = at + np.where(buffer.u32(at) == 2, 20, 8)  # next hop: address type, then address
    whole = behind + 16 <= ends
    samples, behind, ends = samples[whole], behind[whole], ends[whole]
    own, source, segments = buffer.u32(behind), buffer.u32(behind + 4), buffer.u32(behind + 12)
    src_as[samples] = np.where(source == 0, own, source)
    cursor = behind + 16
    last = np.zeros(len(samples), dtype=np.int64)
    for i in range(int(min(segments.max(initial=0), 8))):
        inside = (i < segments) & (cursor + 8 <= ends)
        length = np.where(inside, buffer.u32(cursor + 4), 0)
        inside &= (length >= 1) & (cursor + 8 + 4 * length <= ends)
        tail = cursor + 4 + 4 * np.where(inside, length, 0)
        last = np.where(inside, buffer.u32(tail), last)
        cursor = np.where(inside, tail + 4, ends)
    dst_as[samples] = last
    return src_as, dst_as
