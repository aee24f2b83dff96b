"""`tidegauge init`: write a site file."""

from __future__ import annotations

from pathlib import Path

import click

from tidegauge.cli.common import json_option, print_json


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--home", multiple=True, metavar="PREFIX", help="A prefix that is ours; once for each.")
@click.option("--name", help="The site's name; the folder's where left out.")
@json_option
def init(folder: Path, home: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """Write a commented tidegauge.toml.

    Example: tidegauge init mysite --home 192.0.2.0/24 --home 2001:db8::/32
    """
    from tidegauge.site import init_site

    path = init_site(folder, home=list(home), name=name)
    if as_json:
        print_json({"site": str(path)})
    else:
        click.echo(f"wrote {path}")
