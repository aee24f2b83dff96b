"""`tidegauge origin`: what an address displays, and how far to believe it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge.cli.common import (
    json_option,
    open_site,
    print_json,
    site_option,
    table,
    working,
)
from tidegauge.model import SiteError, UsageError, format_time

if TYPE_CHECKING:
    from tidegauge.atlas import Origin as JudgedOrigin

from tidegauge.cli.atlas import SHOWN, at_option, moment, open_atlas


@click.command()
@click.argument("addresses", nargs=-1)
@click.option("--of", metavar="ORIGIN", help="Every prefix by which KP, AS131279 or class:vpn can show itself.")
@at_option
@site_option
@json_option
def origin(addresses: tuple[str, ...], of: str | None, at: str | None, site_dir: Path | None, as_json: bool) -> None:
    """What an address displays at a time, and how far to believe it; `-` reads addresses, a line each.

    Example: tidegauge origin 175.45.176.1 210.52.109.9 --at 2014-11-24
    """
    from tidegauge.atlas import Witnesses, judge, showings as showings_of
    from tidegauge.model import format_address, parse_address

    if (of is None) == (not addresses):
        raise UsageError("name addresses, or --of ORIGIN", hint="tidegauge origin --of KP --at 2014-11-24")
    found_atlas, at_s = open_atlas(site_dir), moment(at)
    if of is not None:
        with working("looking for prefixes"):
            found = showings_of(found_atlas, of, at_s)
        if as_json:
            print_json(found.to_json())
            return
        click.secho(f"{found.of} at {format_time(at_s)}: {len(found.prefixes):,} prefixes", bold=True)
        table(["prefix", "AS", "displays", "trust", "source", "why"], [
            [p.prefix, str(p.asn or ""), p.displayed, p.trust, p.source, p.reasons[0]] for p in found.prefixes[:SHOWN]
        ])
        if len(found.prefixes) > SHOWN:
            click.echo(f"and {len(found.prefixes) - SHOWN:,} more (--json has them all)")
        for further in found.further:
            click.echo(
                f"All routes of AS{further.via} went over AS{further.asn} {further.name} ({further.country}): traffic"
                f" can also come under its own {further.count:,} prefixes, such as {', '.join(further.prefixes[:5])}"
            )
        return
    witnesses = Witnesses(found_atlas, at_s)
    found_here = _own_findings(site_dir)
    failed = False
    for text in _texts(addresses):
        try:
            address = parse_address(text)
            judged = judge(witnesses.about(address, found_here(format_address(address), at_s)))
        except UsageError as error:
            if addresses != ("-",):
                raise
            failed = True
            print_json({"address": text, "error": str(error)}) if as_json else click.echo(
                f"tidegauge: {error}", err=True
            )
            continue
        if as_json:
            print_json(judged.to_json())
        else:
            _print_origin(judged)
    if failed:
        sys.exit(1)


def _own_findings(folder: Path | None) -> Callable[[str, int], tuple[str, ...]]:
    """What our own hunts found of a host around a time; nothing where there is no site."""
    from tidegauge.hunt.finding_store import HuntLedger
    from tidegauge.store import Store

    try:
        ledger = HuntLedger(Store.of(open_site(folder)))
    except SiteError:
        return lambda address, at_s: ()
    return lambda address, at_s: tuple(ledger.about(address, at_s))


def _texts(addresses: tuple[str, ...]) -> Iterator[str]:
    if addresses == ("-",):
        yield from (line.strip() for line in sys.stdin if line.strip())
    else:
        yield from addresses


def _print_origin(found: JudgedOrigin) -> None:
    said = found.to_json()
    name = f" {said['as_name']}" if said["as_name"] else ""
    network = f", AS{said['as']}{name}" if said["as"] else ""
    classes = f", {' '.join(said['classes'])}" if said["classes"] else ""
    click.secho(f"{said['address']} at {said['at']} displays {said['displayed']}{network}{classes}", bold=True)
    if said["country"] != said["displayed"]:
        click.echo(f"  it was used from {said['country']}")
    click.echo(f"  trust: {said['trust']}")
    for reason in said["reasons"]:
        click.echo(f"  - {reason}")
    for source in said["sources"]:
        says = ", ".join(
            f"{k} {' '.join(map(str, v)) if isinstance(v, list) else v}" for k, v in source["says"].items()
        )
        click.echo(f"  {source['source']}, edition {source['edition']}: {says}")
    for disagreement in said["disagreements"]:
        click.echo(f"  sources differ on {disagreement}")
