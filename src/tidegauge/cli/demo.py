"""`tidegauge demo`: a simulated site, the question asked."""

from __future__ import annotations

import shutil
import webbrowser
from pathlib import Path

import click

from tidegauge.cli.ask import print_reply
from tidegauge.cli.show import make_site, write_scenario
from tidegauge.model import UsageError, parse_time


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
        from tidegauge.cli.serve import run_group

        run_group(site, (), _opened)


def _opened(url: str) -> None:
    click.echo(f"The console is at {url}")
    webbrowser.open(url)
