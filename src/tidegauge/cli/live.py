"""collect, doctor, exporters."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tidegauge.cli.common import json_option, open_site, print_json, site_option, working


@click.command()
@click.option("--listen", multiple=True, metavar="ADDRESS:PORT", help="Where to receive; once for each.")
@click.option("--metrics", metavar="ADDRESS:PORT", help="Where counters are shown to Prometheus.")
@site_option
@json_option
def collect(listen: tuple[str, ...], metrics: str | None, site_dir: Path | None, as_json: bool) -> None:
    """Receive NetFlow v5/v9, IPFIX and sFlow v5 until told to stop (SIGTERM, SIGINT).

    Protocols are recognised by content. What is received is spooled, decoded, labelled and committed to the lake; log
    lines on standard error are JSON.

    Example: tidegauge collect --listen 127.0.0.1:2055 --listen [::1]:6343
    """
    from tidegauge.collect import collect as run
    from tidegauge.settings import parse_listen

    counts = run(
        open_site(site_dir),
        listen=tuple(parse_listen(text) for text in listen),
        metrics=None if metrics is None else parse_listen(metrics),
    )
    if as_json:
        print_json(counts)
    else:
        received, decoded = counts["received"], counts["decoded"]
        click.echo(
            f"{received.get('datagrams', 0):,} datagrams received, {received.get('kernel_dropped', 0):,} dropped by the"
            f" kernel, {received.get('spool_dropped', 0):,} by the spool; {decoded.get('flows', 0):,} flows"
        )


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
