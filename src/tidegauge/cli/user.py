"""`tidegauge user`: who may come in."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tidegauge.cli.common import json_option, note_audit, open_site, print_json, site_option, table
from tidegauge.store.roles import ROLES


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
