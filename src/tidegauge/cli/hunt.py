"""`tidegauge hunt`: hosts that send out, pass on, are commanded, or scan."""

from __future__ import annotations

import time
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge import app
from tidegauge.cli.common import (
    json_option,
    open_site,
    print_json,
    site_option,
    table,
    time_options,
    working,
)
from tidegauge.cli.flows import SHORT
from tidegauge.model import Finding, UsageError, format_count, format_time, parse_time

if TYPE_CHECKING:
    from tidegauge.context import SiteContext
    from tidegauge.hunt import Hunted
    from tidegauge.site import Site


SHOWN = 30
EXPLAINED = 8
COLOURS = {"critical": "bright_red", "high": "red", "medium": "yellow"}


@click.command()
@click.argument("kinds", nargs=-1, metavar="[egress|passthrough|beacons|scans | close ID | reopen ID | closed]")
@click.option("--watch", metavar="NAME", help="Transmission linked to this asset.")
@time_options
@click.option("--explain", is_flag=True, help="Show the flows behind each finding.")
@click.option("--all", "everything", is_flag=True, help="Also what is expected (severity info), and every row.")
@click.option("--reason", help="With close: why it is expected.")
@site_option
@json_option
def hunt(
    kinds: tuple[str, ...], watch: str | None, since: str | None, until: str | None, explain: bool, everything: bool,
    reason: str | None, site_dir: Path | None, as_json: bool,
) -> None:
    """Look for hosts that send out, pass on, are commanded, or scan; without a kind for all of them, in one list.

    `close ID --reason TEXT --until T` keeps a finding out of the list until then; `closed` shows what is.

    Example: tidegauge hunt --since 2014-11-17
    """
    from tidegauge.app import HuntQuestion
    from tidegauge.context import SiteContext
    from tidegauge.hunt import KINDS

    site = open_site(site_dir)
    if kinds and kinds[0] in ("close", "reopen", "closed"):
        _closing(site, kinds, reason, until, as_json)
        return
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f"no such hunt: {kind!r}", hint=", ".join(KINDS))
    here = SiteContext(site)
    question = HuntQuestion.put(kind=list(kinds), watch=watch, since=since, until=until)
    with working("hunting"):
        found = app.hunt(here, question)
    if as_json:
        print_json(found.to_json())
        return
    _print(found, here, explain, everything)


def _closing(site: Site, words: tuple[str, ...], reason: str | None, until: str | None, as_json: bool) -> None:
    from tidegauge.hunt import HuntLedger
    from tidegauge.store import Store

    ledger = HuntLedger(Store.of(site))
    if words[0] == "closed":
        rows = sorted(ledger.closed().values(), key=lambda c: c.closed_s)
        if as_json:
            print_json({"closed": [{"id": c.id, "title": c.title, "reason": c.reason, "until": format_time(c.until_s),
                                    "closed_at": format_time(c.closed_s)} for c in rows]})
        else:
            table(["id", "until", "reason", "finding"], [
                [c.id, format_time(c.until_s), c.reason, c.title] for c in rows
            ])
        return
    if len(words) != 2:
        raise UsageError(f"{words[0]} takes the name of one finding", hint=f"tidegauge hunt {words[0]} 0a1b2c3d4e5f")
    if words[0] == "reopen":
        ledger.reopen(words[1])
        print_json({"reopened": words[1]}) if as_json else click.echo(f"{words[1]} is in the list again")
        return
    if until is None:
        raise UsageError("until when is it expected?", hint="--until 2027-01-01")
    closed = ledger.close(words[1], reason or "", parse_time(until, now_s=int(time.time())))
    if as_json:
        print_json(
            {"id": closed.id, "title": closed.title, "reason": closed.reason, "until": format_time(closed.until_s)}
        )
    else:
        click.echo(f"closed until {format_time(closed.until_s)}: {closed.title}")


def _print(found: Hunted, here: SiteContext, explain: bool, everything: bool) -> None:
    shown = [f for f in found.findings if everything or f.severity != "info"]
    click.secho(_headline(found, len(shown)), bold=True)
    for ground in found.grounds:
        click.echo(f"  That nothing{' more' if shown else ''} was found is no evidence: {ground}")
    stories = {s.subject: s for s in found.stories() if len(s.findings) > 1}
    for finding in shown if everything else shown[:SHOWN]:
        _print_finding(finding)
        if explain:
            _explain(finding, here)
        if (story := stories.pop(finding.subject, None)) is not None:
            click.echo(f"  what else {finding.subject} did:")
            for line in story.timeline()[:SHOWN]:
                click.echo(f"    {line}")
    if len(shown) > SHOWN and not everything:
        click.echo(f"\nand {len(shown) - SHOWN} more (--all, or --json)")
    for finding, closed in found.closed:
        click.echo(f"closed until {format_time(closed.until_s)} ({closed.reason}): {finding.title}")
    _print_limits(found)
    click.echo("\nlooked at " + ", ".join(f"{count:,} {what}" for what, count in found.examined.items()))
    for left in found.skipped:
        click.echo(f"not looked at: {left['what']} ({left['count']:,}): {left['why']}")


def _headline(found: Hunted, shown: int) -> str:
    hidden = len(found.findings) - shown
    more = f"; {hidden} more {'is' if hidden == 1 else 'are'} expected (--all)" if hidden else ""
    return (
        f"{format_count(shown, 'finding')} between {format_time(found.since_s)} and {format_time(found.until_s)}{more}"
    )


def _print_finding(finding: Finding) -> None:
    from tidegauge.hunt.finding_store import finding_id

    click.echo()
    click.secho(f"{finding.severity.upper()} {finding.title}", fg=COLOURS.get(finding.severity))
    click.echo(f"  {finding_id(finding)}, {finding.kind}, score {finding.score:.2f}")
    for reason in finding.reasons:
        click.echo(f"  - {reason}")
    click.echo(f"  see: {finding.query}")


def _print_limits(found: Hunted) -> None:
    from tidegauge.hunt.limits import POWER

    if found.limits:
        click.echo(f"\nWhat would have been found, of severity medium or more, {POWER:.0%} of the time:")
    for scope, limits in groupby(found.limits, key=lambda limit: limit.scope):
        if scope != "site":
            named = scope.removeprefix("watch ")
            linked = any(named in f.peers for f in found.findings)
            click.echo(f"  {'linked to' if linked else 'no transmission was found that is linked to'} {named}:")
        for limit in limits:
            click.echo(f"  {'  ' if scope != 'site' else ''}{limit.text()}")


def _explain(finding: Finding, here: SiteContext) -> None:
    """The first flows behind a finding, by its own query."""
    from tidegauge.app import plain_rows
    from tidegauge.lake import FlowFilter

    conditions = here.conditions(finding.where)
    chosen = FlowFilter(finding.start_s * 1_000_000, (finding.end_s + 1) * 1_000_000, conditions)
    rows = [[str(r[n]) for n in SHORT] for b in here.lake.flows(chosen, limit=EXPLAINED) for r in plain_rows(b)]
    table(list(SHORT), rows)
