"""Exporters that begin anew, and monitors that go on alone: nothing is read by what was sent for something else."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tests.make import NOW_S, ip, ipfix, sets, template, v9
from tidegauge.model import FlowBatch, complete_ledger
from tidegauge.series import measure
from tidegauge.wire import Datagrams, Decoder

MINUTE_S = NOW_S // 60 * 60
ONE = ((8, 4), (12, 4), (2, 4), (1, 4), (21, 4), (22, 4))
OTHER = ((1, 4), (21, 4), (8, 4), (2, 4), (12, 4), (22, 4))
"""Two layouts of the same fields and size."""


def record(layout: tuple[tuple[int, int], ...], octets: int, ended_ms: int) -> bytes:
    values = {8: ip("203.0.113.7"), 12: ip("192.0.2.9"), 2: 3, 1: octets, 21: ended_ms, 22: ended_ms}
    return b"".join(v if isinstance(v := values[e], bytes) else struct.pack(">I", v) for e, _ in layout)


class Sender:
    """A process that exports one record a datagram by a layout, from a source port on."""

    def __init__(self, layout: tuple[tuple[int, int], ...], *, port: int = 1, up_ms: int = 9_000_000) -> None:
        self.layout, self.port, self.up_ms = layout, port, up_ms

    def send(self, number: int, at_s: int, *, told: bool = False) -> tuple[bytes, int, int]:
        up_ms = self.up_ms + 1000 * (at_s - NOW_S)
        parts = [(0, template(256, *self.layout))] if told else []
        parts.append((256, record(self.layout, 1000 + number, up_ms - 500)))
        return v9(sets(*parts), count=len(parts), sequence=number, uptime_ms=up_ms, secs=at_s), at_s, self.port


def read(sent: list[tuple[bytes, int, int]], blocks: int = 1, *, end: bool = True) -> tuple[FlowBatch, Decoder]:
    decoder = Decoder()
    sender, found = decoder.names.position("192.0.2.1"), []
    for part in np.array_split(np.arange(len(sent)), blocks):
        some = [sent[i] for i in part]
        block = Datagrams.of([p for p, _, _ in some], arrived_us=[at * 1_000_000 for _, at, _ in some], sender=sender)
        block.ports[:] = [port for _, _, port in some]
        found += list(decoder.decode(block))
    return FlowBatch.concat([*found, *(decoder.finish() if end else [])]), decoder


def lost(decoder: Decoder) -> int:
    return int(complete_ledger(decoder.ledger.table())["lost"].to_numpy().sum())


@pytest.mark.parametrize("blocks", [1, 5])
@pytest.mark.parametrize("first", [0, 70])
def test_a_restart_voids_the_templates_before_it(blocks: int, first: int) -> None:
    before, after = Sender(ONE), Sender(OTHER, up_ms=5_000 - 100_000)
    sent = [before.send(i, NOW_S + i, told=i == 0) for i in range(20)]
    sent += [after.send(first + i, NOW_S + 100 + i, told=i == 6) for i in range(20)]
    flows, _ = read(sent, blocks)
    assert int(flows["bytes"].sum()) == sum(1000 + i for i in [*range(20), *range(first, first + 20)])


@pytest.mark.parametrize("later", [True, False])
def test_the_layout_of_another_process_reads_nothing_that_cannot_be(later: bool) -> None:
    sent = [Sender(ONE).send(i, NOW_S + i, told=i == 0) for i in range(20)]
    sent += [Sender(OTHER, port=2).send(i, NOW_S + i + 90 * later) for i in range(20)]
    flows, decoder = read(sent)
    assert int(flows["bytes"].sum()) == sum(1000 + i for i in range(20))
    assert lost(decoder) == 20


def test_one_that_begins_again_with_another_port_is_read_by_what_it_sent_before() -> None:
    sent = [Sender(ONE).send(i, NOW_S + i, told=i == 0) for i in range(20)]
    sent += [Sender(ONE, port=2, up_ms=5_000 - 100_000).send(i, NOW_S + 100 + i) for i in range(20)]
    assert len(read(sent)[0]) == 40


def test_what_waits_for_its_template_counts_as_lost_until_it_is_read() -> None:
    sent = [Sender(ONE).send(i, NOW_S + i) for i in range(5)]
    _, decoder = read(sent, 3, end=False)
    assert lost(decoder) == 5
    flows, decoder = read([*sent, Sender(ONE).send(5, NOW_S + 5, told=True)], 3, end=False)
    assert (len(flows), lost(decoder)) == (6, 0)


def seen_around(sent: list[tuple[bytes, int, int]]) -> list[float]:
    """The shares of ten minutes that were seen."""
    _, decoder = read(sent, 4)
    found = measure(complete_ledger(decoder.ledger.table()), MINUTE_S, MINUTE_S + 600)
    return [float(share) for share in found.minutes]


@pytest.mark.parametrize("port", [1, 2])
def test_the_minute_of_a_restart_is_not_seen(port: int) -> None:
    times = range(MINUTE_S + 1, MINUTE_S + 301, 3)
    before = [Sender(ONE).send(5000 + i, at, told=i == 0) for i, at in enumerate(times)]
    after = Sender(ONE, port=port, up_ms=5_000 - 1000 * (MINUTE_S + 301 - NOW_S))
    sent = [*before, *(after.send(40 + i, at + 300, told=True) for i, at in enumerate(times))]
    assert seen_around(sent) == [1, 1, 1, 1, 1, 0, 1, 1, 1, 1]


def test_more_than_can_have_been_sent_is_no_loss() -> None:
    fields = ((8, 4), (12, 4), (2, 4), (1, 4))
    data = record(ONE, 500, 0)[:16]
    parts = sets((2, template(256, *fields)), (256, data * 3))
    numbers = [3 * i for i in range(100)] + [90_000_000 + 3 * i for i in range(100)]
    sent = [(ipfix(parts, sequence=n, secs=MINUTE_S + 3 * i), MINUTE_S + 3 * i, 1) for i, n in enumerate(numbers)]
    assert lost(read(sent, 4)[1]) == 0
    assert seen_around(sent) == [1, 1, 1, 1, 1, 0, 1, 1, 1, 1]


def monitored(way: int, first_s: int, count: int) -> list[tuple[bytes, int, int]]:
    """Records of a minute each of one long flow, by the monitor of a direction."""
    fields = ((8, 4), (12, 4), (2, 4), (1, 4), (150, 4), (151, 4), (10, 4), (14, 4), (61, 1))
    sent = []
    for i in range(count):
        at = first_s + 60 * i
        body = record(ONE, 1000, 0)[:16] + struct.pack(">IIIIB", at, at + 60, 1, 2, way)
        sent.append((ipfix(sets((2, template(256, *fields)), (256, body)), sequence=i, secs=at + 61), at + 61, 1 + way))
    return sent


@pytest.mark.parametrize("order", ["alternating", "one after the other"])
def test_a_flow_is_told_already_only_where_the_other_monitor_told_of_the_same_time(order: str) -> None:
    both = [*monitored(0, MINUTE_S, 10), *monitored(1, MINUTE_S + 20, 40)]
    if order == "alternating":
        both.sort(key=lambda sent: sent[1])
    flows, _ = read(both, 7)
    assert 39_000 <= int(flows["bytes"].sum()) <= 41_000  # 10 minutes were told twice


def test_prefixes_stand_for_addresses_that_a_cache_does_not_export() -> None:
    parts = (2, template(300, (44, 4), (45, 4), (1, 4), (2, 4))), (
        300, ip("203.0.113.0") + ip("192.0.2.0") + struct.pack(">II", 1000, 3)
    )
    flows, _ = read([(ipfix(sets(*parts)), NOW_S, 1)])
    assert flows["bytes"].tolist() == [1000]
    assert [bytes(flows[end][0, 12:]) for end in ("src", "dst")] == [ip("203.0.113.0"), ip("192.0.2.0")]


def test_traffic_without_addresses_counts_as_lost() -> None:
    parts = (2, template(300, (56, 6), (80, 6), (1, 4), (2, 4))), (300, (bytes(12) + struct.pack(">II", 1000, 3)) * 9)
    flows, decoder = read([(ipfix(sets(*parts)), NOW_S, 1)])
    assert len(flows) == 0
    assert lost(decoder) >= 3
    assert "its template has no addresses, so that it counts as lost" in [why for _, why, _ in decoder.skipped]
