"""`tidegauge series`: an amount over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge import app
from tidegauge.cli.common import (
    amount_text,
    explain_option,
    json_option,
    open_site,
    print_json,
    print_reads,
    say_note,
    site_option,
    sparkline,
    time_options,
    where_option,
    working,
)
from tidegauge.model import DIRECTIONS, METRICS, format_time

if TYPE_CHECKING:
    from tidegauge.app import Direction, Metric


@click.command()
@click.option("--from", "origin", metavar="ORIGIN", help="KP, AS131279, 175.45.176.0/22, class:tor-exit, @FILE.")
@click.option("--watch", metavar="NAME", help="Traffic with a watched asset.")
@where_option
@click.option("--direction", type=click.Choice(DIRECTIONS), default="in")
@click.option("--metric", type=click.Choice(METRICS), default="bytes")
@click.option("--width", default="5m", help="Length of a bin, such as 5m or 1h.")
@time_options
@explain_option
@site_option
@json_option
def series(
    origin: str | None, watch: str | None, where: str | None, direction: Direction, metric: Metric, width: str,
    since: str | None, until: str | None, explain: bool, site_dir: Path | None, as_json: bool,
) -> None:
    """An amount over time; long flows are spread over the bins that they last.

    Example: tidegauge series --from KP --since 2014-11-24 --width 1h
    """
    from tidegauge.app import SeriesQuestion
    from tidegauge.context import SiteContext

    question = SeriesQuestion.put(
        from_=origin, watch=watch, where=where, direction=direction, metric=metric, width=width, since=since,
        until=until, explain=explain,
    )
    with working("summing"):
        found = app.series(SiteContext(open_site(site_dir)), question)
    for note in (found.note, *found.caveats):
        say_note(note)
    if as_json:
        print_json(found.to_json())
        return
    built, values = found.series, [int(v) for v in found.series.values]
    total = amount_text(sum(values), metric)
    click.echo(f"{found.selection}, {direction}, {metric} in bins of {width}: {total} in all")
    step = max(-(-len(values) // 100), 1)
    bars = [float(sum(values[i : i + step])) for i in range(0, len(values), step)]
    click.echo(sparkline(bars, [bool(built.seen[i : i + step].mean() >= 0.5) for i in range(0, len(values), step)]))
    if values:
        click.echo(f"{format_time(int(built.starts_s[0]))} to {format_time(int(built.starts_s[-1]) + built.width_s)}")
    print_reads(found.reads)
