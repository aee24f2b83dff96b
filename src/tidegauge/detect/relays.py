"""Does what goes out follow what came in? Cross-correlation of two series, held against all other shifts of time.

After stepping-stone detection by timing (Zhang and Paxson, "Detecting stepping stones", USENIX Security 2000) and by
volume: a host that only passes data on sends in bins what it got in bins shortly before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_LAG_S = 180.0
MOST_BINS = 1 << 17
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
        active: bins in which something came in.
    """

    correlation: float
    lag_s: float
    z: float
    rank: int
    shifts: int
    ratio: float
    active: int
    width_s: float


def followed(
    starts_in: Floats, ends_in: Floats, bytes_in: Floats, starts_out: Floats, ends_out: Floats, bytes_out: Floats
) -> Followed | None:
    """Judge whether flows out follow flows in; times in seconds, arrays of shape (n,) and (m,).

    Returns:
        None where there is too little to correlate.
    """
    first = float(min(starts_in.min(), starts_out.min()))
    last = float(max(ends_in.max(), ends_out.max()))
    width = max(10.0, (last - first) / MOST_BINS)
    bins = int((last - first) / width) + 1
    lags = int(MOST_LAG_S / width)
    if bins < 4 * lags:
        bins = 4 * lags  # a circle with room for shifts that mean nothing
    came, went = (
        binned((s - first) / width, (e - first) / width, b, bins)
        for s, e, b in ((starts_in, ends_in, bytes_in), (starts_out, ends_out, bytes_out))
    )
    active = int((came > 0).sum())
    if active < 3 or (went > 0).sum() < 3:
        return None
    # Roots: one large transfer must not stand for all.
    a, b = np.sqrt(came), np.sqrt(went)
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    if norm <= 0:
        return None
    circle = np.fft.irfft(np.conj(np.fft.rfft(a)) * np.fft.rfft(b), n=bins) / norm
    best = int(np.argmax(circle[: lags + 1]))
    others = circle[2 * lags + 1 : bins - lags] if bins > 3 * lags + 2 else circle[lags + 1 :]
    deviation = float(others.std()) or 1e-9
    return Followed(
        correlation=float(circle[best]), lag_s=best * width, z=float((circle[best] - others.mean()) / deviation),
        rank=int((others >= circle[best]).sum()), shifts=len(others),
        ratio=float(bytes_out.sum() / max(bytes_in.sum(), 1.0)), active=active, width_s=width,
    )  # fmt: skip


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
