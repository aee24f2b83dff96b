from .formats import FORMATS as FORMATS, Format as Format, format_of as format_of, read_source as read_source
