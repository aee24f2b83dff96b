"""simulate, demo."""

from __future__ import annotations

import json
import shutil
import socket
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge.model import UsageError, parse_time

if TYPE_CHECKING:
    from tidegauge.simulate import Datagram, Scenario

from tidegauge.cli.common import json_option, print_json, working
from tidegauge.cli.judge import print_reply

SCENARIOS = ("autumn-2014",)


def heard(scenario: Scenario) -> Iterator[Datagram]:
    """The scenario's datagrams without those that are lost on the way; their sequence numbers are missing then."""
    from tidegauge.simulate import encode

    boot_s = int(scenario.flows["time_start"].min()) // 1_000_000 - 3600
    for datagram in encode(scenario.flows, boot_s=boot_s):
        if not any(start <= datagram.sent_s < end for start, end in scenario.gaps_s):
            yield datagram


def write_scenario(scenario: Scenario, folder: Path, *, as_flows: bool = False) -> Path:
    """Write the flows (as a capture of NetFlow v9, or Parquet) and `truth.json`."""
    import numpy as np

    from tidegauge.model import FLOW_SCHEMA, parse_address
    from tidegauge.simulate import EXPORTER, write_pcap

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "truth.json").write_text(json.dumps(scenario.truth, indent=1) + "\n", encoding="utf-8")
    if as_flows:
        import pyarrow.parquet as pq

        from tidegauge.atlas import Atlas, label
        from tidegauge.site import load_site

        path = folder / "simulated.parquet"
        table = label(scenario.flows, load_site(make_site(folder / "labels")), Atlas())
        shutil.rmtree(folder / "labels")
        table = table.replace_schema_metadata({"tidegauge": "simulated"})
        pq.write_table(table.take(np.argsort(scenario.flows["time_start"], kind="stable")), path, compression="zstd")
        assert table.schema.names == FLOW_SCHEMA.names
        return path
    path = folder / "simulated.pcap"
    with path.open("wb") as file:
        write_pcap(file, heard(scenario), sender=parse_address(EXPORTER)[12:])
    return path


def make_site(folder: Path) -> Path:
    from tidegauge.simulate import HOME
    from tidegauge.site import init_site

    init_site(folder, home=[str(HOME)], name="simulated research network", simulated=True)
    return folder


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


@click.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path("demo"), help="Where the site is made.")
@click.option("--surge", "surges", multiple=True, metavar="ORIGIN:START:LENGTH:SIZE", help="Hide one in it.")
@click.option("--days", type=click.IntRange(9, 400), default=42)
@click.option("--open", "opening", is_flag=True, help="Then run the service, and open its console in a browser.")
def demo(folder: Path, surges: tuple[str, ...], days: int, opening: bool) -> None:
    """Make a simulated site and ask it: was there a surge from KP since 2014-11-24?

    Example: tidegauge demo --surge KP:2014-11-25T03:00Z:2h:40MB
    """
    from tidegauge.hunt import KINDS, hunt as run_hunt
    from tidegauge.ingest import Ingest
    from tidegauge.inquiry import Asked, ask
    from tidegauge.series import Origins
    from tidegauge.simulate import Surge, autumn_2014
    from tidegauge.site import FILE_NAME, load_site

    if (folder / FILE_NAME).exists():
        if not load_site(folder).simulated:
            raise UsageError("there is a real site here", where=str(folder), hint="name another folder with --dir")
        shutil.rmtree(folder)
    path = make_site(folder) / FILE_NAME
    # Nothing more comes: its service shows what there is.
    text = path.read_text(encoding="utf-8").replace("# collect = true", "collect = false", 1)
    path.write_text(text, encoding="utf-8")
    site = load_site(folder)
    click.echo(f"Simulating {days} days of a small research network (everything here is simulated) ...")
    scenario = autumn_2014(days=days, seed=2014, surges=[Surge.parse(text) for text in surges])
    path = write_scenario(scenario, folder)
    report = Ingest(site).run([str(path)])
    click.echo(f"{report.flows:,} flows from {report.datagrams:,} NetFlow v9 datagrams in {path}\n")
    click.secho("$ tidegauge ask --from KP --since 2014-11-24", dim=True)
    reply = ask(
        site,
        Asked(
            origin=Origins.parse("KP"), where_text=None, where_sql=None, direction="in", metric="bytes",
            since_s=parse_time("2014-11-24", now_s=0), until_s=None, baseline_s=28 * 86400,
            false_alarm=0.01, power=0.95,
        ),
    )
    print_reply(reply)
    click.echo()
    click.secho("$ tidegauge hunt", dim=True)
    found = run_hunt(site, tuple(KINDS), since_s=None, until_s=None)
    serious = [f for f in found.findings if f.severity in ("high", "critical")]
    click.secho(f"{len(serious)} of {len(found.findings)} findings are serious", bold=True)
    for finding in serious:
        click.secho(f"{finding.severity.upper()} {finding.title}", fg="red")
        for reason in finding.reasons:
            click.echo(f"  - {reason}")
    click.echo(
        f"\nTry next, in {folder}:\n"
        "  tidegauge ask --from KP --wide --since 2014-11-24\n"
        "  tidegauge origin --of KP --at 2014-11-24\n"
        "  tidegauge hunt --since 2014-11-17 --explain\n"
        "  tidegauge ask --from CN --since 2014-11-24 --json\n"
        "  tidegauge top far_country --since 2014-11-24\n"
        "  tidegauge coverage --since 2014-11-24\n"
        "  tidegauge demo --dir other --surge KP:2014-11-25T03:00Z:2h:40MB\n"
        f"\nThe console: `tidegauge serve --site {folder}` names a link that opens it once, at http://{site.serve.http}/"
    )
    if opening:
        from tidegauge.cli.service import run_group

        run_group(site, (), _opened)


def _opened(url: str) -> None:
    click.echo(f"The console is at {url}")
    webbrowser.open(url)
