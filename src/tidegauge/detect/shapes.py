"""Whether what stands out is a burst, or the begin of a new level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Excess, format_time

Floats = NDArray[np.float64]
HOUR_S, LEAST_HOURS = 3600, 12
"""A level that lasts for less time is not told from a burst."""
OF_USUAL = 0.25
"""Hours of which less than this share of the mean is expected say little of a level."""
HIGHER, NEARLY_ALL, HALF_WAY = 1.2, 0.9, 0.4
"""A new level is so many times the old one, in so many of the hours by at least this part of the way."""

DAY_S, MANY_TIMES, LEAST_BEFORE, LEAST_AFTER = 86400, 5.0, 7, 3
"""A history has risen for good where each day since has so many times as much as any of so many days before at least,
for so many days at least: the robust level may be that of the rise then."""


def lasting_rise(
    starts_s: NDArray[np.int64], values: Floats, seen: Floats, *, width_s: int, asked: slice
) -> tuple[int, float] | None:
    """Since when each day of the history has many times as much as any day before, where the asked time has too: the
    begin, and how many times as much at least (infinite where nothing came before); else None."""
    size = max(DAY_S // width_s, 1)
    days = asked.start // size
    history = slice(asked.start - days * size, asked.start)
    amounts, shares = (column[history].reshape(days, size).sum(axis=1) for column in (values, seen))
    known = np.flatnonzero(shares >= size / 2)
    if len(known) < LEAST_BEFORE + LEAST_AFTER or not seen[asked].any():
        return None
    daily = amounts[known] * size / shares[known]
    now = float(values[asked].sum() / seen[asked].sum()) * size
    highest, lowest = np.maximum.accumulate(daily)[:-1], np.minimum.accumulate(daily[::-1])[::-1][1:]
    found = (lowest > 0) & (lowest >= MANY_TIMES * highest) & (now >= MANY_TIMES / 2 * highest)
    found[: LEAST_BEFORE - 1] = found[len(found) - LEAST_AFTER + 1 :] = False
    if not found.any():
        return None
    times = np.divide(lowest, highest, out=np.full(len(lowest), np.inf), where=highest > 0)
    last_before = int(np.argmax(np.where(found, times, 0)))
    return int(starts_s[history.start + int(known[last_before + 1]) * size]), float(times[last_before])


def new_level(starts_s: NDArray[np.int64], values: Floats, expected: Floats, width_s: int) -> tuple[int, float] | None:
    """From which hour of the asked time on every one is about as many times as high as expected, and how many; None
    where no such level lasts to the end.

    Args:
        starts_s, values, expected: of the asked bins; shape (n,).
    """
    size = max(HOUR_S // width_s, 1)
    hours = len(values) // size
    if hours * size * width_s < LEAST_HOURS * HOUR_S:
        return None
    seen, usual = (column[: hours * size].reshape(hours, size).sum(axis=1) for column in (values, expected))
    told = np.flatnonzero(usual > OF_USUAL * usual.mean())
    ratios = seen[told] / usual[told]
    least = max(LEAST_HOURS * HOUR_S // max(width_s, HOUR_S), 2)
    for first in range(len(told) - least + 1):
        level = float(np.median(ratios[first:]))
        high = ratios[first:] >= 1 + HALF_WAY * (level - 1)
        # It begins with an hour that is high itself, and those before it were not.
        if level >= HIGHER and high.mean() >= NEARLY_ALL and high[: min(3, len(high))].all():
            before = ratios[:first]
            if len(before) and float(np.median(before[-24:])) > 1 + HALF_WAY * (level - 1):
                return None
            return int(starts_s[told[first] * size]), level
    return None


def shaped(
    surges: tuple[Excess, ...], starts_s: NDArray[np.int64], values: Floats, expected: Floats, width_s: int
) -> tuple[tuple[Excess, ...], str | None]:
    """Surges with their shape, and the caveat on a new level that some of them belong to."""
    level = new_level(starts_s, values, expected, width_s) if surges else None
    since_s = level[0] if level else None
    found = tuple(
        replace(surge, shape="step" if since_s is not None and surge.end_s > since_s else "burst") for surge in surges
    )
    if level is None or all(surge.shape == "burst" for surge in found):
        return found, None
    return found, (
        f"Nearly every hour since {format_time(level[0])} is about {level[1]:.1f} times as high as expected: this looks"
        " like a new level, not like a burst."
    )
