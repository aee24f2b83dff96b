"""`tidegauge alert`: who is told of alarms."""

from __future__ import annotations

import time
from pathlib import Path

import click

from tidegauge.cli.common import SHELL, json_option, note_audit, open_site, print_json, site_option, table
from tidegauge.model import UsageError, parse_time


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
