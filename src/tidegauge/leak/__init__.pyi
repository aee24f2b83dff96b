from .kept import Kept as Kept
from .kept import Looked as Looked
from .people import People as People
from .scan import Scan as Scan
from .scan import masked as masked
