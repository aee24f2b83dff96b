from .indicator import KINDS as KINDS, Indicator as Indicator
from .reading import read_indicators as read_indicators
from .selection import (
    MOST_SHOWN as MOST_SHOWN,
    Selection as Selection,
    at_home as at_home,
    pointed as pointed,
    unmatched as unmatched,
    watched as watched,
)
from .watches import Watch as Watch, Watches as Watches
