"""Pure functions over arrays: baseline, critical levels, surges, and the limits of what would have been seen."""

from tidegauge.detect.history import DURATIONS_S, NO_CALENDAR, Calendar, expectation, learn, window_lengths
from tidegauge.detect.live import Alarm, above, asked_of, budgeted, live_alarms
from tidegauge.detect.pool import THIN, Pool, evidence, pooled
from tidegauge.detect.surge import Judgement, conclude, judge
from tidegauge.detect.verdict import Outcome, decide, listed_durations, settle

__all__ = [
    "DURATIONS_S", "NO_CALENDAR", "THIN", "Alarm", "Calendar", "Judgement", "Outcome", "Pool", "above", "asked_of",
    "budgeted", "conclude", "decide", "evidence", "expectation", "judge", "learn", "listed_durations", "live_alarms",
    "pooled", "settle", "window_lengths",
]  # fmt: skip
