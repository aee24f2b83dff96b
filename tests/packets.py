"""Builders of ordinary packets and captures of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import ip_address
from itertools import count
from pathlib import Path

import numpy as np

Packet = tuple[float, bytes]
"""When it was captured (epoch seconds), and the packet from its IP header on."""
SYN, SYN_ACK, ACK, PUSH, FIN, RST = 0x02, 0x12, 0x10, 0x18, 0x11, 0x14
SNAPPED = 96
"""Of each packet so many bytes lie in a capture; its headers tell its length."""


def packet(src: str, dst: str, proto: int, body: bytes, length: int = 0, *, more: bool = False, offset: int = 0,
           number: int = 0) -> bytes:
    """An IP packet; `length` bytes of payload behind `body` in all, where that is longer."""
    size = max(len(body), length)
    if ":" in src:
        head = struct.pack(">IHBB", 6 << 28, size, proto, 64) + ip_address(src).packed + ip_address(dst).packed
    else:
        fragment = (0x2000 if more else 0) | offset // 8
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + size, number, fragment, 64, proto, 0)
        head += ip_address(src).packed + ip_address(dst).packed
    return head + body + bytes(min(size - len(body), SNAPPED))


def udp(src: str, sport: int, dst: str, dport: int, length: int = 60, payload: bytes = b"") -> bytes:
    size = max(length, len(payload))
    return packet(src, dst, 17, struct.pack(">HHHH", sport, dport, 8 + size, 0) + payload, 8 + size)


def tcp(src: str, sport: int, dst: str, dport: int, flags: int, length: int = 0) -> bytes:
    return packet(src, dst, 6, struct.pack(">HHIIBBHHH", sport, dport, 0, 0, 0x50, flags, 0, 0, 0), 20 + length)


def ping(src: str, dst: str, *, reply: bool = False) -> bytes:
    return packet(src, dst, 1, struct.pack(">BBHHH", 0 if reply else 8, 0, 0, 1, 1), 64)


def ask(at: float, client: str, sport: int, server: str, dport: int, up: int = 40, down: int = 120) -> list[Packet]:
    """A question by UDP and its answer."""
    return [(at, udp(client, sport, server, dport, up)), (at + 0.02, udp(server, dport, client, sport, down))]


def talk(at: float, client: str, sport: int, server: str, dport: int, up: int, down: int, *, lasts: float = 0.3,
         turns: int = 1) -> list[Packet]:
    """A whole TCP conversation: so many turns, each with a question and an answer of these lengths."""
    there, back = (client, sport, server, dport), (server, dport, client, sport)
    out: list[Packet] = [(at, tcp(*there, SYN)), (at + 0.01, tcp(*back, SYN_ACK)), (at + 0.02, tcp(*there, ACK))]
    for turn in range(turns):
        when = at + 0.03 + (lasts - 0.05) * turn / turns
        for ends, length, later in ((there, up // turns, 0.0), (back, down // turns, 0.01)):
            pieces = max(-(-length // 1400), 1)
            out += [(when + later + 0.0001 * i, tcp(*ends, PUSH, min(length, 1400))) for i in range(pieces)]
        out.append((when + 0.02, tcp(*there, ACK)))
    return [*out, (at + lasts, tcp(*there, FIN)), (at + lasts + 0.01, tcp(*back, FIN)),
            (at + lasts + 0.02, tcp(*there, ACK))]


def capture(path: Path, packets: Iterable[Packet]) -> Path:
    """A pcap of raw IP packets, in order of time."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for at, data in sorted(packets, key=lambda p: p[0]):
            whole = struct.unpack(">H", data[2:4])[0] if data[0] >> 4 == 4 else 40 + struct.unpack(">H", data[4:6])[0]
            file.write(struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(data), whole) + data)
    return path


def office(begin: float, lasts: float, seed: int, net: str = "192.168.7", hosts: int = 12) -> list[Packet]:
    """The chatter of a local network on which nothing happens: discovery, names, addresses, printers, backups,
    monitoring, updates and a little browsing."""
    random = np.random.default_rng(seed)
    ports = count(49152 + int(random.integers(0, 5000)))
    people = [f"{net}.{20 + i}" for i in range(hosts)]
    gateway, printer, files, monitor = f"{net}.1", f"{net}.240", f"{net}.10", f"{net}.11"
    devices = [f"{net}.{200 + i}" for i in range(6)]
    out: list[Packet] = []

    def every(seconds: float) -> Iterable[float]:
        at = begin + random.random() * seconds
        while at < begin + lasts:
            yield at + random.random() * 0.05 * seconds
            at += seconds

    for host in people:
        for at in every(120):  # SSDP: from a new port each time, the devices answer from ports of their own
            port = next(ports)
            for again in range(4):
                out.append((at + again, udp(host, port, "239.255.255.250", 1900, 140)))
                for device in devices:
                    out.append((at + again + 0.1 * random.random(), udp(device, next(ports), host, port, 320)))
            for device in devices[:2]:  # the description of what answered (UPnP)
                out += talk(at + 4.5, host, next(ports), device, 49152, 200, 3000)
        for at in every(60):
            out.append((at, udp(host, 5353, "224.0.0.251", 5353, 80)))
            out += [(at + 0.05, udp(device, 5353, "224.0.0.251", 5353, 220)) for device in devices[:3]]
            out.append((at + 0.06, udp(devices[3], 5353, host, 5353, 220)))
        for at in every(45):  # LLMNR and NetBIOS names
            port = next(ports)
            out += [(at + 0.1 * i, udp(host, port, "224.0.0.252", 5355, 40)) for i in range(2)]
            out += [(at + 0.5 * i, udp(host, 137, f"{net}.255", 137, 58)) for i in range(3)]
        out += [(at, udp(host, 138, f"{net}.255", 138, 200)) for at in every(240)]
        for at in every(300):  # DHCP
            out.append((at, udp("0.0.0.0", 68, "255.255.255.255", 67, 300)))
            out.append((at + 0.1, udp(gateway, 67, host, 68, 300)))
        for at in every(30):
            out += [(at, udp(host, 17500, target, 17500, 150)) for target in ("255.255.255.255", f"{net}.255")]
        for at in every(90):  # the printer's state
            out += ask(at, host, next(ports), printer, 161, 50, 90)
            out += talk(at + 1, host, next(ports), printer, 631, 400, 900)
        for at in every(400):  # a visited page, and NetBIOS asking who the server is
            for server in (f"203.0.113.{random.integers(1, 250)}" for _ in range(4)):
                out += ask(at, host, next(ports), gateway, 53)
                out += talk(at + 0.1, host, next(ports), server, 443, 1500, 40_000)
                out += [(at + 2 + 1.5 * i, udp(host, 137, server, 137, 50)) for i in range(3)]
        for at in every(900):  # updates
            for piece in range(6):
                out += talk(at + piece, host, next(ports), f"198.51.100.{random.integers(1, 40)}", 80, 300, 400_000)
        when = begin + random.random() * lasts / 2
        out += talk(when, host, next(ports), files, 445, 900_000, 9000, lasts=60, turns=40)
    for at in every(60):  # monitoring
        for host in (*people, *devices, printer):
            out += [(at, ping(monitor, host)), (at + 0.01, ping(host, monitor, reply=True))]
        for device in devices:
            out += ask(at + 1, monitor, next(ports), device, 161, 60, 200)
        out += talk(at + 2, monitor, next(ports), files, 80, 150, 500)
    return out
