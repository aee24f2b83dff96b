"""Learn the shapes of tails from real series, for `detect/data/tails.json`: what is thought before anything is seen.

    python tools/learn_tails.py FOLDER ... [--without SOURCE] [--out FILE]

A folder holds series as `SOURCE_NAME.csv.gz` with `time,value` (epoch seconds, UTC), and may hold `events.json`:
labelled times by name of series, [[begin, end], ...], which teach nothing. Every week of a series for which there is a
history says what that history's peaks say of the shape of their tail (`detect.tail.log_likelihood`), for each length of
windows; the distribution of shapes over series follows by empirical Bayes (`detect.pool.shapes_of`). Each source counts
as `EACH_SOURCE` series however many it has, since series of one source are alike, and `OWN` series stand for what was
thought before.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect import DURATIONS_S, learn
from tidegauge.detect.history import Learned
from tidegauge.detect.pool import is_thin, likelihood_of, shapes_of
from tidegauge.detect.tail import nearest, prior

Floats = NDArray[np.float64]
OUT = Path(__file__).parent.parent / "src/tidegauge/detect/data/tails.json"
DAY_S, WEEK_S = 86_400, 7 * 86_400
EACH_SOURCE, OWN = 3.0, 12.0
FALSE_ALARM = 0.05
DIGITS = 5


@dataclass(frozen=True)
class Week:
    """A week of a real series with the history before it, both in bins of one width.

    Attributes:
        source: the collection that it is from; `name` the series.
        starts_s, values: of shape (n,); asked from `first` on.
    """

    source: str
    name: str
    width_s: int
    starts_s: NDArray[np.int64]
    values: Floats
    first: int

    @property
    def asked(self) -> slice:
        return slice(self.first, len(self.values))

    @property
    def unit(self) -> float:
        return float(self.values[self.values > 0].min(initial=1.0))

    def learned(self) -> Learned:
        """What its history says."""
        return learn(
            self.starts_s, self.values, np.ones(len(self.values)), width_s=self.width_s, asked=self.asked,
            false_alarm=FALSE_ALARM, unit=self.unit,
        )


def weeks(folders: list[Path], step_s: int = WEEK_S) -> Iterator[Week]:
    """All weeks of the series in some folders that touch no labelled time; of series of less than two weeks a day."""
    for folder in folders:
        labelled = folder / "events.json"
        events = json.loads(labelled.read_text()) if labelled.exists() else {}
        for path in sorted(folder.glob("*.csv.gz")):
            name = path.name.removesuffix(".csv.gz")
            with gzip.open(path, "rt") as lines:
                times, values = np.loadtxt(lines, delimiter=",", skiprows=1, ndmin=2).T
            yield from _weeks_of(name, times.astype(np.int64), values, events.get(name, ()), step_s)


def _weeks_of(
    name: str, times: NDArray[np.int64], values: Floats, events: list[tuple[int, int]], step_s: int
) -> Iterator[Week]:
    width_s = int(np.median(np.diff(times)))
    span_s = int(times[-1] - times[0])
    asked_s = WEEK_S if span_s > 15 * DAY_S else DAY_S
    history_s = 28 * DAY_S if span_s > 36 * DAY_S else (span_s - asked_s) // DAY_S * DAY_S
    for since_s in range(-(-int(times[0] + history_s) // DAY_S) * DAY_S, int(times[-1]) - asked_s + 1, step_s):
        if any(begin < since_s + asked_s and end > since_s for begin, end in events):
            continue
        starts_s = np.arange(since_s - history_s, since_s + asked_s, width_s)
        first = int((starts_s < since_s).sum())
        yield Week(name.split("_")[0], name, width_s, starts_s, np.interp(starts_s, times, values), first)


def learned_from(found: list[Week]) -> dict[int, list[tuple[str, Floats]]]:
    """What the histories of weeks say of shapes, by length of windows (seconds), each with its source."""
    told: dict[int, list[tuple[str, Floats]]] = defaultdict(list)
    for week in found:
        for one in week.learned().scored:
            if is_thin(one) or not len(one.peaks.scores):
                continue
            told[nearest(one.length * week.width_s, DURATIONS_S)].append((week.source, likelihood_of(one)))
    return told


def tails(told: dict[int, list[tuple[str, Floats]]], without: str | None = None) -> dict[int, Floats]:
    """The distribution of shapes for each length, from all sources but one."""
    found = {}
    for duration_s in sorted(told):
        kept = [(source, likelihood) for source, likelihood in told[duration_s] if source != without]
        sizes = Counter(source for source, _ in kept)
        weights = [EACH_SOURCE / sizes[source] for source, _ in kept]
        found[duration_s] = shapes_of([likelihood for _, likelihood in kept], prior(), weights, OWN)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--without", help="a source that is left out")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    found = list(weeks(arguments.folders))
    told = learned_from(found)
    sources = {
        source: {"series": len({week.name for week in found if week.source == source}), "histories": count}
        for source, count in sorted(Counter(week.source for week in found).items()) if source != arguments.without
    }
    weights = {
        str(duration_s): [[float(f"{cell:.{DIGITS}g}") for cell in row] for row in table.tolist()]
        for duration_s, table in tails(told, arguments.without).items()
    }
    arguments.out.write_text(json.dumps({"sources": sources, "weights": weights}) + "\n", encoding="utf-8")
    print(f"{len(found)} histories of {len({week.name for week in found})} series: {arguments.out}")


if __name__ == "__main__":
    main()
