"""What a signal is, the names of all, and what the finders of signals have in common.

Nothing among them leans on when a mail was sent, on how its headers are written, on its language, or on marks of
whoever collected it (`Received`, `X-` headers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidegauge.lure.looking import Item
from tidegauge.lure.tables import Brand, Brands, fold, hosts, public_suffix
from tidegauge.model.domains import registered

DECORATION = re.compile(r"[\u2190-\u21ff\u2460-\u27bf\u2900-\u2bff\u2600-\u26ff\U0001F000-\U0001FAFF]")


ASKING = frozenset(
    """
    login payment parcel prize refund money crypto dating miracle earn game social code support extort open
    personal
    """.split()
)
"""Requests for something; the others press or advertise."""


ASIDE = frozenset({"image", "frame", "mailto"})
"""Kinds of links that lead nobody to a page."""


@dataclass(frozen=True)
class Signal:
    """One observation; `value` between 0 and 1, `start` and `end` in the text, or the number of a link."""

    name: str
    value: float
    says: str
    where: str = "text"
    start: int = -1
    end: int = -1


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GROUPS: dict[str, tuple[str, ...]] = {
    "sender": _names(
        """
        from-brand from-plays from-address-in-name from-broken from-generated from-local from-random
        from-disguised from-tld from-official-free reply-free reply-elsewhere bounce-elsewhere message-id
        hidden-recipients name-decorated
        """
    ),
    "links": _names(
        """
        link-plays link-mismatch link-mismatch-rewritten brand-elsewhere link-address link-script
        link-credentials link-port link-hosting link-platform link-shortener link-tld link-generated link-kit
        link-affiliate link-redirect link-program link-recipient link-labels link-mixed link-encoded link-young
        link-chat link-code link-answers borrowed-picture links-one-goal links-elsewhere links-own links-brand
        links-random form
        """
    ),
    "words": _names(
        """
        asks-login asks-threat asks-payment asks-parcel asks-prize asks-refund asks-urgency asks-secrecy
        asks-money asks-crypto asks-dating asks-miracle asks-earn asks-offer asks-game asks-social asks-code
        asks-support asks-extort asks-open asks-click asks-personal asks-impersonal asks-several asks-off
        asks-answer asks-subject call-back brand-from-free
        """
    ),
    "attachments": _names(
        """
        attached-program attached-macros attached-page attached-smuggling attached-endings attached-locked
        attached-image attached-lies attached-link
        """
    ),
    "form": _names(
        """
        disguised hidden-text picture-only shouting names-recipient only-link leftovers
        """
    ),
}
"""Every signal by its group; groups are left out one at a time to see what each carries."""


NAMES = tuple(name for group in GROUPS.values() for name in group)


def brand_words(text: str, brands: Brands) -> list[tuple[Brand, int]]:
    """Brands that a short text names, with the place."""
    plain = fold(text)
    found = []
    for word, brand in brands.words.items():
        at = plain.find(word)
        while at >= 0:
            before, after = plain[at - 1 : at] if at else "", plain[at + len(word) : at + len(word) + 1]
            edges = not (_joins(before) and _joins(word[0])) and not (_joins(after) and _joins(word[-1]))
            if edges and (not brand.common or plain.strip(" .!:|-") == word):
                found.append((brand, at))
                break
            at = plain.find(word, at + 1)
    return found


def _joins(char: str) -> bool:
    return bool(char) and char.isalnum() and ord(char) < 0x2E80


def same_label(host: str, brand: Brand) -> bool:
    """Whether a host is the brand's name in a country where the table doesn't know it."""
    domain = registered(host)
    suffix = public_suffix(domain).rpartition(".")[2]
    labels = {d.split(".")[0] for d in brand.domains}
    return bool(domain) and domain.split(".")[0] in labels and len(suffix) == 2 and suffix not in hosts().tlds


def organisation(domain: str) -> str:
    """The label by which one organisation's domains in several countries are the same; empty where another ending
    may be another owner's.

    >>> organisation("patagonia.com"), organisation("patagonia.de"), organisation("patagonia.shop")
    ('patagonia', 'patagonia', '')
    """
    label, _, suffix = domain.partition(".")
    last = suffix.rpartition(".")[2]
    return label if len(label) >= 5 and (len(last) == 2 or suffix == "com") and last not in hosts().tlds else ""


def listed(item: Item) -> set[str]:
    """Domains to which a mail was openly sent: a mailing list's, or the reader's own."""
    return {registered(a.domain) for a in item.mail.addresses("to", "cc")} - {""} if item.mail is not None else set()
