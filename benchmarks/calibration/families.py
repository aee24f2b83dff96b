"""Series whose making is known: families of quiet traffic, the settings of each series drawn afresh.

A family can make the asked week anew as often as wanted, which is what the oracle needs. Times are 5-minute bins of
five weeks, the last of which is asked about. `FAMILIES` are those that the method was made with, `UNSEEN` those that
were written before it was changed and looked at once, afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Random = np.random.Generator

BIN_S = 300
DAY = 288
WEEK = 7 * DAY
HISTORY, BINS = 4 * WEEK, 5 * WEEK
START_S = 1_414_368_000  # a Monday
TIME = np.arange(BINS)


@dataclass(frozen=True)
class Made:
    """One series' making.

    Attributes:
        family: its name.
        noise: makes values of shape (runs, bins) for a slice of the five weeks.
        campaigns: what was added to the history (past surges); shape (BINS,).
        seen: coverage of each bin; shape (BINS,).
    """

    family: str
    noise: Callable[[Random, int, slice], Floats]
    campaigns: Floats = field(default_factory=lambda: np.zeros(BINS))
    seen: Floats = field(default_factory=lambda: np.ones(BINS))

    def series(self, random: Random) -> Floats:
        """All that came, whether it was seen or not."""
        return self.noise(random, 1, slice(0, BINS))[0] + self.campaigns

    def asked_weeks(self, random: Random, runs: int) -> Floats:
        return self.noise(random, runs, slice(HISTORY, BINS))


def season(random: Random, *, strong: float = 1.0) -> Floats:
    """Time of day and of week, mean about 1."""
    day = TIME % DAY / DAY
    phase, depth = random.uniform(0, 1), random.uniform(0.1, 0.7) * strong
    shape = 1 + depth * np.sin(2 * np.pi * (day - phase)) + 0.3 * depth * np.sin(4 * np.pi * (day - phase))
    weekend = TIME // DAY % 7 >= 5
    return np.maximum(shape * np.where(weekend, random.uniform(0.4, 1.0), 1.0), 0.02)


def compound(random: Random, rates: Floats, runs: int, sizes: Callable[[Random, int], Floats]) -> Floats:
    """Sums of sizes of a Poisson number of flows a bin."""
    counts = random.poisson(np.broadcast_to(rates, (runs, rates.shape[-1])))
    values = sizes(random, int(counts.sum()))
    ends = np.cumsum(counts.reshape(-1))
    total = np.r_[0.0, np.cumsum(values)]
    return np.diff(total[np.r_[0, ends]]).reshape(counts.shape)


def lognormal(sigma: float) -> Callable[[Random, int], Floats]:
    return lambda random, count: 20_000 * np.exp(sigma * random.normal(size=count))


def pareto(alpha: float) -> Callable[[Random, int], Floats]:
    return lambda random, count: 5_000 * random.random(count) ** (-1 / alpha)


def gamma(shape: float) -> Callable[[Random, int], Floats]:
    return lambda random, count: 20_000 / shape * random.gamma(shape, size=count)


def autoregressive(random: Random, runs: int, bins: int, phi: float, deviation: float) -> Floats:
    from scipy.signal import lfilter

    steps = random.normal(size=(runs, bins + 2000)) * deviation * np.sqrt(1 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], steps, axis=1)[:, 2000:])


def bulk(random: Random) -> Made:
    rates, spread = season(random) * 10 ** random.uniform(1.5, 3.5), random.uniform(0.03, 0.25)

    def noise(r: Random, runs: int, part: slice) -> Floats:
        counts = r.poisson(np.broadcast_to(rates[part], (runs, len(rates[part]))))
        return counts * 10_000.0 * np.exp(spread * r.normal(size=counts.shape))

    return Made("bulk", noise, np.zeros(BINS))


def sparse(random: Random) -> Made:
    rates, sizes = season(random) * 10 ** random.uniform(-1.7, -0.3), lognormal(random.uniform(0.6, 1.5))
    return Made("sparse", lambda r, runs, part: compound(r, rates[part], runs, sizes), np.zeros(BINS))


def silent(random: Random) -> Made:
    rates, sizes = season(random) * 10 ** random.uniform(-3.6, -2.4), lognormal(random.uniform(0.6, 1.5))
    return Made("almost silent", lambda r, runs, part: compound(r, rates[part], runs, sizes), np.zeros(BINS))


def correlated(random: Random) -> Made:
    rates = season(random) * 10 ** random.uniform(1.5, 3)
    phi, deviation = 1 - 10 ** random.uniform(-2.3, -1), random.uniform(0.1, 0.4)

    def noise(r: Random, runs: int, part: slice) -> Floats:
        level = np.exp(autoregressive(r, runs, len(rates[part]), phi, deviation))
        return r.poisson(rates[part] * level) * 10_000.0

    return Made("autocorrelated", noise, np.zeros(BINS))


def heavy(random: Random) -> Made:
    rates, sizes = season(random) * 10 ** random.uniform(-0.7, 1.3), pareto(random.uniform(1.3, 2.5))
    return Made("heavy-tailed", lambda r, runs, part: compound(r, rates[part], runs, sizes), np.zeros(BINS))


def growing(random: Random) -> Made:
    made = bulk(random)
    growth = np.exp(np.log1p(random.uniform(0.003, 0.02)) * TIME / DAY)
    return Made("growing", lambda r, runs, part: made.noise(r, runs, part) * growth[part], np.zeros(BINS))


def campaigned(random: Random) -> Made:
    made = bulk(random) if random.random() < 0.5 else sparse(random)
    added = np.zeros(BINS)
    level = made.noise(random, 3, slice(0, WEEK)).mean()
    for _ in range(int(random.integers(1, 5))):
        start, length = int(random.integers(0, HISTORY - 72)), int(random.integers(6, 72))
        added[start : start + length] += level * random.uniform(2, 15)
    return Made("past campaigns", made.noise, added)


def sessions(random: Random) -> Made:
    """Sessions that last, each at a rate of its own: neither independent bins nor a smooth level."""
    starts, sizes = season(random) * 10 ** random.uniform(-2.5, -0.8), random.uniform(0.5, 1.2)
    length = float(random.uniform(3, 24))

    def noise(r: Random, runs: int, part: slice) -> Floats:
        lead = 120
        rates = np.r_[np.full(lead, starts[part][0]), starts[part]]
        counts = r.poisson(np.broadcast_to(rates, (runs, len(rates))))
        where, when = np.nonzero(counts)
        repeat = counts[where, when]
        where, when = np.repeat(where, repeat), np.repeat(when, repeat)
        lasts = np.minimum(r.geometric(1 / length, len(when)), lead)
        rate = 50_000 * np.exp(sizes * r.normal(size=len(when)))
        steps = np.zeros((runs, len(rates) + lead + 1))
        np.add.at(steps, (where, when), rate)
        np.add.at(steps, (where, when + lasts), -rate)
        return np.maximum(np.cumsum(steps, axis=1)[:, lead : len(rates)], 0)

    return Made("sessions", noise, np.zeros(BINS))


def few(random: Random) -> Made:
    """A few flows a day."""
    rates = season(random) * random.uniform(1.5, 12) / DAY
    sizes = random.choice([lognormal(random.uniform(0.6, 1.8)), gamma(random.uniform(0.4, 3))])
    return Made("few a day", lambda r, runs, part: compound(r, rates[part], runs, sizes))


def wide(random: Random) -> Made:
    """Sizes that spread over orders of magnitude, in bins most of which are empty."""
    rates, sizes = season(random) * 10 ** random.uniform(-1.7, -0.2), lognormal(random.uniform(1.4, 2.1))
    return Made("wide sizes", lambda r, runs, part: compound(r, rates[part], runs, sizes))


def noisy(random: Random) -> Made:
    """A level with Gaussian noise that remembers, as gauges and rates have it."""
    level, share = season(random, strong=random.uniform(0, 1)) * 10 ** random.uniform(5, 8), random.uniform(0.02, 0.15)
    phi = random.uniform(0.3, 0.99)

    def noise(r: Random, runs: int, part: slice) -> Floats:
        return np.maximum(level[part] * (1 + autoregressive(r, runs, len(level[part]), phi, share)), 0)

    return Made("remembering noise", noise)


def bursts(random: Random) -> Made:
    """Bursts of hours that come again: backups, mirrors, lessons; at random, or about so many days apart."""
    made = bulk(random)
    level = made.noise(random, 3, slice(0, WEEK)).mean()
    rate, size, spread = random.uniform(1, 4) / WEEK, level * random.uniform(2, 12), random.uniform(0.05, 0.6)
    shortest, longest = 6, int(random.integers(12, 72))
    every = random.uniform(1, 4) * DAY if random.random() < 0.5 else 0.0

    def noise(r: Random, runs: int, part: slice) -> Floats:
        values = made.noise(r, runs, part)
        bins = values.shape[1]
        for row in values:
            if every:
                begins = np.arange(r.uniform(0, every), bins, every) + r.normal(size=1 + int(bins // every))[0] * 12
            else:
                begins = r.uniform(0, bins, r.poisson(rate * bins))
            for begin in np.clip(begins, 0, bins - 1).astype(int):
                row[begin : begin + int(r.integers(shortest, longest + 1))] += size * np.exp(spread * r.normal())
        return values

    return Made("recurring bursts", noise)


def gapped(random: Random) -> Made:
    """Bulk or sparse traffic of which telemetry missed stretches, and a share of some days."""
    made = (bulk, sparse, sessions)[int(random.integers(3))](random)
    seen = np.ones(BINS)
    for _ in range(int(random.integers(2, 12))):
        start, length = int(random.integers(0, BINS)), int(random.geometric(1 / 40))
        seen[start : start + length] = random.choice([0.0, random.uniform(0.3, 0.95)])
    return Made("gaps in coverage", made.noise, made.campaigns, seen)


def office(random: Random) -> Made:
    """Traffic that is there in working hours only, at a rate of its own each day."""
    day, weekday = TIME % DAY, TIME // DAY % 7
    begin, end = random.uniform(6, 10) * 12, random.uniform(15, 20) * 12
    shape = np.where((day >= begin) & (day < end) & (weekday < 5), 1.0, random.uniform(0.01, 0.1))
    rates, sizes = shape * 10 ** random.uniform(0, 2), lognormal(random.uniform(0.3, 1.2))
    between = random.uniform(0.05, 0.25)

    def noise(r: Random, runs: int, part: slice) -> Floats:
        days = -(-len(rates[part]) // DAY)
        levels = np.repeat(np.exp(between * r.normal(size=(runs, days))), DAY, axis=1)[:, : len(rates[part])]
        return np.concatenate([compound(r, rates[part] * own, 1, sizes) for own in levels])

    return Made("office hours", noise)


def mixed(random: Random) -> Made:
    """Everything drawn at once: rate, sizes and their tail, memory, rhythm, growth, bursts, gaps."""
    rates = season(random, strong=random.uniform(0, 1.2)) * 10 ** random.uniform(-2.2, 2.2)
    rates = rates * np.exp(random.choice([0.0, random.uniform(-0.005, 0.02)]) * TIME / DAY)
    kinds = (lognormal(random.uniform(0.2, 2)), gamma(random.uniform(0.3, 4)), pareto(random.uniform(1.5, 3.5)))
    sizes = kinds[int(random.integers(3))]
    phi = random.choice([0.0, 1 - 10 ** random.uniform(-2.2, -0.5)])
    deviation = random.uniform(0.05, 0.4)
    bursting = random.random() < 0.3
    burst, length = random.uniform(1, 6) * float(rates.mean()), int(random.integers(6, 48))

    def noise(r: Random, runs: int, part: slice) -> Floats:
        level = np.exp(autoregressive(r, runs, len(rates[part]), phi, deviation)) if phi else 1.0
        own = np.broadcast_to(rates[part] * level, (runs, len(rates[part]))).copy()
        if bursting:
            for row in own:
                for begin in r.integers(0, len(row), r.poisson(3 * len(row) / WEEK)).tolist():
                    row[begin : begin + length] += burst
        return compound(r, own, runs, sizes)

    seen = gapped(random).seen if random.random() < 0.3 else np.ones(BINS)
    return Made("everything drawn", noise, seen=seen)


FAMILIES = (
    bulk, sparse, silent, correlated, heavy, growing, campaigned, sessions, few, wide, noisy, bursts,
)
UNSEEN = (gapped, office, mixed)
