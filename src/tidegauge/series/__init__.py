"""Selections of flows to series over bins, with the coverage of each bin."""

from tidegauge.series.build import Series, build_many, build_series
from tidegauge.series.coverage import BLIND_BELOW, Coverage, ExporterCoverage, exporter_blind, measure
from tidegauge.series.selection import DIRECTIONS, origin_sql, origin_where
from tidegauge.series.spread import Spreader

__all__ = [
    "BLIND_BELOW", "DIRECTIONS", "Coverage", "ExporterCoverage", "Series", "Spreader", "build_many",
    "build_series", "exporter_blind", "measure", "origin_sql", "origin_where",
]  # fmt: skip
