"""Questions as they are put: what is selected, over which time, beside which history."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tidegauge.atlas import showings
from tidegauge.context import SiteContext
from tidegauge.inquiry.assessing import MOST_BINS
from tidegauge.lake import quoted
from tidegauge.model import UsageError, format_time
from tidegauge.series import Origins
from tidegauge.watch import Selection

FAR = ("in", "out")
WIDTH_S = 300
"""Bins of the series that are judged."""
DEFAULT_SPAN_S = 7 * 86400
NAMED_FURTHER = 12
MOST_FURTHER = 5000


@dataclass(frozen=True)
class Asked:
    """A question as it was put, times in epoch seconds; None: as far as the data go.

    Attributes:
        wanted: amounts and durations (seconds) for which the chance of being seen is asked.
        watch: the flows of a watched asset.
        without: exporters whose flows are not counted, since their datagrams contradict one another.
        further: prefixes that display another origin but can be this one (`widened` finds them).
    """

    origin: Origins | None
    where_text: str | None
    where_sql: str | None
    direction: str
    metric: str
    since_s: int | None
    until_s: int | None
    baseline_s: int
    false_alarm: float
    power: float
    wanted: tuple[tuple[float, int], ...] = ()
    further: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    watch: Selection | None = None

    @property
    def origins(self) -> Origins | None:
        """The origin and, where it is asked widely, the further prefixes under which it can come."""
        return None if self.origin is None else self.origin.and_prefixes(self.further)

    def conditions(self) -> tuple[str, ...]:
        parts = [self.origins.sql(self.direction) if self.origins else f"direction = '{self.direction}'"]
        parts += [self.where_sql] if self.where_sql else []
        parts += [f"exporter NOT IN ({self._excluded()})"] if self.without else []
        return (*parts, self.watch.sql) if self.watch else tuple(parts)

    def _excluded(self) -> str:
        return ", ".join(quoted(name) for name in self.without)

    def selection(self) -> str:
        return " and ".join(part for part in (self._name(), self._watch_name(), self.where_text) if part) or "all"

    def named(self) -> str:
        """The selection as it stands in a sentence."""
        chosen = self.selection()
        return "all traffic" if chosen == "all" else chosen

    def _name(self) -> str | None:
        if len(self.further) > NAMED_FURTHER:
            return f"{self.origin} and {len(self.further)} further prefixes"
        return None if self.origin is None else str(self.origins)

    def _watch_name(self) -> str | None:
        return f"watch {self.watch.name}" if self.watch else None

    def where(self) -> str:
        """The selection as `--where` takes it, for the commands that answers name."""
        chosen = self.origins.where(self.direction) if self.origins else f"direction = '{self.direction}'"
        chosen += f" AND exporter NOT IN ({self._excluded()})" if self.without else ""
        chosen += f" AND ({self.watch.where})" if self.watch and self.watch.where else ""
        return f"{chosen} AND ({self.where_text})" if self.where_text else chosen


@dataclass(frozen=True)
class Span:
    """The times of a question on the grid of bins, in epoch seconds."""

    history_s: int
    since_s: int
    until_s: int
    notes: tuple[str, ...] = ()
    """What was left out of the data when the asked time was said without one, or relative."""


def span_of(context: SiteContext, asked: Asked) -> Span:
    """Times on the grid, history first.

    Raises:
        LakeError: there are no flows.
        UsageError: the asked time is empty.
    """
    extent = context.extent_or_fail()
    data_from_s, data_until_s = extent.first_s, extent.until_s
    until_s = data_until_s if asked.until_s is None else asked.until_s
    since_s = max(until_s - DEFAULT_SPAN_S, data_from_s) if asked.since_s is None else asked.since_s
    if since_s >= until_s:
        raise UsageError(
            f"the asked time is empty: since {format_time(since_s)}, until {format_time(until_s)}",
            hint=f"the data reach from {format_time(data_from_s)} to {format_time(data_until_s)}",
        )
    since_s, until_s = since_s // WIDTH_S * WIDTH_S, -(-until_s // WIDTH_S) * WIDTH_S
    history_s = min(max(since_s - asked.baseline_s, data_from_s // WIDTH_S * WIDTH_S), since_s)
    if (until_s - history_s) // WIDTH_S > MOST_BINS:
        raise UsageError("the asked time is longer than tidegauge judges at once", hint="ask for a few years at most")
    note = extent.note() if asked.since_s is None or asked.until_s is None else None
    return Span(history_s, since_s, until_s, (note,) if note else ())


def borne(context: SiteContext, asked: Asked, alarms: float, within_s: int) -> Asked:
    """The same question with the false-alarm probability that so many alarms in a time mean over the asked one (they
    come as a Poisson process).

    Raises:
        LakeError, UsageError: as `span_of`.
    """
    span = span_of(context, asked)
    rate = alarms * (span.until_s - span.since_s) / within_s
    return replace(asked, false_alarm=float(-np.expm1(-rate)))


def widened(context: SiteContext, asked: Asked) -> Asked:
    """The same question about every prefix by which the origin can show itself, whatever it displays.

    Raises:
        UsageError: not one country or AS, or more prefixes than can be asked about.
    """
    if asked.origin is None:
        raise UsageError("--wide needs one country or AS", hint="--from KP --wide")
    span = span_of(context, asked)
    atlas = context.atlas
    further: dict[str, None] = {}
    for at_s in (span.since_s, span.until_s - 1):
        found = showings(atlas, asked.origin.text, at_s)
        further |= dict.fromkeys(p.prefix for p in found.prefixes if not p.displays)
    if len(further) > MOST_FURTHER:
        raise UsageError(
            f"{asked.origin} can come under {len(further):,} further prefixes, more than {MOST_FURTHER:,}",
            hint="ask about a list of those that matter: --from @FILE",
        )
    return replace(asked, further=tuple(further))
