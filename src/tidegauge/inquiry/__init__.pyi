from .asked import Asked as Asked, borne as borne, widened as widened
from .asking import ALL_METRICS as ALL_METRICS, Reply as Reply, ask as ask
from .assessing import assess as assess
from .calendars import calendar_in as calendar_in, calendar_of as calendar_of
from .origins import check_origins as check_origins
from .ranking import Ranking as Ranking, ask_all as ask_all
