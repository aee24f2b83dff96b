"""Labelled flows on disk: immutable Parquet segments, their manifest, and reading them through DuckDB."""

from tidegauge.lake.begun import quoted
from tidegauge.lake.compact import SETTLED_S, compact
from tidegauge.lake.extent import Extent
from tidegauge.lake.homes import Homes, look_at_homes
from tidegauge.lake.manifest import Manifest, Segment, Source, new_mark
from tidegauge.lake.ours import Ours, otherwise_labelled
from tidegauge.lake.pairs import FAR_END, Pairs, to_all
from tidegauge.lake.pieces import FRACTION, spread
from tidegauge.lake.possible import Surroundings, possible
from tidegauge.lake.query import METRICS, QUARANTINE_FOLDER, FlowFilter, Lake
from tidegauge.lake.relabel import Relabelled, relabel
from tidegauge.lake.retain import Retained, retain
from tidegauge.lake.rollup import Rolled, roll, rolled
from tidegauge.lake.sources import Checked, Held, check, held, named, remove, withdraw
from tidegauge.lake.twice import Twice, here_already, seen_twice
from tidegauge.lake.where import COLUMNS, VIRTUAL, classes_in, column_sql, columns_in, compile_where, is_intricate
from tidegauge.lake.writer import LakeWriter, open_writer

__all__ = [
    "COLUMNS", "FAR_END", "FRACTION", "METRICS", "QUARANTINE_FOLDER", "SETTLED_S", "VIRTUAL", "Checked", "Extent",
    "FlowFilter", "Held", "Homes", "Lake", "LakeWriter", "Manifest", "Ours", "Pairs", "Relabelled", "Retained",
    "Rolled", "Segment", "Source", "Surroundings", "Twice", "check", "classes_in", "column_sql", "columns_in",
    "compact", "compile_where", "held", "here_already", "is_intricate", "look_at_homes", "named", "new_mark",
    "open_writer", "otherwise_labelled",
    "possible", "quoted", "relabel", "remove", "retain", "roll", "rolled", "seen_twice", "spread", "to_all", "withdraw",
]  # fmt: skip
