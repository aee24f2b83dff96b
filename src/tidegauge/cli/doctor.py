"""`tidegauge doctor`: is this site healthy?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tidegauge.cli.common import json_option, open_site, print_json, site_option, working

MARKS = {"ok": ("ok  ", "green"), "warn": ("look", "yellow"), "fail": ("FAIL", "red")}


@click.command()
@site_option
@json_option
def doctor(site_dir: Path | None, as_json: bool) -> None:
    """Is this site healthy: clocks, gaps, templates, losses, disk, atlas, collector. Exit status 1 when a check failed.

    Example: tidegauge doctor
    """
    from tidegauge.health import check_site

    with working("checking"):
        checks = check_site(open_site(site_dir))
    if as_json:
        print_json({"checks": [
            {"check": c.name, "state": c.state, "found": c.found, "advice": c.advice} for c in checks
        ]})
    else:
        for check in checks:
            mark, colour = MARKS[check.state]
            advice = f" -> {check.advice}" if check.advice else ""
            click.echo(f"{click.style(mark, fg=colour)} {check.name}: {check.found}{advice}")
    if any(check.state == "fail" for check in checks):
        sys.exit(1)
