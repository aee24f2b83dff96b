"""Builders: datagrams as exporters send them, and captures around them."""

from __future__ import annotations

import io
import json
import struct
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner

from tidegauge.cli import program
from tidegauge.model import Addresses, FlowBatch
from tidegauge.simulate import Datagram, write_pcap
from tidegauge.site import Site
from tidegauge.wire import Datagrams, Decoder

NOW_S = 1_700_000_000


def ip(text: str) -> bytes:
    return ip_address(text).packed


def v5(
    records: list[bytes], *, sequence: int = 0, uptime_ms: int = 100_000, secs: int = NOW_S, sampling: int = 0
) -> bytes:
    head = struct.pack(">HHIIIIBBH", 5, len(records), uptime_ms, secs, 0, sequence, 0, 0, sampling)
    return head + b"".join(records)


def v5_record(
    src: str, dst: str, *, octets: int = 100, packets: int = 1, first: int = 90_000, last: int = 95_000
) -> bytes:
    return struct.pack(
        ">4s4s4sHHIIIIHHBBBBHHBBH",
        ip(
    src), ip(dst), bytes(4), 1, 2, packets, octets, first, last, 1234, 443, 0, 0x18, 6, 0, 64500, 64501, 24, 24, 0,
    )


def sets(*parts: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack(">HH", number, 4 + len(body)) + body for number, body in parts)


def v9(
    body: bytes, *, count: int = 1, sequence: int = 0, uptime_ms: int = 100_000, secs: int = NOW_S, source: int = 7
) -> bytes:
    return struct.pack(">HHIIII", 9, count, uptime_ms, secs, sequence, source) + body


def ipfix(body: bytes, *, sequence: int = 0, secs: int = NOW_S, domain: int = 7) -> bytes:
    return struct.pack(">HHIII", 10, 16 + len(body), secs, sequence, domain) + body


def template(number: int, *fields: tuple[int, int] | tuple[int, int, int]) -> bytes:
    """Fields are (element, length) or (element, length, enterprise)."""
    body = struct.pack(">HH", number, len(fields))
    for element, length, *enterprise in fields:
        body += struct.pack(">HH", element | (0x8000 if enterprise else 0), length)
        body += struct.pack(">I", enterprise[0]) if enterprise else b""
    return body


def options_template_v9(number: int, scopes: list[tuple[int, int]], fields: list[tuple[int, int]]) -> bytes:
    body = struct.pack(">HHH", number, 4 * len(scopes), 4 * len(fields))
    return body + b"".join(struct.pack(">HH", *field) for field in [*scopes, *fields])


def simple_v9(sequence: int, records: int) -> bytes:
    """A template and records after it, each of its own number of bytes."""
    definition = (0, template(256, (8, 4), (12, 4), (1, 4), (2, 4)))
    data = b"".join(
        ip("192.0.2.1") + ip("198.51.100.2") + struct.pack(">II", sequence * 100 + i, 1) for i in range(records)
    )
    return v9(sets(definition, (256, data)), count=records + 1, sequence=sequence)


def sflow_sample(packet: bytes, *, rate: int = 100, sequence: int = 1) -> bytes:
    header = struct.pack(">IIII", 1, len(packet) + 4, 4, len(packet)) + packet + bytes(-len(packet) % 4)
    record = struct.pack(">II", 1, len(header)) + header
    sample = struct.pack(">IIIIIIII", sequence, 3, rate, 0, 0, 1, 2, 1) + record
    return struct.pack(">II", 1, len(sample)) + sample


def sflow(samples: list[bytes], *, sequence: int = 1) -> bytes:
    return struct.pack(">II4sIIII", 5, 1, ip("192.0.2.9"), 0, sequence, 1000, len(samples)) + b"".join(samples)


def ethernet(packet: bytes, *, vlans: tuple[int, ...] = ()) -> bytes:
    kind = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    tags = b"".join(struct.pack(">HH", 0x88A8 if i == 0 and len(vlans) > 1 else 0x8100, v) for i, v in enumerate(vlans))
    return bytes(12) + tags + struct.pack(">H", kind) + packet


def tcp4(src: str, dst: str, *, length: int = 60) -> bytes:
    tcp = struct.pack(">HHIIBBHHH", 1234, 443, 0, 0, 0x50, 0x12, 0, 0, 0)
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 6, 0, ip(src), ip(dst)) + tcp


def decode(*payloads: bytes, decoder: Decoder | None = None) -> tuple[FlowBatch, Decoder]:
    """All flows of datagrams of one exporter, those that had to wait included."""
    decoder = decoder or Decoder()
    sender = decoder.names.position("192.0.2.1")
    datagrams = Datagrams.of(list(payloads), arrived_us=[NOW_S * 1_000_000] * len(payloads), sender=sender)
    return FlowBatch.concat([*decoder.decode(datagrams), *decoder.finish()]), decoder


def pcap(path: Path, *payloads: bytes) -> Path:
    buffer = io.BytesIO()
    write_pcap(buffer, iter(Datagram(NOW_S, p) for p in payloads), sender=ip("192.0.2.1"))
    path.write_bytes(buffer.getvalue())
    return path


