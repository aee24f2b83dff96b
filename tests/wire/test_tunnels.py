"""Tunnels: with `decapsulate` the inner packet counts, by its IP length; what holds none stays the outer one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.make import NOW_S, decode, ethernet, ip, ipfix, sets, sflow, sflow_sample, tcp4, template
from tidegauge.ingest import Ingest
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import parse_address
from tidegauge.site import Site, load_site
from tidegauge.wire import Decoder, Names, mask_of

INNER = tcp4("198.51.100.7", "192.0.2.7", length=40)
"""A whole packet of 40 bytes."""


def ip4(proto: int, body: bytes) -> bytes:
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, proto, 0, ip("203.0.113.1"), ip("203.0.113.2")
    )
    return head + body


def ip6(following: int, body: bytes) -> bytes:
    return struct.pack(">IHBB16s16s", 6 << 28, len(body), following, 64, ip("2001:db8::1"), ip("2001:db8::2")) + body


def udp(port: int, body: bytes) -> bytes:
    return struct.pack(">HHHH", 50_000, port, 8 + len(body), 0) + body


SEGMENTS = struct.pack(">BBBBBBH16s", 4, 2, 4, 0, 0, 0, 0, ip("2001:db8::2"))
TUNNELLED = {
    "vxlan": ip4(17, udp(4789, struct.pack(">II", 0x08000000, 77 << 8) + ethernet(INNER))),
    "vxlan with a tag": ip4(17, udp(8472, struct.pack(">II", 0x08000000, 77 << 8) + ethernet(INNER, vlans=(5,)))),
    "geneve": ip6(17, udp(6081, struct.pack(">BBHI", 2, 0, 0x6558, 9 << 8) + bytes(8) + ethernet(INNER))),
    "geneve with IP": ip4(17, udp(6081, struct.pack(">BBHI", 0, 0, 0x0800, 9 << 8) + INNER)),
    "gre": ip4(47, struct.pack(">HH", 0, 0x0800) + INNER),
    "gre with key, checksum and sequence": ip4(47, struct.pack(">HH", 0xB000, 0x0800) + bytes(12) + INNER),
    "gre with Ethernet": ip4(47, struct.pack(">HHI", 0x2000, 0x6558, 7) + ethernet(INNER)),
    "ipip": ip4(4, INNER),
    "srv6": ip6(43, SEGMENTS + INNER),
    "srv6 reduced": ip6(4, INNER),
    "srv6 with Ethernet": ip6(143, ethernet(INNER)),
}
PLAIN = {
    "gre of PPTP": ip4(47, struct.pack(">HHI", 0x2001, 0x880B, 7) + bytes(20)),
    "vxlan without its mark": ip4(17, udp(4789, struct.pack(">II", 0, 77 << 8) + ethernet(INNER))),
    "gre with something else": ip4(47, struct.pack(">HH", 0, 0x0806) + bytes(28)),
    "ipip cut short": ip4(4, INNER[:12]),
}


def decoder(*kinds: str) -> Decoder:
    return Decoder(Names(), tunnels={"192.0.2.1": mask_of(kinds)} if kinds else {})


def by_sflow(packet: bytes, found: Decoder) -> tuple[list[bytes], int, Decoder]:
    flows, found = decode(sflow([sflow_sample(ethernet(packet), rate=100)]), decoder=found)
    return [bytes(a) for a in flows["src"]], int(flows["bytes"].sum()) // 100, found


def by_ipfix(element: int) -> Callable[[bytes, Decoder], tuple[list[bytes], int, Decoder]]:
    def read(packet: bytes, found: Decoder) -> tuple[list[bytes], int, Decoder]:
        section = ethernet(packet) if element == 315 else packet
        record = struct.pack(">QB", NOW_S * 1000, len(section)) + section
        flows, found = decode(ipfix(sets((2, template(256, (323, 8), (element, 65535))), (256, record))), decoder=found)
        return [bytes(a) for a in flows["src"]], int(flows["bytes"].sum()), found

    return read


READERS = {"sflow": by_sflow, "ipfix 315": by_ipfix(315), "ipfix 313": by_ipfix(313)}


@pytest.mark.parametrize("way", READERS)
@pytest.mark.parametrize("kind", TUNNELLED)
def test_the_inner_packet_counts_where_it_is_asked_for(kind: str, way: str) -> None:
    packet, wanted = TUNNELLED[kind], kind.split()[0]
    sources, octets, _ = READERS[way](packet, decoder(wanted))
    assert sources == [parse_address("198.51.100.7")]
    assert octets == len(INNER)
    # Another kind, and none, leave the outer packet.
    others = [k for k in ("vxlan", "geneve", "gre") if k != wanted]
    for kinds in (others, []):
        sources, octets, _ = READERS[way](packet, decoder(*kinds))
        assert sources != [parse_address("198.51.100.7")]
        assert octets == len(packet)


@pytest.mark.parametrize("kind", PLAIN)
def test_what_holds_no_packet_is_counted_and_stays_the_outer_one(kind: str) -> None:
    sources, octets, found = by_sflow(PLAIN[kind], decoder("vxlan", "geneve", "gre", "ipip", "srv6"))
    assert sources == [parse_address("203.0.113.1")]
    assert octets == len(PLAIN[kind])
    (reason,) = [why for what, why, _ in found.skipped if what == "tunnelled packet"]
    assert reason == f"no whole IP header in its {kind.split()[0]}, kept as the outer packet"


def test_tunnels_within_tunnels_are_taken_off() -> None:
    packet = ip4(47, struct.pack(">HH", 0, 0x0800) + TUNNELLED["vxlan"])
    sources, octets, _ = by_sflow(packet, decoder("gre", "vxlan"))
    assert (sources, octets) == ([parse_address("198.51.100.7")], len(INNER))


def test_captured_packets_are_metered_by_their_inner_headers(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    (site.folder / "tidegauge.toml").write_text(
        (site.folder / "tidegauge.toml").read_text()
        + '\n[exporters.tap]\ndecapsulate = ["vxlan", "geneve", "gre", "ipip", "srv6"]\n'
    )
    frames = [ethernet(packet) for packet in TUNNELLED.values()]
    capture = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    capture += b"".join(struct.pack("<IIII", NOW_S, i, len(f), len(f)) + f for i, f in enumerate(frames))
    path = tmp_path / "tunnels.pcap"
    path.write_bytes(capture)
    assert Ingest(load_site(site.folder), exporter="tap").run([str(path)]).failures == []
    found = Lake(site.data).scalar("[sum(packets), sum(bytes), count(DISTINCT src) FILTER (packets > 0)]", FlowFilter())
    assert found == [len(frames), len(frames) * len(INNER), 1]


def test_random_outer_packets_never_break_the_decoder() -> None:
    chance = np.random.default_rng(5)
    for packet in TUNNELLED.values():
        for _ in range(60):
            broken = bytearray(packet)
            broken[int(chance.integers(len(broken)))] = int(chance.integers(256))
            by_sflow(bytes(broken[: int(chance.integers(1, len(broken) + 1))]), decoder("vxlan", "gre", "srv6"))
