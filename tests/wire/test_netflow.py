"""NetFlow v5, v9 and IPFIX: what an exporter means is what comes out."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, strategies as st

from tests.make import (
    NOW_S,
    decode,
    ethernet,
    ip,
    ipfix,
    options_template_v9,
    sets,
    tcp4,
    template,
    v5,
    v5_record,
    v9,
)
from tidegauge.model import FlowBatch, format_addresses, mapped_ipv4
from tidegauge.simulate import encode
from tidegauge.wire import Datagrams, Decoder

SIMPLE = ((8, 4), (12, 4), (1, 4), (2, 4))


def simple(src: str, dst: str, octets: int, packets: int) -> bytes:
    return ip(src) + ip(dst) + struct.pack(">II", octets, packets)


def test_v5_scales_by_the_sampling_of_its_header() -> None:
    flows, _ = decode(v5([v5_record("192.0.2.1", "198.51.100.2", octets=100, packets=2)], sampling=0x4000 | 10))
    assert (flows["bytes"].tolist(), flows["packets"].tolist(), flows["sampling"].tolist()) == ([1000], [20], [10])


def test_v5_times_survive_the_wrap_of_uptime() -> None:
    record = v5_record("192.0.2.1", "198.51.100.2", first=2**32 - 1000, last=2000)
    flows, _ = decode(v5([record], uptime_ms=5000))
    assert flows["time_start"].tolist() == [(NOW_S - 6) * 1_000_000]
    assert flows["time_end"].tolist() == [(NOW_S - 3) * 1_000_000]


def test_v5_without_a_clock_takes_the_time_of_arrival() -> None:
    flows, _ = decode(v5([v5_record("192.0.2.1", "198.51.100.2", last=100_000)], secs=0))
    assert flows["time_end"].tolist() == [NOW_S * 1_000_000]


def test_a_v5_datagram_that_is_cut_short_gives_its_whole_records() -> None:
    whole = v5([v5_record("192.0.2.1", "198.51.100.2"), v5_record("192.0.2.3", "198.51.100.4")])
    flows, decoder = decode(whole[:-10])
    assert format_addresses(flows["src"]) == ["192.0.2.1"]
    assert list(decoder.skipped) == [("record", "NetFlow v5 datagram is shorter than its count", 1)]


def test_a_template_that_arrives_late_loses_no_flow() -> None:
    data = v9(sets((256, simple("192.0.2.1", "198.51.100.2", 100, 1))), sequence=1)
    definition = v9(sets((0, template(256, *SIMPLE))), sequence=2)
    decoder = Decoder()
    decoder.names.position("192.0.2.1")
    first = Datagrams.of([data], arrived_us=[0])
    second = Datagrams.of([definition], arrived_us=[0])
    assert list(decoder.decode(first)) == []
    flows = FlowBatch.concat(decoder.decode(second))
    assert flows["bytes"].tolist() == [100]
    assert len(decoder.skipped) == 0
    assert sum(decoder.ledger.table()["records"].to_pylist()) == 1


def test_data_without_any_template_is_counted() -> None:
    flows, decoder = decode(v9(sets((300, bytes(40)))))
    assert len(flows) == 0
    assert list(decoder.skipped) == [("data set", "no template 300 came from 192.0.2.1", 1)]


def test_a_template_that_changes_holds_from_there_on() -> None:
    other = ((12, 4), (8, 4), (2, 4), (1, 4))
    flows, _ = decode(
        v9(sets((0, template(256, *SIMPLE)), (256, simple("192.0.2.1", "198.51.100.2", 7, 1))), sequence=1),
        v9(sets((0, template(256, *other)), (256, simple("198.51.100.2", "192.0.2.1", 1, 7))), sequence=2),
    )
    assert format_addresses(flows["src"]) == ["192.0.2.1", "192.0.2.1"]
    assert flows["bytes"].tolist() == [7, 7]


def test_two_samplers_of_one_exporter_scale_their_own_flows() -> None:
    options = options_template_v9(400, [(1, 4)], [(48, 2), (34, 4)])
    announced = b"".join(bytes(4) + struct.pack(">HI", number, interval) for number, interval in ((1, 4000), (2, 2000)))
    fields = (*SIMPLE, (48, 2))
    data = b"".join(simple("192.0.2.1", "198.51.100.2", 10, 1) + struct.pack(">H", s) for s in (1, 2, 1))
    # The data come before anything that explains them.
    flows, decoder = decode(
        v9(sets((256, data)), sequence=1),
        v9(sets((0, template(256, *fields))), sequence=2),
        v9(sets((1, options), (400, announced)), sequence=3),
    )
    assert flows["sampling"].tolist() == [4000, 2000, 4000]
    assert flows["bytes"].tolist() == [40_000, 20_000, 40_000]
    assert len(decoder.skipped) == 0


def test_packet_interval_and_space_give_the_sampling_interval() -> None:
    options = struct.pack(">HHH", 401, 3, 1) + struct.pack(">HHHHHH", 302, 8, 305, 4, 306, 4)
    selector = struct.pack(">QII", 5, 1, 99)
    fields = (*SIMPLE, (302, 8))
    data = simple("192.0.2.1", "198.51.100.2", 10, 1) + struct.pack(">Q", 5)
    flows, _ = decode(ipfix(sets((3, options), (401, selector), (2, template(256, *fields)), (256, data))))
    assert flows["sampling"].tolist() == [100]
    assert flows["bytes"].tolist() == [1000]


def test_variable_length_and_enterprise_fields_are_passed_over() -> None:
    fields = ((8, 4), (371, 65535), (12, 4), (99, 6, 4242), (1, 3))
    name = b"x" * 300
    data = ip("192.0.2.1") + b"\x04user" + ip("198.51.100.2") + bytes(6) + b"\x00\x01\x00"
    data += ip("192.0.2.3") + b"\xff" + struct.pack(">H", 300) + name + ip("198.51.100.4") + bytes(6) + b"\x01\x00\x00"
    flows, decoder = decode(ipfix(sets((2, template(256, *fields)), (256, data + b"\0\0"))))
    assert format_addresses(flows["dst"]) == ["198.51.100.2", "198.51.100.4"]
    assert flows["bytes"].tolist() == [256, 65536]
    assert len(decoder.skipped) == 0


def test_a_biflow_becomes_two_flows_and_one_where_nothing_came_back() -> None:
    fields = (*SIMPLE, (7, 2), (11, 2), (1, 4, 29305), (2, 4, 29305))
    data = b"".join(
        simple("192.0.2.1", "198.51.100.2", 100, 2) + struct.pack(">HHII", 1000, 80, back, back // 100)
        for back in (900, 0)
    )
    flows, _ = decode(ipfix(sets((2, template(256, *fields)), (256, data))))
    assert format_addresses(flows["src"]) == ["192.0.2.1", "198.51.100.2", "192.0.2.1"]
    assert flows["bytes"].tolist() == [100, 900, 100]
    assert flows["dst_port"].tolist() == [80, 1000, 80]
    assert flows["biflow_direction"].tolist() == [1, 2, 1]


def test_a_frame_section_gives_addresses_and_ip_length() -> None:
    frame = ethernet(tcp4("192.0.2.1", "198.51.100.2", length=1400), vlans=(100, 200))
    data = struct.pack(">I", 3) + bytes([len(frame)]) + frame
    flows, _ = decode(ipfix(sets((2, template(256, (10, 4), (315, 65535))), (256, data))))
    assert format_addresses(flows["src"]) == ["192.0.2.1"]
    assert (flows["bytes"].tolist(), flows["packets"].tolist(), flows["dst_port"].tolist()) == ([1400], [1], [443])
    assert flows["tcp_flags"].tolist() == [0x12]


def test_the_way_back_of_an_icmp_biflow_keeps_type_and_code_in_its_place() -> None:
    fields = ((8, 4), (12, 4), (4, 1), (7, 2), (11, 2), (1, 4), (2, 4), (1, 4, 29305), (2, 4, 29305))
    data = ip("192.0.2.1") + ip("198.51.100.2") + struct.pack(">BHHIIII", 1, 0, 2048, 84, 1, 168, 2)
    flows, _ = decode(ipfix(sets((2, template(256, *fields)), (256, data))))
    assert flows["src_port"].tolist() == [0, 0]
    assert flows["dst_port"].tolist() == [2048, 2048]
    assert (flows["bytes"].tolist(), format_addresses(flows["src"])) == ([84, 168], ["192.0.2.1", "198.51.100.2"])


def test_ipv6_templates_like_ipv4_ones() -> None:
    fields = ((27, 16), (28, 16), (1, 8), (2, 8), (152, 8), (153, 8))
    data = ip("2001:db8::1") + ip("2001:db8::2") + struct.pack(">QQQQ", 5, 1, NOW_S * 1000 - 500, NOW_S * 1000)
    flows, _ = decode(ipfix(sets((2, template(256, *fields)), (256, data))))
    assert format_addresses(flows["dst"]) == ["2001:db8::2"]
    assert flows["time_start"].tolist() == [NOW_S * 1_000_000 - 500_000]


@pytest.mark.parametrize("bad", [b"\x00\x09", v9(b"\x01\x00\xff\xff"), ipfix(b"\x00\x02\x00\x03"), b""])
def test_broken_datagrams_are_counted_not_raised(bad: bytes) -> None:
    flows, decoder = decode(bad)
    assert len(flows) == 0
    assert len(decoder.skipped) >= 1


def test_a_lost_v9_datagram_is_lost_records() -> None:
    definition = (0, template(256, *SIMPLE))
    records = b"".join(simple("192.0.2.1", "198.51.100.2", 1, 1) for _ in range(10))
    _, decoder = decode(*(v9(sets(definition, (256, records)), count=10, sequence=n) for n in (1, 2, 4)))
    row = decoder.ledger.table().to_pylist()[0]
    assert (row["datagrams"], row["records"], row["lost"]) == (3, 30, 10)


def test_an_overtaken_datagram_is_no_loss() -> None:
    body = sets((0, template(256, *SIMPLE)), (256, simple("192.0.2.1", "198.51.100.2", 1, 1)))
    _, decoder = decode(*(v9(body, sequence=n) for n in (1, 3, 2, 4)))
    assert decoder.ledger.table()["lost"].to_pylist() == [0]


flow_lists = st.lists(
    st.tuples(
        st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.integers(0, 2**31),
        st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 65535),
    ),
    min_size=1,
    max_size=80,
)


@given(flow_lists)
def test_what_is_encoded_as_v9_is_decoded_to_the_same_flows(rows: list[tuple[int, ...]]) -> None:
    import numpy as np

    src, dst, octets, packets, starts_ms, lasts_ms, ports = (
        np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)
    )
    base_ms = NOW_S * 1000
    made = FlowBatch.build(
        src=mapped_ipv4(src.astype(np.uint32)), dst=mapped_ipv4(dst.astype(np.uint32)), exporters=("192.0.2.1",),
        bytes=octets, packets=packets, time_start=(base_ms + starts_ms) * 1000,
        time_end=(base_ms + starts_ms + lasts_ms) * 1000, dst_port=ports, proto=17, domain=1,
    )
    found, decoder = decode(*(d.payload for d in encode(made, boot_s=NOW_S - 1000)))
    order = np.argsort(made["time_end"], kind="stable")
    for name in ("src", "dst", "bytes", "packets", "time_start", "time_end", "dst_port"):
        assert np.array_equal(found[name], made[name][order]), name
    assert len(decoder.skipped) == 0


def test_packets_are_of_the_same_pair_of_counters_as_bytes() -> None:
    fields = template(256, (8, 4), (12, 4), (1, 4), (2, 4), (231, 4), (232, 4), (298, 4), (299, 4))
    row = ip("192.0.2.1") + ip("198.51.100.2") + struct.pack(">IIIIII", 3000, 30, 1000, 2000, 10, 20)
    flows, _ = decode(ipfix(sets((2, fields), (256, row))))
    assert [(int(o), int(p)) for o, p in zip(flows["bytes"], flows["packets"], strict=True)] == [(1000, 10), (2000, 20)]


def test_running_totals_beside_differences_that_are_0_count_what_is_new() -> None:
    fields = template(256, (8, 4), (12, 4), (1, 4), (2, 4), (85, 4), (86, 4), (152, 8))
    ends = ip("192.0.2.1") + ip("198.51.100.2")
    rows = [struct.pack(">IIIIQ", 0, 0, total, total // 100, (NOW_S - 60) * 1000) for total in (1000, 3000)]
    flows, _ = decode(
        ipfix(sets((2, fields), (256, ends + rows[0]))), ipfix(sets((2, fields), (256, ends + rows[1])), sequence=1)
    )
    assert int(flows["bytes"].sum()) == 3000


def test_all_templates_can_be_withdrawn_at_once() -> None:
    there = template(256, (8, 4), (12, 4), (1, 4), (2, 4))
    turned = template(256, (12, 4), (8, 4), (1, 4), (2, 4))
    row = ip("192.0.2.1") + ip("198.51.100.2") + struct.pack(">II", 100, 1)
    back = ip("198.51.100.2") + ip("192.0.2.1") + struct.pack(">II", 100, 1)
    flows, decoder = decode(
        ipfix(sets((2, there), (256, row))),
        ipfix(sets((2, struct.pack(">HH", 2, 0)), (256, back)), sequence=1),
        ipfix(sets((2, turned)), sequence=2),
    )
    assert decoder.skipped.total == 0
    assert {bytes(a)[12:] for a in flows["src"]} == {ip("192.0.2.1")}
