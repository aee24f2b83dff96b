"""serve, user, token, audit, alert."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge.cli.common import SHELL, json_option, note_audit, open_site, print_json, site_option, table
from tidegauge.model import SiteError, UsageError, parse_time
from tidegauge.store.roles import ROLES

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


@click.group()
def user() -> None:
    """Who may come in, and with which role.

    Example: tidegauge user list
    """


@user.command(name="add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--openid", metavar="SUBJECT", help="Who they are at the OpenID provider, instead of a password.")
@site_option
@json_option
def add_user(name: str, role: str, openid: str | None, site_dir: Path | None, as_json: bool) -> None:
    """Make a user, or change one; the password comes from the terminal, or as a line on standard input.

    Example: tidegauge user add hana --role analyst < password.txt
    """
    from tidegauge.store import Store
    from tidegauge.store.people import People

    site = open_site(site_dir)
    password = None
    if openid is None:
        if sys.stdin.isatty():
            password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
        else:
            password = sys.stdin.readline().rstrip("\r\n")
    People(Store.of(site)).add(name, role, password, subject=openid)
    note_audit(site, "add a user", {"name": name, "role": role})
    print_json({"name": name, "role": role}) if as_json else click.echo(f"{name} is {role}")


@user.command(name="list")
@site_option
@json_option
def list_users(site_dir: Path | None, as_json: bool) -> None:
    """All users.

    Example: tidegauge user list
    """
    from tidegauge.store import Store
    from tidegauge.store.people import People

    found = People(Store.of(open_site(site_dir))).users()
    if as_json:
        print_json({"users": found})
        return
    table(["name", "role", "since"], [[u["name"], u["role"], u["created"]] for u in found])


@user.command(name="remove")
@click.argument("name")
@site_option
@json_option
def remove_user(name: str, site_dir: Path | None, as_json: bool) -> None:
    """Forget a user with all sessions and tokens.

    Example: tidegauge user remove hana
    """
    from tidegauge.store import Store
    from tidegauge.store.people import People

    site = open_site(site_dir)
    People(Store.of(site)).remove(name)
    note_audit(site, "remove a user", {"name": name})
    print_json({"removed": name}) if as_json else click.echo(f"removed {name}")


@click.group()
def token() -> None:
    """Secrets by which programs come in, with a user's role.

    Example: tidegauge token list
    """


@token.command(name="add")
@click.argument("name")
@click.option("--user", "owner", required=True, metavar="USER", help="Whose role it has.")
@click.option("--days", type=click.IntRange(min=1), help="How long it holds; for ever where left out.")
@site_option
@json_option
def add_token(name: str, owner: str, days: int | None, site_dir: Path | None, as_json: bool) -> None:
    """Make a token; it is shown once.

    Example: tidegauge token add nightly --user hana --days 90
    """
    from tidegauge.store import Store
    from tidegauge.store.people import People

    site = open_site(site_dir)
    secret = People(Store.of(site)).add_token(name, owner, days)
    note_audit(site, "add a token", {"name": name, "user": owner, "days": days})
    print_json({"name": name, "user": owner, "token": secret}) if as_json else click.echo(secret)


@token.command(name="list")
@site_option
@json_option
def list_tokens(site_dir: Path | None, as_json: bool) -> None:
    """All tokens, without their secrets.

    Example: tidegauge token list
    """
    from tidegauge.store import Store
    from tidegauge.store.people import People

    found = People(Store.of(open_site(site_dir))).tokens()
    if as_json:
        print_json({"tokens": found})
        return
    table(["name", "user", "since", "until"], [[t["name"], t["user"], t["created"], t["ends"] or ""] for t in found])


@token.command(name="remove")
@click.argument("name")
@site_option
@json_option
def remove_token(name: str, site_dir: Path | None, as_json: bool) -> None:
    """Forget a token.

    Example: tidegauge token remove nightly
    """
    from tidegauge.store import Store
    from tidegauge.store.people import People

    site = open_site(site_dir)
    People(Store.of(site)).remove_token(name)
    note_audit(site, "remove a token", {"name": name})
    print_json({"removed": name}) if as_json else click.echo(f"removed {name}")


@click.group()
def audit() -> None:
    """Who asked and changed what: an append-only log, chained by keyed hashes.

    Example: tidegauge audit verify
    """


@audit.command()
@site_option
@json_option
def verify(site_dir: Path | None, as_json: bool) -> None:
    """Whether no row was altered, put in or taken out. Exit status 1 where one was.

    Example: tidegauge audit verify
    """
    from tidegauge.store import Store
    from tidegauge.store.audit import Audit

    site = open_site(site_dir)
    found = Audit(Store.of(site), site.folder).verify()
    whole = found.broken is None
    if as_json:
        print_json({"rows": found.rows, "chain": "whole" if whole else "broken", "why": found.why})
    else:
        click.echo(f"{found.rows:,} rows, the chain is whole" if whole else f"the chain is broken: {found.why}")
    if not whole:
        sys.exit(1)


@audit.command()
@click.option("--after", type=click.IntRange(min=0), default=0, help="Rows behind this number.")
@click.option("-n", "count", type=click.IntRange(min=1), default=100, help="How many.")
@site_option
@json_option
def show(after: int, count: int, site_dir: Path | None, as_json: bool) -> None:
    """The rows, by number.

    Example: tidegauge audit show -n 20
    """
    from tidegauge.store import Store
    from tidegauge.store.audit import Audit

    site = open_site(site_dir)
    rows = [entry.to_json() for entry in Audit(Store.of(site), site.folder).entries(after=after, most=count)]
    if as_json:
        print_json({"entries": rows})
        return
    table(["number", "at", "who", "what", "detail"], [
        [str(r["number"]), r["at"], r["who"], r["what"], json.dumps(r["detail"], ensure_ascii=False)] for r in rows
    ])


@click.group()
def alert() -> None:
    """Who is told of alarms and serious findings.

    Example: tidegauge alert list
    """


@alert.command(name="list")
@site_option
@json_option
def list_alerts(site_dir: Path | None, as_json: bool) -> None:
    """Channels, what went to each, and silences.

    Example: tidegauge alert list
    """
    from tidegauge.serve.alarms import Alarms
    from tidegauge.serve.outbox import Outbox
    from tidegauge.store import Store

    site = open_site(site_dir)
    store = Store.of(site)
    states = Outbox(store, site).states()
    rows = [
        {"name": name, "kind": channel.kind, "least": channel.least,
         "letters": {state: count for (whose, state), count in states.items() if whose == name}}
        for name, channel in site.alerts.items()
    ]
    silences = [one.to_json() for one in Alarms(store).silences()]
    if as_json:
        print_json({"alerts": rows, "silences": silences})
        return
    table(["name", "kind", "from severity", "letters"], [
        [str(r["name"]), str(r["kind"]), str(r["least"]), " ".join(f"{n} {s}" for s, n in r["letters"].items())]  # type: ignore[attr-defined]
        for r in rows
    ])
    for one in silences:
        click.echo(f"silence {one['id']} until {one['until']}: {one['what']} ({one['reason']})")


@alert.command()
@click.argument("name")
@site_option
@json_option
def test(name: str, site_dir: Path | None, as_json: bool) -> None:
    """Send a test message now; exit status 1 where it was not taken.

    Example: tidegauge alert test desk
    """
    from tidegauge.serve.channels import send
    from tidegauge.serve.outbox import SENT, Outbox, Word
    from tidegauge.store import Store

    site = open_site(site_dir)
    if name not in site.alerts:
        raise UsageError(f"no such channel: {name!r}", hint=f"[alerts.{name}] in tidegauge.toml")
    outbox = Outbox(Store.of(site), site)
    word = Word.test(site.name)
    outbox.put_test(name, word)
    letter = next(one for one in outbox.due() if one.about == word.about)
    outbox.mark(letter, SENT)  # a test that fails is not tried again by itself
    send(letter, site.alerts[name], site.folder)
    print_json({"sent": name}) if as_json else click.echo(f"{name} took a test message")


@alert.command()
@click.argument("what")
@click.option("--reason", required=True, help="That others understand.")
@click.option("--until", required=True, metavar="T", help="When it ends.")
@site_option
@json_option
def silence(what: str, reason: str, until: str, site_dir: Path | None, as_json: bool) -> None:
    """Send nothing about what matches a pattern (a series such as 'country KP *', or a subject) until a time.

    Example: tidegauge alert silence "country KP *" --reason "a planned test" --until 2036-01-01
    """
    from tidegauge.serve.alarms import Alarms
    from tidegauge.store import Store

    site = open_site(site_dir)
    made = Alarms(Store.of(site)).silence(what, reason, SHELL, parse_time(until, now_s=int(time.time())))
    note_audit(site, "silence", made.to_json())
    print_json(made.to_json()) if as_json else click.echo(f"{made.id}: nothing is sent about {made.what}")


@alert.command()
@click.argument("name", metavar="ID")
@site_option
@json_option
def unsilence(name: str, site_dir: Path | None, as_json: bool) -> None:
    """End a silence.

    Example: tidegauge alert unsilence 0a1b2c3d4e5f
    """
    from tidegauge.serve.alarms import Alarms
    from tidegauge.store import Store

    site = open_site(site_dir)
    Alarms(Store.of(site)).unsilence(name)
    note_audit(site, "end a silence", {"id": name})
    print_json({"ended": name}) if as_json else click.echo(f"ended {name}")
