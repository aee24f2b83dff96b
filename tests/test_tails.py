"""What the tails rest on: remade time, events, the larger half, other series, and the largest that was seen."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from scipy.stats import binom

from tidegauge.detect import Outcome, conclude, decide, evidence, learn, pooled
from tidegauge.detect.peaks import lasting_of
from tidegauge.detect.resample import Remade
from tidegauge.detect.tail import SLOPES, THETAS, learned_prior
from tidegauge.inquiry.ranking import discoveries
from tools.learn_tails import learned_from, tails, weeks

DAY, WIDTH_S = 288, 300
HISTORY, BINS = 28 * DAY, 35 * DAY
STARTS = 1_416_787_200 + np.arange(BINS) * WIDTH_S
ASKED = slice(HISTORY, BINS)


def thin(random: np.random.Generator, a_day: float, sigma: float) -> np.ndarray:
    counts = random.poisson(a_day / DAY, BINS)
    sizes = 20_000 * np.exp(sigma * random.normal(size=int(counts.sum())))
    return np.diff(np.r_[0.0, np.cumsum(sizes)][np.r_[0, np.cumsum(counts)]])


def judged(values: np.ndarray, false_alarm: float = 0.05) -> Outcome:
    return decide(
        STARTS, values, np.ones(BINS), width_s=WIDTH_S, asked=ASKED, false_alarm=false_alarm, power=0.95, unit=20_000.0
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(2, 30), st.data())
def test_windows_of_remade_time_are_sums_of_its_bins_and_go_on_around_its_end(
    repeats: int, asked: int, data: st.DataObject
) -> None:
    length = data.draw(st.integers(1, asked))
    bins = np.array(data.draw(st.lists(st.integers(-100, 100), min_size=repeats * asked, max_size=repeats * asked)))
    made = Remade(np.r_[0.0, np.cumsum(bins)], asked, 1)
    around = np.r_[bins, bins]
    expected = [around[i : i + length].sum() for i in range(len(bins))]
    assert made.excess(length).reshape(-1).tolist() == expected


def test_a_days_level_is_that_of_a_sum_of_its_bins() -> None:
    random = np.random.default_rng(1)
    levels = []
    for _ in range(12):
        values = random.poisson(200, BINS) * 10_000.0
        (scan,) = [scan for scan in judged(values).judgement.scans if scan.length == DAY]
        levels.append(float(np.median(scan.critical - scan.expected)) / (10_000 * np.sqrt(200 * DAY)))
    # One in a hundred weeks goes beyond 3.3 deviations; the expectation is learned from the same days and adds to that.
    assert 2.5 < np.median(levels) < 6


def test_quiet_thin_series_keep_the_bound() -> None:
    random = np.random.default_rng(2)
    runs = 120
    false = sum(judged(thin(random, random.uniform(0.1, 6), 1.2)).verdict == "surge" for _ in range(runs))
    assert false <= binom.ppf(0.995, runs, 0.05)


def test_nothing_that_is_no_larger_than_what_the_history_holds_is_a_surge() -> None:
    random = np.random.default_rng(3)
    for _ in range(10):
        values = random.poisson(50, BINS) * 1000.0
        for place in random.integers(0, HISTORY - 400, 5):  # five of a kind, an hour and a half each
            values[place : place + 18] += 300_000
        values[HISTORY + 500 : HISTORY + 518] += 290_000
        assert judged(values).verdict == "no_surge"


def test_what_is_large_lasts_as_long_as_its_events() -> None:
    random = np.random.default_rng(4)
    alone = random.exponential(1, 8000)
    assert lasting_of(alone, np.ones(8000, bool)) <= 2
    together = random.exponential(0.1, 8000)
    for place in range(200, 7800, 900):
        together[place : place + 30] += random.exponential(5, 30)
    assert lasting_of(together, np.ones(8000, bool)) >= 4


def test_a_few_flows_are_known_by_those_of_other_series() -> None:
    random = np.random.default_rng(5)

    def learned(values: np.ndarray, false_alarm: float):  # type: ignore[no-untyped-def]
        return learn(
            STARTS, values, np.ones(BINS), width_s=WIDTH_S, asked=ASKED, false_alarm=false_alarm, unit=20_000.0
        )

    others = [learned(thin(random, random.uniform(1, 8), 1.0), 1e-4) for _ in range(60)]
    pool = pooled(evidence(one) for one in others)
    assert pool.series == (60, 0)
    narrower, false, runs = [], 0, 100
    for _ in range(runs):
        own = learned(thin(random, 1.0, 1.0), 0.02)
        alone, with_them = conclude(own, false_alarm=1e-4), conclude(own, false_alarm=1e-4, pool=pool)
        narrower.append(alone.scans[0].level / with_them.scans[0].level)
        judgement = conclude(own, false_alarm=0.05, pool=pool)
        false += any((scan.usable & (scan.observed > scan.critical)).any() for scan in judgement.scans)
    assert np.median(narrower) > 3
    assert false <= binom.ppf(0.995, runs, 0.05)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.01, 0.5))
def test_discoveries_follow_benjamini_and_hochberg(p_values: list[float], rate: float) -> None:
    ordered = sorted(p_values)
    bounds = [rate * k / len(ordered) for k in range(1, len(ordered) + 1)]
    assume(all(abs(p - bound) > 1e-12 for p, bound in zip(ordered, bounds, strict=True)))  # rounding decides at a bound
    below = (k for k, (p, bound) in enumerate(zip(ordered, bounds, strict=True), 1) if p <= bound)
    assert discoveries(p_values, rate) == max(below, default=0)


@pytest.mark.parametrize("text", ["", "1", "x/month", "0/day", "1/fortnight"])
def test_a_budget_that_is_none_is_refused(text: str) -> None:
    from tidegauge.app import parse_alarms
    from tidegauge.model import UsageError

    with pytest.raises(UsageError):
        parse_alarms(text)


def test_what_is_thought_before_is_learned_by_the_length_of_windows() -> None:
    """Shapes of each length are a distribution, nearest lengths stand for others, and sums over days have lighter tails
    than those over minutes."""
    tables = {duration_s: learned_prior(duration_s) for duration_s in (300, 900, 3600, 21600, 86400)}
    for table in tables.values():
        assert table.shape == (len(THETAS), len(SLOPES))
        assert (table > 0).all()
        assert table.sum() == pytest.approx(1, abs=1e-3)
    assert np.array_equal(learned_prior(600), tables[900])
    assert np.array_equal(learned_prior(7 * 86400), tables[86400])
    steep = {duration_s: float((table.sum(axis=0) * np.log(SLOPES)).sum()) for duration_s, table in tables.items()}
    assert steep[86400] < steep[300]


def test_tails_are_learned_from_series_each_source_alike(tmp_path: Path) -> None:
    for name in ("one_a", "one_b", "two_a"):
        values = np.random.default_rng(len(name)).gamma(2.0, 100.0, 40 * 288)
        rows = "".join(f"{300 * i},{value:.3f}\n" for i, value in enumerate(values))
        with gzip.open(tmp_path / f"{name}.csv.gz", "wt") as written:
            written.write("time,value\n" + rows)
    found = list(weeks([tmp_path]))
    assert {week.source for week in found} == {"one", "two"}
    told = learned_from(found)
    whole, without = tails(told), tails(told, "two")
    assert whole.keys() == without.keys() == {300, 900, 3600, 21600, 86400}
    assert all(table.sum() == pytest.approx(1) for table in whole.values())
    assert not np.array_equal(whole[300], without[300])
