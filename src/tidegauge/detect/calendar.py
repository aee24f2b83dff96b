"""The calendar of a place: its clocks with their changes, holidays, breaks, and days that are like no others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
DAY_S = 86_400
STEP_S = 900
"""Clocks change at multiples of this, whatever the zone."""
AFTER_DAYS = 7
"""So many days after a break are its first ones."""
EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Calendar:
    """Days are numbers since 1970-01-01 on the clocks of the zone.

    Attributes:
        holidays: they are like Sundays.
        one_off: they teach nothing: left out of the history.
        zone: the place by whose clocks hours, days and weeks go (IANA); `UTC` where none is known.
        breaks: days of breaks (begin, end), half-open: they teach nothing, and the first days after one are like no
            others.
    """

    holidays: frozenset[int] = frozenset()
    one_off: frozenset[int] = frozenset()
    zone: str = "UTC"
    breaks: tuple[tuple[int, int], ...] = ()

    def local_s(self, times_s: Ints) -> Ints:
        """Seconds since 1970 (UTC) as the clocks of the zone show them; shape (n,)."""
        if self.zone == "UTC":
            return times_s
        steps, inverse = np.unique(times_s // STEP_S, return_inverse=True)
        offsets = np.array([_offset_s(self.zone, step) for step in steps.tolist()], dtype=np.int64)
        return np.asarray(times_s + offsets[inverse.reshape(-1)])

    def teaches(self, local_s: Ints) -> NDArray[np.bool_]:
        """Which bins, by local time, say something of what is usual; shape (n,)."""
        left_out = np.isin(local_s // DAY_S, np.array(sorted(self.one_off), dtype=np.int64))
        for begin, end in self.breaks:
            left_out |= (local_s >= begin * DAY_S) & (local_s < end * DAY_S)
        return ~left_out

    def after_break(self, local_s: Ints) -> NDArray[np.bool_]:
        """Which bins, by local time, lie in the first days after a break; shape (n,)."""
        found = np.zeros(len(local_s), dtype=bool)
        for _, end in self.breaks:
            found |= (local_s >= end * DAY_S) & (local_s < (end + AFTER_DAYS) * DAY_S)
        return found

    def caveats(self, local_s: Ints, asked: slice) -> Iterator[str]:
        """Yield what of the asked time has nothing like it in the history, by local time."""
        own, past = local_s[asked], local_s[: asked.start]
        for begin, end in self.breaks:
            if ((own >= begin * DAY_S) & (own < end * DAY_S)).any():
                yield (
                    f"The asked time lies in the break from {shown(begin)} to {shown(end)}, which is compared with"
                    " ordinary days."
                )
        if self.after_break(own).any() and not self.after_break(past).any():
            yield (
                "The asked time holds the first days after a break, and the history has none to compare them with: what"
                " people come back to may look like a surge."
            )


NO_CALENDAR = Calendar()


def shown(day: int) -> str:
    """A day by its date.

    >>> shown(16436)
    '2015-01-01'
    """
    return date.fromordinal(EPOCH + day).isoformat()


@lru_cache(maxsize=1 << 18)
def _offset_s(zone: str, step: int) -> int:
    offset = datetime.fromtimestamp(step * STEP_S, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
