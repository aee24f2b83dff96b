"""Analysis of competing hypotheses (Heuer, "Psychology of Intelligence Analysis", 1999, chapter 8): what speaks against
each, how that ranks them, and which single piece of evidence, or two, the ranking hangs on.

A hypothesis stands by what contradicts it least, not by what agrees with it. Suggestions come from the evidence itself;
people decide, each for himself, and where two disagree both are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, cast

from tidegauge.case.log import Case, Entry
from tidegauge.model import VALUES, WEIGHTS, case_shapes

TEMPLATES: dict[str, str] = {
    "source": "A host of ours sent it of its own accord.",
    "relay": "A host of ours passed it on for others.",
    "displayed": "Our addresses were displayed, but it did not come from our network.",
    "elsewhere": "It did not go through our network.",
    "unknown": "Our data cannot tell.",
}
"""What a case begins with, each by the name under which evidence suggests something about it."""
MOST_PAIRS = 40
ENOUGH_COVERAGE = 0.95


@dataclass(frozen=True)
class Rating:
    """How one piece of evidence bears on one hypothesis, in one person's view; or as suggested, by nobody."""

    value: str
    weight: str
    reason: str
    who: str = ""

    @property
    def inconsistency(self) -> float:
        return VALUES[self.value] * WEIGHTS[self.weight]

    def to_json(self) -> case_shapes.View:
        return {"value": self.value, "weight": self.weight, "reason": self.reason, "who": self.who}


@dataclass
class Cell:
    """A place of the matrix: what is suggested, and what people decided."""

    suggested: Rating
    decided: list[Rating] = field(default_factory=list)

    @property
    def inconsistency(self) -> float:
        views = self.decided or [self.suggested]
        return sum(view.inconsistency for view in views) / len(views)

    @property
    def disagreement(self) -> bool:
        return len({view.value for view in self.decided}) > 1

    def to_json(self) -> case_shapes.Cell:
        return {
            "suggested": self.suggested.to_json(),
            "decided": [view.to_json() for view in self.decided],
            "inconsistency": self.inconsistency,
            "disagreement": self.disagreement,
        }


@dataclass
class Weighed:
    """The whole matrix: `cells` by evidence and hypothesis."""

    hypotheses: list[Entry]
    evidence: list[Entry]
    cells: dict[tuple[str, str], Cell]
    likelihoods: list[Entry]

    def scores(self, without: Sequence[str] = ()) -> dict[str, float]:
        """Inconsistency of each hypothesis, some evidence left out."""
        kept = [entry.id for entry in self.evidence if entry.id not in without]
        return {h.id: sum(self.cells[e, h.id].inconsistency for e in kept) for h in self.hypotheses}

    def leading(self, without: Sequence[str] = ()) -> list[str]:
        """The hypotheses that least speaks against."""
        scores = self.scores(without)
        least = min(scores.values(), default=0.0)
        return [name for name, score in scores.items() if score == least]

    def sensitivity(self) -> list[case_shapes.Without]:
        """Which single piece, or which two, left out, would make others lead; pairs without what alone does it."""
        leading = self.leading()
        found: list[case_shapes.Without] = []
        names = [entry.id for entry in self.evidence][-MOST_PAIRS:]
        for size in (1, 2):
            for left in combinations(names, size):
                if any(set(one["without"]) <= set(left) for one in found):
                    continue
                others = self.leading(left)
                if others != leading:
                    found.append({"without": list(left), "leading": others})
        return found

    def next_questions(self) -> list[case_shapes.Next]:
        """Commands not asked yet whose outcome would speak against one of the two that lead and not the other."""
        keys = {h.id: str(h.body.get("key", "")) for h in self.hypotheses}
        ranked = sorted(self.scores().items(), key=lambda item: item[1])[:2]
        first, second = (keys[name] for name, _ in [*ranked, *ranked][:2])
        asked = {(e.body["verb"], e.body["question"].get("direction", "in")) for e in self.evidence}
        origin = next(
            (e.body["question"].get("from") for e in self.evidence if e.body["question"].get("from")), "ORIGIN"
        )
        since = next((e.body["question"].get("since") for e in self.evidence if e.body["question"].get("since")), "T")
        found: list[case_shapes.Next] = []
        for verb, direction, command, outcomes in PROBES:
            if (verb, direction) in asked:
                continue
            for outcome, against in outcomes.items():
                if (first in against) != (second in against):
                    told = command.format(origin=origin, since=since)
                    found.append(
                        {"command": told, "why": f"{outcome} would speak against: {', '.join(sorted(against))}"}
                    )
                    break
        return found

    def to_json(self) -> case_shapes.Weighed:
        scores = self.scores()
        order = sorted(scores, key=lambda name: scores[name])
        return {
            "hypotheses": [
                {
                    "id": h.id,
                    "text": h.body["text"],
                    "inconsistency": scores[h.id],
                    "rank": order.index(h.id) + 1,
                    "consistent": sum(self._view(e.id, h.id) in ("C", "CC") for e in self.evidence),
                    "likelihood": [
                        cast(case_shapes.Likely, {"who": one.who, **one.body})
                        for one in self.likelihoods if one.body["hypothesis"] == h.id
                    ],
                }
                for h in self.hypotheses
            ],
            "leading": self.leading(),
            "matrix": [
                {
                    "evidence": e.id,
                    "what": e.body["command"] or e.body["result"].get("name", ""),
                    "cells": {h.id: self.cells[e.id, h.id].to_json() for h in self.hypotheses},
                }
                for e in self.evidence
            ],
            "undecided": sum(not cell.decided for cell in self.cells.values()),
            "disagreements": [[e, h] for (e, h), cell in self.cells.items() if cell.disagreement],
            "sensitivity": self.sensitivity(),
            "next": self.next_questions(),
        }

    def _view(self, evidence: str, hypothesis: str) -> str:
        cell = self.cells[evidence, hypothesis]
        return (cell.decided or [cell.suggested])[-1].value


