"""Addresses and prefixes as 16 bytes, IPv4 as IPv4-mapped: they compare and sort as bytes.

A column of addresses is a `uint8` array of shape (n, 16), which is also its layout in Arrow and Parquet.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.model.errors import UsageError

Addresses = NDArray[np.uint8]
"""Shape (n, 16), network byte order."""

V4_MAPPED = bytes(10) + b"\xff\xff"


def parse_address(text: str) -> bytes:
    """The 16 bytes of an address.

    >>> parse_address("192.0.2.1").hex()
    '00000000000000000000ffffc0000201'
    """
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise UsageError(f"not an IP address: {text!r}", hint="for example 192.0.2.1 or 2001:db8::1") from None
    return V4_MAPPED + address.packed if address.version == 4 else address.packed


def format_address(packed: bytes) -> str:
    """The text of 16 bytes.

    >>> format_address(parse_address("2001:db8::1"))
    '2001:db8::1'
    """
    if packed[:12] == V4_MAPPED:
        return str(ipaddress.IPv4Address(packed[12:]))
    return str(ipaddress.IPv6Address(packed))


def format_addresses(addresses: Addresses) -> list[str]:
    return [format_address(bytes(row)) for row in addresses]


@dataclass(frozen=True, order=True)
class Prefix:
    """A prefix as its first and last address (both included), 16 bytes each."""

    first: bytes
    last: bytes

    @classmethod
    def parse(cls, text: str) -> Prefix:
        """Read `192.0.2.0/24`, `2001:db8::/32` or a single address.

        >>> str(Prefix.parse("192.0.2.0/24"))
        '192.0.2.0/24'

        Raises:
            UsageError: not a prefix, or bits are set behind its length.
        """
        try:
            network = ipaddress.ip_network(text.strip())
        except ValueError as error:
            cause = "bits are set behind its length" if "host bits" in str(error) else "not a prefix"
            raise UsageError(f"{cause}: {text!r}", hint="for example 192.0.2.0/24 or 2001:db8::/32") from None
        ends = (network.network_address.packed, network.broadcast_address.packed)
        first, last = (V4_MAPPED + e if network.version == 4 else e for e in ends)
        return cls(first, last)

    def __str__(self) -> str:
        low, high = int.from_bytes(self.first), int.from_bytes(self.last)
        length = 128 - (low ^ high).bit_length()
        if self.first[:12] == V4_MAPPED:
            return f"{format_address(self.first)}/{length - 96}"
        return f"{format_address(self.first)}/{length}"

    def __contains__(self, packed: bytes) -> bool:
        return self.first <= packed <= self.last


def mapped_ipv4(addresses: NDArray[np.uint32]) -> Addresses:
    """IPv4 addresses (numbers, any byte order of dtype) as IPv4-mapped; shape (n,) to (n, 16)."""
    words = np.zeros((len(addresses), 4), dtype=">u4")
    words[:, 2] = 0xFFFF
    words[:, 3] = addresses
    return words.view(np.uint8)


def halves(addresses: Addresses) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """High and low 64 bits as native numbers; shape (n, 16) to twice (n,)."""
    words = np.ascontiguousarray(addresses).view(">u8").reshape(-1, 2)
    return words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64)


def is_ipv4(addresses: Addresses) -> NDArray[np.bool_]:
    """Which are IPv4-mapped; shape (n, 16) to (n,)."""
    words = np.ascontiguousarray(addresses).view(">u4").reshape(-1, 4)
    return np.asarray((words[:, 0] == 0) & (words[:, 1] == 0) & (words[:, 2] == 0xFFFF))


def low32(addresses: Addresses) -> NDArray[np.uint32]:
    """The last 32 bits as native numbers: the IPv4 address where it is one."""
    return np.ascontiguousarray(addresses).view(">u4").reshape(-1, 4)[:, 3].astype(np.uint32)


def as_strings16(addresses: Addresses) -> NDArray[np.void]:
    """The same bytes as one 16-byte value each, for equality and grouping."""
    return np.ascontiguousarray(addresses).view("V16").reshape(-1)


def inside(addresses: Addresses, prefixes: tuple[Prefix, ...]) -> NDArray[np.bool_]:
    """Which addresses lie in any of the prefixes; shape (n, 16) to (n,)."""
    found = np.zeros(len(addresses), dtype=bool)
    if not prefixes:
        return found
    high, low = halves(addresses)
    for prefix in prefixes:
        first_high, first_low = int.from_bytes(prefix.first[:8]), int.from_bytes(prefix.first[8:])
        last_high, last_low = int.from_bytes(prefix.last[:8]), int.from_bytes(prefix.last[8:])
        if first_high == last_high:
            found |= (high == first_high) & (low >= first_low) & (low <= last_low)
        else:
            found |= (high >= first_high) & (high <= last_high)
    return found
