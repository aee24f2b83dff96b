"""Watches: named assets with their indicators and the times for which these hold, and which flows touch them."""

from tidegauge.watch.indicator import KINDS, Indicator
from tidegauge.watch.reading import read_indicators
from tidegauge.watch.selection import Selection, pointed, watched
from tidegauge.watch.watches import Watch, Watches

__all__ = ["KINDS", "Indicator", "Selection", "Watch", "Watches", "pointed", "read_indicators", "watched"]
