from .found import Found as Found, find_files as find_files
from .ingest import Ingest as Ingest
from .report import Report as Report
