from .log import log_event as log_event
from .metrics import exposition as exposition
from .service import collect as collect
from .snmp import ExporterNames as ExporterNames
from .snmp import ask_names as ask_names
from .status import (
    DECODER as DECODER,
)
from .status import (
    RECEIVER as RECEIVER,
)
from .status import (
    STALE_S as STALE_S,
)
from .status import (
    read_status as read_status,
)
from .status import (
    write_status as write_status,
)
