"""The judgement by its promise: few false alarms in quiet series, additions of the stated size found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import binomtest

from tidegauge.cli import program
from tidegauge.detect import Outcome, decide

DAY = 288
STARTS = 1_414_368_000 + 300 * np.arange(35 * DAY)
ASKED = slice(28 * DAY, 35 * DAY)
SEASON = 1 + 0.5 * np.sin(2 * np.pi * STARTS / 86400)


def quiet(kind: str, random: np.random.Generator) -> np.ndarray:
    if kind == "thick":
        return random.poisson(2000 * SEASON) * 1000.0 * np.exp(0.1 * random.normal(size=len(STARTS)))
    counts = random.poisson(0.03 * SEASON)
    sizes = random.lognormal(8, 1, counts.sum())
    return np.bincount(np.repeat(np.arange(len(STARTS)), counts), weights=sizes, minlength=len(STARTS))


def judge(values: np.ndarray, seen: np.ndarray | None = None, false_alarm: float = 0.05) -> Outcome:
    return decide(
        STARTS, values, np.ones(len(values)) if seen is None else seen, width_s=300, asked=ASKED,
        false_alarm=false_alarm, power=0.95, unit=100.0,
    )


@pytest.mark.parametrize("kind", ["thick", "sparse"])
def test_false_alarms_and_finds_keep_their_promise(kind: str) -> None:
    alarms, found, tries = 0, 0, 40
    for seed in range(tries):
        random = np.random.default_rng(seed)
        values = quiet(kind, random)
        outcome = judge(values)
        alarms += outcome.verdict == "surge"
        limit = {x.duration_s: x.amount for x in outcome.limits}[3600]
        assert limit is not None
        begin = ASKED.start + random.uniform(0, 7 * DAY)
        bins = np.arange(len(values))
        overlap = np.clip(np.minimum(bins + 1, begin + 12) - np.maximum(bins, begin), 0, 1)
        found += judge(values + limit * overlap / 12).verdict == "surge"
    assert binomtest(alarms, tries, 0.05, alternative="greater").pvalue > 0.001
    assert binomtest(found, tries, 0.95, alternative="less").pvalue > 0.001


def test_a_surge_is_found_where_it_is() -> None:
    values = quiet("thick", np.random.default_rng(1))
    values[30 * DAY : 30 * DAY + 24] += 2e7
    outcome = judge(values)
    assert outcome.verdict == "surge"
    assert outcome.surges[0].start_s <= STARTS[30 * DAY] < outcome.surges[0].end_s
    assert outcome.surges[0].end_s - outcome.surges[0].start_s < 4 * 3600


def test_an_origin_never_seen_is_a_fine_no_with_a_limit() -> None:
    outcome = judge(np.zeros(len(STARTS)))
    assert outcome.verdict == "no_surge"
    assert all(limit.amount is not None and limit.amount > 0 for limit in outcome.limits)


def test_an_empty_series_that_nobody_watched_says_nothing() -> None:
    outcome = judge(np.zeros(len(STARTS)), np.zeros(len(STARTS)))
    assert outcome.verdict == "cannot_say"
    assert any("history" in reason for reason in outcome.caveats)
    assert any("coverage" in reason for reason in outcome.caveats)


def test_blind_bins_raise_the_limit_and_accuse_nobody() -> None:
    values = quiet("thick", np.random.default_rng(2))
    seen = np.ones(len(values))
    seen[29 * DAY : 29 * DAY + 200] = 0
    outcome = judge(values * seen, seen)
    assert outcome.verdict == "no_surge"
    half = judge(values * 0.5, np.full(len(values), 0.5))
    assert half.verdict == "cannot_say"


def test_half_seen_history_is_half_expected() -> None:
    values = quiet("thick", np.random.default_rng(3))
    seen = np.ones(len(values))
    seen[: 14 * DAY] = 0.6
    assert judge(values * seen, seen).verdict == "no_surge"


def write(path: Path, rows: list[str]) -> Path:
    path.write_text("time,value\n" + "\n".join(rows) + "\n")
    return path


def test_assess_prints_an_answer_a_line_in_order_and_errors_in_place(tmp_path: Path) -> None:
    values = quiet("thick", np.random.default_rng(4))
    good = write(tmp_path / "good.csv", [f"{t},{v}" for t, v in zip(STARTS, values, strict=True)])
    bad = write(tmp_path / "bad.csv", ["1414368000,1", "1414368300,many"])
    run = CliRunner().invoke(program, ["assess", "--json", "--since", "2014-11-24", str(good), str(bad), str(good)])
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.exit_code == 1
    assert [line.get("verdict") for line in lines] == ["no_surge", None, "no_surge"]
    assert lines[1] == {"error": f"{bad}, line 3: not an amount: 'many'"}
    assert lines[0]["question"]["width_s"] == 300
    assert [limit["duration_s"] for limit in lines[0]["detection_limit"]] == [300, 900, 3600, 21600, 86400]
    assert all("value" in limit for limit in lines[0]["detection_limit"])


def test_a_missing_row_is_blind_unless_it_means_zero(tmp_path: Path) -> None:
    path = write(tmp_path / "gap.csv", [f"{t},5" for i, t in enumerate(STARTS) if not 30 * DAY <= i < 33 * DAY])
    arguments = ["assess", "--json", "--exit-code", "--since", "2014-11-24", str(path)]
    run = CliRunner().invoke(program, arguments)
    assert (run.exit_code, json.loads(run.stdout)["verdict"]) == (11, "cannot_say")
    run = CliRunner().invoke(program, [*arguments, "--missing", "zero"])
    assert (run.exit_code, json.loads(run.stdout)["coverage"]["share"]) == (0, 1.0)
