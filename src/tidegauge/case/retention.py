"""What a site keeps no longer goes, but for the times that sealed evidence rests on: those stay whole."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from tidegauge.case.evidence import OF_FLOWS
from tidegauge.case.log import Cases, Entry
from tidegauge.hunt import HISTORY_S
from tidegauge.lake import Held, Lake, Retained, retain
from tidegauge.model import UsageError, merge_intervals, parse_time
from tidegauge.site import Site
from tidegauge.store import Store

DAY_S = 86400
REACH_S = 8 * DAY_S
"""How far before its time a question reads: answers of name servers hold for a week at most, flows for a day."""


def held_s(site: Site) -> list[tuple[int, int]]:
    """The times that the cases of a site rest on, with what is read before them: half-open, in epoch seconds."""
    return merge_intervals(span for entry in _evidence(site) for span in _rests(entry.body))


def resting(site: Site, files: Sequence[Held]) -> list[Entry]:
    """The sealed evidence of all cases that rests on flows of files: it was sealed when they were here, and read their
    times."""
    return [
        entry for entry in _evidence(site)
        if any(
            file.span_us is not None and entry.at_us >= file.source.taken_in_s * 1_000_000
            and since_s * 1_000_000 <= file.span_us[1] and until_s * 1_000_000 > file.span_us[0]
            for file in files for since_s, until_s in _rests(entry.body, reach_s=DAY_S)
        )
    ]


def _evidence(site: Site) -> Iterator[Entry]:
    cases = Cases(Store.of(site), site.folder)
    for told in cases.names():
        yield from cases.get(told["name"]).of("evidence")


def _rests(sealed: dict[str, Any], reach_s: int = REACH_S) -> Iterator[tuple[int, int]]:
    verb, question = sealed.get("verb"), sealed.get("question") or {}
    if verb not in OF_FLOWS or not question.get("until"):
        return
    learned = (sealed["result"].get("question") or {}).get("baseline") if verb == "ask" else None
    since_s = parse_time(str((learned or [question.get("since")])[0]), now_s=0)
    yield since_s - (HISTORY_S if verb == "hunt" else reach_s), parse_time(str(question["until"]), now_s=0)


def keep_days(site: Site, days: int | None = None, *, only_look: bool = False) -> Retained:
    """Delete flows and names older than so many days, counted back from the newest data in whole days (UTC).

    Args:
        days: what the site file says where None.
        only_look: count alone.

    Raises:
        UsageError: nobody says how many days.
    """
    days = site.keep_days if days is None else days
    if days is None:
        raise UsageError("for how many days are flows kept?", hint="--days N, or [lake] keep_days in the site file")
    extent = Lake(site.data, memory_mb=site.memory_mb).extent(time.time())
    if extent is None:
        return Retained(0, 0, 0, 0)
    before_s = (extent.now_s - days * DAY_S) // DAY_S * DAY_S
    held_us = [(since * 1_000_000, until * 1_000_000) for since, until in held_s(site)]
    return retain(site.data, before_us=before_s * 1_000_000, held_us=held_us, only_look=only_look)
