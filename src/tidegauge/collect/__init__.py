"""Live datagrams: received, spooled, decoded, and what was missed on the way."""

from tidegauge.collect.log import log_event
from tidegauge.collect.metrics import exposition
from tidegauge.collect.service import collect
from tidegauge.collect.snmp import ExporterNames, ask_names
from tidegauge.collect.status import DECODER, RECEIVER, STALE_S, read_status, write_status

__all__ = [
    "DECODER", "RECEIVER", "STALE_S", "ExporterNames", "ask_names", "collect", "exposition", "log_event", "read_status",
    "write_status",
]  # fmt: skip
