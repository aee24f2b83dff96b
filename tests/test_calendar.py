"""Hours, days and holidays go by the clocks of a place; a lasting change of level is called what it is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.make import run_json
from tidegauge.detect import Calendar, decide
from tidegauge.inquiry.calendars import calendar_in, country_of
from tidegauge.model import parse_time

WIDTH_S, DAY_S = 900, 86_400
ZONES = {  # a zone, and a change of its clocks: at 1 UTC, at midnight, by half an hour, in a half-hour zone
    "Europe/Berlin": "2016-10-30", "Australia/Melbourne": "2016-10-02", "America/Havana": "2016-11-06",
    "Asia/Beirut": "2016-03-27", "Australia/Lord_Howe": "2016-10-02", "Australia/Adelaide": "2016-04-03",
    "America/St_Johns": "2016-03-13",
}


def commuters(zone: str, begin_s: int, days: int, seed: int, level: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Starts and counts of a street: two sharp peaks on workdays by the clocks of the zone."""
    starts = begin_s + np.arange(days * DAY_S // WIDTH_S) * WIDTH_S
    local = Calendar(zone=zone).local_s(starts)
    hour, weekday = local % DAY_S / 3600, (local // DAY_S + 3) % 7
    rush = sum(np.exp(-((hour - at) ** 2) / 0.5) for at in (8.0, 17.5))
    rate = np.where(weekday < 5, 30 + 900 * rush, 60 + 100 * np.exp(-((hour - 14) ** 2) / 8)) * level
    return starts, np.random.default_rng(seed).poisson(rate).astype(np.float64)


def verdict(starts: np.ndarray, values: np.ndarray, since_s: int, calendar: Calendar) -> str:
    first = int((since_s - starts[0]) // WIDTH_S)
    outcome = decide(
        starts, values, np.ones(len(values)), width_s=WIDTH_S, asked=slice(first, len(values)), false_alarm=0.01,
        power=0.95, unit=1.0, calendar=calendar,
    )
    return outcome.verdict


@pytest.mark.parametrize(("zone", "change"), ZONES.items())
@pytest.mark.parametrize("weeks_before", [0, 1])
def test_clocks_that_change_make_no_surge(zone: str, change: str, weeks_before: int) -> None:
    """The change lies in the asked week, or in the last week of the history."""
    since_s = parse_time(change, now_s=0) // DAY_S * DAY_S + (weeks_before * 7 - 3) * DAY_S
    starts, values = commuters(zone, since_s - 28 * DAY_S, 35, seed=7)
    assert verdict(starts, values, since_s, Calendar(zone=zone)) == "no_surge"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Melbourne"])
def test_without_a_zone_a_change_of_clocks_is_said(zone: str, tmp_path: Path) -> None:
    since_s = parse_time(ZONES[zone], now_s=0) - 3 * DAY_S
    starts, values = commuters(zone, since_s - 28 * DAY_S, 35, seed=7)
    path = tmp_path / "s.csv"
    path.write_text("time,value\n" + "\n".join(f"{s},{v:.0f}" for s, v in zip(starts, values, strict=True)))
    (told,) = run_json("assess", str(path), "--since", str(since_s))
    assert told["verdict"] == "surge"
    assert any("change of clocks" in caveat for caveat in told["caveats"])
    (known,) = run_json("assess", str(path), "--since", str(since_s), "--zone", zone)
    assert known["verdict"] == "no_surge"
    assert not any("clocks" in caveat for caveat in known["caveats"])


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_burst_is_one_whatever_the_clocks_do(zone: str) -> None:
    since_s = parse_time("2016-10-27", now_s=0)
    starts, values = commuters("Europe/Berlin", since_s - 28 * DAY_S, 35, seed=7)
    values[-300:-290] += 3000
    outcome = decide(
        starts, values, np.ones(len(values)), width_s=WIDTH_S, asked=slice(28 * 96, len(values)), false_alarm=0.01,
        power=0.95, unit=1.0, calendar=Calendar(zone=zone),
    )
    assert "burst" in {surge.shape for surge in outcome.surges}
    assert not any("change of clocks" in caveat for caveat in outcome.caveats)


def test_a_new_level_is_a_step() -> None:
    since_s = parse_time("2016-06-06", now_s=0)
    starts, values = commuters("UTC", since_s - 28 * DAY_S, 35, seed=3)
    _, higher = commuters("UTC", since_s - 28 * DAY_S, 35, seed=4, level=2.1)
    values[30 * 96 + 40 :] = higher[30 * 96 + 40 :]
    outcome = decide(
        starts, values, np.ones(len(values)), width_s=WIDTH_S, asked=slice(28 * 96, len(values)), false_alarm=0.01,
        power=0.95, unit=1.0,
    )
    assert {surge.shape for surge in outcome.surges} == {"step"}
    (told,) = [caveat for caveat in outcome.caveats if "new level" in caveat]
    assert "about 2.1 times" in told
    assert "2016-06-08T1" in told


def test_holidays_are_those_of_the_zones_country() -> None:
    assert (country_of("Asia/Taipei"), country_of("UTC")) == ("TW", None)
    since_s, until_s = (parse_time(day, now_s=0) for day in ("2016-12-01", "2017-01-31"))
    known = calendar_in("Europe/Berlin", since_s, until_s)
    christmas = parse_time("2016-12-25", now_s=0) // DAY_S
    assert {christmas, christmas + 1, christmas + 7} <= known.holidays
    assert christmas + 2 not in known.holidays
    assert calendar_in("UTC", since_s, until_s).holidays == frozenset()


def test_what_comes_after_a_break_has_nothing_to_compare_with() -> None:
    since_s = parse_time("2017-01-06", now_s=0)
    day = since_s // DAY_S
    starts, values = commuters("UTC", since_s - 35 * DAY_S, 42, seed=3)
    away = (starts // DAY_S >= day - 17) & (starts // DAY_S < day)
    values[away] = np.floor(values[away] * 0.3)
    ones = np.ones(len(values))
    outcomes = {
        breaks: decide(
            starts, values, ones, width_s=WIDTH_S, asked=slice(35 * 96, len(values)), false_alarm=0.01, power=0.95,
            unit=1.0, calendar=Calendar(breaks=breaks),
        )
        for breaks in ((), ((day - 17, day),))
    }
    known = outcomes[(day - 17, day),]
    assert known.verdict == "no_surge"
    assert any("first days after a break" in caveat for caveat in known.caveats)


def test_local_time_is_what_the_clocks_show() -> None:
    times = np.arange(1_477_000_000, 1_479_000_000, 1800)
    for zone in (*ZONES, "Asia/Kolkata", "Asia/Kathmandu"):
        place = ZoneInfo(zone)
        shown = [datetime.fromtimestamp(t, place) for t in times.tolist()]
        local = Calendar(zone=zone).local_s(times)
        assert [(s % DAY_S) for s in local.tolist()] == [t.hour * 3600 + t.minute * 60 + t.second for t in shown]
