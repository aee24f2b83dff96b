"""Calibration of the judgement.

    python -m benchmarks.calibration.run [--series 1000] [--seed 1]

For each quiet series: was a surge called, at false-alarm budgets of 0.01 and 0.05; the detection limits; whether
additions of that size were found; the limits divided by an oracle's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from benchmarks.calibration.families import BIN_S, BINS, FAMILIES, HISTORY, START_S, UNSEEN
from benchmarks.calibration.oracle import Oracle
from tidegauge.detect import DURATIONS_S, decide

BUDGETS = (0.05, 0.01)
POWER = 0.95
STARTS_S = START_S + BIN_S * np.arange(BINS)


def one(number: int, seed: int, inject: bool) -> dict[str, object]:
    random = np.random.default_rng([seed, number])
    kinds = FAMILIES + UNSEEN
    made = kinds[number % len(kinds)](random)
    whole = made.series(random)
    values = whole * made.seen
    oracle = Oracle(made, random)
    row: dict[str, object] = {"family": made.family}
    positive = values[values > 0]
    unit = float(positive.min()) if len(positive) else 1.0
    for budget in BUDGETS:
        begin = time.perf_counter()
        outcome = decide(STARTS_S, values, made.seen, width_s=BIN_S, asked=slice(HISTORY, BINS),
                         false_alarm=budget, power=POWER, unit=unit)
        spent = time.perf_counter() - begin
        ours = [limit.amount or np.inf for limit in outcome.limits]
        theirs = oracle.limits(whole[HISTORY:], budget, POWER, DURATIONS_S)
        found = tried = 0
        if inject and outcome.verdict == "no_surge" and budget == BUDGETS[number // len(kinds) % len(BUDGETS)]:
            for place in range(len(DURATIONS_S)):
                tried += 1
                changed = values.copy()
                if not np.isfinite(ours[place]):
                    continue
                added = spread_over(ours[place], DURATIONS_S[place] / BIN_S, made.seen[HISTORY:], random)
                changed[HISTORY:] += added * made.seen[HISTORY:]
                again = decide(STARTS_S, changed, made.seen, width_s=BIN_S, asked=slice(HISTORY, BINS),
                               false_alarm=budget, power=POWER, unit=unit)
                found += again.verdict == "surge"
        row[str(budget)] = {
            "verdict": outcome.verdict, "found": found, "tried": tried, "seconds": spent,
            "ratios": [a / b for a, b in zip(ours, theirs, strict=True)],
        }
    return row


def spread_over(amount: float, bins: float, seen: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """An amount evenly over a duration from a moment drawn from the asked time that was covered."""
    begin = random.choice(np.flatnonzero(seen >= 0.5)) + random.random()
    edges = np.arange(BINS - HISTORY + 1)
    covered = np.diff(np.clip(edges, begin, begin + bins))
    return covered * amount / bins


def share(count: int, of: int) -> str:
    low, high = binomtest(count, of).proportion_ci(0.95) if of else (0, 1)
    return f"{count / max(of, 1):.1%} ({low:.1%} to {high:.1%})"


def table(rows: list[dict[str, object]], budget: float, before: list[dict[str, object]]) -> list[str]:
    """One line a family; what another version said of the same series behind it in brackets, where it is given."""
    lines = [
        f"| family | series | false surges at {budget:g} | abstained | found at the limit (power {POWER:g}) |"
        " limit / oracle's: 5 min, 1 h, 1 day; median of all |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    now, then = _by_family(rows, budget), _by_family(before, budget)
    for name, own in sorted(now.items(), key=lambda item: item[0] == "all"):
        false, found, ratios = _figures(own)
        if name in then:
            old = _figures(then[name])
            false, found, ratios = f"{false} [{old[0]}]", f"{found} [{old[1]}]", f"{ratios} [{old[2]}]"
        abstained = sum(o["verdict"] == "cannot_say" for o in own) / len(own)
        lines.append(f"| {name} | {len(own)} | {false} | {abstained:.1%} | {found} | {ratios} |")
    return lines


def _by_family(rows: list[dict[str, object]], budget: float) -> dict[str, list[dict[str, object]]]:
    found = defaultdict(list)
    for row in rows:
        found[row["family"]].append(row[str(budget)])
        found["all"].append(row[str(budget)])
    return found


def _figures(own: list[dict[str, object]]) -> tuple[str, str, str]:
    """False surges, additions found, and limits beside the oracle's."""
    ratios = np.array([o["ratios"] for o in own])
    medians = np.median(ratios, axis=0)
    return (
        share(sum(o["verdict"] == "surge" for o in own), len(own)),
        share(sum(o["found"] for o in own), sum(o["tried"] for o in own)),
        f"{medians[0]:.2f}, {medians[2]:.2f}, {medians[4]:.2f}; {np.median(ratios):.2f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-inject", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, help="the figures of each series, as JSON")
    parser.add_argument("--beside", type=Path, help="what another version wrote with --out, of the same seed")
    parser.add_argument("--rows", type=Path, help="print what was written with --out before, and run nothing")
    arguments = parser.parse_args()
    before = json.loads(arguments.beside.read_text()) if arguments.beside else []
    if arguments.rows:
        rows = json.loads(arguments.rows.read_text())
        for budget in BUDGETS:
            print("\n".join(table(rows, budget, before)) + "\n")
        return
    with ProcessPoolExecutor(arguments.processes) as pool:
        count = arguments.series
        jobs = pool.map(one, range(count), [arguments.seed] * count, [not arguments.no_inject] * count, chunksize=8)
        rows = list(jobs)
    for budget in BUDGETS:
        print("\n".join(table(rows, budget, before)) + "\n")
    seconds = [row[str(b)]["seconds"] for row in rows for b in BUDGETS]  # type: ignore[index]
    print(f"one question: median {np.median(seconds):.2f} s, largest {max(seconds):.2f} s")
    if arguments.out:
        arguments.out.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
