"""The names that hosts asked for, by host and registered domain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from tidegauge.model.domains import split_name

INFRASTRUCTURE = (".in-addr.arpa", ".ip6.arpa", ".local", ".localdomain", ".internal", ".home.arpa")
MOST_LABELS = 100_000
"""Of one host below one domain."""


@dataclass
class Below:
    """What one host asked for below one domain: distinct labels, their length together, and when (epoch us)."""

    labels: set[str] = field(default_factory=set)
    length: int = 0
    first_us: int = 1 << 62
    last_us: int = 0


@dataclass
class NamesAsked:
    """What hosts asked for: below each domain, and by host the domains asked for and those without an answer."""

    below: dict[tuple[bytes, str], Below]
    asked: dict[bytes, set[str]]
    failed: dict[bytes, set[str]]


def names_asked(table: pa.Table) -> NamesAsked:
    """The questions by DNS among names that were seen (`NAMES_SCHEMA`)."""
    found = NamesAsked(defaultdict(Below), defaultdict(set), defaultdict(set))
    for stamp, client, name, answered in _questions(table):
        domain, rest = split_name(name)
        below = found.below[client, domain]
        below.first_us, below.last_us = min(below.first_us, stamp), max(below.last_us, stamp)
        if rest and rest not in below.labels and len(below.labels) < MOST_LABELS:
            below.length += len(rest)
            below.labels.add(rest)
        found.asked[client].add(domain)
        if not answered:
            found.failed[client].add(domain)
    return found


def _questions(table: pa.Table) -> Iterator[tuple[int, bytes, str, bool]]:
    columns = (table[n].to_pylist() for n in ("source", "client", "name", "answers"))
    stamps = table["time"].cast("int64").to_pylist()
    for stamp, source, client, name, answers in zip(stamps, *columns, strict=True):
        if source == "dns" and name and "." in name and not name.endswith(INFRASTRUCTURE):
            yield stamp, client, name, bool(answers)
