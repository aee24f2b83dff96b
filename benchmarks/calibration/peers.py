"""What is in use, on the same quiet series: how often each calls a surge in a week in which nothing happened.

    python -m benchmarks.calibration.peers [--series 160]

EARS C1 to C3 and Farrington flexible are those of R's `surveillance` (Debian: r-cran-surveillance), on hourly sums;
Holt-Winters has rrdtool's usual settings; SPOT and DSPOT those of their paper; the fixed threshold is twice the largest
value of the history.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import genpareto

from benchmarks.calibration.families import DAY, FAMILIES, HISTORY, UNSEEN, Floats


def three_deviations(values: Floats, first: int, day: int) -> bool:
    past, asked = values[:first], values[first:]
    return bool((asked > past.mean() + 3 * past.std()).any())


def hour_of_week(values: Floats, first: int, day: int) -> bool:
    """A profile by hour of the week, and three deviations above it."""
    hours = np.arange(len(values)) % (7 * day) * 24 // day
    past = values[:first]
    sums = np.bincount(hours[:first], weights=past, minlength=168)
    count = np.maximum(np.bincount(hours[:first], minlength=168), 1)
    mean = sums / count
    deviation = np.sqrt(
        np.bincount(hours[:first], weights=(past - mean[hours[:first]]) ** 2, minlength=168) / count
    )
    return bool((values[first:] > (mean + 3 * deviation)[hours[first:]]).any())


def holt_winters(values: Floats, first: int, day: int) -> bool:
    """Aberrant behaviour as rrdtool finds it (Brutlag 2000): 7 of 9 bins outside of two predicted deviations."""
    alpha, beta, gamma, scale = 0.1, 0.0035, 0.1, 2.0
    level, slope = float(values[:day].mean()), 0.0
    season, deviation = values[:day] - level, np.full(day, float(np.abs(values[:day] - level).mean()))
    failing = np.zeros(len(values), dtype=bool)
    for i in range(day, len(values)):
        place = i % day
        predicted = level + slope + season[place]
        failing[i] = values[i] > predicted + scale * deviation[place]
        before = level
        level = alpha * (values[i] - season[place]) + (1 - alpha) * (level + slope)
        slope = beta * (level - before) + (1 - beta) * slope
        season[place] = gamma * (values[i] - level) + (1 - gamma) * season[place]
        deviation[place] = gamma * abs(values[i] - predicted) + (1 - gamma) * deviation[place]
    return bool((np.convolve(failing[first:], np.ones(9), "valid") >= 7).any())


def fixed_threshold(values: Floats, first: int, day: int) -> bool:
    return bool((values[first:] > 2 * values[:first].max()).any())


def spot(values: Floats, first: int, day: int, risk: float = 1e-4) -> bool:
    """SPOT (Siffer, Fouque, Termier, Largouët, KDD 2017): peaks over the 98 % quantile of the history follow a
    generalised Pareto distribution; an alarm where that gives a value less than the risk, else the fit learns from
    it (here whenever there are a twentieth more peaks)."""
    past, asked = values[:first], values[first:]
    threshold = float(np.quantile(past, 0.98))
    peaks = list(past[past > threshold] - threshold)
    seen, fitted, level = len(past), len(peaks), _pareto_level(peaks, threshold, len(past), risk)
    for value in asked.tolist():
        if value > level:
            return True
        seen += 1
        if value > threshold:
            peaks.append(value - threshold)
            if len(peaks) >= 1.05 * fitted:
                level, fitted = _pareto_level(peaks, threshold, seen, risk), len(peaks)
    return False


def _pareto_level(peaks: list[float], threshold: float, seen: int, risk: float) -> float:
    if len(peaks) < 5:
        return float("inf")
    shape, _, scale = genpareto.fit(np.array(peaks), floc=0)
    ratio = risk * seen / len(peaks)
    if abs(shape) < 1e-6:
        return float(threshold - scale * np.log(ratio))
    return float(threshold + scale / shape * (ratio**-shape - 1))


def drift_spot(values: Floats, first: int, day: int) -> bool:
    """DSPOT: the same on what lies above the mean of the last day."""
    total = np.r_[0.0, np.cumsum(values)]
    before = np.r_[np.full(day, values[:day].mean()), (total[day:-1] - total[: -day - 1]) / day]
    return spot(values - before, first, day)


OWN: dict[str, Callable[[Floats, int, int], bool]] = {
    "mean + 3 deviations": three_deviations,
    "hour of week + 3 deviations": hour_of_week,
    "Holt-Winters (rrdtool)": holt_winters,
    "fixed threshold": fixed_threshold,
    "SPOT, risk 1e-4": spot,
    "DSPOT, risk 1e-4, a day": drift_spot,
}


def in_r(table: Floats) -> dict[str, Floats]:
    """Alarms of R's methods, shape (series,) each; none where R or its package is not installed."""
    if shutil.which("Rscript") is None:
        return {}
    hourly = table.reshape(len(table), -1, 12).sum(axis=2)
    # Counts of the size of flows, since the methods are made for counts.
    counts = np.rint(hourly / 10_000).astype(np.int64)
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "in.csv", Path(folder) / "out.csv"
        np.savetxt(given, counts, fmt="%d", delimiter=",")
        script = Path(__file__).with_name("peers.R")
        subprocess.run(["Rscript", str(script), str(given), str(found)], check=True, capture_output=True)
        rows = [line.split(",") for line in found.read_text().splitlines()]
    return {row[0].strip('"'): np.array([float(v) if v != "NA" else np.nan for v in row[1:]]) for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=160)
    parser.add_argument("--seed", type=int, default=2)
    arguments = parser.parse_args()
    made, rows = [], []
    for number in range(arguments.series):
        random = np.random.default_rng([arguments.seed, number])
        kinds = FAMILIES + UNSEEN
        family = kinds[number % len(kinds)](random)
        made.append(family.family)
        rows.append(family.series(random) * family.seen)
    table = np.array(rows)
    alarms = {name: np.array([float(method(v, HISTORY, DAY)) for v in table]) for name, method in OWN.items()}
    alarms |= in_r(table)
    names = list(dict.fromkeys(made))
    print(f"\nHow often methods in use call a surge in a quiet week ({len(made)} series):\n")
    print("| method | " + " | ".join(names) + " |\n| --- |" + " --- |" * len(names))
    for method, found in alarms.items():
        by_family = defaultdict(list)
        for family_name, alarm in zip(made, found, strict=True):
            by_family[family_name].append(alarm)
        print(f"| {method} | " + " | ".join(f"{np.nanmean(by_family[n]):.0%}" for n in names) + " |")


if __name__ == "__main__":
    main()
