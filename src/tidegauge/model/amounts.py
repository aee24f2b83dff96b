"""Amounts as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence


def format_bytes(octets: float) -> str:
    """Bytes with a unit of 1000.

    >>> format_bytes(1_250_000)
    '1.2 MB'
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if octets >= size:
            return f"{octets / size:.1f} {unit}"
    return f"{octets:.0f} B"


def format_count(count: int, thing: str) -> str:
    """How many of a thing, in the number that English wants.

    >>> format_count(1, "finding"), format_count(1200, "flow")
    ('1 finding', '1,200 flows')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def format_share(share: float) -> str:
    """Return a share from 0 to 1 as a percentage, never rounded up to all.

    >>> format_share(0.999991), format_share(1.0), format_share(0.66666)
    ('99.99%', '100.00%', '66.67%')
    """
    return f"{share if share >= 1 else min(share, 0.9999):.2%}"


def format_some(names: Sequence[str], most: int) -> str:
    """The first of some names, and how many there are besides.

    >>> format_some(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def format_amount(value: float, metric: str) -> str:
    """An amount of a metric.

    >>> format_amount(40_000_000, "bytes"), format_amount(12, "flows")
    ('40.0 MB', '12 flows')
    """
    if metric == "bytes":
        return format_bytes(value)
    return f"{value:,.0f} {metric}" if value >= 10 or value == round(value) else f"{value:.3g} {metric}"
