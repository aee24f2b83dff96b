"""Loss, overtaking, doubling and restarts are told apart, to the record."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.make import NOW_S, ip, ipfix, sets, sflow, sflow_sample, simple_v9, tcp4, template, v5, v5_record
from tidegauge.model import FlowBatch, complete_ledger
from tidegauge.wire import Datagrams, Decoder


def run(
    payloads: list[bytes], blocks: int = 1, *, live: bool = False, arrived_s: list[float] | None = None
) -> dict[str, int]:
    decoder = Decoder(live=live)
    sender = decoder.names.position("192.0.2.1")
    times = [int(t * 1e6) for t in arrived_s] if arrived_s else [NOW_S * 1_000_000] * len(payloads)
    flows = []
    for part in np.array_split(np.arange(len(payloads)), blocks):
        chosen = [payloads[i] for i in part]
        if chosen:
            block = Datagrams.of(chosen, arrived_us=[times[i] for i in part], sender=sender)
            flows += list(decoder.decode(block))
    flows += list(decoder.finish())
    table = complete_ledger(decoder.ledger.table())
    sums = {
        name: int(np.sum(table[name].to_numpy())) for name in ("lost", "duplicates", "overtaken", "restarts", "records")
    }
    assert sums["records"] == len(FlowBatch.concat(flows))
    return sums


def numbered_v5(number: int, records: int = 3, uptime_ms: int = 100_000) -> bytes:
    record = v5_record("192.0.2.1", "198.51.100.2", octets=number % 1000 + 1)
    return v5([record] * records, sequence=number & 0xFFFFFFFF, uptime_ms=uptime_ms)


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_whatever_happens_on_the_way_records_and_losses_add_up(data: st.DataObject) -> None:
    count = data.draw(st.integers(4, 60))
    start = data.draw(st.sampled_from([0, 77, 2**32 - 30]))
    sent = [numbered_v5(start + 3 * i) for i in range(count)]
    withheld = data.draw(st.sets(st.integers(1, count - 2), max_size=10))
    arriving = [p for i, p in enumerate(sent) if i not in withheld]
    doubled = data.draw(st.lists(st.integers(0, len(arriving) - 1), max_size=4))
    for place in sorted(doubled, reverse=True):
        arriving.insert(place, arriving[place])
    swaps = data.draw(st.lists(st.integers(1, len(arriving) - 3), max_size=4)) if len(arriving) > 4 else []
    for place in swaps:
        arriving[place], arriving[place + 1] = arriving[place + 1], arriving[place]
    sums = run(arriving, data.draw(st.integers(1, 5)))
    assert sums["records"] == 3 * (count - len(withheld))
    assert sums["duplicates"] == len(doubled)
    assert sums["lost"] == 3 * len(withheld)
    assert sums["restarts"] == 0


def test_a_restart_with_sequence_0_is_no_loss() -> None:
    before = [numbered_v5(90_000 + 3 * i) for i in range(20)]
    after = [numbered_v5(3 * i, uptime_ms=5_000) for i in range(20)]
    sums = run([*before, *after], 3)
    assert (sums["lost"], sums["restarts"], sums["records"]) == (0, 1, 120)


def numbered(kind: str, number: int, uptime_ms: int, secs: int) -> bytes:
    """A datagram of 3 records, the number of which is its own."""
    if kind == "sflow":
        plain = sflow([sflow_sample(tcp4_frame())] * 3, sequence=number)
        return plain[:20] + struct.pack(">I", uptime_ms) + plain[24:]
    if kind == "v5":
        record = v5_record("192.0.2.1", "198.51.100.2", octets=number % 1000 + 1)
        return v5([record] * 3, sequence=3 * number, uptime_ms=uptime_ms, secs=secs)
    plain = simple_v9(number, 3)
    return plain[:4] + struct.pack(">II", uptime_ms, secs) + plain[12:]


@pytest.mark.parametrize("kind", ["v5", "v9", "sflow"])
@pytest.mark.parametrize("blocks", [1, 5])
@pytest.mark.parametrize("ahead", [17_678, 50, -30])
def test_by_its_uptime_a_restart_that_goes_on_at_any_number_is_no_loss(kind: str, blocks: int, ahead: int) -> None:
    before = [numbered(kind, 5000 + i, 9_000_000 + 1000 * i, NOW_S + i) for i in range(40)]
    after = [numbered(kind, 5040 + ahead + i, 4_000 + 1000 * i, NOW_S + 200 + i) for i in range(40)]
    arrived = [NOW_S + i for i in range(40)] + [NOW_S + 200.0 + i for i in range(40)]
    sums = run([*before, *after], blocks, arrived_s=arrived)
    assert (sums["lost"], sums["restarts"], sums["records"]) == (0, 1, 240)


@pytest.mark.parametrize("kind", ["v5", "v9", "sflow"])
def test_an_uptime_that_says_nothing_hides_no_loss(kind: str) -> None:
    for up in (0, 100_000, 2**32 - 20_000):  # none, always the same, about to run over
        times = [NOW_S + 100 * (i > 9) + i for i in range(40)]
        ups = [up if up < 2**31 else (up + 1000 * (at - NOW_S)) % 2**32 for at in times]
        sent = [numbered(kind, 70 + i, own, at) for i, (at, own) in enumerate(zip(times, ups, strict=True))]
        came = [i for i in range(40) if i not in (10, 11, 12)]
        sums = run([sent[i] for i in came], 3, arrived_s=[times[i] for i in came])
        assert (sums["lost"], sums["restarts"]) == (9, 0)


@pytest.mark.parametrize("blocks", [1, 7])
def test_every_97th_datagram_withheld_is_that_share_of_records(blocks: int) -> None:
    for make, each in ((lambda i: simple_v9(i, 25), 25), (lambda i: numbered_v5(30 * i, 30), 30)):
        payloads = [make(i) for i in range(970) if i % 97 != 50]
        sums = run(payloads, blocks)
        assert sums["records"] == each * 960
        assert sums["lost"] == each * 10


def test_lost_sflow_datagrams_count_as_the_samples_they_held() -> None:
    samples = [sflow_sample(tcp4_frame()) for _ in range(6)]
    sums = run([sflow(samples, sequence=i) for i in range(40) if i not in (7, 8, 30)])
    assert (sums["records"], sums["lost"]) == (37 * 6, 18)


def tcp4_frame() -> bytes:
    from tests.make import ethernet

    return ethernet(tcp4("192.0.2.1", "198.51.100.2"))


def test_ipfix_data_that_wait_for_their_template_are_no_loss() -> None:
    record = ip("192.0.2.1") + ip("198.51.100.2") + struct.pack(">I", 5)
    data = [ipfix(sets((256, record * 4)), sequence=4 * i) for i in range(5)]
    definition = ipfix(sets((2, template(256, (8, 4), (12, 4), (1, 4)))), sequence=20)
    later = [ipfix(sets((256, record * 4)), sequence=20 + 4 * i) for i in range(3)]
    for blocks in (1, 4):
        sums = run([*data, definition, *later], blocks)
        assert (sums["records"], sums["lost"]) == (32, 0)


def test_a_template_that_never_comes_is_loss_and_named() -> None:
    decoder = Decoder()
    decoder.names.position("192.0.2.1")
    list(decoder.decode(Datagrams.of([ipfix(sets((300, bytes(480))))], arrived_us=[NOW_S * 1_000_000])))
    list(decoder.finish())
    row = decoder.ledger.table().to_pylist()[0]
    assert (row["misses"], row["lost"]) == (1, 10)


@pytest.mark.parametrize("kind", ["v5", "v9", "ipfix"])
def test_a_clock_that_is_90_s_off_is_corrected_where_arrival_is_known(kind: str) -> None:
    absolute = struct.pack(">QQ", (NOW_S - 1) * 1000, NOW_S * 1000)
    fields = ((8, 4), (12, 4), (1, 4), (152, 8), (153, 8))
    record = ip("192.0.2.1") + ip("198.51.100.2") + struct.pack(">I", 5)
    payload = {
        "v5": numbered_v5(0, 1),
        "v9": simple_v9(0, 1),
        "ipfix": ipfix(sets((2, template(256, *fields)), (256, record + absolute))),
    }[kind]
    decoder = Decoder(live=True)
    decoder.names.position("192.0.2.1")
    straight = Decoder()
    straight.names.position("192.0.2.1")
    arrived = [(NOW_S - 90) * 1_000_000]
    (shifted,) = decoder.decode(Datagrams.of([payload], arrived_us=arrived))
    (plain,) = straight.decode(Datagrams.of([payload], arrived_us=arrived))
    assert (plain["time_end"] - shifted["time_end"]).tolist() == [90_000_000]
    assert (plain["time_start"] - shifted["time_start"]).tolist() == [90_000_000]
    assert decoder.ledger.table()["skew_s"].to_pylist() == [90.0]
