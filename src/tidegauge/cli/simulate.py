"""`tidegauge simulate`: a simulated network's flows."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge.model import UsageError

if TYPE_CHECKING:
    from tidegauge.simulate import Scenario

from tidegauge.cli.common import json_option, print_json, working
from tidegauge.cli.show import heard, write_scenario

SCENARIOS = ("autumn-2014",)


@click.command()
@click.argument("scenario", type=click.Choice(SCENARIOS))
@click.option("--out", type=click.Path(path_type=Path), help="Write into this folder, with truth.json.")
@click.option("--to", "target", metavar="ADDRESS:PORT", help="Send the datagrams to a collector.")
@click.option("--as", "kind", type=click.Choice(("netflow", "flows")), default="netflow", help="What --out gets.")
@click.option("--days", type=click.IntRange(2, 400), default=42)
@click.option("--seed", type=click.IntRange(min=0), default=2014)
@click.option("--surge", "surges", multiple=True, metavar="ORIGIN:START:LENGTH:SIZE", help="Add one.")
@json_option
def simulate(
    scenario: str, out: Path | None, target: str | None, kind: str, days: int, seed: int, surges: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a simulated network's flows: a capture of NetFlow v9 datagrams, or flows as Parquet.

    Example: tidegauge simulate autumn-2014 --out sim --surge KP:2014-11-25T03:00Z:2h:40MB
    """
    from tidegauge.simulate import Surge, autumn_2014

    if (out is None) == (target is None):
        raise UsageError("Missing --to ADDRESS:PORT or --out DIRECTORY.")
    with working("simulating"):
        made = autumn_2014(days=days, seed=seed, surges=[Surge.parse(text) for text in surges])
    if out is not None:
        with working("writing"):
            path = write_scenario(made, out, as_flows=kind == "flows")
        place = str(path)
    else:
        assert target is not None
        place = target
        send(made, target)
    if as_json:
        print_json({**made.truth, "written": place})
    else:
        click.echo(f"{len(made.flows):,} simulated flows: {place}")


def send(scenario: Scenario, target: str) -> None:
    """Send the datagrams by UDP, at a pace that a collector keeps up with (20,000 a second)."""
    host, _, port = target.rpartition(":")
    try:
        address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
    except (ValueError, OSError):
        raise UsageError(f"not an address and port: {target!r}", hint="127.0.0.1:2055 or [::1]:2055") from None
    with socket.socket(address[0], socket.SOCK_DGRAM) as sender:
        for count, datagram in enumerate(heard(scenario)):
            sender.sendto(datagram.payload, address[4])
            if count % 200 == 199:
                time.sleep(0.01)
