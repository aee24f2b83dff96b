"""A judgement to an answer: what `ask` and `assess` have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tidegauge import __version__
from tidegauge.detect import Outcome
from tidegauge.model import Answer, Blind, Question


def answered(
    question: Question, outcome: Outcome, *, false_alarm: float, power: float, coverage_share: float,
    blind: tuple[Blind, ...], **more: Any,
) -> Answer:
    """The answer that an outcome gives to a question; `more` are fields of `Answer` that only some questions have."""
    answer = Answer(
        question=question,
        verdict=outcome.verdict,
        false_alarm=false_alarm,
        power=power,
        surges=outcome.surges,
        largest=outcome.largest,
        limits=outcome.limits,
        coverage_share=coverage_share,
        blind=blind,
        caveats=outcome.caveats,
        method=outcome.method,
        version=__version__,
        would_have_seen=outcome.would_have_seen,
    )
    return replace(answer, **more)
