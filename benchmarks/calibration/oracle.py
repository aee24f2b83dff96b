"""An oracle who knows how a series is made: exact critical levels, and the limits that follow from them."""

from __future__ import annotations

import numpy as np

from benchmarks.calibration.families import BIN_S, Floats, Made, Random
from tidegauge.detect.history import window_lengths
from tidegauge.detect.limits import detection_limit
from tidegauge.detect.surge import Judgement, Scan

RUNS = 1200


class Oracle:
    """Knows expectation and deviation of every window, and the distribution of the largest of a week."""

    def __init__(self, made: Made, random: Random) -> None:
        weeks = made.asked_weeks(random, RUNS)
        self._lengths = window_lengths(BIN_S, weeks.shape[1])
        self._means, self._deviations, self._tops = [], [], []
        total = np.concatenate([np.zeros((RUNS, 1)), np.cumsum(weeks, axis=1)], axis=1)
        for length in self._lengths:
            sums = total[:, length:] - total[:, :-length]
            mean, deviation = _smooth(sums.mean(axis=0), length), _smooth(sums.std(axis=0), length)
            self._means.append(mean)
            self._deviations.append(np.maximum(deviation, 1e-9))
            self._tops.append(((sums - mean) / self._deviations[-1]).max(axis=1))

    def limits(self, asked: Floats, false_alarm: float, power: float, durations: tuple[int, ...]) -> list[float]:
        """Detection limits by duration (seconds) for the asked week as it came."""
        levels = self._levels(false_alarm)
        total = np.r_[0.0, np.cumsum(asked)]
        scans = []
        for length, mean, deviation, level in zip(self._lengths, self._means, self._deviations, levels, strict=True):
            observed = total[length:] - total[:-length]
            usable = np.ones(len(observed), dtype=bool)
            scans.append(Scan(length, 0, observed, mean, deviation, usable, level, np.ones(len(observed))))
        judgement = Judgement((), tuple(scans), asked, 28.0)
        seen, called = np.ones(len(asked)), np.zeros(len(asked), dtype=bool)
        return [
            detection_limit(judgement, seen, called, duration_bins=d / BIN_S, power=power) or np.inf for d in durations
        ]

    def _levels(self, false_alarm: float) -> list[float]:
        """One quantile for all lengths such that together they are exceeded with the wanted probability."""
        tops = np.array(self._tops)
        low, high = 0.0, false_alarm
        ranks = (np.argsort(np.argsort(-tops, axis=1), axis=1) + 0.5) / tops.shape[1]
        least = np.sort(ranks.min(axis=0))
        share = float(np.clip(np.interp(false_alarm, (np.arange(len(least)) + 0.5) / len(least), least), low, high))
        return [float(np.quantile(top, 1 - share)) for top in tops]


def _smooth(values: Floats, length: int) -> Floats:
    """Over neighbouring windows: what is left of the runs' noise is not knowledge."""
    width = min(25, len(values))
    kernel = np.ones(width) / width
    padded = np.r_[np.full(width // 2, values[0]), values, np.full(width - 1 - width // 2, values[-1])]
    return np.asarray(np.convolve(padded, kernel, mode="valid"))
