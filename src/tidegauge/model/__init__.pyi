from .address import (
    V4_MAPPED as V4_MAPPED,
)
from .address import (
    Addresses as Addresses,
)
from .address import (
    Prefix as Prefix,
)
from .address import (
    as_strings16 as as_strings16,
)
from .address import (
    format_address as format_address,
)
from .address import (
    format_addresses as format_addresses,
)
from .address import (
    halves as halves,
)
from .address import (
    inside as inside,
)
from .address import (
    is_ipv4 as is_ipv4,
)
from .address import (
    low32 as low32,
)
from .address import (
    mapped_ipv4 as mapped_ipv4,
)
from .address import (
    parse_address as parse_address,
)
from .amounts import format_amount as format_amount
from .amounts import format_bytes as format_bytes
from .amounts import format_count as format_count
from .answer import (
    Answer as Answer,
)
from .answer import (
    Blind as Blind,
)
from .answer import (
    Carrier as Carrier,
)
from .answer import (
    Excess as Excess,
)
from .answer import (
    Limit as Limit,
)
from .answer import (
    Question as Question,
)
from .answer import (
    RelayAnswer as RelayAnswer,
)
from .answer import (
    Verdict as Verdict,
)
from .answer import (
    WouldHaveSeen as WouldHaveSeen,
)
from .answer import (
    shown_number as shown_number,
)
from .classes import CLASSES as CLASSES
from .classes import RELAYS as RELAYS
from .classes import class_bit as class_bit
from .classes import class_names as class_names
from .country import countries as countries
from .country import country_names as country_names
from .country import parse_country as parse_country
from .counts import Skipped as Skipped
from .errors import (
    InputError as InputError,
)
from .errors import (
    LakeError as LakeError,
)
from .errors import (
    NoFlowsError as NoFlowsError,
)
from .errors import (
    SiteError as SiteError,
)
from .errors import (
    TidegaugeError as TidegaugeError,
)
from .errors import (
    UsageError as UsageError,
)
from .finding import Finding as Finding
from .finding import Severity as Severity
from .flow import (
    FLOW_SCHEMA as FLOW_SCHEMA,
)
from .flow import (
    NUMBERS as NUMBERS,
)
from .flow import (
    FlowBatch as FlowBatch,
)
from .flow import (
    interleaved as interleaved,
)
from .flow import (
    sane_times as sane_times,
)
from .flow import (
    turned as turned,
)
from .ledger import (
    CONTRADICTORY as CONTRADICTORY,
)
from .ledger import (
    LEDGER_AMOUNTS as LEDGER_AMOUNTS,
)
from .ledger import (
    LEDGER_SCHEMA as LEDGER_SCHEMA,
)
from .ledger import (
    NEW as NEW,
)
from .ledger import (
    OTHER_PARTS as OTHER_PARTS,
)
from .ledger import (
    PROVEN as PROVEN,
)
from .ledger import (
    SEQUENCES as SEQUENCES,
)
from .ledger import (
    LedgerBuilder as LedgerBuilder,
)
from .ledger import (
    complete_ledger as complete_ledger,
)
from .ledger import (
    fold_ledger as fold_ledger,
)
from .ledger import (
    stamp_ledger as stamp_ledger,
)
from .masks import runs as runs
from .memory import keep_freed_memory as keep_freed_memory
from .names import LONGEST_NAME as LONGEST_NAME
from .names import NAMES_SCHEMA as NAMES_SCHEMA
from .names import names_table as names_table
from .protocols import PROTOCOLS as PROTOCOLS
from .sqlite import sqlite_session as sqlite_session
from .times import (
    FOREVER_S as FOREVER_S,
)
from .times import (
    format_duration as format_duration,
)
from .times import (
    format_time as format_time,
)
from .times import (
    merge_intervals as merge_intervals,
)
from .times import (
    parse_duration as parse_duration,
)
from .times import (
    parse_time as parse_time,
)
from .times import (
    without as without,
)
