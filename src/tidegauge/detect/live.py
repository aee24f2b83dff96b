"""Surges as they happen: the windows that end with the newest bin, under a budget of false alarms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.baseline import DAY_S
from tidegauge.detect.history import NO_CALENDAR, Calendar
from tidegauge.detect.surge import judge

Floats = NDArray[np.float64]
MONTH_S = 30 * DAY_S


@dataclass(frozen=True)
class Alarm:
    """A window that ends with the newest bin and lies above its critical level.

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
    budget_a_month: float = 1.0, origins: int = 1, late_s: int = 0, calendar: Calendar = NO_CALENDAR,
) -> list[Alarm]:  # fmt: skip
    """The same scores as a question's, for the newest bin alone.

    Args:
        starts_s, values, seen: bins up to now, history first; shape (n,).
        budget_a_month: false alarms that are borne in a month, over all origins together.
        origins: how many series share the budget.
        late_s: flows arrive so late: bins that began since then are not complete and are passed over.
    """
    complete = len(starts_s) - -(-late_s // width_s)
    asked_bins = min(DAY_S // width_s, complete // 8)
    if asked_bins < 1:
        return []
    asked = slice(complete - asked_bins, complete)
    # Peaks of a month are Poisson: `budget / origins` of them is the rate that the level is set for.
    rate = budget_a_month / origins * (asked_bins * width_s / MONTH_S)
    judgement = judge(
        starts_s[:complete], values[:complete], seen[:complete], width_s=width_s, asked=asked,
        false_alarm=-np.expm1(-rate), unit=unit, calendar=calendar,
    )  # fmt: skip
    found = []
    end_s = int(starts_s[complete - 1]) + width_s
    for scan in judgement.scans:
        if scan.usable[-1] and scan.observed[-1] > scan.critical[-1]:
            chance = min(float(scan.p_values[-1]), 1 - 1e-12)
            monthly = -np.log1p(-chance) * MONTH_S / (asked_bins * width_s)
            start_s = end_s - scan.length * width_s
            found.append(Alarm(start_s, end_s, float(scan.observed[-1]), float(scan.expected[-1]), float(monthly)))
    return sorted(found, key=lambda alarm: alarm.alarms_a_month)
