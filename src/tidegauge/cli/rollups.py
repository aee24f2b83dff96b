"""`tidegauge rollup`: sums beside the flows."""

from __future__ import annotations

from pathlib import Path

import click

from tidegauge.cli.common import (
    json_option,
    open_site,
    print_json,
    site_option,
    time_options,
    working,
)


@click.group()
def rollup() -> None:
    """Sums by minute, five minutes and hour beside the flows, from which series and answers are read where they can be.

    Example: tidegauge rollup make
    """


def _run(since: str | None, until: str | None, site_dir: Path | None, as_json: bool, *, anew: bool) -> None:
    from tidegauge.context import SiteContext
    from tidegauge.lake import roll

    site = open_site(site_dir)
    here = SiteContext(site)
    with working("summing flows up"):
        done = roll(site.data, since_us=here.moment_us(since), until_us=here.moment_us(until), anew=anew)
    if as_json:
        print_json({"segments": done.segments, "written": done.written, "left": done.left})
    else:
        click.echo(
            f"{done.written:,} rollups of {done.segments:,} segments were written; {done.left:,} would save nothing,"
            " and their flows are read instead"
        )


@rollup.command()
@time_options
@site_option
@json_option
def make(since: str | None, until: str | None, site_dir: Path | None, as_json: bool) -> None:
    """Make the rollups of segments that have none yet; a collector does so by itself.

    Example: tidegauge rollup make
    """
    _run(since, until, site_dir, as_json, anew=False)


@rollup.command()
@time_options
@site_option
@json_option
def rebuild(since: str | None, until: str | None, site_dir: Path | None, as_json: bool) -> None:
    """Make all rollups anew from the flows.

    Example: tidegauge rollup rebuild --since 2014-11-24
    """
    _run(since, until, site_dir, as_json, anew=True)
