"""Watches: named assets with their indicators and the times for which these hold, and which flows touch them."""

from tidegauge.watch.indicator import KINDS, Indicator
from tidegauge.watch.reading import read_indicators
from tidegauge.watch.selection import MOST_SHOWN, Selection, at_home, pointed, unmatched, watched
from tidegauge.watch.watches import Watch, Watches

__all__ = [
    "KINDS", "MOST_SHOWN", "Indicator", "Selection", "Watch", "Watches", "at_home", "pointed", "read_indicators",
    "unmatched", "watched",
]  # fmt: skip
