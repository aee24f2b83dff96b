"""Suricata EVE, Argus, nfcapd and raw packets: what they say, as flows and names."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.make import NOW_S, ethernet, ip
from tidegauge.ingest import Ingest, Report
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import FlowBatch, format_address
from tidegauge.site import Site
from tidegauge.wire import FlowMeter
from tidegauge.wire.buffer import Buffer
from tidegauge.wire.pcap import Packets

Take = Callable[[bytes], tuple[Report, Lake]]


@pytest.fixture
def take(make_site: Callable[..., Site], tmp_path: Path) -> Take:
    def run(content: bytes) -> tuple[Report, Lake]:
        path = tmp_path / "input"
        path.write_bytes(content)
        site = make_site()
        return Ingest(site).run([str(path)]), Lake(site.data)

    return run


def rows(lake: Lake, *columns: str) -> list[tuple[object, ...]]:
    found = [row for batch in lake.flows(FlowFilter()) for row in batch.to_pylist()]
    return sorted(tuple(row[c] for c in columns) for row in found)


def eve(kind: str, **more: object) -> bytes:
    event = {
        "timestamp": "2024-04-19T10:00:05.000000+0200", "event_type": kind, "src_ip": "198.51.100.1",
        "src_port": 1000, "dest_ip": "192.0.2.1", "dest_port": 80, "proto": "TCP", "host": "probe", **more,
    }
    return json.dumps(event).encode() + b"\n"


COUNTS = {
    "pkts_toserver": 3, "pkts_toclient": 2, "bytes_toserver": 300, "bytes_toclient": 200,
    "start": "2024-04-19T10:00:00.000000+0200", "end": "2024-04-19T10:00:04.500000+0200",
}


def test_eve_flows_are_two_and_times_are_utc(take: Take) -> None:
    tcp = {"tcp_flags": "1f", "tcp_flags_ts": "1b", "tcp_flags_tc": "12"}
    report, lake = take(eve("flow", flow=COUNTS, tcp=tcp) + eve("alert") + b"{broken\n" + eve("flow", flow=COUNTS))
    assert rows(lake, "direction", "packets", "bytes", "dst_port", "tcp_flags", "exporter", "biflow_direction") == [
        ("in", 3, 300, 80, 0, "probe", 1),
        ("in", 3, 300, 80, 0x1B, "probe", 1),
        ("out", 2, 200, 1000, 0, "probe", 2),
        ("out", 2, 200, 1000, 0x12, "probe", 2),
    ]
    assert lake.scalar("min(epoch(time_start))", FlowFilter()) == 1713513600
    assert lake.scalar("max(epoch(time_end))", FlowFilter()) == 1713513604.5
    skipped = {(what, why): count for what, why, count in report.skipped}
    assert skipped["record", "not an EVE event"] == 1


def test_netflow_events_beside_flow_events_are_not_counted_twice(take: Take) -> None:
    one_way = {"pkts": 3, "bytes": 300, "start": COUNTS["start"], "end": COUNTS["end"]}
    report, _ = take(eve("netflow", netflow=one_way) + eve("flow", flow=COUNTS))
    assert report.flows == 2


def test_netflow_events_alone_are_flows_of_one_way(take: Take) -> None:
    one_way = {"pkts": 3, "bytes": 300, "start": COUNTS["start"], "end": COUNTS["end"]}
    icmp = eve("netflow", netflow=one_way, proto="ICMP", icmp_type=8, icmp_code=1)
    _, lake = take(eve("netflow", netflow=one_way, tcp={"tcp_flags": "1b"}) + icmp)
    assert rows(lake, "proto", "dst_port", "packets", "bytes", "tcp_flags") == [
        (1, 2049, 3, 300, 0),
        (6, 80, 3, 300, 0x1B),
    ]


@pytest.mark.parametrize(
    "about",
    [
        {"type": "answer", "rrname": "Studio.Example.", "rrtype": "A", "ttl": 300, "rdata": "203.0.113.5"},
        {"type": "answer", "rrname": "studio.example", "rrtype": "A",
         "answers": [{"rrname": "studio.example", "rrtype": "A", "ttl": 300, "rdata": "203.0.113.5"}]},
        {"version": 3, "type": "response", "queries": [{"rrname": "studio.example", "rrtype": "A"}],
         "answers": [{"rrname": "studio.example", "rrtype": "A", "ttl": 300, "rdata": "203.0.113.5"}]},
    ],
)
def test_names_of_eve_in_all_its_shapes(take: Take, about: dict[str, object]) -> None:
    _, lake = take(eve("dns", dns=about, dest_port=53) + eve("tls", tls={"sni": "www.example"}))
    dns, tls = sorted(lake.names().to_pylist(), key=lambda r: r["source"])
    assert (dns["name"], dns["answers"], dns["ttl_s"]) == ("studio.example", ["203.0.113.5"], 300)
    assert format_address(dns["client"]) == "198.51.100.1"
    assert (tls["name"], format_address(tls["server"])) == ("www.example", "192.0.2.1")


def test_argus_records_of_either_delimiter(take: Take) -> None:
    header = (
        "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,SrcPkts,Label"
    )
    lines = [
        "2019/04/04 16:23:00.5,2.0,tcp,198.51.100.1,1000,   ->,192.0.2.1,80,FSPA_SA,0,8,5,500,300,3,x",
        "2019/04/04 16:23:00.5,0.0,icmp,198.51.100.1,0x0403,   ->,192.0.2.1,0x7208,URF,0,,1,72,72,1,",
        "2019/04/04 16:23:00.5,1.0,udp,192.0.2.1,53,  <?>,198.51.100.1,,CON,,,2,200,100,1,",
        "2019/04/04 16:23:00.5,0.0,man,0,0,,0,0,STA,,,0,0,0,0,",
        "2019/04/04 16:23:00.5,0.0,arp,192.0.2.9,,who,192.0.2.8,,CON,,,2,84,42,1,",
    ]
    expected = [
        ("in", 1, 0, 3 * 256 + 4, 1, 72, 0, 0, 1),
        ("in", 6, 1000, 80, 3, 300, 0x1B, 0, 1),
        ("in", 17, 0, 53, 1, 100, 0, 0, 0),
        ("out", 6, 80, 1000, 2, 200, 0x12, 8, 2),
        ("out", 17, 53, 0, 1, 100, 0, 0, 0),
    ]
    columns = ("direction", "proto", "src_port", "dst_port", "packets", "bytes", "tcp_flags", "tos", "biflow_direction")
    report, lake = take("\n".join([header, *lines]).replace(",", "\t").encode())
    assert rows(lake, *columns) == expected
    skipped = {why: count for _, why, count in report.skipped}
    assert skipped == {"Argus management record": 1, "not IP": 1}


def test_argus_records_without_packets_each_way_share_them(take: Take) -> None:
    header = b"StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,Label\n"
    _, lake = take(header + b"2011/08/10 09:46:59.6,1.0,tcp,198.51.100.1,1,   ->,192.0.2.1,80,S_RA,0,0,4,276,156,a\n")
    assert rows(lake, "direction", "packets", "bytes") == [("in", 2, 156), ("out", 2, 120)]


def test_shared_argus_and_eve_totals(shared: Path, make_site: Callable[..., Site]) -> None:
    site = make_site("10.0.0.0/8", "192.168.0.0/16")
    path = shared / "argus" / "test2-malicious.binetflow"
    report = Ingest(site).run([str(path)])
    total = sum(int(line.split(",")[12]) for line in path.read_text().splitlines()[1:] if ",man," not in line)
    assert report.failures == []
    assert Lake(site.data).scalar("sum(bytes)", FlowFilter()) == total
    other = make_site("192.168.0.0/16", name="eve")
    path = shared / "eve" / "test6-malicious.suricata.json"
    report = Ingest(other).run([str(path)])
    events = [json.loads(line) for line in path.read_text().splitlines() if '"event_type":"flow"' in line]
    flows = [e["flow"] for e in events]
    assert Lake(other.data).scalar("sum(bytes)", FlowFilter()) == sum(
        f["bytes_toserver"] + f["bytes_toclient"] for f in flows
    )
    assert report.flows == len(flows) + sum(f["pkts_toclient"] > 0 for f in flows)


def test_an_nfcapd_file_is_what_nfdump_says(shared: Path, make_site: Callable[..., Site]) -> None:
    if shutil.which("nfdump") is None:
        pytest.skip("nfdump is not installed")
    site = make_site("147.32.0.0/16")
    path = shared / "flows" / "nfcapd.test1"
    report = Ingest(site).run([str(path)])
    said = subprocess.run(["nfdump", "-r", str(path), "-I"], capture_output=True, text=True, check=True).stdout
    stated = {k: int(v) for k, _, v in (line.partition(": ") for line in said.splitlines()) if v.isdigit()}
    lake = Lake(site.data)
    assert (report.failures, report.flows) == ([], stated["Flows"])
    assert lake.scalar("sum(bytes)", FlowFilter()) == stated["Bytes"]
    assert lake.scalar("sum(packets)", FlowFilter()) == stated["Packets"]
    assert lake.scalar("min(epoch_ms(time_start))", FlowFilter()) == stated["First"] * 1000 + stated["msec_first"]


@pytest.mark.parametrize(
    "name", ["test7-malicious", "test-cc-capture-1", "tor", "openvpn", "wireguard", "dns_exfiltration"]
)
def test_metered_packets_agree_with_softflowd(shared: Path, make_site: Callable[..., Site], name: str) -> None:
    search = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"
    program = shutil.which("softflowd", path=search)
    if program is None:
        pytest.skip("softflowd is not installed")
    path = shared / "pcap" / f"{name}.pcap"
    said = subprocess.run(
        [program, "-r", str(path), "-n", "127.0.0.1:9", "-v", "9", "-d"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
    ).stdout
    theirs = Counter[str]()
    for line in said.splitlines():
        if line.rstrip().endswith("s") and "):" in line:
            octets, packets = line.split("):")[1].split()[:2]
            theirs.update(bytes=int(octets), packets=int(packets))
    site = make_site("10.0.0.0/8")
    report = Ingest(site).run([str(path)])
    lake = Lake(site.data)
    assert report.failures == []
    assert lake.scalar("sum(packets)", FlowFilter()) == theirs["packets"]
    assert lake.scalar("sum(bytes)", FlowFilter()) == theirs["bytes"]


def packet(a: int, b: int, *, flags: int = 0x10, proto: int = 6) -> bytes:
    src, dst = (f"192.0.2.{n}" for n in (a, b))
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, proto, 0, ip(src), ip(dst))
    return ethernet(head + struct.pack(">HHIIBBHHH", 1000 + a, 1000 + b, 0, 0, 0x50, flags, 0, 0, 0))


def block(packets: list[tuple[float, bytes]]) -> Packets:
    lengths = np.array([len(p) for _, p in packets], dtype=np.int64)
    times = np.array([(NOW_S + t) * 1e6 for t, _ in packets]).astype(np.int64)
    return Packets(
        Buffer.of(b"".join(p for _, p in packets)), np.cumsum(lengths) - lengths, lengths, lengths, times,
        np.ones(len(packets), dtype=np.int64),
    )


def metered(*blocks: list[tuple[float, bytes]]) -> FlowBatch:
    meter = FlowMeter("probe")
    found = [flows for one in blocks if one for flows in meter.meter(block(one))]
    return FlowBatch.concat([*found, *meter.finish()])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(0, 2000), st.integers(1, 3), st.integers(4, 5), st.booleans(), st.integers(0, 31)),
        min_size=1, max_size=60,
    ),
    st.integers(0, 60),
)
def test_blocks_do_not_matter_and_nothing_is_lost(
    chosen: list[tuple[float, int, int, bool, int]], cut: int
) -> None:
    packets = [(t, packet(b, a, flags=f) if back else packet(a, b, flags=f)) for t, a, b, back, f in sorted(chosen)]
    whole, parts = metered(packets), metered(packets[:cut], packets[cut:])
    assert whole["packets"].sum() == len(packets)
    assert whole["bytes"].sum() == 40 * len(packets)
    shape = ("time_start", "time_end", "src_port", "dst_port", "packets", "bytes", "tcp_flags")
    as_rows = [sorted(zip(*(f[c].tolist() for c in shape), strict=True)) for f in (whole, parts)]
    assert as_rows[0] == as_rows[1]


def test_pauses_age_and_new_connections_end_a_flow() -> None:
    syn, ack, fin = 2, 16, 17
    flows = metered(
        [(0, packet(1, 2, flags=syn)), (0.1, packet(2, 1, flags=18)), (1, packet(1, 2, flags=fin)),
         (2, packet(1, 2, flags=syn)), (2.1, packet(1, 2, flags=ack)),
         (100, packet(1, 2, flags=ack))]
        + [(200 + i * 50, packet(3, 4, flags=ack)) for i in range(9)]
    )
    found = [
        (int(p), int(n), int(d)) for p, n, d in
        zip(flows["src_port"], flows["packets"], flows["biflow_direction"], strict=True)
    ]
    assert sorted(found) == [(1001, 1, 0), (1001, 2, 1), (1001, 2, 1), (1002, 1, 2), (1003, 3, 0), (1003, 6, 0)]
