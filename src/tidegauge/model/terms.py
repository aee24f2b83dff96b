"""Words of the vocabulary that questions and cases choose from."""

from __future__ import annotations

METRICS = ("bytes", "packets", "flows", "hosts")
"""What is counted; hosts are distinct far ends."""
DIRECTIONS = ("in", "out", "internal", "transit")
"""Of a flow, by the home prefixes."""
FALSE_ALARMS, FALSE_DISCOVERIES, POWERS = (1e-6, 0.5), (1e-3, 0.5), (0.5, 0.999)
MOST_GROUPS = 100_000
"""Between which probabilities a question can choose, and how many groups `top` lists at most."""
VALUES = {"CC": 0.0, "C": 0.0, "N": 0.0, "I": 1.0, "II": 2.0}
"""Strongly consistent, consistent, neither, inconsistent, strongly inconsistent: only inconsistency counts."""
WEIGHTS = {"low": 0.5, "medium": 1.0, "high": 2.0}
LIKELIHOODS: dict[str, tuple[int, int]] = {
    "almost no chance": (1, 5),
    "very unlikely": (5, 20),
    "unlikely": (20, 45),
    "roughly even chance": (45, 55),
    "likely": (55, 80),
    "very likely": (80, 95),
    "almost certain": (95, 99),
}
"""Words of likelihood with their ranges in percent (ICD 203, 2015)."""
CONFIDENCES = ("low", "moderate", "high")
TLP_ORDER = ("TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED")
"""Marks of the Traffic Light Protocol (FIRST, TLP 2.0), the widest audience first."""
CASE_FORMATS = ("stix", "misp", "csv", "xarf", "bundle")
"""Forms in which a case is given out."""
