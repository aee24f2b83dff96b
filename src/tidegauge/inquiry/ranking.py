"""Who surged: every country asked at once, under one bound, and ranked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe, Process, current_process
from multiprocessing.connection import Connection
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tidegauge import __version__
from tidegauge.context import SiteContext
from tidegauge.detect import Calendar, Outcome, Pool, conclude, evidence, learn, pooled, settle
from tidegauge.inquiry.asked import FAR, WIDTH_S, Asked, span_of
from tidegauge.inquiry.asking import doubt_caveats, ground_of
from tidegauge.inquiry.calendars import calendar_of
from tidegauge.inquiry.capacity import Capacity, link_speed, needs_bound
from tidegauge.inquiry.carriers import carriers_by_origin, unheard
from tidegauge.inquiry.caveats import data_caveats, exporter_caveats
from tidegauge.inquiry.grounds import never_matched, watch_caveats
from tidegauge.inquiry.missed import at_odd_times_by_origin, missed_by_origin
from tidegauge.model import TidegaugeError, Verdict, format_time, shapes
from tidegauge.series import build_many, covered, doubtful
from tidegauge.site import Site

Floats = NDArray[np.float64]
NO_FAR_END = "Only traffic that comes in or goes out has an outside end: no other traffic can be ranked by origin."
RELAYED = (
    "Each origin counts the addresses that are registered to it. Traffic that came through a relay (VPN, Tor, proxy)"
    " counts towards the country of the relay."
)
FEW = 8
"""With fewer series a second process is not worth its start."""


@dataclass(frozen=True)
class Ranked:
    """One origin's part of the answer."""

    origin: str
    total: float
    outcome: Outcome

    def to_json(self, metric: str) -> shapes.Ranked:
        largest = self.outcome.largest
        told: shapes.Ranked = {
            "origin": self.origin,
            "verdict": self.outcome.verdict,
            "surges": [surge.to_json() for surge in self.outcome.surges],
            "largest": None if largest is None else largest.to_json(),
            "detection_limit": [limit.to_json(metric) for limit in self.outcome.limits],
        }
        told[cast(shapes.Metric, metric)] = round(self.total)
        return told


@dataclass(frozen=True)
class Ranking:
    """All origins, the most surprising first.

    Attributes:
        false_alarm: over all origins together; None where the share of false ones among those called is bounded
            instead, by `false_discovery`.
        pooled: how many thin series, and others, the shape of the tails rests on.
    """

    metric: str
    direction: str
    since_s: int
    until_s: int
    verdict: Verdict
    false_alarm: float | None
    coverage_share: float
    origins: tuple[Ranked, ...]
    false_discovery: float | None = None
    pooled: tuple[int, int] = (0, 0)
    caveats: tuple[str, ...] = ()
    reads: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> shapes.Ranking:
        return {
            "question": {"selection": "all", "direction": self.direction, "metric": self.metric, "width_s": WIDTH_S,
                         "since": format_time(self.since_s), "until": format_time(self.until_s)},
            "verdict": self.verdict,
            "false_alarm": self.false_alarm,
            "false_discovery": self.false_discovery,
            "pooled": {"thin": self.pooled[0], "others": self.pooled[1]},
            "coverage": {"share": round(self.coverage_share, 6)},
            "origins": [origin.to_json(self.metric) for origin in self.origins],
            "caveats": list(self.caveats),
            "version": __version__,
        }


@dataclass(frozen=True)
class _Work:
    """What is the same for all series."""

    starts_s: NDArray[np.int64]
    first: int
    false_alarm: float
    power: float
    calendar: Calendar


class _Judge:
    """Some of the series, from what they teach to what is said of them, since all must teach before any is judged."""

    def __init__(self, work: _Work, table: Floats, seen: Floats, units: Floats) -> None:
        self._work, self._table, self._seen = work, table, seen
        self._asked = slice(work.first, table.shape[1])
        self._learned = [
            learn(work.starts_s, values, own, width_s=WIDTH_S, asked=self._asked, false_alarm=work.false_alarm,
                  unit=unit, calendar=work.calendar)
            for values, own, unit in zip(table, seen, units, strict=True)
        ]

    def evidence(self) -> list[Any]:
        return [evidence(learned) for learned in self._learned]

    def outcomes(self, pool: Pool, false_alarm: float) -> list[Outcome]:
        work, found = self._work, []
        for learned, values, seen in zip(self._learned, self._table, self._seen, strict=True):
            judgement = conclude(learned, false_alarm=false_alarm, pool=pool)
            outcome = settle(
                judgement, work.starts_s, values, seen, width_s=WIDTH_S, asked=self._asked, power=work.power
            )
            found.append(replace(outcome, judgement=replace(judgement, scans=(), expected=judgement.expected[:0])))
        return found


def _serve(end: Connection, work: _Work, table: Floats, seen: Floats, units: Floats) -> None:
    """A judge at the far end of a pipe: it is told a method and its arguments until it is told none."""
    judge = _Judge(work, table, seen, units)
    while (told := end.recv()) is not None:
        end.send(getattr(judge, told[0])(*told[1:]))


