"""What sums over long windows do when nothing happens: time put together anew from pieces of the history.

A month shows a day's sum 28 times, but the pieces of which it is made thousands of times. So bins are drawn in pieces
as long as the series remembers (the moving-block bootstrap; Künsch, Ann. Statist. 17 (1989) 1217), from about the same
time of day, and what is large in them is drawn from the predictive tail of the shortest windows, since the largest of
the next month is not among those of the last one (the semi-parametric bootstrap of a compound sum; McNeil, Frey and
Embrechts, "Quantitative Risk Management", 2015, 10.2). What then is still wider in the history than in these sums, as
days differ from days, widens them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.peaks import Peaks, fits, runs_above, tail_of
from tidegauge.detect.tail import Tail
from tidegauge.detect.windows import UPPER, Scored, Standardised

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

REMADE = 150_000
"""Bins that are put together."""
LARGEST_SHARE = 1 / 12
"""Of a day: pieces come from times of day no further apart."""
STRETCH = 2016
"""Bins, at most, in which the tail has one shape."""
TRIES = 6
MOST_PEAKS = 140
SHALLOWEST_REMADE = 0.05
LEAST_PIECES = 2
"""Windows of at least so many pieces are judged by remade time."""
LONGER_PIECES = (1, 4, 16)
"""Where what is large lasts longer than a piece, longer ones are tried."""
ENOUGH = 8000
"""Remade windows that tell how far ordinary ones go."""
MOST_WIDER = 3.0
SEED = 1400


@dataclass(frozen=True)
class Remade:
    """Bins put together anew: the asked time so many times over.

    Attributes:
        cumulated: sums of what each bin shows above its expectation, in the series' metric, from 0; shape (n + 1,).
        asked: bins of the asked time, of which n is a multiple.
        piece: bins that were taken together.
    """

    cumulated: Floats
    asked: int
    piece: int

    def excess(self, length: int) -> Floats:
        """Of windows of a length that begin at each bin of the asked time, over its repetitions and around their end;
        shape (repetitions, asked)."""
        total = self.cumulated
        ends = np.r_[total[length:], total[1:length] + total[-1]]
        return np.asarray((ends - total[:-1]).reshape(-1, self.asked))


def remake(
    ratios: Floats, usable: NDArray[np.bool_], spread: Floats, *, first_bin: int, day: int, piece: int, peaks: Peaks,
    raised: float, tail: Tail,
) -> Remade:
    """Put time together from pieces of the history.

    Args:
        ratios: excess of each bin of the history over its spread; shape (h,).
        usable: which of them teach anything; shape (h,).
        spread: of each bin of the asked time; shape (m,).
        first_bin: bins from the history's start to the asked time.
        day: bins of a day, 0 where a bin is longer.
        piece: bins of a piece.
        peaks: of the single bins' scores, which are ratios raised by `raised`; `tail` what these tell of others.
    """
    random = np.random.default_rng(SEED)
    asked = len(spread)
    repeats = -(-REMADE // asked)
    size = repeats * asked
    places = _places(random, usable, -(-size // piece), piece, first_bin, asked, day)
    drawn = (places[:, None] + np.arange(piece)[None]).reshape(-1)[:size]
    values = np.where(usable, ratios, 0.0)[drawn]
    owner, number = np.full(len(ratios), -1), 0
    for part in (peaks, peaks.smaller):
        for a, b in zip(part.begins.tolist(), part.ends.tolist(), strict=True) if part else ():
            owner[a:b] = number
            number += 1
    whose = owner[drawn]
    large = np.flatnonzero(whose >= 0)
    if len(large):
        # What belongs to one peak grows and shrinks together wherever it is drawn within one stretch.
        stretch = min(asked, STRETCH)
        values[large] *= _factors(random, peaks, raised, tail, -(-size // stretch))[large // stretch, whose[large]]
    excess = (values.reshape(repeats, asked) * spread).reshape(-1)
    return Remade(np.r_[0.0, np.cumsum(excess)], asked, piece)


def _places(
    random: np.random.Generator, usable: NDArray[np.bool_], pieces: int, piece: int, first_bin: int, asked: int,
    day: int,
) -> Places:
    """Where in the history each piece begins: on any day, at about the time of day that it stands for."""
    last = max(len(usable) - piece, 0)
    total = np.r_[0, np.cumsum(usable)]
    whole = (total[piece:] - total[:-piece]) >= 0.9 * piece if last else np.ones(1, dtype=bool)
    candidates = np.flatnonzero(whole)
    if not len(candidates):
        candidates = np.arange(last + 1)
    found = candidates[random.integers(0, len(candidates), pieces)]
    days = len(usable) // day if day else 0
    if days < 2:
        return found
    wanted = (first_bin + np.arange(pieces) * piece % asked) % day
    open_ones = np.arange(pieces)
    around = max(int(LARGEST_SHARE * day), 1)
    for _ in range(TRIES):
        tried = (
            wanted[open_ones] + day * random.integers(-1, days + 1, len(open_ones))
            + random.integers(-around, around + 1, len(open_ones))
        )
        good = (tried >= 0) & (tried <= last)
        good[good] = whole[tried[good]]
        found[open_ones[good]] = tried[good]
        open_ones = open_ones[~good]
        if not len(open_ones):
            break
    return found


def _factors(random: np.random.Generator, peaks: Peaks, raised: float, tail: Tail, epochs: int) -> Floats:
    """By how much each peak of the history is larger or smaller in each stretch of time; shape (epochs, peaks)."""
    own = peaks.scores
    drawn = tail.draw(random, epochs, len(own) + (len(peaks.smaller.scores) if peaks.smaller else 0))
    if peaks.smaller:
        # Peaks are all that happens: which of them lie above the threshold is drawn, too.
        own = np.r_[own, peaks.smaller.scores]
        below = random.choice(peaks.smaller.scores, size=drawn.shape)
        drawn = np.where(random.random(drawn.shape) < np.exp(-tail.depth), drawn, below)
    return np.maximum(drawn - raised, 0.0) / np.maximum(own - raised, 1e-12)[None]


def peaks_of(scores: Floats, active_share: float, apart: int, *, floor: float) -> Peaks:
    """The largest runs of remade scores above a threshold that leaves about `MOST_PEAKS`, or above nine tenths of the
    floor where that is more."""
    blocks = len(scores) // apart
    tops = scores[: blocks * apart].reshape(blocks, apart).max(axis=1)
    wanted = min(2 * MOST_PEAKS, max(blocks // 2, 1))
    threshold = max(float(np.partition(tops, blocks - wanted)[blocks - wanted]), 0.9 * floor)
    above = scores > threshold
    begins, ends = runs_above(above, apart)
    highest = np.maximum.reduceat(scores, begins) if len(begins) else np.zeros(0)
    share = max(float(above.mean()), 0.5 / len(scores)) / max(active_share, 1e-9)
    return Peaks(highest, begins, ends, threshold, max(-np.log(share), SHALLOWEST_REMADE), float(len(scores)))


class Remakes:
    """Time put together anew for one series, in pieces of several lengths, each made when it is first asked for.

    Args:
        single: scores of single bins; `tail` what their peaks tell of others.
        recurring: bins of bursts that have a tail of their own.
        day: bins of a day.
        before: weights of the tail's shape before anything is seen.
    """

    def __init__(
        self, series: Standardised, single: Scored, tail: Tail, recurring: tuple[tuple[int, int], ...], *, day: int,
        before: Floats,
    ) -> None:
        self._series, self._single, self._tail, self._day, self._before = series, single, tail, day, before
        self._usable = series.past(single.usable, 1)[: series.first]
        for begin, end in recurring:
            self._usable[begin:end] = False
        self._made: dict[int, Remade] = {}

    def tail(self, one: Scored) -> Tail | None:
        """The tail of windows of a length, by the shortest pieces that fit the history's largest; None where none do,
        as where what is large lasts as long as the windows."""
        if self._single.length > 1:
            return None
        for times in LONGER_PIECES:
            piece = self._series.piece * times
            if one.length >= LEAST_PIECES * piece and fits(tail := self._tail_by(one, piece), one.peaks):
                return tail
        return None

    def _tail_by(self, one: Scored, piece: int) -> Tail:
        """The same by pieces of a length, widened to how far the history's own windows go."""
        made = self._made.get(piece) or self._remake(piece)
        self._made[piece] = made
        scores = (made.excess(one.length) / self._series.spread_around(one.length)).reshape(-1)
        middle, upper = np.quantile(scores[:: max(len(scores) // ENOUGH, 1)], (0.5, UPPER))
        wider = float(np.clip(one.deviation / max(float(upper - middle), 1e-12), 1.0, MOST_WIDER))
        apart = max(one.length, self._series.memory)
        peaks = peaks_of(scores * wider + one.raised, one.active, apart, floor=one.least)
        return tail_of(peaks, floor=one.least, before=self._before)

    def _remake(self, piece: int) -> Remade:
        first, single = self._series.first, self._single
        ratios = (single.observed - single.mean) / single.spread
        return remake(
            ratios[:first], self._usable, single.spread[first:], first_bin=first, day=self._day, piece=piece,
            peaks=single.peaks, raised=single.raised, tail=self._tail,
        )
