from .beacons import weighed as weighed
from .expected import Expected as Expected, load_expected as load_expected
from .ledger import Closed as Closed, HuntLedger as HuntLedger
from .run import HISTORY_S as HISTORY_S, KINDS as KINDS, Hunted as Hunted, hunt as hunt
from .scene import rhythm_of as rhythm_of
