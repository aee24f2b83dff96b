from .log import log_event as log_event
from .metrics import exposition as exposition
from .service import collect as collect
from .snmp import ExporterNames as ExporterNames, ask_names as ask_names
from .status import (
    DECODER as DECODER,
    RECEIVER as RECEIVER,
    STALE_S as STALE_S,
    read_status as read_status,
    write_status as write_status,
)
