"""What the console asks for besides: the picture behind an answer, the world, names of a host, completion."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.make import dns_log
from tests.service.app import Running
from tidegauge.app import AskQuestion, NamesQuestion, WorldQuestion, answer_json, ask, names_of, world
from tidegauge.app.completing import complete
from tidegauge.context import SiteContext
from tidegauge.ingest import Ingest
from tidegauge.lake import Lake
from tidegauge.model import UsageError, countries
from tidegauge.model.sentences import in_chinese
from tidegauge.site import init_site, load_site

SINCE = "2014-11-24"


def asked(site: Path, **more: object) -> dict:
    question = AskQuestion.model_validate({"from": "KP", "since": SINCE, "chart": True, **more})
    return answer_json(question, ask(SiteContext(load_site(site)), question))


def test_a_chart_adds_to_an_answer_and_changes_nothing_of_it(demonstration: Path) -> None:
    with_chart, without = asked(demonstration), asked(demonstration, chart=False)
    chart = with_chart.pop("chart")
    assert with_chart == without
    count = len(chart["start_s"])
    assert all(len(chart[name]) == count for name in ("value", "coverage", "expected", "high", "low", "critical"))
    assert all(b - a == chart["width_s"] for a, b in pairwise(chart["start_s"]))
    assert all(
        low <= mean <= high for low, mean, high in zip(chart["low"], chart["expected"], chart["high"], strict=True)
    )
    # The limit that the answer names is on the curve of its duration.
    hour = next(row for row in with_chart["detection_limit"] if row["duration_s"] == 3600)
    curve = next(row for row in chart["would"] if row["duration_s"] == 3600)
    assert curve["amount"][curve["probability"].index(0.95)] == pytest.approx(hour["bytes"], rel=1e-3)
    for row in chart["would"]:
        told = [amount for amount in row["amount"] if amount is not None]
        assert told == sorted(told)


def test_a_long_time_comes_in_few_windows_that_hold_all(demonstration: Path) -> None:
    chart = asked(demonstration, since="2014-11-05", **{"from": "US"})["chart"]
    assert 0 < len(chart["start_s"]) <= 2100
    here = SiteContext(load_site(demonstration))
    total = here.lake.total("sum(bytes)", _all_of(here, "US"))
    assert sum(chart["value"]) == pytest.approx(float(total or 0), rel=0.01)


def _all_of(here: SiteContext, country: str):  # type: ignore[no-untyped-def]
    from tidegauge.lake import FlowFilter

    since_us, until_us = here.moment_us("2014-11-05"), None
    return FlowFilter(since_us, until_us, ("direction = 'in'", f"src_country = '{country}'"))


def test_the_world_sums_to_what_came_in_beside_what_was_expected(demonstration: Path) -> None:
    told = world(SiteContext(load_site(demonstration)), WorldQuestion(since=SINCE)).to_json()
    assert len(told["start_s"]) == len(told["coverage"]) <= 60
    rows = {row["country"]: row for row in told["countries"]}
    assert sum(rows["TH"]["value"]) > 5 * sum(rows["TH"]["expected"])  # what the pass-through host took
    quiet = [code for code in ("US", "DE", "GB") if code in rows]
    for code in quiet:
        assert 0.7 < sum(rows[code]["value"]) / sum(rows[code]["expected"]) < 1.4
    lake = Lake(load_site(demonstration).data)
    from tidegauge.lake import FlowFilter

    since_us = 1_416_787_200_000_000
    all_in = float(lake.total("sum(bytes)", FlowFilter(since_us, None, ("direction = 'in'",))) or 0)
    assert sum(sum(row["value"]) for row in rows.values()) == pytest.approx(all_in, rel=0.01)


def test_too_short_a_history_expects_nothing(demonstration: Path) -> None:
    told = world(SiteContext(load_site(demonstration)), WorldQuestion(since="2014-10-21")).to_json()
    assert all(row["expected"] is None for row in told["countries"])
    with pytest.raises(UsageError, match="the time is empty"):
        world(SiteContext(load_site(demonstration)), WorldQuestion(since="2014-11-24", until="2014-11-24"))


def test_names_of_a_host_are_those_it_asked_for_and_those_that_led_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    init_site(folder, home=["192.0.2.0/24"])
    rows = [(1_700_000_000, "a.example", "203.0.113.9", 60), (1_700_000_001, "b.example", "203.0.113.8", 60),
            (1_700_000_002, "a.example", "203.0.113.9", 60)]
    log = dns_log(tmp_path / "dns.log", rows)
    Ingest(load_site(folder)).run([str(log)])
    here = SiteContext(load_site(folder))
    asked = names_of(here, NamesQuestion(address="192.0.2.5")).to_json()["names"]
    assert [(row["name"], row["relation"], row["count"]) for row in asked] == [
        ("a.example", "asked", 2), ("b.example", "asked", 1),
    ]
    led = names_of(here, NamesQuestion(address="203.0.113.9")).to_json()["names"]
    assert [(row["name"], row["relation"], row["count"]) for row in led] == [("a.example", "led to it", 2)]
    # A resolver is no address that the names which it is asked for lead to.
    assert names_of(here, NamesQuestion(address="9.9.9.9")).to_json()["names"] == []


@pytest.mark.parametrize(
    ("text", "first"),
    [("kp", "KP"), ("north k", "KP"), ("北韓", "KP"), ("cote d", "CI"), ("AS131279", "AS131279"),
     ("131279", "AS131279"), ("star joint", "AS131279"), ("tor", "class:tor-exit"), ("stud", "studio")],
)
def test_origins_are_completed_by_name_code_and_number(text: str, first: str) -> None:
    assert complete(text, ["studio"])[0]["value"] == first


def test_nothing_completes_nothing_and_hostile_text_does_no_harm() -> None:
    assert complete("", []) == []
    assert complete("  ", []) == []
    assert complete("(((" * 30 + "\u0301" * 300, []) == []
    assert len(complete("a", [], 5)) == 5
    assert {c["code"] for c in countries()} >= {"KP", "TW", "XK"}
    assert all(c["zh-TW"] and c["en"] for c in countries())


def test_routes_of_the_console_answer_as_who_one_is(console: Running) -> None:
    with console.client("reader") as reader, console.client("analyst") as analyst:
        told = reader.get("/api/v1/site").json()
        assert told["simulated"] is True
        assert told["home"] == []
        assert analyst.get("/api/v1/site").json()["home"] == ["198.18.0.0/16"]
        assert told["data"]["since"] == "2014-10-20T00:00:00Z"
        assert {check["name"] for check in reader.get("/api/v1/health").json()["checks"]} >= {
            "data",
            "coverage",
            "disk",
        }
        assert reader.get("/api/v1/names", params={"address": "198.18.7.7"}).status_code == 403
        assert reader.get("/api/v1/names", params={"address": "203.0.113.9"}).status_code == 200
        assert reader.get("/api/v1/reach", params={"of": "KP", "at": SINCE}).json()["ases"][0]["as"] == 131279
        assert reader.get("/api/v1/world", params={"since": "nonsense"}).status_code == 400
    with console.client() as nobody:
        for path in (
            "site",
            "health",
            "places",
            "complete?text=a",
            "world",
            "names?address=203.0.113.9",
            "reach?of=KP",
        ):
            assert nobody.get(f"/api/v1/{path}").status_code == 401
        # The page itself holds nothing, and says nothing of who is there.
        assert "simulated research network" not in nobody.get("/ask").text


def test_what_answers_say_of_themselves_is_known_in_chinese(demonstration: Path, console: Running) -> None:
    unknown = set()
    for more in ({}, {"from": "TH", "since": "2014-11-20"}, {"since": "2014-10-21"}, {"wide": True}):
        told = asked(demonstration, chart=False, **more)
        said = [*told["caveats"], *(blind["why"] for blind in told["coverage"]["blind"])]
        unknown |= {sentence for sentence in said if in_chinese(sentence) is None}
    with console.client("analyst") as client:
        said = [check[name] for check in client.get("/api/v1/health").json()["checks"] for name in ("found", "advice")]
        said += client.get("/api/v1/origin/210.52.109.9", params={"at": SINCE}).json()["reasons"]
        findings = client.get("/api/v1/findings", params={"limit": 1000}).json()["findings"]
        said += [text for one in findings for text in (one["title"], *one["reasons"])]
    assert len(findings) > 100
    assert unknown | {sentence for sentence in said if sentence and in_chinese(sentence) is None} == set()


def test_a_sentence_in_chinese_keeps_everything_that_is_in_it() -> None:
    told = json.loads((files("tidegauge.model") / "data" / "sentences.json").read_text(encoding="utf-8"))
    chance = np.random.default_rng(3)
    for english, _ in told:
        names = re.findall(r"\{(\w+)\}", english)
        values = {name: f"{chance.integers(1, 10**6):,}" for name in names}
        sentence = re.sub(r"\{(\w+)\}", lambda found, values=values: values[found[1]], english)
        chinese = in_chinese(sentence)
        assert chinese is not None
        assert all(value in chinese for value in values.values()), english
