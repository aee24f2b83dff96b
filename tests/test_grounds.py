"""Ways to a false "no": a selection that could match nothing, home prefixes that do not fit, limits without content.

Each is put at the command line and over the API, with the exit status.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, strategies as st

from tests.make import dns_log, run_json
from tests.service.app import Running, roles_of
from tidegauge.cli import program
from tidegauge.ingest import Ingest
from tidegauge.lake import Lake, Surroundings, possible
from tidegauge.model import LakeError, UsageError, parse_time
from tidegauge.site import Site, init_site, load_site
from tidegauge.store import Store
from tidegauge.watch import Watches, watched

FIRST = parse_time("2014-11-01", now_s=0)
SINCE = ("--since", "2014-11-18", "--until", "2014-11-20")
HEAD = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes\n"
CHINA, KOREA, OURS = "1.2.4.8", "175.45.176.9", "192.0.2.1"


def traffic(path: Path, *more: str, ours: str = OURS, days: int = 20, step_s: int = 300) -> Path:
    """Flows both ways, every few minutes, with China; and more."""
    rows = []
    for at in range(FIRST, FIRST + days * 86400, step_s):
        octets = 4000 + at * 7919 % 977
        rows.append(f"{at},{at + 5},{CHINA},{ours},443,50000,6,9,{octets}")
        rows.append(f"{at},{at + 5},{ours},{CHINA},50000,443,6,9,900")
    path.write_text(HEAD + "\n".join([*rows, *more]) + "\n")
    return path


def flood(day: str, source: str, target: str, octets: int = 480_000_000) -> str:
    at = parse_time(day, now_s=0)
    return f"{at},{at + 250},{source},{target},443,50000,6,400000,{octets}"


def asked(site: Site, *words: str, **over_api: Any) -> tuple[int, dict[str, Any]]:
    """Exit status and answer of a question; the API must say the same."""
    arguments = ["ask", "--site", str(site.folder), *words, *SINCE, "--exit-code", "--json"]
    result = CliRunner().invoke(program, arguments)
    told = json.loads(result.stdout)
    with ExitStack() as stack:
        running = SERVED.get(site.folder) or stack.enter_context(roles_of(site.folder))
        client = stack.enter_context(running.client("analyst"))
        reply = client.get("/api/v1/ask", params={**over_api, "since": SINCE[1], "until": SINCE[3]})
        assert reply.status_code == 200, reply.text
        assert reply.json() == told
    return result.exit_code, told


SERVED: dict[Path, Running] = {}
"""Services that stay for more than one question, by the folder of their site."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that is served: tests add watches of names of their own to it, and no flows."""
    folder = tmp_path_factory.mktemp("grounds") / "site"
    init_site(folder, home=["192.0.2.0/24"])
    made = load_site(folder)
    Ingest(made).run([str(traffic(folder.parent / "flows.csv"))])
    with roles_of(folder) as SERVED[folder]:
        yield made
    del SERVED[folder]


def test_a_class_without_a_list_cannot_be_answered(site: Site) -> None:
    status, told = asked(site, "--from", "class:tor-exit", **{"from": "class:tor-exit"})
    assert (status, told["verdict"], told["detection_limit"]) == (11, "cannot_say", [])
    assert told["caveats"][0].startswith("No list of tor-exit addresses is loaded for this time")
    for words, query in (
        (("--from", "CN,class:vpn"), {"from": "CN,class:vpn"}),
        (("--where", "is_class(far_class, 'proxy')"), {"where": "is_class(far_class, 'proxy')"}),
    ):
        assert asked(site, *words, **query)[0] == 11
    assert asked(site, "--from", "CN", **{"from": "CN"})[0] == 0


def test_every_verb_says_that_no_list_is_loaded(site: Site) -> None:
    where = ("--where", "is_class(far_class, 'tor-exit')")
    for words in (("top", "src", *where), ("series", *where), ("series", "--from", "class:tor-exit")):
        (told,) = run_json(*words, *SINCE, site=site)
        assert "No list of tor-exit" in told["caveats"][0]
    shown = CliRunner().invoke(program, ["flows", *where, *SINCE, "--site", str(site.folder)])
    assert "No list of tor-exit" in shown.stderr
    with roles_of(site.folder) as running, running.client("analyst") as client:
        reply = client.get("/api/v1/flows", params={"where": where[1]}).json()
        assert "No list of tor-exit" in reply["caveats"][0]
    (hunted,) = run_json("hunt", site=site)
    left_out = {row["what"] for row in hunted["skipped"]}
    assert left_out >= {f"far ends that are {name}" for name in ("tor-exit", "vpn", "botnet-c2")}
    (origin,) = run_json("origin", CHINA, "--at", "2014-11-19", site=site)
    assert any("no list of tor-exit, vpn, proxy, hosting addresses" in reason for reason in origin["reasons"])


