"""`tidegauge exporters`: what they call themselves and their interfaces."""

from __future__ import annotations

from pathlib import Path

import click

from tidegauge.cli.common import json_option, open_site, print_json, site_option, working


@click.command()
@site_option
@json_option
def exporters(site_dir: Path | None, as_json: bool) -> None:
    """What the exporters that have been seen call themselves and their interfaces (SNMP); numbers where none is asked.

    Example: tidegauge exporters
    """
    from tidegauge.collect import ExporterNames, ask_names
    from tidegauge.lake import Lake

    site = open_site(site_dir)
    seen = sorted(set(Lake(site.data).ledger()["exporter"].to_pylist()))
    addresses = {name: address for address, name in site.exporter_names.items()}
    with working("asking"):
        if site.snmp.community is None and site.snmp.user is None:
            told = [ExporterNames(addresses.get(name, name), error="not asked: no [snmp] credentials") for name in seen]
        else:
            told = ask_names([addresses.get(name, name) for name in seen], site.snmp)
    rows = [
        {"exporter": name, "address": t.address, "name": t.name, "interfaces": t.interfaces, "error": t.error}
        for name, t in zip(seen, told, strict=True)
    ]
    if as_json:
        print_json({"exporters": rows})
        return
    for row in rows:
        click.echo(f"{row['exporter']}: {row['name'] or row['error']}")
        for number, interface in row["interfaces"].items():
            click.echo(f"  {number}: {interface}")
