"""Peaks of a score: runs above a threshold, one value each, and which of them are no part of what is usual."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from tidegauge.detect.tail import Tail, fit_tail

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

PEAKS_PER_ROOT = 0.8
FEWEST, MOST = 6, 140
QUANTILES = 1 - np.geomspace(0.0015, 0.5, 36)
LARGEST = 10
"""So many of the largest peaks are doubted: each must fit what lies below it."""
UNLIKELY = 0.001
STRANGE = 0.03
"""A tail is given up where some of the peaks are less probable than this."""
SHALLOWEST = 0.7
COMPARED = 10
LIKE, FEWEST_ALIKE = 1 / 3, 2
"""Peaks of at least a third of a size are alike; one other is no habit, two are."""
NEARLY = 0.75
REMEMBERS = 0.3
LARGE, FEWEST_LARGE = 0.985, 20
"""The quantile above which scores are large, and of how many the times between them tell anything."""


@dataclass(frozen=True)
class Peaks:
    """Peaks above a threshold.

    Attributes:
        scores: the largest of each run; shape (n,).
        begins, ends: positions of the run's windows; shape (n,).
        depth: -log of the share of active windows above the threshold.
        exposure: usable windows.
        smaller: where peaks are all that ever happened, the smaller half of them, which lies at or below the threshold.
    """

    scores: Floats
    begins: Places
    ends: Places
    threshold: float
    depth: float
    exposure: float
    smaller: Peaks | None = None


def find_peaks(
    scores: Floats, usable: NDArray[np.bool_], active: NDArray[np.bool_], length: int, *, floor: float, memory: int = 1
) -> Peaks:
    """Peaks above a threshold chosen so that there are about 0.8 times the root of the number of separate windows.

    Args:
        scores: of overlapping windows, each a bin later; shape (n,). They must be above 0 where they are large.
        active: windows in which anything was: what is usual of a thin series is usual of these.
        length: bins of a window: runs closer than that are one peak.
        memory: bins over which the series remembers where it was: runs closer than that are one peak, too.
        floor: stands for a peak where none was ever seen, and is the least threshold.
    """
    known = scores[usable]
    exposure = float(len(known))
    apart = max(length, memory)
    wanted = float(np.clip(PEAKS_PER_ROOT * np.sqrt(len(known) / apart), FEWEST, MOST))
    best: tuple[float, Places, Places] | None = None
    for threshold in np.unique(np.quantile(known, QUANTILES))[::-1] if len(known) else ():
        if threshold < floor:
            break
        begins, ends = runs_above(usable & (scores > threshold), apart)
        if best is None or len(begins) > len(best[1]):
            best = (float(threshold), begins, ends)
        if len(begins) >= wanted:
            break
    if best is None or not len(best[1]):
        # Hardly anything ever happened: all there is counts, or what a single unit would have amounted to.
        begins, ends = runs_above(usable & (scores >= floor), apart)
        best = (floor * 0.9, begins, ends)
    threshold, begins, ends = best
    masked = np.where(usable, scores, -np.inf)
    tops = np.array([masked[a:b].max() for a, b in zip(begins, ends, strict=True)])
    usual, smaller = known[active[usable]], None
    if len(tops) and (usual > threshold).sum() > len(usual) / 2:
        # The tail is that of the larger half: nothing follows from how much smaller the smallest are.
        threshold = max(float(np.sort(tops)[(len(tops) - 1) // 2]), threshold)
        kept = tops > threshold
        smaller = Peaks(tops[~kept], begins[~kept], ends[~kept], 0.0, 0.0, exposure)
        tops, begins, ends = tops[kept], begins[kept], ends[kept]
    share = max(float((known > threshold).sum()), 0.5) / max(float((usable & active).sum()), 1.0)
    depth = SHALLOWEST if smaller else max(-np.log(share), SHALLOWEST)
    return Peaks(tops, begins, ends, threshold, depth, exposure, smaller)


def memory_of(scores: Floats, usable: NDArray[np.bool_]) -> int:
    """Bins until the autocorrelation of a score falls below `REMEMBERS`; at least 1.

    Scores are taken by rank, so that single large ones do not hide it.
    """
    if usable.sum() < 200:
        return 1
    ranks = np.zeros(len(scores))
    # Equal scores have equal ranks, else the order of time would make a correlation of its own.
    _, group, sizes = np.unique(scores[usable], return_inverse=True, return_counts=True)
    own = (np.cumsum(sizes) - (sizes + 1) / 2)[group]
    ranks[usable] = own - own.mean()
    size = 1 << int(np.ceil(np.log2(2 * len(ranks))))
    power = np.abs(np.fft.rfft(ranks, size)) ** 2
    correlation = np.fft.irfft(power, size)[: len(ranks) // 4]
    if correlation[0] <= 0:
        return 1
    low = np.flatnonzero(correlation / correlation[0] < REMEMBERS)
    return int(low[0]) if len(low) else len(correlation)


def lasting_of(scores: Floats, usable: NDArray[np.bool_]) -> int:
    """Bins that must lie between large scores for them to be of different events; at least 1.

    The intervals estimator of the extremal index tells how many of the times between large scores are between events:
    these are the longest ones (Ferro and Segers, J. R. Stat. Soc. B 65 (2003) 545).
    """
    places = np.flatnonzero(usable & (scores > np.quantile(scores[usable], LARGE))) if usable.any() else np.zeros(0)
    if len(places) < FEWEST_LARGE:
        return 1
    times = np.diff(places).astype(np.float64)
    if times.max() <= 2:
        index = 2 * times.sum() ** 2 / (len(times) * (times**2).sum())
    else:
        index = 2 * (times - 1).sum() ** 2 / (len(times) * ((times - 1) * (times - 2)).sum())
    events = int(min(index, 1.0) * len(times))
    return int(np.sort(times)[::-1][min(events, len(times) - 1)])


def runs_above(above: NDArray[np.bool_], length: int) -> tuple[Places, Places]:
    """Begin and end of runs; runs that are closer than a window are one."""
    if not len(above):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    edges = np.flatnonzero(above[1:] != above[:-1]) + 1
    edges = np.concatenate(([0] if above[0] else [], edges, [len(above)] if above[-1] else [])).astype(np.int64)
    begins, ends = edges[::2], edges[1::2]
    if len(begins) > 1:
        apart = begins[1:] - ends[:-1] >= length
        begins, ends = begins[np.concatenate(([True], apart))], ends[np.concatenate((apart, [True]))]
    return begins, ends


def tail_of(peaks: Peaks, *, floor: float, before: Floats | None = None) -> Tail:
    """The tail of peaks; where there was none, one of the floor's size stands for them."""
    scores = peaks.scores if len(peaks.scores) or peaks.smaller is not None else np.array([floor])
    found = fit_tail(
        scores, threshold=peaks.threshold, depth=peaks.depth, exposure=peaks.exposure, before=before
    )
    count: float = len(peaks.scores)
    if peaks.smaller is not None:
        count = (count + len(peaks.smaller.scores)) / 2
    return replace(found, peaks=count)


