"""`tidegauge atlas`: sources, editions, routes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidegauge.cli.common import (
    Later,
    json_option,
    open_site,
    print_json,
    site_option,
    table,
    working,
)
from tidegauge.model import FOREVER_S, SiteError, TidegaugeError, UsageError, format_time, parse_time

if TYPE_CHECKING:
    from tidegauge.atlas import Atlas, Catalogue, Outcome, Taken
    from tidegauge.atlas.sources.formats import Format


SHOWN = 60


def _formats() -> dict[str, Format]:
    from tidegauge.atlas import FORMATS

    return FORMATS


def at_option(function: Any) -> Any:
    return click.option("--at", metavar="T", help="At this time (2014-11-24T11:00Z, -7d); now where left out.")(
        function
    )


def moment(text: str | None) -> int:
    now_s = int(time.time())
    return now_s if text is None else parse_time(text, now_s=now_s)


def open_atlas(folder: Path | None) -> Atlas:
    """The site's atlas; the one that comes with the program where there is no site and none was named."""
    from tidegauge.atlas import Atlas

    try:
        return Atlas.of(open_site(folder))
    except SiteError:
        if folder is not None:
            raise
        return Atlas()


def _catalogue(folder: Path | None) -> Catalogue:
    from tidegauge.atlas import Catalogue
    from tidegauge.store import Store

    site = open_site(folder)
    return Catalogue(site.data / "atlas", Store.of(site))


@click.group()
def atlas() -> None:
    """The atlas: what an address displayed at a time.

    Example: tidegauge atlas editions
    """


@atlas.command()
@site_option
@json_option
def editions(site_dir: Path | None, as_json: bool) -> None:
    """The editions there are, with their dates and licences.

    Example: tidegauge atlas editions
    """
    from tidegauge.app import editions_json

    found = editions_json(open_atlas(site_dir))
    if as_json:
        print_json({"editions": found})
        return
    table(["edition", "source", "format", "ranges", "ASes", "classes", "licence"], [
        [e["edition"], e["source"], e["format"], f"{e['ranges']:,}", f"{e['ases']:,}", " ".join(e["classes"]),
         e["licence"]] for e in found
    ])


@atlas.command()
@site_option
@json_option
def sources(site_dir: Path | None, as_json: bool) -> None:
    """The formats that can be imported, and the sources that the site file configures.

    Example: tidegauge atlas sources
    """
    from tidegauge.atlas import Catalogue
    from tidegauge.store import Store

    formats = [
        {"format": f.name, "what": f.what, "gives": f.kind, "licence": f.licence, "where": f.where}
        for f in _formats().values()
    ]
    configured: list[dict[str, Any]] = []
    try:
        site = open_site(site_dir)
        catalogue = Catalogue(site.data / "atlas", Store.of(site))
        known = catalogue.editions()
        for source in site.atlas_sources:
            own = [e for e in known if e.source == source.name]
            fetched = catalogue.fetched(source.name)
            configured.append(
                {"source": source.name, "url": source.url, "editions": len(own),
                 "newest": own[-1].edition if own else None,
                 "checked": format_time(fetched["checked_s"]) if fetched else None}
            )
    except SiteError:
        if site_dir is not None:
            raise
    if as_json:
        print_json({"formats": formats, "sources": configured})
        return
    table(["format", "gives", "what", "licence", "where"], [
        [f["format"], f["gives"], f["what"], f["licence"], f["where"]] for f in formats
    ])
    click.echo()
    if configured:
        table(["source", "editions", "newest", "checked", "url"], [
            [c["source"], str(c["editions"]), c["newest"] or "none", c["checked"] or "never", c["url"]]
            for c in configured
        ])
    else:
        click.echo("No source is configured: [atlas.sources.NAME] in tidegauge.toml, or import files by hand.")


@atlas.command(name="import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--source", metavar="NAME", help="The source whose edition it is; from the file's name where left out.")
@click.option("--format", "kind", type=Later(_formats), help="What the files hold; told by content.")
@click.option("--class", "classes", multiple=True, metavar="CLASS", help="A class of all its prefixes.")
@click.option("--valid", metavar="FROM/UNTIL", help="When the statements hold; either end may be open.")
@click.option("--edition", metavar="DATE", help="The edition's date, whatever the file says.")
@click.option("--licence", help="Kept with the edition.")
@site_option
@json_option
def import_(
    paths: tuple[Path, ...], source: str | None, kind: str | None, classes: tuple[str, ...], valid: str | None,
    edition: str | None, licence: str | None, site_dir: Path | None, as_json: bool,
) -> None:
    """Take files in as editions; directories are searched, gzip, zstd and bzip2 unpacked.

    A file that is damaged or cut changes nothing: what was in force stays. Exit status 1 when one failed.

    Example: tidegauge atlas import vpn.txt --class vpn --valid 2014-01-01/2015-01-01
    """
    from tidegauge.atlas import Wanted, import_file, parse_valid

    catalogue = _catalogue(site_dir)
    wanted = Wanted(
        source, kind, classes, parse_valid(valid) if valid else None,
        parse_time(edition, now_s=int(time.time())) if edition else None, None, licence,
    )
    taken, errors = [], []
    with working("importing"):
        for path in _files(paths):
            try:
                taken.append(import_file(catalogue, str(path), wanted))
            except TidegaugeError as error:
                if isinstance(error, UsageError) and len(paths) == 1:
                    raise
                errors.append(str(error))
    _report(taken, errors, as_json)


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        elif path.is_file():
            yield path
        else:
            raise UsageError("no such file or directory", where=str(path))