PROBES: tuple[tuple[str, str, str, dict[str, set[str]]], ...] = (
    (
        "ask",
        "in",
        "tidegauge ask --from {origin} --since {since}",
        {"no surge": {"relay"}, "a surge": {"elsewhere", "displayed"}},
    ),
    (
        "ask",
        "out",
        "tidegauge ask --from {origin} --direction out --since {since}",
        {"no surge": {"source", "relay"}, "a surge": {"elsewhere", "displayed"}},
    ),
    (
        "hunt",
        "in",
        "tidegauge hunt passthrough egress --since {since}",
        {"a host that passes data on": {"elsewhere", "displayed"}, "none": {"relay"}},
    ),
    ("origins", "in", "tidegauge origin --of {origin} --at {since}", {"a prefix of ours among them": {"elsewhere"}}),
    ("coverage", "in", "tidegauge coverage --since {since}", {"whole coverage": {"unknown"}}),
)
"""Questions that tell hypotheses apart: which outcome speaks against which."""


def suggest(body: dict[str, Any]) -> dict[str, Rating]:
    """How a piece of evidence bears on the template hypotheses, by their keys; those not named are neutral."""
    verb, result, question = body["verb"], body["result"], body["question"]
    if verb == "ask" and "detection_limit" in result:
        return _of_answer(result, str(question.get("direction", "in")))
    if verb == "hunt":
        return _of_hunt(result, question)
    if verb == "coverage" and "share" in result:
        whole = float(result["share"]) >= ENOUGH_COVERAGE
        told = f"telemetry was complete for {float(result['share']):.1%} of that time"
        return {"unknown": Rating("I" if whole else "C", "medium", told)}
    if verb == "origin" and result.get("trust") in ("low", "none"):
        return {
            "displayed": Rating("C", "medium", f"what the address displays is hardly to be believed: {result['trust']}")
        }
    return {}


def _of_answer(result: dict[str, Any], direction: str) -> dict[str, Rating]:
    verdict = result["verdict"]
    if verdict == "cannot_say":
        return {"unknown": Rating("C", "medium", "the data carry no answer")}
    knows = Rating("I", "medium", "the data carried an answer")
    if verdict == "surge":
        told = f"{len(result.get('surges', ()))} surges were seen"
        against = {"elsewhere": Rating("I", "high", told), "displayed": Rating("I", "low", told), "unknown": knows}
        mine = ("relay",) if direction == "in" else ("source", "relay")
        return against | {key: Rating("C", "medium", told) for key in mine}
    share = float((result.get("coverage") or {}).get("share", 0))
    weight = "medium" if share >= ENOUGH_COVERAGE else "low"
    told = f"no surge, with {share:.1%} of the time seen"
    against = {"relay": Rating("I", weight, told), "unknown": knows}
    if direction == "out":
        against["source"] = Rating("I", weight, told)
    return against | {"elsewhere": Rating("C", "medium", told), "displayed": Rating("C", "low", told)}


def _of_hunt(result: dict[str, Any], question: dict[str, Any]) -> dict[str, Rating]:
    serious = [f for f in result.get("findings", ()) if f["severity"] in ("high", "critical")]
    kinds = set(question.get("kind") or ("egress", "passthrough", "beacons", "scans"))
    passing = [f for f in serious if f["kind"] in ("passthrough", "beacon")]
    leaving = [f for f in serious if f["kind"] == "egress"]
    found: dict[str, Rating] = {}
    if passing:
        found["relay"] = Rating("C", "high", passing[0]["title"])
        found["source"] = Rating("I", "low", "the host passes on what it is sent")
        found["elsewhere"] = Rating("I", "high", passing[0]["title"])
        found["displayed"] = Rating("I", "medium", passing[0]["title"])
    elif "passthrough" in kinds:
        found["relay"] = Rating("I", "low", "no host was found that passes data on")
    if leaving:
        found.setdefault("elsewhere", Rating("I", "medium", leaving[0]["title"]))
        found.setdefault("displayed", Rating("I", "medium", leaving[0]["title"]))
        found.setdefault("source", Rating("C", "medium", leaving[0]["title"]))
    return found


def weigh(case: Case) -> Weighed:
    """The matrix of a case as it stands."""
    hypotheses, evidence = case.of("hypothesis"), case.of("evidence")
    cells = {}
    for one in evidence:
        suggested = suggest(one.body)
        for h in hypotheses:
            neutral = Rating("N", "medium", "nothing is suggested")
            cells[one.id, h.id] = Cell(suggested.get(str(h.body.get("key", "")), neutral))
    for rating in case.of("rating"):
        place = rating.body["evidence"], rating.body["hypothesis"]
        if place in cells:
            view = Rating(rating.body["value"], rating.body["weight"], rating.body["reason"], rating.who)
            cells[place].decided.append(view)
    return Weighed(hypotheses, evidence, cells, case.of("likelihood"))