def fits(tail: Tail, peaks: Peaks) -> bool:
    """Whether so many peaks, as large as they are, are nothing strange under a tail: the largest, the second, and so
    on, each against the number of peaks that the tail expects above it."""
    largest = np.sort(peaks.scores)[::-1][:LARGEST]
    expected = tail.expected(largest, peaks.exposure)
    return bool((gammainc(np.arange(1, len(largest) + 1), np.maximum(expected, 1e-12)) >= STRANGE).all())


def strangers(peaks: Peaks) -> NDArray[np.bool_]:
    """Which of the largest peaks do not fit those below them: surges of the past, not what is usual. Shape (n,)."""
    count = len(peaks.scores)
    found = np.zeros(count, dtype=bool)
    doubted = min(LARGEST, 2 * count // 5)
    if not doubted:
        return found
    order = np.argsort(peaks.scores)
    tail = fit_tail(
        peaks.scores, threshold=peaks.threshold, depth=peaks.depth, exposure=peaks.exposure, censored=doubted
    )
    for place in range(count - doubted, count):
        score = peaks.scores[order[place]]
        # The chance that the largest of so many peaks is as large as this one.
        if -np.expm1(-(place + 1) * tail.survival(np.array([score]))[0]) < UNLIKELY:
            # What is nearly as large is of the same kind.
            found[(peaks.scores >= NEARLY * score) & np.isin(np.arange(count), order[count - doubted :])] = True
            break
    return found


def single(peaks: Peaks, doubted: NDArray[np.bool_], *, windows: float, false_alarm: float) -> NDArray[np.bool_]:
    """Which of the doubted peaks no other of its like stands beside: the rest of the history, others of its size
    included, would not expect one so large within the asked time. What recurs is usual, and counts. Shape (n,).

    Bursts are often a kind of their own, which no tail of the peaks below them foretells: so many of at least a third
    of its size make the next one as probable as their number tells (a Poisson count whose rate is Gamma).

    Args:
        windows: of the asked time.
        false_alarm: how probable one at most may be.
    """
    found = np.zeros(len(peaks.scores), dtype=bool)
    # The largest first: once one is left out, the next one is held against what is below both.
    for i in sorted(np.flatnonzero(doubted).tolist(), key=lambda i: -float(peaks.scores[i])):
        rest = ~found
        rest[i] = False
        tail = fit_tail(
            peaks.scores[rest], threshold=peaks.threshold, depth=peaks.depth, exposure=peaks.exposure
        )
        alike = int((rest & (peaks.scores >= LIKE * peaks.scores[i])).sum())
        recurs = 0.0
        if alike >= FEWEST_ALIKE:
            recurs = float(-np.expm1(-alike * np.log1p(windows / max(peaks.exposure, 1.0))))
        if max(recurs, tail.p_value(peaks.scores[[i]], windows)[0]) >= false_alarm:
            break
        found[i] = True
    return found


def separate_lengths(found: list[tuple[int, Peaks]]) -> float:
    """How many window lengths say something of their own: 1 where all see the same peaks, their number where none does.

    The largest peaks of every length are counted once where they lie in the same place.

    Args:
        found: bins of a window and its peaks, for each length.
    """
    most = min((len(peaks.scores) for _, peaks in found if len(peaks.scores)), default=0)
    most = min(most, COMPARED)
    if not most:
        return 1.0
    spans = []
    for length, peaks in found:
        top = np.argsort(peaks.scores)[::-1][:most]
        spans += [(int(peaks.begins[i]), int(peaks.ends[i]) + length - 1) for i in top]
    # Shorter spans first: a long window that holds a short peak has seen the same, one that holds two is one of them.
    spans.sort(key=lambda span: span[1] - span[0])
    kept: list[tuple[int, int]] = []
    for begin, end in spans:
        if not any(a < end and b > begin for a, b in kept):
            kept.append((begin, end))
    return float(np.clip(len(kept) / most, 1.0, len(found)))
