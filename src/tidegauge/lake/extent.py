"""From when to when there are data, and what "now" is: the clock where a collector runs, else the end of the bulk.

One flow of 2109 must not decide what "the last seven days" are. Whatever lies after the clock, before flow export was
invented, or far from everything else with next to nothing in it, moves no default; it is counted and said.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import EARLIEST_US, format_time

DAY_US = 86_400_000_000
AHEAD_US = DAY_US
"""Clocks may be ahead by so much."""
FAR_US = 30 * DAY_US
"""Data further than this from all others are a group of their own."""
FEW_SHARE, FEW_ROWS, FEW_ROWS_SHARE = 1e-4, 3, 0.01
"""A group far from the others is left out below the first share, or with so few rows below the second."""
LIVE_S = 86_400
"""A site is live while its collector has been heard of within a day."""
SETTLING_S = 900
"""Data are this late at most where all is well: until then the newest data are the end, then the clock is."""
STATUS = Path("collect") / "decoder.json"
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Extent:
    """Where the data of a site lie, in epoch seconds.

    Attributes:
        first_s, until_s: the bulk of flows and coverage, half-open.
        now_s: what relative times are relative to.
        live: a collector runs here, or did within a day.
        left_out: flows outside the bulk, and `left_first_s`, `left_last_s` the first and last of them.
    """

    first_s: int
    until_s: int
    now_s: int
    live: bool
    left_out: int = 0
    left_first_s: int = 0
    left_last_s: int = 0

    def note(self) -> str | None:
        """What was left out, as a sentence; None where nothing was."""
        if not self.left_out:
            return None
        return (
            f"{self.left_out:,} flows lie far from all others ({format_time(self.left_first_s)} to"
            f" {format_time(self.left_last_s)}): default and relative times leave them out"
        )


def live_now(folder: Path, now_s: float) -> bool:
    """Whether a collector of this data folder was heard of within a day."""
    try:
        return now_s - (folder / STATUS).stat().st_mtime < LIVE_S
    except OSError:
        return False


def find_extent(
    starts_us: Ints, lasts_us: Ints, ends_us: Ints, rows: Ints, flows: NDArray[np.bool_], *, live: bool, now_s: float
) -> Extent | None:
    """The extent of pieces of data.

    Args:
        starts_us, lasts_us, ends_us: first start, last start and last end of each piece; shape (n,).
        rows: how many rows each has; shape (n,).
        flows: which pieces are flows (others are rows of the ledger); shape (n,).
    Returns:
        None where there are no data.
    """
    if not len(starts_us):
        return None
    kept = usual(starts_us, ends_us, rows, now_us=int(now_s * 1e6))
    # A flow that ends long after all of its piece have begun says nothing of how far the data reach.
    ends = np.where(ends_us - lasts_us > FAR_US, lasts_us + 1, ends_us)
    first_s = int(starts_us[kept].min()) // 1_000_000
    until_s = max(-(-int(ends[kept].max()) // 1_000_000), int(lasts_us[kept].max()) // 1_000_000 + 1)
    if live:
        now = int(now_s)
        # The newest minute is not over yet, and belongs to the data all the same.
        until_s = min(until_s, now + SETTLING_S) if until_s > now - SETTLING_S else now
    else:
        now = until_s
    away = ~kept & flows
    return Extent(
        min(first_s, until_s), until_s, now, live, int(rows[away].sum()),
        int(starts_us[away].min(initial=1 << 62)) // 1_000_000 if away.any() else 0,
        int(starts_us[away].max(initial=0)) // 1_000_000 if away.any() else 0,
    )


def usual(starts_us: Ints, ends_us: Ints, rows: Ints, *, now_us: int) -> NDArray[np.bool_]:
    """Which pieces belong to the bulk: not in the future, not before flow export, not a few far from all others."""
    possible = (starts_us <= now_us + AHEAD_US) & (starts_us >= EARLIEST_US)
    if not possible.any():
        possible[:] = True
    order = np.flatnonzero(possible)[np.argsort(starts_us[possible], kind="stable")]
    reached = np.maximum.accumulate(np.minimum(ends_us[order], starts_us[order] + FAR_US))
    groups = np.cumsum(np.r_[False, starts_us[order][1:] - reached[:-1] > FAR_US])
    weights = np.bincount(groups, weights=rows[order])
    total = weights.sum()
    few = (weights < FEW_SHARE * total) | ((weights <= FEW_ROWS) & (weights < FEW_ROWS_SHARE * total))
    kept = np.zeros(len(starts_us), dtype=bool)
    kept[order[~few[groups]]] = True
    return kept
