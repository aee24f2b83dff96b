"""ask, assess."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidegauge.model import (
    DIRECTIONS,
    METRICS,
    Answer,
    Question,
    TidegaugeError,
    UsageError,
    country_names,
    format_duration,
    format_time,
    parse_duration,
    parse_time,
)

if TYPE_CHECKING:
    from tidegauge.app import Direction
    from tidegauge.inquiry import Ranking, Reply

from tidegauge import app
from tidegauge.cli.common import (
    amount_text,
    explain_option,
    json_option,
    open_site,
    print_json,
    print_reads,
    site_option,
    sparkline,
    table,
    time_options,
    where_option,
    working,
)

EXIT = {"surge": 10, "cannot_say": 11, "no_surge": 0}
BARS = 96
RANKED = 20
EDITIONS_SHOWN = 6


def judgement_options(function: Any) -> Any:
    for option in (
        click.option("--would-have-seen", "wanted", multiple=True, metavar="AMOUNT/TIME",
                     help="With which probability would that have been seen? For example 40MB/2h."),
        click.option("--exit-code", is_flag=True, help="Exit 10 for surge, 11 for cannot_say."),
        click.option("--power", type=click.FloatRange(0.5, 0.999), default=0.95, help="Of the detection limit."),
        click.option("--false-alarm", type=click.FloatRange(1e-6, 0.5), default=0.01, show_default=True,
                     help="Probability of a surge verdict over the whole question when nothing happened."),
        click.option("--baseline", default="28d", help="How much history it is held against."),
    ):
        function = option(function)
    return function


@click.command()
@click.option("--from", "origin", metavar="ORIGIN", help="KP, AS131279, 175.45.176.0/22, class:tor-exit, @FILE.")
@click.option(
    "--wide", is_flag=True, help="Include prefixes registered elsewhere but used by this origin at that time."
)
@click.option("--watch", metavar="NAME", help="Traffic with a watched asset.")
@where_option
@time_options
@click.option("--direction", type=click.Choice(DIRECTIONS), default="in")
@click.option("--metric", type=click.Choice((*METRICS, "all")), default="bytes", help="all: together, under one bound.")
@click.option(
    "--picture", type=click.Path(path_type=Path), help="Draw series, baseline, critical level and blind times (SVG)."
)
@click.option(
    "--alarms", metavar="N/TIME", help="False alarms borne over all that is asked, such as 1/month."
)
@click.option(
    "--false-discovery", type=click.FloatRange(1e-3, 0.5), metavar="SHARE",
    help="With --from all: the share of false ones among the origins called, instead of --false-alarm.",
)
@judgement_options
@explain_option
@site_option
@json_option
def ask(
    origin: str | None, wide: bool, watch: str | None, where: str | None, since: str | None, until: str | None,
    direction: Direction, metric: Any, picture: Path | None, alarms: str | None, false_discovery: float | None,
    baseline: str, false_alarm: float, power: float, exit_code: bool, wanted: tuple[str, ...], explain: bool,
    site_dir: Path | None, as_json: bool,
) -> None:
    """Was there a surge? A verdict, what would have been seen, when we were blind, and the caveats.

    `--from all` asks about every country at once, under one false-alarm bound, and ranks them. Its tails are pooled:
    what the site's other origins show of how large rare things get counts for those of which few flows were seen.

    Example: tidegauge ask --from KP --since 2014-11-24 --would-have-seen 40MB/2h
    """
    from tidegauge.app import AskQuestion, answer_json
    from tidegauge.context import SiteContext
    from tidegauge.inquiry import Ranking, Reply

    question = AskQuestion.put(
        from_=origin, watch=watch, where=where, since=since, until=until, direction=direction, metric=metric, wide=wide,
        baseline=baseline, false_alarm=false_alarm, power=power, would_have_seen=list(wanted), alarms=alarms,
        false_discovery=false_discovery, explain=explain,
    )
    with working("asking"):
        reply = app.ask(SiteContext(open_site(site_dir)), question)
    if picture is not None and isinstance(reply, Reply):
        from tidegauge.cli.picture import draw

        picture.write_text(draw(reply), encoding="utf-8")
    if as_json:
        print_json(answer_json(question, reply))
    else:
        print_ranking(reply) if isinstance(reply, Ranking) else print_reply(reply)
        print_reads(reply.reads if explain else None)
    if exit_code:
        sys.exit(EXIT[reply.verdict if isinstance(reply, Ranking) else reply.answer.verdict])


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--since", required=True, metavar="T", help="From this time on.")
@click.option("--until", metavar="T", help="Before this time.")
@click.option("--missing", type=click.Choice(("blind", "zero")), default="blind", help="What a missing row means.")
@click.option("--holiday", "holidays", multiple=True, metavar="DATE", help="A day that is like a Sunday.")
@click.option(
    "--one-off", "one_off", multiple=True, metavar="DATE", help="A day that teaches nothing of what is usual."
)
@judgement_options
@json_option
def assess(
    files: tuple[Path, ...], since: str, until: str | None, missing: str, holidays: tuple[str, ...],
    one_off: tuple[str, ...], baseline: str, false_alarm: float, power: float, exit_code: bool,
    wanted: tuple[str, ...], as_json: bool,
) -> None:
    """The same judgement on series from any tool: CSV with a header time,value[,coverage].

    With several files one answer a line, in the order given.

    Example: tidegauge assess router.csv --since 2014-11-24
    """
    from tidegauge.app import parse_wanted
    from tidegauge.detect import Calendar
    from tidegauge.inquiry import assess as assess_series

    baseline_s = parse_duration(baseline)
    calendar = Calendar(*(frozenset(parse_time(d, now_s=0) // 86400 for d in days) for days in (holidays, one_off)))
    chances = parse_wanted(list(wanted))
    failed, verdicts = False, []
    for path in files:
        try:
            with working(path.name):
                answer = assess_series(
                    path, since=since, until=until, baseline_s=baseline_s, false_alarm=false_alarm, power=power,
                    missing_zero=missing == "zero", calendar=calendar, wanted=chances,
                )
        except TidegaugeError as error:
            if isinstance(error, UsageError) and len(files) == 1:
                raise
            failed = True
            if as_json:
                print_json({"error": str(error)})
            else:
                click.echo(f"tidegauge: {error}", err=True)
            continue
        verdicts.append(answer.verdict)
        if as_json:
            print_json(answer.to_json())
        else:
            print_answer(answer)
    if failed:
        sys.exit(1)
    if exit_code:
        sys.exit(10 if "surge" in verdicts else 11 if "cannot_say" in verdicts else 0)


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
    yield f"Coverage: {answer.coverage_share:.2%} of that time was observed"
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


def print_reply(reply: Reply) -> None:
    """An answer with the asked series drawn above it."""
    import numpy as np

    values, seen = reply.series.values[reply.asked], reply.series.seen[reply.asked]
    step = max(-(-len(values) // BARS), 1)
    edges = np.arange(0, len(values), step)
    bars = np.add.reduceat(values, edges) if len(values) else values
    covered = np.add.reduceat(seen, edges) >= 0.5 * np.diff(np.r_[edges, len(values)]) if len(values) else seen
    drawing = [
        sparkline(bars.tolist(), [bool(c) for c in covered]),
        f"one bar is {format_duration(step * reply.series.width_s)}, the highest"
        f" {amount_text(float(bars.max(initial=0)), reply.answer.question.metric)}; · was not observed",
    ]
    print_answer(reply.answer, drawing)


def print_ranking(ranking: Ranking) -> None:
    """All origins, the most surprising first."""
    when = _period(ranking.since_s, ranking.until_s)
    surged = [r.origin for r in ranking.origins if r.outcome.verdict == "surge"]
    if ranking.verdict == "surge":
        click.secho(f"Surges seen from {', '.join(surged)}: {when}", bold=True)
    elif ranking.verdict == "no_surge":
        click.secho(f"No surge seen from any of {len(ranking.origins)} origins: {when}", bold=True)
    else:
        click.secho(f"Cannot say for every origin whether there was a surge: {when}", bold=True)
    rows = []
    for origin in ranking.origins[:RANKED]:
        largest = origin.outcome.largest
        hour = next((x.amount for x in origin.outcome.limits if x.duration_s == 3600), None)
        rows.append([
            origin.origin, origin.outcome.verdict.replace("_", " "), amount_text(origin.total, ranking.metric),
            "" if largest is None else f"{largest.p_value:.2g}",
            "" if largest is None else format_time(largest.start_s), amount_text(hour, ranking.metric),
        ])
    table(["origin", "verdict", ranking.metric, "p", "stood out at", "seen if added over 1 h"], rows)
    for caveat in ranking.caveats:
        click.echo(f"  - {caveat}")
    if len(ranking.origins) > RANKED:
        click.echo(f"and {len(ranking.origins) - RANKED} more (--json has them all)")
    bound = (
        f"Of the origins called at most {ranking.false_discovery:.0%} are false ones in the mean"
        if ranking.false_alarm is None
        else f"A false alarm over all origins together has a probability of at most {ranking.false_alarm:.2g}"
    )
    click.echo(f"{bound}; we saw {ranking.coverage_share:.2%} of that time")
