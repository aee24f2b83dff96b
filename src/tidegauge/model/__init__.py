"""The vocabulary as types; imported by every stage, imports none of them."""

from tidegauge.model.address import (
    V4_MAPPED,
    Addresses,
    Prefix,
    as_strings16,
    format_address,
    format_addresses,
    halves,
    inside,
    is_ipv4,
    low32,
    mapped_ipv4,
    parse_address,
)
from tidegauge.model.amounts import format_bytes
from tidegauge.model.answer import (
    Answer,
    Blind,
    Carrier,
    Excess,
    Limit,
    Question,
    RelayAnswer,
    Verdict,
    WouldHaveSeen,
)
from tidegauge.model.classes import CLASSES, RELAYS, class_bit, class_names
from tidegauge.model.countries import country_names, parse_country
from tidegauge.model.counts import Skipped
from tidegauge.model.errors import InputError, LakeError, NoFlowsError, SiteError, TidegaugeError, UsageError
from tidegauge.model.finding import Finding, Severity
from tidegauge.model.flow import FLOW_SCHEMA, NUMBERS, FlowBatch, interleaved, sane_times, turned
from tidegauge.model.ledger import (
    LEDGER_AMOUNTS,
    LEDGER_SCHEMA,
    LedgerBuilder,
    complete_ledger,
    fold_ledger,
    stamp_ledger,
)
from tidegauge.model.masks import runs
from tidegauge.model.memory import keep_freed_memory
from tidegauge.model.names import LONGEST_NAME, NAMES_SCHEMA, names_table
from tidegauge.model.sqlite import sqlite_session
from tidegauge.model.times import (
    FOREVER_S,
    format_duration,
    format_time,
    merge_intervals,
    parse_duration,
    parse_time,
)

__all__ = [
    "CLASSES", "FLOW_SCHEMA", "FOREVER_S", "LEDGER_AMOUNTS", "LEDGER_SCHEMA", "LONGEST_NAME", "NAMES_SCHEMA", "NUMBERS",
    "RELAYS", "V4_MAPPED", "Addresses", "Answer", "Blind", "Carrier", "Excess", "Finding", "FlowBatch",
    "InputError", "LakeError", "LedgerBuilder", "Limit", "NoFlowsError", "Prefix", "Question", "RelayAnswer",
    "Severity", "SiteError", "Skipped", "TidegaugeError", "UsageError", "Verdict", "WouldHaveSeen", "as_strings16",
    "class_bit", "class_names", "complete_ledger", "country_names", "fold_ledger", "format_address", "format_addresses",
    "format_bytes", "format_duration", "format_time", "halves", "inside", "interleaved", "is_ipv4", "keep_freed_memory",
    "low32", "mapped_ipv4", "merge_intervals", "names_table", "parse_address", "parse_country", "parse_duration",
    "parse_time", "runs", "sane_times", "sqlite_session", "stamp_ledger", "turned",
]  # fmt: skip
