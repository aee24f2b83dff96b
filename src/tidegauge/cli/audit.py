"""`tidegauge audit`: who asked and changed what."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from tidegauge.cli.common import json_option, open_site, print_json, site_option, table


@click.group()
def audit() -> None:
    """Who asked and changed what: an append-only log, chained by keyed hashes.

    Example: tidegauge audit verify
    """


@audit.command()
@site_option
@json_option
def verify(site_dir: Path | None, as_json: bool) -> None:
    """Whether no row was altered, put in or taken out. Exit status 1 where one was.

    Example: tidegauge audit verify
    """
    from tidegauge.store import Store
    from tidegauge.store.audit import Audit

    site = open_site(site_dir)
    found = Audit(Store.of(site), site.folder).verify()
    whole = found.broken is None
    if as_json:
        print_json({"rows": found.rows, "chain": "whole" if whole else "broken", "why": found.why})
    else:
        click.echo(f"{found.rows:,} rows, the chain is whole" if whole else f"the chain is broken: {found.why}")
    if not whole:
        sys.exit(1)


@audit.command()
@click.option("--after", type=click.IntRange(min=0), default=0, help="Rows behind this number.")
@click.option("-n", "count", type=click.IntRange(min=1), default=100, help="How many.")
@site_option
@json_option
def show(after: int, count: int, site_dir: Path | None, as_json: bool) -> None:
    """The rows, by number.

    Example: tidegauge audit show -n 20
    """
    from tidegauge.store import Store
    from tidegauge.store.audit import Audit

    site = open_site(site_dir)
    rows = [entry.to_json() for entry in Audit(Store.of(site), site.folder).entries(after=after, most=count)]
    if as_json:
        print_json({"entries": rows})
        return
    table(["number", "at", "who", "what", "detail"], [
        [str(r["number"]), r["at"], r["who"], r["what"], json.dumps(r["detail"], ensure_ascii=False)] for r in rows
    ])
