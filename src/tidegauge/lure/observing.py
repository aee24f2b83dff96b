"""What a signal is, the names of all, and how finders of signals are registered.

Nothing among them leans on when a mail was sent, on how its headers are written, on its language, or on marks of
whoever collected it (`Received`, `X-` headers).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from tidegauge.content import Mail
from tidegauge.lure.links import Goal, Link, look_at
from tidegauge.lure.looking import Item
from tidegauge.lure.tables import Brand, Brands, fold, hosts, public_suffix
from tidegauge.lure.words import Hit, find_requests
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


@dataclass(frozen=True)
class Seen:
    """What a finder saw: its strength between 0 and 1, a sentence, and where (as in `Signal`)."""

    value: float
    says: str
    where: str = "text"
    start: int = -1
    end: int = -1


@dataclass
class Look:
    """An item, and what several finders ask of it."""

    item: Item
    brands: Brands

    @property
    def mail(self) -> Mail | None:
        return self.item.mail

    @property
    def shown(self) -> str:
        """The sender's name as it is shown."""
        return self.item.sender.shown

    @cached_property
    def goal(self) -> Goal | None:
        """What the sender's domain is."""
        return look_at(self.item.sender.domain, self.brands) if self.item.sender.domain else None

    @cached_property
    def led(self) -> list[Link]:
        """Links that lead somebody to a page."""
        return [link for link in self.item.links if link.kind not in ASIDE]

    @cached_property
    def own(self) -> set[str]:
        """The sender's domain, and the label that stands for it in other countries."""
        return {self.item.domain, organisation(self.item.domain)} - {""}

    def owns(self, target: Goal) -> bool:
        return bool(self.own & {target.domain, organisation(target.domain)})

    @cached_property
    def rewriter(self) -> str:
        """The one host through which nearly all links lead, as some mail programs rewrite them."""
        goals = Counter(link.goal.domain or link.goal.host for link in self.led)
        most = goals.most_common(1)
        return next((name for name, count in most if len(self.led) >= 3 and count >= 0.8 * len(self.led)), "")

    @cached_property
    def hits(self) -> list[Hit]:
        """Requests in the text, but for those that it quotes."""
        return [hit for hit in find_requests(self.item.text) if not _quoted(self.item.text, hit.start)]

    @cached_property
    def headed(self) -> list[Hit]:
        """Requests in the subject."""
        return find_requests(self.item.subject)

    @cached_property
    def counts(self) -> Counter[str]:
        """How often the text makes each request; 0 where the subject alone does."""
        counts = Counter(hit.request for hit in self.hits)
        counts.update({hit.request: 0 for hit in self.headed})
        return counts

    @cached_property
    def told(self) -> set[str]:
        """Requests of text and subject."""
        return {hit.request for hit in (*self.hits, *self.headed)}

    @property
    def length(self) -> int:
        return max(len(self.item.text), 1)

    @cached_property
    def asked(self) -> set[str]:
        """Requests for something."""
        return {name for name in self.counts if name in ASKING}

    @property
    def dense(self) -> float:
        """How densely requests for something stand."""
        return sum(self.counts[name] for name in self.asked) / max(self.length / 1500, 1.0)

    @cached_property
    def sent_by(self) -> Brand | None:
        """The brand whose own domain the sender has."""
        return self.goal.brand if self.goal is not None else None

    @property
    def free(self) -> bool:
        """Whether it comes from a free mailbox."""
        return self.item.sender.domain in hosts().freemail


Finder = Callable[[Look], Iterator[Seen]]
LinkFinder = Callable[[Look, Link], Iterator[Seen]]
FINDERS: list[tuple[str, Finder]] = []
"""All finders, each with the name of its signal; what one weighs is learned (`benchmarks/lures/train.py`)."""


def observes(name: str) -> Callable[[Finder], Finder]:
    """Register a function that finds one signal in an item."""
    assert name in NAMES

    def register(find: Finder) -> Finder:
        FINDERS.append((name, find))
        return find

    return register


def observes_link(name: str) -> Callable[[LinkFinder], LinkFinder]:
    """Register a function that finds one signal in a link that leads somewhere."""

    def register(find: LinkFinder) -> LinkFinder:
        def in_links(look: Look) -> Iterator[Seen]:
            for number, link in enumerate(look.item.links):
                aside = link.kind in ("image", "frame") and "script-url" not in link.odd
                if link.kind != "mailto" and not aside:
                    yield from (Seen(s.value, s.says, "link", number) for s in find(look, link))

        observes(name)(in_links)
        return find

    return register


def signals(item: Item, brands: Brands) -> list[Signal]:
    """All that is observed of an item; of one name the strongest."""
    look = Look(item, brands)
    best: dict[str, Signal] = {}
    for name, find in FINDERS:
        for seen in find(look):
            if name not in best or seen.value > best[name].value:
                best[name] = Signal(name, seen.value, seen.says, seen.where, seen.start, seen.end)
    return list(best.values())


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


def _quoted(text: str, at: int) -> bool:
    """Whether a place in a text is in a line that quotes somebody else."""
    line = text[text.rfind("\n", 0, at) + 1 : at + 1].lstrip()
    return line.startswith((">", "|>"))
