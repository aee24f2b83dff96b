from .address import (
    V4_MAPPED as V4_MAPPED,
    Addresses as Addresses,
    Prefix as Prefix,
    as_strings16 as as_strings16,
    format_address as format_address,
    format_addresses as format_addresses,
    halves as halves,
    inside as inside,
    is_ipv4 as is_ipv4,
    low32 as low32,
    mapped_ipv4 as mapped_ipv4,
    parse_address as parse_address,
)
from .amounts import (
    format_amount as format_amount,
    format_bytes as format_bytes,
    format_count as format_count,
    format_share as format_share,
    format_some as format_some,
)
from .answer import (
    Answer as Answer,
    Blind as Blind,
    Carrier as Carrier,
    Excess as Excess,
    Limit as Limit,
    Question as Question,
    RelayAnswer as RelayAnswer,
    Verdict as Verdict,
    WouldHaveSeen as WouldHaveSeen,
    shown_number as shown_number,
)
from .classes import CLASSES as CLASSES, RELAYS as RELAYS, class_bit as class_bit, class_names as class_names
from .country import countries as countries, country_names as country_names, parse_country as parse_country
from .counts import Skipped as Skipped
from .errors import (
    CorruptError as CorruptError,
    InputError as InputError,
    LakeError as LakeError,
    NoFlowsError as NoFlowsError,
    SiteError as SiteError,
    TidegaugeError as TidegaugeError,
    UsageError as UsageError,
)
from .finding import Finding as Finding, Severity as Severity, flows_query as flows_query
from .flow import (
    FLOW_SCHEMA as FLOW_SCHEMA,
    NUMBERS as NUMBERS,
    FlowBatch as FlowBatch,
    interleaved as interleaved,
    sane_times as sane_times,
    turned as turned,
)
from .ledger import (
    CONTRADICTORY as CONTRADICTORY,
    LEDGER_AMOUNTS as LEDGER_AMOUNTS,
    LEDGER_SCHEMA as LEDGER_SCHEMA,
    NEW as NEW,
    OTHER_PARTS as OTHER_PARTS,
    PROVEN as PROVEN,
    SEQUENCES as SEQUENCES,
    LedgerBuilder as LedgerBuilder,
    complete_ledger as complete_ledger,
    fold_ledger as fold_ledger,
    stamp_ledger as stamp_ledger,
)
from .masks import runs as runs
from .memory import keep_freed_memory as keep_freed_memory
from .names import LONGEST_NAME as LONGEST_NAME, NAMES_SCHEMA as NAMES_SCHEMA, names_table as names_table
from .protocols import PROTOCOLS as PROTOCOLS
from .sqlite import sqlite_session as sqlite_session
from .terms import (
    CASE_FORMATS as CASE_FORMATS,
    CONFIDENCES as CONFIDENCES,
    DIRECTIONS as DIRECTIONS,
    FALSE_ALARMS as FALSE_ALARMS,
    FALSE_DISCOVERIES as FALSE_DISCOVERIES,
    LIKELIHOODS as LIKELIHOODS,
    METRICS as METRICS,
    MOST_GROUPS as MOST_GROUPS,
    POWERS as POWERS,
    TLP_ORDER as TLP_ORDER,
    VALUES as VALUES,
    WEIGHTS as WEIGHTS,
)
from .times import (
    EARLIEST_US as EARLIEST_US,
    FOREVER_S as FOREVER_S,
    LONGEST_FLOW_US as LONGEST_FLOW_US,
    format_duration as format_duration,
    format_time as format_time,
    merge_intervals as merge_intervals,
    parse_duration as parse_duration,
    parse_time as parse_time,
    without as without,
)
