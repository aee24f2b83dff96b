"""Days on which a host sent far more outside than it ever did, or much to places new to it.

How unusual is unusual is taken from the site itself: the same score for every host and day before the hunted time, its
upper tail continued as a power law (Hill 1975), tells how many such days are expected where nothing happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.hunt.context import DAY_S, HuntContext
from tidegauge.hunt.limits import HuntLimit, quantile
from tidegauge.lake import rows_of
from tidegauge.model import Finding, Severity, flows_query, format_address, format_bytes, format_time

LEAST_HISTORY_DAYS = 5
FLOOR = 5_000_000.0
"""Bytes a day below which nothing is unusual."""
TAIL = 0.01
LEAST_SCORE = float(np.log(3))
SELDOM, CLEAR = 0.2, 0.02
"""Days of which fewer are expected by chance are of severity medium or more, and high."""
CLEAR_BYTES = 20_000_000
LISTED = 100
NIGHT_S = 6 * 3600
DRAWS, MOST_HOSTS, DRAWN = 4000, 2000, 95
"""Moments and hosts that are drawn for a limit, and the seed."""


@dataclass(frozen=True)
class Day:
    """What one host sent on one day (since 1970-01-01), in bytes: in all and most to whom, to new places and most."""

    home: bytes
    day: int
    went: float
    fresh: float
    top_far: bytes
    top_went: float
    new_far: bytes | None
    new_went: float

    def most(self, fresh: bool) -> tuple[float, bytes, float]:
        """What was sent in all or to new places, to whom most, and how much of it."""
        if fresh:
            return self.fresh, self.new_far or b"", self.new_went
        return self.went, self.top_far, self.top_went


@dataclass(frozen=True)
class Habit:
    """What the hosts sent outside on each day, one row a host and day on which it sent anything.

    Attributes:
        codes: of hosts, ascending; `hosts` how many there are; `days` since 1970-01-01.
        hunted: which rows lie in the hunted time.
        first_day: of the history.
    """

    table: pa.Table
    codes: NDArray[Any]
    hosts: int
    days: NDArray[np.int64]
    hunted: NDArray[np.bool_]
    first_day: int

    def scored(self, column: str) -> Scored:
        """Scores of the days by all that was sent (`went`), or by what went to places new to the host (`fresh`)."""
        sent = self.table[column].to_numpy()
        scores, usable = _scores(self.codes, self.days, sent, self.first_day)
        null = scores[usable & ~self.hunted & (sent >= FLOOR)]
        return Scored(sent, scores, null, usable & self.hunted & (sent >= FLOOR))

    def day(self, place: int) -> Day:
        (day,) = rows_of(Day, self.table.slice(place, 1))
        return day


@dataclass(frozen=True)
class Scored:
    """Amounts and scores of days; `null` the scores of days before the hunted ones, `tried` which days are judged."""

    sent: NDArray[np.float64]
    scores: NDArray[np.float64]
    null: NDArray[np.float64]
    tried: NDArray[np.bool_]

    def expected(self, score: float) -> float:
        """How many of the days tried are expected to score as high where nothing happened."""
        return _expected(score, self.null, int(self.tried.sum()))


def find(context: HuntContext) -> list[Finding]:
    """The highest scores first, by all that was sent, then by what went to new places."""
    known = habit(context)
    night = None if known is None else _night_limit(context, known)
    context.limits.append(HuntLimit("egress", "site", "sent in one night to a place new to the host", night, "bytes"))
    return [] if known is None else [*_unusual(context, known, "went"), *_unusual(context, known, "fresh")]


def habit(context: HuntContext) -> Habit | None:
    """None where the data are too few to know one."""
    table = context.by_day("days_out")
    days = table["day"].to_numpy().astype(np.int64)
    first_day, since_day = context.history_s // DAY_S, context.since_s // DAY_S
    context.examined["hosts and days that sent"] += len(days)
    if not len(days):
        return None
    if since_day - first_day < LEAST_HISTORY_DAYS and context.until_s // DAY_S - first_day < 2 * LEAST_HISTORY_DAYS:
        context.skipped["egress by habit", f"needs more than {LEAST_HISTORY_DAYS} days of history before --since"] += 1
        return None
    named = table["home"].combine_chunks().dictionary_encode()
    return Habit(table, np.asarray(named.indices), len(named.dictionary), days, days >= since_day, first_day)


def _unusual(context: HuntContext, known: Habit, column: str) -> list[Finding]:
    days = known.scored(column)
    tests = int(days.tried.sum())
    found = []
    for place in np.flatnonzero(days.tried)[np.argsort(-days.scores[days.tried], kind="stable")][:LISTED].tolist():
        score = float(days.scores[place])
        expected = days.expected(score)
        if expected > 1 or score < LEAST_SCORE:
            break
        found.append(_finding(context, known.day(place), score, expected, column == "fresh", tests))
    return found


def _scores(
    codes: NDArray[Any], days: NDArray[np.int64], sent: NDArray[np.float64], first_day: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Logarithm of each host's day over the most that it sent on any day before, and where that can be said."""
    scores, usable = np.full(len(days), -np.inf), np.zeros(len(days), dtype=bool)
    begin = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    top = np.zeros(len(days))
    for a, b in zip(begin.tolist(), [*begin[1:].tolist(), len(days)], strict=True):
        top[a:b] = np.r_[0.0, np.maximum.accumulate(sent[a:b])[:-1]]
    usable[:] = days - first_day >= LEAST_HISTORY_DAYS
    scores[usable] = np.log((sent[usable] + FLOOR) / (top[usable] + FLOOR))
    return scores, usable


