"""How much a name looks made by a program."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

VOWELS = frozenset("aeiouy")


def entropy(text: str) -> float:
    """Shannon entropy of its characters, bits each."""
    counts = Counter(text)
    return -sum(c / len(text) * math.log2(c / len(text)) for c in counts.values()) if text else 0.0


def looks_generated(domain: str) -> float:
    """How much a registered domain looks made by a program, 0 to 1: long, few vowels, long runs, digits within.

    >>> looks_generated("xkqjzvwpyhtrb.info") > 0.5 > looks_generated("university-library.org")
    True
    """
    label = domain.split(".")[0]
    letters = [c for c in label if c.isalpha()]
    if len(label) < 7 or label.startswith("xn--"):
        return 0.0
    vowels = sum(c in VOWELS for c in letters) / max(len(letters), 1)
    run = longest = 0
    for c in label:
        run = 0 if c in VOWELS or not c.isalpha() else run + 1
        longest = max(longest, run)
    switches = sum(a.isdigit() != b.isdigit() for a, b in pairwise(label))
    uncommon = sum(c in "qxzjkvw" for c in letters) / max(len(letters), 1)
    z = (
        -3.2 + 0.18 * (len(label) - 8) + 5.0 * max(0.0, 0.36 - vowels) + 0.55 * max(0, longest - 3)
        + 0.5 * min(switches, 6) + 6.0 * max(0.0, uncommon - 0.1) + 1.2 * max(0.0, entropy(label) - 3.2)
        - 1.5 * label.count("-")
    )
    return 1 / (1 + math.exp(-z))
