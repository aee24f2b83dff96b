"""Pure functions over arrays: baseline, critical levels, surges, and the limits of what would have been seen."""

from tidegauge.detect.surge import DURATIONS_S, Judgement, judge, window_lengths
from tidegauge.detect.verdict import Outcome, decide

__all__ = ["DURATIONS_S", "Judgement", "Outcome", "decide", "judge", "window_lengths"]
