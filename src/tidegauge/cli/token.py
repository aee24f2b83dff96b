"""`tidegauge token`: how programs come in."""

from __future__ import annotations

from pathlib import Path

import click

from tidegauge.cli.common import json_option, note_audit, open_site, print_json, site_option, table


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
