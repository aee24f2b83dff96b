"""Who a mail says to be from: names against addresses, answers, bounces; one `Signal` an observation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from tidegauge.lure.links import look_at
from tidegauge.lure.looking import Item
from tidegauge.lure.signal import DECORATION, Signal, brand_words, organisation, same_label
from tidegauge.lure.tables import Brands, fold, hosts, public_suffix
from tidegauge.lure.words import disguised
from tidegauge.model.domains import registered

TITLES = re.compile(r"(?i)\b(?:mrs?|miss|dr|barr(?:ister)?|prof|gen|sgt|rev|sir|madam|esq)\b\.?")


OFFICIAL = re.compile(
    r"(?i)\b(?:support|service|security|account|admin|team|help ?desk|billing|customer|no-?reply|notification|delivery|"
    r"rewards?|winner|kundenservice|sicherheit|soporte|suporte|atendimento|comunicado|seguran[cç]a)\b"
)


def of_sender(item: Item, brands: Brands) -> Iterator[Signal]:
    mail = item.mail
    if mail is None:
        return
    shown, domain = item.sender.shown, item.domain
    senders = mail.addresses("from")
    goal = look_at(item.sender.domain, brands) if item.sender.domain else None
    for brand, _ in brand_words(shown, brands):
        if (
            organisation(domain)
            and organisation(domain) in fold(shown).replace(" ", "")
            and goal
            and goal.plays is None
        ):
            continue  # it names itself, and the brand as what it writes about
        if goal is None or (goal.brand != brand and not same_label(item.sender.domain, brand)):
            yield Signal("from-brand", 1.0, f"the sender calls itself {brand.name}, but its address is at"
                         f" {item.sender.domain or 'no domain'}, which is not {brand.name}'s", "from")  # fmt: skip
    local = item.sender.address.partition("@")[0]
    if goal is not None and goal.plays is not None:
        yield Signal(
            "from-plays", 1.0, f"the sender's domain {goal.host} looks like {goal.plays.name}'s and is not", "from"
        )
    named = re.search(r"([\w.+-]+@)?((?:[a-z0-9-]+\.)+[a-z]{2,24})", shown.lower())
    if (
        named
        and registered(named[2]) not in ("", domain)
        and (named[1] or brands.owner(named[2]))
        and item.sender.address
    ):
        yield Signal(
            "from-address-in-name",
            1.0,
            f"the sender's name shows {named[0]}, but the address is at {item.sender.domain}",
            "from",
        )
    different = {registered(s.domain) for s in senders}
    if not senders or len(different) > 1 or (item.sender.domain and not domain and not _home(item)):
        says = "the sender's address can't be one" if len(different) < 2 else "it names several senders"
        yield Signal("from-broken", 1.0, says, "from")
    elif re.search(r"\.>|>\s*,|\(<|,\s*\(<", mail.header("from")):
        yield Signal("from-broken", 0.7, "the sender is written as no mail program writes it", "from")
    if goal is not None and goal.brand is None:
        if "generated" in goal.odd or _random(domain.split(".")[0]):
            yield Signal("from-generated", 1.0, f"the sender's domain {domain} looks made by a program", "from")
        below = item.sender.domain.removesuffix(domain).strip(".")
        if "many-labels" in goal.odd or (below and _random(below.replace(".", ""))):
            yield Signal(
                "from-generated", 0.7, f"the sender's host {item.sender.domain} looks made by a program", "from"
            )
        if "tld" in goal.odd:
            yield Signal("from-tld", 1.0, f"the sender's domain {domain} is under .{public_suffix(domain)}, where"
                         " phishing is frequent", "from")  # fmt: skip
    if not _automatic(item.sender.address):
        made = f"the sender's address {item.sender.address} looks made by a program"
        if any(_random(piece) for piece in re.split(r"[._+-]", local)):
            yield Signal("from-random", 1.0, made, "from")
        elif re.search(r"[._]\d{4,}$|^[a-z]+_[a-z]+_\d+$|\d{6,}", local.lower()):
            yield Signal("from-local", 1.0, made, "from")
    if disguised(mail.header("from")):
        yield Signal(
            "from-disguised", 1.0, "the sender's name is written with letters of other scripts that look Latin", "from"
        )
    for bounce in mail.addresses("return-path")[:1]:
        if _random(bounce.address.partition("@")[0].partition("+")[0]) and not _automatic(bounce.address):
            yield Signal(
                "from-random", 0.7, f"what bounces goes to {bounce.address}, which looks made by a program", "headers"
            )
    free = item.sender.domain in hosts().freemail
    if free and (OFFICIAL.search(shown) or TITLES.search(shown)):
        yield Signal("from-official-free", 1.0, f"{shown!r} writes from a free mailbox ({item.sender.domain})", "from")
    for reply in mail.addresses("reply-to")[:5]:
        listed = {a.address.lower() for a in mail.addresses("to", "cc")}
        theirs = registered(reply.domain)
        if theirs == domain or reply.address.lower() in listed or not domain:
            if (
                reply.domain in hosts().freemail
                and reply.address.lower() != item.sender.address.lower()
                and reply.address.lower() not in listed
            ):
                yield Signal("reply-free", 0.6, f"answers go to another free mailbox, {reply.address}", "headers")
            continue
        if reply.domain in hosts().freemail:
            yield Signal("reply-free", 1.0, f"answers go to a free mailbox, {reply.address}", "headers")
        else:
            yield Signal(
                "reply-elsewhere", 1.0, f"answers go to {reply.domain}, not to {item.sender.domain}", "headers"
            )
    bounces = [a for a in mail.addresses("return-path", "sender") if registered(a.domain)]
    if domain and bounces and all(registered(b.domain) != domain for b in bounces):
        through = registered(bounces[0].domain)
        if through not in hosts().mailers:
            yield Signal("bounce-elsewhere", 1.0, f"it was sent through {through}, not {domain}", "headers")
    ident = re.search(r"@([^\s<>@]+)>?\s*$", mail.header("message-id"))
    host = look_at(ident[1].lower(), brands) if ident else None
    if (
        host is not None
        and host.domain != domain
        and (host.plays is not None or host.odd & {"tld", "generated", "mixed-script"})
    ):
        yield Signal("message-id", 1.0, f"its message identifier names {host.host}, an odd host", "headers")
    to = mail.header("to")
    if not to or "undisclosed" in to.lower():
        yield Signal("hidden-recipients", 1.0, "it hides to whom it was sent", "headers")
    decorated = len(DECORATION.findall(shown)) + len(DECORATION.findall(item.subject))
    if decorated or re.search(r"[_#*~|]{2,}|,_$|\.{4,}", shown + item.subject) or re.search(r"\d{8,}", shown):
        yield Signal(
            "name-decorated", min(1.0, 0.5 + decorated / 4), "its name or subject is decorated to catch the eye", "from"
        )


def _automatic(address: str) -> bool:
    """Whether an address is one by which mailing services count what bounces."""
    local = address.partition("@")[0]
    return "=" in local or "#" in local or local.count("-") >= 3 or re.match(r"\d+[.-]", local) is not None


def _home(item: Item) -> bool:
    """Whether the sender has the recipient's own domain, of an internal name."""
    assert item.mail is not None
    return any(a.domain == item.sender.domain for a in item.mail.addresses("to", "delivered-to"))


def _random(word: str) -> bool:
    """Whether a word is no word of any language: few vowels, capitals within, digits within.

    >>> _random("RzGncBGR"), _random("newsletter"), _random("fgnfv"), _random("jsmith")
    (True, False, True, False)
    """
    letters = [c for c in word if c.isalpha()]
    if len(word) < 5 or not letters:
        return False
    capitals = sum(a.islower() and b.isupper() for a, b in pairwise(word))
    vowels = sum(c.lower() in ("aeiou" if capitals else "aeiouy") for c in letters) / len(letters)
    turns = sum(a.isdigit() != b.isdigit() for a, b in pairwise(word))
    return capitals >= 2 or vowels < 0.12 or (turns >= 3 and len(word) >= 7)
