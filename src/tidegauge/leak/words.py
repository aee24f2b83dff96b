"""Words beside a value that say what it is, in several languages: labels, headers of columns and keys alike."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files

import re2

_TABLE = tomllib.loads(files("tidegauge.leak").joinpath("data", "labels.toml").read_text(encoding="utf-8"))
LABELS = {kind: words for kind, words in _TABLE.items() if kind not in ("national", "other")}
"""For each kind or country, what a label says."""
COMPILED = {kind: re.compile(rf"(?i)(?<![a-z0-9])(?:{words})") for kind, words in LABELS.items()}
ANY_NATIONAL = re.compile(rf"(?i)(?<![a-z0-9])(?:{_TABLE['national']})")
LABEL_CELL = re.compile(r"[^\d@]{2,40}")
"""What a cell with a label looks like."""
OTHER = re.compile(f"(?i){_TABLE['other']}")
"""Labels of other numbers."""
_ANY = "(?i)(?:^|[^a-z0-9])(?:" + "|".join([*LABELS.values(), _TABLE["national"]]) + ")"
ANY = re2.compile(_ANY)
ANY_BYTES = re2.compile(_ANY.encode())
"""Any label of what is looked for, in text and in bytes of UTF-8."""


def said(label: str) -> tuple[frozenset[str], bool, bool]:
    """Kinds that a label names (`us-ssn`, `DE` ...), whether it says that it is some country's number, and whether it
    names another thing (an order, an article).

    >>> said("Employee SSN:")[0] >= {"us-ssn"}, said("lesson")[0], "DE" in said("Steuer-ID")[0]
    (True, frozenset(), True)
    """
    # Labels that differ in numbers are the same; what counts stands near the value.
    return _said(re.sub(r"\d+", "0", label)[-40:])


@lru_cache(maxsize=8192)
def _said(label: str) -> tuple[frozenset[str], bool, bool]:
    other = OTHER.search(label) is not None
    if ANY.search(label) is None:
        return frozenset(), False, other
    names = frozenset(kind for kind, form in COMPILED.items() if form.search(label))
    return names, ANY_NATIONAL.search(label) is not None, other
