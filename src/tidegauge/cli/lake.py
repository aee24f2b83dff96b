"""lake: what was taken in, taking it out, looking whether it is whole, labelling it again, keeping it so long."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tidegauge.cli.common import (
    json_option,
    note_audit,
    open_site,
    print_json,
    site_option,
    table,
    time_options,
    working,
)
from tidegauge.model import format_count


@click.group()
def lake() -> None:
    """The flows on disk: which files they came from, taking one out, labels, retention.

    Example: tidegauge lake sources
    """


@lake.command()
@site_option
@json_option
def sources(site_dir: Path | None, as_json: bool) -> None:
    """List the files that were taken in, and how much of each is still here.

    Example: tidegauge lake sources
    """
    from tidegauge.lake import held

    with working("reading the lake"):
        found = held(open_site(site_dir).data)
    if as_json:
        print_json({"sources": [one.to_json() for one in found]})
        return
    table(
        ["source", "taken in", "flows", "from", "until", "kept", "file"],
        [
            [told["source"], told["taken_in"], f"{told['flows']:,}", told["since"] or "-", told["until"] or "-",
             told["kept"], told["file"]] for told in (one.to_json() for one in found)
        ],
    )
    click.echo(f"{format_count(len(found), 'file')}; what was received live is of none")


@lake.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--even-evidence", is_flag=True, help="Remove it even where sealed evidence rests on it.")
@site_option
@json_option
def remove(sources: tuple[str, ...], even_evidence: bool, site_dir: Path | None, as_json: bool) -> None:
    """Remove everything that came from a file: its flows, names and rows of coverage. The file can be taken in again.

    SOURCE is a file's name, or the begin of its hash (`lake sources`). Refuses, exit status 1, where a case's sealed
    evidence rests on the file's flows. The audit log keeps who removed what.

    Example: tidegauge lake remove flows-2024-04-19.csv
    """
    from tidegauge.case import resting
    from tidegauge.lake import Manifest, held, named, remove as remove_sources

    site = open_site(site_dir)
    meant = named(Manifest(site.data).sources(), sources)
    with working("reading the lake"):
        chosen = [one for one in held(site.data) if one.source in meant]
    cited = resting(site, chosen)
    if cited and not even_evidence:
        if as_json:
            print_json({"removed": 0, "flows": 0, "held_by": [e.id for e in cited]})
        click.echo(
            "tidegauge: nothing was removed: sealed evidence rests on these flows: "
            + ", ".join(f"{e.id} of case {e.case}" for e in cited) + " (--even-evidence removes them all the same)",
            err=True,
        )
        sys.exit(1)
    with working("removing"):
        gone = remove_sources(site.data, meant)
    note_audit(site, "remove files from the lake", {
        "files": [s.name for s in meant], "sources": [s.id for s in meant], "flows": gone,
        "evidence": [f"{e.case} {e.id}" for e in cited],
    })
    if as_json:
        print_json({"removed": len(meant), "flows": gone, "held_by": [e.id for e in cited]})
    else:
        click.echo(f"removed {format_count(len(meant), 'file')} with {format_count(gone, 'flow')}")


@lake.command()
@click.option("--set-aside", "aside", is_flag=True, help="Take damaged and missing files out of the lake.")
@site_option
@json_option
def check(aside: bool, site_dir: Path | None, as_json: bool) -> None:
    """Compare each file of the lake with the hash that was noted when it was written.

    Exit status 1 when any is damaged or missing. With --set-aside these are taken out, so that the others can be read
    again: their time counts as not seen, and the files that their flows came from can be taken in again (ingest
    --again).

    Example: tidegauge lake check
    """
    from tidegauge.lake import check as check_lake, set_aside

    site, gone = open_site(site_dir), 0
    with working("reading the lake"):
        found, gone = set_aside(site.data) if aside else (check_lake(site.data), 0)
    if aside and not found.whole:
        note_audit(site, "set damaged segments aside", {"damaged": [p for p, _ in found.damaged],
                                                        "missing": found.missing, "flows": gone})
    if as_json:
        print_json(found.to_json())
    else:
        for path, why in found.damaged:
            click.secho(f"damaged: {path}: {why}", fg="red")
        for path in found.missing:
            click.secho(f"missing: {path}", fg="red")
        for path in found.unknown:
            click.echo(f"unknown: {path}: nothing reads it")
        click.echo(f"{format_count(found.checked, 'segment')} checked: {len(found.damaged)} damaged,"
                   f" {len(found.missing)} missing, {len(found.unknown)} unknown")
        if aside and not found.whole:
            click.echo(f"{format_count(gone, 'flow')} can no longer be read; their time counts as not seen")
    if not found.whole and not aside:
        sys.exit(1)


@lake.command()
@time_options
@site_option
@json_option
def relabel(since: str | None, until: str | None, site_dir: Path | None, as_json: bool) -> None:
    """Label flows again: by the editions of the atlas that there are now, when one came late, and by the site file,
    when home prefixes, interfaces or names of exporters have changed. Flows themselves never change.

    Segments whose editions and settings are the same are left; a new segment stands for each other one.

    Example: tidegauge lake relabel --since 2014-11-01
    """
    from tidegauge.atlas import Atlas
    from tidegauge.context import SiteContext
    from tidegauge.lake import relabel as relabel_lake

    site = open_site(site_dir)
    here = SiteContext(site)
    with working("relabelling"):
        done = relabel_lake(
            site.data, Atlas.of(site), since_us=here.moment_us(since), until_us=here.moment_us(until), site=site
        )
    if as_json:
        print_json({"segments": done.segments, "current": done.current, "rewritten": done.rewritten,
                    "flows": done.flows, "changed": done.changed})
    else:
        click.echo(
            f"Relabelled {done.changed:,} of {done.flows:,} flows; rewrote {done.rewritten:,} of"
            f" {done.segments:,} segments."
        )


@lake.command()
@click.option("--days", type=click.IntRange(1, 36_500), help="Keep so many; what the site file says by itself.")
@click.option("--only-look", is_flag=True, help="Delete nothing, and say what would go.")
@site_option
@json_option
def retain(days: int | None, only_look: bool, site_dir: Path | None, as_json: bool) -> None:
    """Delete flows and names older than the site keeps them, but for what the evidence of its cases rests on.

    Times whose flows are gone count as not seen from then on: no question answers "no surge" over them.

    Example: tidegauge lake retain --days 400 --only-look
    """
    from tidegauge.case import keep_days

    with working("looking through the lake"):
        done = keep_days(open_site(site_dir), days, only_look=only_look)
    if as_json:
        print_json({"segments": done.segments, "rows": done.rows, "bytes": done.size, "held": done.held})
    else:
        kept = format_count(done.held, "older segment")
        click.echo(
            f"{'Would delete' if only_look else 'Deleted'} {format_count(done.segments, 'segment')}"
            f" ({format_count(done.rows, 'flow')}, {done.size / 1e6:,.1f} MB)."
            + (f" {kept} {'is' if done.held == 1 else 'are'} kept because a case cites"
               f" {'it' if done.held == 1 else 'them'}." if done.held else "")
        )
