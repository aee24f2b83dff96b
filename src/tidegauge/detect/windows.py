"""A series beside its expectation: the standardised scores of its windows of any length, and the peaks among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.peaks import Peaks, find_peaks, lasting_of, memory_of

Floats = NDArray[np.float64]

SEEN_ENOUGH = 0.5
"""Bins and windows that were seen less than this neither accuse nor acquit."""
OFFSET = 0.25
MOST_MEMORY = 288
FEWEST_WINDOWS = 3
"""A window length of which the history does not hold so many, side by side, is not judged."""
UPPER = 0.84
"""The quantile that lies a deviation above the median where things are Gaussian."""
PIECE_MEMORIES, LEAST_PIECE = 4, 6
"""A piece of remade time is so many times as long as the series remembers, and at least so many bins."""
HOUR_S = 3600
LARGEST_PEAKS, MOST_LOOKED, APART = 16, 100, 3
"""So many of the largest hourly windows tell how the largest grow with the level, so many hours apart."""
FOLLOWS = 0.5
"""The share of that power by which scores are made even over the day. With all of it the quiet hours' largest, which
are not smaller in proportion, set the levels of the busy hours; with none busy hours set those of the quiet ones."""
POWER_SPREAD = 0.3
"""By so much the power of the largest may differ from that of what is large at each level (a standard deviation)."""


def sums(values: Floats, length: int) -> Floats:
    total = np.r_[0.0, np.cumsum(values)]
    return np.asarray(total[length:] - total[:-length])


class Standardised:
    """A series beside its expectation, and the scores of its windows of any length."""

    def __init__(
        self, values: Floats, expected: Floats, seen: Floats, first: int, unit: float, strange: NDArray[np.bool_],
        width_s: int,
    ) -> None:
        self.first, self.unit, self.strange = first, unit, strange
        self._scored: dict[int, Scored | None] = {}
        self._hidden = np.where(seen >= SEEN_ENOUGH, 1.0, 0.0)
        self._seen = seen * self._hidden
        self._values, self._expected = values * self._hidden, expected * self._hidden
        past = self._hidden[:first] > 0
        self.typical = float(expected[:first][past].mean()) if past.any() else 0.0
        self.power = _spread_power(values[:first][past], expected[:first][past])
        self.power = FOLLOWS * self._power_of_largest(max(HOUR_S // width_s, 1))
        observed, mean, spread, usable = self.windows(1)
        scores = (observed - mean) / spread
        # Empty bins are all alike: how far they lie below the expectation only tells the time of day.
        scores = np.where(observed > 0, scores, scores.min(initial=0.0))
        known = self.past(usable, 1)
        remembers = min(memory_of(scores, known), MOST_MEMORY)
        self.piece = max(PIECE_MEMORIES * remembers, LEAST_PIECE)
        # What is large may last far longer than what is ordinary is remembered.
        self.memory = max(remembers, min(lasting_of(scores, known), MOST_MEMORY))

    def _power_of_largest(self, length: int) -> float:
        """The power with which the history's largest peaks grow with the level, shrunk towards that of what is large
        at each level: bursts by night may be as large as by day, whatever ordinary noise does."""
        observed, mean, spread, usable = self.windows(length)
        past = self.past(usable, length)
        order = np.argsort(np.where(past, (observed - mean) / spread, -np.inf), kind="stable")[::-1]
        taken: list[int] = []
        for place in order[: int(past.sum())][: MOST_LOOKED * length].tolist():
            if len(taken) == LARGEST_PEAKS:
                break
            if all(abs(place - other) >= APART * length for other in taken):
                taken.append(place)
        x, y = mean[taken], (observed - mean)[taken]
        good = (x > 0) & (y > 0)
        if good.sum() < LARGEST_PEAKS // 2:
            return self.power
        x, y = np.log(x[good]), np.log(y[good])
        x, y = x - x.mean(), y - y.mean()
        information = float((x**2).sum())
        slope = float((x * y).sum()) / max(information, 1e-12)
        chance = float(((y - slope * x) ** 2).sum()) / (len(x) - 2) / POWER_SPREAD**2
        weight = information / max(information + chance, 1e-300)
        return float(np.clip(self.power + weight * min(slope - self.power, 0.0), 0.0, 1.0))

    def windows(self, length: int) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
        """Observed, expected and spread (up to a factor) of each window, and which were seen enough."""
        observed, mean = sums(self._values, length), sums(self._expected, length)
        usable = sums(self._seen, length) >= SEEN_ENOUGH * length
        return observed, mean, self.spread(mean, length), usable

    def spread(self, expected: Floats, length: int) -> Floats:
        """Of windows with that expectation: it grows as a power of the level; the offset serves hours that are almost
        empty."""
        floor = max(OFFSET * self.typical, self.unit / 100)
        return np.asarray((np.maximum(expected, 0) / length + floor) ** self.power)

    def spread_around(self, length: int) -> Floats:
        """Of windows that begin at each bin of the asked time, which goes on from its beginning where it ends."""
        expected = self._expected[self.first :]
        repeats = -(-length // len(expected)) + 1
        return self.spread(sums(np.tile(expected, repeats), length)[: len(expected)], length)

    def past(self, usable: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
        """Which windows lie in the history, were seen enough, and touch no surge of the past."""
        inside = usable.copy()
        inside[max(self.first - length + 1, 0) :] = False
        if self.strange.any():
            touched = sums(np.r_[self.strange, np.zeros(len(self._values) - self.first)].astype(np.float64), length)
            inside &= touched < 0.5
        return inside

    def scored(self, length: int) -> Scored | None:
        """Scores of the windows of a length, worked out once; None where the history has none."""
        if length not in self._scored:
            self._scored[length] = self._score(length)
        return self._scored[length]

    def _score(self, length: int) -> Scored | None:
        observed, mean, spread, usable = self.windows(length)
        past = self.past(usable, length)
        if past.sum() < (FEWEST_WINDOWS - 1) * length + 1:
            return None
        scores, raised, deviation = positive((observed - mean) / spread, past)
        least = max(self.unit / float(np.median(spread)), 1e-12)
        peaks = find_peaks(scores, past, observed > 0, length, floor=least, memory=self.memory)
        active = float((past & (observed > 0)).sum() / past.sum())
        return Scored(length, observed, mean, spread, usable, scores, raised, deviation, least, active, peaks)


def _spread_power(values: Floats, expected: Floats) -> float:
    """How the deviation grows with the level: its power, between that of counts (0.5) and of shares (1).

    The slope of log deviation on log level over groups of like level, shrunk towards 0.5 where levels differ little.
    What is large at each level decides: in thin series more happens by day, but a flow is as large by night.
    """
    if len(values) < 200 or expected.max() <= 0:
        return 0.5
    order = np.argsort(expected, kind="stable")
    groups = [g for g in np.array_split(order, 8) if len(g)]
    level = np.array([expected[g].mean() for g in groups])
    excess = [values[g] - expected[g] for g in groups]
    deviation = np.array([_upper_mean(e) for e in excess])
    good = (level > 0) & (deviation > 0)
    if good.sum() < 4:
        return 0.5
    x, y = np.log(level[good]), np.log(deviation[good])
    x = x - x.mean()
    information = float((x**2).sum())
    slope = float((x * (y - y.mean())).sum()) / max(information, 1e-12)
    weight = information / (information + 0.3)
    return float(np.clip(0.5 + weight * (slope - 0.5), 0.0, 1.0))


def _upper_mean(excess: Floats) -> float:
    """Mean of what lies between the 96 and the 99.5 % quantile: large, but not the very largest."""
    ordered = np.sort(excess)
    return float(
        ordered[int(0.96 * len(ordered)) : max(int(0.995 * len(ordered)), int(0.96 * len(ordered)) + 1)].mean()
    )


def positive(scores: Floats, known: NDArray[np.bool_]) -> tuple[Floats, float, float]:
    """Scores raised so that their median is a robust deviation, and ordinary ones are above 0 with the same tail; by
    how much they were raised; that deviation."""
    middle, upper = np.quantile(scores[known], (0.5, UPPER))
    deviation = float(upper - middle)
    return scores + deviation - float(middle), deviation - float(middle), deviation


@dataclass(frozen=True)
class Scored:
    """The windows of one length, their scores, and the peaks of the history.

    Attributes:
        scores: raised by `raised`; `deviation` how far ordinary ones go.
        least: the score of the smallest amount that means anything.
        active: share of the history's windows in which anything was.
    """

    length: int
    observed: Floats
    mean: Floats
    spread: Floats
    usable: NDArray[np.bool_]
    scores: Floats
    raised: float
    deviation: float
    least: float
    active: float
    peaks: Peaks
