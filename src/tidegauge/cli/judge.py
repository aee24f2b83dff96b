"""What `ask`, `assess` and `demo` share: the options of a judgement, and an answer as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from tidegauge.cli.common import (
    amount_text,
)
from tidegauge.model import (
    FALSE_ALARMS,
    POWERS,
    Answer,
    Question,
    country_names,
    format_duration,
    format_share,
    format_time,
)

EDITIONS_SHOWN = 6


def judgement_options(function: Any) -> Any:
    for option in (
        click.option("--would-have-seen", "wanted", multiple=True, metavar="AMOUNT/TIME",
                     help="With which probability would that have been seen? For example 40MB/2h."),
        click.option("--exit-code", is_flag=True, help="Exit 10 for surge, 11 for cannot_say."),
        click.option("--power", type=click.FloatRange(*POWERS), default=0.95, help="Of the detection limit."),
        click.option("--false-alarm", type=click.FloatRange(*FALSE_ALARMS), default=0.01, show_default=True,
                     help="Probability of a surge verdict over the whole question when nothing happened."),
        click.option("--baseline", default="28d", help="How much history it is held against."),
    ):
        function = option(function)
    return function


def headline(answer: Answer) -> str:
    """Return the verdict in one sentence."""
    question = answer.question
    about = f"{asked_about(question)}, {_period(question.since_s, question.until_s)}"
    if answer.verdict == "surge":
        return f"{len(answer.surges)} {'surge' if len(answer.surges) == 1 else 'surges'} seen: {about}"
    if answer.verdict == "no_surge":
        return f"No surge seen: {about}"
    return f"Cannot say whether there was a surge: {about}"


def asked_about(question: Question) -> str:
    """Return what a question is about, as part of a sentence: `incoming bytes from North Korea (KP)`."""
    metric = {"all": "traffic (bytes, packets, flows and hosts)", "hosts": "far-end hosts"}.get(
        question.metric, question.metric
    )
    way, of = {"in": ("incoming ", "from"), "out": ("outgoing ", "to")}.get(
        question.direction, (f"{question.direction} ", "of")
    )
    if question.selection == "all":
        return f"{way}{metric}"
    names = country_names()
    parts = question.selection.split(",")
    if all(part in names for part in parts):
        parts = [f"{names[part]} ({part})" for part in parts]
    selection = ", ".join(parts)
    if not selection.startswith("watch ") and " = " not in selection:
        return f"{way}{metric} {of} {selection}"
    return f"{way}{metric}, {selection}"


def _period(since_s: int, until_s: int) -> str:
    """Return two times as people write them: `2014-11-24 00:00 to 2014-12-01 00:05 UTC`."""
    begin, end = (format_time(at).replace("T", " ").removesuffix("Z").removesuffix(":00") for at in (since_s, until_s))
    return f"{begin} to {end} UTC"


def print_answer(answer: Answer, drawing: list[str] | None = None) -> None:
    """An answer as a person reads it."""
    click.secho(headline(answer), bold=True)
    for line in drawing or []:
        click.echo(f"  {line}")
    for lines in (_surges, _chances, _limits, _largest, _relays, _observed, _caveats, _sources):
        for line in lines(answer):
            click.echo(line)


def _surges(answer: Answer) -> Iterator[str]:
    metric = answer.question.metric
    for surge in answer.surges:
        yield (
            f"  surge from {format_time(surge.start_s)} to {format_time(surge.end_s)}:"
            f" {amount_text(surge.observed, metric)} where {amount_text(surge.expected, metric)} was expected"
            f" (p = {surge.p_value:.2g} over the whole question)"
        )
        own = surge.metric or metric
        for carrier in surge.carried_by:
            yield (
                f"    {carrier.share:.0%} of the excess by {carrier.by} {carrier.value}:"
                f" {amount_text(carrier.amount, own)}, usually {amount_text(carrier.usual, own)}"
            )
        if surge.query:
            yield f"    see: {surge.query}"


def _chances(answer: Answer) -> Iterator[str]:
    for chance in answer.would_have_seen:
        text = "not known" if chance.probability is None else f"{chance.probability:.0%}"
        amount = amount_text(chance.amount, answer.question.metric)
        yield f"Probability of detecting {amount} added over {format_duration(chance.duration_s)}: {text}"


def _limits(answer: Answer) -> Iterator[str]:
    for part in answer.parts:
        metric = part.question.metric
        shown = [f"{amount_text(x.amount, metric)} over {format_duration(x.duration_s)}" for x in part.limits]
        yield f"Detection limits in {metric}: {'; '.join(shown) or 'none'}"
    if answer.limits and not answer.parts:
        metric = answer.question.metric
        yield f"Detection limits (added traffic that would have been detected {answer.power:.0%} of the time):"
        for limit in answer.limits:
            rate = f" ({limit.amount * 8 / limit.duration_s:,.0f} bit/s)" if metric == "bytes" and limit.amount else ""
            yield f"  {amount_text(limit.amount, metric)}{rate} added over {format_duration(limit.duration_s)}"


def _largest(answer: Answer) -> Iterator[str]:
    largest = answer.largest
    if largest is not None and answer.verdict == "no_surge":
        metric = largest.metric or answer.question.metric
        yield (
            f"Largest excess: {amount_text(largest.observed, metric)} in {format_duration(largest.window_s)}"
            f" from {format_time(largest.start_s)}, expected {amount_text(largest.expected, metric)}"
            f" (p = {largest.p_value:.2g})"
        )


def _relays(answer: Answer) -> Iterator[str]:
    for relay in answer.relays:
        if relay.verdict != "cannot_say":
            yield f"The same question about {relay.relay}: {relay.verdict.replace('_', ' ')}"


def _observed(answer: Answer) -> Iterator[str]:
    yield f"Coverage: {format_share(answer.coverage_share)} of that time was observed"
    for blind in answer.blind:
        yield f"  not observed from {format_time(blind.start_s)} to {format_time(blind.end_s)}: {blind.why}"


def _caveats(answer: Answer) -> Iterator[str]:
    if answer.caveats:
        yield "Caveats:"
        yield from (f"  - {caveat}" for caveat in answer.caveats)


def _sources(answer: Answer) -> Iterator[str]:
    if answer.editions:
        named = dict.fromkeys(f"{e['source']} {e['edition']}" for e in answer.editions)
        shown = list(named)[:EDITIONS_SHOWN]
        more = f" and {len(named) - len(shown)} more" if len(named) > len(shown) else ""
        yield f"Countries and ASes from the atlas editions {', '.join(shown)}{more}"
    yield f"Probability of a false alarm over the whole question: at most {answer.false_alarm:g}. {answer.method}"
