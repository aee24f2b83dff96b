from .binning import FRACTION as FRACTION, spread as spread
from .columns import COLUMNS as COLUMNS, VIRTUAL as VIRTUAL, column_sql as column_sql
from .compaction import SETTLED_S as SETTLED_S, compact as compact
from .extent import AHEAD_US as AHEAD_US, Extent as Extent
from .homes import Homes as Homes, look_at_homes as look_at_homes
from .manifest import (
    CONNECTIONS as CONNECTIONS,
    Manifest as Manifest,
    Segment as Segment,
    Source as Source,
    new_mark as new_mark,
)
from .ours import Ours as Ours, otherwise_labelled as otherwise_labelled
from .pairs import Called as Called, Caller as Caller, Pair as Pair, Pairs as Pairs, Views as Views
from .possibility import Surroundings as Surroundings, possible as possible
from .query import QUARANTINE_FOLDER as QUARANTINE_FOLDER, FlowFilter as FlowFilter, Lake as Lake
from .relabelling import Relabelled as Relabelled, relabel as relabel
from .retention import Retained as Retained, retain as retain
from .rollup import Rolled as Rolled, roll as roll, rolled as rolled
from .snapshot import Snapshot as Snapshot
from .sources import (
    Checked as Checked,
    Held as Held,
    Known as Known,
    check as check,
    held as held,
    named as named,
    remove as remove,
    set_aside as set_aside,
    withdraw as withdraw,
)
from .statements import Row as Row, asked as asked, rows_of as rows_of, statement as statement
from .totals import quoted as quoted
from .twice import Twice as Twice, here_already as here_already, seen_twice as seen_twice
from .where import (
    classes_in as classes_in,
    columns_in as columns_in,
    compile_where as compile_where,
    is_intricate as is_intricate,
)
from .writer import LakeWriter as LakeWriter, open_writer as open_writer
