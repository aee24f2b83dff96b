"""`tidegauge ask`: was there a surge?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidegauge.model import (
    DIRECTIONS,
    FALSE_DISCOVERIES,
    METRICS,
    format_duration,
    format_share,
    format_time,
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
from tidegauge.cli.judge import _period, judgement_options, print_answer

EXIT = {"surge": 10, "cannot_say": 11, "no_surge": 0}
BARS = 96
RANKED = 20


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
    "--false-discovery", type=click.FloatRange(*FALSE_DISCOVERIES), metavar="SHARE",
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
    click.echo(f"  {_budget(ranking)}; {format_share(ranking.coverage_share)} of that time was observed")
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


def _budget(ranking: Ranking) -> str:
    """How many of the surges may be none."""
    if ranking.false_alarm is None:
        return f"Of the origins called at most {ranking.false_discovery:.0%} are false ones in the mean"
    about = f" (about 1 in {round(1 / ranking.false_alarm):,})" if ranking.false_alarm < 0.4 else ""
    return (
        f"By chance at most {100 * ranking.false_alarm:.2g}% of such times{about} show a surge from some origin where"
        " nothing happened"
    )
