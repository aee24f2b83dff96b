"""The JSON of cases, declared once, as that of answers is in `shapes`."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

EntryKind = Literal[
    "claim", "evidence", "hypothesis", "rating", "likelihood", "request", "reply", "decision", "note", "mark",
    "indicator", "stamp",
]


class Entry(TypedDict):
    """An entry of a case; what else is in it its kind decides."""

    number: int
    at: str
    who: str
    kind: EntryKind
    id: str
    about: str


class CaseTold(TypedDict):
    name: str
    title: str
    created: str
    mark: str
    revision: int
    entries: list[Entry]


class View(TypedDict):
    value: str
    weight: str
    reason: str
    who: str


class Cell(TypedDict):
    suggested: View
    decided: list[View]
    inconsistency: float
    disagreement: bool


class Likely(TypedDict):
    who: str
    word: str
    confidence: str


class Hypothesis(TypedDict):
    id: str
    text: str
    inconsistency: float
    rank: int
    consistent: int
    likelihood: list[Likely]


class MatrixRow(TypedDict):
    evidence: str
    what: str
    cells: dict[str, Cell]


class Without(TypedDict):
    without: list[str]
    leading: list[str]


class Next(TypedDict):
    command: str
    why: str


class Weighed(TypedDict):
    hypotheses: list[Hypothesis]
    leading: list[str]
    matrix: list[MatrixRow]
    undecided: int
    disagreements: list[list[str]]
    sensitivity: list[Without]
    next: list[Next]


class VerifiedItem(TypedDict):
    id: str
    status: str
    why: str


class Verified(TypedDict):
    status: Literal["same", "changed", "tampered", "gone"]
    items: list[VerifiedItem]
    chain: Literal["whole", "broken"]
    why: NotRequired[str]
