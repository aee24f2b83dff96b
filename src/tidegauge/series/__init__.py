"""Selections of flows to series over bins, with the coverage of each bin."""

from tidegauge.series.build import Series, build_many, build_series, sums_by
from tidegauge.series.coverage import (
    BLIND_BELOW,
    Coverage,
    ExporterCoverage,
    covered,
    doubtful,
    exporter_blind,
    measure,
)
from tidegauge.series.selection import DIRECTIONS, Part, canonical_origin, origin_sql, origin_where, parse_origin
from tidegauge.series.spread import Spreader

__all__ = [
    "BLIND_BELOW", "DIRECTIONS", "Coverage", "ExporterCoverage", "Part", "Series", "Spreader", "build_many",
    "build_series", "canonical_origin", "covered", "doubtful", "exporter_blind", "measure", "origin_sql",
    "origin_where", "parse_origin", "sums_by",
]  # fmt: skip
