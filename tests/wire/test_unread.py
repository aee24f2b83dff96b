"""Rows and lines that tell of traffic and cannot be read: they are lost in their minute, in every kind of table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.make import NOW_S, ipfix, pcap, sets, simple_v9, v5, v5_record
from tidegauge.ingest import Ingest
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import format_time
from tidegauge.series import covered
from tidegauge.site import Site

MINUTE_S = NOW_S // 60 * 60
CSV = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes"
CLOCK = format_time(MINUTE_S)
ARGUS = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes"
CONN: dict[str, Any] = {
    "ts": MINUTE_S + 1, "id.orig_h": "203.0.113.5", "id.orig_p": 1, "id.resp_h": "192.0.2.9", "id.resp_p": 443,
    "proto": "tcp", "conn_state": "SF", "orig_pkts": 3, "resp_pkts": 0, "orig_ip_bytes": 300,
}
COUNTS: dict[str, Any] = {"pkts_toserver": 3, "pkts_toclient": 0, "bytes_toserver": 300, "bytes_toclient": 0}
EVENT: dict[str, Any] = {
    "timestamp": CLOCK, "event_type": "flow", "src_ip": "203.0.113.5", "src_port": 1, "dest_ip": "192.0.2.9",
    "dest_port": 443, "proto": "TCP", "flow": COUNTS | {"start": CLOCK, "end": CLOCK},
}
PMACCT: dict[str, Any] = {
    "ip_src": "203.0.113.5", "ip_dst": "192.0.2.9", "port_src": 1, "port_dst": 443, "ip_proto": "tcp",
    "timestamp_start": CLOCK, "timestamp_end": CLOCK, "packets": 3, "bytes": 300,
}


def row(**changed: str) -> str:
    columns = dict(zip(CSV.split(","), (CLOCK, CLOCK, "203.0.113.5", "192.0.2.9", "1", "443", "6", "3", "300"),
                       strict=True))
    return ",".join((columns | changed).values())


def argus(src: str = "203.0.113.5", proto: str = "tcp", octets: str = "300", when: str = CLOCK) -> str:
    return f"{when},1,{proto},{src},1,->,192.0.2.9,443,FSPA_FSPA,0,0,3,{octets},{octets}"


READ: dict[str, tuple[str, list[str], list[str], list[str]]] = {
    "csv": (CSV, [row()], [
        row(src="203[.]0[.]113[.]5"), row(dst="host.example.net"), row(src="203.0.113.5:443:9"), row(bytes="200.000"),
        row(time_start="yesterday", time_end=""), row() + ",7", row()[:45], row(src='"203.0.113.5'),
        row()[:8], row()[:4],
    ], [row(src="00:1b:44:11:3a:b7", dst="ff:ff:ff:ff:ff:ff"), CSV, "Summary", "flows,bytes", "3,1200"]),
    "argus": (ARGUS, [argus()],
              [argus("host.example.net"), argus(octets="2,5"), argus(when="never"), argus(octets="x")],
              [argus("00:1b:44:11:3a:b7", "arp"), argus("00:1b:44:11:3a:b7", "lldp")]),
    "zeek": ("", [json.dumps(CONN)], [
        json.dumps(CONN | {"id.orig_h": "host"}), json.dumps(CONN | {"ts": "never"}), json.dumps(CONN)[:-9],
        json.dumps(CONN)[:9],
        json.dumps(CONN | {"orig_ip_bytes": "1e400"}),
    ], []),
    "eve": ("", [json.dumps(EVENT)], [
        json.dumps(EVENT | {"src_ip": "host"}), json.dumps(EVENT | {"flow": COUNTS | {"bytes_toserver": "many"}}),
        json.dumps(EVENT)[:-9], json.dumps(EVENT | {"flow": {"start": CLOCK}}),
        json.dumps(EVENT | {"flow": COUNTS | {"bytes_toserver": -1}}),
    ], [json.dumps(EVENT | {"event_type": "alert"})]),
    "json": ("", [json.dumps(PMACCT)], [
        json.dumps(PMACCT | {"ip_src": "host"}), json.dumps(PMACCT)[:-9], json.dumps(PMACCT)[:12],
        json.dumps(PMACCT | {"bytes": "many"}),
    ], []),
}  # fmt: skip
"""By format: its title, lines of flows, lines of traffic that cannot be read, and lines of none."""


@pytest.mark.parametrize(("kind", "bad"), [(kind, bad) for kind, parts in READ.items() for bad in parts[2]])
def test_traffic_that_cannot_be_read_is_lost_in_its_minute(
    make_site: Callable[..., Site], tmp_path: Path, kind: str, bad: str
) -> None:
    title, good, _, _ = READ[kind]
    assert share(make_site(), tmp_path, kind, [title, *good * 2, bad, *good])[1] == pytest.approx(0.75)


@pytest.mark.parametrize(("kind", "none"), [(kind, none) for kind, parts in READ.items() for none in parts[3]])
def test_lines_of_no_traffic_are_not(make_site: Callable[..., Site], tmp_path: Path, kind: str, none: str) -> None:
    title, good, _, _ = READ[kind]
    assert share(make_site(), tmp_path, kind, [title, *good * 2, none, *good]) == (3, 1)


def test_counts_with_three_decimals_are_read_where_others_show_them(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    rows = [CSV, row(bytes="200.000"), row(bytes="1500.000")]
    assert share(make_site(), tmp_path, "csv", rows) == (2, 1)


def share(site: Site, folder: Path, kind: str, lines: list[str]) -> tuple[int, float | None]:
    """Flows of a file, and how much of their minute was seen."""
    (folder / f"in.{kind}").write_text("\n".join(line for line in lines if line) + "\n")
    report = Ingest(site).run([str(folder / f"in.{kind}")])
    return report.flows, covered(Lake(site.data), MINUTE_S, MINUTE_S + 60).share


@pytest.mark.parametrize("kind", ["nfdump", "azure"])
def test_a_way_back_that_cannot_be_read_is_lost(make_site: Callable[..., Site], tmp_path: Path, kind: str) -> None:
    rows = [PMACCT | {"in_bytes": 300, "out_bytes": count, "out_packets": 5} for count in (900, "many")]
    tuples = [f"{MINUTE_S * 1000},203.0.113.5,192.0.2.9,1,443,6,I,C,NX,3,300,5,{count}" for count in ("900", "many")]
    lines = [json.dumps(row) for row in rows]
    if kind == "azure":
        flows = {"aclID": "x", "flowGroups": [{"rule": "r", "flowTuples": tuples}]}
        lines = [json.dumps({"records": [{"flowRecords": {"flows": [flows]}}]})]
    (tmp_path / "in.json").write_text("\n".join(lines))
    site = make_site()
    report = Ingest(site).run([str(tmp_path / "in.json")])
    assert report.flows == 4
    assert covered(Lake(site.data), MINUTE_S, MINUTE_S + 60).share == pytest.approx(2 / 3)


@pytest.mark.parametrize("kept", [20, 40, 53])
def test_a_tuple_of_azure_that_was_cut_is_lost(make_site: Callable[..., Site], tmp_path: Path, kept: int) -> None:
    whole = f"{MINUTE_S * 1000},203.0.113.5,192.0.2.9,1,443,6,I,C,NX,3,300,0,0"
    flows = {"aclID": "x", "flowGroups": [{"rule": "r", "flowTuples": [whole, whole, whole[:kept]]}]}
    (tmp_path / "in.json").write_text(json.dumps({"records": [{"flowRecords": {"flows": [flows]}}]}))
    site = make_site()
    report = Ingest(site).run([str(tmp_path / "in.json")])
    assert report.flows == 2
    assert covered(Lake(site.data), MINUTE_S, MINUTE_S + 60).share == pytest.approx(2 / 3)


def test_a_tuple_of_azure_without_a_time_is_kept_and_missing_in_its_minute(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    tuples = [f"{when},203.0.113.5,192.0.2.9,1,443,6,I,C,NX,3,300,0,0" for when in (MINUTE_S * 1000, "17000x", "-inf")]
    flows = {"aclID": "x", "flowGroups": [{"rule": "r", "flowTuples": tuples}]}
    (tmp_path / "in.json").write_text(json.dumps({"records": [{"flowRecords": {"flows": [flows]}}]}))
    site = make_site()
    report = Ingest(site).run([str(tmp_path / "in.json")])
    assert (report.flows, report.failures) == (3, [])
    assert covered(Lake(site.data), MINUTE_S, MINUTE_S + 60).share == pytest.approx(1 / 3)


def test_a_date_is_no_count(make_site: Callable[..., Site], tmp_path: Path) -> None:
    assert share(make_site(), tmp_path, "csv", [CSV, row(), row(bytes=CLOCK)]) == (2, pytest.approx(0.5))


def test_a_record_with_a_reporter_and_no_ends_is_of_an_unknown_kind(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    (tmp_path / "in.json").write_text(json.dumps({"reporter": "source", "bytes": 1, "start_time": CLOCK}))
    (failure,) = Ingest(make_site()).run([str(tmp_path / "in.json")]).failures
    assert "JSON of an unknown kind" in failure


def test_a_firewall_told_by_another_collector_counts_once(make_site: Callable[..., Site], tmp_path: Path) -> None:
    """Cisco's updates tell what passed since the last one, the end repeats the sum; as Filebeat writes them."""
    lines = [
        {"@timestamp": CLOCK, "netflow": {"firewall_event": event, "flow_id": 77, "type": "netflow_flow"},
         "event": {"start": CLOCK, "end": CLOCK}, "network": {"iana_number": 6},
         "source": {"ip": "203.0.113.5", "port": 1, "bytes": sent, "packets": 1},
         "destination": {"ip": "192.0.2.9", "port": 443, "bytes": back, "packets": 1}}
        for event, sent, back in ((5, 1000, 100), (5, 500, 50), (2, 1500, 150))
    ]
    (tmp_path / "in.json").write_text("\n".join(map(json.dumps, lines)))
    site = make_site()
    Ingest(site).run([str(tmp_path / "in.json")])
    assert Lake(site.data).total("sum(bytes)", FlowFilter()) == 1650


