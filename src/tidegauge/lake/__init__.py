"""Labelled flows on disk: immutable Parquet segments, their manifest, and reading them through DuckDB."""

from tidegauge.lake.begun import quoted
from tidegauge.lake.compact import SETTLED_S, compact
from tidegauge.lake.extent import Extent
from tidegauge.lake.homes import Homes, look_at_homes
from tidegauge.lake.manifest import Manifest, Segment
from tidegauge.lake.pairs import FAR_END, Pairs, to_all
from tidegauge.lake.pieces import FRACTION, spread
from tidegauge.lake.possible import Surroundings, possible
from tidegauge.lake.query import METRICS, QUARANTINE_FOLDER, FlowFilter, Lake
from tidegauge.lake.relabel import Relabelled, relabel
from tidegauge.lake.retain import Retained, retain
from tidegauge.lake.rollup import Rolled, roll, rolled
from tidegauge.lake.where import COLUMNS, VIRTUAL, classes_in, column_sql, columns_in, compile_where, is_intricate
from tidegauge.lake.writer import LakeWriter, open_writer

__all__ = [
    "COLUMNS", "FAR_END", "FRACTION", "METRICS", "QUARANTINE_FOLDER", "SETTLED_S", "VIRTUAL", "Extent", "FlowFilter",
    "Homes", "Lake", "LakeWriter", "Manifest", "Pairs", "Relabelled", "Retained", "Rolled", "Segment", "Surroundings",
    "classes_in", "column_sql", "columns_in", "compact", "compile_where", "is_intricate", "look_at_homes",
    "open_writer", "possible", "quoted", "relabel", "retain", "roll", "rolled", "spread", "to_all",
]  # fmt: skip
