"""Outgoing transmission that is unlike a host's habit, and transmission linked to a watched asset.

How unusual is unusual is taken from the site itself: the same score for every host and day before the hunted time, its
upper tail continued as a power law (Hill 1975), tells how many such days are expected where nothing happened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.hunt.context import DAY_S, Scene, flows_query
from tidegauge.hunt.limits import POWER, HuntLimit, quantile
from tidegauge.lake import CAME_AND_WENT, column_sql
from tidegauge.model import Finding, Severity, format_address, format_bytes, format_time

HOME = column_sql("home")
LEAST_HISTORY_DAYS = 5
FLOOR = 5_000_000.0
"""Bytes a day below which nothing is unusual."""
TAIL = 0.01
LEAST_SCORE = float(np.log(3))
SELDOM = 0.2
"""Days of which fewer are expected by chance are of severity medium or more."""
LISTED = 100
MATCH_S = 3 * DAY_S
NIGHT_S = 6 * 3600
DRAWS, MOST_HOSTS, DRAWN = 4000, 2000, 95
"""Moments and hosts that are drawn for a limit, and the seed."""
SLOW_DAYS = 7
NEW_AFTER_S = 2 * DAY_S
SLOW_BYTES, SLOW_MUCH = 10_000_000, 100_000_000
WATCHED_MUCH, MATCHED_LEAST = 100_000_000, 1_000_000

Ask = Callable[[str], pa.Table]
"""Asks `by_day`, what hosts and far ends exchanged on each day."""

DAYS = """
WITH marked AS (SELECT *, min(day) OVER (PARTITION BY home, far) AS began FROM by_day WHERE flows_out > 0)
SELECT home, day, sum(went) AS went, coalesce(sum(went) FILTER (began = day), 0) AS fresh,
 arg_max(far, went) AS top_far, max(went) AS top_went, arg_max(far, CASE WHEN began = day THEN went END) AS new_far,
 coalesce(max(CASE WHEN began = day THEN went END), 0) AS new_went FROM marked GROUP BY home, day ORDER BY home, day"""


def egress(scene: Scene) -> Iterator[Finding]:
    """Everything of this kind."""
    if scene.watched:
        yield from _watched(scene)
    with scene.pairs.by_day(scene.history_s, scene.until_s) as ask:
        known = habit(scene, ask)
        if known is not None:
            yield from _unusual(scene, known)
        yield from _slow(scene, ask)
    scene.limits += egress_limits(scene, known)


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


def habit(scene: Scene, ask: Ask) -> Habit | None:
    """None where the data are too few to know one."""
    table = ask(DAYS)
    days = table["day"].to_numpy().astype(np.int64)
    first_day, since_day = scene.history_s // DAY_S, scene.since_s // DAY_S
    scene.examined["hosts and days that sent"] += len(days)
    if not len(days):
        return None
    if since_day - first_day < LEAST_HISTORY_DAYS and scene.until_s // DAY_S - first_day < 2 * LEAST_HISTORY_DAYS:
        scene.skipped["egress by habit", f"needs more than {LEAST_HISTORY_DAYS} days of history before --since"] += 1
        return None
    named = table["home"].combine_chunks().dictionary_encode()
    return Habit(table, np.asarray(named.indices), len(named.dictionary), days, days >= since_day, first_day)


def _unusual(scene: Scene, known: Habit) -> Iterator[Finding]:
    """Days on which a host sent far more than it ever did, or much to places new to it."""
    for column, far_column, what in (("went", "top_far", "all"), ("fresh", "new_far", "new")):
        days = known.scored(column)
        tests = int(days.tried.sum())
        for place in np.flatnonzero(days.tried)[np.argsort(-days.scores[days.tried], kind="stable")][:LISTED].tolist():
            score = float(days.scores[place])
            expected = days.expected(score)
            if expected > 1 or score < LEAST_SCORE:
                break
            yield _unusual_finding(scene, known.table, place, score, expected, what, far_column, tests)


def _scores(
    codes: NDArray[Any], days: NDArray[np.int64], sent: NDArray[np.float64], first_day: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Logarithm of each host's day over the most that it sent on any day before, and where that can be said."""
    scores, usable = np.full(len(days), -np.inf), np.zeros(len(days), dtype=bool)
    begin = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    top = np.zeros(len(days))
    for a, b in zip(begin.tolist(), [*begin[1:].tolist(), len(days)], strict=True):
        top[a:b] = np.r_[0.0, np.maximum.accumulate(sent[a:b])[:-1]]
    enough = days - first_day >= LEAST_HISTORY_DAYS
    usable[:] = enough
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


