from .autumn import (
    EXPORTER as EXPORTER,
)
from .autumn import (
    HOME as HOME,
)
from .autumn import (
    Scenario as Scenario,
)
from .autumn import (
    Surge as Surge,
)
from .autumn import (
    autumn_2014 as autumn_2014,
)
from .netflow9 import Datagram as Datagram
from .netflow9 import encode as encode
from .netflow9 import write_pcap as write_pcap
