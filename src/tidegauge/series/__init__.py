"""Selections of flows to series over bins, with the coverage of each bin."""

from tidegauge.series.build import Series, build_many, build_series, sums_by
from tidegauge.series.classes import no_list, unlisted
from tidegauge.series.coverage import (
    BLIND_BELOW,
    Coverage,
    ExporterCoverage,
    covered,
    doubtful,
    exporter_blind,
    measure,
)
from tidegauge.series.homes import doubts, homes_of, mostly_passing, one_sided, ways_of
from tidegauge.series.selection import DIRECTIONS, Origins, Part, origin_sql
from tidegauge.series.spread import Spreader

__all__ = [
    "BLIND_BELOW", "DIRECTIONS", "Coverage", "ExporterCoverage", "Origins", "Part", "Series", "Spreader", "build_many",
    "build_series", "covered", "doubtful", "doubts", "exporter_blind",
    "homes_of", "measure", "mostly_passing", "no_list",
    "one_sided", "origin_sql", "sums_by", "unlisted", "ways_of",
]  # fmt: skip
