"""Records of another layout than their template's, several senders in one, counters and times that cannot be."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tests.make import NOW_S, decode, ethernet, ip, ipfix, pcap, run_json, sets, sflow, tcp4, template, v9
from tidegauge.ingest import Ingest
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import LEDGER_SCHEMA
from tidegauge.series import covered, measure
from tidegauge.site import Site, load_site
from tidegauge.wire import Decoder

SHORT = ((8, 4), (12, 4), (1, 4), (2, 4), (22, 4), (21, 4))
LONG = (*SHORT, (10, 4), (14, 4))


def record(octets: int, host: int = 1) -> bytes:
    return ip(f"198.51.100.{host}") + ip("192.0.2.1") + struct.pack(">IIII", octets, 1, 60_000, 90_000)


def longer(octets: int, host: int = 1) -> bytes:
    return record(octets, host) + struct.pack(">II", 1, 2)


def of(layout: tuple[tuple[int, int], ...]) -> tuple[int, bytes]:
    return (0, template(256, *layout))


def lost(decoder: Decoder) -> int:
    return sum(row["lost"] for row in decoder.ledger.table().to_pylist())


def test_records_of_a_new_layout_wait_for_its_template() -> None:
    ten, ten_longer = (b"".join(make(100, host) for host in range(10)) for make in (record, longer))
    payloads = [v9(sets(of(SHORT), (256, ten)), count=11)]
    payloads += [v9(sets((256, ten_longer)), count=10, sequence=n) for n in range(1, 6)]
    payloads += [v9(sets(of(LONG), (256, ten_longer)), count=11, sequence=6)]
    flows, decoder = decode(*payloads)
    assert (len(flows), int(flows["bytes"].sum()), lost(decoder)) == (70, 7000, 0)


def test_records_that_are_shorter_than_the_template_wait_and_are_lost_where_none_comes() -> None:
    payloads = [v9(sets(of(LONG), (256, longer(100))), count=2)]
    payloads += [v9(sets((256, record(1000, n))), sequence=n) for n in range(1, 30)]
    flows, decoder = decode(*payloads, v9(sets(of(SHORT), (256, record(100))), count=2, sequence=30))
    assert (int(flows["bytes"].sum()), lost(decoder)) == (29_200, 0)
    flows, decoder = decode(*payloads)
    assert (int(flows["bytes"].sum()), lost(decoder)) == (100, 29)


def test_a_record_that_is_cut_at_the_end_of_its_set_is_lost() -> None:
    flows, decoder = decode(v9(sets(of(LONG), (256, longer(100) + longer(5000)[:24])), count=3))
    assert (int(flows["bytes"].sum()), lost(decoder)) == (100, 1)
    assert ("record", "cut at the end of its set", 1) in list(decoder.skipped)


def test_padding_of_any_length_is_no_record() -> None:
    flows, decoder = decode(v9(sets(of(LONG), (256, longer(100) + bytes(28))), count=2))
    assert (len(flows), lost(decoder), list(decoder.skipped)) == (1, 0, [])


@pytest.mark.parametrize("version", [9, 10])
@pytest.mark.parametrize("share", [0.15, 0.3, 0.5])
def test_two_senders_behind_one_port_that_lose_much_tell_no_loss(version: int, share: float) -> None:
    dice, layout = random.Random(1), ((8, 4), (12, 4), (1, 4), (2, 4))
    body = ip("198.51.100.1") + ip("192.0.2.1") + struct.pack(">II", 100, 1)
    payloads = []
    for n in range(200):
        for offset in (0, 70_000):
            if dice.random() >= share or n == 0:
                parts = [(0 if version == 9 else 2, template(256, *layout))] * (n % 20 == 0)
                data = sets(*parts, (256, body))
                made = v9(data, sequence=n + offset) if version == 9 else ipfix(data, sequence=n + offset)
                payloads.append(made)
    _, decoder = decode(*payloads)
    table = decoder.ledger.table().to_pylist()
    assert sum(row["lost"] for row in table) == 0
    assert sum(row["unfollowed"] for row in table) > 0.9 * sum(row["records"] for row in table)


def test_what_was_lost_in_a_gap_is_missing_in_the_gap() -> None:
    def row(minute: int, records: int, lost: int) -> dict[str, object]:
        empty = {f.name: 0 for f in LEDGER_SCHEMA}
        return {**empty, "exporter": "e", "agent": "", "minute": minute * 60, "datagrams": records, "records": records,
                "lost": lost, "skew_s": 0.0, "delay_s": 0.0, "stated": None}

    rows = [row(n, 30, 0) for n in range(100) if not 50 < n < 55]
    rows[51]["lost"] = 120
    table = pa.Table.from_pylist(rows, schema=LEDGER_SCHEMA)
    found = measure(table, 0, 6000)
    assert found.minutes[50:56].tolist() == pytest.approx([1.0, *[30 / 150] * 5])
    assert [(one.start_s, one.end_s, one.why) for one in found.blind()] == [(51 * 60, 56 * 60, "records lost")]


def test_a_gap_that_lost_nothing_is_not_missing() -> None:
    sparse = ip("198.51.100.1") + ip("192.0.2.1") + struct.pack(">II", 100, 1)
    layout = (0, template(256, (8, 4), (12, 4), (1, 4), (2, 4)))
    _, decoder = decode(*(v9(sets(layout, (256, sparse)), count=2, sequence=n, secs=NOW_S + 180 * n) for n in range(9)))
    first = NOW_S // 60 * 60
    assert measure(decoder.ledger.table(), first, first + 1440).share == 1.0


def test_many_parts_over_a_long_time_are_measured_as_one() -> None:
    empty = {f.name: 0 for f in LEDGER_SCHEMA}
    ends = (900_000_000, 1_700_000_000)
    rows = [
        {**empty, "exporter": "e", "agent": "", "domain": domain, "minute": minute, "datagrams": 1, "records": 1,
         "skew_s": 0.0, "delay_s": 0.0, "stated": None} for domain in range(66) for minute in ends
    ]
    found = measure(pa.Table.from_pylist(rows, schema=LEDGER_SCHEMA), *ends)
    assert [e.domain for e in found.exporters] == [0xFFFFFFFF]


@pytest.mark.parametrize("out_packets", [10, 11])
def test_answers_of_as_many_packets_are_the_way_back(out_packets: int) -> None:
    dice = random.Random(2)
    pairs = [(dice.randrange(4000, 7000), dice.randrange(4000, 7000)) for _ in range(40)]
    layout = (0, template(256, (8, 4), (12, 4), (7, 2), (1, 4), (2, 4), (23, 4), (24, 4)))
    rows = b"".join(
        ip("198.51.100.1") + ip("192.0.2.1") + struct.pack(">HIIII", n, there, 10, back, out_packets)
        for n, (there, back) in enumerate(pairs)
    )
    flows, _ = decode(v9(sets(layout, (256, rows)), count=41))
    assert int(flows["bytes"].sum()) == sum(map(sum, pairs))


def test_the_same_packets_in_a_tunnel_are_counted_once() -> None:
    layout = (0, template(256, (8, 4), (12, 4), (7, 2), (1, 4), (2, 4), (23, 4), (24, 4)))
    rows = b"".join(
        ip("198.51.100.1") + ip("192.0.2.1") + struct.pack(">HIIII", n, 100 * n, n, 100 * n + 57 * n, n)
        for n in range(1, 40)
    )
    flows, _ = decode(v9(sets(layout, (256, rows)), count=40))
    assert int(flows["bytes"].sum()) == 100 * sum(range(1, 40))


@pytest.mark.parametrize("start_ms", [NOW_S * 1000 + 2**41, 2**63, NOW_S])
def test_a_start_that_cannot_be_is_told_by_the_end(start_ms: int) -> None:
    layout = (2, template(256, (8, 4), (12, 4), (1, 4), (2, 4), (152, 8), (153, 8)))
    row = ip("198.51.100.1") + ip("192.0.2.1") + struct.pack(">IIQQ", 100, 1, start_ms, NOW_S * 1000)
    flows, _ = decode(ipfix(sets(layout, (256, row))))
    assert (flows["time_start"].tolist(), flows["time_end"].tolist()) == ([NOW_S * 10**6], [NOW_S * 10**6])


def test_records_without_a_count_of_bytes_are_told() -> None:
    layout = (0, template(256, (8, 4), (12, 4), (2, 4)))
    _, decoder = decode(v9(sets(layout, (256, ip("198.51.100.1") + ip("192.0.2.1") + struct.pack(">I", 10))), count=2))
    assert ("byte count", "none in its template: its flows have packets and 0 bytes", 1) in list(decoder.skipped)


def test_a_tuple_of_azure_is_of_the_time_since_the_one_before(make_site: Callable[..., Site], tmp_path: Path) -> None:
    ends = "203.0.113.5,192.0.2.9,4000,443,6,I"
    tuples = [f"{NOW_S * 1000},{ends},B,NX,0,0,0,0", f"{(NOW_S + 40) * 1000},{ends},E,NX,9,900000,0,0",
              f"{(NOW_S + 40) * 1000},203.0.113.6,192.0.2.9,4000,443,6,I,C,NX,9,100,0,0"]
    flows = {"aclID": "x", "flowGroups": [{"rule": "r", "flowTuples": tuples}]}
    (tmp_path / "in.json").write_text(json.dumps({"records": [{"flowRecords": {"flows": [flows]}}]}))
    site = make_site()
    Ingest(site).run([str(tmp_path / "in.json")])
    rows = Lake(site.data).page(FlowFilter(), limit=9, after=None).to_pylist()
    lasted = {row["bytes"]: (row["time_end"] - row["time_start"]).total_seconds() for row in rows}
    assert lasted == {900_000: 40, 100: 300}


def test_the_direction_that_counts_holds_for_sflow_too(make_site: Callable[..., Site], tmp_path: Path) -> None:
    packet = ethernet(tcp4("198.51.100.1", "192.0.2.1", length=1000))
    header = struct.pack(">IIII", 1, len(packet) + 4, 4, len(packet)) + packet + bytes(-len(packet) % 4)
    body = struct.pack(">II", 1, len(header)) + header
    samples = []
    for source in (1, 2):  # what came in at the first port went out at the second, and both sample
        sample = struct.pack(">IIIIIIII", 1, source, 100, 0, 0, 1, 2, 1) + body
        samples.append(struct.pack(">II", 1, len(sample)) + sample)
    capture = pcap(tmp_path / "a.pcap", sflow(samples))
    totals = []
    for name, setting in (("both", ""), ("one", '\n[exporters."192.0.2.1"]\ncount = "ingress"\n')):
        site = make_site(name=name)
        with (site.folder / "tidegauge.toml").open("a") as file:
            file.write(setting)
        Ingest(load_site(site.folder)).run([str(capture)])
        totals.append(Lake(site.data).total("sum(bytes)", FlowFilter()))
    assert totals[0] == 2 * totals[1] > 0


def test_nfdumps_older_json_is_read(make_site: Callable[..., Site], tmp_path: Path) -> None:
    row = {"type": "FLOW", "t_first": "2023-11-14T22:13:20.100", "t_last": "2023-11-14T22:13:25.000", "proto": 6,
           "src4_addr": "198.51.100.1", "dst4_addr": "192.0.2.1", "src_port": 5, "dst_port": 6, "in_packets": 3,
           "in_bytes": 300}
    (tmp_path / "in.json").write_text(json.dumps([row]))
    site = make_site()
    Ingest(site).run([str(tmp_path / "in.json")])
    (told,) = run_json("flows", site=site)
    assert (told["bytes"], told["time_start"]) == (300, "2023-11-14T22:13:20.100000Z")


def test_coverage_as_text_says_where_loss_is_not_knowable(make_site: Callable[..., Site], tmp_path: Path) -> None:
    from click.testing import CliRunner

    from tidegauge.cli import program

    layout = (0, template(256, (8, 4), (12, 4), (1, 4), (2, 4)))
    site, ends = make_site(), ip("198.51.100.1") + ip("192.0.2.1")
    rows = [(ends + struct.pack(">II", 100 + n, 1)) * (1 + n % 3) for n in range(60)]
    payloads = [v9(sets(layout, (256, row)), count=2, sequence=5) for row in rows]
    Ingest(site).run([str(pcap(tmp_path / "a.pcap", *payloads))])
    told = CliRunner().invoke(program, ["coverage", "--site", str(site.folder)]).output
    assert "not knowable" in told
    assert not covered(Lake(site.data), NOW_S, NOW_S + 60).exporters[0].loss_known


def test_captures_that_overlap_are_said_though_flows_have_no_ports(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    layout = (0, template(256, (8, 4), (12, 4), (1, 4), (2, 4)))
    payloads = []
    for n in range(60):
        row = ip(f"198.51.100.{n}") + ip("192.0.2.1") + struct.pack(">II", 1000 + n, 10)
        payloads.append(v9(sets(layout, (256, row)), count=2, sequence=n, secs=NOW_S + n))
    site = make_site()
    first, second = pcap(tmp_path / "a.pcap", *payloads[:40]), pcap(tmp_path / "b.pcap", *payloads[20:])
    Ingest(site).run([str(first)])
    report = Ingest(site).run([str(second)])
    (told,) = [one for one in report.warnings if "came from two files" in one]
    assert told.endswith(f"Only a part of {second} is in the other: it is to be taken in without that part.")


def test_what_nfdump_writes_behind_flows_is_no_row(make_site: Callable[..., Site], tmp_path: Path) -> None:
    times = "2023-11-14 22:13:20,2023-11-14 22:13:25"
    lines = ["ts,te,sa,da,sp,dp,pr,ipkt,ibyt", f"{times},198.51.100.1,192.0.2.1,5,6,TCP,3,300", "Summary",
             "flows,bytes,packets,avg_bps,avg_pps,avg_bpp", "1,300,3,1,1,100"]
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    report = Ingest(make_site()).run([str(tmp_path / "in.csv")])
    assert (report.flows, list(report.skipped)) == (1, [])
