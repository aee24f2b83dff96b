"""What an answer with no would overlook: traffic that came otherwise than the question looks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.make import run_json
from tidegauge.detect import decide
from tidegauge.ingest import Ingest
from tidegauge.model import parse_time
from tidegauge.site import Site, load_site

FIRST = parse_time("2014-11-01", now_s=0)
SINCE = ("--since", "2014-11-18", "--until", "2014-11-20")
SURGE = parse_time("2014-11-19T03:00Z", now_s=0)
CHINA, KOREA, OURS = "1.2.4.8", "175.45.176.9", "192.0.2.1"
COLUMNS = (
    "time_start", "time_end", "src", "dst", "src_port", "dst_port", "proto", "packets", "bytes", "exporter", "in_if",
)
SIZES = np.random.default_rng(1).normal(4000, 40, 5000)
Row = dict[str, Any]


def row(at: int, **more: Any) -> Row:
    return {
        "time_start": at, "time_end": at + 5, "src": CHINA, "dst": OURS, "src_port": 443, "dst_port": 50000 + at % 7,
        "proto": 6, "packets": 9, "bytes": int(SIZES[at // 300 % len(SIZES)]), "exporter": "r1", "in_if": 1,
    } | more


def ordinary(until_s: int = FIRST + 20 * 86400) -> Iterator[Row]:
    """Twenty days with China each five minutes and North Korea each hour."""
    for at in range(FIRST, until_s, 300):
        yield row(at)
        if at % 3600 == 0:
            yield row(at, src=KOREA, exporter="r2")


def surge(**more: Any) -> list[Row]:
    """16.7 MB each five minutes for two hours."""
    return [
        row(SURGE + 300 * i, **({"src": KOREA, "packets": 20_000, "bytes": 16_700_000} | more)) for i in range(24)
    ]


def told(site: Site, folder: Path, rows: list[Row], *words: str) -> dict[str, Any]:
    columns = [name for name in COLUMNS if any(name in one for one in rows)]
    lines = [",".join(f'"{one[name]}"' for name in columns) for one in rows]
    (folder / "f.csv").write_text(",".join(columns) + "\n" + "\n".join(lines) + "\n")
    Ingest(site).run([str(folder / "f.csv")])
    (answer,) = run_json("ask", *(words or ("--from", "KP")), *SINCE, site=site)
    return answer


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({"bytes": "16.7 M"}, "surge"), ({"bytes": "16,700,000"}, "surge"), ({"src": "175.045.176.009"}, "surge"),
        ({"src": f"{KOREA}:443"}, "surge"), ({"bytes": "-"}, "cannot_say"), ({"bytes": 0}, "cannot_say"),
        ({"bytes": -5}, "cannot_say"), ({"bytes": "", "packets": ""}, "cannot_say"),
    ],
)
def test_a_surge_whose_rows_are_written_otherwise_is_no_no(
    make_site: Callable[..., Site], tmp_path: Path, more: Row, verdict: str
) -> None:
    answer = told(make_site(), tmp_path, [*ordinary(), *surge(**more)])
    assert answer["verdict"] == verdict
    if verdict == "cannot_say":
        assert "have no count of bytes that can be read" in answer["caveats"][0]


def test_a_few_flows_without_counters_of_others_change_nothing(make_site: Callable[..., Site], tmp_path: Path) -> None:
    bare = [row(SURGE + i, bytes="-") for i in range(3)]
    assert told(make_site(), tmp_path, [*ordinary(), *bare])["verdict"] == "no_surge"


@pytest.mark.parametrize("more", [{"src": f"{KOREA} ?"}, {"src": ""}, {"dst": "ws5.example.net"}, {"dst": ""}])
def test_a_surge_of_which_one_end_cannot_be_read_was_not_seen(
    make_site: Callable[..., Site], tmp_path: Path, more: Row
) -> None:
    """The minutes of a large row that is lost were not seen, however many small ones are there."""
    small = [row(SURGE, src_port=n) for n in range(50)]
    answer = told(make_site(), tmp_path, [*ordinary(), *small, *surge(**more)])
    assert answer["verdict"] == "cannot_say"
    assert "2014-11-19T03:00:00Z" in [blind["start"] for blind in answer["coverage"]["blind"]]
    assert answer["coverage"]["share"] < 0.995
    assert any("24 records of r1 could not be read" in caveat for caveat in answer["caveats"])


def test_rows_that_are_cut_are_said_in_the_answer(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    told(site, tmp_path, list(ordinary()))
    lines = [",".join(COLUMNS), ",".join(str(row(SURGE)[name]) for name in COLUMNS), f"{SURGE},{SURGE + 5},{KOREA}"]
    (tmp_path / "cut.csv").write_text("\n".join(lines) + "\n")
    Ingest(site).run([str(tmp_path / "cut.csv")])
    (answer,) = run_json("ask", "--from", "KP", *SINCE, site=site)
    assert any("1 records of r1 could not be read" in caveat for caveat in answer["caveats"])


def test_external_interfaces_do_not_make_transit_expected(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    with (site.folder / "tidegauge.toml").open("a") as file:
        file.write('\n[exporters."r1"]\nexternal = [1]\n[exporters."r2"]\nexternal = [1]\n')
    rows = [*ordinary(), *surge(dst="198.51.100.7", bytes=400_000)]
    assert told(load_site(site.folder), tmp_path, rows)["verdict"] == "cannot_say"


def test_what_began_in_transit_before_the_asked_time_is_held_against_a_no(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    began = parse_time("2014-11-17T23:50Z", now_s=0)
    long = row(began, src=KOREA, dst="198.51.100.7", time_end=began + 6 * 3600, bytes=5_000_000)
    answer = told(make_site(), tmp_path, [*ordinary(), long])
    assert (answer["verdict"], "have neither end in a home prefix" in answer["caveats"][0]) == ("cannot_say", True)


def test_transit_without_a_time_is_held_against_a_no(make_site: Callable[..., Site], tmp_path: Path) -> None:
    hidden = surge(dst="198.51.100.7", time_start="17.11.2014 03:00", time_end="", bytes=200_000)
    answer = told(make_site(), tmp_path, [*ordinary(), *hidden])
    assert (answer["verdict"], "no time that can be read" in answer["caveats"][0]) == ("cannot_say", True)


@pytest.mark.parametrize("words", [("--from", "KP"), ("--from", "all")])
def test_an_exporter_that_brought_the_origin_and_fell_silent_is_no_no(
    make_site: Callable[..., Site], tmp_path: Path, words: tuple[str, ...]
) -> None:
    gone = parse_time("2014-11-18T02:00Z", now_s=0)
    rows = [one for one in ordinary() if one["exporter"] == "r1" or one["time_start"] < gone]
    site = make_site()
    answer = told(site, tmp_path, rows, *words)
    assert answer["verdict"] == "cannot_say"
    assert any(" by the exporter r2 before" in c or "came by exporters before" in c for c in answer["caveats"])
    (china,) = run_json("ask", "--from", "CN", *SINCE, site=site)
    # What the other exporter brings was seen whole: it is not higher than expected.
    assert (china["verdict"], china["coverage"]["share"] > 0.99) == ("no_surge", True)
    (everything,) = run_json("ask", "--from", "all", *SINCE, site=site)
    assert {o["origin"]: o["verdict"] for o in everything["origins"]} == {"CN": "no_surge", "KP": "cannot_say"}


@pytest.mark.parametrize(
    ("missing", "where"), [("dst_port", "dst_port = 443"), ("src_port", "far_port = 40000"), ("proto", "proto = 6")]
)
def test_ports_and_protocols_that_no_flow_has_are_no_ground_for_no(
    make_site: Callable[..., Site], tmp_path: Path, missing: str, where: str
) -> None:
    rows = [{name: value for name, value in one.items() if name != missing} for one in ordinary()]
    answer = told(make_site(), tmp_path, rows, "--from", "KP", "--where", where)
    assert (answer["verdict"], "may not fill this field" in answer["caveats"][0]) == ("cannot_say", True)


def test_a_surge_that_goes_on_from_before_the_asked_time_is_one() -> None:
    values = np.where(np.arange(18 * 288) % 12 == 0, 2000.0 + np.arange(18 * 288) * 7919 % 977, 0.0)
    values[16 * 288 : 16 * 288 + 24] = 16_700_000
    starts = FIRST + 300 * np.arange(len(values))
    for first in (16 * 288 + 6, 16 * 288 + 12, 16 * 288 + 18):
        outcome = decide(
            starts, values, np.ones(len(values)), width_s=300, asked=slice(first, len(values)), false_alarm=0.01,
            power=0.95, unit=2000.0,
        )
        assert outcome.verdict == "surge"


def test_the_same_amount_once_an_hour_is_judged() -> None:
    values = np.where(np.arange(20 * 288) % 12 == 0, 5.0, 0.0)
    starts = FIRST + 300 * np.arange(len(values))
    outcome = decide(
        starts, values, np.ones(len(values)), width_s=300, asked=slice(18 * 288, len(values)), false_alarm=0.01,
        power=0.95, unit=5.0,
    )
    assert outcome.verdict == "no_surge"


def test_entries_of_a_list_with_dates_that_cannot_be_read_count_as_not_watched(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site()
    told(site, tmp_path, [*ordinary(), *surge()])
    rows = [f"{address},31/12/2026" for address in (KOREA, "198.51.100.2", "198.51.100.3")]
    (tmp_path / "l.csv").write_text("\n".join(["value,valid_until", *rows, "198.51.100.4,2026-12-31"]) + "\n")
    run_json("watch", "add", "dated", "--from-file", str(tmp_path / "l.csv"), site=site)
    assert run_json("ask", "--watch", "dated", *SINCE, site=site)[0]["verdict"] == "cannot_say"


def test_a_number_behind_a_value_under_a_title_that_nobody_knows_is_no_port(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site()
    told(site, tmp_path, [*ordinary(), *surge()])
    (tmp_path / "l.csv").write_text(f"remote_address,score\n{KOREA},90\n198.51.100.3,4\n")
    run_json("watch", "add", "scored", "--from-file", str(tmp_path / "l.csv"), site=site)
    assert run_json("ask", "--watch", "scored", *SINCE, site=site)[0]["verdict"] == "surge"


@pytest.mark.parametrize("chosen", ["KP", "175.45.176.0/22"])
def test_home_prefixes_that_are_too_wide_hide_nothing(
    make_site: Callable[..., Site], tmp_path: Path, chosen: str
) -> None:
    """What was asked about has its addresses in a home prefix, so that its traffic is internal."""
    site = make_site("192.0.2.0/24", "175.45.176.0/24")
    answer = told(site, tmp_path, [*ordinary(), *surge(bytes=300_000)], "--from", chosen)
    assert answer["verdict"] == "cannot_say"
    assert any("passed between home prefixes" in caveat for caveat in answer["caveats"])


def test_home_prefixes_that_are_too_narrow_hide_nothing_of_all_traffic(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    answer = told(make_site(), tmp_path, [*ordinary(), *surge(dst="198.18.0.9", bytes=400_000)], "--direction", "in")
    assert answer["verdict"] == "cannot_say"
    assert any("of all traffic have neither end in a home prefix" in caveat for caveat in answer["caveats"])


def test_a_surge_that_goes_on_from_before_is_one_whatever_the_first_bins_lack() -> None:
    """The first windows of the history were not seen: nothing lies before them, and nothing follows from that."""
    starts = FIRST + 300 * np.arange(35 * 288)
    values = np.random.default_rng(3).gamma(2.0, 500.0, len(starts)) * (np.arange(len(starts)) % 12 == 0)
    values[27 * 288 :] += 150_000.0
    seen = np.ones(len(starts))
    seen[:11] = 0.0
    outcome = decide(
        starts, values, seen, width_s=300, asked=slice(28 * 288, 35 * 288), false_alarm=0.05, power=0.95, unit=900.0
    )
    assert outcome.verdict == "surge"


def test_packets_that_nobody_counted_are_no_ground_for_no(make_site: Callable[..., Site], tmp_path: Path) -> None:
    bare = [{name: value for name, value in one.items() if name != "packets"} for one in ordinary()]
    large = next(one for one in bare if (one["time_start"], one["src"]) == (SURGE, KOREA))
    large["bytes"] = 4_000_000_000
    answer = told(make_site(), tmp_path, bare, "--from", "KP", "--metric", "packets")
    assert answer["verdict"] == "cannot_say"
    assert "more bytes than their count of packets holds" in answer["caveats"][0]


@pytest.mark.parametrize("field", ["time_start", "time_end"])
def test_a_flow_that_lasts_for_more_than_a_year_has_no_time(
    make_site: Callable[..., Site], tmp_path: Path, field: str
) -> None:
    times = {"time_start": SURGE, "time_end": SURGE + 600}
    times[field] += 400 * 86400 * (1 if field == "time_end" else -1)
    answer = told(make_site(), tmp_path, [*ordinary(), row(0, src=KOREA, bytes=400_000_000, **times)])
    assert answer["verdict"] == "cannot_say"
    assert "have no time that can be read" in answer["caveats"][0]


@pytest.mark.parametrize(("since", "verdict"), [("2014-11-09", "surge"), ("2014-11-17", "cannot_say")])
def test_a_surge_that_lasts_for_weeks_is_not_what_is_usual(
    make_site: Callable[..., Site], tmp_path: Path, since: str, verdict: str
) -> None:
    rows = [
        row(at, src=KOREA, bytes=50_000_000 + at % 997) for at in range(FIRST + 9 * 86400, FIRST + 20 * 86400, 900)
    ]
    site = make_site()
    told(site, tmp_path, [*ordinary(), *rows])
    (answer,) = run_json("ask", "--from", "KP", "--since", since, site=site)
    assert answer["verdict"] == verdict
    if verdict == "cannot_say":
        assert answer["caveats"][0].startswith("Each day since 2014-11-10T00:00:00Z has at least")
