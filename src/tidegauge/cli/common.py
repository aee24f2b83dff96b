"""What the verbs share: options, times relative to the data, and printing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tidegauge.model import SiteError, format_amount

if TYPE_CHECKING:
    from tidegauge.site import Site

F = TypeVar("F", bound=Callable[..., Any])

site_option = click.option("--site", "site_dir", type=click.Path(path_type=Path), help="The site's folder.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
SHELL = "shell"
"""How people are called who come in by the command line."""
SPARKS = "▁▂▃▄▅▆▇█"


class Later(click.Choice):  # type: ignore[type-arg]
    """A choice whose words are looked up when they are needed, so that other commands start without what has them."""

    def __init__(self, words: Callable[[], Iterable[str]]) -> None:
        self._words = words
        self.case_sensitive = True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(self._words())


def time_options(function: F) -> F:
    for name, text in (("--until", "Before this time."), ("--since", "From this time on (2014-11-24, -7d).")):
        function = click.option(name, metavar="T", help=text)(function)
    return function


explain_option = click.option("--explain", is_flag=True, help="Say what was read: rollups, or flows.")


def where_option(function: F) -> F:
    text = "A boolean SQL expression over flow columns."
    return click.option("--where", "where", metavar="SQL", help=text)(function)


def open_site(folder: Path | None) -> Site:
    from tidegauge.site import find_site, load_site

    return load_site(find_site(folder))


def say_note(note: str | None) -> None:
    """What the data have beyond the asked time, to standard error."""
    if note:
        click.echo(f"tidegauge: {note}", err=True)


def print_reads(reads: dict[str, int] | None) -> None:
    """Where an answer comes from, where that was asked for."""
    if reads is not None:
        read = ", ".join(f"{count:,} {what}" for what, count in sorted(reads.items()) if count)
        click.echo(f"read: {read or 'nothing'}")


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """A moving bar on a terminal (standard error) while work takes over a second; what is given says how far it is."""
    import threading

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda said: None
        return
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    )
    task = bar.add_task(what, total=None)
    timer = threading.Timer(1.0, bar.start)
    timer.start()
    try:
        yield lambda said: bar.update(task, description=f"{what}: {said}")
    finally:
        timer.cancel()
        timer.join()
        bar.stop()


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))


def table(header: list[str], rows: list[list[str]]) -> None:
    """Print columns; numbers to the right."""
    widths = [
        max(len(header[i]), *(len(row[i]) for row in rows)) if rows else len(header[i]) for i in range(len(header))
    ]
    for row in [header, *rows]:
        cells = (
            cell.rjust(width) if cell.replace(",", "").replace(".", "").rstrip("%").isdigit() else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def amount_text(value: float | None, metric: str) -> str:
    """An amount as a person reads it.

    >>> amount_text(40_000_000, "bytes")
    '40.0 MB'
    """
    return "no amount" if value is None else format_amount(value, metric)


def sparkline(values: list[float], seen: list[bool]) -> str:
    """Bars of eight heights; a dot where nothing was seen."""
    top = max((v for v, s in zip(values, seen, strict=True) if s), default=0) or 1
    return "".join(SPARKS[min(int(v / top * 7.999), 7)] if s else "·" for v, s in zip(values, seen, strict=True))


def site_if_any(site_dir: Path | None) -> Site | None:
    """The site, where there is one: mails and files can be looked at without."""
    from tidegauge.site import find_site, load_site

    if site_dir is not None or os.environ.get("TIDEGAUGE_SITE"):
        return open_site(site_dir)
    try:
        folder = find_site(None)
    except SiteError:
        return None
    return load_site(folder)


def plain(text: str) -> str:
    """Text of strangers without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def note_audit(site: Site, what: str, detail: dict[str, Any]) -> None:
    """Add a row to the site's audit log, by who runs the program."""
    import getpass

    from tidegauge.store import Store
    from tidegauge.store.audit import Audit

    Audit(Store.of(site), site.folder).note(f"{SHELL} {getpass.getuser()}", what, detail)
