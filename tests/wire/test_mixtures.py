"""Two senders behind one address, port or domain: what comes of both is what comes of each alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given, settings, strategies as st

from tests.make import NOW_S, ip, ipfix, sets, template, v9
from tidegauge.model import FlowBatch
from tidegauge.wire import Datagrams, Decoder
from tidegauge.wire.buffer import Buffer

SOURCE, TARGET, PORT, PROTO, BYTES, PACKETS = (8, 4), (12, 4), (7, 2), (4, 1), (1, 8), (2, 8)
FIELDS = (SOURCE, TARGET, PORT, PROTO, BYTES, PACKETS)


@dataclass(frozen=True)
class Sender:
    """A well-formed sender: its version, the layout of its template, and how many records each datagram has.

    Attributes:
        again: a datagram before which the template comes again.
    """

    version: int
    layout: tuple[int, ...]
    records: tuple[int, ...]
    again: int

    def datagrams(self, domain: int, base: int) -> list[bytes]:
        """All that it sends; counters are by `base`, and no two records are alike."""
        made, sequence, number = [], 0, 0
        definition = (0 if self.version == 9 else 2, template(300, *(FIELDS[i] for i in self.layout)))
        for place, count in enumerate(self.records):
            data = b""
            for _ in range(count):
                number += 1
                values = (ip("192.0.2.1"), ip("198.51.100.7"), (1000 + number).to_bytes(2), bytes([6]),
                          (base + number).to_bytes(8), (number % 7 + 1).to_bytes(8))
                data += b"".join(values[i] for i in self.layout)
            told = place in (0, self.again % len(self.records))
            body = sets(*([definition] if told else []), (300, data))
            if self.version == 9:
                made.append(v9(body, count=count + told, sequence=place, source=domain))
            else:
                made.append(ipfix(body, sequence=sequence, domain=domain))
            sequence += count
        return made


SENDERS = st.builds(
    Sender, st.sampled_from([9, 10]), st.permutations(range(len(FIELDS))).map(tuple),
    st.lists(st.integers(1, 4), min_size=1, max_size=8).map(tuple), st.integers(0, 7),
)


def decoded(sent: list[tuple[bytes, int]]) -> tuple[FlowBatch, Decoder]:
    """The flows of datagrams of one address, each from a port of its own."""
    decoder = Decoder()
    lengths = np.array([len(data) for data, _ in sent], dtype=np.int64)
    count = len(sent)
    block = Datagrams(
        Buffer.of(b"".join(data for data, _ in sent)), np.cumsum(lengths) - lengths, lengths,
        np.full(count, NOW_S * 1_000_000), np.full(count, decoder.names.position("203.0.113.7"), dtype=np.int32),
        np.array([port for _, port in sent], dtype=np.int64),
    )
    return FlowBatch.concat([*decoder.decode(block), *decoder.finish()]), decoder


def told(flows: FlowBatch) -> list[tuple[Any, ...]]:
    return sorted(zip(*(flows[n].tolist() for n in ("bytes", "packets", "src_port", "proto")), strict=True))


@settings(max_examples=150, deadline=None)
@given(SENDERS, SENDERS, st.booleans(), st.data())
def test_a_mixture_of_two_senders_is_the_sum_of_each(
    one: Sender, two: Sender, same_port: bool, data: st.DataObject
) -> None:
    # Who shares the port differs in its domain, who shares the domain in its port: else they are one sender.
    domains = (7, 8) if same_port else data.draw(st.sampled_from([(7, 7), (7, 8)]))
    ports = (2055, 2055) if same_port else (2055, 40000)
    sent = [
        [(payload, port) for payload in sender.datagrams(domain, base)]
        for sender, domain, port, base in zip((one, two), domains, ports, (1_000, 9_000_000), strict=True)
    ]
    mixed, rest = [], [list(own) for own in sent]
    while any(rest):
        turn = data.draw(st.integers(0, 1)) if all(rest) else int(not rest[0])
        mixed.append(rest[turn].pop(0))
    flows, decoder = decoded(mixed)
    assert told(flows) == sorted(told(decoded(sent[0])[0]) + told(decoded(sent[1])[0]))
    assert list(decoder.skipped) == []
    assert sum(decoder.ledger.table()["lost"].to_pylist()) == 0
