"""Frames to addresses, ports and lengths: link layer, VLAN and MPLS tags, IPv4, IPv6, and the start of TCP, UDP, ICMP.

Serves captured packets, sFlow's raw headers and IPFIX's frame sections alike; frames may be cut short anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Addresses
from tidegauge.wire.buffer import Buffer, Offsets

ETHERNET, RAW_IP, NULL, SLL, SLL2 = 1, 101, 0, 113, 276
PPP, PPP_HDLC, PPP_ETHER, C_HDLC, ENC, PFLOG, NFLOG, WLAN, RADIOTAP = 9, 50, 51, 104, 109, 117, 239, 105, 127
LABELLED = 219
"""Link types (tcpdump.org, "Link-layer header types")."""
IP4, IP6, MPLS = 0x0800, 0x86DD, 0x8847
PPP_PROTOCOLS = {0x21: IP4, 0x57: IP6, 0x281: MPLS}
NFULA_PAYLOAD, MOST_TLVS = 9, 32
VLAN_TAGS = (0x8100, 0x88A8, 0x9100, 0x9200)
EXTENSION_HEADERS = (0, 43, 44, 51, 60, 135, 139, 140)
ROUTING, SEGMENTS = 43, 4
"""The routing header, and its type for segment routing."""
TCP, UDP, ICMP, ICMP6, SCTP, DCCP, UDPLITE = 6, 17, 1, 58, 132, 33, 136
IPV4 = np.dtype(
    [
        ("version_ihl", "u1"), ("tos", "u1"), ("length", ">u2"), ("id", ">u2"), ("fragment", ">u2"),
        ("ttl", "u1"), ("protocol", "u1"), ("checksum", ">u2"), ("src", "u1", 4), ("dst", "u1", 4),
    ]
)
IPV6 = np.dtype(
    [
        ("version_class_flow", ">u4"), ("length", ">u2"), ("next", "u1"), ("hops", "u1"),
        ("src", "u1", 16), ("dst", "u1", 16),
    ]
)
TRANSPORT = np.dtype([("first", ">u2"), ("second", ">u2"), ("third", ">u2"), ("rest", "V6"), ("flags", ">u2")])
"""The start of TCP (ports, flags), UDP (ports, length) and ICMP (type and code) at once."""


@dataclass(frozen=True)
class IpHeaders:
    """What stands in the headers; arrays of shape (n,), `src` and `dst` (n, 16).

    Attributes:
        valid: the IP header is whole; the other columns mean nothing elsewhere.
        network: where the IP header begins.
        ip_lengths: total length of the IP packet in bytes, header included.
        payloads, payload_lengths: the transport payload's place (behind UDP's header) as far as captured.
        fragments: part of a fragmented packet.
        six: IPv6; `segments`: with a segment routing header (RFC 8754).
    """

    valid: NDArray[np.bool_]
    src: Addresses
    dst: Addresses
    protos: NDArray[np.int64]
    src_ports: NDArray[np.int64]
    dst_ports: NDArray[np.int64]
    tcp_flags: NDArray[np.int64]
    tos: NDArray[np.int64]
    network: Offsets
    ip_lengths: NDArray[np.int64]
    payloads: Offsets
    payload_lengths: NDArray[np.int64]
    fragments: NDArray[np.bool_]
    six: NDArray[np.bool_]
    segments: NDArray[np.bool_]


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
    rare = np.flatnonzero(~(ethernet | sll | sll2 | null | bare))
    if len(rare):
        at[rare], ethertypes[rare] = _rare_links(buffer, at[rare], ends[rare], links[rare])
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


def _rare_links(
    buffer: Buffer, at: Offsets, ends: Offsets, links: NDArray[np.int64]
) -> tuple[Offsets, NDArray[np.int64]]:
    """Where the network layer of frames of less common links begins, and its Ethernet type; 0 where it is not known."""
    at, types = at.copy(), np.zeros(len(at), dtype=np.int64)
    ether = links == PPP_ETHER
    at[ether] += 6
    ppp = ether | np.isin(links, (PPP, PPP_HDLC))
    if ppp.any():
        rows = np.flatnonzero(ppp)
        at[rows] += np.where(buffer.u16(at[rows]) == 0xFF03, 2, 0)
        short = buffer.u8(at[rows]) & 1 == 1  # the protocol field is compressed (RFC 1661, 6.5)
        protocols = np.where(short, buffer.u8(at[rows]), buffer.u16(at[rows]))
        at[rows] += np.where(short, 1, 2)
        for protocol, kind in PPP_PROTOCOLS.items():
            types[rows[protocols == protocol]] = kind
    types[links == LABELLED] = MPLS
    cisco = links == C_HDLC
    types[cisco], at[cisco] = buffer.u16(at[cisco] + 2), at[cisco] + 4
    at[links == ENC] += 12
    logged = links == PFLOG
    at[logged] += (buffer.u8(at[logged]) + 3) // 4 * 4
    netfilter = np.flatnonzero(links == NFLOG)
    at[netfilter] = _payload_of(buffer, at[netfilter] + 4, ends[netfilter])
    by_version = np.isin(links, (ENC, PFLOG, NFLOG))
    versions = buffer.u8(at) >> 4
    types[by_version & (versions == 4)], types[by_version & (versions == 6)] = IP4, IP6
    radio = links == RADIOTAP
    at[radio] += buffer.u8(at[radio] + 2) + (buffer.u8(at[radio] + 3).astype(np.int64) << 8)
    air = np.flatnonzero(radio | (links == WLAN))
    at[air], types[air] = _behind_wlan(buffer, at[air])
    return at, types


def _payload_of(buffer: Buffer, at: Offsets, ends: Offsets) -> Offsets:
    """Where the packet lies in the attributes of NFLOG messages (length and type in the byte order of the host)."""
    found, at = ends.copy(), at.copy()
    for _ in range(MOST_TLVS):
        length = buffer.u8(at).astype(np.int64) | buffer.u8(at + 1).astype(np.int64) << 8
        kind = buffer.u8(at + 2).astype(np.int64) | buffer.u8(at + 3).astype(np.int64) << 8
        open_still = (found == ends) & (at + 4 < ends) & (length >= 4)
        here = open_still & (kind & 0x7FFF == NFULA_PAYLOAD)
        found[here] = at[here] + 4
        if not (open_still & ~here).any():
            break
        at = np.where(open_still, at + (length + 3) // 4 * 4, at)
    return found


def _behind_wlan(buffer: Buffer, at: Offsets) -> tuple[Offsets, NDArray[np.int64]]:
    """Behind the headers of IEEE 802.11 data frames and of LLC/SNAP; encrypted and other frames have no type."""
    control, flags = buffer.u8(at), buffer.u8(at + 1)
    data = (control & 0x0C == 0x08) & (control & 0x40 == 0) & (flags & 0x40 == 0)
    quality = control & 0x80 != 0
    size = 24 + np.where(flags & 3 == 3, 6, 0) + np.where(quality, 2, 0)
    size = size + np.where(quality & (flags & 0x80 != 0), 4, 0)
    at = at + size
    snap = data & (buffer.u16(at) == 0xAAAA) & (buffer.u8(at + 2) == 3)
    return at + 8, np.where(snap, buffer.u16(at + 6), 0)


def parse_ip(buffer: Buffer, at: Offsets, ends: Offsets) -> IpHeaders:
    """Parse from the IP header on.

    Args:
        at: where each IP header begins; shape (n,).
        ends: where what was captured of it ends; shape (n,).
    """
    count = len(at)
    first_bytes = buffer.u8(at)
    versions = first_bytes >> 4
    four = (versions == 4) & (at + 20 <= ends) & (first_bytes & 15 >= 5)
    six = (versions == 6) & (at + 40 <= ends)
    src = np.zeros((count, 16), dtype=np.uint8)
    dst = np.zeros((count, 16), dtype=np.uint8)
    tos, ip_lengths, protos, fragment_words = (np.zeros(count, dtype=np.int64) for _ in range(4))
    transport = at + 40
    # Where all are of one version, a slice spares the scattering.
    rows = slice(None) if four.all() else np.flatnonzero(four)
    header = buffer.rows_at(at[rows], IPV4)
    src[rows, 10:12] = dst[rows, 10:12] = 0xFF
    src[rows, 12:], dst[rows, 12:] = header["src"], header["dst"]
    tos[rows], ip_lengths[rows], protos[rows] = header["tos"], header["length"], header["protocol"]
    fragment_words[rows] = header["fragment"]
    transport[rows] = at[rows] + (header["version_ihl"] & 15).astype(np.int64) * 4
    if six.any():
        rows = np.flatnonzero(six)
        header = buffer.rows_at(at[rows], IPV6)
        src[rows], dst[rows] = header["src"], header["dst"]
        tos[rows] = header["version_class_flow"] >> 20 & 0xFF
        ip_lengths[rows], protos[rows] = header["length"].astype(np.int64) + 40, header["next"]
    fragments = fragment_words & 0x3FFF != 0
    first_parts = fragment_words & 0x1FFF == 0

    segments = np.zeros(count, dtype=bool)
    # IPv6 extension headers: a chain, walked for all packets at once; ten are more than any honest packet has.
    for _ in range(10 if six.any() else 0):
        chained = six & np.isin(protos, EXTENSION_HEADERS) & (transport + 8 <= ends)
        if not chained.any():
            break
        kind, where = protos[chained], transport[chained]
        is_fragment = kind == 44
        segments[chained] |= (kind == ROUTING) & (buffer.u8(where + 2) == SEGMENTS)
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
    head = buffer.rows_at(transport, TRANSPORT)
    is_tcp, is_udp = readable & (protos == TCP), readable & (protos == UDP)
    with_ports = is_tcp | is_udp | (readable & np.isin(protos, (SCTP, DCCP, UDPLITE)))
    with_ports &= transport + 4 <= ends
    src_ports = np.where(with_ports, head["first"], 0).astype(np.int64)
    dst_ports = np.where(with_ports, head["second"], 0).astype(np.int64)
    icmp = readable & ((protos == ICMP) | (protos == ICMP6)) & (transport + 2 <= ends)
    dst_ports = np.where(icmp, head["first"], dst_ports)
    tcp_flags = np.where(is_tcp & (transport + 14 <= ends), head["flags"] & 0x1FF, 0).astype(np.int64)

    udp = is_udp & (transport + 8 <= ends)
    payloads = transport + np.where(udp, 8, 0)
    udp_ends = np.minimum(transport + head["third"], ends)
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
        network=at,
        ip_lengths=ip_lengths,
        payloads=payloads,
        payload_lengths=np.maximum(payload_ends - payloads, 0),
        fragments=fragments,
        six=six,
        segments=segments,
    )


def of_frames(headers: IpHeaders, lengths: NDArray[np.int64]) -> IpHeaders:
    """Headers whose packets have the lengths of their frames where they state none: they were taken before the network
    card cut them into segments.

    Args:
        lengths: of each frame from its IP header on, in bytes; shape (n,).
    """
    unstated = headers.valid & (headers.ip_lengths == np.where(headers.six, 40, 0))
    if not unstated.any():
        return headers
    return replace(
        headers, ip_lengths=np.where(unstated, np.maximum(lengths, headers.ip_lengths), headers.ip_lengths)
    )
