"""Zeek logs and tables: what is good in them is kept, line by line."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc
import pytest

from tidegauge.ingest import Ingest, Report
from tidegauge.lake import FlowFilter, Lake
from tidegauge.site import Site
from tidegauge.wire.columnmap import ColumnMap

HEADER = (
    b"#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration"
    b"\torig_bytes\tresp_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\textra   label\n"
)
LINE = b"1700000000.5\tC1\t198.51.100.1\t1000\t192.0.2.1\t80\ttcp\t2.0\t10\t20\tSs\t2\t90\t1\t60\t-   Benign\n"
JSON = (
    b'{"ts":1700000000.5,"id.orig_h":"198.51.100.1","id.orig_p":8,"id.resp_h":"192.0.2.1","id.resp_p":0,'
    b'"proto":"icmp","orig_pkts":1,"orig_ip_bytes":84,"resp_pkts":0,"resp_ip_bytes":0,"conn_state":"OTH"}\n'
)


@pytest.fixture
def take(make_site: Callable[..., Site], tmp_path: Path) -> Callable[[bytes], tuple[Report, Lake]]:
    site = make_site()

    def run(content: bytes) -> tuple[Report, Lake]:
        path = tmp_path / "input"
        path.write_bytes(content)
        return Ingest(site).run([str(path)]), Lake(site.data)

    return run


Take = Callable[[bytes], tuple[Report, Lake]]


def test_a_connection_is_two_flows_with_ip_bytes(take: Take) -> None:
    report, lake = take(HEADER + LINE + b"#close\t2023-11-14\n")
    rows = [row for batch in lake.flows(FlowFilter()) for row in batch.to_pylist()]
    assert report.failures == []
    assert [
        (r["direction"], r["bytes"], r["packets"], r["dst_port"], r["biflow_direction"])
        for r in sorted(rows, key=lambda r: r["biflow_direction"])
    ] == [
        ("in", 90, 2, 80, 1),
        ("out", 60, 1, 1000, 2),
    ]


def test_bad_lines_are_counted_and_spoil_no_other(take: Take) -> None:
    report, lake = take(HEADER + LINE + b"\xff\xfe\x80 nonsense\n" + LINE.replace(b"198.51.100.1", b"not-an-ip") + LINE)
    assert report.flows == 4
    assert {(what, count) for what, _, count in report.skipped} == {("record", 1)}
    assert lake.scalar("count(*)", FlowFilter()) == 4


def test_json_lines_with_icmp_and_a_broken_line(take: Take) -> None:
    report, lake = take(JSON + b"{broken\n" + JSON)
    assert report.flows == 2
    assert list(report.skipped) == [("record", "not a JSON object", 1)]
    assert lake.scalar("any_value(dst_port)", FlowFilter()) == 8 * 256


def test_a_cut_gzip_keeps_its_beginning_and_names_the_place(take: Take) -> None:
    packed = gzip.compress(HEADER + LINE * 20_000)
    report, _ = take(packed[: len(packed) // 2])
    assert len(report.failures) == 1
    assert "gzip" in report.failures[0]


def test_a_log_without_its_header_is_one_clear_error(take: Take) -> None:
    report, _ = take(b"#separator \\x09\n#path\tconn\n" + LINE)
    assert "no #fields line" in report.failures[0]


def test_rwcut_is_known_without_a_map(take: Take) -> None:
    text = (
        b"            sIP|            dIP|sPort|dPort|pro|   packets|     bytes|   flags|"
        b"                  sTime| duration|"
        b"                  eTime|sen|\n"
        b"   198.51.100.1|      192.0.2.1| 1000|   80|  6|         3|       180|FS PA   |"
        b"2014/11/24T08:00:00.000|    1.500|"
        b"2014/11/24T08:00:01.500| S0|\n"
    )
    report, lake = take(text)
    (row,) = [row for batch in lake.flows(FlowFilter()) for row in batch.to_pylist()]
    assert report.failures == []
    assert (row["bytes"], row["packets"], row["tcp_flags"], row["exporter"]) == (180, 3, 0x1B, "S0")
    assert (row["time_end"] - row["time_start"]).total_seconds() == 1.5
    assert row["time_start"].isoformat() == "2014-11-24T08:00:00+00:00"


def test_the_way_back_in_nfdumps_csv_is_a_flow_of_its_own(take: Take) -> None:
    report, lake = take(
        b"ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt\n"
        b"2014-11-24 08:00:00,2014-11-24 08:00:02,2.0,198.51.100.1,192.0.2.1,1000,80,TCP,...AP.SF,0,0,3,180,2,120\n"
        b"2014-11-24 08:00:00,2014-11-24 08:00:02,2.0,198.51.100.1,192.0.2.1,0,8.0,ICMP,......,0,0,1,84,0,0\n"
    )
    rows = [row for batch in lake.flows(FlowFilter()) for row in batch.to_pylist()]
    assert report.flows == 3
    columns = ("direction", "proto", "src_port", "dst_port", "packets", "bytes")
    assert sorted(tuple(r[c] for c in columns) for r in rows) == [
        ("in", 1, 0, 2048, 1, 84),
        ("in", 6, 1000, 80, 3, 180),
        ("out", 6, 80, 1000, 2, 120),
    ]


def test_logs_that_were_joined_keep_their_own_order_of_columns(take: Take) -> None:
    other = HEADER.replace(b"id.orig_h\tid.orig_p\tid.resp_h\tid.resp_p", b"id.resp_h\tid.resp_p\tid.orig_h\tid.orig_p")
    turned = LINE.replace(b"198.51.100.1\t1000\t192.0.2.1\t80", b"192.0.2.1\t80\t198.51.100.1\t1000")
    _, lake = take(HEADER + LINE + other + turned + turned)
    assert lake.total("sum(bytes)", FlowFilter(conditions=("direction = 'in'",))) == 3 * 90


def test_tables_that_were_joined_keep_their_own_order_of_columns(take: Take) -> None:
    one = b"time_start,src,dst,bytes,packets\n1700000000,203.0.113.1,192.0.2.1,100,7\n"
    other = b"time_start,src,dst,packets,bytes\n1700000001,203.0.113.1,192.0.2.1,9,5000\n"
    _, lake = take(one + other + one)
    assert lake.total("sum(bytes)", FlowFilter()) == 5200
    assert lake.total("sum(packets)", FlowFilter()) == 23


@pytest.mark.parametrize("time", [b"0", b"-1", b"20141124120000", b"9223372036854775807"])
def test_what_can_be_no_time_is_counted_and_kept_outside_all_time(take: Take, time: bytes) -> None:
    row = b"203.0.113.1,192.0.2.1,100,7\n"
    report, lake = take(b"time_start,src,dst,bytes,packets\n" + time + b"," + row + b"1700000000," + row)
    assert (lake.total("sum(bytes)", FlowFilter(1)), report.skipped.total) == (100, 1)
    assert lake.total("sum(bytes)", FlowFilter(None, 1)) == 100


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_of_a_packed_file_whose_check_sum_does_not_fit_nothing_stays(
    make_site: Callable[..., Site], tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    rows = b"".join(b"%d,203.0.113.1,192.0.2.1,%d,7\n" % (1_700_000_000 + i, i * i) for i in range(60_000))
    packed = bytearray(pack(b"time_start,src,dst,bytes,packets\n" + rows))
    (tmp_path / "cut").write_bytes(packed[: len(packed) // 2])
    packed[len(packed) // 2] ^= 1
    (tmp_path / "flipped").write_bytes(packed)
    site = make_site()
    report = Ingest(site).run([str(tmp_path / "flipped")])
    assert (report.flows, report.files, "data are damaged" in report.failures[0]) == (0, 0, True)
    lake = Lake(site.data)
    assert [lake.manifest.segments(kind) for kind in ("flows", "coverage")] == [[], []]
    assert not lake.manifest.sources()
    report = Ingest(site).run([str(tmp_path / "cut")])
    ((name, reached_s),) = Lake(site.data).manifest.cut_short()
    assert (report.files, name, reached_s) == (1, str(tmp_path / "cut"), 1_700_000_000 + report.flows - 1)


def test_a_file_none_of_whose_times_can_be_read_is_named_and_nothing_of_it_is_taken_in(take: Take) -> None:
    text = b"time_start,src,dst,bytes,packets\n" + b"22.10.2023 12:00,203.0.113.1,192.0.2.1,100,7\n" * 3
    report, lake = take(text)
    assert "none of its times can be read" in report.failures[0]
    assert (report.flows, lake.manifest.segments("flows"), lake.manifest.segments("coverage")) == (0, [], [])


@pytest.mark.parametrize("time", [b"86400", b"4200000000"])
def test_times_that_are_hardly_right_are_kept_and_said(take: Take, time: bytes) -> None:
    report, lake = take(b"time_start,src,dst,bytes,packets\n" + time + b",203.0.113.1,192.0.2.1,100,7\n")
    assert lake.total("sum(bytes)", FlowFilter()) == 100
    assert any("one before 1990 or in the future" in warning for warning in report.warnings)


@pytest.mark.parametrize("sent", [b"", b"nan", b"-1", b'"1,000"'])
def test_counts_of_argus_that_are_no_numbers_are_no_flow_the_other_way(take: Take, sent: bytes) -> None:
    head = b"StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,Label\n"
    row = b"2014/11/24 12:00:00.5,5.0,tcp,203.0.113.1,1000,  ->,192.0.2.1,443,FSPA_FSPA,0,0,30,3000,%s,\n"
    report, lake = take(head + row % b"1000" + row % sent)
    assert (lake.total("sum(bytes)", FlowFilter()), report.skipped.total) == (3000, 1)


def test_services_of_argus_by_name_are_ports(take: Take) -> None:
    head = b"StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,Label\n"
    row = b"2014/11/24 12:00:00.5,5.0,tcp,203.0.113.1,1000,  ->,192.0.2.1,%s,FSPA_FSPA,0,0,3,300,300,\n"
    report, lake = take(head + row % b"https" + row % b"ssh" + row % b"odd-one" + row % b"0x0050")
    ports = sorted(lake.scalar("list(dst_port)", FlowFilter(conditions=("dst_port <> 1000",))))
    assert (ports, [count for what, _, count in report.skipped if what == "port"]) == ([0, 22, 80, 443], [1])


def test_times_of_two_forms_in_one_log_are_both_read(take: Take) -> None:
    text = JSON.replace(b"1700000000.5", b'"2023-11-14T22:13:21.5Z"')
    _, lake = take(JSON + text + JSON)
    assert lake.total("sum(flows)", FlowFilter()) == 3


def test_a_byte_order_mark_before_a_log_is_passed_over(take: Take) -> None:
    report, lake = take(b"\xef\xbb\xbf" + HEADER + LINE)
    assert (report.failures, report.skipped.total, lake.total("sum(flows)", FlowFilter())) == ([], 0, 2)


def test_logs_packed_by_xz_are_read_and_damage_in_them_is_said(take: Take) -> None:
    packed = lzma.compress(HEADER + b"".join(LINE.replace(b"1000", b"%d" % i) for i in range(1000, 9000)))
    report, lake = take(packed)
    assert (report.failures, lake.total("sum(flows)", FlowFilter())) == ([], 16_000)
    cut, _ = take(packed[: len(packed) // 2])
    assert ["xz data are damaged" in failure for failure in cut.failures] == [True]


def test_numbers_that_are_written_as_texts_are_numbers_and_others_are_counted(take: Take) -> None:
    line = (
        b'{"ts":%s,"id.orig_h":"192.0.2.1","id.orig_p":"4000","id.resp_h":"198.51.100.7","id.resp_p":%s,"proto":"tcp",'
        b'"orig_bytes":"5000000","orig_pkts":"5000","orig_ip_bytes":"5200000","resp_pkts":9,"resp_ip_bytes":900}\n'
    )
    report, lake = take(line % (b'"1764064800"', b"443") + line % (b"1764064801.5", b'"x"'))
    (first, *_) = lake.flows(FlowFilter())
    out = first.filter(pc.field("bytes") == 5_200_000)
    assert out["src_port"].to_pylist() == [4000, 4000]
    assert sorted(out["dst_port"].to_pylist()) == [0, 443]
    assert [tuple(row) for row in report.skipped] == [("value", "id.resp_p is not a number", 1)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_text_of_windows_tools_is_read(make_site: Callable[..., Site], tmp_path: Path, encoding: str) -> None:
    lines = "src,dst,bytes,time_start\n" + "203.0.113.7,192.0.2.1,1000,1416787200\n" * 9
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "f.csv").write_bytes((mark + lines).encode(encoding))
    report = Ingest(make_site()).run([str(tmp_path / "f.csv")])
    assert (report.flows, report.failures) == (9, [])


def test_titles_in_quotes_may_hold_what_stands_between_columns(make_site: Callable[..., Site], tmp_path: Path) -> None:
    names = {"src": "Source", "dst": "Dest", "time_start": "When", "bytes": "Octets, total"}
    lines = ["[columns]", *(f'{ours} = "{theirs}"' for ours, theirs in names.items())]
    (tmp_path / "map.toml").write_text("\n".join(lines))
    (tmp_path / "in.csv").write_text(
        '"Source","Dest","When","Octets, total"\n"192.0.2.1","198.51.100.2","1714564800","1500"\n'
    )
    site = make_site()
    report = Ingest(site, column_map=ColumnMap.load(tmp_path / "map.toml")).run([str(tmp_path / "in.csv")])
    assert report.failures == []
    assert Lake(site.data).total("sum(bytes)", FlowFilter()) == 1500
