from .build import Series as Series
from .build import build_many as build_many
from .build import build_series as build_series
from .build import sums_by as sums_by
from .classes import no_list as no_list
from .classes import unlisted as unlisted
from .coverage import (
    BLIND_BELOW as BLIND_BELOW,
)
from .coverage import (
    Coverage as Coverage,
)
from .coverage import (
    ExporterCoverage as ExporterCoverage,
)
from .coverage import (
    covered as covered,
)
from .coverage import (
    doubtful as doubtful,
)
from .coverage import (
    exporter_blind as exporter_blind,
)
from .coverage import (
    measure as measure,
)
from .homes import (
    doubts as doubts,
)
from .homes import (
    homes_of as homes_of,
)
from .homes import (
    mostly_passing as mostly_passing,
)
from .homes import (
    one_sided as one_sided,
)
from .homes import (
    ways_of as ways_of,
)
from .selection import DIRECTIONS as DIRECTIONS
from .selection import Origins as Origins
from .selection import Part as Part
from .selection import origin_sql as origin_sql
from .spread import Spreader as Spreader
