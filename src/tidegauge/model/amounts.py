"""Amounts as a person reads them."""

from __future__ import annotations


def format_bytes(octets: float) -> str:
    """Bytes with a unit of 1000.

    >>> format_bytes(1_250_000)
    '1.2 MB'
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if octets >= size:
            return f"{octets / size:.1f} {unit}"
    return f"{octets:.0f} B"
