"""Flows as JSON lines and documents of other programs, each in the form that its own documentation shows."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies as st

from tests.make import run_json
from tidegauge.cli import program
from tidegauge.site import FILE_NAME, Site
from tidegauge.wire import JsonReader, Stream
from tidegauge.wire.columns import PLAIN, plain_name

OURS, FAR, OURS6, FAR6 = "192.0.2.10", "198.51.100.7", "2001:db8::10", "2001:db8:1::7"
START, END = "2024-05-01T12:00:00", "2024-05-01T12:00:10"
START_S = 1714564800

GOFLOW2 = {
    "type": "NETFLOW_V9", "time_received_ns": 1714564811000000000, "sequence_num": 1, "sampling_rate": 0,
    "sampler_address": "203.0.113.7", "time_flow_start_ns": 1714564800000000000,
    "time_flow_end_ns": 1714564810000000000,
    "bytes": 1500, "packets": 2, "src_addr": OURS, "dst_addr": FAR, "etype": "IPv4", "proto": "TCP",
    "src_port": 50000, "dst_port": 443, "in_if": 1, "out_if": 2, "src_as": 64500, "tcp_flags": 27, "ip_tos": 8,
}
GOFLOW1 = {
    "Type": "NETFLOW_V9", "TimeReceived": 1714564811, "SequenceNum": 1, "SamplingRate": 1,
    "SamplerAddress": "203.0.113.7", "TimeFlowStart": 1714564800, "TimeFlowEnd": 1714564810, "Bytes": 1500,
    "Packets": 2, "SrcAddr": OURS, "DstAddr": FAR, "Etype": 2048, "Proto": 6, "SrcPort": 50000, "DstPort": 443,
    "InIf": 1, "OutIf": 2, "TCPFlags": 27, "IPTos": 8,
}
PMACCT = {
    "event_type": "purge", "peer_ip_src": "203.0.113.7", "iface_in": 1, "iface_out": 2, "ip_src": OURS, "ip_dst": FAR,
    "port_src": 50000, "port_dst": 443, "tcp_flags": "27", "ip_proto": "tcp", "tos": 8,
    "timestamp_start": "2024-05-01 12:00:00.000000", "timestamp_end": "2024-05-01 12:00:10.000000",
    "stamp_inserted": "2024-05-01 11:00:00", "stamp_updated": "2024-05-01 12:05:01", "packets": 2, "flows": 1,
    "bytes": 1500,
}
NFDUMP = {
    "type": "FLOW", "sampled": 0, "export_sysid": 1, "first": START + ".000", "last": END + ".000",
    "received": "2024-05-01T12:00:11.000", "in_packets": 2, "in_bytes": 1500, "proto": 6, "tcp_flags": "...AP.SF",
    "src_port": 50000, "dst_port": 443, "fwd_status": 0, "src_tos": 8, "src4_addr": OURS, "dst4_addr": FAR,
    "input_snmp": 1, "output_snmp": 2, "ip4_router": "203.0.113.7",
}
FILEBEAT = {
    "@timestamp": "2024-05-01T12:00:11.000Z",
    "netflow": {
        "type": "netflow_flow", "source_ipv4_address": OURS, "destination_ipv4_address": FAR,
        "source_transport_port": 50000, "destination_transport_port": 443, "protocol_identifier": 6,
        "octet_delta_count": 1500, "packet_delta_count": 2, "tcp_control_bits": 27, "ingress_interface": 1,
        "egress_interface": 2, "ip_class_of_service": 8, "flow_start_sys_up_time": 4000, "flow_end_sys_up_time": 14000,
        "exporter": {"address": "203.0.113.7:2055", "source_id": 0, "uptime_millis": 15000, "version": 9,
                     "timestamp": "2024-05-01T12:00:11.000Z"},
    },
    "event": {"kind": "event", "start": START + ".000Z", "end": END + ".000Z", "duration": 10000000000},
    "source": {"ip": OURS, "port": 50000, "bytes": 1500, "packets": 2},
    "destination": {"ip": FAR, "port": 443},
    "network": {"transport": "tcp", "iana_number": 6, "bytes": 1500, "packets": 2, "direction": "outbound"},
    "observer": {"ip": "203.0.113.7"}, "related": {"ip": [OURS, FAR]},
}
IPFIXCOL2 = {
    "@type": "ipfix.entry", "iana:octetDeltaCount": 1500, "iana:packetDeltaCount": 2,
    "iana:sourceIPv4Address": OURS, "iana:destinationIPv4Address": FAR, "iana:sourceTransportPort": 50000,
    "iana:destinationTransportPort": 443, "iana:protocolIdentifier": "TCP", "iana:tcpControlBits": ".AP.SF",
    "iana:flowStartMilliseconds": START + ".000Z", "iana:flowEndMilliseconds": END + ".000Z",
    "iana:ingressInterface": 1, "iana:egressInterface": 2, "iana:ipClassOfService": 8,
}
MEDIATOR = {"flows": {
    "flowStartMilliseconds": "2024-05-01 12:00:00.000", "flowEndMilliseconds": "2024-05-01 12:00:10.000",
    "sourceIPv4Address": OURS, "destinationIPv4Address": FAR, "sourceTransportPort": 50000,
    "destinationTransportPort": 443, "protocolIdentifier": 6, "octetTotalCount": 1500, "packetTotalCount": 2,
    "reverseOctetTotalCount": 700, "reversePacketTotalCount": 1,
}}
NPROBE = {
    "IPV4_SRC_ADDR": OURS, "IPV4_DST_ADDR": FAR, "L4_SRC_PORT": 50000, "L4_DST_PORT": 443, "PROTOCOL": 6,
    "IN_BYTES": 1500, "IN_PKTS": 2, "OUT_BYTES": 700, "OUT_PKTS": 1, "FIRST_SWITCHED": START_S,
    "LAST_SWITCHED": START_S + 10, "TCP_FLAGS": 27, "EXPORTER_IPV4_ADDRESS": "203.0.113.7",
}
GOOGLE = {
    "insertId": "1", "logName": "projects/p/logs/compute.googleapis.com%2Fvpc_flows",
    "jsonPayload": {
        "connection": {"src_ip": OURS, "src_port": 50000, "dest_ip": FAR, "dest_port": 443, "protocol": 6},
        "start_time": START + ".000000000Z", "end_time": END + ".000000000Z", "bytes_sent": "1500",
        "packets_sent": "2", "reporter": "SRC", "src_instance": {"vm_name": "a", "zone": "z"},
    },
    "timestamp": "2024-05-01T12:00:20Z",
}
KINDS = {
    "goflow2": GOFLOW2, "goflow": GOFLOW1, "pmacct": PMACCT, "nfdump": NFDUMP, "filebeat": FILEBEAT,
    "ipfixcol2": IPFIXCOL2, "super_mediator": MEDIATOR, "nprobe": NPROBE, "google": GOOGLE,
    "elasticdump": {"_index": "x", "_source": FILEBEAT},
}
TWO_WAY = ("super_mediator", "nprobe")


def taken(site: Site, path: Path, *words: str, status: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    result = CliRunner().invoke(program, ["ingest", str(path), *words, "--site", str(site.folder), "--json"])
    assert result.exit_code == status, (result.output, result.stderr)
    return json.loads(result.stdout), run_json("flows", "--json", site=site)


def checked(flow: dict[str, Any]) -> None:
    told = [flow[name] for name in ("src", "dst", "src_port", "dst_port", "proto", "packets", "bytes")]
    assert told == [OURS, FAR, 50000, 443, 6, 2, 1500]
    assert flow["time_start"] == "2024-05-01T12:00:00.000000Z"
    assert flow["time_end"] == "2024-05-01T12:00:10.000000Z"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["lines", "list", "indented", "gzip"])
def test_records_of_other_programs_are_flows(
    make_site: Callable[..., Site], tmp_path: Path, kind: str, form: str
) -> None:
    rows, path = [KINDS[kind]] * 3, tmp_path / "flows.json"
    text = {
        "lines": "\n".join(map(json.dumps, rows)) + "\n", "list": json.dumps(rows),
        "indented": json.dumps(rows, indent=2), "gzip": "\n".join(json.dumps(row) for row in rows),
    }[form]
    path.write_bytes(gzip.compress(text.encode()) if form == "gzip" else text.encode())
    report, flows = taken(make_site(), path)
    assert (len(flows), report["skipped"]) == (6 if kind in TWO_WAY else 3, [])
    forward = [flow for flow in flows if flow["src"] == OURS]
    for flow in forward:
        checked(flow)
    back = [(flow["bytes"], flow["packets"], flow["dst_port"]) for flow in flows if flow["src"] == FAR]
    assert back == ([(700, 1, 50000)] * 3 if kind in TWO_WAY else [])
    if kind in ("goflow2", "goflow", "pmacct", "nfdump", "filebeat", "elasticdump"):
        assert {(f["exporter"], f["in_if"], f["out_if"], f["tcp_flags"], f["tos"]) for f in forward} == {
            ("203.0.113.7", 1, 2, 27, 8)
        }


@pytest.mark.parametrize("kind", ["goflow2", "pmacct", "nfdump", "filebeat", "google"])
def test_ipv6_icmp_and_lines_that_are_no_flow(make_site: Callable[..., Site], tmp_path: Path, kind: str) -> None:
    def six(value: Any) -> Any:
        if isinstance(value, dict):
            return {name.replace("4_addr", "6_addr").replace("ipv4_address", "ipv6_address"): six(v)
                    for name, v in value.items()}
        return {OURS: OURS6, FAR: FAR6}.get(value, value) if isinstance(value, str) else value

    lines = [json.dumps(KINDS[kind]), json.dumps(six(KINDS[kind])), "{broken", '{"event_type": "purge_close"}', "7"]
    (tmp_path / "flows.json").write_text("\n".join(lines) + "\n")
    report, flows = taken(make_site("192.0.2.0/24", "2001:db8::/48"), tmp_path / "flows.json")
    assert sorted(flow["src"] for flow in flows) == sorted([OURS, OURS6])
    assert [flow["direction"] for flow in flows] == ["out", "out"]
    assert sum(row["count"] for row in report["skipped"]) == 3


def test_icmp_keeps_its_type(make_site: Callable[..., Site], tmp_path: Path) -> None:
    ping = {**GOFLOW2, "proto": "ICMP", "src_port": 0, "dst_port": 0, "icmp_type": 8, "icmp_code": 0}
    (tmp_path / "flows.json").write_text(json.dumps(ping) + "\n")
    assert [flow["dst_port"] for flow in taken(make_site(), tmp_path / "flows.json")[1]] == [8 * 256]


def test_a_sampling_interval_in_a_table_is_applied_where_the_site_names_one(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    (tmp_path / "flows.json").write_text(json.dumps({**GOFLOW2, "sampling_rate": 1000}) + "\n")
    site = make_site()
    report, flows = taken(site, tmp_path / "flows.json")
    assert [(flow["bytes"], flow["sampling"]) for flow in flows] == [(1500, 1)]
    assert [(row["what"], row["count"]) for row in report["skipped"]] == [("sampling interval", 1)]
    (seen,) = run_json("coverage", site=site)
    assert [e["unsampled"] for e in seen["exporters"]] == [1]
    named = make_site(name="named")
    path = named.folder / "tidegauge.toml"
    path.write_text(path.read_text() + '\n[exporters."203.0.113.7"]\nsampling = 1000\n')
    report, flows = taken(named, tmp_path / "flows.json")
    assert [(flow["bytes"], flow["packets"], flow["sampling"]) for flow in flows] == [(1_500_000, 2000, 1000)]
    assert report["skipped"] == []


def test_other_json_is_named_for_what_it_is(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    for text in (
        '{"hello": 1, "world": "x"}\n', '[{"hello": 1}]', "[]", "{\n}\n", '{"records": [{"category": "flow"}]}',
    ):
        (tmp_path / "other.json").write_text(text)
        report = CliRunner().invoke(program, ["ingest", str(tmp_path / "other.json"), "--site", str(site.folder)])
        assert (text, report.exit_code) == (text, 1)
    (tmp_path / "cut.json").write_text(json.dumps([GOFLOW2] * 3)[:-100])
    report, flows = taken(site, tmp_path / "cut.json", status=1)
    assert len(flows) == 2
    assert report["skipped"][0]["why"] == "not JSON, or cut off"


def test_azure_logs(make_site: Callable[..., Site], tmp_path: Path) -> None:
    tuples = [
        f"{START_S},{FAR},{OURS},44931,443,T,I,A,B,,,,", f"{START_S + 60},{FAR},{OURS},44931,443,T,I,A,C,1,700,2,1500",
        f"{START_S + 90},{FAR},{OURS},44931,443,T,I,A,E,1,70,2,150", f"{START_S},{FAR},{OURS},5,22,T,I,D,B,,,,",
    ]
    nsg = {"records": [{
        "time": START, "systemId": "x", "category": "NetworkSecurityGroupFlowEvent", "resourceId": "/S",
        "properties": {"Version": 2, "flows": [{"rule": "r", "flows": [{"mac": "00", "flowTuples": tuples}]}]},
    }]}
    (tmp_path / "PT1H.json").write_text(json.dumps(nsg))
    report, flows = taken(make_site(), tmp_path / "PT1H.json")
    assert sum(flow["bytes"] for flow in flows if flow["src"] == FAR) == 770
    assert sum(flow["bytes"] for flow in flows if flow["src"] == OURS) == 1650
    assert [row["count"] for row in report["skipped"]] == [2]
    vnet = {"records": [{
        "time": START, "flowLogVersion": 4, "category": "FlowLogFlowEvent", "macAddress": "00",
        "flowRecords": {"flows": [{"aclID": "a", "flowGroups": [{"rule": "r", "flowTuples": [
            f"{START_S * 1000},{OURS6},{FAR6},5000,443,6,O,B,NX,0,0,0,0",
            f"{START_S * 1000 + 5000},{OURS6},{FAR6},5000,443,6,O,E,NX,3,400,4,5000",
        ]}]}]},
    }]}
    (tmp_path / "vnet.json").write_text(json.dumps(vnet, indent=1))
    _, flows = taken(make_site("2001:db8::/48", name="vnet"), tmp_path / "vnet.json")
    assert {(f["direction"], f["bytes"], f["packets"], f["proto"]) for f in flows} == {
        ("out", 400, 3, 6), ("in", 5000, 4, 6),
    }


def test_vpc_flow_logs_of_aws_with_and_without_a_line_of_names(make_site: Callable[..., Site], tmp_path: Path) -> None:
    row = f"2 123456789010 eni-1235b8ca123456789 {OURS} {FAR} 50000 443 6 2 1500 {START_S} {START_S + 10} ACCEPT OK"
    empty = f"2 123456789010 eni-1235b8ca123456789 - - - - - - - {START_S} {START_S + 60} - NODATA"
    five = "version srcaddr dstaddr srcport dstport protocol packets bytes start end pkt-srcaddr flow-direction flags"
    texts = {
        "bare": f"{row}\n{empty}\n", "logs": f"2024-05-01T12:01:00.000Z {row}\n",
        "five": f"{five}\n5 {OURS} {FAR} 50000 443 6 2 1500 {START_S} {START_S + 10} 10.0.0.5 egress 19\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (flow,) = taken(make_site(name=f"site-{name}"), tmp_path / name)[1]
        checked(flow)


def test_eve_behind_a_syslog_prefix(make_site: Callable[..., Site], tmp_path: Path) -> None:
    event = {
        "timestamp": START + ".000000+0000", "flow_id": 1, "event_type": "flow", "src_ip": OURS, "src_port": 50000,
        "dest_ip": FAR, "dest_port": 443, "proto": "TCP",
        "flow": {"pkts_toserver": 2, "pkts_toclient": 1, "bytes_toserver": 1500, "bytes_toclient": 700,
                 "start": START + ".000000+0000", "end": END + ".000000+0000"},
    }
    for prefix in ("May  1 12:00:11 sensor suricata[4711]: ", "<134>1 2024-05-01T12:00:11Z sensor - - - @cee: "):
        (tmp_path / "eve.log").write_text(f"{prefix}{json.dumps(event)}\n" * 2)
        _, flows = taken(make_site(name=f"site{len(prefix)}"), tmp_path / "eve.log")
        assert sum(flow["bytes"] for flow in flows) == 2 * 2200


def test_what_we_write_ourselves_is_read(make_site: Callable[..., Site], tmp_path: Path) -> None:
    (tmp_path / "flows.json").write_text(json.dumps(NPROBE) + "\n")
    first = taken(make_site(), tmp_path / "flows.json")[1]
    (tmp_path / "ours.json").write_text("\n".join(json.dumps(row) for row in first) + "\n")
    assert taken(make_site(name="again"), tmp_path / "ours.json")[1] == first


@given(st.sampled_from([name for names in PLAIN.values() for name in names]))
def test_plain_names_are_plain(name: str) -> None:
    assert plain_name(name) == name


def test_the_doctor_names_intervals_that_were_not_applied(make_site: Callable[..., Site], tmp_path: Path) -> None:
    (tmp_path / "flows.json").write_text(json.dumps({**GOFLOW2, "sampling_rate": 1000}) + "\n")
    site = make_site()
    taken(site, tmp_path / "flows.json")
    (told,) = run_json("doctor", site=site)
    (check,) = [check for check in told["checks"] if check["check"] == "sampler"]
    assert check["found"].startswith("1 of 1 records of 203.0.113.7 are sampled at an interval that is not known")


ODD = [None, True, -1, 1e400, 2**70, "", "x" * 50, [], {}, {"a": {"b": 1}}, "-1", "0x1f", "2024-05-01T12:00:00+08:00",
       "0000-00-00 00:00:00", "::", "256.1.1.1", float("nan")]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_odd_values_cost_their_own_record_at_most(kind: str, data: st.DataObject) -> None:
    odd = dict(KINDS[kind])
    for key in data.draw(st.lists(st.sampled_from(sorted(odd)), max_size=4)):
        odd[key] = data.draw(st.sampled_from(ODD))
    text = "\n".join(json.dumps(row) for row in (KINDS[kind], odd, KINDS[kind]))
    reader = JsonReader("json")
    flows = sum(len(batch) for batch in reader.read(Stream(io.BytesIO(text.encode()), "odd")))
    good = 2 if kind in TWO_WAY else 1
    assert 2 * good <= flows <= 3 * good


def packetbeat(second: int, sent: int, back: int, *, flow: str = "EAT/AQ", final: bool = False) -> dict[str, Any]:
    """What Packetbeat reports every ten seconds of a flow that goes on: what passed since its start."""
    return {
        "@timestamp": f"2024-05-01T12:00:{second:02}.000Z", "type": "flow",
        "event": {"action": "network_flow", "start": START + ".000Z", "end": f"2024-05-01T12:00:{second:02}.000Z"},
        "flow": {"id": flow, "final": final}, "network": {"transport": "tcp", "bytes": sent + back, "packets": 8},
        "source": {"ip": OURS, "port": 50000, "bytes": sent, "packets": 4},
        "destination": {"ip": FAR, "port": 443, "bytes": back, "packets": 4},
    }


@pytest.mark.parametrize("files", [1, 2])
def test_totals_since_the_start_of_a_flow_count_once(
    make_site: Callable[..., Site], tmp_path: Path, files: int
) -> None:
    rows = [
        packetbeat(10, 1000, 100), packetbeat(20, 5000, 500), packetbeat(30, 5000, 500, final=True),
        packetbeat(30, 70, 70, flow="other", final=True),
    ]
    site = make_site()
    for part, some in enumerate((rows[:2], rows[2:]) if files == 2 else (rows,)):
        (tmp_path / f"{part}.json").write_text("\n".join(map(json.dumps, some)))
        _, flows = taken(site, tmp_path / f"{part}.json")
    sent, back = (sum(flow["bytes"] for flow in flows if flow["src"] == end) for end in (OURS, FAR))
    assert (sent, back) == (5070, 570)


def test_totals_of_a_named_flow_count_once(make_site: Callable[..., Site], tmp_path: Path) -> None:
    rows = [
        {"flowStartMilliseconds": START, "flowEndMilliseconds": END, "sourceIPv4Address": OURS, "flowId": flow,
         "destinationIPv4Address": FAR, "protocolIdentifier": 6, "octetTotalCount": octets, "packetTotalCount": 2}
        for flow, octets in ((5, 100), (5, 300), (6, 40))
    ]
    (tmp_path / "in.json").write_text("\n".join(map(json.dumps, rows)))
    assert sum(flow["bytes"] for flow in taken(make_site(), tmp_path / "in.json")[1]) == 340


@pytest.mark.parametrize("kind", ["filebeat", "azure"])
def test_an_answer_as_large_as_the_question_is_one(
    make_site: Callable[..., Site], tmp_path: Path, kind: str
) -> None:
    """As of pings: what is named the way back is that, though both count alike."""
    row: dict[str, Any] = {**FILEBEAT, "destination": {"ip": FAR, "bytes": 1500, "packets": 2}}
    if kind == "azure":
        tuples = [f"{START_S * 1000},{OURS},{FAR},50000,443,6,O,E,NX,2,1500,2,1500"]
        flows = {"aclID": "x", "flowGroups": [{"rule": "r", "flowTuples": tuples}]}
        row = {"records": [{"flowRecords": {"flows": [flows]}}]}
    (tmp_path / "in.json").write_text(json.dumps(row))
    found = taken(make_site(), tmp_path / "in.json")[1]
    assert [(flow["src"], flow["bytes"]) for flow in found] == [(OURS, 1500), (FAR, 1500)]


@pytest.mark.parametrize(("setting", "total"), [("auto", 3 * 1500 + 4 * 700), ("same", 4500), ("reverse", 7300)])
def test_one_rule_says_what_a_second_pair_of_counters_is(
    make_site: Callable[..., Site], tmp_path: Path, setting: str, total: int
) -> None:
    rows = [{**NPROBE, "OUT_BYTES": 700, "OUT_PKTS": 1}] * 3 + [{**NPROBE, "IN_BYTES": 0, "IN_PKTS": 0}]
    site = make_site()
    with (site.folder / FILE_NAME).open("a") as file:
        file.write(f'\n[exporters."203.0.113.7"]\nname = "edge"\nout_bytes = "{setting}"\n')
    (tmp_path / "in.json").write_text("\n".join(map(json.dumps, rows)))
    report, flows = taken(site, tmp_path / "in.json")
    assert sum(flow["bytes"] for flow in flows) == total + 700 * (setting == "same")
    assert any("OUT_BYTES" in rule for rule in report["applied"])
    assert {flow["exporter"] for flow in flows} == {"edge"}


def test_records_of_the_way_out_only_count(make_site: Callable[..., Site], tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {name: value for name, value in NPROBE.items() if not name.startswith(left)} for left in ("IN_", "OUT_")
    ]
    for part, some in enumerate((rows, rows[:1])):
        (tmp_path / f"{part}.json").write_text("\n".join(map(json.dumps, some)))
        flows = taken(make_site(name=f"site{part}"), tmp_path / f"{part}.json")[1]
        assert sorted((flow["src"], flow["bytes"], flow["packets"]) for flow in flows) == [
            (OURS, 700, 1), (OURS, 1500, 2)
        ][: 2 - part]
