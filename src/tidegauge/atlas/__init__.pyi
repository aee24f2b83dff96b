from .catalogue import Catalogue as Catalogue, Edition as Edition
from .editions import Atlas as Atlas, Origins as Origins
from .embedded import as_names as as_names, facts as facts, world_table as world_table
from .evidence import Evidence as Evidence, Witnesses as Witnesses
from .fetching import Outcome as Outcome, update as update
from .importing import Taken as Taken, Wanted as Wanted, import_file as import_file, parse_valid as parse_valid
from .known import Known as Known
from .labelling import directions as directions, label as label, relabelled as relabelled, unlabelled as unlabelled
from .reaching import (
    Reach as Reach,
    Showings as Showings,
    ranges_of as ranges_of,
    reach as reach,
    showings as showings,
)
from .sources import FORMATS as FORMATS
from .table import OriginTable as OriginTable, Pieces as Pieces
from .trust import Origin as Origin, judge as judge
