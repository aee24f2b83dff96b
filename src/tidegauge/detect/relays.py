"""Does what goes out follow what came in? Cross-correlation of two series, held against all other shifts of time.

After stepping-stone detection by timing (Zhang and Paxson, "Detecting stepping stones", USENIX Security 2000) and by
volume: a host that only passes data on sends in bins what it got in bins shortly before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len

Floats = NDArray[np.float64]

MOST_LAG_S = 180.0
WIDTH_S, HOUR_S = 10.0, 3600.0
LAGS = int(MOST_LAG_S / WIDTH_S)
MOST_HOURS = 1000
LEAST_FOLLOWED = 0.3
"""Share of the bytes in that must be followed by any flow out within the longest lag, before anything is computed."""
LONGEST_SPREAD = 2000
"""Bins over which one flow is spread."""


@dataclass(frozen=True)
class Followed:
    """How well a series follows another.

    Attributes:
        correlation: of the two at the best lag (`lag_s`).
        z: how many standard deviations of all other shifts the best lies above their mean.
        rank: how many of the other shifts correlate as well; `shifts` of how many.
        ratio: bytes out over bytes in, in bins in which either had some.
        active: bins in which something came in; `matched` of these in which something went out at that lag.
    """

    correlation: float
    lag_s: float
    z: float
    rank: int
    shifts: int
    ratio: float
    active: int
    matched: int
    width_s: float


def followed(
    starts_in: Floats, ends_in: Floats, bytes_in: Floats, starts_out: Floats, ends_out: Floats, bytes_out: Floats
) -> Followed | None:
    """Judge whether flows out follow flows in; times in seconds, ascending, arrays of shape (n,) and (m,).

    Returns:
        None where there is too little to correlate.
    """
    if _followed_share(starts_in, ends_in, bytes_in, starts_out) < LEAST_FOLLOWED:
        return None
    # Only hours in which something came in, one behind the other: shifts of time then compare like with like.
    hours = np.unique((np.r_[starts_in, ends_in + MOST_LAG_S] // HOUR_S).astype(np.int64))[:MOST_HOURS]
    per_hour = int(HOUR_S / WIDTH_S)
    bins = next_fast_len(max(len(hours) * per_hour, 4 * LAGS), real=True)

    def laid(starts: Floats, ends: Floats, amounts: Floats) -> Floats:
        hour = (starts // HOUR_S).astype(np.int64)
        place = np.searchsorted(hours, hour)
        there = (place < len(hours)) & (hours[np.minimum(place, len(hours) - 1)] == hour)
        at = place[there] * per_hour + (starts[there] % HOUR_S) / WIDTH_S
        return binned(at, at + (ends[there] - starts[there]) / WIDTH_S, amounts[there], bins)

    came, went = laid(starts_in, ends_in, bytes_in), laid(starts_out, ends_out, bytes_out)
    active = int((came > 0).sum())
    if active < 3 or (went > 0).sum() < 3:
        return None
    # Roots: one large transfer must not stand for all.
    a, b = _fine(np.sqrt(came), len(hours) * per_hour), _fine(np.sqrt(went), len(hours) * per_hour)
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    if norm <= 0:
        return None
    circle = np.fft.irfft(np.conj(np.fft.rfft(a)) * np.fft.rfft(b), n=bins) / norm
    best = int(np.argmax(circle[: LAGS + 1]))
    others = circle[2 * LAGS + 1 : bins - LAGS]
    deviation = float(others.std()) or 1e-9
    return Followed(
        correlation=float(circle[best]), lag_s=best * WIDTH_S, z=float((circle[best] - others.mean()) / deviation),
        rank=int((others >= circle[best]).sum()), shifts=len(others),
        ratio=float(bytes_out.sum() / max(bytes_in.sum(), 1.0)), active=active,
        matched=int(((came > 0) & (np.roll(went, -best) > 0)).sum()), width_s=WIDTH_S,
    )


def _fine(values: Floats, used: int) -> Floats:
    """Values less the mean of their hour: two hosts that are busy in the same hours do not follow one another."""
    out = np.zeros_like(values)
    by_hour = values[:used].reshape(-1, int(HOUR_S / WIDTH_S))
    out[:used] = (by_hour - by_hour.mean(axis=1, keepdims=True)).reshape(-1)
    return out


def _followed_share(starts_in: Floats, ends_in: Floats, bytes_in: Floats, starts_out: Floats) -> float:
    """Share of the bytes in after whose start, and before whose end and the longest lag, a flow out begins."""
    begun = np.searchsorted(starts_out, starts_in, side="left")
    later = np.searchsorted(starts_out, ends_in + MOST_LAG_S, side="right")
    return float(bytes_in[later > begun].sum() / max(bytes_in.sum(), 1.0))


def binned(starts: Floats, ends: Floats, amounts: Floats, bins: int) -> Floats:
    """Amounts by bin, each spread evenly over the bins from its start to its end (positions in bins).

    >>> binned(np.array([0.5]), np.array([2.5]), np.array([4.0]), 4).round(1).tolist()
    [1.3, 1.3, 1.3, 0.0]
    """
    first = np.clip(starts.astype(np.int64), 0, bins - 1)
    last = np.clip(ends.astype(np.int64), first, bins - 1)
    lengths = np.minimum(last - first + 1, LONGEST_SPREAD)
    places = (
        np.repeat(first, lengths) + np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    )
    sums = np.bincount(places, weights=np.repeat(amounts / lengths, lengths), minlength=bins)[:bins]
    return np.asarray(sums, dtype=np.float64)
