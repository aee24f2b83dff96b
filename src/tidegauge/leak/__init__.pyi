from .checkpoint import Kept as Kept, Looked as Looked
from .people import People as People
from .scan import Scan as Scan, masked as masked
