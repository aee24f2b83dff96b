"""Hunts find what was planted and what is known of real captures, say why, and keep what people closed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies as st

from benchmarks.hunting.sites import store
from tests.make import dns_log, run_json
from tidegauge.cli import program
from tidegauge.detect.beacons import clock_of, quick_look, regularity, rita_score
from tidegauge.detect.relays import binned, followed
from tidegauge.hunt import KINDS, Hunted, HuntLedger, hunt, load_expected
from tidegauge.ingest import Ingest
from tidegauge.model import SiteError, parse_address
from tidegauge.model.domains import split_name
from tidegauge.model.generated import looks_generated
from tidegauge.simulate.office import office
from tidegauge.site import Site, load_site
from tidegauge.store import Store

HEADER = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes,tcp_flags\n"


def hunted(site: Site, *paths: Path, kinds: tuple[str, ...] = tuple(KINDS)) -> Hunted:
    Ingest(site).run([str(p) for p in paths])
    return hunt(site, kinds, since_s=None, until_s=None)


def run(*arguments: str, site: Site) -> dict[str, Any]:
    (found,) = run_json(*arguments, site=site)
    return found


# How regular


@pytest.mark.parametrize(("jitter", "least"), [(0.0, 0.99), (0.1, 0.9), (0.3, 0.8), (0.5, 0.6)])
def test_jittered_calls_are_regular_and_random_ones_are_not(jitter: float, least: float) -> None:
    random = np.random.default_rng(1)
    sizes = np.full(400, 500.0)
    times = np.cumsum(300 * (1 + random.uniform(-jitter, jitter, 400)))
    assert regularity(times, sizes).score >= least
    chance = np.cumsum(random.exponential(300, 400))
    assert regularity(chance, sizes).score < 0.3


@pytest.mark.parametrize("clock_s", [1.0, 60.0])
@pytest.mark.parametrize("mean_s", [3.0, 12.0, 60.0, 240.0])
def test_calls_at_random_do_not_keep_the_beat_of_a_coarse_clock(clock_s: float, mean_s: float) -> None:
    random = np.random.default_rng(int(mean_s))
    times = np.cumsum(random.exponential(mean_s, 1500)) // clock_s * clock_s
    assert clock_of(times) == clock_s
    found = regularity(times, np.full(1500, 100.0), clock_s=clock_s)
    assert found.score < 0.35 or found.p_value > 0.01


def test_a_period_is_found_by_a_coarse_clock() -> None:
    times = np.floor(np.cumsum(np.random.default_rng(1).uniform(28, 32, 300)))
    found = regularity(times, np.full(300, 100.0), clock_s=clock_of(times))
    assert found.score > 0.9
    assert found.period_s == pytest.approx(30, abs=1)


def test_lost_calls_leave_multiples_of_the_period() -> None:
    random = np.random.default_rng(2)
    times = 600.0 * np.arange(1000) + random.uniform(-20, 20, 1000)
    seen = times[random.random(1000) < 0.15]
    found = regularity(seen, np.full(len(seen), 100.0))
    assert found.score > 0.8
    assert abs(found.period_s - 600) < 3


def test_a_beacon_that_sleeps_by_night_is_regular() -> None:
    times = np.concatenate([day * 86400 + 28800 + 240.0 * np.arange(120) for day in range(7)])
    assert regularity(times, np.full(len(times), 100.0)).score > 0.95


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(5, 60), st.floats(0.5, 1e6))
def test_scores_stay_within_their_bounds_for_any_calls(seed: int, count: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    times = np.cumsum(random.exponential(scale, count) * random.integers(0, 2, count))
    found = regularity(times, random.exponential(100, count))
    for value in (found.score, found.even, found.comb, found.spectral, found.size_score, found.presence):
        assert 0 <= value <= 1
    assert 0 <= found.p_value <= 1
    assert 0 <= rita_score(times, random.exponential(100, count)) <= 1


def test_a_quick_look_ranks_pairs_as_a_close_one_does() -> None:
    random = np.random.default_rng(3)
    even, chance = 100.0 * np.arange(50), np.cumsum(random.exponential(100, 50))
    groups = np.repeat([0, 1], 50).astype(np.int64)
    found, spread, calls = quick_look(groups, np.r_[even, chance])
    assert found.tolist() == [0, 1]
    assert spread[0] < 0.01 < 0.4 < spread[1]
    assert calls[0] == 50
    assert calls[1] > 30


# Passing on


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 90), st.floats(0, 20), st.floats(0, 1e9)), min_size=1, max_size=20))
def test_spreading_over_bins_keeps_the_sum(flows: list[tuple[float, float, float]]) -> None:
    starts, lasted, amounts = (np.array(c) for c in zip(*flows, strict=True))
    sums = binned(starts, starts + lasted, amounts, 120)
    assert np.isclose(sums.sum(), amounts.sum())


def test_what_goes_out_after_what_came_in_is_told_from_chance() -> None:
    random = np.random.default_rng(4)
    starts = np.sort(random.random(200)) * 10_000
    amounts = random.lognormal(12, 0.7, 200)
    on = followed(starts, starts + 1, amounts, starts + 17, starts + 18, amounts * 0.9)
    assert on is not None
    assert (on.rank, on.z > 8, 10 <= on.lag_s <= 20) == (0, True, True)
    other = np.sort(random.random(200)) * 10_000
    off = followed(starts, starts + 1, amounts, other, other + 1, amounts)
    assert off is None or off.z < 6


# Simulated networks


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Hunted, list[Any]]:
    made = office(
        np.random.default_rng(77), hosts=40, days=7, history_days=7, plants=["beacon", "relay", "proxy", "egress"],
        jitter=0.2, volume=5e9,
    )
    site = store(made, tmp_path_factory.mktemp("office") / "site")
    return site, hunt(site, tuple(KINDS), since_s=made.since_s, until_s=made.until_s), made.planted


def test_planted_hosts_are_found_and_ordinary_ones_are_not_serious(planted: tuple[Site, Hunted, list[Any]]) -> None:
    _, found, truth = planted
    kinds = {"beacon": "beacon", "relay": "passthrough", "proxy": "passthrough", "egress": "egress"}
    for plant in truth:
        hits = [f for f in found.findings if f.subject == plant.host and f.kind == kinds[plant.kind]]
        assert hits, plant
        assert hits[0].severity in ("high", "medium"), plant
    serious = {f.subject for f in found.findings if f.severity in ("high", "critical")}
    assert serious <= {p.host for p in truth}


@pytest.mark.parametrize("sampling", [1, 20])
def test_calls_that_come_in_many_parts_are_judged_as_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampling: int
) -> None:
    made = office(
        np.random.default_rng(78), hosts=12, days=3, history_days=3, plants=["beacon"], jitter=0.1, sampling=sampling
    )
    site = store(made, tmp_path / "site")
    whole = hunt(site, ("beacons",), since_s=made.since_s, until_s=made.until_s)
    monkeypatch.setattr("tidegauge.lake.pairs.PART_ROWS", 500)
    monkeypatch.setattr("tidegauge.lake.pairs.BATCH_ROWS", 100)
    parts = hunt(site, ("beacons",), since_s=made.since_s, until_s=made.until_s)
    assert [f.title for f in parts.findings] == [f.title for f in whole.findings]


def test_the_demonstrations_hosts_are_found_and_nothing_else_is_serious(demo: Path) -> None:
    found = HuntLedger(Store(load_site(demo).data)).kept()
    truth = json.loads((demo / "truth.json").read_text())
    high = {(f["kind"], f["subject"]): f for f in found if f["severity"] in ("high", "critical")}
    assert {subject for _, subject in high} == {truth["beacon"]["host"], truth["pass_through"]["host"]}
    beacon = high["beacon", truth["beacon"]["host"]]
    assert beacon["peers"] == [truth["beacon"]["far_end"]]
    assert abs(beacon["evidence"]["period_s"] - truth["beacon"]["interval_s"]) < 3
    relay = high["passthrough", truth["pass_through"]["host"]]
    assert relay["peers"] == [truth["pass_through"]["from"], truth["pass_through"]["to"]]
    assert (relay["evidence"]["bytes_in"], relay["evidence"]["bytes_out"]) == (
        truth["pass_through"]["bytes_in"], truth["pass_through"]["bytes_out"],
    )


def test_findings_keep_their_contract(planted: tuple[Site, Hunted, list[Any]]) -> None:
    _, found, _ = planted
    answer = found.to_json()
    assert {"findings", "examined", "skipped"} <= answer.keys()
    for finding in answer["findings"]:
        assert {"kind", "title", "start", "end", "subject", "peers", "score", "severity", "evidence", "reasons",
                "query"} <= finding.keys()
        assert 0 <= finding["score"] <= 1
        assert finding["severity"] in ("info", "low", "medium", "high", "critical")
        assert finding["reasons"]
        assert finding["query"].startswith("tidegauge flows ")
    assert len({f["id"] for f in answer["findings"]}) == len(answer["findings"])


def test_the_query_of_a_finding_shows_its_flows(planted: tuple[Site, Hunted, list[Any]]) -> None:
    import shlex

    site, found, _ = planted
    for kind in ("beacon", "passthrough", "egress"):
        query = next(f.query for f in found.findings if f.kind == kind)
        words = shlex.split(query)[1:]
        result = CliRunner().invoke(program, [*words, "--site", str(site.folder), "--limit", "5", "--json"])
        assert result.exit_code == 0, result.output
        assert len(result.stdout.splitlines()) >= 1


def test_a_finding_that_was_closed_stays_out_until_its_end(planted: tuple[Site, Hunted, list[Any]]) -> None:
    site, found, _ = planted
    since = found.to_json()["since"]
    name = next(f["id"] for f in found.to_json()["findings"] if f["kind"] == "beacon")
    run("hunt", "close", name, "--reason", "the backup of the library", "--until", "2100-01-01", site=site)
    again = run("hunt", "beacons", "--since", since, site=site)
    assert name not in [f["id"] for f in again["findings"]]
    assert [(c["id"], c["reason"]) for c in again["closed"]] == [(name, "the backup of the library")]
    assert run("hunt", "closed", site=site)["closed"][0]["id"] == name
    run("hunt", "reopen", name, site=site)
    assert name in [f["id"] for f in run("hunt", "beacons", "--since", since, site=site)["findings"]]
    run("hunt", "close", name, "--reason", "over", "--until", "2000-01-01", site=site)
    assert name in [f["id"] for f in run("hunt", "beacons", "--since", since, site=site)["findings"]]


def test_our_own_findings_lower_the_trust_in_an_address(planted: tuple[Site, Hunted, list[Any]]) -> None:
    site, found, truth = planted
    relay = next(p for p in truth if p.kind == "relay")
    when = next(f for f in found.findings if f.subject == relay.host and f.kind == "passthrough")
    at = str(int(when.start_s))
    from tidegauge.model import format_time

    origin = run("origin", relay.host, "--at", format_time(int(at)), site=site)
    assert any("our own findings" in reason for reason in origin["reasons"])


def test_a_site_adds_to_what_is_expected(tmp_path: Path) -> None:
    far = parse_address("192.0.2.1")
    given = {"proto": 6, "port": 8443, "far": far, "asn": 0, "name": "", "way": "out"}
    assert load_expected(tmp_path).reason(**given) is None  # type: ignore[arg-type]
    (tmp_path / "expected.toml").write_text('[meters]\nprefixes = ["192.0.2.0/24"]\nreason = "our meters report"\n')
    assert load_expected(tmp_path).reason(**given) == "our meters report"  # type: ignore[arg-type]
    (tmp_path / "expected.toml").write_text('[meters]\nprefixes = ["192.0.2.0/24"]\n')
    with pytest.raises(SiteError, match=r"expected.toml: `meters.reason`"):
        load_expected(tmp_path)


def synthetic(path: Path, rows: list[str]) -> Path:
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return path


def test_answers_to_forged_calls_are_no_scan_of_ours(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    rows = []
    for i in range(40):
        when = f"2026-01-01T00:{i:02d}:00Z"
        rows.append(f"{when},{when},203.0.113.{i + 1},192.0.2.5,443,{20000 + i},6,1,60,18")
        rows.append(f"{when},{when},192.0.2.5,203.0.113.{i + 1},{20000 + i},443,6,1,40,4")
    found = hunted(make_site(), synthetic(tmp_path / "f.csv", rows))
    assert [f.kind for f in found.findings] == ["backscatter"]


def test_a_scan_of_ours_is_serious_and_a_browser_is_not(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    rows = []
    for i in range(120):
        when = f"2026-01-01T00:{i // 60:02d}:{i % 60:02d}Z"
        rows.append(f"{when},{when},192.0.2.5,203.0.113.{i + 1},{20000 + i},445,6,1,60,2")
        rows.append(f"{when},{when},192.0.2.6,198.51.100.{i + 1},{20000 + i},443,6,9,900,27")
        rows.append(f"{when},{when},198.51.100.{i + 1},192.0.2.6,443,{20000 + i},6,9,9000,27")
    found = hunted(make_site(), synthetic(tmp_path / "f.csv", rows), kinds=("scans",))
    assert [(f.kind, f.subject, f.severity) for f in found.findings] == [("scan", "192.0.2.5", "high")]


def test_a_flood_is_serious_and_an_upload_is_none(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    rows = []
    for i in range(5):
        when, end = f"2026-01-01T00:0{i}:00Z", f"2026-01-01T00:0{i}:59Z"
        rows.append(f"{when},{end},192.0.2.5,203.0.113.9,5000,80,17,600000,36000000,0")
        rows.append(f"{when},{end},192.0.2.6,203.0.113.8,{5000 + i},443,6,600000,900000000,27")
        rows.append(f"{when},{end},203.0.113.8,192.0.2.6,443,{5000 + i},6,9000,400000,27")
    found = hunted(make_site(), synthetic(tmp_path / "f.csv", rows), kinds=("scans",))
    assert [(f.kind, f.subject, f.severity) for f in found.findings] == [("flood", "192.0.2.5", "high")]


def test_a_connection_that_an_exporter_cut_is_one_long_one(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    rows = []
    for i in range(10):
        begin, end = np.datetime64("2026-01-01T00:00:00") + 1800 * np.array([i, i + 1]).astype("timedelta64[s]")
        for src, dst, ports in (("192.0.2.5", "203.0.113.9", "5000,22"), ("203.0.113.9", "192.0.2.5", "22,5000")):
            rows.append(f"{begin}Z,{end}Z,{src},{dst},{ports},6,900,60000,{27 if i == 0 else 24}")
    found = hunted(make_site(), synthetic(tmp_path / "f.csv", rows), kinds=("beacons",))
    assert [(f.kind, f.peers, f.evidence["duration_s"]) for f in found.findings] == [
        ("long-connection", ("203.0.113.9",), 18_000),
    ]


def test_hosts_that_begin_together_are_one_group(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    rows = []
    for i in range(200):  # ordinary calls before and after
        when = f"2026-01-0{1 + i // 50}T{i % 24:02d}:00:00Z"
        rows.append(f"{when},{when},192.0.2.{10 + i % 40},198.51.100.{i + 1},{20000 + i},443,6,9,900,27")
        rows.append(f"{when},{when},198.51.100.{i + 1},192.0.2.{10 + i % 40},443,{20000 + i},6,9,900,27")
    for host in range(8):
        for again in range(3):
            when = f"2026-01-03T12:0{host}:{again:02d}Z"
            rows.append(f"{when},{when},192.0.2.{50 + host},203.0.113.7,{30000 + host * 10 + again},6667,6,9,900,27")
    found = hunted(make_site(), synthetic(tmp_path / "f.csv", rows), kinds=("scans",))
    together = [f for f in found.findings if f.kind == "together"]
    assert [(f.subject, len(f.peers)) for f in together] == [("203.0.113.7", 8)]


# Names


def test_registered_domains() -> None:
    assert split_name("www.example.co.uk") == ("example.co.uk", "www")
    assert split_name("a.b.example.com") == ("example.com", "a.b")
    assert split_name("a.b.city.kawasaki.jp") == ("city.kawasaki.jp", "a.b")  # an exception of the list
    assert split_name("data.someone.duckdns.org") == ("someone.duckdns.org", "data")
    assert split_name("host.gov.bd") == ("host.gov.bd", "")


def test_generated_names_are_told_from_others(shared: Path) -> None:
    def share(path: Path) -> float:
        names = [line.split(",")[-1].strip().strip('"') for line in path.read_text().splitlines() if "." in line]
        return sum(looks_generated(split_name(n)[0]) > 0.6 for n in names) / len(names)

    made, real = share(shared / "names" / "dga.csv"), share(shared / "names" / "benign.csv")
    assert real < 0.05
    assert made > 5 * real


def test_names_that_carry_data_or_were_made_up_are_found(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    random = np.random.default_rng(9)

    def letters(count: int) -> str:
        return "".join(random.choice(list("abcdefghijklmnopqrstuvwxyz234567"), count))

    tunnel = [(f"{letters(50)}.t.example.com", "192.0.2.99") for _ in range(400)]
    made = [(f"{''.join(random.choice(list('bcdfghjklmnpqrstvwxz'), 14))}.info", "-") for _ in range(120)]
    usual = [(f"www{i}.library{i}.org", "192.0.2.99") for i in range(60)]
    site = make_site()
    row = "2023-11-14T22:13:20Z,2023-11-14T23:13:20Z,192.0.2.5,9.9.9.9,5000,53,17,1,80,0"
    asked = [(1_700_000_000 + i, name, answers, 60) for i, (name, answers) in enumerate([*tunnel, *made, *usual])]
    flows, names = synthetic(tmp_path / "f.csv", [row]), dns_log(tmp_path / "dns.log", asked)
    found = hunted(site, flows, names, kinds=("beacons",))
    kinds = {f.kind: f for f in found.findings}
    assert (kinds["dns-tunnel"].subject, kinds["dns-tunnel"].peers) == ("192.0.2.5", ("example.com",))
    assert kinds["dns-tunnel"].evidence["names"] == 400
    assert kinds["generated-names"].evidence["generated"] > 60
    assert kinds["generated-names"].severity in ("medium", "high")


def test_a_name_that_moves_among_addresses_is_one_service(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    rows, asked = [], []
    for i in range(60):
        when = 1_700_000_000 + 600 * i
        far = f"203.0.113.{10 + i % 5}"
        asked.append((when - 1, "master.example", far, 60))
        stamp = np.datetime64(when, "s").astype(str) + "Z"
        rows.append(f"{stamp},{stamp},192.0.2.5,{far},{20000 + i},8443,6,9,900,27")
        rows.append(f"{stamp},{stamp},{far},192.0.2.5,8443,{20000 + i},6,9,900,27")
    flows, names = synthetic(tmp_path / "f.csv", rows), dns_log(tmp_path / "dns.log", asked)
    (found,) = hunted(make_site(), flows, names, kinds=("beacons",)).findings
    assert (found.kind, found.evidence["calls"], found.evidence["name"]) == ("beacon", 60, "master.example")
    assert len(found.evidence["addresses"]) == 5
    assert "203.0.113.14" in found.query


# Real captures


def test_the_droplets_beacon_is_first_and_its_scanners_are_named(shared: Path, make_site: Callable[..., Site]) -> None:
    found = hunted(make_site("64.225.56.201/32"), shared / "zeek" / "droplet")
    beacons = [f for f in found.findings if f.kind == "beacon"]
    assert beacons[0].peers == ("73.54.23.243",)
    assert 200 <= beacons[0].evidence["period_s"] <= 350
    scanners = {(f.subject, f.evidence.get("port")) for f in found.findings if f.kind == "scan"}
    assert {("120.245.134.197", 30003), ("94.232.45.152", 3306)} <= scanners
    resolvers = [f for f in beacons if set(f.peers) & {"67.207.67.2", "67.207.67.3"}]
    assert resolvers
    assert all(f.severity == "info" and f.evidence["expected"] for f in resolvers)


def test_known_hosts_of_captures_are_found(shared: Path, tmp_path: Path, make_site: Callable[..., Site]) -> None:
    scan = hunted(make_site("10.0.0.0/8", name="a"), shared / "zeek" / "scan-horizontal")
    assert scan.findings[0].subject == "10.0.2.112"
    eve = hunted(make_site("192.168.0.0/16", name="b"), shared / "eve")
    assert "193.46.255.92" in {f.subject for f in eve.findings if f.kind == "scan"}
    control = hunted(make_site("147.32.80.0/24", name="c"), shared / "pcap" / "test-cc-capture-1.pcap")
    assert (control.findings[0].kind, control.findings[0].peers) == ("beacon", ("141.193.213.21",))
    phone = hunted(make_site("10.8.0.0/16", name="d"), shared / "argus" / "test2-malicious.binetflow")
    assert {f.subject for f in phone.findings if f.severity != "info"} == {"10.8.0.69"}
