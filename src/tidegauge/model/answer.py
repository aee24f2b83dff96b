"""What the program replies: an answer to a question, in the shape of `docs/reference/json.md`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from tidegauge.model import shapes
from tidegauge.model.times import format_time


def shown_number(value: float) -> int | float:
    """A whole number where it is one or is large, else six significant digits."""
    return round(value) if abs(value) >= 1000 or value == round(value) else float(f"{value:.6g}")


Verdict = shapes.Verdict


@dataclass(frozen=True)
class Blind:
    """A half-open time in which telemetry was missing, and why."""

    start_s: int
    end_s: int
    why: str

    def to_json(self) -> shapes.Blind:
        return {"start": format_time(self.start_s), "end": format_time(self.end_s), "why": self.why}


@dataclass(frozen=True)
class Excess:
    """A window of the series beside what was expected of it."""

    start_s: int
    end_s: int
    window_s: int
    observed: float
    expected: float
    p_value: float
    carried_by: tuple[Carrier, ...] = ()
    query: str = ""
    metric: str = ""
    shape: Literal["", "burst", "step"] = ""
    """`burst`, or `step` where a new level begins; only of surges."""

    def to_json(self) -> shapes.Excess:
        told: shapes.Excess = {
            "start": format_time(self.start_s),
            "end": format_time(self.end_s),
            "window_s": self.window_s,
            "observed": shown_number(self.observed),
            "expected": shown_number(self.expected),
            "excess": shown_number(self.observed - self.expected),
            "p_value": float(f"{self.p_value:.3g}"),
        }
        if self.shape:
            told["shape"] = self.shape
        if self.metric:
            told["metric"] = self.metric
        if self.carried_by:
            told["carried_by"] = [carrier.to_json() for carrier in self.carried_by]
        if self.query:
            told["query"] = self.query
        return told


@dataclass(frozen=True)
class Limit:
    """The smallest added amount over a duration that would have been called a surge with the stated power."""

    duration_s: int
    amount: float

    def to_json(self, metric: str) -> shapes.Limit:
        amount = shown_number(self.amount)
        shown: shapes.Limit = {"duration_s": self.duration_s}
        shown[cast(shapes.Metric, metric)] = amount
        if metric == "bytes":
            shown["bits_per_second"] = shown_number(amount * 8 / self.duration_s)
        return shown


@dataclass(frozen=True)
class WouldHaveSeen:
    """The chance with which an addition of an amount over a duration would have been called a surge; None: unknown."""

    amount: float
    duration_s: int
    probability: float | None

    def to_json(self, metric: str) -> shapes.WouldHaveSeen:
        chance = None if self.probability is None else round(self.probability, 4)
        told: shapes.WouldHaveSeen = {"duration_s": self.duration_s, "probability": chance}
        told[cast(shapes.Metric, metric)] = shown_number(self.amount)
        return told


@dataclass(frozen=True)
class Carrier:
    """A group of flows (an address, an AS, a port, ...) and its part of a surge's excess.

    Attributes:
        by: the flow column, `value` what it was.
        amount: in the surge's time; `usual` what the group's own history lets expect in as much time.
        share: of the sum of all groups' amounts above their usual ones.
    """

    by: str
    value: str
    amount: float
    usual: float
    share: float

    def to_json(self) -> shapes.Carrier:
        return {"by": self.by, "value": self.value, "amount": shown_number(self.amount),
                "usual": shown_number(self.usual), "share": round(self.share, 4)}


@dataclass(frozen=True)
class RelayAnswer:
    """The same question about a class of relays behind which an origin can hide."""

    relay: str
    verdict: Verdict
    limits: tuple[Limit, ...]

    def to_json(self, metric: str) -> shapes.Relay:
        return {
            "class": self.relay, "verdict": self.verdict,
            "detection_limit": [limit.to_json(metric) for limit in self.limits],
        }


@dataclass(frozen=True)
class Question:
    """What is asked: a selection of traffic, a metric, a time, and the history that it is held against."""

    selection: str
    direction: str
    metric: str
    width_s: int
    since_s: int
    until_s: int
    baseline_s: tuple[int, int]

    def to_json(self) -> shapes.AskedWithHistory:
        return {
            "selection": self.selection,
            "direction": self.direction,
            "metric": self.metric,
            "width_s": self.width_s,
            "since": format_time(self.since_s),
            "until": format_time(self.until_s),
            "baseline": (format_time(self.baseline_s[0]), format_time(self.baseline_s[1])),
        }


@dataclass(frozen=True)
class Answer:
    """The reply to a question, with everything that it rests on."""

    question: Question
    verdict: Verdict
    false_alarm: float
    power: float
    surges: tuple[Excess, ...]
    largest: Excess | None
    limits: tuple[Limit, ...]
    coverage_share: float
    blind: tuple[Blind, ...]
    caveats: tuple[str, ...]
    method: str
    version: str
    relay_share: float = 0.0
    relays: tuple[RelayAnswer, ...] = ()
    would_have_seen: tuple[WouldHaveSeen, ...] = ()
    editions: tuple[shapes.EditionName, ...] = ()
    """The editions of the atlas (`source`, `edition`) that the labels of the asked flows rest on."""
    parts: tuple[Answer, ...] = ()
    """Where several metrics were asked about at once: the answer for each, all under the one bound."""

    def to_json(self) -> shapes.Answer:
        told: shapes.Answer = {
            "question": self.question.to_json(),
            "verdict": self.verdict,
            "false_alarm": self.false_alarm,
            "power": self.power,
            "surges": [surge.to_json() for surge in self.surges],
            "largest": None if self.largest is None else self.largest.to_json(),
            "detection_limit": self._limits(),
            "coverage": {
                "share": round(self.coverage_share, 6),
                "blind": [interval.to_json() for interval in self.blind],
            },
            "trust": {
                "relay_share": self.relay_share,
                "relays": [relay.to_json(self.question.metric) for relay in self.relays],
                "editions": list(self.editions),
            },
            "caveats": list(self.caveats),
            "method": self.method,
            "version": self.version,
        }
        if self.would_have_seen:
            told["would_have_seen"] = [w.to_json(self.question.metric) for w in self.would_have_seen]
        return told

    def _limits(self) -> list[shapes.Limit]:
        """One row a duration; with several metrics each has its own key in it."""
        if not self.parts:
            return [limit.to_json(self.question.metric) for limit in self.limits]
        rows: dict[int, shapes.Limit] = {}
        for part in self.parts:
            for limit in part.limits:
                told = limit.to_json(part.question.metric)
                rows.setdefault(limit.duration_s, told).update(told)
        return list(rows.values())
