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
OTHER = re.compile(f"(?i){_TABLE['other']}")
"""Labels of other numbers."""
ANY = re2.compile("(?i)(?:^|[^a-z0-9])(?:" + "|".join([*LABELS.values(), _TABLE["national"]]) + ")")


def said(label: str) -> tuple[frozenset[str], bool]:
    """Kinds that a label names (`us-ssn`, `DE` ...), and whether it says that it is some country's number.

    >>> said("Employee SSN:")[0] >= {"us-ssn"}, said("lesson")[0], "DE" in said("Steuer-ID")[0]
    (True, frozenset(), True)
    """
    # Labels that differ in numbers are the same; what counts stands near the value.
    return _said(re.sub(r"\d+", "0", label)[-40:])


@lru_cache(maxsize=8192)
def _said(label: str) -> tuple[frozenset[str], bool]:
    if ANY.search(label) is None:
        return frozenset(), False
    return frozenset(kind for kind, form in COMPILED.items() if form.search(label)), ANY_NATIONAL.search(
        label
    ) is not None