def _unusual_finding(
    scene: Scene, table: Any, place: int, score: float, expected: float, what: str, far_column: str, tests: int
) -> Finding:
    row = table.slice(place, 1).to_pylist()[0]
    who, far = format_address(row["home"]), format_address(row[far_column])
    sent = row["went"] if what == "all" else row["fresh"]
    mine = row["top_went"] if what == "all" else row["new_went"]
    start = row["day"] * DAY_S
    times = float(np.exp(score))
    severity: Severity = "high" if expected < 0.02 and sent >= 20_000_000 else "medium" if expected < SELDOM else "low"
    reasons = [
        f"{who} sent {format_bytes(sent)} outside on {format_time(start)[:10]}"
        + (" to places it had never sent to" if what == "new" else "")
        + f", {times:.1f} times the most of any day before",
        f"{format_bytes(mine)} of it went to {far}",
        f"of the {tests:,} hosts and days looked at, {expected:.2g} are expected to stand out as much where nothing"
        " happened (from this site's days before)",
    ]
    return Finding(
        "egress", f"{who} sent {format_bytes(sent)}{' to new places' if what == 'new' else ''}, far more than ever",
        max(start, scene.since_s), min(start + DAY_S, scene.until_s), who, score_of(expected),
        severity, tuple(reasons), flows_query(f"src = '{who}' AND direction = 'out'", start, start + DAY_S), (far,),
        {"bytes": int(sent), "to_one": int(mine), "times_the_most": round(times, 2), "expected_by_chance": expected,
         "new_places": what == "new"},
    )  # fmt: skip


def _slow(scene: Scene, ask: Ask) -> Iterator[Finding]:
    """Low and slow: a little every day for weeks, nearly all of it outward, to a place that few send to."""
    table = ask(
        "WITH sums AS (SELECT home, far, sum(came) AS came, sum(went) AS went,"
        " count(*) FILTER (flows_out > 0) AS days, min(first_us) AS first_us, max(last_us) AS last_us"
        " FROM by_day GROUP BY home, far),"
        " senders AS (SELECT far, count(*) AS hosts FROM sums WHERE went > 0 GROUP BY far)"
        " SELECT * FROM sums JOIN senders USING (far)"
        f" WHERE days >= {SLOW_DAYS} AND went >= {SLOW_BYTES} AND went > 5 * came AND hosts <= 3"
        f" AND days >= 0.7 * ((last_us - first_us) / 8.64e10) AND last_us >= {scene.since_s * 1_000_000}"
        f" ORDER BY went DESC LIMIT {LISTED}"
    )
    started_before = scene.history_s + NEW_AFTER_S
    for row in table.to_pylist():
        who, far = format_address(row["home"]), format_address(row["far"])
        first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
        new = first > started_before
        reasons = (
            f"{who} sent {format_bytes(row['went'])} to {far} on {row['days']} days"
            f" and got {format_bytes(row['came'])} back",
            f"{row['hosts']} of our hosts send there; it began {format_time(first)}"
            + ("" if new else ", as early as the data reach"),
        )
        severity: Severity = "medium" if new and row["went"] >= SLOW_MUCH else "low"
        yield Finding(
            "egress", f"{who} sends {far} a little every day: {format_bytes(row['went'])} in all", int(first),
            int(last) + 1, who, 0.55 if new else 0.35, severity, reasons,
            flows_query(f"src = '{who}' AND dst = '{far}'", first, last), (far,),
            {"bytes": int(row["went"]), "back": int(row["came"]), "days": row["days"], "slow": True},
        )  # fmt: skip


