"""What would have been seen: the smallest added amount that the same procedure calls a surge, with a stated power.

Currie (Anal. Chem. 40, 1968, 586): the critical level decides, the detection limit says what it would have found.
Scores are linear in what is added, so the amount that just crosses a critical level is solved for, not searched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.surge import Judgement
from tidegauge.detect.windows import SEEN_ENOUGH

Floats = NDArray[np.float64]

MOMENTS = 400
SHIFTS = 32


def needed_amounts(
    judgement: Judgement, seen: Floats, called: NDArray[np.bool_], *, duration_bins: float, moments: Floats
) -> Floats:
    """The least further amount, spread evenly over a duration from each moment, that makes some window a surge.

    Args:
        seen: coverage of the asked bins; shape (n,).
        called: bins of surges that were called; shape (n,). Windows with one of them are above their level already and
            say nothing of a further addition.
        moments: beginnings, in bins from the start of the asked time; shape (m,).
    Returns:
        Shape (m,); infinite where no amount would be seen. What lies behind the asked time is not seen.
    """
    before = np.r_[0, np.cumsum(called)]
    cumulated = np.r_[0.0, np.cumsum(np.where(seen >= SEEN_ENOUGH, seen, 0.0))]
    needed = np.full(len(moments), np.inf)
    for scan in judgement.scans:
        free = before[scan.length :] == before[: len(before) - scan.length]
        lack = np.where(scan.usable & free, np.maximum(scan.critical - scan.observed, 0.0), np.inf)
        first = np.floor(moments).astype(np.int64) + _shifts(scan.length, duration_bins)[:, None]
        inside = (first >= 0) & (first < len(lack))
        place = np.clip(first, 0, len(lack) - 1)
        begin = np.maximum(moments, place)
        end = np.minimum(moments + duration_bins, place + scan.length)
        caught = np.where(inside & (end > begin), _between(cumulated, end) - _between(cumulated, begin), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            amounts = np.where(caught > 0, lack[place] * duration_bins / caught, np.inf)
        needed = np.minimum(needed, amounts.min(axis=0))
    return needed


def _shifts(length: int, duration_bins: float) -> NDArray[np.int64]:
    """Starts of windows that overlap the addition, in bins from its own: evenly taken, shape (k,)."""
    last = int(np.ceil(duration_bins))
    shifts = np.linspace(1 - length, last, SHIFTS).round().astype(np.int64)
    # Always among them: the window that begins with it, and the one that ends with it.
    return np.unique(np.r_[shifts, 0, 1, last - length, last - length + 1])


def _between(cumulated: Floats, places: Floats) -> Floats:
    """Cumulated values between grid points; places within the grid or beyond its end."""
    below = np.minimum(places.astype(np.int64), len(cumulated) - 2)
    share = np.minimum(places - below, 1.0)
    return np.asarray(cumulated[below] + share * (cumulated[below + 1] - cumulated[below]))


def drawn_moments(seen: Floats, called: NDArray[np.bool_]) -> Floats:
    """Moments drawn evenly from the covered time outside what was called, in bins; they lie anywhere within their
    bin."""
    covered = np.flatnonzero((seen >= SEEN_ENOUGH) & ~called)
    places = np.linspace(0, max(len(covered) - 1, 0), min(MOMENTS, len(covered))).round().astype(np.int64)
    # A low-discrepancy sequence: multiples of the golden ratio.
    return np.asarray(covered[places] + (np.arange(len(places)) * 0.6180339887) % 1.0)


def detection_limit(
    judgement: Judgement, seen: Floats, called: NDArray[np.bool_], *, duration_bins: float, power: float
) -> float | None:
    """The amount that is found with probability `power` from a moment drawn uniformly from the covered asked time,
    outside what was called.

    None where no amount is found that often.
    """
    moments = drawn_moments(seen, called)
    if not len(moments) or not judgement.scans:
        return None
    needed = np.sort(needed_amounts(judgement, seen, called, duration_bins=duration_bins, moments=moments))
    # A hair more than what just reaches the critical level: only what lies above it is called a surge.
    limit = needed[min(int(np.ceil(power * len(needed))) - 1, len(needed) - 1)] * (1 + 1e-6)
    return float(limit) if np.isfinite(limit) else None


def found_probability(
    judgement: Judgement, seen: Floats, called: NDArray[np.bool_], *, duration_bins: float, amount: float
) -> float | None:
    """The reverse: with which probability an addition of that amount over that duration would have been found.

    None where nothing can be said.
    """
    moments = drawn_moments(seen, called)
    if not len(moments) or not judgement.scans:
        return None
    needed = needed_amounts(judgement, seen, called, duration_bins=duration_bins, moments=moments)
    return float((needed < amount).mean())
