"""`tidegauge lure`: is this a lure, and who went where it leads?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge.cli.common import json_option, plain, print_json, site_if_any, site_option, working
from tidegauge.model import UsageError, format_time

if TYPE_CHECKING:
    from tidegauge.app.luring import Swept
    from tidegauge.lure import Judged

COLOURS = {"phishing": "bright_red", "suspicious": "yellow", "unremarkable": None}
SHOWN_REASONS = 8


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="PATH|URL|-...")
@click.option("--text", "as_text", is_flag=True, help="What is given are messages or posts, not mails.")
@click.option("--sweep", is_flag=True, help="Look for hosts of ours that went where bad ones lead.")
@click.option("--all", "everything", is_flag=True, help="Show reasons of unremarkable ones too.")
@site_option
@json_option
def lure(
    names: tuple[str, ...], as_text: bool, sweep: bool, everything: bool, site_dir: Path | None, as_json: bool
) -> None:
    """Judge mails, messages and links: phishing, suspicious or unremarkable, with reasons to pass on.

    Takes .eml and .msg files, mbox, Maildir, folders, links (or a file of them), and `-`. Nothing is opened, resolved
    or fetched on the network.

    Example: tidegauge lure --text "You have won! https://gift.example.top/claim"
    """
    from tidegauge.app.luring import judging, lures, sweep as swept_by
    from tidegauge.lure import given

    site = site_if_any(site_dir)
    if sweep and site is None:
        raise UsageError("--sweep needs a site's flows", hint="--site DIR")
    with judging(site) as judge:
        items = given(list(names), sys.stdin.buffer, as_text=as_text)
        if as_json:
            with working("judging"):
                found = lures(judge, items)
        else:
            found = lures(judge, items, lambda one: _print(one, everything))
    if sweep:
        assert site is not None
        with working("looking for who went there"):
            found.swept = swept_by(site, found.goals)
    if as_json:
        print_json(found.to_json())
    else:
        for left in found.skipped:
            click.echo(f"tidegauge: {left['what']}: {left['why']}", err=True)
        if found.swept is not None:
            _print_sweep(found.swept)
    if not found.findings:
        sys.exit(1)


def _print(one: Judged, everything: bool) -> None:
    item = one.item
    about = item.subject or item.text[:80].replace("\n", " ")
    head = f"{one.verdict} ({one.score:.2f}) {plain(item.name)}" + (
        f": {plain(about)}" if about and item.kind != "url" else ""
    )
    click.secho(head, fg=COLOURS[one.verdict])
    if one.verdict == "unremarkable" and not everything:
        return
    for inner in one.everything():
        if inner is not one:
            click.echo(f"  attached mail: {plain(inner.item.subject)} ({inner.verdict})")
        for signal, weight in inner.reasons[:SHOWN_REASONS]:
            click.echo(f"  {'-' if weight > 0 else '+'} {plain(signal.says)}")


def _print_sweep(swept: Swept) -> None:
    click.echo()
    if not swept.hosts:
        looked = ", ".join(f"{count:,} {what}" for what, count in swept.examined.items())
        click.echo(f"We saw no host of ours go there (looked at {looked}).")
    for finding in swept.findings:
        click.secho(f"{finding.severity.upper()} {plain(finding.title)}", bold=finding.kind == "lured")
        click.echo(f"  {format_time(finding.start_s)} to {format_time(finding.end_s)}")
        for reason in finding.reasons:
            click.echo(f"  - {plain(reason)}")
        click.echo(f"  see: {finding.query}")
    for left in swept.skipped:
        click.echo(f"could not look for {plain(left['what'])}: {left['why']}")
