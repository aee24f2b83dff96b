from .formats import FORMATS as FORMATS
from .formats import Format as Format
from .formats import format_of as format_of
from .formats import read_source as read_source