def _watched(scene: Scene) -> Iterator[Finding]:
    """Hosts of ours that exchanged data with the asset, and what they sent elsewhere soon after they took from it."""
    table = scene.pairs.sql(
        f"SELECT {HOME} AS home,"
        f" {CAME_AND_WENT},"
        " count(*) AS flows, min(epoch_us(time_start)) AS first_us, max(epoch_us(time_end)) AS last_us"
        f" FROM chosen_flows WHERE direction IN ('in', 'out') AND {scene.watched} GROUP BY home"
        f" ORDER BY came + went DESC LIMIT {LISTED}"
    )
    rows = table.to_pylist()
    scene.examined["hosts that exchanged data with the watched asset"] += len(rows)
    for row in rows:
        who = format_address(row["home"])
        first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
        sends = row["went"] > row["came"]
        reasons = [
            f"{who} exchanged {row['flows']:,} flows with {scene.watch_name} from {format_time(first)} to"
            f" {format_time(last)}: it got {format_bytes(row['came'])} and sent {format_bytes(row['went'])}",
        ]
        before = _before(scene, row["home"])
        if before is not None:
            came, went = before
            if came + went == 0:
                reasons.append("it had no data from or to it in the history before")
            elif (went > came) != sends:
                reasons.append(
                    f"the other way round from its habit: before, it got {format_bytes(came)}"
                    f" and sent {format_bytes(went)}"
                )
        match = _matched(scene, row) if row["came"] >= MATCHED_LEAST else None
        severity: Severity = "low"
        score = float(np.clip(0.2 + 0.1 * np.log10(max(row["came"], row["went"], 1)) / 1.2, 0.2, 0.7))
        peers: tuple[str, ...] = (scene.watch_name,)
        evidence: dict[str, Any] = {"bytes_in": int(row["came"]), "bytes_out": int(row["went"]), "flows": row["flows"],
                                    "watch": scene.watch_name}  # fmt: skip
        if match is not None:
            far, sent, start, chance = match
            reasons.append(
                f"within {MATCH_S // DAY_S} days after it took from it, it sent {format_bytes(sent)} to {far}"
                f" ({sent / row['came']:.2f} of what it took; compressed data are smaller); in other times of the same"
                f" length that is seen with a probability of {chance:.2g}"
            )
            evidence |= {"matched_to": far, "matched_bytes": int(sent), "chance": chance,
                         "matched_from": format_time(start)}  # fmt: skip
            peers += (far,)
            severity = "high" if chance < 0.01 else "medium"
            score = max(score, 0.9 - min(chance, 0.5))
        elif max(row["came"], row["went"]) >= WATCHED_MUCH:
            severity = "medium"
        yield Finding(
            "egress", f"{who} exchanged {format_bytes(row['came'] + row['went'])} with {scene.watch_name}", int(first),
            int(last) + 1, who, score, severity, tuple(reasons),
            flows_query(f"src = '{who}' OR dst = '{who}'", first, last), peers, evidence,
        )  # fmt: skip


def _before(scene: Scene, home: bytes) -> tuple[float, float] | None:
    if scene.since_s - scene.history_s < DAY_S:
        return None
    table = scene.pairs.whole(
        f"SELECT {CAME_AND_WENT} FROM all_flows"
        f" WHERE {scene.watched} AND (src = unhex('{home.hex()}') OR dst = unhex('{home.hex()}'))",
        scene.history_s, scene.since_s,
    )  # fmt: skip
    return float(table["came"][0].as_py()), float(table["went"][0].as_py())