def test_a_list_that_has_grown_counts_once(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, path = make_site(), tmp_path / "in.json"
    rows = [PMACCT | {"port_src": n} for n in range(200)]
    for count in (100, 200, 200):
        path.write_text(json.dumps(rows[:count]))
        assert Ingest(site).run([str(path)]).failures == []
    assert Lake(site.data).total("sum(flows)", FlowFilter()) == 200


def test_captures_that_were_joined_are_read_whole(make_site: Callable[..., Site], tmp_path: Path) -> None:
    for n in (0, 1):
        pcap(tmp_path / f"{n}.pcap", simple_v9(n, 3))
    joined = b"".join((tmp_path / f"{n}.pcap").read_bytes() for n in (0, 1))
    (tmp_path / "in.pcap").write_bytes(joined)
    assert Ingest(make_site()).run([str(tmp_path / "in.pcap")]).flows == 6


def test_data_whose_templates_are_missing_fail(make_site: Callable[..., Site], tmp_path: Path) -> None:
    path = pcap(tmp_path / "in.pcap", ipfix(sets((300, bytes(480)))))
    (failure,) = Ingest(make_site()).run([str(path)]).failures
    assert "templates are missing" in failure


def test_sequence_of_a_year_that_no_clock_was_set_in_gives_way(make_site: Callable[..., Site], tmp_path: Path) -> None:
    unset = 946_684_900
    row5 = v5_record("203.0.113.5", "192.0.2.9")
    for name, payload in (("v5", v5([row5], secs=unset)), ("old", v5([row5], secs=1_100_000_000))):
        site = make_site(name=name)
        Ingest(site).run([str(pcap(tmp_path / f"{name}.pcap", payload))])
        began_s = Lake(site.data).total("min(epoch(time_start))", FlowFilter())
        assert (began_s > 1_600_000_000) == (name == "v5")


@pytest.mark.parametrize("kind", ["json", "zeek", "eve"])
@pytest.mark.parametrize("depth", [600, 20_000, 200_000])
def test_brackets_without_end_cost_their_line_alone(
    make_site: Callable[..., Site], tmp_path: Path, kind: str, depth: int
) -> None:
    _, (good,), _, _ = READ[kind]
    bad = good[:-1] + ', "z": ' + "[" * depth + "]" * depth + "}"
    flows, _ = share(make_site(), tmp_path, kind, [good, bad, good])
    assert flows in (2, 3)


def test_one_report_of_an_end_stands_for_one_of_the_other(make_site: Callable[..., Site], tmp_path: Path) -> None:
    def report(who: str, when: str, octets: int) -> str:
        connection = {"src_ip": "203.0.113.5", "dest_ip": "192.0.2.9", "src_port": 1, "dest_port": 443, "protocol": 6}
        return json.dumps({"jsonPayload": {
            "connection": connection, "bytes_sent": str(octets), "packets_sent": "1", "reporter": who,
            "start_time": f"2024-05-01T22:{when}Z", "end_time": f"2024-05-01T22:{when}Z"}})

    lines = [report("SRC", "00:05", 100), report("DEST", "00:06", 100), report("DEST", "01:05", 7000),
             report("DEST", "01:30", 500)]
    (tmp_path / "in.json").write_text("\n".join(lines))
    site = make_site()
    Ingest(site).run([str(tmp_path / "in.json")])
    assert Lake(site.data).total("sum(bytes)", FlowFilter()) == 7600


def test_parquet_of_other_types_is_read(make_site: Callable[..., Site], tmp_path: Path) -> None:
    pq.write_table(pa.table({
        "time_start": pa.array([CLOCK] * 2).dictionary_encode(), "duration": pa.array([1500] * 2, pa.duration("ms")),
        "src": pa.array([bytes([203, 0, 113, 5])] * 2, pa.binary(4)), "dst": pa.array([3221225993] * 2, pa.uint32()),
        "bytes": [300, 300], "packets": [3, 3], "more": [{"a": 1}] * 2, "proto": ["tcp", "udp"],
    }), tmp_path / "in.parquet")
    site = make_site()
    assert Ingest(site).run([str(tmp_path / "in.parquet")]).flows == 2
    (row,) = Lake(site.data).flows(FlowFilter(conditions=("proto = 6",)), limit=1)
    told = row.to_pylist()[0]
    assert (told["time_end"] - told["time_start"]).total_seconds() == 1.5
    assert bytes(told["src"])[12:] == bytes([203, 0, 113, 5])
    assert bytes(told["dst"])[12:] == bytes([192, 0, 2, 9])


def test_durations_as_a_clock_shows_them(make_site: Callable[..., Site], tmp_path: Path) -> None:
    title = "time_start,duration,src,dst,proto,packets,bytes"
    site = make_site()
    share(site, tmp_path, "csv", [title, f"{CLOCK},00:01:05.500,203.0.113.5,192.0.2.9,6,3,300"])
    assert Lake(site.data).total("max(epoch(time_end) - epoch(time_start))", FlowFilter()) == 65.5
