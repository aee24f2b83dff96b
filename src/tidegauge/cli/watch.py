"""`tidegauge watch`: assets to watch for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge.cli.common import (
    json_option,
    open_site,
    print_json,
    site_option,
    table,
)
from tidegauge.model import FOREVER_S, Skipped, UsageError, format_count

if TYPE_CHECKING:
    from tidegauge.site import Site
    from tidegauge.watch import Indicator


@click.group()
def watch() -> None:
    """Assets to watch for: a company's database, with its addresses, names and ports.

    Example: tidegauge watch list
    """


def _valid(text: str | None) -> tuple[int, int]:
    from tidegauge.atlas import parse_valid

    return (0, FOREVER_S) if text is None else parse_valid(text)


@watch.command()
@click.argument("name")
@click.option("--prefix", "prefixes", multiple=True, metavar="P")
@click.option("--as", "ases", multiple=True, metavar="N")
@click.option("--domain", "domains", multiple=True, metavar="D", help="With all names below it.")
@click.option("--port", "ports", multiple=True, metavar="N",
              help="Only this port of what this command names; alone: this port of every outside host.")
@click.option("--valid", metavar="FROM/UNTIL", help="When these indicators hold; either end may be open.")
@click.option("--size", "sizes", multiple=True, type=click.IntRange(min=1), help="A known size of the loot, in bytes.")
@click.option("--note", default="", help="What it is.")
@click.option("--from-lure", "lures", multiple=True, metavar="PATH|URL",
              help="Where a mail or link leads, if it is a lure.")
@click.option("--from-file", "files", multiple=True, type=click.Path(path_type=Path),
              help="Indicators as STIX 2.1 or MISP JSON, or as CSV: kind,value[,from,until], or with a line of column"
                   " names (value or indicator, type, port, from, until; or ip, domain, url).")
@site_option
@json_option
def add(
    name: str, prefixes: tuple[str, ...], ases: tuple[str, ...], domains: tuple[str, ...], ports: tuple[str, ...],
    valid: str | None, sizes: tuple[int, ...], note: str, lures: tuple[str, ...], files: tuple[Path, ...],
    site_dir: Path | None, as_json: bool,
) -> None:
    """Make a watch, or add to one.

    Example: tidegauge watch add studio --prefix 203.0.113.0/24 --domain studio.example --valid 2014-11-01/
    """
    from tidegauge.context import SiteContext
    from tidegauge.store import Store
    from tidegauge.watch import Indicator, Watches, read_indicators

    site = open_site(site_dir)
    given = {"prefix": prefixes, "as": ases, "domain": domains}
    if valid is not None and not (any(given.values()) or ports):
        raise UsageError("--valid is for what the command itself names.",
                         hint="files say themselves for which time their indicators hold")
    if ports and not any(given.values()) and (files or lures):
        raise UsageError("--port is for what the command itself names.",
                         hint="for a port of every outside host, a command with --port alone")
    span = _valid(valid)
    marks = [Indicator.of(kind, value, *span) for kind, values in given.items() for value in values]
    if ports:
        alone = [Indicator.of("port", port, *span) for port in ports]
        marks = [mark.at_port(port) for mark in marks for port in ports] or alone
    left = Skipped()
    for file in files:
        read, unread = read_indicators(file, now_s=SiteContext(site).expired_before_s)
        marks += read
        left.merge(unread)
    if lures:
        marks += _of_lures(site, lures, left)
    made = Watches(Store.of(site)).add(name, marks, note=note, sizes=sizes, left=left)
    if as_json:
        print_json({**made.to_json(), "skipped": left.to_json()})
        return
    click.echo(f"{made.name}: {format_count(len(made.indicators), 'indicator')}")
    for what, why, count in left:
        click.echo(f"  left out: {count:,} {what}: {why}")


def _of_lures(site: Site, files: tuple[str, ...], left: Skipped) -> Iterator[Indicator]:
    """Where mails and links lead that are lures."""
    from tidegauge.app.luring import indicators_of, judging, lures as judged_lures
    from tidegauge.lure import given as items_of

    with judging(site) as judge:
        for file in files:
            judged = judged_lures(judge, items_of([file], sys.stdin.buffer))
            yield from indicators_of(judged, file)
            for row in judged.skipped:
                left.add(row["what"], row["why"])


@watch.command(name="list")
@site_option
@json_option
def list_(site_dir: Path | None, as_json: bool) -> None:
    """All watches.

    Example: tidegauge watch list
    """
    from tidegauge.store import Store
    from tidegauge.watch import Watches

    found = Watches(Store.of(open_site(site_dir))).all()
    if as_json:
        print_json({"watches": [w.to_json() for w in found]})
        return
    table(["name", "indicators", "note"], [[w.name, str(len(w.indicators)), w.note] for w in found])


@watch.command()
@click.argument("name")
@site_option
@json_option
def show(name: str, site_dir: Path | None, as_json: bool) -> None:
    """One watch with its indicators.

    Example: tidegauge watch show studio
    """
    from tidegauge.store import Store
    from tidegauge.watch import Watches

    found = Watches(Store.of(open_site(site_dir))).get(name)
    if as_json:
        print_json(found.to_json())
        return
    click.secho(f"{found.name} {found.note}", bold=True)
    for what, why, count in found.left:
        click.echo(f"  left out: {count:,} {what}: {why}")
    columns = ["kind", "value", "port", "home_port", "from", "until", "source"]
    table(columns, [[str(i.to_json()[k] or "") for k in columns] for i in found.indicators])


@watch.command()
@click.argument("name")
@site_option
@json_option
def remove(name: str, site_dir: Path | None, as_json: bool) -> None:
    """Forget a watch.

    Example: tidegauge watch remove studio
    """
    from tidegauge.store import Store
    from tidegauge.watch import Watches

    Watches(Store.of(open_site(site_dir))).remove(name)
    print_json({"removed": name}) if as_json else click.echo(f"removed {name}")
