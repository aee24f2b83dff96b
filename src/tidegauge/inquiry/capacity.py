"""What a network could carry at all: a detection limit beyond it says nothing, and is not stated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect import Outcome, listed_durations
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import Limit, format_amount, format_duration
from tidegauge.series import Coverage
from tidegauge.site import Site

TIMES = 10
"""Where the speed of the links is not known: so many times the largest total that was seen in as much time."""


@dataclass(frozen=True)
class Capacity:
    """The most that can have come in a time.

    Attributes:
        values: all traffic of the asked direction by bins, history and asked time; shape (n,).
        speed_bps: what all links together carry; None where it is not known.
    """

    values: NDArray[np.float64]
    width_s: int
    metric: str
    speed_bps: float | None = None

    def most(self, duration_s: int) -> float:
        """Return the largest amount that a limit over a duration may have."""
        if self.speed_bps is not None and self.metric == "bytes":
            return self.speed_bps * duration_s / 8
        return TIMES * self.largest(duration_s)

    def largest(self, duration_s: int) -> float:
        """Return the largest sum that was seen in so much time."""
        length = min(max(round(duration_s / self.width_s), 1), len(self.values))
        total = np.r_[0.0, np.cumsum(self.values)]
        return float((total[length:] - total[:-length]).max(initial=0.0))

    def bounded(self, outcome: Outcome) -> Outcome:
        """Return an outcome without the limits that are beyond this; where none is left, it is no answer."""
        beyond = [limit for limit in outcome.limits if limit.amount > self.most(limit.duration_s)]
        if not beyond:
            return outcome
        kept = tuple(limit for limit in outcome.limits if limit not in beyond)
        why = self._why(beyond)
        if not kept:
            return replace(outcome, limits=()).silent(why)
        return replace(outcome, limits=kept, caveats=(*outcome.caveats, why))

    def _why(self, beyond: list[Limit]) -> str:
        worst = max(beyond, key=lambda limit: limit.amount / max(self.most(limit.duration_s), 1.0))
        named = listed_durations(limit.duration_s for limit in beyond)
        found = f"{format_amount(worst.amount, self.metric)} over {format_duration(worst.duration_s)}"
        if self.speed_bps is not None and self.metric == "bytes":
            most = f"more than the links of this network carry ({self.speed_bps:,.0f} bit/s)"
        else:
            largest = format_amount(self.largest(worst.duration_s), self.metric)
            most = f"more than {TIMES} times all traffic of that direction in the busiest such time ({largest})"
        return f"No detection limit over {named}: only {found} would have been found, {most}."

    def surely(self, limit: Limit) -> bool:
        """Whether a limit is within this by whole bins alone: the busiest part of the busiest bin has its share of it
        at least."""
        share = min(limit.duration_s / self.width_s, 1.0)
        return limit.amount <= TIMES * share * self.largest(max(limit.duration_s, self.width_s))


def needs_bound(
    outcome: Outcome, values: NDArray[np.float64], width_s: int, metric: str, hours: NDArray[np.float64] | None = None
) -> bool:
    """Whether a limit is so far above the asked series that it must be held against what the network carries.

    Args:
        hours: bytes of all traffic of that direction by hour, where that is known.
    """
    own = Capacity(values, width_s, metric)
    beyond = [limit for limit in outcome.limits if limit.amount > own.most(limit.duration_s)]
    if hours is None or metric != "bytes":
        return bool(beyond)
    whole = Capacity(hours, 3600, metric)
    return not all(whole.surely(limit) for limit in beyond)


def link_speed(lake: Lake, site: Site, coverage: Coverage) -> float | None:
    """Return the speed of all interfaces together in bits per second; None where that of some exporter is not known."""
    names = {e.exporter for e in coverage.exporters if e.relied_on and e.active.any()}
    if not names or not names <= site.speeds_bps.keys():
        return None
    table, _ = lake.top(["exporter", "in_if"], FlowFilter(), metric="flows", limit=10_000)
    counts: dict[str, int] = {}
    for name in table["exporter"].to_pylist():
        counts[name] = counts.get(name, 0) + 1
    return sum(site.speeds_bps[n] * max(len(site.external.get(n, ())) or counts.get(n, 1), 1) for n in names)
