"""Crypto-PAn: addresses under prefix-preserving pseudonyms (Xu, Fan, Ammar, Moon, "Prefix-preserving IP address
anonymization", ICNP 2002), for IPv4 and IPv6, many at once.

Two addresses that share their first k bits have pseudonyms that share exactly their first k bits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

ADDRESS = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})(?![\w:]|\.\d)")
"""What may be an address in a text; `ip_address` decides."""


class Pseudonyms:
    """Pseudonyms under one key of 32 bytes: 16 for the cipher, 16 for the padding."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("Crypto-PAn takes a key of 32 bytes")
        self._cipher = Cipher(algorithms.AES(key[:16]), modes.ECB())  # one block at a time is what the method is
        self._pad = np.frombuffer(self._encrypt(key[16:]), dtype=np.uint8)

    def _encrypt(self, blocks: bytes) -> bytes:
        encryptor = self._cipher.encryptor()
        return encryptor.update(blocks) + encryptor.finalize()

    def of(self, addresses: Sequence[IPv4Address | IPv6Address]) -> list[IPv4Address | IPv6Address]:
        """The pseudonyms of addresses.

        >>> key = bytes(range(32))
        >>> a, b = Pseudonyms(key).of([ip_address("192.0.2.1"), ip_address("192.0.2.9")])
        >>> str(a).split(".")[:3] == str(b).split(".")[:3]
        True
        """
        return [self._one(address) for address in addresses]

    def _one(self, address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
        bits = address.max_prefixlen
        own = np.unpackbits(np.frombuffer(address.packed, dtype=np.uint8))
        pad = np.unpackbits(self._pad)
        # Block k holds the first k bits of the address and the rest of the pad; its first bit turns bit k.
        place = np.arange(128)
        blocks: NDArray[np.uint8] = np.tile(pad, (bits, 1))
        kept = place[None, :bits] < np.arange(bits)[:, None]
        blocks[:, :bits] = np.where(kept, own[None, :], blocks[:, :bits])
        turned = np.frombuffer(self._encrypt(np.packbits(blocks, axis=1).tobytes()), dtype=np.uint8)
        packed = np.packbits(own ^ (turned.reshape(bits, 16)[:, 0] >> 7)).tobytes()
        return IPv4Address(packed) if bits == 32 else IPv6Address(packed)

    def hidden(self, value: Any, ours: Callable[[IPv4Address | IPv6Address], bool]) -> Any:
        """A JSON value whose texts have pseudonyms for our addresses, in keys too."""
        known: dict[str, str] = {}

        def shown(match: re.Match[str]) -> str:
            text = match[0]
            if text not in known:
                try:
                    address = ip_address(text)
                except ValueError:
                    known[text] = text
                else:
                    known[text] = str(self._one(address)) if ours(address) else text
            return known[text]

        def walk(part: Any) -> Any:
            if isinstance(part, str):
                return ADDRESS.sub(shown, part)
            if isinstance(part, list):
                return [walk(one) for one in part]
            if isinstance(part, dict):
                return {walk(name): walk(one) for name, one in part.items()}
            return part

        return walk(value)
