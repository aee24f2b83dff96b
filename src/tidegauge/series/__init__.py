"""Selections of flows to series over bins, with the coverage of each bin."""

from tidegauge.series.build import Series, build_series
from tidegauge.series.coverage import Coverage, ExporterCoverage, exporter_blind, measure
from tidegauge.series.selection import DIRECTIONS, origin_sql
from tidegauge.series.spread import Spreader

__all__ = [
    "DIRECTIONS", "Coverage", "ExporterCoverage", "Series", "Spreader", "build_series", "exporter_blind",
    "measure", "origin_sql",
]  # fmt: skip