@contextmanager
def _judges(work: _Work, table: Floats, seen: Floats, units: Floats) -> Iterator[Callable[..., list[Any]]]:
    """A function that asks all judges, one a core, and gives what they say in the order of the series."""
    # A process of a pool starts none of its own: the pool is what bounds how much is judged at once.
    most = 1 if current_process().daemon else os.cpu_count() or 1
    cores = min(most, max(len(table) // FEW, 1))
    parts = [np.arange(len(table))[core::cores] for core in range(cores)]
    with ExitStack() as stack:
        ends = []
        for part in parts[1:]:
            here, there = Pipe()
            process = Process(target=_serve, args=(there, work, table[part], seen[part], units[part]), daemon=True)
            process.start()
            there.close()
            stack.callback(process.join)
            stack.callback(here.send, None)
            ends.append(here)
        own = _Judge(work, table[parts[0]], seen[parts[0]], units[parts[0]])

        def tell(method: str, *arguments: Any) -> list[Any]:
            for end in ends:
                end.send((method, *arguments))
            said = [getattr(own, method)(*arguments)]
            try:
                said += [end.recv() for end in ends]
            except EOFError:
                raise TidegaugeError("a process that judged a part of the origins ended") from None
            found: list[Any] = [None] * len(table)
            for part, some in zip(parts, said, strict=True):
                for place, one in zip(part.tolist(), some, strict=True):
                    found[place] = one
            return found

        yield tell


def ask_all(given: Site | SiteContext, asked: Asked, *, false_discovery: float | None = None) -> Ranking:
    """Was there a surge from any country? The budget of false alarms is shared by all that were ever seen.

    Args:
        false_discovery: where given, the share of false ones among the origins called is bounded by that instead
            (Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995) 289).
    Raises:
        LakeError, UsageError: as `ask`.
    """
    context = SiteContext.of(given)
    site, lake = context.site, context.lake
    span = span_of(context, asked)
    if asked.watch is not None:
        asked = replace(asked, watch=asked.watch.with_history(span.since_s))
    asked = replace(asked, without=tuple(doubtful(lake.ledger())))
    conditions = asked.conditions()
    names, table, seen, units = build_many(
        lake, conditions, by="far_country", metric=asked.metric, width_s=WIDTH_S,
        since_s=span.history_s, until_s=span.until_s,
    )
    first_bin = span.history_s // WIDTH_S
    starts_s = (first_bin + np.arange(table.shape[1])) * WIDTH_S
    first = span.since_s // WIDTH_S - first_bin
    share = (false_discovery or asked.false_alarm) / max(len(names), 1)
    coverage = covered(lake, span.history_s, span.until_s)
    carriers = carriers_by_origin(lake, asked, span, coverage, names)
    how = {"width_s": WIDTH_S, "first_bin": first_bin, "bins": table.shape[1]}
    rows = np.array([coverage.weighed(own.brought).bins(**how) if own.brought else seen for own in carriers])
    work = _Work(starts_s, first, share, asked.power, calendar_of(site, span.history_s, span.until_s))
    with _judges(work, table, rows, units) as tell:
        pool = pooled(tell("evidence"))
        outcomes: list[Outcome] = tell("outcomes", pool, share)
        p_values = [outcome.largest.p_value if outcome.largest else 1.0 for outcome in outcomes]
        if false_discovery is not None and (called := discoveries(p_values, false_discovery)) > 1:
            outcomes = tell("outcomes", pool, share * called)
    ground = ground_of(context, asked, span)
    whole = Capacity(table.sum(axis=0), WIDTH_S, asked.metric)
    if any(needs_bound(outcome, whole.values, WIDTH_S, asked.metric) for outcome in outcomes):
        whole = replace(whole, speed_bps=link_speed(lake, site, coverage))
    outcomes = [whole.bounded(outcome) for outcome in outcomes]
    reasons = (*ground.reasons, *(() if asked.direction in FAR else (NO_FAR_END,)))
    if reasons:
        outcomes = [outcome.silent() for outcome in outcomes]
    else:
        outcomes, why = at_odd_times_by_origin(lake, site, asked, names, outcomes)
        why += unheard(names, carriers)
        for way in ground.hiding:
            counted = table[:, first:].sum(axis=1)
            outcomes, hidden = missed_by_origin(lake, site, asked, span, way, names, counted, outcomes)
            why += hidden
        reasons = tuple(why)
    ranked = [
        Ranked(name, float(values[first:].sum()), outcome)
        for name, values, outcome in zip(names, table, outcomes, strict=True)
    ]
    ranked.sort(key=lambda r: (r.outcome.largest.p_value if r.outcome.largest else 2.0, -r.total))
    verdicts = {r.outcome.verdict for r in ranked}
    safe = verdicts == {"no_surge"} and not reasons
    verdict: Verdict = "surge" if "surge" in verdicts else "no_surge" if safe else "cannot_say"
    coverage_share = float(seen[first:].mean()) if len(seen) > first else 0.0
    return Ranking(
        asked.metric, asked.direction, span.since_s, span.until_s, verdict,
        None if false_discovery is not None else asked.false_alarm, coverage_share, tuple(ranked), false_discovery,
        pool.series,
        (
            *ground.doubts,
            *ground.twice,
            *reasons,
            *(asked.watch.notes if asked.watch else ()),
            *never_matched(lake, asked, seen=bool(table.any())),
            *watch_caveats(site, asked, span),
            *span.notes,
            *doubt_caveats(asked, lake, span),
            *data_caveats(context, span.since_s, span.until_s, by_table=True),
            RELAYED,
            *exporter_caveats(coverage, None, 0.0),
        ),
        dict(lake.reads),
    )


def discoveries(p_values: Sequence[float], rate: float) -> int:
    """How many of the least p-values are called so that false ones are at most that share of them in the mean
    (Benjamini and Hochberg 1995).

    >>> discoveries([0.001, 0.02, 0.9], 0.1)
    2
    """
    from scipy.stats import false_discovery_control  # takes half a second to import, and few ask for it

    return int((false_discovery_control(p_values) <= rate).sum()) if len(p_values) else 0
