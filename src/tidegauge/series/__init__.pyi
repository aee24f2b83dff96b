from .build import Series as Series, build_many as build_many, build_series as build_series, sums_by as sums_by
from .classes import no_list as no_list, unlisted as unlisted
from .coverage import (
    BLIND_BELOW as BLIND_BELOW,
    Coverage as Coverage,
    ExporterCoverage as ExporterCoverage,
    covered as covered,
    doubtful as doubtful,
    exporter_blind as exporter_blind,
    measure as measure,
)
from .homes import (
    doubts as doubts,
    homes_of as homes_of,
    mostly_passing as mostly_passing,
    one_sided as one_sided,
    passing_now as passing_now,
    ways_of as ways_of,
)
from .selection import Origins as Origins, Part as Part, origin_sql as origin_sql
from .spread import Spreader as Spreader
