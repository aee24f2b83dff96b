"""The case file: who claims what, sealed evidence, hypotheses weighed, requests, decisions, and what goes out."""

from tidegauge.case.bundle import verify_bundle
from tidegauge.case.evidence import Checked, Verified, verify, write_whole
from tidegauge.case.file import CaseFile
from tidegauge.case.log import Case, Cases, ConflictError, Entry
from tidegauge.case.render import UnfoundedError, statement
from tidegauge.case.retention import keep_days, resting
from tidegauge.case.statement import check
from tidegauge.case.weigh import weigh

__all__ = [
    "Case", "CaseFile", "Cases", "Checked", "ConflictError", "Entry", "UnfoundedError", "Verified", "check",
    "keep_days", "resting", "statement", "verify", "verify_bundle", "weigh", "write_whole",
]
