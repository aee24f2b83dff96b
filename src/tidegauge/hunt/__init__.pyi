from .context import rhythm_of as rhythm_of
from .expected import Expected as Expected, load_expected as load_expected
from .finding_store import Closed as Closed, HuntLedger as HuntLedger
from .hunts.regular_calls import Counted as Counted, weighed as weighed
from .run import HISTORY_S as HISTORY_S, KINDS as KINDS, Hunted as Hunted, hunt as hunt
