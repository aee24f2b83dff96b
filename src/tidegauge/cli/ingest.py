"""`tidegauge ingest`: take files in."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge.cli.common import json_option, note_audit, open_site, print_json, site_option
from tidegauge.model import UsageError, format_count

if TYPE_CHECKING:
    from tidegauge.lake import Source
    from tidegauge.site import Site


FORMATS = ("auto", "pcap", "netflow", "ipfix", "zeek", "eve", "argus", "nfcapd", "json", "csv", "parquet")


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--format", "kind", type=click.Choice(FORMATS), default="auto", help="What the files hold.")
@click.option("--exporter", metavar="NAME", help="The exporter's name, for files that do not say.")
@click.option("--map", "map_file", type=click.Path(path_type=Path), help="TOML that maps a table's columns to ours.")
@click.option("--again", is_flag=True, help="Take files in anew, in place of what was taken in of them before.")
@click.option("--even-evidence", is_flag=True, help="With --again: even where sealed evidence rests on what goes.")
@site_option
@json_option
def ingest(
    paths: tuple[str, ...], kind: str, exporter: str | None, map_file: Path | None, again: bool, even_evidence: bool,
    site_dir: Path | None, as_json: bool,
) -> None:
    """Take flows in; directories are searched.

    Captures of NetFlow, IPFIX and sFlow datagrams, captures of any other packets (which are metered), Zeek logs,
    Suricata EVE, Argus records, nfcapd files, IPFIX files, JSON of other collectors, CSV, Parquet.

    A file that was taken in before is passed over, packed or not; of a log that has grown since, only the new lines
    are taken in. --again replaces what was taken in of a file. What a search finds and holds no flows is counted.
    Exit status 1 when a file failed; what was good in it is kept.

    Example: tidegauge ingest captures/ zeek/2024-04-19
    """
    from rich.console import Console

    from tidegauge.ingest import Ingest, find_files
    from tidegauge.wire import ColumnMap

    site = open_site(site_dir)
    column_map = None if map_file is None else ColumnMap.load(map_file)
    run = Ingest(
        site, kind=kind, exporter=exporter, column_map=column_map,
        again=again, replaces=partial(_replaces, site, even_evidence),
    )
    console = Console(stderr=True)
    found = find_files(list(paths), site.data)
    if console.is_terminal:
        from rich.progress import Progress

        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("ingest", total=len(found))
            report = run.run(list(paths), lambda name: bar.update(task, advance=1, description=Path(name).name))
    else:
        report = run.run(list(paths))
    for failure in report.failures:
        click.echo(f"tidegauge: {failure}", err=True)
    if as_json:
        print_json(report.to_json())
    else:
        click.echo(
            f"{format_count(report.flows, 'flow')} from {format_count(report.files, 'file')}"
            f" ({format_count(report.datagrams, 'datagram')});"
            f" {format_count(report.duplicates, 'file')} {'was' if report.duplicates == 1 else 'were'} here already"
        )
        if octets := sum(report.direction.values()):
            shares = ", ".join(f"{name} {amount / octets:.1%}" for name, amount in report.direction.items())
            click.echo(f"  bytes by direction: {shares}")
        if report.removed:
            click.echo(f"  replaced {format_count(report.removed, 'flow')} taken in before")
        for warning in report.warnings:
            click.secho(f"  warning: {warning}", fg="yellow")
        for rule, count in sorted((+report.applied).items()):
            click.echo(f"  read by rule: {count:,} {rule}")
        for what, why, count in report.skipped:
            click.echo(f"  skipped {count:,} x {what}: {why}")
    if report.failures:
        sys.exit(1)


def _replaces(site: Site, even_evidence: bool, sources: list[Source]) -> None:
    """Note that files go, since they are taken in anew.

    Raises:
        UsageError: sealed evidence rests on them.
    """
    from tidegauge.case import resting
    from tidegauge.lake import held

    cited = resting(site, [one for one in held(site.data) if one.source in sources])
    if cited and not even_evidence:
        raise UsageError(
            f"sealed evidence rests on {sources[0].name}: {', '.join(f'{e.id} of case {e.case}' for e in cited)}",
            hint="--even-evidence takes it in anew all the same",
        )
    note_audit(site, "take files in anew", {"files": [s.name for s in sources], "sources": [s.id for s in sources],
                                            "evidence": [f"{e.case} {e.id}" for e in cited]})