def with_settings(site: Site, text: str) -> Site:
    path = site.folder / "tidegauge.toml"
    path.write_text(path.read_text().replace("[site]\n", f"[site]\n{text}\n"))
    return load_site(site.folder)


def test_wrong_home_prefixes_are_no_ground_for_a_no(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site("203.0.113.0/24")
    ours = "198.51.100.7"
    one = f"{FIRST},{FIRST},{CHINA},203.0.113.9,1,2,6,1,99"
    path = traffic(tmp_path / "f.csv", flood("2014-11-19", KOREA, ours), one, ours=ours)
    (report,) = run_json("ingest", str(path), site=site)
    assert report["direction"]["in"] == 99
    assert report["direction"]["transit"] > 480_000_000
    assert "198.51.0.0/16" in report["warnings"][0]
    status, told = asked(site, "--from", "KP", **{"from": "KP"})
    assert (status, told["verdict"]) == (11, "cannot_say")
    assert "198.51.0.0/16" in told["caveats"][0]
    doctor = CliRunner().invoke(program, ["doctor", "--site", str(site.folder)])
    assert "neither end in a home prefix" in doctor.stdout.splitlines()[0]
    # With transit that is expected the question can be asked; every country at once has the same ground.
    assert asked(site, "--from", "all", **{"from": "all"})[1]["verdict"] == "cannot_say"
    allowed = with_settings(site, "transit = true")
    assert "neither end" not in json.dumps(asked(allowed, "--from", "KP", **{"from": "KP"})[1])


def test_a_home_that_holds_everybody_is_no_ground_either(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site("0.0.0.0/1")
    ours = "100.128.0.1"
    Ingest(site).run([str(traffic(tmp_path / "f.csv", flood("2014-11-19", "57.1.2.3", ours), ours=ours))])
    assert asked(site, "--from", "FR", **{"from": "FR"})[0] == 11


def test_a_direction_that_was_never_seen_is_no_ground(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    rows = [f"{FIRST + i * 600},{FIRST + i * 600},{OURS},{CHINA},1,443,6,1,500" for i in range(2500)]
    (tmp_path / "out.csv").write_text(HEAD + "\n".join(rows) + "\n")
    Ingest(site).run([str(tmp_path / "out.csv")])
    status, told = asked(site, "--from", "CN", **{"from": "CN"})
    assert status == 11
    assert "No flow of direction 'in' was seen" in told["caveats"][0]


def test_home_prefixes_that_no_flow_shows_are_named(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site("192.0.2.0/24", "203.0.113.0/24")
    Ingest(site).run([str(traffic(tmp_path / "f.csv"))])
    told = asked(site, "--from", "CN", **{"from": "CN"})[1]
    assert told["verdict"] == "no_surge"
    assert told["caveats"][0].startswith("No flow has an address of the home prefix 203.0.113.0/24")


def test_private_traffic_of_a_local_network_does_not_silence_it(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site("10.0.0.0/8")
    rows = [f"{FIRST + i * 600},{FIRST + i * 600},10.0.0.1,10.0.0.2,1,445,6,1,900000" for i in range(2500)]
    Ingest(site).run([str(traffic(tmp_path / "f.csv", *rows, ours="10.1.1.1"))])
    assert asked(site, "--from", "CN", **{"from": "CN"})[0] == 0


def test_conditions_that_exclude_all_that_is_asked_are_no_ground(site: Site) -> None:
    for where in (
        "proto = 6 AND direction IN ('out', 'transit')", "exporter LIKE 'router%'", "'router-z' = exporter", "false",
        "dst_port = 99999", "src_port = 443 AND src_port = 80", "far_country = 'KP' AND far_country = 'CN'",
        "inside(src, '192.0.2.0/24')", "inside(home, '203.0.113.0/24')", "time_start < '2000-01-01'",
        "NOT (proto = 6 OR proto <> 6)", "bytes < 0 OR (tos > 300 AND proto = 6)", "far_as = 4199999999",
        f"time_start < '{SINCE[1]}'", "time_end < '2001-01-01'",
        "time_end > '2099-01-01'", "far_country LIKE 'North Korea'", "far_country LIKE 'QQ%'",
    ):
        (told,) = run_json("ask", "--where", where, *SINCE, site=site)
        assert (where, told["verdict"], told["detection_limit"]) == (where, "cannot_say", [])
    status, told = asked(site, "--where", "direction = 'out'", where="direction = 'out'")
    assert (status, told["detection_limit"]) == (11, [])
    for words in (
        ("--from", "KP", "--where", "far_country = 'CN'"), ("--from", "8.8.8.0/24", "--where", "far_port = 70000"),
    ):
        assert run_json("ask", *words, *SINCE, site=site)[0]["verdict"] == "cannot_say"
    words = ["ask", "--where", f"time_start >= '{SINCE[1]}'", *SINCE, "--site", str(site.folder)]
    refused = CliRunner().invoke(program, words)
    assert "leaves no flow of the history" in str(refused.exception)
    (told,) = run_json("ask", "--where", "dst_port = 4444", *SINCE, site=site)
    assert told["verdict"] == "no_surge"
    assert "No flow in these data ever met dst_port = 4444" in told["caveats"][0]


@pytest.mark.parametrize(
    ("where", "left_out"),
    [("time_start < '2014-11-18T06:00'", "88%"), ("far_country = 'CN' AND time_end < '2014-11-19T12:00'", "25%"),
     ("NOT time_start BETWEEN '2014-11-19' AND '2014-11-19T12:00'", "25%")],
)
def test_a_condition_on_a_part_of_the_asked_time_is_no_ground_for_all_of_it(
    site: Site, where: str, left_out: str
) -> None:
    (told,) = run_json("ask", "--where", where, *SINCE, site=site)
    assert told["verdict"] == "cannot_say"
    assert f"can match no flow in {left_out} of the asked time" in told["caveats"][0]


def test_a_condition_on_more_than_the_asked_time_changes_nothing(site: Site) -> None:
    (told,) = run_json("ask", "--where", "time_start < '2015-01-01'", *SINCE, site=site)
    assert told["verdict"] == "no_surge"


def test_a_watch_that_holds_at_another_time_is_no_ground(site: Site) -> None:
    run_json("watch", "add", "old", "--prefix", "1.2.4.0/24", "--valid", "2014-01-01/2014-02-01", site=site)
    run_json("watch", "add", "part", "--prefix", "1.2.4.0/24", "--valid", "2014-11-19/", site=site)
    status, told = asked(site, "--watch", "old", watch="old")
    assert status == 11
    assert "No indicator of the watch old holds" in told["caveats"][0]
    partly = asked(site, "--watch", "part", watch="part")[1]
    assert partly["verdict"] == "cannot_say"
    assert "hold in 50% of the time" in partly["caveats"][0]


def test_what_is_usual_of_an_address_does_not_begin_with_an_indicator(site: Site) -> None:
    run_json("watch", "add", "fresh", "--prefix", "1.2.4.0/24", "--valid", "2014-11-18/", site=site)
    assert asked(site, "--watch", "fresh", watch="fresh")[1]["verdict"] == "no_surge"


def test_a_watch_of_our_own_addresses_is_no_ground(site: Site) -> None:
    run_json("watch", "add", "ours", "--prefix", "192.0.2.7", site=site)
    status, told = asked(site, "--watch", "ours", watch="ours")
    assert status == 11
    assert "lie in home prefixes" in told["caveats"][0]
    run_json("watch", "add", "as", "--as", "4199999999", site=site)
    assert asked(site, "--watch", "as", watch="as")[0] == 11


def test_a_direction_that_stops_being_exported_is_no_ground(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    rows = []
    for at in range(FIRST, FIRST + 20 * 86400, 300):
        rows.append(f"{at},{at + 5},{OURS},{CHINA},50000,443,6,9,900")
        if at < parse_time("2014-11-18T02:00Z", now_s=0):
            rows.append(f"{at},{at + 5},{CHINA},{OURS},443,50000,6,9,4000")
    (tmp_path / "f.csv").write_text(HEAD + "\n".join(rows) + "\n")
    Ingest(site).run([str(tmp_path / "f.csv")])
    status, told = asked(site, "--from", "CN", **{"from": "CN"})
    assert status == 11
    assert "46 of 48 hours no flow of direction 'in'" in told["caveats"][0]


def test_hosts_that_got_other_addresses_in_the_asked_time_are_no_ground(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site()
    begun = parse_time("2014-11-18", now_s=0)
    moved = [f"{at},{at},{CHINA},198.51.100.9,443,1,6,9,2500" for at in range(begun, FIRST + 20 * 86400, 300)]
    path = traffic(tmp_path / "f.csv", *moved, days=17)
    Ingest(site).run([str(path)])
    status, told = asked(site, "--from", "KP", **{"from": "KP"})
    assert status == 11
    assert "48 of 48 hours of the asked time more than half" in told["caveats"][0]


def test_a_little_in_transit_can_hide_what_was_asked_about(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    Ingest(site).run([str(traffic(tmp_path / "f.csv", flood("2014-11-19", KOREA, "198.51.100.9", 1_000_000)))])
    status, told = asked(site, "--from", "KP", **{"from": "KP"})
    assert status == 11
    assert any("1.0 MB of KP have neither end in a home prefix" in c for c in told["caveats"])


def test_a_port_at_the_other_end_than_an_indicator_says_is_no_ground(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site()
    at = parse_time("2014-11-19", now_s=0)
    guesses = [f"{at + i},{at + i + 1},{KOREA},{OURS},50000,22,6,40,900000" for i in range(0, 9000, 100)]
    Ingest(site).run([str(traffic(tmp_path / "f.csv", *guesses))])
    run_json("watch", "add", "guesser", "--prefix", KOREA, "--port", "22", site=site)
    status, told = asked(site, "--watch", "guesser", watch="guesser")
    assert status == 11
    assert "have the port of the indicator at the other end" in told["caveats"][0]
    assert any("ports that its indicators do not name" in c for c in told["caveats"])


@pytest.mark.parametrize(
    "unseen", [("--as", "4199999999"), tuple(w for i in range(9) for w in ("--domain", f"n{i}.example"))]
)
def test_a_watch_most_of_which_no_flow_can_show_is_no_ground(
    make_site: Callable[..., Site], tmp_path: Path, unseen: tuple[str, ...]
) -> None:
    site = make_site()
    Ingest(site).run([str(traffic(tmp_path / "f.csv"))])
    run_json("watch", "add", "some", "--prefix", "1.2.3.4", *unseen, site=site)
    status, told = asked(site, "--watch", "some", watch="some")
    assert status == 11
    assert "No flow here can show" in told["caveats"][0]


def test_what_passed_in_transit_keeps_a_no_from_being_given(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    rest = [f"{at},{at},{CHINA},198.51.100.9,443,1,6,9,2500" for at in range(FIRST, FIRST + 20 * 86400, 300)]
    path = traffic(tmp_path / "f.csv", *rest, flood("2014-11-19", KOREA, "198.51.100.9", 4_000_000))
    Ingest(site).run([str(path)])
    status, told = asked(site, "--from", "KP", **{"from": "KP"})
    assert status == 11
    assert any("4.0 MB of KP have neither end in a home prefix" in c for c in told["caveats"])
    run_json("watch", "add", "kp", "--prefix", "175.45.176.0/22", site=site)
    for words in (("--watch", "kp"), ("--where", "far_country = 'KP'"), ("--where", f"src = '{KOREA}'")):
        (other,) = run_json("ask", *words, *SINCE, site=site)
        assert (words, other["verdict"], other["detection_limit"]) == (words, "cannot_say", [])
    (everyone,) = run_json("ask", "--from", "all", *SINCE, site=site)
    assert {o["origin"]: o["verdict"] for o in everyone["origins"]}.get("CN") == "no_surge"


def test_a_limit_that_the_network_could_not_carry_is_not_stated(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    # Two days with a few flows each: what could come is known to nobody.
    rows = [f"{FIRST + i * 7000},{FIRST + i * 7000},{CHINA},{OURS},1,443,6,1,{900 + i % 7 * 40000}" for i in range(25)]
    (tmp_path / "thin.csv").write_text(HEAD + "\n".join(rows) + "\n")
    Ingest(site).run([str(tmp_path / "thin.csv")])
    (told,) = run_json("ask", "--from", "CN", "--since", "2014-11-02", "--until", "2014-11-03", site=site)
    if told["verdict"] != "cannot_say":
        assert all(limit["bytes"] <= 10 * 241_000 * 25 for limit in told["detection_limit"])
    else:
        assert told["detection_limit"] == []
        assert told["caveats"]


def test_no_limit_is_beyond_what_the_links_carry(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    with (site.folder / "tidegauge.toml").open("a") as file:
        file.write('\n[exporters."table"]\nspeed_mbps = 0.0002\n')
    site = load_site(site.folder)
    Ingest(site).run([str(traffic(tmp_path / "flows.csv"))])
    (told,) = run_json("ask", "--from", "KP", *SINCE, site=site)
    assert all(limit["bytes"] <= 200 / 8 * limit["duration_s"] for limit in told["detection_limit"])
    assert any("more than the links of this network carry" in caveat for caveat in told["caveats"])


def test_limits_of_a_surge_are_those_of_a_further_addition(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    Ingest(site).run([str(traffic(tmp_path / "f.csv", flood("2014-11-18T03:00Z", CHINA, OURS, 50_000_000)))])
    status, told = asked(site, "--from", "CN", **{"from": "CN"})
    amounts = [limit["bytes"] for limit in told["detection_limit"]]
    assert (status, told["verdict"]) == (10, "surge")
    assert len(amounts) == 5
    assert amounts == sorted(amounts)
    assert 0 < amounts[0] < 1_000_000


def test_a_list_of_origins_is_read_once(site: Site, tmp_path: Path) -> None:
    import os
    import threading

    path = tmp_path / "list"
    os.mkfifo(path)  # it can be read only once
    writer = threading.Thread(target=lambda: path.write_text("CN\nKP  # both\n"), daemon=True)
    writer.start()
    (told,) = run_json("ask", "--from", f"@{path}", *SINCE, site=site)
    writer.join(timeout=10)
    assert told["verdict"] == "no_surge"
    assert told["question"]["selection"] == f"@{path}"


def directions() -> Iterator[str]:
    yield from ("in", "out", "internal", "transit")


CONDITIONS = st.recursive(
    st.one_of(
        st.builds("direction = '{}'".format, st.sampled_from([*directions()])),
        st.builds("direction <> '{}'".format, st.sampled_from([*directions()])),
        st.builds("direction IN ('{}', '{}')".format, *[st.sampled_from([*directions()])] * 2),
    ),
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner), st.builds("({} OR {})".format, inner, inner),
        st.builds("(NOT {})".format, inner),
    ),
    max_leaves=5,
)


@given(CONDITIONS, st.sampled_from([*directions()]))
def test_a_condition_that_can_match_no_flow_of_a_direction_is_known(text: str, direction: str) -> None:
    import duckdb

    (matches,) = duckdb.execute(f"SELECT {text} FROM (SELECT '{direction}' AS direction)").fetchone() or (None,)
    assert possible([text], Surroundings(direction, (), frozenset({"x"}), 0, 1)) == bool(matches)


NUMBERS = st.recursive(
    st.builds("{} {} {}".format, st.sampled_from(["proto", "src_port", "dst_port"]),
              st.sampled_from(["=", "<>", "<", ">", "<=", ">="]), st.integers(-2, 8)),
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner), st.builds("({} OR {})".format, inner, inner),
        st.builds("(NOT {})".format, inner),
    ),
    max_leaves=6,
)


@given(NUMBERS, st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_what_some_flow_meets_is_never_called_impossible(text: str, proto: int, src_port: int, dst_port: int) -> None:
    import duckdb

    row = f"SELECT {proto} AS proto, {src_port} AS src_port, {dst_port} AS dst_port"
    (matches,) = duckdb.execute(f"SELECT {text} FROM ({row})").fetchone() or (None,)
    if matches:
        assert possible([text], Surroundings("in", (), frozenset({"x"}), 0, 1))


@pytest.mark.parametrize(
    "where",
    ["tcp_flags = 2", "in_if = 3", "domain = 5", "sampling > 1", "bytes > 100000000000", "packets > bytes",
     "src_port IS NULL"],
)
def test_what_no_flow_shows_for_what_exporters_write_is_no_ground(site: Site, where: str) -> None:
    status, told = asked(site, "--where", where, where=where)
    assert (status, told["verdict"], told["detection_limit"]) == (11, "cannot_say", [])
    assert "is no evidence" in told["caveats"][0] or "can match no flow" in told["caveats"][0]


@pytest.mark.parametrize(
    ("words", "query"),
    [
        (("--from", "KP", "--where", "far_country = 'china'"), {"from": "KP", "where": "far_country = 'china'"}),
        (("--from", "8.8.8.0/24", "--where", "far_country = 'KP'"),
         {"from": "8.8.8.0/24", "where": "far_country = 'KP'"}),
        (("--from", "AS15169", "--where", "far_country = 'KP'"), {"from": "AS15169", "where": "far_country = 'KP'"}),
        (("--watch", "google", "--from", "KP"), {"watch": "google", "from": "KP"}),
        (("--watch", "google", "--where", "far_port = 22"), {"watch": "google", "where": "far_port = 22"}),
        (("--where", "far_country = 'BV'"), {"where": "far_country = 'BV'"}),
        (("--where", "far_as IN (4199999998, 4199999999)"), {"where": "far_as IN (4199999998, 4199999999)"}),
        (("--where", "inside(far, '2001:db8::/32')"), {"where": "inside(far, '2001:db8::/32')"}),
        (("--where", "NOT inside(dst, '192.0.2.0/24')"), {"where": "NOT inside(dst, '192.0.2.0/24')"}),
        (("--where", "dst_country = 'KP'"), {"where": "dst_country = 'KP'"}),
        (("--where", "src_port + 1 = src_port"), {"where": "src_port + 1 = src_port"}),
        (("--where", "time_end < time_start"), {"where": "time_end < time_start"}),
        (("--where", "dst_port = 443.5"), {"where": "dst_port = 443.5"}),
        (("--where", "far_class = 1048576"), {"where": "far_class = 1048576"}),
    ],
)
def test_contradictions_are_known_in_every_spelling(site: Site, words: tuple[str, ...], query: dict[str, str]) -> None:
    run_json("watch", "add", "google", "--prefix", "8.8.8.0/24", "--port", "443", site=site)
    status, told = asked(site, *words, **query)
    assert (status, told["verdict"], told["detection_limit"]) == (11, "cannot_say", [])


@pytest.mark.parametrize(
    "where",
    ["NOT far_as = 4199999999", "far_country LIKE 'c%'", "far_country = 'china'", "src_port - dst_port < 0",
     "far_as <> 'AS64500' AND proto = 'tcp'", "bytes / packets > 10", "far_country IS NOT NULL"],
)
def test_what_flows_meet_is_answered(site: Site, where: str) -> None:
    (told,) = run_json("ask", "--where", where, *SINCE, site=site)
    assert told["verdict"] == "no_surge", told["caveats"][:2]


@pytest.mark.parametrize(
    "where",
    ["dst_port = NULL", "far_country NOT IN ('US', NULL)", "src LIKE '8.8.%'", "bytes LIKE '4%'", "exporter = 5",
     "src = 5", "src_country > 5", "time_start = 5", "far IN ('1.2.3.4', src_port)", "src_port", "src = '8.8.8.8/32'",
     "bytes > " + "1" * 44, " OR ".join(f"far_port = {n}" for n in range(1199))],
)
def test_what_is_no_condition_is_refused_with_advice(site: Site, where: str) -> None:
    result = CliRunner().invoke(program, ["ask", "--where", where, "--site", str(site.folder)])
    assert isinstance(result.exception, UsageError), result.output


def test_indicators_that_end_before_their_traffic_keep_a_no_from_being_given(site: Site) -> None:
    run_json("watch", "add", "ended", "--prefix", "1.2.4.0/24", "--valid", "2014-11-01/2014-11-18T06:00Z", site=site)
    run_json("watch", "add", "ended", "--prefix", "203.0.113.44", site=site)
    status, told = asked(site, "--watch", "ended", watch="ended")
    assert (status, told["verdict"]) == (11, "cannot_say")
    assert any("lie outside the times for which these hold" in caveat for caveat in told["caveats"])


def test_what_a_file_did_not_give_is_said_in_each_answer(site: Site, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"type,value\nip,{CHINA}\nip,300.1.1.1\n")
    run_json("watch", "add", "half", "--from-file", str(tmp_path / "list.csv"), site=site)
    (told,) = run_json("ask", "--watch", "half", *SINCE, site=site)
    assert told["verdict"] == "cannot_say"  # one of two can be shown
    assert any(c.startswith("1 entry of the files of the watch half was not taken") for c in told["caveats"])
    shown = CliRunner().invoke(program, ["watch", "show", "half", "--site", str(site.folder)])
    assert "left out: 1 domain" in shown.output


def test_an_origin_that_is_all_at_home_is_no_ground(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site("192.0.2.0/24", "175.45.176.0/22")
    Ingest(site).run([str(traffic(tmp_path / "f.csv", flood("2014-11-19", KOREA, OURS)))])
    status, told = asked(site, "--from", "KP", **{"from": "KP"})
    assert (status, told["detection_limit"]) == (11, [])
    assert any("All addresses of KP are in home prefixes" in caveat for caveat in told["caveats"])


def test_traffic_in_transit_can_be_asked_about(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    flows = traffic(tmp_path / "f.csv", flood("2014-11-19", KOREA, "198.51.100.9"), ours="198.51.100.9")
    Ingest(site).run([str(flows)])
    (told,) = run_json("ask", "--from", "KP", "--direction", "transit", *SINCE, site=site)
    assert told["verdict"] in ("surge", "cannot_say")


def test_a_text_beside_a_number_is_read_or_refused(site: Site) -> None:
    (named,) = run_json("top", "proto", "--where", "proto = 'TCP' AND far_as <> 'AS64500'", site=site)
    (numbered,) = run_json("top", "proto", "--where", "proto = 6 AND far_as <> 64500", site=site)
    assert named["rows"] == numbered["rows"] != []
    for where, advice in (
        ("proto = 'nosuch'", "a number or one of icmp"), ("far_class = 'tor-exit'", "is_class(far_class, 'tor-exit')"),
        ("dst_port IN (80, 'https')", "a whole number"),
    ):
        result = CliRunner().invoke(program, ["top", "far", "--where", where, "--site", str(site.folder)])
        assert isinstance(result.exception, UsageError)
        assert advice in str(result.exception)


def test_all_origins_together_say_as_much_as_one(site: Site) -> None:
    (told,) = run_json("ask", "--from", "all", "--where", "dst_port = 4242", *SINCE, site=site)
    (one,) = run_json("ask", "--from", "CN", "--where", "dst_port = 4242", *SINCE, site=site)
    by_origin = ("displayed CN", "registered to this origin", "addresses is loaded for this time", "ever met CN and")
    general = [caveat for caveat in one["caveats"] if not any(part in caveat for part in by_origin)]
    assert [c for c in general if "history is short" not in c and c not in told["caveats"]] == []
    status, told = asked(site, "--from", "all", "--direction", "internal", **{"from": "all", "direction": "internal"})
    assert (status, told["verdict"]) == (11, "cannot_say")
    assert any("no other traffic can be ranked by origin" in caveat for caveat in told["caveats"])


def test_a_watch_of_names_that_nobody_looked_up_cannot_be_answered(site: Site) -> None:
    run_json("watch", "add", "names", "--domain", "evil.example", site=site)
    status, told = asked(site, "--watch", "names", watch="names")
    assert (status, told["verdict"], told["detection_limit"]) == (11, "cannot_say", [])
    assert told["caveats"][0].startswith("No name that was seen points to an address of the watch names")
    (drawn,) = run_json("series", "--watch", "names", *SINCE, site=site)
    assert "No name that was seen" in drawn["caveats"][0]
    (hunted,) = run_json("hunt", "egress", "--watch", "names", site=site)
    assert "No name that was seen" in hunted["grounds"][0]


def test_a_site_without_flows_says_so(make_site: Callable[..., Site]) -> None:
    empty = make_site()
    for words in (("coverage",), ("series",), ("top", "far"), ("ask",), ("hunt",)):
        result = CliRunner().invoke(program, [*words, "--site", str(empty.folder)])
        assert isinstance(result.exception, LakeError), words
        assert "no flows here yet" in str(result.exception)


def test_sums_by_outside_end_say_that_home_prefixes_do_not_fit(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site("10.99.0.0/16")
    Ingest(site).run([str(traffic(tmp_path / "flows.csv", days=3))])
    (told,) = run_json("top", "far", site=site)
    assert [row["far"] for row in told["rows"]] == [None]
    assert "neither end in a home prefix" in told["caveats"][0]
    assert "has no outside end" in told["caveats"][-1]
    (drawn,) = run_json("series", site=site)
    assert "neither end in a home prefix" in drawn["caveats"][0]
    (plain,) = run_json("top", "proto", site=site)
    assert plain["caveats"] == []


def test_ipv6_that_was_never_seen_is_no_ground(site: Site) -> None:
    status, told = asked(site, "--from", "2001:db8::/32", **{"from": "2001:db8::/32"})
    assert (status, told["verdict"], told["detection_limit"]) == (11, "cannot_say", [])
    assert told["caveats"][0].startswith("No flow of IPv6")


def test_hunts_say_when_they_could_find_nothing(make_site: Callable[..., Site], tmp_path: Path) -> None:
    elsewhere = make_site("10.99.0.0/16")
    Ingest(elsewhere).run([str(traffic(tmp_path / "flows.csv", days=3))])
    (told,) = run_json("hunt", "beacons", site=elsewhere)
    assert told["limits"] == []
    assert told["grounds"][0].startswith("No flow of direction 'out'")


def test_a_hunt_for_a_watch_of_our_own_addresses_is_no_ground(site: Site) -> None:
    run_json("watch", "add", "mine", "--prefix", OURS, site=site)
    (told,) = run_json("hunt", "egress", "--watch", "mine", site=site)
    assert all(limit["scope"] == "site" for limit in told["limits"])
    assert "lie in home prefixes" in told["grounds"][0]


def test_what_passed_unseen_is_held_against_the_limit_of_its_length(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    """A surge to a network of ours that is no home prefix, less than what was counted in all of the asked time."""
    ordinary = [f"{at},{at},{KOREA},{OURS},443,1,6,9,100000" for at in range(FIRST, FIRST + 20 * 86400, 300)]
    at = parse_time("2014-11-19", now_s=0)
    surge = [f"{at + i * 30},{at + i * 30},{KOREA},198.51.100.9,443,1,6,99,150000" for i in range(100)]
    site = make_site()
    Ingest(site).run([str(traffic(tmp_path / "f.csv", *ordinary, *surge))])
    status, told = asked(site, "--from", "KP", **{"from": "KP"})
    assert status == 11
    assert any("15.0 MB of KP have neither end in a home prefix" in c for c in told["caveats"])
    (everyone,) = run_json("ask", "--from", "all", *SINCE, site=site)
    assert {o["origin"]: o["verdict"] for o in everyone["origins"]}["KP"] == "cannot_say"


def test_what_came_by_an_interface_that_is_not_said_to_be_outside_is_no_ground_for_no(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    head = HEAD.strip() + ",in_if,out_if\n"
    ordinary = [f"{at},{at},{KOREA},{OURS},443,1,6,9,100000,1,2" for at in range(FIRST, FIRST + 20 * 86400, 300)]
    at = parse_time("2014-11-19", now_s=0)
    surge = [f"{at + i * 30},{at + i * 30},{KOREA},{OURS},443,1,6,99,900000,3,2" for i in range(100)]
    (tmp_path / "f.csv").write_text(head + "\n".join([*ordinary, *surge]) + "\n")
    site = make_site()
    with (site.folder / "tidegauge.toml").open("a") as file:
        file.write('\n[exporters."table"]\nexternal = [1]\n')
    site = load_site(site.folder)
    Ingest(site).run([str(tmp_path / "f.csv")])
    status, told = asked(site, "--from", "KP", **{"from": "KP"})
    assert status == 11
    assert any("came or went by interfaces that are not among" in c for c in told["caveats"])


@pytest.mark.parametrize("time", ["2493763200", "22/10/2014 12:00", ""])
def test_flows_of_impossible_times_are_no_ground_for_no(
    make_site: Callable[..., Site], tmp_path: Path, time: str
) -> None:
    ordinary = [f"{at},{at},{KOREA},{OURS},443,1,6,9,100000" for at in range(FIRST, FIRST + 20 * 86400, 300)]
    surge = [f"{time},{time},{KOREA},{OURS},443,1,6,99,900000"] * 100
    site = make_site()
    Ingest(site).run([str(traffic(tmp_path / "f.csv", *ordinary, *surge))])
    status, told = asked(site, "--from", "KP", **{"from": "KP"})
    assert status == 11
    assert any("or one before 1990 or in the future" in c for c in told["caveats"])
    status, told = asked(site, "--from", "all", **{"from": "all"})
    assert status == 11
    assert any("of KP has no time that can be read, or one before 1990" in c for c in told["caveats"])


def test_an_address_that_a_file_names_by_itself_too_is_not_narrowed_to_a_no(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site()
    at = parse_time("2014-11-19", now_s=0)
    calls = [f"{at + i},{at + i + 1},{KOREA},{OURS},4444,22,6,40,900000" for i in range(0, 9000, 100)]
    Ingest(site).run([str(traffic(tmp_path / "f.csv", *calls))])
    objects = [
        {"type": "ipv4-addr", "id": "ipv4-addr--1", "value": KOREA},
        {"type": "network-traffic", "id": "network-traffic--1", "dst_ref": "ipv4-addr--1", "dst_port": 80},
    ]
    (tmp_path / "b.json").write_text(json.dumps({"type": "bundle", "id": "bundle--1", "objects": objects}))
    run_json("watch", "add", "both", "--from-file", str(tmp_path / "b.json"), site=site)
    status, told = asked(site, "--watch", "both", watch="both")
    assert status == 11
    assert "that a file names by themselves too" in told["caveats"][0]


def test_a_name_of_many_addresses_in_turn_can_be_asked_about(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    at = parse_time("2014-11-18", now_s=0)
    answers = [(at + 200 * i, "rr.example", f"{KOREA if i % 2 else '45.9.6.2'}", 5) for i in range(800)]
    log = dns_log(tmp_path / "dns.log", answers)
    Ingest(site).run([str(traffic(tmp_path / "f.csv")), str(log)])
    run_json("watch", "add", "rr", "--domain", "rr.example", site=site)
    watch = watched(Watches(Store.of(site)).get("rr"), Lake(site.data), at, at + 3 * 86400)
    assert len(watch.terms) == 2
    asked(site, "--watch", "rr", watch="rr")
