"""Registered domains by the public suffix list."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

RESERVED = frozenset("example test invalid local internal lan intranet corp".split())
"""Endings that no public suffix list has: for documents and tests (RFC 2606), and for inside."""


@lru_cache(maxsize=65536)
def registered(host: str) -> str:
    """Return the registered domain of a host, the private part of the list included; empty where none is.

    >>> registered("a.b.example.co.uk"), registered("x.y.web.app"), registered("localhost"), registered("10.1.2.3")
    ('example.co.uk', 'y.web.app', '', '')
    """
    if not host or len(host) > 253:
        return ""
    name = host.strip(".").lower()
    labels = name.split(".")
    if labels[-1] in RESERVED:
        return ".".join(labels[-2:]) if len(labels) > 1 else ""
    # A provider's own name is a public suffix of the list's private part (`iki.fi`): who writes from there is somebody.
    return _suffixes().privatesuffix(name) or registries().privatesuffix(name) or ""


def split_name(name: str) -> tuple[str, str]:
    """Return the registered domain of a name, and what stands before it; the last two labels where no list knows the
    ending.

    >>> split_name("a.b.example.co.uk"), split_name("a.b.unheard-of")
    (('example.co.uk', 'a.b'), ('b.unheard-of', 'a'))
    """
    domain = registered(name) or ".".join(name.split(".")[-2:])
    return domain, name[: -len(domain)].rstrip(".")


@cache
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_unknown=False)


@cache
def registries() -> PublicSuffixList:
    """Return the list of the suffixes under which registries register names, without its private part."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_unknown=False, only_icann=True)
