from .begun import quoted as quoted
from .compaction import SETTLED_S as SETTLED_S
from .compaction import compact as compact
from .extent import Extent as Extent
from .homes import Homes as Homes
from .homes import look_at_homes as look_at_homes
from .manifest import Manifest as Manifest
from .manifest import Segment as Segment
from .manifest import Source as Source
from .manifest import new_mark as new_mark
from .ours import Ours as Ours
from .ours import otherwise_labelled as otherwise_labelled
from .pairs import FAR_END as FAR_END
from .pairs import Pairs as Pairs
from .pairs import to_all as to_all
from .pieces import FRACTION as FRACTION
from .pieces import spread as spread
from .possibility import Surroundings as Surroundings
from .possibility import possible as possible
from .query import METRICS as METRICS
from .query import QUARANTINE_FOLDER as QUARANTINE_FOLDER
from .query import FlowFilter as FlowFilter
from .query import Lake as Lake
from .relabelling import Relabelled as Relabelled
from .relabelling import relabel as relabel
from .retention import Retained as Retained
from .retention import retain as retain
from .rollup import Rolled as Rolled
from .rollup import roll as roll
from .rollup import rolled as rolled
from .sources import (
    Checked as Checked,
)
from .sources import (
    Held as Held,
)
from .sources import (
    check as check,
)
from .sources import (
    held as held,
)
from .sources import (
    named as named,
)
from .sources import (
    remove as remove,
)
from .sources import (
    withdraw as withdraw,
)
from .twice import Twice as Twice
from .twice import here_already as here_already
from .twice import seen_twice as seen_twice
from .where import (
    COLUMNS as COLUMNS,
)
from .where import (
    VIRTUAL as VIRTUAL,
)
from .where import (
    classes_in as classes_in,
)
from .where import (
    column_sql as column_sql,
)
from .where import (
    columns_in as columns_in,
)
from .where import (
    compile_where as compile_where,
)
from .where import (
    is_intricate as is_intricate,
)
from .writer import LakeWriter as LakeWriter
from .writer import open_writer as open_writer
