"""`tidegauge coverage`: what was seen of a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge.model import format_share, format_time

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tidegauge.series import ExporterCoverage

from tidegauge import app
from tidegauge.cli.common import (
    SPARKS,
    json_option,
    open_site,
    print_json,
    say_note,
    site_option,
    table,
    time_options,
)

MOST_SHOWN, MOST_DRAWN, MOST_INTERVALS = 40, 12, 4
"""Exporters in a table, drawn over time, and sampling intervals of one that are named; of more the sums are told."""


def coverage_bar(seen: NDArray[np.float64], bars: int = 96) -> str:
    """Coverage over time, a mark for each of up to 96 parts: full, partly seen, or a dot where we were blind."""
    import numpy as np

    parts = np.array_split(seen, min(bars, len(seen))) if len(seen) else []
    return "".join("·" if p.mean() <= 0 else SPARKS[min(int(p.mean() * 7.999), 7)] for p in parts)


@click.command()
@time_options
@site_option
@json_option
def coverage(since: str | None, until: str | None, site_dir: Path | None, as_json: bool) -> None:
    """What was seen of the time, by exporter, and when we were blind.

    Example: tidegauge coverage --since 2014-11-24
    """
    from tidegauge.app import STANDINGS, CoverageQuestion
    from tidegauge.context import SiteContext

    reply = app.coverage(SiteContext(open_site(site_dir)), CoverageQuestion.put(since=since, until=until))
    say_note(reply.note)
    if as_json:
        print_json(reply.to_json())
        return
    found, since_s, until_s = reply.coverage, reply.since_s, reply.until_s
    click.echo(f"{format_share(found.share)} seen from {format_time(since_s)} to {format_time(until_s)}")
    columns = ("exporter", "domain", "seen", "datagrams", "records", "lost", "apart", "twice", "late", "restarts",
               "sampling", "clock", "standing")
    shown = sorted(found.exporters, key=lambda e: (not e.relied_on, -e.weight))
    rows = [
        [e.exporter, _part(e), format_share(e.share), f"{e.datagrams:,}", f"{e.records:,}", _lost(e),
         f"{e.apart:,}", f"{e.duplicates:,}", f"{e.overtaken:,}", f"{e.restarts:,}", _intervals(e.sampling),
         f"{e.skew_s:+.1f} s", STANDINGS[e.standing]] for e in shown[:MOST_SHOWN]
    ]
    if len(shown) > MOST_SHOWN:
        rest = shown[MOST_SHOWN:]
        sums = [f"{sum(getattr(e, n) for e in rest):,}" for n in (
            "datagrams", "records", "lost", "apart", "duplicates", "overtaken", "restarts")]
        rows.append([f"and {len(rest)} more", "", "", *sums, "", "", ""])
    table(list(columns), rows)
    for caveat in reply.twice:
        click.secho(caveat, fg="yellow")
    for e in shown[:MOST_DRAWN]:
        click.echo(f"{e.exporter} {_part(e)}: {coverage_bar(e.seen * e.active)}")
    blind = found.blind()
    for one in blind[:MOST_SHOWN]:
        click.echo(f"blind from {format_time(one.start_s)} to {format_time(one.end_s)}: {one.why}")
    if len(blind) > MOST_SHOWN:
        click.echo(f"and blind {len(blind) - MOST_SHOWN} more times (--json has them all)")


def _lost(e: ExporterCoverage) -> str:
    if e.loss_known:
        return f"{e.lost:,}"
    return f"at least {e.lost:,}" if e.lost else "not knowable"


def _part(e: ExporterCoverage) -> str:
    from tidegauge.model import OTHER_PARTS

    domain = "others" if e.domain == OTHER_PARTS else str(e.domain)
    return f"{e.agent} {domain}" if e.agent else domain


def _intervals(sampling: tuple[int, ...]) -> str:
    more = f" and {len(sampling) - MOST_INTERVALS} more" if len(sampling) > MOST_INTERVALS else ""
    return " ".join(f"1:{n}" for n in sampling[:MOST_INTERVALS]) + more
