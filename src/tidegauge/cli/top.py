"""`tidegauge top`: the largest sums."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge import app
from tidegauge.cli.common import (
    explain_option,
    json_option,
    open_site,
    print_json,
    print_reads,
    say_note,
    site_option,
    table,
    time_options,
    where_option,
    working,
)
from tidegauge.model import METRICS, MOST_GROUPS

if TYPE_CHECKING:
    from tidegauge.app import Metric


@click.command()
@click.argument("by", nargs=-1, required=True)
@time_options
@where_option
@click.option("--metric", type=click.Choice(METRICS), default="bytes")
@click.option("-n", "count", type=click.IntRange(1, MOST_GROUPS), default=10, help="How many rows.")
@explain_option
@site_option
@json_option
def top(
    by: tuple[str, ...], since: str | None, until: str | None, where: str | None, metric: Metric, count: int,
    explain: bool, site_dir: Path | None, as_json: bool,
) -> None:
    """The groups with the largest sums; BY are flow columns, or far, far_country, far_as, home and so on.

    Example: tidegauge top far_country far_as --since -1d -n 5
    """
    from tidegauge.app import TopQuestion
    from tidegauge.context import SiteContext

    question = TopQuestion.put(
        by=list(by), since=since, until=until, where=where, metric=metric, n=count, explain=explain
    )
    with working("summing"):
        found = app.top(SiteContext(open_site(site_dir)), question)
    for caveat in found.caveats:
        say_note(caveat)
    if as_json:
        print_json(found.to_json())
        return
    rows = [
        [*("" if row[n] is None else str(row[n]) for n in by), f"{row[metric]:,}", f"{row['share']:.1%}"]
        for row in found.rows
    ]
    table([*by, metric, "share"], rows)
    print_reads(found.reads)
