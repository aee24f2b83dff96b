"""Labelled mails for training and judging: their signals, and groups that keep one sender's or campaign's together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidegauge.content import Apart
from tidegauge.lure.judge import values_of
from tidegauge.lure.looking import look_at_mail
from tidegauge.lure.signals import NAMES, signals
from tidegauge.lure.tables import Brands, read_brands

REDACTED = re.compile(rb"phishing@pot(?![\w.])")
"""What a collector wrote over addresses of its own."""


@dataclass(frozen=True)
class Collection:
    """Mails: `values` of shape (mails, signals), `bad` whether each is a lure, `groups` its campaign."""

    names: tuple[str, ...]
    values: NDArray[np.float64]
    bad: NDArray[np.bool_]
    groups: NDArray[np.int64]


def read_collection(folder: Path, *, redact: bool = True) -> Collection:
    """The mails of `phishing` and `wanted` below a folder.

    Args:
        redact: put an ordinary address where the collector put its mark, so that nothing can lean on it.
    """
    brands = Brands(read_brands())
    names, rows, bad, marks = [], [], [], []
    with Apart() as apart:
        for kind in ("phishing", "wanted"):
            for path in sorted((folder / kind).iterdir()):
                data = path.read_bytes()
                if redact:
                    data = REDACTED.sub(b"jo.miller@example.org", data)
                item = look_at_mail(path.name, data, brands, apart)
                names.append(f"{kind}/{path.name}")
                rows.append(values_of(signals(item, brands)))
                bad.append(kind == "phishing")
                marks.append(_marks(item))
    return Collection(tuple(names), np.array(rows), np.array(bad), _groups(marks))


def _marks(item) -> set[str]:  # type: ignore[no-untyped-def]
    """By what mails are of one campaign: sender, goal, subject, and runs of words."""
    words = re.findall(r"\w{3,}", item.text.lower())[:400]
    runs = {" ".join(words[i : i + 8]) for i in range(0, max(len(words) - 8, 0), 4)}
    subject = re.sub(r"\W+|\d+", " ", re.sub(r"(?i)^(?:re|fw|fwd|aw|wg):\s*", "", item.subject.lower())).strip()
    marks = {f"from {item.sender.domain}", *(f"words {run}" for run in runs)}
    if len(subject) > 8:
        marks.add(f"subject {subject}")
    tag = re.match(r"\[[^\]]+\]", item.subject)
    if tag:
        marks.add(f"list {tag[0].lower()}")
    marks |= {
        f"goal {link.goal.domain}"
        for link in item.links
        if link.goal.domain and link.goal.brand is None and link.kind == "a"
    }
    return marks


MOST_SHARED = 60
"""A mark that more mails share is no campaign's (a large provider's domain)."""


def _groups(marks: list[set[str]]) -> NDArray[np.int64]:
    """Mails that share a mark are one group (union-find)."""
    counts = Counter(mark for row in marks for mark in row)
    parent = list(range(len(marks)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    holders: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(marks):
        for mark in row:
            if 1 < counts[mark] <= MOST_SHARED:
                holders[mark].append(i)
    for members in holders.values():
        for other in members[1:]:
            parent[root(other)] = root(members[0])
    return np.array([root(i) for i in range(len(marks))])


__all__ = ["NAMES", "Collection", "read_collection"]
