"""The same on real series: every origin of a site's flows, quiet or not, with surges of the stated limit injected.

    python -m benchmarks.calibration.real SITE --since T

What is quiet is not known here, so a surge called is not a false one; injected surges are found or not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tidegauge.detect import DURATIONS_S, decide
from tidegauge.lake import Lake
from tidegauge.model import parse_time
from tidegauge.series import build_many
from tidegauge.site import load_site

WIDTH_S = 300
BUDGET, POWER = 0.01, 0.95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--since", required=True)
    arguments = parser.parse_args()
    lake = Lake(load_site(arguments.site).data)
    extent = lake.extent()
    assert extent is not None
    begin_s, end_s = extent.first_s, extent.until_s
    names, table, seen, units = build_many(
        lake, ("direction = 'in'",), by="far_country", metric="bytes", width_s=WIDTH_S, since_s=begin_s, until_s=end_s
    )
    starts_s = (begin_s // WIDTH_S + np.arange(table.shape[1])) * WIDTH_S
    first = (parse_time(arguments.since, now_s=end_s) - int(starts_s[0])) // WIDTH_S
    asked = slice(first, len(starts_s))
    random = np.random.default_rng(1)
    verdicts = {"surge": 0, "no_surge": 0, "cannot_say": 0}
    found = dict.fromkeys(DURATIONS_S, 0)
    tried = dict.fromkeys(DURATIONS_S, 0)

    def judge(values: np.ndarray, unit: float):  # type: ignore[no-untyped-def]
        return decide(starts_s, values, seen, width_s=WIDTH_S, asked=asked, false_alarm=BUDGET, power=POWER, unit=unit)

    covered = np.flatnonzero(seen[first:] >= 0.5)
    for values, unit in zip(table, units, strict=True):
        outcome = judge(values, float(unit))
        verdicts[outcome.verdict] += 1
        if outcome.verdict != "no_surge":
            continue
        for limit in outcome.limits:
            if limit.amount is None:
                continue
            begin = first + random.choice(covered) + random.uniform(0, 1)
            bins = limit.duration_s / WIDTH_S
            edges = np.arange(len(values) + 1)
            added = np.diff(np.clip(edges, begin, begin + bins)) * limit.amount / bins * seen
            tried[limit.duration_s] += 1
            found[limit.duration_s] += judge(values + added, float(unit)).verdict == "surge"
    print(f"{len(names)} origins, {first} bins of history, {len(starts_s) - first} asked: {verdicts}")
    for duration in DURATIONS_S:
        if tried[duration]:
            print(f"{duration} s at the limit: {found[duration]} of {tried[duration]} found")


if __name__ == "__main__":
    main()
