"""Who surged: every country asked at once, under one false-alarm bound, and ranked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge import __version__
from tidegauge.detect import Calendar, Outcome, decide
from tidegauge.inquiry.ask import WIDTH_S, Asked, calendar_of, span_of
from tidegauge.lake import Lake
from tidegauge.model import Verdict, format_time
from tidegauge.series import build_many, doubtful
from tidegauge.site import Site

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """One origin's part of the answer."""

    origin: str
    total: float
    outcome: Outcome

    def to_json(self, metric: str) -> dict[str, Any]:
        largest = self.outcome.largest
        return {
            "origin": self.origin,
            "verdict": self.outcome.verdict,
            metric: round(self.total),
            "surges": [surge.to_json() for surge in self.outcome.surges],
            "largest": None if largest is None else largest.to_json(),
            "detection_limit": [limit.to_json(metric) for limit in self.outcome.limits],
        }


@dataclass(frozen=True)
class Ranking:
    """All origins, the most surprising first."""

    metric: str
    direction: str
    since_s: int
    until_s: int
    verdict: Verdict
    false_alarm: float
    coverage_share: float
    origins: tuple[Ranked, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "question": {"selection": "all", "direction": self.direction, "metric": self.metric, "width_s": WIDTH_S,
                         "since": format_time(self.since_s), "until": format_time(self.until_s)},
            "verdict": self.verdict,
            "false_alarm": self.false_alarm,
            "coverage": {"share": round(self.coverage_share, 6)},
            "origins": [origin.to_json(self.metric) for origin in self.origins],
            "version": __version__,
        }  # fmt: skip


@dataclass(frozen=True)
class _Work:
    """What is the same for all series; sent to the workers once."""

    starts_s: NDArray[np.int64]
    seen: Floats
    first: int
    false_alarm: float
    power: float
    calendar: Calendar


_work: list[_Work] = []


def _prepare(work: _Work) -> None:
    _work[:] = [work]


def _judge(values: Floats, unit: float) -> Outcome:
    work = _work[0]
    return decide(
        work.starts_s, values, work.seen, width_s=WIDTH_S, asked=slice(work.first, len(values)),
        false_alarm=work.false_alarm, power=work.power, unit=unit, calendar=work.calendar,
    )  # fmt: skip


def ask_all(site: Site, asked: Asked) -> Ranking:
    """Was there a surge from any country? The budget of false alarms is shared by all that were ever seen.

    Raises:
        LakeError, UsageError: as `ask`.
    """
    lake = Lake(site.data, memory_mb=site.memory_mb)
    span = span_of(lake, site, asked)
    asked = replace(asked, without=tuple(doubtful(lake.ledger())))
    conditions = asked.conditions()
    names, table, seen, units = build_many(
        lake, conditions, by="far_country", metric=asked.metric, width_s=WIDTH_S,
        since_s=span.history_s, until_s=span.until_s,
    )  # fmt: skip
    first_bin = span.history_s // WIDTH_S
    starts_s = (first_bin + np.arange(table.shape[1])) * WIDTH_S
    first = span.since_s // WIDTH_S - first_bin
    share = asked.false_alarm / max(len(names), 1)
    work = _Work(starts_s, seen, first, share, asked.power, calendar_of(site))
    ranked = [
        Ranked(name, float(values[first:].sum()), outcome)
        for name, values, outcome in zip(names, table, _outcomes(work, table, units), strict=True)
    ]
    ranked.sort(key=lambda r: (r.outcome.largest.p_value if r.outcome.largest else 2.0, -r.total))
    verdicts = {r.outcome.verdict for r in ranked}
    verdict: Verdict = "surge" if "surge" in verdicts else "no_surge" if verdicts == {"no_surge"} else "cannot_say"
    coverage_share = float(seen[first:].mean()) if len(seen) > first else 0.0
    return Ranking(
        asked.metric,
        asked.direction,
        span.since_s,
        span.until_s,
        verdict,
        asked.false_alarm,
        coverage_share,
        tuple(ranked),
    )


def _outcomes(work: _Work, table: Floats, units: Floats) -> Iterator[Outcome]:
    """One judgement a series, on all cores where there are many."""
    if len(table) < 8 or (os.cpu_count() or 1) < 2:
        _prepare(work)
        yield from map(_judge, table, units)
        return
    with ProcessPoolExecutor(os.cpu_count(), initializer=_prepare, initargs=(work,)) as pool:
        yield from pool.map(_judge, table, units, chunksize=4)
