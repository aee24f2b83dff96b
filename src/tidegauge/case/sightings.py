"""Indicators of other teams beside our own flows: what of each was seen; and where nothing was, with which limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidegauge.case.file import CaseFile
from tidegauge.context import SiteContext
from tidegauge.lake import FlowFilter
from tidegauge.model import UsageError, format_time
from tidegauge.watch import Indicator, Watch, Watches, watched

MOST_MARKS = 500


@dataclass(frozen=True)
class Sighting:
    """What was seen of one indicator."""

    mark: str
    flows: int
    bytes: int
    first: str
    last: str

    def to_json(self) -> dict[str, Any]:
        return {"mark": self.mark, "flows": self.flows, "bytes": self.bytes, "first": self.first, "last": self.last}


def sightings(files: CaseFile, name: str, since: str | None = None) -> tuple[list[Sighting], str]:
    """What was seen of each indicator that a case took in; and all of them asked as one watch, sealed as evidence.

    Returns:
        One for each indicator, and the name of the evidence: its answer has the limit of what was not seen.

    Raises:
        UsageError: the case has no indicators, or too many.
    """
    marks = sorted({text for entry in files.get(name).of("indicator") for text in entry.body["marks"]})
    if not marks:
        raise UsageError("no indicators in this case", hint=f"tidegauge case import {name} FILE")
    if len(marks) > MOST_MARKS:
        raise UsageError(f"more than {MOST_MARKS} indicators", hint="import them in parts")
    here = SiteContext(files.site)
    since_s, until_s, _ = here.span_s(since, None)
    indicators = [Indicator.from_text(text, source=name) for text in marks]
    found = [_seen(here, one, since_s, until_s) for one in indicators]
    watch = f"case-{name}"
    Watches(files.store).add(watch, indicators, note=f"indicators of the case {name}")
    question = {"watch": watch, "since": format_time(since_s), "until": format_time(until_s)}
    return found, files.evidence(name, "ask", question).id


def _seen(here: SiteContext, mark: Indicator, since_s: int, until_s: int) -> Sighting:
    text = mark.text
    selection = watched(Watch("case", indicators=(mark,)), here.lake, since_s, until_s)
    if not selection.terms:  # a name that no flow of ours ever led to
        return Sighting(text, 0, 0, "", "")
    chosen = FlowFilter(since_s * 1_000_000, until_s * 1_000_000, (selection.sql,))
    told = here.lake.scalar(
        "[count(*), coalesce(sum(bytes), 0)::BIGINT, min(epoch_us(time_start)), max(epoch_us(time_end))]", chosen
    )
    count, octets, first, last = told
    when = [format_time(moment / 1e6) if moment is not None else "" for moment in (first, last)]
    return Sighting(text, int(count), int(octets), *when)
