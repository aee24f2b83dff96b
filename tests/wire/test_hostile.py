"""Bytes from the network are hostile: nothing but our own errors, whatever they are."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

from hypothesis import given, settings, strategies as st

from tests.make import (
    decode,
    ethernet,
    ipfix,
    options_template_v9,
    sets,
    sflow,
    sflow_sample,
    tcp4,
    template,
    v5,
    v5_record,
    v9,
)
from tidegauge.model import Skipped, TidegaugeError
from tidegauge.wire import Datagrams, Decoder, datagrams_in, open_stream, read_packets

FIELDS = ((8, 4), (12, 4), (1, 4), (2, 4), (48, 2), (315, 65535), (1, 4, 29305))
GOOD = [
    v5([v5_record("192.0.2.1", "198.51.100.2")] * 3),
    v9(sets((0, template(256, *FIELDS[:5])), (256, bytes(range(54))))),
    v9(sets((1, options_template_v9(400, [(1, 4)], [(48, 2), (34, 4)])), (400, bytes(range(30))))),
    ipfix(sets((2, template(257, *FIELDS)), (257, bytes(range(120))))),
    sflow([sflow_sample(ethernet(tcp4("192.0.2.1", "198.51.100.2"), vlans=(5,)))] * 4),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good datagram with bytes overwritten, taken out or put in."""
    data = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(("set", "cut", "insert", "number")))
        if kind == "set" and data:
            data[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[place : place + draw(st.integers(1, 20))]
        elif kind == "insert":
            data[place:place] = draw(st.binary(max_size=8))
        else:
            data[place : place + 2] = struct.pack(">H", draw(st.sampled_from((0, 1, 4, 255, 256, 65535))))
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(st.lists(mutated(), min_size=1, max_size=8))
def test_no_datagram_breaks_the_decoder(payloads: list[bytes]) -> None:
    flows, decoder = decode(*payloads)
    assert (flows["time_end"] >= flows["time_start"]).all()
    assert decoder.ledger.table().num_rows >= 0


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_no_packet_breaks_the_capture_reader(noise: bytes) -> None:
    path = Path(tempfile.mkstemp(suffix=".pcap")[1])
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + noise)
    skipped, decoder = Skipped(), Decoder()
    message = str(path)
    try:
        with open_stream(str(path)) as stream:
            for packets in read_packets(stream, skipped):
                list(decoder.decode(datagrams_in(packets, decoder.names, skipped)))
    except TidegaugeError as error:
        message = str(error)
    finally:
        path.unlink()
    assert str(path) in message


def test_a_flood_of_templates_stays_within_its_bound() -> None:
    from tidegauge.wire.templates import MOST_TEMPLATES

    payloads = []
    for first in range(256, 256 + 6000, 100):
        body = b"".join(template(n, (8, 4), (12, 4)) for n in range(first, first + 100))
        payloads.append(v9(sets((0, body))))
    _, decoder = decode(*payloads)
    assert len(decoder.templates.histories) == MOST_TEMPLATES


def test_data_that_wait_for_a_template_stay_within_their_bound() -> None:
    from tidegauge.wire.setdecoder import MOST_PENDING_BYTES

    decoder = Decoder()
    decoder.names.position("192.0.2.1")
    for block in range(8):
        payloads = [v9(sets((500, bytes(60_000))), sequence=block * 100 + i) for i in range(100)]
        list(decoder.decode(Datagrams.of(payloads)))
    assert sum(table.lengths.sum() for table in decoder.pending) <= MOST_PENDING_BYTES
    assert dict(decoder.skipped.counts)["data set", "waited for a template too long"] > 0