def _matched(scene: Scene, row: dict[str, Any]) -> tuple[str, float, float, float] | None:
    """The far end to which about as much went within days as was taken from the asset, and the chance of that.

    The chance: the share of the host's other stretches of the same length in which some far end got as much as that.
    """
    home = row["home"].hex()
    table = scene.pairs.whole(
        "SELECT dst AS far, epoch_us(time_start) // 3600000000 AS hour, sum(bytes)::DOUBLE AS went FROM all_flows"
        f" WHERE direction = 'out' AND src = unhex('{home}') AND NOT {scene.watched} GROUP BY far, hour ORDER BY hour",
        scene.history_s, min(scene.until_s, int(row["last_us"] // 1_000_000) + MATCH_S),
    )  # fmt: skip
    took, begun = row["came"], row["first_us"] // 3_600_000_000
    end = row["last_us"] // 3_600_000_000 + MATCH_S // 3600
    sums: dict[bytes, float] = defaultdict(float)
    starts: dict[bytes, int] = {}
    windows: dict[int, dict[bytes, float]] = defaultdict(lambda: defaultdict(float))
    length = max(int(end - begun), 1)
    for far, hour, went in zip(*(table[n].to_pylist() for n in ("far", "hour", "went")), strict=True):
        if begun <= hour <= end:
            sums[far] += went
            starts.setdefault(far, hour)
        elif hour < begun:
            windows[int((begun - hour - 1) // length)][far] += went
    low, high = 0.15 * took, 1.3 * took
    fitting = [(abs(np.log(sent / took)), far, sent) for far, sent in sums.items() if low <= sent <= high]
    if not fitting:
        return None
    _, far, sent = min(fitting, key=lambda f: f[0])
    spans = max(int((begun - scene.history_s // 3600) // length), 0)
    hits = sum(any(low <= v <= high for v in window.values()) for window in windows.values())
    return format_address(far), sent, starts[far] * 3600.0, (hits + 1) / (spans + 2)


def egress_limits(scene: Scene, known: Habit | None) -> list[HuntLimit]:
    """What would have been found: amounts planted into the hosts' own days."""
    out = []
    night = None if known is None else _night_limit(scene, known)
    out.append(HuntLimit("egress", "site", "sent in one night to a place new to the host", night, "bytes"))
    lasts = scene.until_s - scene.history_s
    slow = SLOW_MUCH / SLOW_DAYS if lasts >= NEW_AFTER_S + SLOW_DAYS * DAY_S else None
    out.append(HuntLimit("egress", "site", "sent each day for a week to a place that few send to", slow, "bytes"))
    if scene.watched:
        scope = f"watch {scene.watch_name}"
        linked = [
            HuntLimit("egress", scope, "exchanged with it by one host", WATCHED_MUCH, "bytes"),
            HuntLimit("egress", scope, "taken from it and sent on within three days", MATCHED_LEAST, "bytes"),
        ]
        out += [limit if scene.covered >= POWER else replace(limit, value=None) for limit in linked]
    return out


def _night_limit(scene: Scene, known: Habit) -> float | None:
    """The amount that, sent over six hours from any moment of the hunted time, makes a host's day a finding."""
    days = known.scored("fresh")
    # The score from which on a day is one, by bisection: what is expected falls with the score.
    low, high = LEAST_SCORE, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if days.expected(middle) < SELDOM else (middle, high)
    random = np.random.default_rng(DRAWN)
    first, last = scene.since_s // DAY_S, (scene.until_s - 1) // DAY_S
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
    begin_s = scene.since_s + random.random(DRAWS) * max(scene.until_s - scene.since_s - NIGHT_S, 1)
    day = (begin_s // DAY_S).astype(np.int64) - known.first_day
    share = np.minimum(1.0, (DAY_S - begin_s % DAY_S) / NIGHT_S)
    rest = np.maximum(1 - share, 1e-12)
    amounts = np.minimum(needed[host, day] / share, np.where(share < 1, needed[host, day + 1] / rest, np.inf))
    return quantile(np.maximum(amounts, 0), scene.covered)
