"""What the console draws: the series behind an answer with what was expected of it, origins over time, names of a host.

An answer says what follows; these say what it follows from, in few enough numbers for a browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidegauge.app.questions import NamesQuestion, WorldQuestion
from tidegauge.context import SiteContext
from tidegauge.detect import expectation
from tidegauge.detect.limits import drawn_moments, needed_amounts
from tidegauge.inquiry import Reply, calendar_of
from tidegauge.model import UsageError, format_address, format_time, parse_address, parse_duration, shapes, shown_number
from tidegauge.series import build_many

MOST_POINTS = 2100
CURVES_S = (300, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172_800, 604_800)
CHANCES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
MOST_FRAMES = 60
FRAMES_S = (3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 7 * 86_400)
HOUR_S, DAY_S = 3600, 86_400
LEAST_HISTORY_S = 2 * DAY_S
MOST_NAMES = 500

Floats = NDArray[np.float64]


def picture(reply: Reply) -> shapes.Chart:
    """The asked time in windows of one length, side by side: what was seen, expected, and the critical level.

    The windows are those of the judgement itself, of the shortest length at which they are few enough; where nothing
    can be said there are no levels. `would` has for durations the amounts that would have been seen with a probability.
    """
    question, judgement = reply.answer.question, reply.outcome.judgement
    values, seen = reply.series.values[reply.asked], reply.series.seen[reply.asked]
    starts_s = reply.series.starts_s[reply.asked]
    fitting = [scan for scan in judgement.scans if len(values) / scan.length <= MOST_POINTS]
    scan = min(fitting, key=lambda one: one.length, default=None)
    length = scan.length if scan else max(-(-len(values) // MOST_POINTS), 1)
    begins = np.arange(0, len(values), length)
    told: shapes.Chart = {
        "width_s": question.width_s * length,
        "start_s": starts_s[begins].tolist(),
        "value": _rounded(np.add.reduceat(values, begins)) if len(values) else [],
        "coverage": [round(float(c), 4) for c in np.add.reduceat(seen, begins) / np.diff(np.r_[begins, len(values)])],
        "would": _would(reply, seen),
    }
    if scan is not None:
        whole = begins[: len(scan.observed[::length])]
        expected = (scan.expected + scan.allowance)[whole]
        told |= {
            "expected": _rounded(scan.expected[whole]),
            "high": _rounded(expected + scan.spread[whole]),
            "low": _rounded(np.maximum(scan.expected[whole] - scan.spread[whole], 0)),
            "critical": _rounded(scan.critical[whole]),
        }
    return told


def _would(reply: Reply, seen: Floats) -> list[shapes.Curve]:
    """For each duration the amounts that would have been seen with each of `CHANCES`; null where none is that sure."""
    judgement, width_s = reply.outcome.judgement, reply.answer.question.width_s
    called = reply.outcome.called
    moments = drawn_moments(seen, called)
    if not len(moments) or not judgement.scans:
        return []
    found: list[shapes.Curve] = []
    for duration_s in CURVES_S:
        if duration_s > len(seen) * width_s:
            break
        needed = np.sort(needed_amounts(judgement, seen, called, duration_bins=duration_s / width_s, moments=moments))
        places = np.ceil(np.asarray(CHANCES) * len(needed)).astype(int) - 1
        amounts = [shown_number(float(a)) if np.isfinite(a) else None for a in needed[np.maximum(places, 0)]]
        found.append({"duration_s": duration_s, "probability": list(CHANCES), "amount": amounts})
    return found


def _rounded(amounts: Floats) -> list[float]:
    return [shown_number(float(a)) or 0 for a in amounts]


@dataclass(frozen=True)
class World:
    """Amounts of every country in frames of time, beside what its own history lets expect (None: too short a one)."""

    direction: str
    metric: str
    width_s: int
    starts_s: NDArray[np.int64]
    coverage: Floats
    names: list[str]
    values: Floats
    expected: Floats | None

    def to_json(self) -> shapes.World:
        order = np.argsort(-self.values.sum(axis=1), kind="stable").tolist()
        return {
            "direction": self.direction, "metric": self.metric, "width_s": self.width_s,
            "start_s": self.starts_s.tolist(), "coverage": [round(float(c), 4) for c in self.coverage],
            "countries": [
                {"country": self.names[i], "value": _rounded(self.values[i]),
                 "expected": None if self.expected is None else _rounded(self.expected[i])} for i in order
            ],
        }


def world(here: SiteContext, question: WorldQuestion) -> World:
    """Every country's amount over time, in at most `MOST_FRAMES` frames.

    Raises:
        UsageError: a wrong time, or an empty one.
    """
    extent = here.extent
    since_s, until_s, _ = here.span_s(question.since, question.until)
    if extent is None or until_s <= since_s:
        raise UsageError("the time is empty", hint="--since T --until T")
    width_s = next((w for w in FRAMES_S if (until_s - since_s) / w <= MOST_FRAMES), FRAMES_S[-1])
    first_s, last_s = since_s // HOUR_S * HOUR_S, -(-until_s // HOUR_S) * HOUR_S
    history_s = max(first_s - parse_duration(question.baseline), extent.first_s // HOUR_S * HOUR_S)
    names, table, seen, _ = build_many(
        here.lake, (f"direction = '{question.direction}'",), by="far_country", metric=question.metric, width_s=HOUR_S,
        since_s=min(history_s, first_s), until_s=last_s,
    )
    asked = max((first_s - history_s) // HOUR_S, 0)
    starts_s = np.arange(min(history_s, first_s), last_s, HOUR_S)
    expected = None
    if asked * HOUR_S >= LEAST_HISTORY_S:
        calendar = calendar_of(here.site, min(history_s, first_s), last_s)
        expected = expectation(starts_s, table, seen, asked=asked, width_s=HOUR_S, calendar=calendar)
    frames = np.arange(0, table.shape[1] - asked, width_s // HOUR_S)

    def framed(hours: Floats) -> Floats:
        return np.asarray(np.add.reduceat(hours, frames, axis=-1)) if len(frames) and hours.size else hours[..., :0]

    lasts = np.diff(np.r_[frames, table.shape[1] - asked])
    return World(
        question.direction, question.metric, width_s, starts_s[asked:][frames], framed(seen[asked:]) / lasts, names,
        framed(table[:, asked:]), None if expected is None else framed(expected),
    )


@dataclass(frozen=True)
class Names:
    """Names that a host asked for or talked under, and that pointed to it; the newest first."""

    address: str
    rows: list[shapes.NameSeen]
    more: int

    def to_json(self) -> shapes.Names:
        return {"address": self.address, "names": self.rows, "left_out": self.more}


def names_of(here: SiteContext, question: NamesQuestion) -> Names:
    """Names of one address, each once: how often, first and last, whether it asked for it, or the name led to it.

    Raises:
        UsageError: not an address, or a wrong time.
    """
    packed = parse_address(question.address)
    address = format_address(packed)
    since_us, until_us = here.moment_us(question.since), here.moment_us(question.until)
    table = here.lake.names(since_us, until_us)
    own = pa.scalar(packed, pa.binary(16))
    led = pc.or_kleene(pc.equal(table["server"], own), _listed(table["answers"], address))
    found: dict[tuple[shapes.Relation, str], list[int]] = {}
    ways: dict[shapes.Relation, Any] = {"asked": pc.equal(table["client"], own), "led to it": led}
    for relation, mask in ways.items():
        chosen = table.filter(pc.fill_null(mask, False))
        # The resolver of a query is no address that the name led to.
        if relation != "asked":
            resolver = pc.and_(pc.equal(chosen["source"], "dns"), pc.invert(_listed(chosen["answers"], address)))
            chosen = chosen.filter(pc.invert(pc.fill_null(resolver, False)))
        moments = chosen["time"].cast(pa.int64()).to_pylist()
        for name, moment_us in zip(chosen["name"].to_pylist(), moments, strict=True):
            row = found.setdefault((relation, name), [0, moment_us, moment_us])
            row[0], row[1], row[2] = row[0] + 1, min(row[1], moment_us), max(row[2], moment_us)
    ordered = sorted(found.items(), key=lambda one: -one[1][2])
    rows: list[shapes.NameSeen] = [
        {"name": name, "relation": relation, "count": count, "first": format_time(first / 1e6),
         "last": format_time(last / 1e6)} for (relation, name), (count, first, last) in ordered[:MOST_NAMES]
    ]
    return Names(address, rows, max(len(ordered) - MOST_NAMES, 0))


def _listed(answers: pa.ChunkedArray, address: str) -> pa.ChunkedArray:
    """Which lists of answers hold an address."""
    flat = answers.combine_chunks()
    if not len(flat):
        return pa.chunked_array([pa.array([], pa.bool_())])
    hits = pc.equal(pc.list_flatten(flat), address)
    parents = pc.list_parent_indices(flat)
    mask = np.zeros(len(flat), dtype=bool)
    mask[np.asarray(parents.filter(hits))] = True
    return pa.chunked_array([pa.array(mask)])
