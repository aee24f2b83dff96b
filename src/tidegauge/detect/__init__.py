"""Pure functions over arrays: baseline, critical levels, surges, and the limits of what would have been seen."""

from tidegauge.detect.history import DURATIONS_S, NO_CALENDAR, Calendar, window_lengths
from tidegauge.detect.live import Alarm, live_alarms
from tidegauge.detect.surge import Judgement, judge
from tidegauge.detect.verdict import Outcome, decide

__all__ = [
    "DURATIONS_S", "NO_CALENDAR", "Alarm", "Calendar", "Judgement", "Outcome", "decide", "judge", "live_alarms",
    "window_lengths",
]  # fmt: skip
