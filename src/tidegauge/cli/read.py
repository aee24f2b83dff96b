"""flows, top, series, coverage."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from tidegauge.model import DIRECTIONS, METRICS, UsageError, format_time

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tidegauge.app import Direction, Metric
    from tidegauge.series import ExporterCoverage

from tidegauge import app
from tidegauge.cli.common import (
    SPARKS,
    amount_text,
    explain_option,
    json_option,
    open_site,
    print_json,
    print_reads,
    say_note,
    site_option,
    sparkline,
    table,
    time_options,
    where_option,
    working,
)

SHOWN_ROWS = 100
MOST_SHOWN, MOST_DRAWN, MOST_INTERVALS = 40, 12, 4
"""Exporters in a table, drawn over time, and sampling intervals of one that are named; of more the sums are told."""
SHORT = ("time_start", "direction", "src", "src_port", "dst", "dst_port", "proto", "packets", "bytes",
         "src_country", "dst_country", "src_as", "dst_as")


@contextmanager
def output(path: Path | None) -> Iterator[IO[str]]:
    if path is None:
        yield sys.stdout
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file


@click.command()
@time_options
@where_option
@click.option("--limit", type=click.IntRange(min=0), help=f"At most so many; a table shows {SHOWN_ROWS} by itself.")
@click.option("--format", "kind", type=click.Choice(("table", "csv", "json", "parquet")), default="table")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Write to a file.")
@click.option("--quarantine", is_flag=True, help="What the collector kept apart since it cannot be true, with reasons.")
@site_option
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def flows(
    since: str | None, until: str | None, where: str | None, limit: int | None, kind: str, target: Path | None,
    quarantine: bool, site_dir: Path | None, as_json: bool,
) -> None:
    """List flows by start time. `json` is one object a line.

    Example: tidegauge flows --since 2014-11-24 --where "inside(src, '175.45.176.0/22')" --limit 5
    """
    import pyarrow as pa

    from tidegauge.app import FlowsQuestion, flow_filter, flows_caveats, plain_rows
    from tidegauge.context import SiteContext
    from tidegauge.model import FLOW_SCHEMA

    here = SiteContext(open_site(site_dir))
    lake, kind = here.lake, "json" if as_json else kind
    question = FlowsQuestion.put(since=since, until=until, where=where)
    chosen = flow_filter(here, question)
    for caveat in flows_caveats(here, question):
        say_note(caveat)
    most = SHOWN_ROWS if limit is None and kind == "table" else limit
    schema = FLOW_SCHEMA.append(pa.field("reason", pa.string())) if quarantine else FLOW_SCHEMA
    shown_columns = (*SHORT, "reason") if quarantine else SHORT
    batches = lake.quarantined(chosen, limit=most) if quarantine else lake.flows(chosen, limit=most)
    if kind == "parquet":
        if target is None:
            raise UsageError("Parquet goes to a file", hint="-o FILE")
        import pyarrow.parquet as pq

        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_table(pa.Table.from_batches([batch]).cast(schema))
        return
    with output(target) as file:
        if kind == "json":
            for batch in batches:
                for row in plain_rows(batch):
                    file.write(json.dumps(row) + "\n")
        elif kind == "csv":
            rows = csv.DictWriter(file, schema.names, lineterminator="\n")
            rows.writeheader()
            for batch in batches:
                rows.writerows(plain_rows(batch))
        else:
            shown = [[str(row[n]) for n in shown_columns] for batch in batches for row in plain_rows(batch)]
            table(list(shown_columns), shown)


@click.command()
@click.argument("by", nargs=-1, required=True)
@time_options
@where_option
@click.option("--metric", type=click.Choice(METRICS), default="bytes")
@click.option("-n", "count", type=click.IntRange(1, 100_000), default=10, help="How many rows.")
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
    click.echo(f"{found.share:.2%} seen from {format_time(since_s)} to {format_time(until_s)}")
    columns = ("exporter", "domain", "seen", "datagrams", "records", "lost", "apart", "twice", "late", "restarts",
               "sampling", "clock", "standing")
    shown = sorted(found.exporters, key=lambda e: (not e.relied_on, -e.weight))
    rows = [
        [e.exporter, _part(e), f"{e.share:.2%}", f"{e.datagrams:,}", f"{e.records:,}", f"{e.lost:,}", f"{e.apart:,}",
         f"{e.duplicates:,}", f"{e.overtaken:,}", f"{e.restarts:,}", _intervals(e.sampling), f"{e.skew_s:+.1f} s",
         STANDINGS[e.standing]] for e in shown[:MOST_SHOWN]
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


def _part(e: ExporterCoverage) -> str:
    from tidegauge.model import OTHER_PARTS

    domain = "others" if e.domain == OTHER_PARTS else str(e.domain)
    return f"{e.agent} {domain}" if e.agent else domain


def _intervals(sampling: tuple[int, ...]) -> str:
    more = f" and {len(sampling) - MOST_INTERVALS} more" if len(sampling) > MOST_INTERVALS else ""
    return " ".join(f"1:{n}" for n in sampling[:MOST_INTERVALS]) + more
