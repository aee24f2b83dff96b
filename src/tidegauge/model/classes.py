"""What an address is used for at a time: a bit set, one bit a class."""

from __future__ import annotations

from tidegauge.model.errors import UsageError

CLASSES = (
    "tor-exit", "tor-relay", "vpn", "proxy", "hosting", "cloud",
    "satellite", "anycast", "botnet-c2", "sinkhole", "scanner", "leased",
)
RELAYS = ("tor-exit", "vpn", "proxy", "hosting")
"""Classes behind which an origin can hide."""


def class_bit(name: str) -> int:
    """The bit of a class.

    >>> class_bit("vpn")
    4
    """
    if name not in CLASSES:
        raise UsageError(f"no such class: {name!r}", hint="one of " + ", ".join(CLASSES))
    return 1 << CLASSES.index(name)


def class_names(bits: int) -> list[str]:
    """The names in a bit set.

    >>> class_names(5)
    ['tor-exit', 'vpn']
    """
    return [name for position, name in enumerate(CLASSES) if bits >> position & 1]
