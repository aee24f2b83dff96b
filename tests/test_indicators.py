"""Indicators as STIX and MISP write them in the field: what is taken, with which port and time, and what is left out.

The forms are those of STIX 2.1 (section 9), of misp-stix's documentation of its mapping and of MISP's templates.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.make import run_json
from tidegauge.cli import program
from tidegauge.ingest import Ingest
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import InputError
from tidegauge.site import Site
from tidegauge.store import Store
from tidegauge.watch import Indicator, Watch, Watches, read_indicators, watched
from tidegauge.watch.rows import WIDER

HEADER = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes,tcp_flags\n"
A, B, V6 = "203.0.113.7", "198.51.100.9", "2001:db8::7"


def marks_of(tmp_path: Path, document: Any, **more: Any) -> tuple[list[str], dict[str, int]]:
    """The indicators of a JSON document as text, and what was left out by reason."""
    path = tmp_path / "indicators.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    try:
        found, left = read_indicators(path, **more)
    except InputError as error:
        return [], {str(error): 1}
    return [mark.text for mark in found], {f"{what}: {why}": count for what, why, count in left}


def bundle(*patterns: str, **more: Any) -> dict[str, Any]:
    return {"type": "bundle", "objects": [{"type": "indicator", "pattern": p, **more} for p in patterns]}


PATTERNS = {
    f"[ipv4-addr:value = '{A}']": [f"prefix {A}/32"],
    f"[ipv6-addr:value = '{V6}']": [f"prefix {V6}/128"],
    "[ipv4-addr:value = '203.0.113.0/24']": ["prefix 203.0.113.0/24"],
    "[ipv4-addr:value ISSUBSET '203.0.113.0/24']": ["prefix 203.0.113.0/24"],
    f"[ipv4-addr:value IN ('{A}', '{B}')]": [f"prefix {A}/32", f"prefix {B}/32"],
    f"[ipv4-addr:value = '{A}' OR ipv4-addr:value = '{B}']": [f"prefix {A}/32", f"prefix {B}/32"],
    f"[ipv4-addr:value = '{A}'] AND [ipv4-addr:value = '{B}']": [f"prefix {A}/32", f"prefix {B}/32"],
    f"[ipv4-addr:value = '{A}'] FOLLOWEDBY [domain-name:value = 'bad.example'] WITHIN 60 SECONDS":
        [f"prefix {A}/32", "domain bad.example"],
    "[domain-name:value = 'bad.example']": ["domain bad.example"],
    "[domain-name:value LIKE '%.bad.example']": ["domain *.bad.example"],
    "[domain-name:value IN ('a.example', 'b.example')]": ["domain a.example", "domain b.example"],
    f"[domain-name:value = 'bad.example' AND domain-name:resolves_to_refs[*].value = '{A}']":
        ["domain bad.example", f"prefix {A}/32"],
    "[url:value = 'http://bad.example/gate.php?id=1']": ["domain bad.example"],
    f"[url:value = 'http://{A}:8080/x']": [f"prefix {A}/32 port 8080"],
    "[autonomous-system:number = 64500]": ["as 64500"],
    "[ipv4-addr:belongs_to_refs[*].number = 64500]": ["as 64500"],
    f"[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '{A}']": [f"prefix {A}/32"],
    f"[network-traffic:src_ref.type = 'ipv4-addr' AND network-traffic:src_ref.value = '{A}']": [f"prefix {A}/32"],
    f"[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '{A}'"
    " AND network-traffic:dst_port = '443']": [f"prefix {A}/32 port 443"],
    f"[network-traffic:src_ref.value = '{A}' AND network-traffic:src_port = 4444]": [f"prefix {A}/32 port 4444"],
    f"[network-traffic:src_ref.value = '{A}' AND network-traffic:dst_port = 22]": [f"prefix {A}/32 home_port 22"],
    f"[network-traffic:dst_ref.value = '{A}' AND network-traffic:src_port = 22]": [f"prefix {A}/32 home_port 22"],
    f"[ipv4-addr:value = '{A}' AND network-traffic:dst_port IN (80, 443)]":
        [f"prefix {A}/32 port 80", f"prefix {A}/32 port 443"],
    f"[(ipv4-addr:value = '{A}' OR ipv4-addr:value = '{B}') AND network-traffic:dst_port = 80]":
        [f"prefix {A}/32 port 80", f"prefix {B}/32 port 80"],
    "[domain-name:value = 'bad.example' AND network-traffic:dst_port = '8080']": ["domain bad.example port 8080"],
    "[network-traffic:extensions.'http-request-ext'.request_header.Host = 'bad.example']": ["domain bad.example"],
    f"[network-traffic:dst_ref.value = '{A}' AND network-traffic:protocols[0] = 'tcp']": [f"prefix {A}/32"],
    f"[file:hashes.MD5 = 'aa' AND ipv4-addr:value = '{A}']": [f"prefix {A}/32"],
    f"[process:opened_connection_refs[*].dst_ref.value = '{A}']": [f"prefix {A}/32"],
    "[hostname:value = 'bad.example']": ["domain bad.example"],
    f"[ipv4-addr:value = '{A}'] START '2014-05-01T00:00:00Z' STOP '2014-06-01T00:00:00Z'": [f"prefix {A}/32"],
    "[ipv4-addr:value = '203.0.113.7/24']": ["prefix 203.0.113.0/24"],
    f"[ipv4-addr:value = '{A}:8080']": [f"prefix {A}/32 port 8080"],
    "[domain-name:value = 'straße.example']": ["domain xn--strae-oqa.example"],
}


@pytest.mark.parametrize(("pattern", "expected"), PATTERNS.items(), ids=list(PATTERNS))
def test_patterns_are_taken(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    assert marks_of(tmp_path, bundle(pattern))[0] == expected


LEFT_OUT = {
    f"[ipv4-addr:value != '{B}']": "negated",
    f"[ipv4-addr:value NOT = '{B}']": "negated",
    f"[ipv4-addr:value NOT IN ('{B}')]": "negated",
    "[domain-name:value MATCHES '^bad[0-9]+']": "compared by MATCHES",
    "[domain-name:value LIKE 'bad%example']": "compared by LIKE",
    f"[ipv4-addr:value ISSUPERSET '{B}']": "compared by ISSUPERSET",
    "[file:hashes.'SHA-256' = 'aa']": "flows do not show it",
    "[email-message:sender_ref.value = 'a@bad.example']": "flows do not show it",
    "[network-traffic:dst_port = 4444]": "a port without an address",
    "[ipv4-addr:value = ]": "malformed",
    "[" + "(" * 5000 + "ipv4-addr:value = '1.1.1.1'" + ")" * 5000 + "]": "malformed",
    "[ipv4-addr:value = 'no address']": "not a domain",
    "[ipv4-addr:value = '198.51.100.20-198.51.100.1']": "not a domain",
    "[ipv4-addr:value = '300.1.1.1']": "not a domain",
    "[ipv4-addr:value IN (" + ", ".join(f"'10.0.{i // 250}.{i % 250}'" for i in range(2000)) + ")"
    " AND network-traffic:dst_port IN (1, 2, 3, 4, 5, 6)]": "more than 10,000 ways",
}


@pytest.mark.parametrize(("pattern", "why"), LEFT_OUT.items(), ids=list(LEFT_OUT.values()))
def test_what_cannot_be_watched_is_named_and_counted(tmp_path: Path, pattern: str, why: str) -> None:
    found, left = marks_of(tmp_path, bundle(f"[ipv4-addr:value = '{A}']", pattern, pattern))
    assert found == [f"prefix {A}/32"]
    assert [count for reason, count in left.items() if why in reason] == [2]


WIDENED = {
    f"[domain-name:value = 'a.example' AND domain-name:resolves_to_refs[*].value = '{A}']": "have to belong together",
    f"[network-traffic:dst_ref.value = '{A}' AND network-traffic:protocols[0] = 'udp']": "traffic of every protocol",
    f"[network-traffic:dst_ref.value = '{A}' AND network-traffic:src_ref.value = '{B}']": "ends of one connection",
    f"[ipv4-addr:value = '{A}'] FOLLOWEDBY [ipv4-addr:value = '{B}']": "together with something else",
    f"[ipv4-addr:value = '{A}'] AND [ipv4-addr:value = '{B}']": "together with something else",
    f"[ipv4-addr:value = '{A}'] REPEATS 5 TIMES WITHIN 60 SECONDS": "together with something else",
}


@pytest.mark.parametrize(("pattern", "why"), WIDENED.items(), ids=list(WIDENED))
def test_a_watch_that_is_wider_than_its_pattern_says_so(tmp_path: Path, pattern: str, why: str) -> None:
    found, left = marks_of(tmp_path, bundle(pattern))
    assert f"prefix {A}/32" in found
    assert [(why in reason, count) for reason, count in left.items() if reason.endswith(WIDER)] == [(True, 1)]


def test_what_was_taken_back_is_no_indicator(tmp_path: Path) -> None:
    good = {"type": "indicator", "pattern": f"[ipv4-addr:value = '{A}']"}
    bad = {"type": "indicator", "pattern": f"[ipv4-addr:value = '{B}']"}
    for more, why in (
        ({"revoked": True}, "revoked"),
        ({"revoked": "true"}, "revoked"),
        ({"labels": ["Benign"]}, "benign"),
        ({"indicator_types": ["benign"]}, "benign"),
        ({"pattern_type": "snort"}, "not a STIX pattern"),
        ({"valid_until": "2014-01-01T00:00:00Z"}, "expired"),
    ):
        found, left = marks_of(tmp_path, {"type": "bundle", "objects": [good, {**bad, **more}]}, now_s=1_400_000_000)
        assert found == [f"prefix {A}/32"]
        assert [count for reason, count in left.items() if why in reason] == [1]


def test_lists_of_objects_are_read_with_or_without_a_bundle(tmp_path: Path) -> None:
    one = {"type": "indicator", "id": "indicator--1", "pattern": f"[ipv4-addr:value = '{A}']"}
    two = {"type": "ipv4-addr", "id": "ipv4-addr--2", "value": B}
    forms: list[Any] = [
        [one, two], {"objects": [one, two]}, [{"type": "bundle", "objects": [one]}, two],
        "\n".join(json.dumps(o) for o in (one, two)),
        {"type": "bundle", "objects": [
            one,
            {"type": "observed-data", "id": "observed-data--1", "objects": {"0": {"type": "ipv4-addr", "value": B}}},
        ]},
    ]
    for form in forms:
        assert marks_of(tmp_path, form)[0] == [f"prefix {A}/32", f"prefix {B}/32"]


def test_an_observed_connection_names_its_destination_at_its_port(tmp_path: Path) -> None:
    objects = [
        {"type": "ipv4-addr", "id": "ipv4-addr--1", "value": A},
        {"type": "ipv4-addr", "id": "ipv4-addr--2", "value": B},
        {"type": "network-traffic", "id": "network-traffic--3", "src_ref": "ipv4-addr--1", "dst_ref": "ipv4-addr--2",
         "src_port": 50123, "dst_port": 443, "protocols": ["tcp"]},
    ]
    assert marks_of(tmp_path, objects)[0] == [f"prefix {B}/32 port 443", f"prefix {A}/32"]


def test_of_several_versions_the_last_one_counts(tmp_path: Path) -> None:
    def version(day: int, **more: Any) -> dict[str, Any]:
        return {"type": "indicator", "id": "indicator--1", "modified": f"2024-05-0{day}T00:00:00Z",
                "pattern": f"[ipv4-addr:value = '{A if day == 1 else B}']", **more}

    assert marks_of(tmp_path, [version(1), version(2)])[0] == [f"prefix {B}/32"]
    assert marks_of(tmp_path, [version(2, revoked=True), version(1)])[0] == []


def test_hundreds_of_addresses_in_one_pattern_are_taken(tmp_path: Path) -> None:
    addresses = [f"10.1.{i // 200}.{i % 200}" for i in range(500)]
    for pattern in (
        " OR ".join(f"[ipv4-addr:value = '{a}']" for a in addresses),
        "[" + " OR ".join(f"ipv4-addr:value = '{a}'" for a in addresses) + "]",
    ):
        assert len(marks_of(tmp_path, bundle(pattern))[0]) == 500


def test_one_bad_entry_does_not_lose_the_others(tmp_path: Path) -> None:
    good = {"type": "indicator", "pattern": f"[ipv4-addr:value = '{A}']"}
    for document in (
        {"type": "bundle", "objects": [good, {**good, "labels": 5, "pattern": 7}, 3]},
        json.dumps(good) + "\n{broken\n" + json.dumps(good), json.dumps([good]) + "\x00\x00",
    ):
        assert marks_of(tmp_path, document)[0] == [f"prefix {A}/32"]
    (tmp_path / "c.csv").write_text(f"ip,{A}\nip,{'9' * 200_000}\nip,-3d\nip,{B},-3d\n")
    found, left = read_indicators(tmp_path / "c.csv")
    assert [mark.text for mark in found] == [f"prefix {A}/32"]
    assert sum(count for _, _, count in left) == 3


def event(*attributes: dict[str, Any], objects: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"Event": {"info": "x", "Attribute": list(attributes), "Object": list(objects)}}


def attribute(kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "value": value, **more}


def described(name: str, *attributes: tuple[str, str, str]) -> dict[str, Any]:
    return {"name": name, "Attribute": [
        {"object_relation": relation, "type": kind, "value": value} for relation, kind, value in attributes
    ]}


MISP = [
    (event(attribute("ip-dst", A)), [f"prefix {A}/32"]),
    (event(attribute("ip-src", "203.0.113.0/24")), ["prefix 203.0.113.0/24"]),
    (event(attribute("ip-dst|port", f"{A}|4444")), [f"prefix {A}/32 port 4444"]),
    (event(attribute("ip-src|port", f"{A}:4444")), [f"prefix {A}/32 port 4444"]),
    (event(attribute("ip-dst|port", f"{V6}|4444")), [f"prefix {V6}/128 port 4444"]),
    (event(attribute("hostname|port", "bad.example|8080")), ["domain bad.example port 8080"]),
    (event(attribute("domain|ip", f"bad.example|{A}")), ["domain bad.example", f"prefix {A}/32"]),
    (event(attribute("url", "hxxps://bad[.]example/x")), ["domain bad.example"]),
    (event(attribute("url", f"http://{A}/x")), [f"prefix {A}/32"]),
    (event(attribute("AS", "AS64500")), ["as 64500"]),
    (event(attribute("ip-dst", A, to_ids=False), attribute("ip-dst", B, to_ids=True)), [f"prefix {B}/32"]),
    (event(attribute("ip-dst", A, deleted=True), attribute("ip-dst", B)), [f"prefix {B}/32"]),
    (event(attribute("ip-dst", B), objects=({**described("ip-port", ("ip", "ip-dst", A)), "deleted": True},)),
     [f"prefix {B}/32"]),
    (event(objects=(described("ip-port", ("ip", "ip-dst", A), ("dst-port", "port", "443")),)),
     [f"prefix {A}/32 port 443"]),
    (event(objects=(described("ip-port", ("ip-src", "ip-src", A), ("src-port", "port", "4444")),)),
     [f"prefix {A}/32 port 4444"]),
    (event(objects=(described("ip-port", ("ip-dst", "ip-dst", A), ("src-port", "port", "4444")),)),
     [f"prefix {A}/32"]),
    (event(objects=(described("network-connection", ("ip-src", "ip-src", B), ("src-port", "port", "50000"),
                              ("ip-dst", "ip-dst", A), ("dst-port", "port", "443")),)),
     [f"prefix {B}/32", f"prefix {A}/32 port 443"]),
    (event(objects=(described("url", ("url", "url", "http://bad.example/x"), ("domain", "domain", "bad.example")),)),
     ["domain bad.example"]),
    ({"response": [event(attribute("ip-dst", A)), event(attribute("ip-dst", B))]},
     [f"prefix {A}/32", f"prefix {B}/32"]),
    ({"response": {"Attribute": [attribute("ip-dst", A)]}}, [f"prefix {A}/32"]),
    ([attribute("ip-dst", A)], [f"prefix {A}/32"]),
    (event(attribute("AS", 64500)), ["as 64500"]),  # type: ignore[arg-type]
    (event(attribute("ip-dst|port", A)), [f"prefix {A}/32"]),
    (event(attribute("ip-dst|port", f"{A}|1000-2000")), [f"prefix {A}/32"]),
    (event(attribute("domain", "198.51.100.9")), [f"prefix {B}/32"]),
    (event(attribute("ip-dst", A, first_seen="2024-05-01T00:00:00Z", last_seen="2024-05-01T00:00:00Z")),
     [f"prefix {A}/32"]),
]


@pytest.mark.parametrize(("document", "expected"), MISP)
def test_misp_events_are_taken(tmp_path: Path, document: Any, expected: list[str]) -> None:
    assert marks_of(tmp_path, document)[0] == expected


def test_a_port_alone_is_left_out_of_files_and_said(tmp_path: Path) -> None:
    found, left = marks_of(tmp_path, event(attribute("ip-dst", A), attribute("port", "443")))
    assert found == [f"prefix {A}/32"]
    assert list(left) == ["MISP port: a port without an address would match every host: --port takes it all the same"]


@pytest.mark.parametrize("text", [
    "{}", '{"Event": 3}', '{"objects": 3}', '[{"type": "indicator", "pattern": 3}]',
    '{"Event": {"Attribute": [{"type": 1, "value": 2}], "Object": [1, {"Attribute": 2}]}}',
    '[{"type": "observed-data", "objects": {"0": 1}}]',
])
def test_hostile_files_are_refused_in_one_line(tmp_path: Path, text: str) -> None:
    found, (reason,) = marks_of(tmp_path, text)
    assert not found
    assert "no indicators in it that can be watched" in reason


# What a watch sees.


@pytest.fixture
def traffic(make_site: Callable[..., Site], tmp_path: Path) -> Site:
    """Flows with three far ends at a few ports of either end, and names that lead to one of them."""
    site = make_site()
    rows, octets = [], 1
    for far in (A, B, V6):
        ours = "2001:db8:1::5" if ":" in far else "192.0.2.5"
        for far_port in (443, 4444, 50000):
            for home_port in (22, 50000):
                when = "2014-11-22T12:00:00Z,2014-11-22T12:00:00Z"
                rows += [f"{when},{far},{ours},{far_port},{home_port},6,1,{octets},0",
                         f"{when},{ours},{far},{home_port},{far_port},6,1,{octets},0"]
                octets *= 3
    (tmp_path / "flows.csv").write_text(HEADER + "\n".join(rows) + "\n")
    Ingest(site).run([str(tmp_path / "flows.csv")])
    return site


def seen(site: Site, *marks: Indicator) -> int:
    lake = Lake(site.data)
    sql = watched(Watch("w", indicators=marks), lake, 0, 1 << 31).sql
    return int(lake.scalar("sum(bytes)", FlowFilter(conditions=(sql,))) or 0)


MARKS = st.builds(
    lambda value, far, home, span: Indicator.of(
        "port" if value.isdigit() else "as" if value.startswith("AS") else "prefix", value, *span,
        far_port=0 if value.isdigit() else far, home_port=0 if value.isdigit() else home,
    ),
    st.sampled_from([A, B, V6, "203.0.113.0/24", "0.0.0.0/0", "AS64500", "443", "22", "4444"]),
    st.sampled_from([0, 0, 443, 4444, 1]), st.sampled_from([0, 0, 22, 50000]),
    st.sampled_from([(0, 1 << 33), (1416657600, 1416744000), (0, 1)]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MARKS, min_size=1, max_size=6), MARKS)
def test_adding_an_indicator_never_makes_a_watch_see_less(
    traffic: Site, marks: list[Indicator], more: Indicator
) -> None:
    before, after = seen(traffic, *marks), seen(traffic, *marks, more)
    assert after >= before
    assert after >= seen(traffic, more)


def test_several_files_are_read_and_options_that_do_not_hold_for_them_are_refused(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site()
    for name, address in (("a.csv", A), ("b.csv", B)):
        (tmp_path / name).write_text(f"prefix,{address}\n")
    files = ("--from-file", str(tmp_path / "a.csv"), "--from-file", str(tmp_path / "b.csv"))
    (made,) = run_json("watch", "add", "both", *files, site=site)
    assert sorted(mark["value"] for mark in made["indicators"]) == sorted([f"{A}/32", f"{B}/32"])
    for words in (("--valid", "2014-11-01/"), ("--port", "443")):
        result = CliRunner().invoke(program, ["watch", "add", "w", *files, *words, "--site", str(site.folder)])
        assert "is for what the command itself names" in str(result.exception)


def test_malformed_patterns_are_counted_together_with_the_first_of_them(tmp_path: Path) -> None:
    patterns = ["[ipv4-addr:value = oops]", "[ipv4-addr:value oops]", f"[ipv4-addr:value = '{A}']"]
    objects = [{"type": "indicator", "id": f"indicator--{i}", "pattern": p} for i, p in enumerate(patterns)]
    _, left = marks_of(tmp_path, objects)
    assert left == {f"STIX pattern: malformed, such as {patterns[0]}": 2}


def test_a_port_belongs_to_its_own_address_alone(traffic: Site) -> None:
    alone = seen(traffic, Indicator.of("prefix", A))
    both = seen(traffic, Indicator.of("prefix", A), Indicator.of("prefix", B, far_port=4444))
    assert both == alone + seen(traffic, Indicator.of("prefix", B, far_port=4444))
    assert seen(traffic, Indicator.of("prefix", A, far_port=443, home_port=22)) == 2
    assert seen(traffic, Indicator.of("prefix", A, home_port=22)) == 2 * (1 + 9 + 81)


def test_ports_of_a_command_belong_to_what_it_names(traffic: Site) -> None:
    run_json("watch", "add", "w", "--prefix", A, site=traffic)
    (made,) = run_json("watch", "add", "w", "--prefix", B, "--port", "443", "--port", "4444", site=traffic)
    assert [(i["value"], i["port"]) for i in made["indicators"]] == [
        (f"{A}/32", None), (f"{B}/32", 443), (f"{B}/32", 4444),
    ]
    (alone,) = run_json("watch", "add", "p", "--port", "4444", site=traffic)
    assert [(i["kind"], i["value"]) for i in alone["indicators"]] == [("port", "4444")]


def test_watches_of_older_versions_keep_what_their_ports_meant(make_site: Callable[..., Site]) -> None:
    site = make_site()
    Watches(Store.of(site)).add("new", [Indicator.of("prefix", A)])
    database = Store.of(site).path
    assert database is not None
    with sqlite3.connect(database) as old:
        old.executescript(
            "DROP TABLE indicators; CREATE TABLE indicators (id INTEGER PRIMARY KEY, watch VARCHAR(64) NOT NULL,"
            " kind VARCHAR(16) NOT NULL, value TEXT NOT NULL, from_s BIGINT NOT NULL, until_s BIGINT NOT NULL,"
            " source TEXT NOT NULL, UNIQUE (watch, kind, value, from_s, until_s));"
            "UPDATE alembic_version SET version_num = 'cases';"
            "DELETE FROM watches;"
            "INSERT INTO watches (name, note, sizes) VALUES ('hand', '', '[]'), ('file', '', '[]'), ('port', '', '[]');"
            f"INSERT INTO indicators (watch, kind, value, from_s, until_s, source) VALUES"
            f" ('hand', 'prefix', '{A}/32', 0, 8589934592, ''), ('hand', 'port', '443', 0, 8589934592, ''),"
            f" ('file', 'prefix', '{A}/32', 0, 8589934592, 'm.json'), ('file', 'port', '443', 0, 8589934592, 'm.json'),"
            f" ('port', 'port', '443', 0, 8589934592, '')"
        )
    # As a program that starts anew: the database is brought up when it is first opened.
    from tidegauge.store import writing as module

    module._engine.cache_clear()
    found = {w.name: [mark.text for mark in w.indicators] for w in Watches(Store.of(site)).all()}
    assert found == {"hand": [f"prefix {A}/32 port 443"], "file": [f"prefix {A}/32"], "port": ["port 443"]}


@pytest.mark.parametrize(
    ("text", "expected", "left_out"),
    [
        ("indicator,type\n203.0.113.7,ip-dst\nevil.example,domain\n",
         ["prefix 203.0.113.7/32", "domain evil.example"], 0),
        ("203.0.113.7,ip\nevil.example,hostname\n", ["prefix 203.0.113.7/32", "domain evil.example"], 0),
        ("value,type\n203.0.113.7|4444,ip-dst|port\n", ["prefix 203.0.113.7/32 port 4444"], 0),
        ('# list of a day\n# "first_seen_utc","ioc_value","ioc_type"\n"2014-11-20","203.0.113.7:8080","ip:port"\n',
         ["prefix 203.0.113.7/32 port 8080"], 0),
        ("first_seen_utc,dst_ip,dst_port,c2_status\n2014-11-20 10:00:00,203.0.113.7,447,online\n",
         ["prefix 203.0.113.7/32 port 447"], 0),
        ('uuid,category,type,value,comment,to_ids\n1,"Network activity",ip-dst,"203.0.113.7","a, b",1\n'
         "2,x,md5,0123,,1\n3,x,ip-dst,203.0.113.8,,0\n", ["prefix 203.0.113.7/32"], 2),
        ("Indicator type,Indicator,Description\nIPv4,203.0.113.7,x\nFileHash-MD5,00,\n", ["prefix 203.0.113.7/32"], 1),
        ("as,AS64500\nip,203.0.113.7\n", ["as 64500", "prefix 203.0.113.7/32"], 0),
        ("# ip, domain list of ours\n203.0.113.7\nevil.example\n", ["prefix 203.0.113.7/32", "domain evil.example"], 0),
        ("203.0.113.7,443\nevil.example,malware\n", ["prefix 203.0.113.7/32", "domain evil.example"], 1),
        ("# IPsum: IP and number of (black)lists\n#\n203.0.113.7\t10\n203.0.113.8\t9\n",
         ["prefix 203.0.113.7/32", "prefix 203.0.113.8/32"], 2),
        ("ip\n203.0.113.7,203.0.113.8\n", ["prefix 203.0.113.7/32", "prefix 203.0.113.8/32"], 0),
        ("ip,ip\n203.0.113.7,203.0.113.8\n", ["prefix 203.0.113.7/32", "prefix 203.0.113.8/32"], 0),
        ("ioc,link\n203.0.113.7,https://list.example/why\n", ["prefix 203.0.113.7/32"], 0),
        ("indicator,type,ip\nevil.example,domain,203.0.113.7\n", ["domain evil.example", "prefix 203.0.113.7/32"], 0),
        ("203.0.113.7,198.51.100.9\nevil.example,203.0.113.8,2001:db8::1\n",
         ["prefix 203.0.113.7/32", "prefix 198.51.100.9/32", "domain evil.example", "prefix 203.0.113.8/32",
          "prefix 2001:db8::1/128"], 0),
        ("0.0.0.0\tevil.example\n127.0.0.1 bad.example worse.example\n::1 localhost\n203.0.113.7\n",
         ["domain evil.example", "domain bad.example", "domain worse.example", "prefix 203.0.113.7/32"], 3),
        ("# Firstseen,DstIP,DstPort\n2026-11-20 10:00:00,203.0.113.7,447\n", ["prefix 203.0.113.7/32 port 447"], 0),
        ("ip,asn,country\n203.0.113.7,AS64500,KP\n", ["prefix 203.0.113.7/32"], 1),
        ("2026-11-20,203.0.113.7,https://list.example/why\n", ["prefix 203.0.113.7/32"], 0),
        ("type,value\nIPv4 Address,203.0.113.7\nDomain Name,evil.example\nC2,203.0.113.8\n",
         ["prefix 203.0.113.7/32", "domain evil.example", "prefix 203.0.113.8/32"], 0),
        ("value,type,revoked\n203.0.113.7,ip,true\n203.0.113.8,ip,false\n", ["prefix 203.0.113.8/32"], 1),
        ('value,type,comment,to_ids\n203.0.113.7,ip-dst,"two\nlines",1\n203.0.113.8,ip-dst,"more, and\nmore",0\n',
         ["prefix 203.0.113.7/32"], 1),
        ("type,value\ndomain|ip,evil.example|203.0.113.7\n", ["domain evil.example", "prefix 203.0.113.7/32"], 0),
        ("src_ip,src_port,dst_ip,dst_port\n203.0.113.7,50123,198.51.100.9,22\n",
         ["prefix 203.0.113.7/32", "prefix 198.51.100.9/32 port 22"], 0),
        ("ip;port;note\n203.0.113.7;447;x\n203.0.113.8;any;y\n",
         ["prefix 203.0.113.7/32 port 447", "prefix 203.0.113.8/32"], 0),
        ("ip\tport\n203.0.113.7\t443-445\n", ["prefix 203.0.113.7/32"], 1),
        ("203.0.113.0/24 ; SBL1\n198.51.100.0/24 ; SBL2\n", ["prefix 203.0.113.0/24", "prefix 198.51.100.0/24"], 0),
        ("; DROP list 2026/11/30\n; https://list.example\n203.0.113.0/24 ; SBL1\n", ["prefix 203.0.113.0/24"], 0),
        ("203.0.113.7 # c2\n", ["prefix 203.0.113.7/32"], 0),
        ("type,value\nip-dst|port,203.0.113.7|" + "9" * 5000 + "\nip-dst,203.0.113.8\n", ["prefix 203.0.113.8/32"], 1),
        ("ip\n0.0.0.0/0\n::/0\n203.0.113.7\n", ["prefix 203.0.113.7/32"], 2),
        ("url\nhxxp://evil[.]example:8080/a\n", ["domain evil.example port 8080"], 0),
        ("ip\n203.0.113.6-203.0.113.7\n203.0.113.8 - 203.0.113.9\n",
         ["prefix 203.0.113.6/31", "prefix 203.0.113.8/31"], 0),
        ("src_ip,dst_port\n203.0.113.7,22\n", ["prefix 203.0.113.7/32"], 1),
        ("# a block list\n#\nStart\tEnd\tNetmask\tAttacks\tName\n203.0.113.0\t203.0.113.255\t24\t3\tX\n",
         ["prefix 203.0.113.0/24"], 0),
        ("203.0.113.0\t203.0.113.255\t24\t3\tX\n", ["prefix 203.0.113.0/24"], 0),
        ("start_ip,end_ip,port\n203.0.113.8,203.0.113.9,447\n", ["prefix 203.0.113.8/31 port 447"], 0),
        ("ip_range_start,ip_range_end\n203.0.113.0,203.0.113.255\n", ["prefix 203.0.113.0/24"], 0),
        ("ip,start,end\n203.0.113.7,2026-11-20,2026-11-21\n", ["prefix 203.0.113.7/32"], 0),
        ("network,netmask\n203.0.113.0,255.255.255.0\n", ["prefix 203.0.113.0/24"], 0),
        ("ip,mask\n203.0.113.0,24\n", ["prefix 203.0.113.0/24"], 0),
        ("ip,netblock\n203.0.113.7,203.0.113.0 - 203.0.113.255\n", ["prefix 203.0.113.7/32"], 1),
        ("netblock\n203.0.113.0 - 203.0.113.255\n", ["prefix 203.0.113.0/24"], 0),
        ("ip\n203.0.113.6-7\n", ["prefix 203.0.113.6/31"], 0),
        ('ip\n"203.0.113.7, 203.0.113.8"\n', ["prefix 203.0.113.7/32", "prefix 203.0.113.8/32"], 0),
        ("ip\n<203.0.113.7>\n[203.0.113.8]\n203.0.113.9/\n",
         ["prefix 203.0.113.7/32", "prefix 203.0.113.8/32", "prefix 203.0.113.9/32"], 0),
        ("C2 server\n203.0.113.7\n", ["prefix 203.0.113.7/32"], 1),
        ("ip,domain,comment\n203.0.113.7,evil.example,both\n", ["prefix 203.0.113.7/32", "domain evil.example"], 0),
    ],
)
def test_csv_is_read_by_its_line_of_names(tmp_path: Path, text: str, expected: list[str], left_out: int) -> None:
    (tmp_path / "list.csv").write_text(text)
    found, left = read_indicators(tmp_path / "list.csv")
    assert [mark.text for mark in found] == expected
    assert sum(count for _, _, count in left) == left_out


@pytest.mark.parametrize(
    ("text", "expected", "left_out"),
    [
        (f'{{"Event": {{"Attribute": [{{"type": "ip-dst", "value": "{A}"}}]}}}}\n{{"ip": "{B}"}}\n{{"type": "ip-d',
         {f"prefix {A}/32", f"prefix {B}/32"}, 1),
        (f'["{A}", {{"ip": "{B}", "port": 447}}, 7]', {f"prefix {A}/32", f"prefix {B}/32 port 447"}, 1),
        (json.dumps({"response": [event(attribute("ip-dst", A)), {"type": "bundle", "id": "bundle--1", "objects": [
            {"type": "ipv4-addr", "id": "ipv4-addr--1", "value": B}]}]}), {f"prefix {A}/32", f"prefix {B}/32"}, 0),
        (json.dumps([{"type": "ipv4-addr", "id": "ipv4-addr--1", "value": B}, event(attribute("ip-dst", A))]),
         {f"prefix {A}/32", f"prefix {B}/32"}, 0),
        (json.dumps({"Event": {"Attribute": [attribute("ip-dst", A), "x"], "ShadowAttribute": [attribute("ip-dst", B)],
                               "Object": [{"name": "a", "Object": [described("b", ("ip", "ip-dst", B))]}]}}),
         {f"prefix {A}/32", f"prefix {B}/32"}, 2),
        (json.dumps({"17": [{"ioc_value": f"{A}:447", "ioc_type": "ip:port"}], "18": [{"what": "no"}]}),
         {f"prefix {A}/32 port 447"}, 1),
    ],
)
def test_every_entry_of_json_is_taken_or_named(tmp_path: Path, text: str, expected: set[str], left_out: int) -> None:
    (tmp_path / "list.json").write_text(text)
    found, left = read_indicators(tmp_path / "list.json")
    assert {mark.text for mark in found} == expected
    assert sum(count for _, _, count in left) == left_out


@pytest.mark.parametrize("value", [f"{A}|99999", f"{A}|", f"{A}|x"])
def test_a_port_of_misp_that_is_none_is_said(tmp_path: Path, value: str) -> None:
    document = {"Event": {"Attribute": [{"type": "ip-dst|port", "value": value}]}}
    marks, left = marks_of(tmp_path, document)
    assert marks == [f"prefix {A}/32"]
    assert list(left.values()) == [1]
    assert "every port" in next(iter(left))
