"""`tidegauge leak`: whose data lie in files?"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidegauge.cli.common import json_option, open_site, plain, print_json, site_if_any, site_option, table, working
from tidegauge.model import UsageError

if TYPE_CHECKING:
    from tidegauge.app.leaking import Leaks, Reveal

SHOWN = 40


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--reveal", is_flag=True, help="Show values in full: on the terminal, or into the file of -o.")
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="Where --reveal writes, for its owner only."
)
@click.option("--hashes", type=click.Path(path_type=Path), help="Our own values as keyed hashes: how many are in it.")
@click.option("--key", type=click.Path(path_type=Path), help="With --hashes: the file of the key.")
@click.option("--seen-in", is_flag=True, help="Whether something of this size left through us, and the odds of chance.")
@click.option("--page", type=click.Path(path_type=Path), help="Also a page to print, without values, into this file.")
@click.option("--resume", type=click.Path(path_type=Path), help="Keep results here, and go on where a run was ended.")
@click.option("--processes", type=click.IntRange(1, 64), help="Files looked at together; one a core by itself.")
@site_option
@json_option
def leak(
    paths: tuple[Path, ...], reveal: bool, target: Path | None, hashes: Path | None, key: Path | None, seen_in: bool,
    page: Path | None, resume: Path | None, processes: int | None, site_dir: Path | None, as_json: bool,
) -> None:
    """Whose data lie in these files: numbers of persons, passports, passwords, cards, mails, keys; masked.

    Takes text in any encoding, CSV, SQL, JSON, mail, office files, PDF, SQLite, packet captures, and archives of all
    these. Values are never shown, kept or logged, unless --reveal; that is noted in the site's audit log.

    Example: tidegauge leak docs/
    """
    from tidegauge.app.leaking import Own, leaks

    if (hashes is None) != (key is None):
        raise UsageError("--hashes and --key go together", hint="--hashes ours.txt --key key.txt")
    own = Own.read(hashes, key) if hashes is not None and key is not None else None
    here = None
    if seen_in:
        from tidegauge.context import SiteContext

        here = SiteContext(open_site(site_dir))
    with _revealing(reveal, target, site_dir, paths) as tell, working("looking through") as say:
        looked = count()
        found = leaks(
            paths, reveal=tell, own=own, kept=resume, processes=processes or len(os.sched_getaffinity(0)),
            progress=lambda path: say(f"{next(looked) + 1:,} files, {plain(path)[-60:]}"),
        )
        if here is not None:
            from tidegauge.app.seen import seen_in as seen

            found.seen = seen(here, paths)
    if page is not None:
        from tidegauge.leak.report import page as as_page

        page.write_text(as_page(found.to_json()), encoding="utf-8")
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    if not found.examined["texts"]:
        sys.exit(1)


@contextmanager
def _revealing(
    reveal: bool, target: Path | None, site_dir: Path | None, paths: tuple[Path, ...]
) -> Iterator[Reveal | None]:
    """Where values in full go: nowhere, to a terminal, or into a file that only its owner can read.

    Raises:
        UsageError: somewhere else.
    """
    if not reveal:
        if target is not None:
            raise UsageError("-o is for --reveal", hint="leave one of them out, or name both")
        yield None
        return
    if target is None and not sys.stdout.isatty():
        raise UsageError("--reveal shows values on a terminal only", hint="-o FILE writes them for you alone")
    site = site_if_any(site_dir)
    if site is not None:
        from tidegauge.store import Store
        from tidegauge.store.audit import Audit

        Audit(Store.of(site), site.folder).note(
            "shell", "reveal a leak", {"paths": [str(p) for p in paths], "to": str(target or "terminal")}
        )
    if target is None:
        yield lambda kind, value, place: click.echo(f"{kind}\t{plain(value)}\t{plain(place)}")
        return
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        yield lambda kind, value, place: print(kind, plain(value), plain(place), sep="\t", file=file)


def _print(found: Leaks) -> None:
    summary: Mapping[str, Any] = found.summary
    click.secho(f"{summary['persons']:,} persons", bold=True)
    for title, name in (
        ("distinct values", "by_kind"), ("together", "combinations"), ("mail domains", "by_domain"),
        ("countries of numbers", "by_country"), ("numbers of advertisements and samples, not counted", "samples"),
    ):
        rows = list(summary.get(name, {}).items())[:20]
        if rows:
            click.echo(f"{title}: " + ", ".join(f"{count:,} {what}" for what, count in rows))
    if found.findings:
        table(["count", "what", "sure", "where", "sample"], [
            [f"{f['evidence']['count']:,}", f["evidence"]["name"], f"{f['score']:.2f}", plain(f["subject"])[-60:],
             (f["evidence"]["samples"] or [""])[0]] for f in found.findings[:SHOWN]
        ])
    if len(found.findings) > SHOWN:
        click.echo(f"and {len(found.findings) - SHOWN:,} more (--json)")
    if found.own is not None:
        told = found.own.to_json()
        click.echo(f"{told['matched']:,} of our {told['own']:,} own values are in it")
    for line in found.seen["sentences"] if found.seen else ():
        click.echo(plain(line))
    click.echo("looked at " + ", ".join(f"{count:,} {what}" for what, count in found.examined.items()))
    for left in found.skipped:
        click.echo(f"tidegauge: {plain(left['what'])}: {left['why']}", err=True)
