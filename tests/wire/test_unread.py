"""Rows and lines that tell of traffic and cannot be read: they are lost in their minute, in every kind of table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.make import NOW_S
from tidegauge.ingest import Ingest
from tidegauge.lake import Lake
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
        row(src="203[.]0[.]113[.]5"), row(dst="host.example.net"), row(src="203.0.113.5:443"), row(bytes="200.000"),
        row(time_start="yesterday"), row() + ",7", row()[:45], row(src='"203.0.113.5'),
    ], [row(src="00:1b:44:11:3a:b7", dst="ff:ff:ff:ff:ff:ff"), CSV, "Summary", "flows,bytes", "3,1200"]),
    "argus": (ARGUS, [argus()],
              [argus("host.example.net"), argus(octets="2,5"), argus(when="never"), argus(octets="x")],
              [argus("00:1b:44:11:3a:b7", "arp"), argus("00:1b:44:11:3a:b7", "lldp")]),
    "zeek": ("", [json.dumps(CONN)], [
        json.dumps(CONN | {"id.orig_h": "host"}), json.dumps(CONN | {"ts": "never"}), json.dumps(CONN)[:-9],
        json.dumps(CONN | {"orig_ip_bytes": "1e400"}),
    ], []),
    "eve": ("", [json.dumps(EVENT)], [
        json.dumps(EVENT | {"src_ip": "host"}), json.dumps(EVENT | {"flow": COUNTS | {"bytes_toserver": "many"}}),
        json.dumps(EVENT)[:-9], json.dumps(EVENT | {"flow": {"start": CLOCK}}),
        json.dumps(EVENT | {"flow": COUNTS | {"bytes_toserver": -1}}),
    ], [json.dumps(EVENT | {"event_type": "alert"})]),
    "json": ("", [json.dumps(PMACCT)], [
        json.dumps(PMACCT | {"ip_src": "host"}), json.dumps(PMACCT)[:-9], json.dumps(PMACCT | {"bytes": "many"}),
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
