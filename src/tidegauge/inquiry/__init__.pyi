from .asking import (
    ALL_METRICS as ALL_METRICS,
)
from .asking import (
    Asked as Asked,
)
from .asking import (
    Reply as Reply,
)
from .asking import (
    ask as ask,
)
from .asking import (
    borne as borne,
)
from .asking import (
    calendar_of as calendar_of,
)
from .asking import (
    widened as widened,
)
from .files import assess as assess
from .origins import check_origins as check_origins
from .ranking import Ranking as Ranking
from .ranking import ask_all as ask_all
