from .calendar import NO_CALENDAR as NO_CALENDAR, Calendar as Calendar
from .history import (
    DURATIONS_S as DURATIONS_S,
    expectation as expectation,
    learn as learn,
    window_lengths as window_lengths,
)
from .live import (
    Alarm as Alarm,
    above as above,
    asked_of as asked_of,
    budgeted as budgeted,
    live_alarms as live_alarms,
)
from .pool import THIN as THIN, Pool as Pool, evidence as evidence, pooled as pooled
from .surge import Judgement as Judgement, conclude as conclude, judge as judge
from .verdict import Outcome as Outcome, decide as decide, listed_durations as listed_durations, settle as settle
