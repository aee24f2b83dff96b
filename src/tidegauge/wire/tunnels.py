"""Packets inside tunnels: the inner packet's headers in place of the outer one's, where a site asks for it.

VXLAN (RFC 7348), Geneve (RFC 8926), GRE (RFC 2784, 2890), IP in IP (RFC 2003, 2473, 4213), SRv6 (RFC 8754, 8986).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Skipped
from tidegauge.settings import TUNNELS
from tidegauge.wire.buffer import Buffer, Offsets
from tidegauge.wire.frames import ETHERNET, RAW_IP, UDP, IpHeaders, network_offsets, parse_ip

MASKS = {name: np.uint8(1 << i) for i, name in enumerate(TUNNELS)}
VXLAN, GENEVE, GRE, IPIP, SRV6 = (int(MASKS[name]) for name in TUNNELS)
VXLAN_PORTS, GENEVE_PORT = (4789, 8472), 6081
"""IANA's port of VXLAN, and the one that Linux used before there was one."""
IN_IP4, IN_IP6, GRE_PROTO, IN_ETHERNET = 4, 41, 47, 143
ETHERTYPES = {0x0800: RAW_IP, 0x86DD: RAW_IP, 0x6558: ETHERNET}
DEEPEST = 4
"""Tunnels within tunnels that are taken off."""


def mask_of(names: tuple[str, ...]) -> np.uint8:
    """The bits of kinds of tunnel."""
    return np.uint8(sum(int(MASKS[name]) for name in set(names)))


def decapsulated(
    buffer: Buffer, outer: IpHeaders, ends: Offsets, tunnels: NDArray[np.uint8], skipped: Skipped
) -> IpHeaders:
    """The innermost packets' headers; what holds no whole inner header stays as it is and is counted.

    Args:
        ends: where what was captured of each packet ends; shape (n,), as all.
        tunnels: which kinds are taken off each packet.
    """
    ip, inside = outer, np.arange(len(ends))
    for _ in range(DEEPEST):
        found, at, links, kinds = _inner(buffer, ip, inside, ends, tunnels)
        if not len(found):
            break
        network, known = network_offsets(buffer, at, ends[found], links)
        inner = parse_ip(buffer, network, np.where(known, ends[found], network))
        good = inner.valid & known & (links >= 0)
        for kind in np.unique(kinds[~good]).tolist():
            name = TUNNELS[int(kind).bit_length() - 1]
            skipped.add("tunnelled packet", f"no whole IP header in its {name}, kept as the outer packet",
                        int((~good & (kinds == kind)).sum()))
        inside = found[good]
        ip = _replaced(ip, inside, inner, good)
    return ip


def _inner(
    buffer: Buffer, ip: IpHeaders, rows: NDArray[np.int64], ends: Offsets, tunnels: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], Offsets, NDArray[np.int64], NDArray[np.uint8]]:
    """Which of the packets (positions) are tunnels of a wanted kind, where their inner packets begin, of which link
    type these are (-1: none that is read), and of which kind the tunnels are."""
    rows = rows[ip.valid[rows] & ~ip.fragments[rows]]
    at, protos, ports = ip.payloads[rows], ip.protos[rows], ip.dst_ports[rows]
    wanted = tunnels[rows]
    links = np.full(len(rows), -1, dtype=np.int64)
    kinds = np.zeros(len(rows), dtype=np.uint8)
    inner = at.copy()

    def taken(mask: NDArray[np.bool_], kind: int) -> NDArray[np.bool_]:
        own = np.asarray(mask & (wanted & kind > 0) & (kinds == 0))
        kinds[own] = kind
        return own

    udp = protos == UDP
    own = taken(udp & np.isin(ports, VXLAN_PORTS), VXLAN)
    links[own & (buffer.u8(at) & 0x08 > 0)] = ETHERNET
    inner[own] += 8
    own = taken(udp & (ports == GENEVE_PORT), GENEVE)
    first = buffer.u8(at)
    links[own] = np.where(first[own] >> 6 == 0, _links(buffer.u16(at[own] + 2)), -1)
    inner[own] += 8 + (first[own] & 0x3F) * 4
    own = taken(protos == GRE_PROTO, GRE)
    flags = buffer.u16(at)
    # Routing (deprecated) and versions above 0 (PPTP) hold no packet that can be read.
    plain = flags & 0x4007 == 0
    links[own] = np.where(plain[own], _links(buffer.u16(at[own] + 2)), -1)
    present = (flags >> 15 & 1) + (flags >> 13 & 1) + (flags >> 12 & 1)
    inner[own] += 4 + 4 * present[own]
    in_ip = (protos == IN_IP4) | (protos == IN_IP6)
    # Without its routing header (reduced encapsulation, one segment) SRv6 is IP or Ethernet in IPv6.
    own = taken(ip.segments[rows] | ip.six[rows] & (in_ip | (protos == IN_ETHERNET)), SRV6)
    links[own] = np.where(in_ip[own], RAW_IP, np.where(protos[own] == IN_ETHERNET, ETHERNET, -1))
    own = taken(in_ip & ~ip.segments[rows], IPIP)
    links[own] = RAW_IP
    chosen = kinds > 0
    chosen &= ~((kinds == SRV6) & (links < 0))  # segment routing of a plain packet is no tunnel
    return rows[chosen], inner[chosen], links[chosen], kinds[chosen]


def _links(ethertypes: NDArray[np.int64]) -> NDArray[np.int64]:
    links = np.full(len(ethertypes), -1, dtype=np.int64)
    for ethertype, link in ETHERTYPES.items():
        links[ethertypes == ethertype] = link
    return links


def _replaced(ip: IpHeaders, rows: NDArray[np.int64], inner: IpHeaders, good: NDArray[np.bool_]) -> IpHeaders:
    columns: dict[str, Any] = {}
    for spec in fields(IpHeaders):
        column = getattr(ip, spec.name).copy()
        column[rows] = getattr(inner, spec.name)[good]
        columns[spec.name] = column
    return IpHeaders(**columns)
