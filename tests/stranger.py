"""A stranger's datagrams: real ones and our own with a few bytes changed, from a seeded mutator."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

from tests.make import (
    ethernet,
    ip,
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
from tidegauge.model import Skipped
from tidegauge.wire import Names, datagrams_in, open_stream, read_packets

SPECIAL = (0x00, 0x01, 0x7F, 0x80, 0xFF)


def captured(folder: Path) -> list[bytes]:
    """The UDP payloads of the captures in a folder."""
    found: list[bytes] = []
    for path in sorted(folder.glob("*.pcap")):
        with open_stream(str(path)) as stream:
            for packets in read_packets(stream, Skipped()):
                block = datagrams_in(packets, Names(), Skipped())
                raw = bytes(block.buffer.data)
                found += [raw[o : o + n] for o, n in zip(block.offsets.tolist(), block.lengths.tolist(), strict=True)]
    return found


def made(now_s: int) -> list[bytes]:
    """One datagram and more of each protocol, as an exporter of now would send them."""
    fields = ((8, 4), (12, 4), (1, 8), (2, 8), (152, 8), (153, 8), (10, 4), (34, 4))
    row = ip("198.51.100.1") + ip("192.0.2.1")
    row += struct.pack(">QQQQII", 5000, 5, (now_s - 9) * 1000, (now_s - 1) * 1000, 3, 10)
    switched = template(257, (8, 4), (12, 4), (1, 4), (2, 4), (22, 4), (21, 4))
    older = ip("198.51.100.1") + ip("192.0.2.1") + struct.pack(">IIII", 900, 2, 90_000, 95_000)
    sampler = options_template_v9(300, [(1, 4)], [(48, 1), (49, 1), (50, 4)])
    packet = ethernet(tcp4("198.51.100.1", "192.0.2.1", length=1400))
    return [
        v5([v5_record("198.51.100.1", "192.0.2.1")] * 20, secs=now_s),
        v9(sets((0, template(256, *fields)), (256, row * 10)), secs=now_s, count=11),
        v9(sets((0, switched), (257, older * 10)), secs=now_s, count=11),
        v9(sets((1, sampler), (300, struct.pack(">IBBI", 1, 1, 1, 100))), secs=now_s, count=2),
        ipfix(sets((2, template(256, *fields)), (256, row * 10)), secs=now_s),
        sflow([sflow_sample(packet, sequence=i) for i in range(1, 6)]),
    ]


def mutated(originals: list[bytes], seed: int) -> Iterator[bytes]:
    """Without end: one of the originals with one to eight bytes changed; now and then cut, or with a part doubled."""
    chance = random.Random(seed)
    while True:
        payload = bytearray(chance.choice(originals))
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(payload))
            payload[place] = chance.choice(SPECIAL) if chance.random() < 0.3 else chance.randrange(256)
        if chance.random() < 0.03:
            del payload[chance.randrange(1, len(payload)) :]
        elif chance.random() < 0.03:
            place = chance.randrange(len(payload))
            payload[place:place] = payload[place : place + 200]
        yield bytes(payload[:65_000])