def _report(taken: list[Taken], errors: list[str], as_json: bool) -> None:
    for error in errors:
        click.echo(f"tidegauge: {error}", err=True)
    if as_json:
        print_json({"taken": [_taken_json(t) for t in taken], "errors": errors})
    else:
        for one in taken:
            click.echo(_taken_text(one))
            for what, why, count in one.skipped:
                click.echo(f"  skipped {count:,} x {what}: {why}")
    if errors:
        sys.exit(1)


def _taken_json(taken: Taken) -> dict[str, Any]:
    edition = taken.edition
    if edition is None:
        return {"path": taken.path, "new": False}
    return {"path": taken.path, "new": True, "source": edition.source, "edition": edition.edition,
            "format": edition.format, "ranges": edition.prefixes, "ases": edition.ases,
            "skipped": taken.skipped.to_json()}


def _taken_text(taken: Taken) -> str:
    edition = taken.edition
    if edition is None:
        return f"{taken.path}: was here already"
    return (
        f"{taken.path}: {edition.source}, edition {edition.edition}"
        f" ({edition.format}, {edition.prefixes:,} ranges, {edition.ases:,} ASes)"
    )


@atlas.command(name="update")
@click.argument("names", nargs=-1)
@site_option
@json_option
def update_(names: tuple[str, ...], site_dir: Path | None, as_json: bool) -> None:
    """Fetch what is new from the configured sources: URLs conditionally, mirror folders by content.

    Exit status 1 when one failed; its old edition then stays in force.

    Example: tidegauge atlas update
    """
    from tidegauge.atlas import Catalogue, update
    from tidegauge.store import Store

    site = open_site(site_dir)
    for name in names:
        if name not in {s.name for s in site.atlas_sources}:
            raise UsageError(f"no such source: {name!r}", hint="[atlas.sources.NAME] in tidegauge.toml")
    chosen = tuple(s for s in site.atlas_sources if not names or s.name in names)
    if not chosen:
        raise UsageError("no source is configured", hint="[atlas.sources.NAME] in tidegauge.toml")
    outcomes: list[Outcome] = []
    with working("updating the atlas"):
        outcomes += update(Catalogue(site.data / "atlas", Store.of(site)), chosen)
    if as_json:
        print_json({"sources": [{"source": o.source, "state": o.state, "what": o.what,
                                 "taken": [_taken_json(t) for t in o.taken]} for o in outcomes]})
    else:
        for outcome in outcomes:
            click.echo(f"{outcome.source}: {outcome.state}; {outcome.what}", err=outcome.state == "failed")
    if any(o.state == "failed" for o in outcomes):
        sys.exit(1)


@atlas.command()
@click.argument("source")
@click.option("--edition", metavar="DATE", help="Only this one.")
@site_option
@json_option
def remove(source: str, edition: str | None, site_dir: Path | None, as_json: bool) -> None:
    """Take editions of a source out again.

    Example: tidegauge atlas remove vpn --edition 2014-11-24
    """
    gone = _catalogue(site_dir).remove(source, edition)
    if as_json:
        print_json({"removed": gone})
    else:
        click.echo(f"removed {gone} editions; flows keep their labels until `tidegauge lake relabel`")


@atlas.command()
@click.argument("of", metavar="ORIGIN")
@at_option
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the graph (SVG).")
@site_option
@json_option
def reach(of: str, at: str | None, picture: Path | None, site_dir: Path | None, as_json: bool) -> None:
    """The ASes of a country (or one AS), and over which upstreams they were reached, over time.

    Example: tidegauge atlas reach KP --at 2014-11-24
    """
    from tidegauge.atlas import reach as reach_of

    with working("looking at routes"):
        found = reach_of(open_atlas(site_dir), of, moment(at))
    if picture is not None:
        from tidegauge.cli.graph import draw

        picture.write_text(draw(found), encoding="utf-8")
    if as_json:
        print_json(found.to_json())
        return
    click.secho(f"{found.of} at {format_time(found.at_s)}: {len(found.ases)} ASes", bold=True)
    for number, name, count in found.ases[:SHOWN]:
        click.echo(f"AS{number} {name}, {count:,} prefixes")
        links = [link for link in found.links if link.asn == number]
        for link in links:
            start, end = (format_time(t)[:10] if 0 < t < FOREVER_S else "" for t in link.valid_s)
            mark = "──" if link.now else "··"
            click.echo(
                f"  {mark} AS{link.upstream} {link.name} ({link.country or 'country not known'}),"
                f" {start or 'earlier'} to {end or 'now'} ({link.source})"
            )
        if not links:
            click.echo("  no routing table here says over whom: tidegauge atlas import rib.bz2")
    if len(found.ases) > SHOWN:
        click.echo(f"and {len(found.ases) - SHOWN:,} more (--json has them all)")
