"""`tidegauge assess`: the same judgement on any time series."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from zoneinfo import available_timezones

import click

from tidegauge.cli.common import (
    json_option,
    print_json,
    working,
)
from tidegauge.cli.judge import judgement_options, print_answer
from tidegauge.model import (
    TidegaugeError,
    UsageError,
    parse_duration,
    parse_time,
)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--since", required=True, metavar="T", help="From this time on.")
@click.option("--until", metavar="T", help="Before this time.")
@click.option("--missing", type=click.Choice(("blind", "zero")), default="blind", help="What a missing row means.")
@click.option("--holiday", "holidays", multiple=True, metavar="DATE", help="A day that is like a Sunday.")
@click.option(
    "--one-off", "one_off", multiple=True, metavar="DATE", help="A day that teaches nothing of what is usual."
)
@click.option("--zone", default="UTC", metavar="ZONE", help="By whose clocks hours and days go, and whose holidays.")
@click.option("--break", "breaks", multiple=True, metavar="FROM/UNTIL", help="Days of a break, which teach nothing.")
@judgement_options
@json_option
def assess(
    files: tuple[Path, ...], since: str, until: str | None, missing: str, holidays: tuple[str, ...],
    one_off: tuple[str, ...], zone: str, breaks: tuple[str, ...], baseline: str, false_alarm: float, power: float,
    exit_code: bool, wanted: tuple[str, ...], as_json: bool,
) -> None:
    """The same judgement on series from any tool: CSV with a header time,value[,coverage].

    With several files one answer a line, in the order given.

    Example: tidegauge assess router.csv --since 2014-11-24
    """
    from tidegauge.app import parse_wanted
    from tidegauge.inquiry import assess as assess_series, calendar_in
    from tidegauge.settings import break_of

    baseline_s = parse_duration(baseline)
    if zone not in available_timezones():
        raise UsageError(f"not a time zone: {zone!r}", hint="--zone Asia/Taipei")
    try:
        away = [break_of(text) for text in breaks]
    except ValueError:
        raise UsageError("not a break", where=", ".join(breaks), hint="--break 2026-12-20/2027-01-06") from None
    alike, apart = ([parse_time(day, now_s=0) // 86400 for day in days] for days in (holidays, one_off))
    calendar = partial(calendar_in, zone, holidays=alike, one_off=apart, breaks=away)
    chances = parse_wanted(list(wanted))
    failed, verdicts = False, []
    for path in files:
        try:
            with working(path.name):
                answer = assess_series(
                    path, since=since, until=until, baseline_s=baseline_s, false_alarm=false_alarm, power=power,
                    missing_zero=missing == "zero", calendar=calendar, wanted=chances,
                )
        except TidegaugeError as error:
            if isinstance(error, UsageError) and len(files) == 1:
                raise
            failed = True
            if as_json:
                print_json({"error": str(error)})
            else:
                click.echo(f"tidegauge: {error}", err=True)
            continue
        verdicts.append(answer.verdict)
        if as_json:
            print_json(answer.to_json())
        else:
            print_answer(answer)
    if failed:
        sys.exit(1)
    if exit_code:
        sys.exit(10 if "surge" in verdicts else 11 if "cannot_say" in verdicts else 0)
