"""The parts of the judgement: tails, peaks, baselines, the reverse question, the live form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import binomtest

from tidegauge.detect import Calendar, Outcome, decide, live_alarms
from tidegauge.detect.baseline import fit_baseline
from tidegauge.detect.peaks import Peaks, find_peaks, memory_of, separate_lengths, strangers
from tidegauge.detect.tail import fit_tail

DAY = 288
STARTS = 1_414_368_000 + 300 * np.arange(35 * DAY)  # from a Monday on
ASKED = slice(28 * DAY, 35 * DAY)


def judged(values: np.ndarray, **more: object) -> Outcome:
    options: dict[str, object] = {"false_alarm": 0.05, "power": 0.95, "unit": 1000.0, "asked": ASKED, **more}
    return decide(STARTS[: len(values)], values, np.ones(len(values)), width_s=300, **options)  # type: ignore[arg-type]


def thick(random: np.random.Generator, days: int = 35) -> np.ndarray:
    day = 1 + 0.5 * np.sin(2 * np.pi * np.arange(days * DAY) / DAY)
    return random.poisson(500 * day) * 1000.0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(1.01, 1e6), min_size=1, max_size=80), st.floats(0.7, 8))
def test_a_tail_falls_and_its_level_is_its_inverse(peaks: list[float], depth: float) -> None:
    tail = fit_tail(np.array(peaks), threshold=1.0, depth=depth, exposure=8000.0)
    scores = np.geomspace(1.0, 1e9, 60)
    falls = np.diff(tail.survival(scores))
    assert (falls <= 1e-12).all()
    assert tail.survival(np.array([0.5, 1.0])).tolist() == pytest.approx([1.0, 1.0])
    for chance in (0.2, 0.01, 0.0001):
        level = tail.level(chance, 2000.0)
        if level > 1.0 + 1e-9 and np.log(level) < 59:
            assert tail.p_value(np.array([level]), 2000.0)[0] == pytest.approx(chance, rel=0.02)


@pytest.mark.parametrize(
    ("draw", "quantile"),
    [
        (lambda r, n: np.abs(r.normal(size=n)), 4.42),
        (lambda r, n: r.exponential(size=n), 11.5),
        (lambda r, n: r.pareto(2.0, n) + 1, 316.0),
    ],
)
def test_extrapolation_stays_near_the_truth_for_gaussian_exponential_and_pareto(draw: object, quantile: float) -> None:
    assert callable(draw)
    found = []
    for seed in range(30):
        values = draw(np.random.default_rng(seed), 8000)
        threshold = float(np.quantile(values, 0.99))
        peaks = values[values > threshold]
        tail = fit_tail(peaks, threshold=threshold, depth=-np.log(0.01), exposure=8000.0)
        found.append(tail.level(0.02, 2000.0))  # 1 in 100,000
    assert 0.8 * quantile < np.median(found) < 3 * quantile


def test_peaks_are_runs_and_quiet_series_have_none() -> None:
    scores = np.zeros(3000)
    scores[[100, 101, 102, 500, 2000]] = [5, 9, 4, 7, 8]
    peaks = find_peaks(scores, np.ones(3000, bool), scores > 0, 1, floor=1.0)
    # All that ever happened: the tail is that of the larger half.
    assert peaks.smaller is not None
    assert peaks.scores.tolist() == [9]
    assert peaks.smaller.scores.tolist() == [7, 8]
    assert peaks.threshold == 8
    assert peaks.begins.tolist() == [100]
    assert peaks.smaller.begins.tolist() == [500, 2000]
    none = find_peaks(np.zeros(3000), np.ones(3000, bool), np.zeros(3000, bool), 1, floor=1.0)
    assert len(none.scores) == 0


def test_few_far_larger_peaks_are_strangers_and_a_heavy_tail_has_none() -> None:
    random = np.random.default_rng(1)

    def peaks(scores: np.ndarray) -> Peaks:
        places = np.arange(len(scores))
        return Peaks(scores, places, places + 1, 1.0, 4.0, 8000.0)

    light = 1 + random.exponential(0.3, 60)
    assert strangers(peaks(np.r_[light, 40.0, 55.0])).tolist() == [False] * 60 + [True, True]
    flagged = [strangers(peaks(1 + random.pareto(1.5, 60))).any() for _ in range(40)]
    assert sum(flagged) <= 2


def test_lengths_that_see_the_same_count_once() -> None:
    def at(*places: int) -> Peaks:
        where = np.array(places)
        return Peaks(np.arange(len(places)) + 2.0, where, where + 1, 1.0, 3.0, 1000.0)

    assert separate_lengths([(1, at(10, 200, 700)), (3, at(9, 199, 699)), (12, at(2, 195, 690))]) == 1.0
    assert separate_lengths([(1, at(10, 200, 700)), (3, at(100, 400, 900))]) == 2.0


def test_the_baseline_knows_day_week_growth_and_long_bins() -> None:
    hours = np.arange(28 * 24)
    starts = 1_414_368_000 + 3600 * hours
    weekend = hours // 24 % 7 >= 5
    truth = (100 + 50 * np.sin(2 * np.pi * hours / 24)) * np.where(weekend, 0.5, 1.0) * 1.01 ** (hours / 24)
    fitted = fit_baseline(starts, truth, np.ones(len(truth)), width_s=3600)
    assert fitted.growth == pytest.approx(1.01, abs=0.001)
    assert np.abs(fitted.expected(starts) / truth - 1).max() < 0.03
    days = truth.reshape(-1, 24).sum(axis=1)
    daily = fit_baseline(starts[::24], days, np.ones(28), width_s=86400)
    assert np.abs(daily.expected(starts[::24]) / days - 1).max() < 0.05


def test_a_surge_of_the_past_does_not_teach_that_surges_are_normal() -> None:
    random = np.random.default_rng(3)
    values = thick(random)
    values[10 * DAY : 10 * DAY + 24] *= 6
    values[20 * DAY : 20 * DAY + 12] *= 4
    outcome = judged(values)
    without = judged(thick(np.random.default_rng(3)))
    assert outcome.verdict == "no_surge"
    assert len(outcome.judgement.past_surges) == 2
    assert any("taken without them: 2014-11-0" in caveat for caveat in outcome.caveats), outcome.caveats
    for limit, plain in zip(outcome.limits, without.limits, strict=True):
        assert limit.amount == pytest.approx(plain.amount, rel=0.35)
    values[30 * DAY : 30 * DAY + 12] *= 4
    assert judged(values).verdict == "surge"


def test_the_reverse_question_agrees_with_the_limit() -> None:
    values = thick(np.random.default_rng(4))
    limit = {x.duration_s: x.amount for x in judged(values).limits}[3600]
    assert limit is not None
    wanted = ((limit * 1.0001, 3600), (limit * 3, 3600), (limit / 50, 3600))
    at_limit, above, below = judged(values, wanted=wanted).would_have_seen
    assert at_limit.probability == pytest.approx(0.95, abs=0.01)
    assert above.probability is not None
    assert above.probability > 0.99
    assert below.probability is not None
    assert below.probability < 0.1


def test_holidays_are_like_sundays_and_one_off_days_teach_nothing() -> None:
    random = np.random.default_rng(5)
    weekend = np.arange(35 * DAY) // DAY % 7 >= 5
    values = random.poisson(np.where(weekend, 500, 50)) * 1000.0
    wednesday = 30 * DAY
    values[wednesday : wednesday + DAY] = random.poisson(500, DAY) * 1000.0
    assert judged(values).verdict == "surge"
    holiday = frozenset({int(STARTS[wednesday]) // 86400})
    assert judged(values, calendar=Calendar(holidays=holiday)).verdict == "no_surge"
    odd = thick(random)
    odd[5 * DAY : 6 * DAY] *= 3
    day = frozenset({int(STARTS[5 * DAY]) // 86400})
    assert judged(odd, calendar=Calendar(one_off=day)).judgement.past_surges == ()


def test_live_alarms_keep_their_budget_and_see_a_surge_at_once() -> None:
    alarms, times, quarter = 0, 0, DAY // 4
    for seed in range(6):
        values = thick(np.random.default_rng(seed))
        before = False
        for end in range(29 * DAY, 35 * DAY, quarter):  # all bins of six days, so many of them together
            now = bool(live_alarms(
                STARTS[:end], values[:end], np.ones(end), width_s=300, unit=1000.0, budget_a_month=5.0, newest=quarter
            ))
            # Windows that follow one another tell of the same: one alarm.
            alarms, times, before = alarms + (now and not before), times + 1, now
    assert binomtest(alarms, times, 5.0 / (30 * 4), alternative="greater").pvalue > 0.01
    values = thick(np.random.default_rng(9))
    values[30 * DAY : 30 * DAY + 3] *= 3
    end = 30 * DAY + 3
    alarms_now = live_alarms(STARTS[:end], values[:end], np.ones(end), width_s=300, unit=1000.0)
    assert {alarm.end_s for alarm in alarms_now} == {STARTS[end]}
    assert any(alarm.observed > 2 * alarm.expected for alarm in alarms_now)
    assert live_alarms(STARTS[:end], values[:end], np.ones(end), width_s=300, unit=1000.0, late_s=900) == []


@pytest.mark.parametrize("days", [1, 2, 5])
def test_a_weekend_is_not_enough_history_for_a_monday(days: int) -> None:
    alarms = 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        weekday = np.arange(35 * DAY) // DAY % 7 < 5
        values = random.poisson(np.where(weekday, 1000, 450)) * 1000.0
        begin = 28 * DAY - days * DAY
        part = values[begin : 29 * DAY]
        outcome = decide(
            STARTS[begin : 29 * DAY], part, np.ones(len(part)), width_s=300, asked=slice(days * DAY, len(part)),
            false_alarm=0.05, power=0.95, unit=1000.0,
        )
        alarms += outcome.verdict == "surge"
        assert any("history is short" in caveat for caveat in outcome.caveats)
    assert alarms <= 2


def test_memory_is_that_of_the_series_and_not_of_the_time_of_day() -> None:
    random = np.random.default_rng(6)
    usable = np.ones(8000, dtype=bool)
    assert memory_of(random.normal(size=8000), usable) == 1
    slow = np.zeros(8000)
    for i in range(1, 8000):
        slow[i] = 0.98 * slow[i - 1] + random.normal()
    assert 30 < memory_of(slow, usable) < 110  # 0.98 to the 60th is 0.3
    day = 1 + 0.9 * np.sin(2 * np.pi * np.arange(35 * DAY) / DAY)
    thin = random.poisson(0.02 * day) * 1e4 * np.exp(random.normal(size=35 * DAY))
    thinner = {x.duration_s: x.amount for x in judged(thin).limits}[300]
    assert thinner is not None
    assert thinner < 60 * thin.max()  # a day's memory would leave a handful of peaks, and a limit without end
