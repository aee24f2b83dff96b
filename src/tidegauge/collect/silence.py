"""Exporters that fall silent: what was usual of each, and a finding when it stays away for longer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from tidegauge.model import Finding, format_duration, format_time

LEAST_SILENCE_S = 60.0
USUAL_FACTOR = 3.0
REMEMBERED_GAPS = 200
MOST_EXPORTERS = 20_000


@dataclass
class Rhythm:
    """When an exporter was last heard, and the longest pauses it usually makes (seconds)."""

    last_s: float
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_GAPS))
    silent: bool = False

    @property
    def patience_s(self) -> float:
        usual = float(np.quantile(np.array(self.gaps), 0.95)) if self.gaps else 0.0
        return max(LEAST_SILENCE_S, USUAL_FACTOR * usual)


class SilenceWatch:
    """Follows exporters by name; times are those of arrival, in epoch seconds."""

    def __init__(self) -> None:
        self.exporters: dict[str, Rhythm] = {}

    def heard(self, name: str, first_s: float, last_s: float) -> Finding | None:
        """Note that an exporter was heard; a finding when that ends a silence."""
        known = self.exporters.get(name)
        if known is None:
            if len(self.exporters) < MOST_EXPORTERS:
                self.exporters[name] = Rhythm(last_s)
            return None
        pause, before, was_silent = first_s - known.last_s, known.last_s, known.silent
        if not was_silent and pause > 0:
            known.gaps.append(pause)
        known.last_s, known.silent = max(last_s, known.last_s), False
        return _finding(name, before, first_s, known, over=True) if was_silent else None

    def forget(self, name: str) -> None:
        """An exporter gave up its place: it is not missed."""
        self.exporters.pop(name, None)

    def look(self, now_s: float) -> list[Finding]:
        """Findings for exporters that have just become silent."""
        found = []
        for name, known in self.exporters.items():
            if not known.silent and now_s - known.last_s > known.patience_s:
                known.silent = True
                found.append(_finding(name, known.last_s, now_s, known, over=False))
        return found

    def silent(self) -> list[str]:
        return [name for name, known in self.exporters.items() if known.silent]


def _finding(name: str, start_s: float, end_s: float, known: Rhythm, *, over: bool) -> Finding:
    usual = f"it usually pauses for at most {max(known.gaps, default=0):.0f} s"
    return Finding(
        kind="silence",
        title=f"{name} was silent" if over else f"{name} is silent",
        start_s=int(start_s),
        end_s=int(end_s),
        subject=name,
        score=1.0,
        severity="low" if over else "medium",
        evidence={"silent_s": round(end_s - start_s), "over": over},
        reasons=(
            f"nothing came from {name} for {format_duration(round(end_s - start_s))}, since {format_time(start_s)}",
            usual,
        ),
        query=f"tidegauge coverage --since {format_time(start_s - 3600)}",
    )
