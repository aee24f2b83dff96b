"""The judgement on real series, each source judged by tails that were learned from all others, beside what is in use.

    python -m benchmarks.calibration.public FOLDER ... [--learn FOLDER ...] [--budget 0.05]

Folders as `tools/learn_tails.py` reads them; `--learn` names folders whose series teach and are not judged. A week
without a labelled time counts as quiet, though some hold real events. The rule is "a sum over 5 min, 15 min, 1 h, 6 h
or 1 day above c times the largest of the history", with the smallest c that calls no more of these weeks than we do:
fitted on the weeks that it is judged on. Its limit is the addition that it finds with the same power.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.calibration.peers import OWN
from benchmarks.calibration.run import share
from tidegauge.detect import DURATIONS_S, decide
from tidegauge.detect.pool import Pool, unpooled
from tidegauge.detect.tail import nearest
from tidegauge.detect.windows import sums
from tools.learn_tails import DAY_S, Floats, Week, learned_from, tails, weeks

POWER = 0.95
MOMENTS = 120
FACTORS = np.arange(1.0, 4.0, 0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--learn", nargs="*", type=Path, default=[])
    parser.add_argument("--budget", type=float, default=0.05)
    arguments = parser.parse_args()
    judged = list(weeks(arguments.folders))
    told = learned_from(judged + list(weeks(arguments.learn)))
    random = np.random.default_rng(1)
    pools = {source: _pool(tails(told, source)) for source in {week.source for week in judged}}
    rows = [_judged(week, pools[week.source], arguments.budget, random) for week in judged]
    allowed = max(arguments.budget, float(np.mean([row["called"] for row in rows])))
    tops = [_tops(week) for week in judged]
    factor = next((c for c in FACTORS if np.mean([_by_rule(top, c) for top in tops]) <= allowed), FACTORS[-1])
    for week, row, top in zip(judged, rows, tops, strict=True):
        row["rule"] = _by_rule(top, factor)
        row["beside"] = {
            d: _limit_of_rule(week, top, factor, d, random) / amount for d, amount in row["limits"].items() if amount
        }
    print("\n".join(_table(judged, rows, arguments.budget, factor)))


def _pool(table: dict[int, Floats]) -> Pool:
    return unpooled(lambda duration_s: table[nearest(duration_s, table)])


def _judged(week: Week, pool: Pool, budget: float, random: np.random.Generator) -> dict[str, Any]:
    """What we say of a week, whether an addition of each limit is found, and what other methods say."""

    def outcome(values: Floats) -> Any:
        return decide(
            week.starts_s, values, np.ones(len(values)), width_s=week.width_s, asked=week.asked, false_alarm=budget,
            power=POWER, unit=week.unit, pool=pool,
        )

    said = outcome(week.values)
    limits = said.limits if said.verdict == "no_surge" else ()
    found = []
    for limit in limits:
        bins = limit.duration_s / week.width_s
        begin = week.first + random.uniform(0, len(week.values) - week.first - bins)
        edges = np.arange(len(week.values) + 1)
        added = np.diff(np.clip(edges, begin, begin + bins)) * limit.amount / bins
        found.append(outcome(week.values + added).verdict == "surge")
    day = DAY_S // week.width_s
    return {
        "called": said.verdict == "surge", "found": found,
        "limits": {limit.duration_s: limit.amount for limit in limits},
        "peers": {name: method(week.values, week.first, day) for name, method in OWN.items()},
    }


def _tops(week: Week) -> dict[int, tuple[float, float]]:
    """For each length of windows that is a whole number of bins, the largest sum of the history and of the week."""
    return {
        d: (float(sums(week.values[: week.first], n).max()), float(sums(week.values[week.first :], n).max()))
        for d in DURATIONS_S if d % week.width_s == 0 and (n := d // week.width_s) <= len(week.values) - week.first
    }


def _by_rule(tops: dict[int, tuple[float, float]], factor: float) -> bool:
    return any(now > factor * before for before, now in tops.values())


def _limit_of_rule(
    week: Week, tops: dict[int, tuple[float, float]], factor: float, duration_s: int, random: np.random.Generator
) -> float:
    """The addition over a duration that the rule finds from a moment of the week with `POWER`."""
    values, bins = week.values[week.first :], max(duration_s // week.width_s, 1)
    needed = []
    for begin in random.integers(0, len(values) - bins + 1, MOMENTS).tolist():
        least = np.inf
        for known_s, (before, _) in tops.items():
            length = known_s // week.width_s
            first = np.arange(max(begin - length + 1, 0), min(begin + bins, len(values) - length + 1))
            caught = (np.minimum(first + length, begin + bins) - np.maximum(first, begin)) / bins
            least = min(least, float(((factor * before - sums(values, length)[first]) / caught).min()))
        needed.append(least)
    return float(np.quantile(needed, POWER))


def _table(judged: list[Week], rows: list[dict[str, Any]], budget: float, factor: float) -> list[str]:
    names = list(OWN)
    lines = [
        f"| source | series, weeks | called at {budget:g} | rule, c = {factor:.2f} | " + " | ".join(names)
        + " | found at the limit | limit of the rule / ours: 5 min, 15 min, 1 h, 6 h, 1 day |",
        "| --- | --- | --- | --- |" + " --- |" * (len(names) + 2),
    ]
    by_source = defaultdict(list)
    for week, row in zip(judged, rows, strict=True):
        by_source[week.source].append((week, row))
    for source, own in [*sorted(by_source.items()), ("all", list(zip(judged, rows, strict=True)))]:
        called = [row["called"] for _, row in own]
        found = [one for _, row in own for one in row["found"]]
        beside = [[row["beside"][d] for _, row in own if d in row["beside"]] for d in DURATIONS_S]
        peers = " | ".join(f"{np.mean([row['peers'][name] for _, row in own]):.0%}" for name in names)
        lines.append(
            f"| {source} | {len({week.name for week, _ in own})}, {len(own)} | {share(sum(called), len(called))} |"
            f" {np.mean([row['rule'] for _, row in own]):.1%} | {peers} | {share(sum(found), len(found))} |"
            f" {', '.join(f'{np.median(some):.2f}' if some else '-' for some in beside)} |"
        )
    return lines


if __name__ == "__main__":
    main()
