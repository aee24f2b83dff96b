"""Surges as they happen: the windows that end with the newest bin, under a budget of false alarms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.baseline import DAY_S
from tidegauge.detect.calendar import NO_CALENDAR, Calendar
from tidegauge.detect.surge import Judgement, judge

Floats = NDArray[np.float64]
MONTH_S = 30 * DAY_S


@dataclass(frozen=True)
class Alarm:
    """A window that ends with one of the newest bins and lies above its critical level.

    Attributes:
        alarms_a_month: how often a window that large would end a bin of this series when nothing happens, over all
            window lengths.
    """

    start_s: int
    end_s: int
    observed: float
    expected: float
    alarms_a_month: float


def live_alarms(
    starts_s: NDArray[np.int64], values: Floats, seen: Floats, *, width_s: int, unit: float,
    budget_a_month: float = 1.0, origins: int = 1, late_s: int = 0, calendar: Calendar = NO_CALENDAR, newest: int = 1,
) -> list[Alarm]:
    """The same scores as a question's, for the newest bins alone.

    Args:
        starts_s, values, seen: bins up to now, history first; shape (n,).
        budget_a_month: false alarms that are borne in a month, over all origins together.
        origins: how many series share the budget.
        late_s: flows arrive so late: bins that began since then are not complete and are passed over.
        newest: how many of the newest bins are looked at.
    """
    complete = len(starts_s) - -(-late_s // width_s)
    asked_bins = asked_of(complete, width_s, newest)
    if asked_bins < 1:
        return []
    chance = budgeted(budget_a_month / origins, asked_bins * width_s)
    judgement = judge(
        starts_s[:complete], values[:complete], seen[:complete], width_s=width_s,
        asked=slice(complete - asked_bins, complete), unit=unit, calendar=calendar,
        false_alarm=chance,
    )
    return above(judgement, starts_s[:complete], width_s=width_s, newest=newest, false_alarm=chance)


def asked_of(complete: int, width_s: int, newest: int) -> int:
    """How many of the newest bins are judged together: a day, or less where there is little history."""
    return max(min(DAY_S // width_s, complete // 8), min(newest, complete // 2))


def budgeted(alarms_a_month: float, asked_s: float) -> float:
    """The probability of an alarm within the asked time that so many a month mean (peaks come as a Poisson process)."""
    return float(-np.expm1(-alarms_a_month * asked_s / MONTH_S))


def above(
    judgement: Judgement, starts_s: NDArray[np.int64], *, width_s: int, newest: int, false_alarm: float
) -> list[Alarm]:
    """The windows that end with one of the newest bins and lie above their critical level, the rarest first.

    Args:
        starts_s: the bins that were judged, history first.
        false_alarm: what they were judged under; a window that is less rare is none, whatever its level.
    """
    found = []
    for scan in judgement.scans:
        asked_s = len(judgement.expected) * width_s
        rare = scan.usable & (scan.observed > scan.critical) & (scan.p_values <= false_alarm)
        for place in np.flatnonzero(rare).tolist():
            if len(scan.observed) - place > newest:
                continue  # it ended before
            monthly = float(-np.log1p(-min(float(scan.p_values[place]), 1 - 1e-12)) * MONTH_S / asked_s)
            start_s = int(starts_s[scan.first + place])
            end_s = start_s + scan.length * width_s
            found.append(Alarm(start_s, end_s, float(scan.observed[place]), float(scan.expected[place]), monthly))
    return sorted(found, key=lambda alarm: alarm.alarms_a_month)
