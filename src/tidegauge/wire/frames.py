"""Frames to addresses, ports and lengths: link layer, VLAN and MPLS tags, IPv4, IPv6, and the start of TCP, UDP, ICMP.

Serves captured packets, sFlow's raw headers and IPFIX's frame sections alike; frames may be cut short anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Addresses
from tidegauge.wire.bytesio import Buffer, Offsets

ETHERNET, RAW_IP, NULL, SLL, SLL2 = 1, 101, 0, 113, 276
VLAN_TAGS = (0x8100, 0x88A8, 0x9100, 0x9200)
EXTENSION_HEADERS = (0, 43, 44, 51, 60, 135, 139, 140)
TCP, UDP, ICMP, ICMP6, SCTP, DCCP, UDPLITE = 6, 17, 1, 58, 132, 33, 136


@dataclass(frozen=True)
class IpHeaders:
    """What stands in the headers; arrays of shape (n,), `src` and `dst` (n, 16).

    Attributes:
        valid: the IP header is whole; the other columns mean nothing elsewhere.
        ip_lengths: total length of the IP packet in bytes, header included.
        payloads, payload_lengths: the transport payload's place (behind UDP's header) as far as captured.
        fragments: part of a fragmented packet.
    """

    valid: NDArray[np.bool_]
    src: Addresses
    dst: Addresses
    protos: NDArray[np.int64]
    src_ports: NDArray[np.int64]
    dst_ports: NDArray[np.int64]
    tcp_flags: NDArray[np.int64]
    tos: NDArray[np.int64]
    ip_lengths: NDArray[np.int64]
    payloads: Offsets
    payload_lengths: NDArray[np.int64]
    fragments: NDArray[np.bool_]


def network_offsets(
    buffer: Buffer, offsets: Offsets, ends: Offsets, links: NDArray[np.int64]
) -> tuple[Offsets, NDArray[np.bool_]]:
    """Where the IP header of each frame begins, and which frames hold IP."""
    at = offsets.copy()
    ethertypes = np.zeros(len(offsets), dtype=np.int64)
    ethernet, sll, sll2, null = (
        links == ETHERNET,
        links == SLL,
        links == SLL2,
        (links == NULL) | (links == 108),
    )
    bare = np.isin(links, (RAW_IP, 12, 14, 228, 229))
    if ethernet.any():
        ethertypes[ethernet] = buffer.u16(at[ethernet] + 12)
        at[ethernet] += 14
    if sll.any():
        ethertypes[sll] = buffer.u16(at[sll] + 14)
        at[sll] += 16
    if sll2.any():
        ethertypes[sll2] = buffer.u16(at[sll2])
        at[sll2] += 20
    if null.any():
        at[null] += 4
    for _ in range(4):
        tagged = np.isin(ethertypes, VLAN_TAGS)
        if not tagged.any():
            break
        ethertypes[tagged] = buffer.u16(at[tagged] + 2)
        at[tagged] += 4
    pppoe = ethertypes == 0x8864
    at[pppoe] += 8
    labelled = (ethertypes == 0x8847) | (ethertypes == 0x8848)
    unlabelled = pppoe | bare | null
    for _ in range(8):
        if not labelled.any():
            break
        bottom = np.zeros(len(at), dtype=bool)
        bottom[labelled] = buffer.u8(at[labelled] + 2) & 1 == 1
        at[labelled] += 4
        unlabelled |= bottom
        labelled &= ~bottom
    versions = buffer.u8(at) >> 4
    known = ((ethertypes == 0x0800) & (versions == 4)) | ((ethertypes == 0x86DD) & (versions == 6))
    known |= unlabelled & ((versions == 4) | (versions == 6))
    return at, known & (at < ends)


def parse_ip(buffer: Buffer, at: Offsets, ends: Offsets) -> IpHeaders:
    """Parse from the IP header on.

    Args:
        at: where each IP header begins; shape (n,).
        ends: where what was captured of it ends; shape (n,).
    """
    count = len(at)
    versions = buffer.u8(at) >> 4
    four = (versions == 4) & (at + 20 <= ends) & (buffer.u8(at) & 15 >= 5)
    six = (versions == 6) & (at + 40 <= ends)
    src = np.zeros((count, 16), dtype=np.uint8)
    dst = np.zeros((count, 16), dtype=np.uint8)
    src[four, 10:12] = dst[four, 10:12] = 0xFF
    src[four, 12:] = buffer.bytes_at(at[four] + 12, 4)
    dst[four, 12:] = buffer.bytes_at(at[four] + 16, 4)
    src[six] = buffer.bytes_at(at[six] + 8, 16)
    dst[six] = buffer.bytes_at(at[six] + 24, 16)

    tos = np.where(four, buffer.u8(at + 1), (buffer.u16(at) >> 4) & 0xFF)
    ip_lengths = np.where(four, buffer.u16(at + 2), buffer.u16(at + 4) + 40)
    fragment_words = np.where(four, buffer.u16(at + 6), 0)
    fragments = four & (fragment_words & 0x3FFF != 0)
    first_parts = fragment_words & 0x1FFF == 0
    protos = np.where(four, buffer.u8(at + 9), buffer.u8(at + 6))
    transport = at + np.where(four, (buffer.u8(at) & 15) * 4, 40)

    # IPv6 extension headers: a chain, walked for all packets at once; ten are more than any honest packet has.
    for _ in range(10):
        chained = six & np.isin(protos, EXTENSION_HEADERS) & (transport + 8 <= ends)
        if not chained.any():
            break
        kind, where = protos[chained], transport[chained]
        is_fragment = kind == 44
        fragments[chained] |= is_fragment
        first_parts[chained] &= ~is_fragment | (buffer.u16(where + 2) >> 3 == 0)
        step = np.where(kind == 51, (buffer.u8(where + 1) + 2) * 4, (buffer.u8(where + 1) + 1) * 8)
        protos[chained] = buffer.u8(where)
        transport[chained] += np.where(is_fragment, 8, step)
        # Behind a later fragment there is no header to read, whatever the chain says.
        if not first_parts[chained].all():
            six = six & first_parts
    six = (versions == 6) & (at + 40 <= ends)

    readable = (four | six) & first_parts
    with_ports = readable & np.isin(protos, (TCP, UDP, SCTP, DCCP, UDPLITE)) & (transport + 4 <= ends)
    src_ports = np.where(with_ports, buffer.u16(transport), 0)
    dst_ports = np.where(with_ports, buffer.u16(transport + 2), 0)
    icmp = readable & np.isin(protos, (ICMP, ICMP6)) & (transport + 2 <= ends)
    dst_ports = np.where(icmp, buffer.u16(transport), dst_ports)
    tcp_flags = np.where(readable & (protos == TCP) & (transport + 14 <= ends), buffer.u16(transport + 12) & 0x1FF, 0)

    udp = readable & (protos == UDP) & (transport + 8 <= ends)
    payloads = transport + np.where(udp, 8, 0)
    udp_ends = np.minimum(transport + buffer.u16(transport + 4), ends)
    payload_ends = np.where(udp, udp_ends, np.minimum(at + ip_lengths, ends))
    return IpHeaders(
        valid=four | six,
        src=src,
        dst=dst,
        protos=protos,
        src_ports=src_ports,
        dst_ports=dst_ports,
        tcp_flags=tcp_flags,
        tos=tos,
        ip_lengths=ip_lengths,
        payloads=payloads,
        payload_lengths=np.maximum(payload_ends - payloads, 0),
        fragments=fragments,
    )
