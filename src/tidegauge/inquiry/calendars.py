"""Calendars of places: the zone's clocks, the public holidays of its country, and what the site file adds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib import resources
from pathlib import Path
from zoneinfo import TZPATH

from tidegauge.detect import Calendar
from tidegauge.site import Site

EPOCH = date(1970, 1, 1).toordinal()


def calendar_of(site: Site, since_s: int, until_s: int) -> Calendar:
    """Return the calendar of a site for a time."""
    return calendar_in(
        site.zone, since_s, until_s, holidays=site.holidays, one_off=site.one_off_days, breaks=site.breaks,
        country=site.holidays_of,
    )


def calendar_in(
    zone: str, since_s: int, until_s: int, *, holidays: Iterable[int] = (), one_off: Iterable[int] = (),
    breaks: Iterable[tuple[int, int]] = (), country: str | None = None,
) -> Calendar:
    """Return the calendar of a place for a time, with days (since 1970-01-01) that are named besides.

    Args:
        country: whose public holidays count; that of the zone where none is named.
    """
    country = country or country_of(zone)
    years = range(_year(since_s), _year(until_s) + 1)
    public = _holidays(country, years.start, years.stop) if country else frozenset()
    return Calendar(frozenset(holidays) | public, frozenset(one_off), zone, tuple(sorted(breaks)))


def _year(seconds: int) -> int:
    return datetime.fromtimestamp(seconds, UTC).year


@lru_cache(maxsize=64)
def _holidays(country: str, first: int, last: int) -> frozenset[int]:
    """Public holidays of a country in some years; none where they are not known."""
    import holidays  # takes a while to import, and few ask for it

    try:
        found = holidays.country_holidays(country, years=range(first, last))
    except NotImplementedError:
        return frozenset()
    return frozenset(day.toordinal() - EPOCH for day in found)


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    """Countries by zone, from the table of the time zone database."""
    places = [Path(folder) / "zone.tab" for folder in TZPATH]
    text = next((place.read_text(encoding="utf-8") for place in places if place.is_file()), None)
    if text is None:
        import tzdata

        text = resources.files(tzdata).joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return {row[2]: row[0] for row in rows if len(row) > 2}


def country_of(zone: str) -> str | None:
    """Return the country of a zone; None where it is of none, or of several.

    >>> country_of("Asia/Taipei"), country_of("UTC")
    ('TW', None)
    """
    return None if zone == "UTC" else _countries().get(zone)