def packed_rows(numbers: list[int]) -> Addresses:
    """Addresses of shape (n, 16) from 128-bit numbers."""
    return np.frombuffer(b"".join(n.to_bytes(16) for n in numbers), dtype=np.uint8).reshape(-1, 16)


def consensus(hour_s: int, relays: list[tuple[str, str, str]], *, cut: bool = False) -> bytes:
    """A Tor network status consensus of an hour: (nickname, address, flags), as directory authorities publish it."""

    def moment(seconds: int) -> str:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")

    lines = [
        "@type network-status-consensus-3 1.0", "network-status-version 3", "vote-status consensus",
        "consensus-method 28", f"valid-after {moment(hour_s)}", f"fresh-until {moment(hour_s + 3600)}",
        f"valid-until {moment(hour_s + 10800)}", "voting-delay 300 300", "known-flags Exit Fast Guard Running Valid",
        "dir-source dannenberg 0232AF901C31A04EE9848595AF9BB7620D4C5B2E dannenberg.torauth.de 193.23.244.244 80 443",
    ]
    for name, address, flags in relays:
        lines += [
            f"r {name} {'A' * 27} {'B' * 27} {moment(hour_s - 7200)} {address} 9001 0",
            f"s {flags}", "v Tor 0.4.8.9", "w Bandwidth=20", "p accept 80,443",
        ]
    if not cut:
        lines += ["directory-footer", "bandwidth-weights Wbd=0", "directory-signature sha256 AA BB", "-----BEGIN"]
    return ("\n".join(lines) + "\n").encode()


def delegated(rows: list[str], *, day: str = "20141124", announced: int | None = None) -> bytes:
    """A RIR's delegated file of a day."""
    registry = rows[0].split("|")[0]
    head = f"2|{registry}|{day}|{len(rows) if announced is None else announced}|19830101|{day}|+0000"
    return "\n".join([head, f"{registry}|*|ipv4|*|{len(rows)}|summary", *rows, ""]).encode()


DNS_FIELDS = (
    "ts", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "query", "qtype_name", "answers", "TTLs",
)


def dns_log(path: Path, rows: list[tuple[int, str, str, int]]) -> Path:
    """Zeek's dns.log of one client: (epoch seconds, name, answers, time to live)."""
    ends = "192.0.2.5\t5000\t9.9.9.9\t53\tudp"
    lines = [f"{when}.0\t{ends}\t{name}\tA\t{answers}\t{ttl}.0" for when, name, answers, ttl in rows]
    head = ["#separator \\x09", "#path\tdns", "#fields\t" + "\t".join(DNS_FIELDS)]
    path.write_text("\n".join([*head, *lines, ""]))
    return path


def run_json(
    *arguments: str, site: Site | None = None, code: int = 0, stdin: str | None = None
) -> list[dict[str, Any]]:
    """The JSON lines that a command prints."""
    where = ["--site", str(site.folder)] if site else []
    result = CliRunner().invoke(program, [*arguments, *where, "--json"], input=stdin)
    assert result.exit_code == code, result.output
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


CONNECTED_S = 1_700_000_000
STARTED = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1))
ENDS = struct.pack(">4s4sHHB", ip("203.0.113.9"), ip("192.0.2.5"), 1000, 443, 6)


def of_asa(event: int, sent: int, answered: int, *, at_s: int, began_s: int = CONNECTED_S - 100) -> bytes:
    """A datagram of a Cisco ASA about one connection: 5 an update, 2 its end."""
    fields = ((148, 4), *STARTED, (233, 1), (231, 4), (232, 4), (152, 8), (323, 8))
    row = struct.pack(">I", 77) + ENDS + struct.pack(
        ">BIIQQ", event, sent, answered, began_s * 1000, at_s * 1000
    )
    return v9(sets((0, template(256, *fields)), (256, row)), secs=at_s, sequence=max(at_s - began_s, 0))


def running_totals(octets: int, *, at_s: int, began_s: int = CONNECTED_S - 100) -> bytes:
    """A datagram with the running totals of one flow."""
    fields = (*STARTED, (85, 8), (86, 8), (152, 8), (153, 8))
    row = ENDS + struct.pack(">QQQQ", octets, octets // 100, began_s * 1000, at_s * 1000)
    return ipfix(sets((2, template(256, *fields)), (256, row)), secs=at_s, sequence=max(at_s - began_s, 0))


def monitored(direction: int, *, at_s: int, began_s: int = CONNECTED_S - 100) -> bytes:
    """A datagram of the monitor at one side of an exporter about one flow."""
    fields = (*STARTED, (1, 8), (2, 8), (152, 8), (153, 8), (61, 1), (10, 4), (14, 4))
    row = ENDS + struct.pack(">QQQQBII", 1000, 10, began_s * 1000, at_s * 1000, direction, 1, 2)
    return ipfix(sets((2, template(256, *fields)), (256, row)), secs=at_s, sequence=max(at_s - began_s, 0))
