"""pcapng: several interfaces, either byte order, blocks that mean nothing to us."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.make import NOW_S, ip, v5, v5_record
from tidegauge.model import FlowBatch, InputError, Skipped
from tidegauge.wire import Decoder, datagrams_in, open_stream, read_packets


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def capture(order: str) -> bytes:
    payload = v5([v5_record("198.51.100.1", "192.0.2.1")])
    udp = struct.pack(">HHHH", 2055, 2055, 8 + len(payload), 0) + payload
    packet = (
        struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, ip("192.0.2.9"), ip("192.0.2.8")) + udp
    )
    ticks = NOW_S * 1000
    nanos = struct.pack(order + "HHB3xHH", 9, 1, 3, 0, 0)  # if_tsresol: milliseconds
    return (
        block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
        + block(order, 1, struct.pack(order + "HHI", 1, 0, 0))
        + block(order, 1, struct.pack(order + "HHI", 101, 0, 0) + nanos)
        + block(order, 5, bytes(12))
        + block(
            order,
            6,
            struct.pack(order + "IIIII", 1, ticks >> 32, ticks & 0xFFFFFFFF, len(packet), len(packet)) + packet,
        )
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_packets_of_a_pcapng_file(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(capture(order))
    decoder = Decoder()
    with open_stream(str(path)) as stream:
        packets = list(read_packets(stream, Skipped()))
    flows = FlowBatch.concat(
        batch for p in packets for batch in decoder.decode(datagrams_in(p, decoder.names, decoder.skipped))
    )
    assert [p.times_us.tolist() for p in packets] == [[NOW_S * 1_000_000]]
    assert (len(flows), flows.exporters) == (1, ("192.0.2.9",))


def test_a_cut_pcapng_file_names_the_offset(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(capture("<")[:-30])
    with open_stream(str(path)) as stream, pytest.raises(InputError, match=r"a\.pcapng, offset 104: .*cut short"):
        list(read_packets(stream, Skipped()))
