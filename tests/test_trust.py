"""How far an origin can be believed, by which prefixes a country can show itself, and labels made anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.make import consensus, delegated, run_json
from tests.test_sources import HOUR, at, rib
from tidegauge.atlas import Atlas, Catalogue, Wanted, Witnesses, import_file, judge
from tidegauge.atlas.trust import LEVELS, RULES, TEXTS
from tidegauge.lake import FlowFilter, Lake, relabel
from tidegauge.model import parse_address
from tidegauge.site import Site

DOCS = Path(__file__).parent.parent / "docs"


def take(site: Site, tmp_path: Path, name: str, content: bytes, **wanted: Any) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    import_file(Catalogue(site.data / "atlas"), str(path), Wanted(**wanted))


@pytest.mark.parametrize(
    ("address", "when", "country", "displayed", "trust", "said"),
    [
        ("175.45.176.1", "2014-11-24", "KP", "KP", "high", "AS4837 of CN"),
        ("175.45.176.1", "2026-11-24", "KP", "KP", "high", "agree on KP"),
        ("210.52.109.9", "2014-11-24", "KP", "CN", "low", "leased to and used from KP"),
        ("210.52.109.9", "2026-11-24", "CN", "CN", "medium", "only one source"),
        ("77.94.35.9", "2014-11-24", "KP", "RU", "low", "leased to and used from KP"),
        ("77.94.35.9", "2026-11-24", "RU", "RU", "medium", "only one source"),
        ("10.0.0.1", "2014-11-24", "ZZ", "ZZ", "none", "no public address"),
    ],
)
def test_documented_prefixes_then_and_now(
    address: str, when: str, country: str, displayed: str, trust: str, said: str
) -> None:
    (found,) = run_json("origin", address, "--at", when)
    assert (found["country"], found["displayed"], found["trust"]) == (country, displayed, trust)
    assert any(said in reason for reason in found["reasons"])
    assert found.keys() == {
        "address", "at", "country", "as", "as_name", "prefix", "classes", "displayed", "trust", "reasons", "sources",
        "disagreements",
    }


def test_addresses_are_read_from_standard_input() -> None:
    found = run_json("origin", "-", "--at", "2014-11-24", stdin="175.45.176.1\nnonsense\n2001:200::1\n", code=1)
    assert [f.get("displayed") for f in found] == ["KP", None, "JP"]


def test_a_tor_exit_is_believed_for_no_country(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    site = make_site()
    take(site, tmp_path, "c", consensus(HOUR, [("gamma", "175.45.176.7", "Exit Running")]))
    (before,) = run_json("origin", "175.45.176.7", "--at", "2014-11-24T10:59Z", site=site)
    (after,) = run_json("origin", "175.45.176.7", "--at", "2014-11-24T11:01Z", site=site)
    assert (before["classes"], before["trust"]) == ([], "high")
    assert (after["classes"], after["trust"]) == (["tor-exit", "tor-relay"], "none")
    assert any("a Tor exit from 2014-11-24T11:00:00Z" in reason for reason in after["reasons"])


def test_lists_routes_and_registries_lower_trust_each_with_a_sentence(
    tmp_path: Path, make_site: Callable[..., Site]
) -> None:
    site = make_site()
    rows = [
        "apnic|KP|ipv4|192.1.0.0|65536|20091221|allocated", "apnic|KP|asn|131279|1|20091221|allocated",
        "apnic|CN|asn|4837|1|20091221|allocated",
    ]
    take(site, tmp_path, "delegated-apnic-20141120", delegated(rows, day="20141120"))
    routes = [
        ("192.1.0.0", 24, [[1, 4837], [2, 4837], []]),
        ("192.1.1.0", 24, [[1, 4837, 131279], [2, 4837, 131279], [3, 4837]]),
        ("192.1.2.0", 24, [[1, 4837, 131279], [2, 4837, 131279], []]),
    ]
    take(site, tmp_path, "rib.20141124.1100", rib(routes), source="routeviews")
    take(site, tmp_path, "vpn-20141120.txt", b"192.1.2.128/25\n", classes=("vpn",))
    take(site, tmp_path, "hosting-20141120.txt", b"AS4837\n", classes=("hosting",))
    witnesses = Witnesses(Atlas.of(site), at("2014-11-24T12:00Z"))

    def found(address: str) -> tuple[str, str]:
        origin = judge(witnesses.about(parse_address(address)))
        return origin.trust, " ".join(origin.reasons)

    trust, why = found("192.1.0.9")
    assert trust == "low"
    assert "registered in KP" in why
    assert "announced by AS4837" in why
    assert "rented servers" in why
    trust, why = found("192.1.1.9")
    assert trust == "low"
    assert "announced by AS131279 and by AS4837 at once" in why
    trust, why = found("192.1.2.9")
    assert "all routes of AS131279 went over AS4837 of CN" in why
    assert "its route has stood unchanged only since 2014-11-23" in why
    assert trust == "medium"
    trust, why = found("192.1.2.200")
    assert (trust, "VPN service" in why) == ("none", True)


def test_sources_that_disagree_are_named(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    site = make_site()
    take(site, tmp_path, "a-20141120.csv", b"8.8.8.0,8.8.8.255,KP\n")
    take(site, tmp_path, "b-20141121.csv", b"8.8.8.0,8.8.8.255,CN\n")
    (found,) = run_json("origin", "8.8.8.8", "--at", "2014-11-24", site=site)
    assert found["trust"] == "low"
    assert any("disagree on the country" in reason for reason in found["reasons"])
    assert found["disagreements"][0].startswith("country: ")
    assert [s["says"]["country"] for s in found["sources"]] == ["CN", "KP", "US"]


def test_all_prefixes_by_which_a_country_can_show_itself(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    (found,) = run_json("origin", "--of", "KP", "--at", "2014-11-24")
    assert [(p["prefix"], p["displayed"], p["trust"]) for p in found["prefixes"]] == [
        ("175.45.176.0/22", "KP", "high"), ("210.52.109.0/24", "CN", "low"), ("77.94.35.0/24", "RU", "low"),
    ]
    assert (found["further"][0]["as"], found["further"][0]["country"]) == (4837, "CN")
    (now,) = run_json("origin", "--of", "KP", "--at", "2026-01-01")
    assert [p["prefix"] for p in now["prefixes"]] == ["175.45.176.0/22"]
    site = make_site()
    take(site, tmp_path, "delegated-apnic-20141120",
         delegated(["apnic|KP|ipv4|192.1.0.0|768|20091221|allocated"], day="20141120"))
    take(site, tmp_path, "loc-20141120.csv", b"192.1.0.0,192.1.2.255,CN\n")
    (registered,) = run_json("origin", "--of", "KP", "--at", "2014-11-24", site=site)
    assert [(p["prefix"], p["displayed"]) for p in registered["prefixes"][-2:]] == [
        ("192.1.0.0/23", "CN"), ("192.1.2.0/24", "CN"),
    ]


def test_upstreams_over_time() -> None:
    def upstreams(when: str) -> dict[int, bool]:
        (found,) = run_json("atlas", "reach", "KP", "--at", when)
        return {u["as"]: u["at_that_time"] for a in found["ases"] if a["as"] == 131279 for u in a["upstreams"]}

    assert upstreams("2014-11-24") == {4837: True, 20485: False}
    assert upstreams("2018-01-01") == {4837: True, 20485: True}


def test_every_rule_is_in_the_documentation() -> None:
    text = (DOCS / "reference" / "trust.md").read_text(encoding="utf-8")
    names = [r.name for r in RULES if r.name != "class"] + list(TEXTS)
    assert [name for name in names if f"`{name}`" not in text] == []
    assert all(level in text for level in LEVELS)


HEADER = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes\n"


def flows_file(tmp_path: Path) -> Path:
    path = tmp_path / "flows.csv"
    rows = [
        f"2014-11-24T{minute}:00Z,2014-11-24T{minute}:01Z,203.0.113.{i % 9},192.0.2.1,1000,443,6,3,{300 + i}"
        for minute in ("10:59", "11:01")
        for i in range(20)
    ]
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return path


def test_relabelling_after_a_late_edition_and_twice(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    site = make_site("192.0.2.0/24")
    run_json("ingest", str(flows_file(tmp_path)), site=site)
    lake = Lake(site.data)

    def labels() -> list[tuple[str, int, int]]:
        rows = [row for batch in lake.flows(FlowFilter()) for row in batch.to_pylist()]
        return sorted({(f"{r['time_start']:%H:%M}", r["src_country"], r["src_as"], r["src_class"]) for r in rows})

    assert labels() == [("10:59", "ZZ", 0, 0), ("11:01", "ZZ", 0, 0)]
    take(site, tmp_path, "c", consensus(HOUR, [("g", f"203.0.113.{i}", "Exit") for i in range(9)]))
    take(site, tmp_path, "loc-20141120.csv", b"203.0.113.0,203.0.113.255,KP\n")
    (answer,) = run_json("ask", "--from", "KP", "--since", "2014-11-24T11:00Z", site=site)
    assert any("tidegauge lake relabel" in c for c in answer["caveats"])
    before = {s.path for s in lake.manifest.segments("flows")}
    (first,) = run_json("lake", "relabel", "--since", "2014-11-01", site=site)
    assert (first["flows"], first["changed"]) == (40, 40)
    assert labels() == [("10:59", "KP", 0, 0), ("11:01", "KP", 0, 3)]
    after = {s.path for s in lake.manifest.segments("flows")}
    assert not before & after
    assert all((site.data / path).exists() for path in before)  # kept for readers that have them open
    for _ in range(2):
        (again,) = run_json("lake", "relabel", "--since", "2014-11-01", site=site)
        assert (again["changed"], again["rewritten"]) == (0, 0)
        assert {s.path for s in lake.manifest.segments("flows")} == after
    (answer,) = run_json("ask", "--from", "KP", "--since", "2014-11-24T11:00Z", site=site)
    assert {"source": "tor-consensus", "edition": "2014-11-24T11:00:00Z"} in answer["trust"]["editions"]
    assert {"source": "loc", "edition": "2014-11-20"} in answer["trust"]["editions"]
    assert not any("relabel" in c for c in answer["caveats"])


def test_an_edition_that_changes_nothing_leaves_the_segments(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    site = make_site("192.0.2.0/24")
    run_json("ingest", str(flows_file(tmp_path)), site=site)
    take(site, tmp_path, "vpn-20141120.txt", b"198.51.100.0/24\n", classes=("vpn",))
    before = Lake(site.data).manifest.segments("flows")
    done = relabel(site.data, Atlas.of(site), since_us=None, until_us=None)
    assert (done.segments, done.current, done.changed) == (len(before), len(before), 0)
    assert {s.path for s in Lake(site.data).manifest.segments("flows")} == {s.path for s in before}


def test_a_wide_question_takes_in_what_displays_another_country(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    site = make_site("192.0.2.0/24")
    path = tmp_path / "flows.csv"
    rows = [
        f"2014-11-{day:02d}T0{hour}:00:00Z,2014-11-{day:02d}T0{hour}:00:01Z,{src},192.0.2.1,1000,443,6,3,1000"
        for day in range(1, 25) for hour in range(10) for src in ("175.45.176.9", "210.52.109.9")
    ]
    path.write_text(HEADER + "\n".join(rows) + "\n")
    run_json("ingest", str(path), site=site)
    (narrow,) = run_json("ask", "--from", "KP", "--since", "2014-11-20", site=site)
    (wide,) = run_json("ask", "--from", "KP", "--since", "2014-11-20", "--wide", site=site)
    assert narrow["question"]["selection"] == "KP"
    assert any("210.52.109.0/24" in c and "--wide" in c for c in narrow["caveats"])
    assert wide["question"]["selection"] == "KP,210.52.109.0/24,77.94.35.0/24"
    assert any("asked widely" in c for c in wide["caveats"])
    assert wide["largest"]["observed"] == 2 * narrow["largest"]["observed"]
