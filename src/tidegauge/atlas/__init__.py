"""What an address displayed at a time: editions of sources, labelling flows with them, and how far to believe it."""

from tidegauge.atlas.catalogue import Catalogue, Edition
from tidegauge.atlas.editions import Atlas, Origins
from tidegauge.atlas.embedded import as_names, facts, world_table
from tidegauge.atlas.evidence import Evidence, Witnesses
from tidegauge.atlas.fetching import Outcome, update
from tidegauge.atlas.importing import Taken, Wanted, import_file, parse_valid
from tidegauge.atlas.known import Known
from tidegauge.atlas.label import directions, label, relabelled, unlabelled
from tidegauge.atlas.reach import Reach, Showings, ranges_of, reach, showings
from tidegauge.atlas.sources import FORMATS
from tidegauge.atlas.table import OriginTable, Pieces
from tidegauge.atlas.trust import Origin, judge

__all__ = [
    "FORMATS",
    "Atlas",
    "Catalogue",
    "Edition",
    "Evidence",
    "Known",
    "Origin",
    "OriginTable",
    "Origins",
    "Outcome",
    "Pieces",
    "Reach",
    "Showings",
    "Taken",
    "Wanted",
    "Witnesses",
    "as_names",
    "directions",
    "facts",
    "import_file",
    "judge",
    "label",
    "parse_valid",
    "ranges_of",
    "reach",
    "relabelled",
    "showings",
    "unlabelled",
    "update",
    "world_table",
]  # fmt: skip
