from .history import (
    DURATIONS_S as DURATIONS_S,
)
from .history import (
    NO_CALENDAR as NO_CALENDAR,
)
from .history import (
    Calendar as Calendar,
)
from .history import (
    expectation as expectation,
)
from .history import (
    learn as learn,
)
from .history import (
    window_lengths as window_lengths,
)
from .live import (
    Alarm as Alarm,
)
from .live import (
    above as above,
)
from .live import (
    asked_of as asked_of,
)
from .live import (
    budgeted as budgeted,
)
from .live import (
    live_alarms as live_alarms,
)
from .pool import THIN as THIN
from .pool import Pool as Pool
from .pool import evidence as evidence
from .pool import pooled as pooled
from .surge import Judgement as Judgement
from .surge import conclude as conclude
from .surge import judge as judge
from .verdict import Outcome as Outcome
from .verdict import decide as decide
from .verdict import listed_durations as listed_durations
from .verdict import settle as settle
