"""What would have been seen: the smallest added amount that the same procedure calls a surge, with a stated power.

Currie (Anal. Chem. 40, 1968, 586): the critical level decides, the detection limit says what it would have found.
Scores are linear in what is added, so the amount that just crosses a critical level is solved for, not searched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.surge import SEEN_ENOUGH, Judgement, Scan

Floats = NDArray[np.float64]

MOMENTS = 400
SHIFTS = 48


def needed_amounts(judgement: Judgement, seen: Floats, *, duration_bins: float, moments: Floats) -> Floats:
    """The least amount, spread evenly over a duration from each moment, that makes some window a surge.

    Args:
        seen: coverage of the asked bins; shape (n,).
        moments: beginnings, in bins from the start of the asked time; shape (m,).
    Returns:
        Shape (m,); infinite where no amount would be seen. What lies behind the asked time is not seen.
    """
    bins = len(seen)
    cumulated = np.r_[0.0, np.cumsum(np.where(seen >= SEEN_ENOUGH, seen, 0.0))]
    grid = np.arange(bins + 1)
    needed = np.full(len(moments), np.inf)
    for scan in judgement.scans:
        lack = np.where(scan.usable, scan.critical - scan.observed, np.inf)
        for first in _first_windows(scan, moments, duration_bins):
            inside = (first >= 0) & (first < len(lack))
            place = np.clip(first, 0, len(lack) - 1)
            begin = np.maximum(moments, place)
            end = np.minimum(moments + duration_bins, place + scan.length)
            caught = np.interp(end, grid, cumulated) - np.interp(begin, grid, cumulated)
            share = np.where(inside & (end > begin), caught / duration_bins, 0.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                amount = np.where(share > 0, np.maximum(lack[place], 0.0) / share, np.inf)
            needed = np.minimum(needed, np.where(np.isnan(amount), np.inf, amount))
    return needed


def _first_windows(scan: Scan, moments: Floats, duration_bins: float) -> list[NDArray[np.int64]]:
    """Windows that overlap the addition: starts for each moment, at evenly taken shifts."""
    begin = np.floor(moments).astype(np.int64)
    shifts = np.unique(np.linspace(1 - scan.length, np.ceil(duration_bins), SHIFTS).round().astype(np.int64))
    # Always among them: the window that begins with it, and the one that ends with it.
    exact = {0, 1, int(np.ceil(duration_bins)) - scan.length, int(np.ceil(duration_bins)) - scan.length + 1}
    return [begin + shift for shift in sorted({*shifts.tolist(), *exact})]


def drawn_moments(seen: Floats) -> Floats:
    """Moments drawn evenly from the covered time, in bins; they lie anywhere within their bin."""
    covered = np.flatnonzero(seen >= SEEN_ENOUGH)
    places = np.linspace(0, max(len(covered) - 1, 0), min(MOMENTS, len(covered))).round().astype(np.int64)
    # A low-discrepancy sequence: multiples of the golden ratio.
    return np.asarray(covered[places] + (np.arange(len(places)) * 0.6180339887) % 1.0)


def detection_limit(judgement: Judgement, seen: Floats, *, duration_bins: float, power: float) -> float | None:
    """The amount that is found with probability `power` from a moment drawn uniformly from the covered asked time.

    None where no amount is found that often.
    """
    moments = drawn_moments(seen)
    if not len(moments) or not judgement.scans:
        return None
    needed = np.sort(needed_amounts(judgement, seen, duration_bins=duration_bins, moments=moments))
    # A hair more than what just reaches the critical level: only what lies above it is called a surge.
    limit = needed[min(int(np.ceil(power * len(needed))) - 1, len(needed) - 1)] * (1 + 1e-6)
    return float(limit) if np.isfinite(limit) else None


def found_probability(judgement: Judgement, seen: Floats, *, duration_bins: float, amount: float) -> float | None:
    """The reverse: with which probability an addition of that amount over that duration would have been found.

    None where nothing can be said.
    """
    moments = drawn_moments(seen)
    if not len(moments) or not judgement.scans:
        return None
    needed = needed_amounts(judgement, seen, duration_bins=duration_bins, moments=moments)
    return float((needed < amount).mean())
