"""Watches: indicators with their times, names that point to addresses, import, and questions about an asset."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.make import dns_log, run_json
from tidegauge.hunt import hunt
from tidegauge.ingest import Ingest
from tidegauge.lake import Lake
from tidegauge.model import InputError, UsageError, format_address, parse_time
from tidegauge.site import Site
from tidegauge.store import Store
from tidegauge.watch import Indicator, Watches, pointed, read_indicators, unmatched, watched

HEADER = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes,tcp_flags\n"


def at(text: str) -> int:
    return parse_time(text, now_s=0)


def run(*arguments: str, site: Site) -> dict[str, Any]:
    (found,) = run_json(*arguments, site=site)
    return found


def test_watches_are_kept_shown_and_removed(make_site: Callable[..., Site]) -> None:
    site = make_site()
    made = run(
        "watch", "add", "studio", "--prefix", "203.0.113.0/24", "--as", "AS64500", "--domain", "Studio.Example",
        "--port", "443", "--valid", "2014-11-01/2014-12-01", "--size", "100000000", "--note", "a database", site=site,
    )
    assert [(i["kind"], i["value"], i["port"]) for i in made["indicators"]] == [
        ("prefix", "203.0.113.0/24", 443), ("as", "64500", 443), ("domain", "studio.example", 443),
    ]
    assert made["indicators"][0]["from"] == "2014-11-01T00:00:00Z"
    assert run("watch", "show", "studio", site=site)["note"] == "a database"
    assert [w["name"] for w in run("watch", "list", site=site)["watches"]] == ["studio"]
    run("watch", "remove", "studio", site=site)
    assert run("watch", "list", site=site)["watches"] == []


@pytest.mark.parametrize(
    ("kind", "value"), [("prefix", "203.0.113.1/24"), ("as", "x"), ("domain", "no dots"), ("port", "70000")]
)
def test_wrong_indicators_are_refused(kind: str, value: str) -> None:
    with pytest.raises(UsageError):
        Indicator.of(kind, value)


STIX = {
    "type": "bundle", "id": "bundle--1", "objects": [
        {"type": "indicator", "pattern": "[ipv4-addr:value = '203.0.113.7' OR domain-name:value = 'bad.example']",
         "valid_from": "2014-11-20T00:00:00Z", "valid_until": "2014-12-20T00:00:00Z"},
        {"type": "indicator", "pattern": "[file:hashes.MD5 = 'aa']"},
        {"type": "ipv6-addr", "value": "2001:db8::7"},
    ],
}
MISP = {
    "Event": {
        "Attribute": [{"type": "ip-dst|port", "value": "203.0.113.7|8443"}, {"type": "md5", "value": "aa"}],
        "Object": [{"Attribute": [{"type": "domain", "value": "bad.example", "first_seen": "2014-11-20T00:00:00Z"}]}],
    }
}


def test_indicators_come_from_stix_misp_and_csv(tmp_path: Path) -> None:
    files = {
        "s.json": json.dumps(STIX), "m.json": json.dumps(MISP),
        "c.csv": "kind,value,from,until\nip,203.0.113.7,2014-11-20,2014-12-20\ndomain,bad.example\nAS64500\n",
    }
    found = {}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        marks, left = read_indicators(tmp_path / name)
        found[name] = [(m.kind, m.value, m.from_s) for m in marks], len(left)
        ports = {m.value: m.far_port for m in marks if m.far_port}
        assert ports == ({"203.0.113.7/32": 8443} if name == "m.json" else {})
    start = at("2014-11-20")
    assert found["s.json"] == (
        [("prefix", "203.0.113.7/32", start), ("domain", "bad.example", start), ("prefix", "2001:db8::7/128", 0)], 1,
    )
    assert found["m.json"] == (
        [("prefix", "203.0.113.7/32", 0), ("domain", "bad.example", start)], 1,
    )
    assert found["c.csv"] == (
        [("prefix", "203.0.113.7/32", start), ("domain", "bad.example", 0), ("as", "64500", 0)], 0,
    )


@pytest.mark.parametrize(
    "text", ["", '{"type": "bundle"', "{}", '{"Event": {"Attribute": 3}}', "[" * 100_000, "a b c\n"]
)
def test_files_without_indicators_say_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(InputError, match="x"):
        read_indicators(tmp_path / "x")


def test_an_address_counts_only_while_the_name_pointed_to_it(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    site = make_site()
    names = dns_log(tmp_path / "dns.log", [
        (at("2014-11-20T00:00Z"), "db.studio.example", "203.0.113.7", 300),
        (at("2014-11-22T00:00Z"), "db.studio.example", "203.0.113.9", 300),
        (at("2014-11-22T00:00Z"), "other.example", "203.0.113.50", 300),
    ])
    rows = []
    for day in range(19, 25):
        for host in ("203.0.113.7", "203.0.113.9", "203.0.113.50"):
            when = f"2014-11-{day}T12:00:00Z"
            rows.append(f"{when},{when},192.0.2.5,{host},4000,443,6,9,1000,27")
    flows = tmp_path / "flows.csv"
    flows.write_text(HEADER + "\n".join(rows) + "\n")
    Ingest(site).run([str(names), str(flows)])
    lake = Lake(site.data)
    mark = Indicator.of("domain", "studio.example")
    intervals = pointed(lake, [mark], at("2014-11-01"), at("2014-12-01"))[mark]
    found = {(format_address(a), s, e) for a, s, e in intervals}
    assert found == {
        ("203.0.113.7", at("2014-11-20"), at("2014-11-22")), ("203.0.113.9", at("2014-11-22"), at("2014-11-23")),
    }
    run("watch", "add", "studio", "--domain", "studio.example", site=site)
    series = run("series", "--watch", "studio", "--direction", "out", "--width", "1d", site=site)
    assert [v for v in series["value"] if v] == [1000, 1000, 1000]
    answer = run("ask", "--watch", "studio", "--direction", "out", "--since", "2014-11-23", site=site)
    assert answer["question"]["selection"] == "watch studio"


def test_a_domain_that_was_never_seen_says_so(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    watch = Watches(Store.of(site)).add("x", [Indicator.of("domain", "nowhere.example")])
    selection = watched(watch, Lake(site.data), 0, 10)
    assert (selection.terms, selection.sql) == ((), "(direction IN ('in', 'out') AND (false))")
    assert "No name that was seen" in next(unmatched(selection, site.home, 0, 10))


def test_what_was_taken_from_an_asset_and_sent_elsewhere_is_matched(
    tmp_path: Path, make_site: Callable[..., Site]
) -> None:
    site = make_site()
    rows = []
    for day in range(1, 21):
        for hour in range(8, 18):
            when = f"2014-11-{day:02d}T{hour:02d}:00:00Z"
            rows.append(f"{when},{when},192.0.2.5,198.51.100.{hour},4000,443,6,90,20000,27")
            rows.append(f"{when},{when},198.51.100.{hour},192.0.2.5,443,4000,6,90,400000,27")
    for part in range(10):
        when = f"2014-11-18T02:{part:02d}:00Z"
        rows.append(f"{when},{when},203.0.113.7,192.0.2.5,1433,5000,6,9000,50000000,27")
        later = f"2014-11-18T05:{part:02d}:00Z"
        rows.append(f"{later},{later},192.0.2.5,100.20.30.40,5001,443,6,9000,20000000,27")
    flows = tmp_path / "flows.csv"
    flows.write_text(HEADER + "\n".join(rows) + "\n")
    Ingest(site).run([str(flows)])
    Watches(Store.of(site)).add("studio", [Indicator.of("prefix", "203.0.113.0/24")])
    found = hunt(site, ("egress",), since_s=at("2014-11-15"), until_s=at("2014-11-21"), watch="studio")
    linked = next(f for f in found.findings if f.evidence.get("watch") == "studio")
    assert linked.subject == "192.0.2.5"
    assert linked.peers == ("studio", "100.20.30.40")
    assert (linked.evidence["bytes_in"], linked.evidence["matched_bytes"]) == (500_000_000, 200_000_000)
    assert any("no data from or to it in the history" in reason for reason in linked.reasons)
