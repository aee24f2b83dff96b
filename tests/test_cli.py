"""The command line: its contracts, its help, its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.conftest import copied, made_once
from tidegauge.cli import VERBS, program
from tidegauge.model import TidegaugeError


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program, list(arguments))


def result(*arguments: str) -> dict[str, object]:
    found = run(*arguments)
    assert found.exit_code == 0, found.output + repr(found.exception)
    return json.loads(found.stdout)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    found = run(verb, "--help")
    assert found.exit_code == 0
    assert f"Example: tidegauge {verb}" in found.output


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        found = run("demo", "--dir", str(folder), "--days", "30", "--surge", "KP:2014-11-25T03:00Z:2h:40MB")
        assert found.exit_code == 0, found.output
        assert "surge seen: incoming bytes from North Korea (KP), 2014-11-24 00:00 to" in found.output
        assert "simulated" in found.output

    return copied(made_once(tmp_path_factory, "surge", make), tmp_path_factory.mktemp("surge") / "site")


def test_ask_keeps_its_contract(simulated: Path) -> None:
    answer = result("ask", "--site", str(simulated), "--from", "KP", "--since", "2014-11-24", "--json")
    assert set(answer) == {
        "question", "verdict", "false_alarm", "power", "surges", "largest", "detection_limit", "coverage", "trust",
        "caveats", "method", "version",
    }
    assert answer["verdict"] == "surge"
    (surge,) = answer["surges"]  # type: ignore[misc]
    assert "2014-11-25T02" <= surge["start"] <= "2014-11-25T03:05"
    assert surge["observed"] == pytest.approx(40e6, rel=0.02)
    assert set(answer["detection_limit"][0]) == {"duration_s", "bytes", "bits_per_second"}  # type: ignore[index]
    before = result("ask", "--site", str(simulated), "--from", "KP", "--since", "2014-11-20", "--until", "2014-11-25",
                    "--json")
    assert before["verdict"] == "no_surge"


def test_exit_codes_of_ask(simulated: Path) -> None:
    question = ("ask", "--site", str(simulated), "--from", "KP", "--exit-code", "--json")
    assert run(*question, "--since", "2014-11-24").exit_code == 10
    assert run(*question, "--since", "2014-11-01T12:00Z", "--until", "2014-11-02").exit_code == 11
    assert run(*question, "--since", "2014-11-27").exit_code in (0, 11)


def test_what_was_lost_shows_in_coverage(simulated: Path) -> None:
    truth = json.loads((simulated / "truth.json").read_text())
    found = result("coverage", "--site", str(simulated), "--json")
    (exporter,) = found["exporters"]  # type: ignore[misc]
    assert exporter["lost"] > 0
    for gap in truth["gaps"]:
        assert any((b["start"] <= gap["start"] and b["end"] >= gap["end"][:-4] + ":00Z"[-4:]) or
                   b["start"][:15] == gap["start"][:15] for b in exporter["blind"])
    made, arrived = truth["flows"], exporter["records"]
    assert arrived + exporter["lost"] == pytest.approx(made, rel=0.01)


def test_sums_are_the_same_by_every_way(simulated: Path) -> None:
    site = ("--site", str(simulated))
    series = result("series", *site, "--from", "KP", "--width", "1h", "--json")
    top = result("top", "far_country", *site, "--where", "direction = 'in' AND src_country = 'KP'", "--json")
    flows = run("flows", *site, "--where", "far_country = 'KP' AND direction = 'in'", "--format", "json")
    by_flow = sum(json.loads(line)["bytes"] for line in flows.stdout.splitlines())
    assert sum(series["value"]) == top["rows"][0]["bytes"] == by_flow  # type: ignore[arg-type,index]
    assert len(series["start_s"]) == len(series["value"]) == len(series["coverage"])  # type: ignore[arg-type]


def test_flows_go_out_and_come_in_again(simulated: Path, tmp_path: Path) -> None:
    where = ("--site", str(simulated), "--where", "far_country = 'KP'")
    for kind in ("csv", "parquet"):
        path = tmp_path / f"kp.{kind}"
        assert run("flows", *where, "--format", kind, "-o", str(path)).exit_code == 0
        other = tmp_path / f"from-{kind}"
        result("init", str(other), "--home", "198.18.0.0/16", "--json")
        result("ingest", "--site", str(other), str(path), "--json")
        rows = result("top", "far_as", "--site", str(other), "--json")["rows"]
        assert rows == result("top", "far_as", *where, "--json")["rows"]


def test_a_wrong_site_file_names_file_line_and_expectation(tmp_path: Path) -> None:
    (tmp_path / "tidegauge.toml").write_text('[site]\nname = "x"\nhome = ["192.0.2.1/24"]\n')
    with pytest.raises(TidegaugeError) as error:
        CliRunner().invoke(program, ["top", "src", "--site", str(tmp_path)], catch_exceptions=False)
    assert str(error.value).startswith(f"{tmp_path}/tidegauge.toml, line 3: `site.home.0`: bits are set")


def test_ingest_reports_a_bad_file_and_fails(tmp_path: Path) -> None:
    result("init", str(tmp_path / "site"), "--home", "192.0.2.0/24", "--json")
    bad = tmp_path / "bad.bin"
    bad.write_bytes(b"\x00\x01nonsense")
    found = run("ingest", "--site", str(tmp_path / "site"), str(bad), "--json")
    assert found.exit_code == 1
    report = json.loads(found.stdout)
    assert set(report) == {
        "files", "datagrams", "flows", "duplicates", "skipped", "direction", "warnings",
    }
    assert report["skipped"] == [{"what": str(bad), "why": "not a kind of file that holds flows", "count": 1}]


def test_editions_show_date_and_licence() -> None:
    editions = result("atlas", "editions", "--json")["editions"]
    assert [e["edition"] for e in editions] == ["2014-11-24", "2026-06-17"]  # type: ignore[attr-defined]
    assert all(e["licence"] for e in editions)  # type: ignore[attr-defined]


def test_the_reference_is_the_programs_own_help() -> None:
    import subprocess
    import sys

    tool = Path(__file__).parent.parent / "tools" / "cli_reference.py"
    assert subprocess.run([sys.executable, str(tool), "--check"], check=False).returncode == 0, f"run {tool.name}"


def test_ask_explains_a_surge_and_names_the_command_that_shows_it(simulated: Path) -> None:
    answer = result("ask", "--site", str(simulated), "--from", "KP", "--since", "2014-11-24", "--json")
    (surge,) = answer["surges"]  # type: ignore[misc]
    carriers = {(c["by"], c["value"]): c for c in surge["carried_by"]}
    assert carriers["far_as", "131279"]["share"] == pytest.approx(1, abs=0.01)
    assert carriers["home_port", "443"]["amount"] == pytest.approx(40e6, rel=0.02)
    verb, *words = surge["query"].removeprefix("tidegauge ").split(" --where ")[0].split()
    where = surge["query"].split(" --where ")[1].strip('"')
    shown = result(verb, *words, "--where", where, "--site", str(simulated), "--json")
    assert sum(row["bytes"] for row in shown["rows"]) > 0  # type: ignore[union-attr]
    assert [r["verdict"] for r in answer["trust"]["relays"]] == ["cannot_say"] * 4  # type: ignore[index]
    assert any("addresses is loaded for this time" in caveat for caveat in answer["caveats"])  # type: ignore[union-attr]


def test_all_metrics_are_judged_under_one_bound(simulated: Path) -> None:
    question = ("ask", "--site", str(simulated), "--from", "KP", "--json", "--metric", "all")
    answer = result(*question, "--since", "2014-11-24", "--would-have-seen", "400MB/2h")
    assert answer["verdict"] == "surge"
    assert {s["metric"] for s in answer["surges"]} >= {"bytes", "packets"}  # type: ignore[union-attr]
    keys = {"duration_s", "bytes", "bits_per_second", "packets", "flows", "hosts"}
    assert set(answer["detection_limit"][0]) == keys  # type: ignore[index]
    assert answer["would_have_seen"][0]["duration_s"] == 7200  # type: ignore[index]


def test_all_origins_are_ranked_under_one_bound(simulated: Path) -> None:
    ranking = result("ask", "--site", str(simulated), "--from", "all", "--since", "2014-11-24", "--json")
    origins = ranking["origins"]
    assert origins[0]["origin"] == "KP"  # type: ignore[index]
    assert len(origins) > 50  # type: ignore[arg-type]
    top = result("top", "far_country", "--site", str(simulated), "--where", "direction = 'in'", "--json")
    assert {o["origin"] for o in origins} >= {r["far_country"] for r in top["rows"]}  # type: ignore[union-attr]


def test_a_picture_shows_series_limits_and_blind_times(simulated: Path, tmp_path: Path) -> None:
    from xml.etree import ElementTree

    path = tmp_path / "kp.svg"
    found = run("ask", "--site", str(simulated), "--from", "KP", "--since", "2014-11-24", "--picture", str(path))
    assert found.exit_code == 0
    root = ElementTree.parse(path).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}polyline")) == 3
    titles = [t.text for t in root.iter(f"{space}title")]
    assert "surge" in titles
    assert any("silent" in str(title) for title in titles)


def test_a_question_that_cannot_be_read_is_one_clear_error() -> None:
    from tidegauge.app import parse_wanted

    with pytest.raises(TidegaugeError, match="not an amount over a time"):
        parse_wanted(["40MB"])
