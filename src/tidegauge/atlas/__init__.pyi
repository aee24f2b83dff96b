from .catalogue import Catalogue as Catalogue
from .catalogue import Edition as Edition
from .editions import Atlas as Atlas
from .editions import Origins as Origins
from .embedded import as_names as as_names
from .embedded import facts as facts
from .embedded import world_table as world_table
from .evidence import Evidence as Evidence
from .evidence import Witnesses as Witnesses
from .fetching import Outcome as Outcome
from .fetching import update as update
from .importing import Taken as Taken
from .importing import Wanted as Wanted
from .importing import import_file as import_file
from .importing import parse_valid as parse_valid
from .known import Known as Known
from .labelling import directions as directions
from .labelling import label as label
from .labelling import relabelled as relabelled
from .labelling import unlabelled as unlabelled
from .reaching import (
    Reach as Reach,
)
from .reaching import (
    Showings as Showings,
)
from .reaching import (
    ranges_of as ranges_of,
)
from .reaching import (
    reach as reach,
)
from .reaching import (
    showings as showings,
)
from .sources import FORMATS as FORMATS
from .table import OriginTable as OriginTable
from .table import Pieces as Pieces
from .trust import Origin as Origin
from .trust import judge as judge
