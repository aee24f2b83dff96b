"""The interval that was applied is told, and so is one that was announced but for whom nobody knows."""

from __future__ import annotations

import struct
import time

import pytest

from tests.make import ip, options_template_v9, sets, template, v9
from tidegauge.model import FlowBatch, complete_ledger
from tidegauge.wire import Datagrams, Decoder

PLAIN = ((8, 4), (12, 4), (1, 4), (2, 4))
ONE = ip("192.0.2.1") + ip("198.51.100.2") + struct.pack(">II", 1000, 2)


def announced(intervals: dict[int, int], *, domain: int, sampler: bool = True) -> bytes:
    """Options data that say by how much packets are sampled, for samplers or for the exporter."""
    fields = [(48, 2), (34, 4)] if sampler else [(34, 4)]
    rows = b"".join(
        bytes(4) + (struct.pack(">HI", number, n) if sampler else struct.pack(">I", n))
        for number, n in intervals.items()
    )
    return v9(sets((1, options_template_v9(400, [(1, 4)], fields)), (400, rows)), count=2, source=domain)


def data(sequence: int, *, sampler: int | None = None, domain: int = 5) -> bytes:
    fields = PLAIN if sampler is None else (*PLAIN, (48, 2))
    row = ONE + (b"" if sampler is None else struct.pack(">H", sampler))
    return v9(sets((0, template(256, *fields)), (256, row * 3)), count=4, sequence=sequence, source=domain)


def told(decoder: Decoder, *names: str) -> list[tuple[int, ...]]:
    """Sums (of the interval: the largest) by what the ledger says."""
    table = complete_ledger(decoder.ledger.table())
    of = {name: table[name].to_pylist() for name in names}
    return [tuple(max(v) if name == "sampling" else sum(v) for name, v in of.items())]


def read(*sent: tuple[bytes, int], decoder: Decoder | None = None, arrived_us: int = 0) -> FlowBatch:
    decoder = Decoder() if decoder is None else decoder
    position = decoder.names.position("192.0.2.7")
    return FlowBatch.concat([
        batch for payload, port in sent
        for batch in decoder.decode(Datagrams.of([payload], sender=position, port=port, arrived_us=[arrived_us]))
    ])


@pytest.mark.parametrize(
    ("first", "port"),
    [
        ([announced({0: 100}, domain=0, sampler=False), announced({0: 1000}, domain=1, sampler=False)], 1),
        ([announced({0: 100}, domain=0, sampler=False)], 2),
        ([announced({1: 100, 2: 1000}, domain=5)], 1),
    ],
    ids=["under two other source ids", "from another port", "for samplers that no record names"],
)
def test_an_interval_that_may_be_anothers_is_not_applied_and_said(first: list[bytes], port: int) -> None:
    decoder = Decoder()
    flows = read(*((payload, port) for payload in first), (data(1), 1), decoder=decoder)
    assert flows["bytes"].tolist() == [1000] * 3
    assert told(decoder, "unsampled") == [(3,)]
    assert ("sampler", "announced for others of the exporter only, these flows count as unsampled", 3) in list(
        decoder.skipped
    )


@pytest.mark.parametrize("late", [False, True])
def test_the_ledger_has_the_interval_that_was_applied(late: bool) -> None:
    decoder = Decoder()
    sent = [(announced({2: 100}, domain=5), 1), (data(1, sampler=2), 1)]
    flows = read(*(reversed(sent) if late else sent), decoder=decoder)
    assert flows["sampling"].tolist() == [100] * 3
    assert told(decoder, "sampling", "unsampled", "lost", "waiting") == [(100, 0, 0, 0)]


def test_a_sampler_that_never_comes_is_waited_for_once() -> None:
    decoder = Decoder(live=True)
    now_us = int(time.time() * 1e6)
    assert len(read((data(1, sampler=2), 1), decoder=decoder, arrived_us=now_us)) == 0
    ((lost, waiting),) = told(decoder, "lost", "waiting")
    assert lost == waiting > 0
    assert sum(map(len, decoder.give_up(now_us + 1))) == 3
    assert len(read((data(2, sampler=2), 1), decoder=decoder, arrived_us=now_us + 2)) == 3
    assert told(decoder, "records", "unsampled", "waiting") == [(6, 6, 0)]
    flows = read((announced({2: 100}, domain=5), 1), (data(3, sampler=2), 1), decoder=decoder, arrived_us=now_us + 3)
    assert flows["bytes"].tolist() == [100_000] * 3
