"""case: the verbs that have to do with other teams: what goes out to them, what comes in, and the key that signs."""

from __future__ import annotations

import getpass
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidegauge.cli.common import json_option, open_site, plain, print_json, site_option, working
from tidegauge.model import CASE_FORMATS, TLP_ORDER, UsageError, format_count, format_time

if TYPE_CHECKING:
    from tidegauge.case import CaseFile

TAXII = "taxii:"
output_option = click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Write into this file.")


def opened(site_dir: Path | None, who: str | None = None) -> CaseFile:
    """The cases of a site, as the person at the shell."""
    from tidegauge.case import CaseFile

    return CaseFile(open_site(site_dir), who or getpass.getuser())


def who_option(function: Any) -> Any:
    return click.option("--who", help="Who writes, where that isn't the user of this shell.")(function)


def given_out(made: bytes, target: Path | None) -> None:
    """Into a file, or to standard output."""
    from tidegauge.case import write_whole

    if target is None:
        sys.stdout.buffer.write(made)
    else:
        write_whole(target, made)
        click.echo(str(target), err=True)


@click.command()
@click.argument("name")
@click.option("--format", "form", required=True, type=click.Choice(CASE_FORMATS))
@click.option("--tlp", "audience", type=click.Choice(TLP_ORDER), help="The mark under which it goes out.")
@click.option("--pseudonyms", is_flag=True, help="Our own addresses as pseudonyms.")
@click.option("--to", metavar="taxii:NAME", help="Put it into a TAXII collection that the site file names (STIX).")
@output_option
@site_option
@json_option
def export(
    name: str, form: str, audience: str | None, pseudonyms: bool, to: str | None, target: Path | None,
    site_dir: Path | None, as_json: bool,
) -> None:
    """A case for other teams: STIX 2.1, a MISP event, CSV, X-ARF reports, or a bundle that verifies by itself.

    Example: tidegauge case export autumn --format bundle -o autumn.zip
    """
    from tidegauge.case.taxii import Collection

    if form == "bundle" and target is None:
        raise UsageError("a bundle goes into a file", hint="-o case.zip")
    files = opened(site_dir)
    if to is None:
        given_out(files.export(name, form, audience=audience, pseudonyms=pseudonyms), target)
        return
    if form != "stix" or not to.startswith(TAXII):
        raise UsageError("what goes to a TAXII collection is STIX", hint="--format stix --to taxii:NAME")
    collection = Collection(files.site, to.removeprefix(TAXII))
    made = json.loads(files.export(name, form, audience=audience, pseudonyms=pseudonyms))["objects"]
    with working("sending"):
        sent = collection.add(made)
    if as_json:
        print_json({"objects": len(made), "taken": sent.taken, "pending": sent.pending,
                    "refused": [{"id": one, "why": why} for one, why in sent.refused]})
    else:
        click.echo(f"{len(made)} objects: {sent.taken} taken, {sent.pending} still looked at")
        for one, why in sent.refused:
            click.echo(f"refused: {plain(one)} - {plain(why)}")
    if sent.refused:
        sys.exit(1)


@click.command("import")
@click.argument("name")
@click.argument("source", metavar="FILE|taxii:NAME")
@click.option("--since", metavar="T", help="Of a TAXII collection only what was added after this time.")
@click.option("--graded", default="F6", metavar="C3", help="How far its source and content are believed.")
@click.option("--ask", is_flag=True, help="Put its questions to our own flows too.")
@click.option("--watch", help="Look for its indicators from now on, as a watch of this name.")
@who_option
@site_option
@json_option
def import_(
    name: str, source: str, since: str | None, graded: str, ask: bool, watch: str | None, who: str | None,
    site_dir: Path | None, as_json: bool,
) -> None:
    """Take in what another team sent, as its claims: graded, with their source, never as truth.

    Example: tidegauge case import autumn theirs.json --graded B3 --ask
    """
    from tidegauge.case.taxii import Collection
    from tidegauge.context import SiteContext

    files = opened(site_dir, who)
    with working("taking in"), tempfile.TemporaryDirectory() as folder:
        if source.startswith(TAXII):
            path = Path(folder) / f"{source.replace(':', '-')}.json"
            after = None if since is None else format_time(SiteContext(files.site).moment_s(since) or 0)
            objects = Collection(files.site, source.removeprefix(TAXII)).objects(after)
            path.write_text(json.dumps({"type": "bundle", "objects": objects}), encoding="utf-8")
        elif not (path := Path(source)).is_file():
            raise UsageError("no such file", hint=source)
        foreign, asked = files.take_in(name, path, graded=graded, ask=ask, watch=watch)
    if as_json:
        print_json({"claims": len(foreign.claims), "indicators": len(foreign.indicators), "asked": asked,
                    "left_out": foreign.left.to_json()})
        return
    click.echo(f"{format_count(len(foreign.claims), 'claim')}, {format_count(len(foreign.indicators), 'indicator')}")
    for what, why, count in foreign.left:
        click.echo(f"  left out: {count:,} {what}: {why}")
    for one in asked:
        click.echo(f"{one['id'] or '-'} {one['verb']}: theirs {one['theirs'] or '-'}, ours {one['ours'] or '-'}")


@click.command()
@output_option
@site_option
def key(target: Path | None, site_dir: Path | None) -> None:
    """The public key by which others verify our bundles, in minisign's form: give it to them another way.

    Example: tidegauge case key -o ours.pub
    """
    from tidegauge.case.sign import public_key

    given_out(public_key(open_site(site_dir)), target)
