"""Who a mail says to be from: names against addresses, answers, bounces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from tidegauge.content import Address
from tidegauge.lure.links import look_at
from tidegauge.lure.looking import Item
from tidegauge.lure.observing import DECORATION, Look, Seen, brand_words, observes, organisation, same_label
from tidegauge.lure.tables import fold, hosts, public_suffix
from tidegauge.lure.words import disguised
from tidegauge.model.domains import registered

TITLES = re.compile(r"(?i)\b(?:mrs?|miss|dr|barr(?:ister)?|prof|gen|sgt|rev|sir|madam|esq)\b\.?")


OFFICIAL = re.compile(
    r"(?i)\b(?:support|service|security|account|admin|team|help ?desk|billing|customer|no-?reply|notification|delivery|"
    r"rewards?|winner|kundenservice|sicherheit|soporte|suporte|atendimento|comunicado|seguran[cç]a)\b"
)
ADDRESS_IN_NAME = re.compile(r"([\w.+-]+@)?((?:[a-z0-9-]+\.)+[a-z]{2,24})")
BY_NO_PROGRAM = re.compile(r"\.>|>\s*,|\(<|,\s*\(<")
NUMBERED = re.compile(r"[._]\d{4,}$|^[a-z]+_[a-z]+_\d+$|\d{6,}")


@observes("from-brand")
def from_brand(look: Look) -> Iterator[Seen]:
    if look.mail is None:
        return
    ours, sender = organisation(look.item.domain), look.item.sender
    for brand, _ in brand_words(look.shown, look.brands):
        itself = ours and ours in fold(look.shown).replace(" ", "")
        if itself and look.goal is not None and look.goal.plays is None:
            continue  # it names itself, and the brand as what it writes about
        if look.goal is None or (look.goal.brand != brand and not same_label(sender.domain, brand)):
            says = (
                f"the sender calls itself {brand.name}, but its address is at {sender.domain or 'no domain'}, which is"
                f" not {brand.name}'s"
            )
            yield Seen(1.0, says, "from")


@observes("from-plays")
def from_plays(look: Look) -> Iterator[Seen]:
    if look.mail is not None and look.goal is not None and look.goal.plays is not None:
        says = f"the sender's domain {look.goal.host} looks like {look.goal.plays.name}'s and is not"
        yield Seen(1.0, says, "from")


@observes("from-address-in-name")
def from_address_in_name(look: Look) -> Iterator[Seen]:
    sender, named = look.item.sender, ADDRESS_IN_NAME.search(look.shown.lower())
    if look.mail is None or not named or registered(named[2]) in ("", look.item.domain) or not sender.address:
        return
    if named[1] or look.brands.owner(named[2]):
        yield Seen(1.0, f"the sender's name shows {named[0]}, but the address is at {sender.domain}", "from")


@observes("from-broken")
def from_broken(look: Look) -> Iterator[Seen]:
    if look.mail is None:
        return
    senders, sender = look.mail.addresses("from"), look.item.sender
    different = {registered(s.domain) for s in senders}
    nowhere = sender.domain and not look.item.domain and not _home(look.item)
    if not senders or len(different) > 1 or nowhere:
        says = "the sender's address can't be one" if len(different) < 2 else "it names several senders"
        yield Seen(1.0, says, "from")
    elif BY_NO_PROGRAM.search(look.mail.header("from")):
        yield Seen(0.7, "the sender is written as no mail program writes it", "from")


@observes("from-generated")
def from_generated(look: Look) -> Iterator[Seen]:
    goal, domain, host = look.goal, look.item.domain, look.item.sender.domain
    if look.mail is None or goal is None or goal.brand is not None:
        return
    if "generated" in goal.odd or _random(domain.split(".")[0]):
        yield Seen(1.0, f"the sender's domain {domain} looks made by a program", "from")
    below = host.removesuffix(domain).strip(".")
    if "many-labels" in goal.odd or (below and _random(below.replace(".", ""))):
        yield Seen(0.7, f"the sender's host {host} looks made by a program", "from")


@observes("from-tld")
def from_tld(look: Look) -> Iterator[Seen]:
    if look.mail is not None and look.goal is not None and look.goal.brand is None and "tld" in look.goal.odd:
        domain = look.item.domain
        says = f"the sender's domain {domain} is under .{public_suffix(domain)}, where phishing is frequent"
        yield Seen(1.0, says, "from")


@observes("from-random")
def from_random(look: Look) -> Iterator[Seen]:
    if look.mail is None:
        return
    if _is_random(look.item.sender.address):
        yield Seen(1.0, f"the sender's address {look.item.sender.address} looks made by a program", "from")
    for bounce in look.mail.addresses("return-path")[:1]:
        if _random(bounce.address.partition("@")[0].partition("+")[0]) and not _automatic(bounce.address):
            yield Seen(0.7, f"what bounces goes to {bounce.address}, which looks made by a program", "headers")


@observes("from-local")
def from_local(look: Look) -> Iterator[Seen]:
    address = look.item.sender.address
    if look.mail is None or _automatic(address) or _is_random(address):
        return
    if NUMBERED.search(address.partition("@")[0].lower()):
        yield Seen(1.0, f"the sender's address {address} looks made by a program", "from")


@observes("from-disguised")
def from_disguised(look: Look) -> Iterator[Seen]:
    if look.mail is not None and disguised(look.mail.header("from")):
        yield Seen(1.0, "the sender's name is written with letters of other scripts that look Latin", "from")


@observes("from-official-free")
def from_official_free(look: Look) -> Iterator[Seen]:
    if look.mail is not None and look.free and (OFFICIAL.search(look.shown) or TITLES.search(look.shown)):
        yield Seen(1.0, f"{look.shown!r} writes from a free mailbox ({look.item.sender.domain})", "from")


@observes("reply-free")
def reply_free(look: Look) -> Iterator[Seen]:
    for reply, another in _replies(look):
        if reply.domain in hosts().freemail:
            says = f"answers go to {'another' if another else 'a'} free mailbox, {reply.address}"
            yield Seen(0.6 if another else 1.0, says, "headers")


@observes("reply-elsewhere")
def reply_elsewhere(look: Look) -> Iterator[Seen]:
    for reply, another in _replies(look):
        if not another and reply.domain not in hosts().freemail:
            yield Seen(1.0, f"answers go to {reply.domain}, not to {look.item.sender.domain}", "headers")


def _replies(look: Look) -> Iterator[tuple[Address, bool]]:
    """Addresses to which answers go that are not the sender's, and whether each is at the sender's own domain."""
    if look.mail is None:
        return
    sender, domain = look.item.sender, look.item.domain
    listed = {a.address.lower() for a in look.mail.addresses("to", "cc")}
    for reply in look.mail.addresses("reply-to")[:5]:
        known = reply.address.lower() in listed
        if registered(reply.domain) != domain and not known and domain:
            yield reply, False
        elif not known and reply.address.lower() != sender.address.lower():
            yield reply, True


@observes("bounce-elsewhere")
def bounce_elsewhere(look: Look) -> Iterator[Seen]:
    domain = look.item.domain
    if look.mail is None or not domain:
        return
    bounces = [a for a in look.mail.addresses("return-path", "sender") if registered(a.domain)]
    if not bounces or any(registered(b.domain) == domain for b in bounces):
        return
    through = registered(bounces[0].domain)
    if through not in hosts().mailers:
        yield Seen(1.0, f"it was sent through {through}, not {domain}", "headers")


@observes("message-id")
def message_id(look: Look) -> Iterator[Seen]:
    if look.mail is None:
        return
    ident = re.search(r"@([^\s<>@]+)>?\s*$", look.mail.header("message-id"))
    host = look_at(ident[1].lower(), look.brands) if ident else None
    if host is None or host.domain == look.item.domain:
        return
    if host.plays is not None or host.odd & {"tld", "generated", "mixed-script"}:
        yield Seen(1.0, f"its message identifier names {host.host}, an odd host", "headers")


@observes("hidden-recipients")
def hidden_recipients(look: Look) -> Iterator[Seen]:
    if look.mail is not None:
        to = look.mail.header("to")
        if not to or "undisclosed" in to.lower():
            yield Seen(1.0, "it hides to whom it was sent", "headers")


@observes("name-decorated")
def name_decorated(look: Look) -> Iterator[Seen]:
    if look.mail is None:
        return
    decorated = len(DECORATION.findall(look.shown)) + len(DECORATION.findall(look.item.subject))
    drawn = re.search(r"[_#*~|]{2,}|,_$|\.{4,}", look.shown + look.item.subject)
    if decorated or drawn or re.search(r"\d{8,}", look.shown):
        yield Seen(min(1.0, 0.5 + decorated / 4), "its name or subject is decorated to catch the eye", "from")


def _is_random(address: str) -> bool:
    """Whether a part of an address is no word, and it is none of a mailing service's."""
    pieces = re.split(r"[._+-]", address.partition("@")[0])
    return not _automatic(address) and any(_random(piece) for piece in pieces)


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
