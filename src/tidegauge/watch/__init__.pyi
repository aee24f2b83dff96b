from .indicator import KINDS as KINDS
from .indicator import Indicator as Indicator
from .reading import read_indicators as read_indicators
from .selection import (
    MOST_SHOWN as MOST_SHOWN,
)
from .selection import (
    Selection as Selection,
)
from .selection import (
    at_home as at_home,
)
from .selection import (
    pointed as pointed,
)
from .selection import (
    unmatched as unmatched,
)
from .selection import (
    watched as watched,
)
from .watches import Watch as Watch
from .watches import Watches as Watches
