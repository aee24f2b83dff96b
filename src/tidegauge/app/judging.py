"""`ask`: what was asked, put to the stages that judge."""

from __future__ import annotations

import re

from tidegauge.app.picturing import picture
from tidegauge.app.questions import AskQuestion
from tidegauge.context import SiteContext
from tidegauge.inquiry import Asked, Ranking, Reply, ask as answer_question, ask_all, borne, widened
from tidegauge.lake import compile_where
from tidegauge.model import UsageError, parse_duration, shapes
from tidegauge.series import Origins

SPANS = {"hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400, "year": 365 * 86400}
SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "": 1}


def parse_wanted(texts: list[str]) -> tuple[tuple[float, int], ...]:
    """Amounts and durations from `40MB/2h`; a number without a unit is in the metric's own.

    >>> parse_wanted(["40MB/2h"])
    ((40000000.0, 7200),)

    Raises:
        UsageError: not of that form.
    """
    found = []
    for text in texts:
        match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*(B|kB|MB|GB|TB)?\s*/\s*(\w+)\s*", text)
        if match is None:
            raise UsageError(f"not an amount over a time: {text!r}", hint="for example 40MB/2h or 500/1h")
        found.append((float(match[1]) * SIZES[match[2] or ""], parse_duration(match[3])))
    return tuple(found)


def parse_alarms(text: str) -> tuple[float, int]:
    """A number of false alarms and the seconds in which they are borne.

    >>> parse_alarms("1/month"), parse_alarms("2/3d")
    ((1.0, 2592000), (2.0, 259200))

    Raises:
        UsageError: not of that form.
    """
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*/\s*(\w+)\s*", text)
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"not a number of alarms over a time: {text!r}", hint="for example 1/month or 2/week")
    return float(match[1]), SPANS.get(match[2]) or parse_duration(match[2])


def asked_of(here: SiteContext, question: AskQuestion) -> Asked:
    """The question with its times and expressions read.

    Raises:
        UsageError: one of them is wrong.
    """
    everyone = question.from_ == "all"
    if question.false_discovery is not None and (not everyone or question.alarms is not None):
        raise UsageError("--false-discovery bounds what is called of all origins", hint="--from all, without --alarms")
    if everyone and question.metric == "all":
        raise UsageError("all origins are asked about one metric at a time")
    if everyone and question.wide:
        raise UsageError("--wide needs one country or AS", hint="--from KP --wide")
    asked = Asked(
        origin=None if question.from_ is None or everyone else Origins.parse(question.from_),
        where_text=question.where,
        where_sql=compile_where(question.where, now_s=here.now_s) if question.where else None,
        direction=question.direction,
        metric=question.metric,
        since_s=here.moment_s(question.since, "--since"),
        until_s=here.moment_s(question.until, "--until"),
        baseline_s=parse_duration(question.baseline),
        false_alarm=question.false_alarm,
        power=question.power,
        wanted=parse_wanted(question.would_have_seen),
        watch=None if question.watch is None else here.watched(question.watch),
    )
    if question.alarms is not None:
        asked = borne(here, asked, *parse_alarms(question.alarms))
    return widened(here, asked) if question.wide else asked


def ask(here: SiteContext, question: AskQuestion) -> Reply | Ranking:
    """Was there a surge? Of all origins together (`from` is `all`) a ranking.

    Raises:
        LakeError: there are no flows.
        UsageError: the question is not well formed.
    """
    asked = asked_of(here, question)
    if question.from_ == "all":
        return ask_all(here, asked, false_discovery=question.false_discovery)
    return answer_question(here, asked)


def answer_json(question: AskQuestion, reply: Reply | Ranking) -> shapes.Answer | shapes.Ranking:
    told: shapes.Answer | shapes.Ranking
    if isinstance(reply, Ranking):
        told = reply.to_json()
    else:
        told = reply.answer.to_json()
        if question.chart:
            told["chart"] = picture(reply)
    if question.explain:
        told["reads"] = reply.reads
    return told
