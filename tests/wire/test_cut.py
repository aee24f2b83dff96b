"""What is cut, odd or impossible: nothing of it is taken for all that there was, or placed where it cannot be."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.make import (
    NOW_S,
    decode,
    ethernet,
    ip,
    ipfix,
    options_template_v9,
    pcap,
    run_json,
    sets,
    sflow,
    sflow_sample,
    simple_v9,
    tcp4,
    template,
    v5,
    v5_record,
    v9,
)
from tests.packets import capture, packet, udp
from tests.wire.test_tcp_export import FIELDS, cut, record, segment, stream, taken
from tidegauge.ingest import Ingest, Report
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import format_time
from tidegauge.series import covered
from tidegauge.site import Site

MINUTE_S = NOW_S // 60 * 60
EXPORTER, COLLECTOR = "203.0.113.7", "203.0.113.99"


def lost(*payloads: bytes) -> tuple[int, int]:
    """Flows of datagrams, and records that the ledger has as lost."""
    flows, decoder = decode(*payloads)
    return len(flows), int(sum(row["lost"] for row in decoder.ledger.table().to_pylist()))


def test_records_that_were_cut_off_a_datagram_are_lost() -> None:
    whole = v5([v5_record("192.0.2.1", "198.51.100.1")] * 10)
    assert lost(whole[: 24 + 48 * 4 + 20]) == (4, 6)
    assert lost(simple_v9(0, 20)[: -16 * 8 - 5]) == (11, 9)
    samples = [sflow_sample(ethernet(tcp4("198.51.100.1", "192.0.2.1")), sequence=i) for i in range(4)]
    assert lost(sflow(samples)[: -len(samples[0]) * 2 - 10]) == (1, 3)


def test_a_capture_of_cut_datagrams_is_not_proven_to_be_whole(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    half = simple_v9(0, 20)[:-160]
    path = capture(
        tmp_path / "in.pcap", [(NOW_S, udp(EXPORTER, 5000, COLLECTOR, 2055, payload=half, length=len(half)))]
    )
    Ingest(site).run([str(path)])
    assert covered(Lake(site.data), MINUTE_S, MINUTE_S + 60).share == pytest.approx(0.5)


def test_bytes_missing_from_a_connection_that_ends_are_lost_and_the_rest_is_read(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    whole = stream(40)
    frames = cut(whole, 333)
    end = segment(b"", 4_294_960_000 + len(whole), flags=0x11)
    flows, skipped = taken(make_site(), tmp_path / "in.pcap", [*frames[:5], *frames[6:], end])
    assert 100 < flows < 120
    assert skipped["not captured"] == 333


def test_a_connection_is_followed_whatever_part_of_it_comes_first(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site, frames = make_site(), cut(stream(40), 333)
    syn = segment(b"", 4_294_960_000 - 1, flags=0x02)
    assert taken(site, tmp_path / "a.pcap", [syn, frames[1], frames[0], *frames[2:]])[0] == 120
    again = b"".join(  # each message has its template before it
        ipfix(sets((2, template(300, *FIELDS)), (300, b"".join(record(3 * n + i) for i in range(3)))), sequence=3 * n)
        for n in range(40)
    )
    flows, skipped = taken(site, tmp_path / "b.pcap", cut(again, 100, port=50001)[3:])
    flows -= 120
    assert flows > 100
    assert skipped["behind a gap, before a message begins"] > 0


def pieces(payload: bytes, number: int, size: int = 800) -> list[bytes]:
    whole = struct.pack(">HHHH", 5000, 2055, 8 + len(payload), 0) + payload
    starts = range(0, len(whole), size)
    return [
        packet(EXPORTER, COLLECTOR, 17, whole[at : at + size], more=at + size < len(whole), offset=at, number=number)
        for at in starts
    ]


@pytest.mark.parametrize("size", [800, 480])
def test_a_capture_of_fragments_is_one_of_flow_export(
    make_site: Callable[..., Site], tmp_path: Path, size: int
) -> None:
    site = make_site()
    frames = [piece for n in range(12) for piece in pieces(simple_v9(n, 90), n + 1, size)]
    del frames[len(frames) // 2]
    path = capture(tmp_path / "in.pcap", [(NOW_S + n / 1000, frame) for n, frame in enumerate(frames)])
    report = Ingest(site).run([str(path)])
    assert (report.flows, report.datagrams) == (11 * 90, 11)


def test_flow_export_among_other_packets_is_said(make_site: Callable[..., Site], tmp_path: Path) -> None:
    export = [(NOW_S + n, udp(EXPORTER, 5000, COLLECTOR, 2055, payload=simple_v9(n, 5))) for n in range(4)]
    other = [(NOW_S + n, udp("192.0.2.7", 4000, "198.51.100.7", 443, 100)) for n in range(40)]
    report = Ingest(make_site()).run([str(capture(tmp_path / "in.pcap", [*export, *other]))])
    said = {why: count for _, why, count in report.skipped}
    assert said["of flow export among other packets: metered as traffic; --format netflow reads it"] == 4


ENDS = ((8, 4), (12, 4), (1, 8), (2, 8))
VALUES = ip("198.51.100.1") + ip("192.0.2.1") + struct.pack(">QQ", 1000, 2)
AT_US = NOW_S * 1_000_000


@pytest.mark.parametrize(("fields", "values", "start_s"), [
    (((152, 8), (153, 8)), struct.pack(">QQ", AT_US - 5_000_000, AT_US), NOW_S - 5),  # microseconds
    (((152, 8), (153, 8)), struct.pack(">QQ", (AT_US - 5_000_000) * 1000, AT_US * 1000), NOW_S - 5),  # nanoseconds
    (((150, 8), (151, 8)), struct.pack(">QQ", (NOW_S - 5) * 1000, NOW_S * 1000), NOW_S - 5),  # milliseconds
    (((154, 8), (155, 8)), struct.pack(">QQ", AT_US - 5_000_000, AT_US), NOW_S - 5),  # since 1970, not as NTP has it
    (((152, 8), (153, 8)), struct.pack(">QQ", 0, NOW_S * 1000), NOW_S),
    (((152, 8), (153, 8)), struct.pack(">QQ", 2**64 - 1, 2**64 - 1), NOW_S),
    (((150, 4), (151, 4), (152, 8), (153, 8)), struct.pack(">IIQQ", NOW_S - 5, NOW_S, 0, 0), NOW_S - 5),
])
def test_times_in_other_units_or_of_none_are_placed_where_they_can_be(
    fields: tuple[tuple[int, int], ...], values: bytes, start_s: int
) -> None:
    flows, _ = decode(ipfix(sets((2, template(256, *ENDS, *fields)), (256, VALUES + values))))
    assert [format_time(int(t) // 1_000_000) for t in flows["time_start"]] == [format_time(start_s)]
    assert [int(t) // 1_000_000 for t in flows["time_end"]] == [NOW_S]


def test_a_flow_of_no_time_is_not_placed_behind_its_export() -> None:
    record = v5_record("192.0.2.1", "198.51.100.1", first=0, last=0)
    flows, _ = decode(v5([record], uptime_ms=3_000_000_000))
    assert [int(t) // 1_000_000 for t in flows["time_start"]] == [NOW_S]


def test_a_clock_far_ahead_of_the_capture_gives_way_to_it() -> None:
    data = sets((0, template(256, (8, 4), (12, 4), (1, 4), (2, 4))), (256, VALUES[:8] + struct.pack(">II", 9, 1)))
    flows, decoder = decode(v9(data, secs=2**32 - 1))
    assert [int(t) // 1_000_000 for t in flows["time_end"]] == [NOW_S]
    assert {row["minute"].timestamp() for row in decoder.ledger.table().to_pylist()} == {MINUTE_S}


def test_counts_and_ends_that_no_flow_can_have_are_counted(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    head = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes\n"
    row = "2024-05-01T12:00:00Z,%s,203.0.113.5,192.0.2.9,1,2,6,3,%s\n"
    text = head + row % ("9999-12-31T23:59:59Z", 500) + row % ("2024-05-01T12:00:05Z", 2**62)
    (tmp_path / "in.csv").write_text(text)
    report = Ingest(site).run([str(tmp_path / "in.csv")])
    flow, bare = run_json("flows", "--json", site=site)
    assert flow["time_end"] == flow["time_start"]
    assert (bare["packets"], bare["bytes"]) == (3, 0)  # of which it is known whose it was
    assert {(what, count) for what, _, count in report.skipped} == {("end of a flow", 1), ("record", 1)}
    huge = ip("198.51.100.1") + ip("192.0.2.1") + struct.pack(">QQII", 2**63 - 1, 2, NOW_S, NOW_S)
    message = ipfix(sets((2, template(256, *ENDS, (150, 4), (151, 4))), (256, huge)))
    report = Ingest(site).run([str(pcap(tmp_path / "in.pcap", message))])
    assert (report.flows, [what for what, _, _ in report.skipped]) == (0, ["flow"])


def google(number: int, reporter: str) -> dict[str, Any]:
    connection = {"src_ip": "203.0.113.5", "dest_ip": "192.0.2.9", "src_port": number, "dest_port": 443, "protocol": 6}
    return {"insertId": f"{number}{reporter}", "jsonPayload": {
        "connection": connection, "bytes_sent": "300", "packets_sent": "3", "reporter": reporter,
        "start_time": "2024-05-01T12:00:00.1Z", "end_time": "2024-05-01T12:00:05.1Z"}}


def test_both_ends_of_a_connection_in_google_cloud_are_one(make_site: Callable[..., Site], tmp_path: Path) -> None:
    lines = [google(n, who) for n in range(1, 9) for who in ("SRC", "DEST")] + [google(50, "DEST")]
    (tmp_path / "in.json").write_text("\n".join(map(json.dumps, lines)))
    report = Ingest(make_site()).run([str(tmp_path / "in.json")])
    assert report.flows == 9
    assert [count for _, _, count in report.skipped] == [8]


def test_a_name_that_is_no_text_costs_nothing(make_site: Callable[..., Site], tmp_path: Path) -> None:
    head = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes\n"
    for n, name in enumerate((b"good.csv", b"\xff.csv")):
        row = f"2024-05-01T12:00:00Z,2024-05-01T12:00:05Z,203.0.113.5,192.0.2.9,{n},2,6,3,500\n"
        with open(os.fsencode(tmp_path) + b"/" + name, "w") as file:
            file.write(head + row)
    site = make_site()
    report: Report = Ingest(site).run([str(tmp_path)])
    assert (report.flows, report.failures) == (2, [])
    assert "\\xff.csv" in "".join(row["file"] for row in run_json("lake", "sources", site=site)[0]["sources"])


def test_flow_logs_of_aws_with_chosen_columns_are_known(make_site: Callable[..., Site], tmp_path: Path) -> None:
    head = "srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n"
    (tmp_path / "in").write_text(head + f"203.0.113.5 192.0.2.9 1 443 6 10 840 {NOW_S} {NOW_S + 60} ACCEPT OK\n")
    assert Ingest(make_site()).run([str(tmp_path / "in")]).flows == 1


@pytest.mark.parametrize("first", ["SRC", "DEST"])
def test_both_ends_of_a_connection_in_two_files_are_one(
    make_site: Callable[..., Site], tmp_path: Path, first: str
) -> None:
    for name, who in (("1.json", first), ("2.json", "DEST" if first == "SRC" else "SRC")):
        (tmp_path / name).write_text("\n".join(json.dumps(google(n, who)) for n in range(1, 9)))
    assert Ingest(make_site()).run([str(tmp_path / "1.json"), str(tmp_path / "2.json")]).flows == 8


def test_a_later_report_of_a_destination_alone_is_its_own(make_site: Callable[..., Site], tmp_path: Path) -> None:
    later = google(1, "DEST")
    later["jsonPayload"] |= {"start_time": "2024-05-01T18:00:00Z", "end_time": "2024-05-01T18:00:05Z"}
    (tmp_path / "in.json").write_text("\n".join(map(json.dumps, [google(1, "SRC"), google(1, "DEST"), later])))
    assert Ingest(make_site()).run([str(tmp_path / "in.json")]).flows == 2


def test_of_a_flow_without_a_byte_count_its_ends_are_known(make_site: Callable[..., Site], tmp_path: Path) -> None:
    head = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes\n"
    start = "2024-05-01T12:00:00Z,2024-05-01T12:00:05Z,203.0.113.5,192.0.2.9"
    (tmp_path / "in.csv").write_text(head + f"{start},1,2,6,3,500\n{start},1,3,6,3,200.0 K\n{start},1,4,6,3,\n")
    site = make_site()
    report = Ingest(site).run([str(tmp_path / "in.csv")])
    assert (report.flows, [count for _, _, count in report.skipped]) == (3, [1])
    lake = Lake(site.data)
    assert lake.total("sum(bytes)", FlowFilter()) == 200_500
    assert covered(lake, 1_714_564_800, 1_714_564_860).share == pytest.approx(2 / 3)


def test_connections_of_zeek_without_a_byte_count_are_lost(make_site: Callable[..., Site], tmp_path: Path) -> None:
    ends = {"id.orig_h": "203.0.113.5", "id.orig_p": 1, "id.resp_h": "192.0.2.9", "id.resp_p": 443, "proto": "tcp"}
    of_it = {"ts": MINUTE_S + 1, **ends, "conn_state": "SF", "orig_pkts": 3, "resp_pkts": 0}
    rows = [of_it | more for more in ({"orig_ip_bytes": 300}, {}, {"orig_bytes": "200,000"})]
    (tmp_path / "conn.log").write_text("\n".join(map(json.dumps, rows)))
    site = make_site()
    Ingest(site).run([str(tmp_path / "conn.log")])
    assert covered(Lake(site.data), MINUTE_S, MINUTE_S + 60).share == pytest.approx(1 / 3)


def test_a_time_of_which_aws_skipped_records_was_not_observed(make_site: Callable[..., Site], tmp_path: Path) -> None:
    began = MINUTE_S
    flow = "2 123456789012 eni-1 203.0.113.5 192.0.2.9 1 443 6 10 840 {0} {1} ACCEPT OK\n"
    gap = f"2 123456789012 eni-2 - - - - - - - {began + 120} {began + 240} - SKIPDATA\n"
    none = f"2 123456789012 eni-3 - - - - - - - {began} {began + 600} - NODATA\n"
    lines = [flow.format(began + 60 * n, began + 60 * n + 5) for n in range(10)]
    (tmp_path / "in").write_text("".join([*lines, gap, none]))
    site = make_site()
    report = Ingest(site).run([str(tmp_path / "in")])
    assert (report.flows, sorted(count for _, _, count in report.skipped)) == (10, [1, 1])
    assert covered(Lake(site.data), began, began + 600).share == pytest.approx(0.8)


@pytest.mark.parametrize("port", ["8.x", "8.0.0", "8."])
def test_a_port_that_is_no_type_of_icmp_ends_nothing(
    make_site: Callable[..., Site], tmp_path: Path, port: str
) -> None:
    head = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes\n"
    (tmp_path / "in.csv").write_text(
        head + f"2024-05-01T12:00:00Z,2024-05-01T12:00:05Z,203.0.113.5,192.0.2.9,0,{port},1,3,500\n"
    )
    assert Ingest(make_site()).run([str(tmp_path / "in.csv")]).flows == 1


def dropping(source: int, drops: int, packet: bytes = b"", protocol: int = 1, frame: int = 0) -> bytes:
    """A flow sample of a data source that says how many packets it dropped."""
    packet = packet or ethernet(tcp4("192.0.2.1", "198.51.100.2"))
    header = struct.pack(">IIII", protocol, frame or len(packet) + 4, 4, len(packet)) + packet + bytes(-len(packet) % 4)
    body = struct.pack(">IIIIIIII", 1, source, 100, 0, drops, 1, 2, 1) + struct.pack(">II", 1, len(header)) + header
    return struct.pack(">II", 1, len(body)) + body


def test_each_data_source_of_sflow_counts_its_own_drops() -> None:
    alternating = [sflow([dropping(n % 2, 1000 if n % 2 else 10)], sequence=n) for n in range(40)]
    assert lost(*alternating) == (40, 0)
    growing = [sflow([dropping(1, 1_000_000), dropping(2, 100 * n)], sequence=n) for n in range(40)]
    assert lost(*growing) == (80, 3900)


def test_regular_loss_of_sflow_is_not_taken_for_numbers_of_samples() -> None:
    samples = [sflow_sample(ethernet(tcp4("192.0.2.1", "198.51.100.2")))] * 2
    assert lost(*(sflow(samples, sequence=2 * n) for n in range(40))) == (80, 78)


def test_sflow_of_ppp_mpls_and_of_packets_without_a_length() -> None:
    packet = tcp4("192.0.2.1", "198.51.100.2")
    flows, _ = decode(sflow([
        dropping(1, 0, b"\x00\x21" + packet, 7), dropping(1, 0, bytes.fromhex("00064140") + packet, 13),
        dropping(1, 0, ethernet(tcp4("192.0.2.1", "198.51.100.2", length=0)), 1, 9018),
    ]))
    assert flows["bytes"].tolist() == [6000, 6000, (9018 - 4 - 14) * 100]


def test_a_sampling_probability_may_be_a_float32() -> None:
    options = struct.pack(">HHHHHHH", 257, 2, 1, 149, 4, 311, 4)
    announced = struct.pack(">If", 0, 0.01)
    flow = ip("192.0.2.1") + ip("198.51.100.2") + struct.pack(">II", 500, 5)
    fields = template(256, (8, 4), (12, 4), (1, 4), (2, 4))
    flows, _ = decode(ipfix(sets((3, options), (257, announced), (2, fields), (256, flow))))
    assert flows["bytes"].tolist() == [50_000]


def test_what_is_cut_off_messages_whose_numbers_count_no_records_is_lost() -> None:
    flow = ip("192.0.2.1") + ip("198.51.100.2") + struct.pack(">II", 500, 5)
    fields = template(256, (8, 4), (12, 4), (1, 4), (2, 4))
    first = ipfix(sets((2, fields)), sequence=0)
    messages = [ipfix(sets((256, flow * 30)), sequence=n) for n in range(1, 60)]
    flows, missing = lost(first, *(message[: 20 + 6 * len(flow)] for message in messages))
    assert flows == 59 * 6
    assert missing == pytest.approx(59 * 24, rel=0.2)


def test_a_quote_in_a_tuple_of_azure_costs_that_tuple_alone(make_site: Callable[..., Site], tmp_path: Path) -> None:
    good = f"{NOW_S},203.0.113.5,192.0.2.9,1,443,T,I,A,E,3,500,2,300"
    group = {"mac": "0", "flowTuples": [good, good.replace("203.0.113.5", '"203')]}
    record = {"time": "2014-11-24T12:00:00Z", "category": "NetworkSecurityGroupFlowEvent",
              "properties": {"Version": 2, "flows": [{"rule": "r", "flows": [group]}]}}
    (tmp_path / "in.json").write_text(json.dumps({"records": [record]}))
    report = Ingest(make_site()).run([str(tmp_path / "in.json")])
    assert (report.flows, report.failures) == (2, [])


def test_sampler_0_is_none_where_others_have_names() -> None:
    options = (1, options_template_v9(257, [(1, 4)], [(48, 1), (50, 4)]))
    announced = (257, struct.pack(">IBI", 7, 1, 100) + bytes(3))
    layout = (0, template(300, (8, 4), (12, 4), (1, 4), (2, 4), (48, 1)))
    row = ip("192.0.2.1") + ip("198.51.100.2") + struct.pack(">II", 1000, 1)
    body = sets(options, announced, layout, (300, row + b"\x00" + row + b"\x01"))
    assert decode(v9(body, count=5))[0]["bytes"].tolist() == [1000, 100_000]


def test_datagrams_that_differ_in_one_byte_anywhere_are_two() -> None:
    layout = (2, template(300, (8, 4), (12, 4), (1, 4), (2, 4)))
    row = ip("192.0.2.1") + ip("198.51.100.2") + struct.pack(">II", 1000, 1)
    messages = [ipfix(sets(layout, (300, row * 80)))]
    for at in range(40, len(messages[0]), 7):
        changed = bytearray(messages[0])
        changed[at] ^= 1
        messages.append(bytes(changed))
    _, decoder = decode(*messages, messages[0], messages[0])
    assert [count for what, why, count in decoder.skipped if why == "came twice"] == [2]


def test_a_sampled_frame_without_a_length_has_that_of_its_frame() -> None:
    packet = ethernet(tcp4("192.0.2.1", "198.51.100.2", length=0))
    layout = (2, template(300, (305, 4), (306, 4), (312, 2), (315, len(packet))))
    row = struct.pack(">IIH", 1, 99, 9014) + packet
    assert decode(ipfix(sets(layout, (300, row))))[0]["bytes"].tolist() == [900_000]


def test_totals_of_no_start_and_no_name_are_said_to_count_in_full(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    layout = (2, template(300, (8, 4), (12, 4), (85, 4), (86, 4)))
    row = ip("192.0.2.1") + ip("198.51.100.2") + struct.pack(">II", 1000, 1)
    report = Ingest(make_site()).run([str(pcap(tmp_path / "in.pcap", ipfix(sets(layout, (300, row * 2)))))])
    assert list(report.to_json()["applied"].values()) == [2]


def test_a_data_source_of_sflow_is_one_however_its_samples_are_written() -> None:
    compact = dropping(3 << 24 | 7, 500)
    body = struct.pack(">IIIIIIIIIII", 1, 3, 7, 100, 0, 900, 0, 1, 0, 2, 0)
    expanded = struct.pack(">II", 3, len(body)) + body
    assert lost(sflow([compact], sequence=1), sflow([expanded], sequence=2))[1] == 400
