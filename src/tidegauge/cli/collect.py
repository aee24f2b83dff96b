"""`tidegauge collect`: receive flow export, live."""

from __future__ import annotations

from pathlib import Path

import click

from tidegauge.cli.common import json_option, open_site, print_json, site_option


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
