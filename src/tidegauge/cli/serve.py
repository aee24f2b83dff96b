"""`tidegauge serve`: the service."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge.cli.common import json_option, open_site, site_option
from tidegauge.model import SiteError

if TYPE_CHECKING:
    from tidegauge.site import Site


PARTS = ("http", "live", "hunts", "lures", "alerts", "collect")
COLLECT_PATIENCE_S = 3.0


def _at(site: Site, http: str | None) -> Site:
    """The site with another address to answer at."""
    if http is None:
        return site
    from tidegauge.settings import ServeSettings

    return replace(site, serve=ServeSettings.model_validate({**site.serve.model_dump(), "http": http}))


@click.command()
@click.option("--http", metavar="ADDRESS:PORT", help="Where to answer, instead of what the site file says.")
@click.option("--listen", multiple=True, metavar="ADDRESS:PORT", help="Where to receive flows; once for each.")
@click.option("--part", type=click.Choice(PARTS), hidden=True)
@click.option("--socket", "handed", type=int, hidden=True)
@site_option
@json_option
def serve(
    http: str | None, listen: tuple[str, ...], part: str | None, handed: int | None, site_dir: Path | None,
    as_json: bool,
) -> None:
    """Collect, judge, hunt, alert and answer, until told to stop (SIGTERM, SIGINT): one group of processes.

    On loopback it opens with a link that works once; on any other address it needs users (`tidegauge user add`).
    With --json its first line is {"url": "http://127.0.0.1:8014/?token=..."}. Log lines on standard error are JSON.

    Example: tidegauge serve --http 127.0.0.1:8014
    """
    from tidegauge.settings import parse_listen
    from tidegauge.site import FILE_NAME

    if http is not None:
        parse_listen(http)
    folder = find_folder(site_dir)
    if part is None and not (folder / FILE_NAME).exists() and not _set_up(folder, http, as_json):
        return
    site = _at(open_site(folder), http)
    for text in listen:
        parse_listen(text)
    if part is not None:
        _run_part(site, part, handed, listen)
        return
    run_group(site, listen, lambda url: _tell(url, as_json))


def find_folder(site_dir: Path | None) -> Path:
    """The site's folder; where there is none anywhere, this one, in which one can be made."""
    from tidegauge.site import find_site

    try:
        return find_site(site_dir)
    except SiteError:
        return Path.cwd()


def _set_up(folder: Path, http: str | None, as_json: bool) -> bool:
    """Say on loopback how to make a site until there is one; false when told to stop before."""
    from ipaddress import ip_address

    from tidegauge.api.server import listening_at
    from tidegauge.api.setup import wait_for_site
    from tidegauge.settings import ServeSettings, parse_listen
    from tidegauge.site import FILE_NAME

    host, port = parse_listen(http or ServeSettings().http)
    if not folder.is_dir() or not ip_address(host).is_loopback:
        raise SiteError(f"no {FILE_NAME} here", where=str(folder), hint="make one with `tidegauge init --home PREFIX`")
    with listening_at(host, port) as listening:
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:{listening.getsockname()[1]}/"
        if as_json:
            print(json.dumps({"url": url, "site": None}), flush=True)
        else:
            click.echo(f"there is no site in {folder.resolve()} yet: tidegauge init --home PREFIX; see {url}")
        return wait_for_site(folder, listening)


def _run_part(site: Site, part: str, handed: int | None, listen: tuple[str, ...]) -> None:
    from tidegauge.serve.supervisor import end_with_group

    end_with_group()
    if part == "http":
        from tidegauge.api.server import serve_http

        assert handed is not None
        serve_http(site, socket.socket(fileno=handed))
    elif part == "collect":
        from tidegauge.collect import collect
        from tidegauge.settings import parse_listen

        collect(site, listen=tuple(parse_listen(text) for text in listen), patience_s=COLLECT_PATIENCE_S)
    else:
        from tidegauge.serve import workers

        {
            "live": workers.run_live, "hunts": workers.run_hunts, "lures": workers.run_lures,
            "alerts": workers.run_alerts,
        }[part](site)


def _runs(site: Site, part: str) -> bool:
    """Whether a site has something to do for a part."""
    return {"collect": site.serve.collect, "lures": site.lure.mailbox is not None}.get(part, True)


def _tell(url: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"url": url}), flush=True)
    else:
        click.echo(f"tidegauge answers at {url}")


def run_group(site: Site, listen: tuple[str, ...], tell: Callable[[str], object]) -> None:
    """Run the service until it is told to stop; `tell` gets its link, on loopback one that opens a session once."""
    from ipaddress import ip_address

    from tidegauge.api.server import bound
    from tidegauge.serve.supervisor import Group, alone
    from tidegauge.serve.workers import status_folder
    from tidegauge.store import Store
    from tidegauge.store.people import People

    folder = status_folder(site)
    with alone(folder), bound(site) as listening:
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        url = f"{'https' if site.serve.certificate else 'http'}://{shown}/"
        if ip_address(host).is_loopback:
            url += f"?token={People(Store.of(site)).make_link()}"
        wanted = [name for name in PARTS if _runs(site, name)]
        program = [sys.executable, "-m", "tidegauge.cli", "serve", "--site", str(site.folder), "--http", shown]
        program += [word for text in listen for word in ("--listen", text)]
        commands = {name: [*program, "--part", name] for name in wanted}
        commands["http"] += ["--socket", str(listening.fileno())]
        listening.set_inheritable(True)
        tell(url)
        asyncio.run(Group(folder, commands, handed=(listening.fileno(),)).run())