def _expected(score: float, null: NDArray[np.float64], tests: int) -> float:
    """How many of so many days are expected to score as high where nothing happened."""
    if len(null) < 50:
        # Too few days to know the tail: an ordinary power law, the second largest in ten being the scale.
        return float(tests * 0.1 * np.exp(-max(score, 0.0)))
    ordered = np.sort(null)[::-1]
    count = max(int(TAIL * len(ordered)), 20)
    count = min(count, len(ordered) - 1)
    cut = ordered[count]
    slope = max(float((ordered[:count] - cut).mean()), 0.2)
    if score <= cut:
        return float(tests * (ordered >= score).mean())
    return float(tests * count / len(ordered) * np.exp(-(score - cut) / slope))


def score_of(expected: float) -> float:
    """Score of what so many are expected of by chance.

    >>> score_of(1.0) < score_of(0.01)
    True
    """
    return float(np.clip(0.15 - 0.25 * np.log10(expected + 1e-3), 0.1, 0.95))


def _finding(context: HuntContext, day: Day, score: float, expected: float, fresh: bool, tests: int) -> Finding:
    sent, far_end, mine = day.most(fresh)
    who, far = format_address(day.home), format_address(far_end)
    start = day.day * DAY_S
    times = float(np.exp(score))
    severity: Severity = (
        "high" if expected < CLEAR and sent >= CLEAR_BYTES else "medium" if expected < SELDOM else "low"
    )
    where = f"src = '{who}' AND direction = 'out'"
    return Finding(
        kind="egress",
        title=f"{who} sent {format_bytes(sent)}{' to new places' if fresh else ''}, far more than ever",
        start_s=max(start, context.since_s),
        end_s=min(start + DAY_S, context.until_s),
        subject=who,
        score=score_of(expected),
        severity=severity,
        reasons=(
            f"{who} sent {format_bytes(sent)} outside on {format_time(start)[:10]}"
            f"{' to places it had never sent to' if fresh else ''}, {times:.1f} times the most of any day before",
            f"{format_bytes(mine)} of it went to {far}",
            f"of the {tests:,} hosts and days looked at, {expected:.2g} are expected to stand out as much where nothing"
            " happened (from this site's days before)",
        ),
        where=where,
        query=flows_query(where, start, start + DAY_S),
        peers=(far,),
        evidence={
            "bytes": int(sent), "to_one": int(mine), "times_the_most": round(times, 2),
            "expected_by_chance": expected, "new_places": fresh,
        },
    )


def _night_limit(context: HuntContext, known: Habit) -> float | None:
    """The amount that, sent over six hours from any moment of the hunted time, makes a host's day a finding."""
    days = known.scored("fresh")
    # The score from which on a day is one, by bisection: what is expected falls with the score.
    low, high = LEAST_SCORE, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if days.expected(middle) < SELDOM else (middle, high)
    random = np.random.default_rng(DRAWN)
    first, last = context.since_s // DAY_S, (context.until_s - 1) // DAY_S
    hosts = np.sort(random.permutation(known.hosts)[:MOST_HOSTS])
    place = np.full(known.hosts, -1)
    place[hosts] = np.arange(len(hosts))
    own = place[known.codes] >= 0
    sent = np.zeros((len(hosts), int(last - known.first_day) + 2))
    sent[place[known.codes[own]], known.days[own] - known.first_day] = days.sent[own]
    top = np.c_[np.zeros(len(hosts)), np.maximum.accumulate(sent, axis=1)[:, :-1]]
    needed = np.maximum(np.exp(high) * (top + FLOOR), 2 * FLOOR) - FLOOR - sent
    needed[:, : max(first - known.first_day, LEAST_HISTORY_DAYS)] = np.inf  # not hunted, or not judged
    needed[:, last - known.first_day + 1 :] = np.inf
    host = random.integers(0, len(hosts), DRAWS)
    begin_s = context.since_s + random.random(DRAWS) * max(context.until_s - context.since_s - NIGHT_S, 1)
    day = (begin_s // DAY_S).astype(np.int64) - known.first_day
    share = np.minimum(1.0, (DAY_S - begin_s % DAY_S) / NIGHT_S)
    rest = np.maximum(1 - share, 1e-12)
    amounts = np.minimum(needed[host, day] / share, np.where(share < 1, needed[host, day + 1] / rest, np.inf))
    return quantile(np.maximum(amounts, 0), context.covered)
