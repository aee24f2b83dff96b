"""Where an item leads; what is seen in a link names it by its number."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegauge.lure.links import Link, shown_domain
from tidegauge.lure.observing import (
    ASKING,
    Look,
    Seen,
    brand_words,
    listed,
    observes,
    observes_link,
    organisation,
    same_label,
)
from tidegauge.lure.tables import Brand, fold, hosts
from tidegauge.model.domains import registered

SAYS = {
    "link-address": "a link leads to an address instead of a name: {host}",
    "link-script": "a link runs a script or holds a page within itself",
    "link-credentials": "a link hides its goal {host} behind a name and @",
    "link-port": "a link leads to an unusual port of {host}",
    "link-hosting": "a link leads to {host}, where anybody can put a page",
    "link-platform": "a link leads to something shared at {host}",
    "link-shortener": "a link's goal is hidden by a shortener: {host}",
    "link-tld": "a link leads to {host}, under an ending where phishing is frequent",
    "link-generated": "a link leads to {host}, a name that looks made by a program",
    "link-kit": "a link's path is one that phishing pages use: {host}",
    "link-affiliate": "a link counts clicks for somebody who is paid for them: {host}",
    "link-redirect": "a link is led on through another host's open redirect to {host}",
    "link-program": "a link fetches a program or archive from {host}",
    "link-recipient": "a link to {host} carries the recipient's address",
    "link-labels": "a link's name is long or has many parts: {host}",
    "link-mixed": "a link's name mixes scripts so that it looks like another: {host}",
    "link-encoded": "a link is encoded so that it can't be read: {host}",
    "link-young": "a link leads to {host}, which was registered only lately",
    "link-code": "a picture holds a code that leads to {host}",
    "attached-link": "an attachment leads to {host}",
}
ODD: dict[str, dict[str, float]] = {
    "link-address": {"address": 1.0}, "link-script": {"script-url": 1.0}, "link-credentials": {"credentials": 1.0},
    "link-port": {"port": 1.0}, "link-hosting": {"hosting": 1.0}, "link-platform": {"platform": 1.0},
    "link-shortener": {"shortener": 1.0}, "link-tld": {"tld": 1.0}, "link-generated": {"generated": 1.0},
    "link-kit": {"kit": 1.0}, "link-affiliate": {"affiliate": 1.0}, "link-redirect": {"open-redirect": 1.0},
    "link-program": {"program": 1.0}, "link-recipient": {"recipient": 1.0},
    "link-labels": {"many-labels": 1.0, "hyphens": 0.5}, "link-mixed": {"mixed-script": 1.0, "broken-name": 1.0},
    "link-encoded": {"encoded": 1.0}, "link-young": {"young": 1.0},
}
"""Signals of what is odd about a link (marks of `links.MARKS`), and the strength of each mark."""
EVEN_OURS = ("script-url", "credentials", "mixed-script")
"""Marks that are odd in links to the sender's own domain too."""
EVEN_BRANDS = ("script-url", "credentials", "open-redirect", "program")
"""And in links to a brand's."""
PLAYS = {"look-alike": "looks like", "within": "hides in its name", "named": "names"}
CHAT = frozenset("wa.me t.me lin.ee chat.whatsapp.com api.whatsapp.com line.me discord.gg m.me wa.link".split())


SOCIAL = frozenset("Facebook Instagram X LinkedIn TikTok Google Apple WhatsApp Telegram LINE Discord".split())
"""Whose signs stand at the foot of everybody's mails."""


def _finds_odd(name: str, marks: dict[str, float]) -> None:
    @observes_link(name)
    def odd_link(look: Look, link: Link) -> Iterator[Seen]:
        ours = look.owns(link.goal)
        for mark in link.odd:
            kept = (not ours or mark in EVEN_OURS) and (link.goal.brand is None or mark in EVEN_BRANDS)
            if mark in marks and kept:
                yield Seen(marks[mark], SAYS[name].format(host=link.goal.host or link.target[:60]))


for _name, _marks in ODD.items():
    _finds_odd(_name, _marks)


@observes("link-address")
def picture_from_address(look: Look) -> Iterator[Seen]:
    for number, link in enumerate(look.item.links):
        if link.kind in ("image", "frame") and "script-url" not in link.odd and "address" in link.odd:
            yield Seen(0.6, f"a picture in it is loaded from an address, {link.goal.host}", "link", number)


@observes_link("link-plays")
def link_plays(look: Look, link: Link) -> Iterator[Seen]:
    plays, how = link.goal.plays, link.goal.how
    if plays is not None and not look.owns(link.goal):
        says = f"a link leads to {link.goal.host}, which {PLAYS[how]} {plays.name} and is not {plays.name}'s"
        yield Seen(1.0 if how != "named" else 0.8, says)


@observes_link("link-chat")
def link_chat(look: Look, link: Link) -> Iterator[Seen]:
    if link.goal.host in CHAT:
        yield Seen(1.0, f"it leads away into a chat ({link.goal.host})")


@observes_link("link-code")
def link_code(look: Look, link: Link) -> Iterator[Seen]:
    if link.kind == "code":
        yield Seen(1.0, SAYS["link-code"].format(host=link.goal.host))


@observes_link("attached-link")
def attached_link(look: Look, link: Link) -> Iterator[Seen]:
    if link.kind == "attachment" and not look.owns(link.goal):
        yield Seen(1.0 if link.goal.brand is None else 0.3, SAYS["attached-link"].format(host=link.goal.host))


@observes_link("form")
def form(look: Look, link: Link) -> Iterator[Seen]:
    if link.kind == "form" and "password" in look.item.page.fields:
        yield Seen(1.0, f"it holds a form that sends what is typed to {link.goal.host}")


@observes_link("link-mismatch")
def link_mismatch(look: Look, link: Link) -> Iterator[Seen]:
    yield from _mismatch(look, link, rewritten=False)


@observes_link("link-mismatch-rewritten")
def link_mismatch_rewritten(look: Look, link: Link) -> Iterator[Seen]:
    yield from _mismatch(look, link, rewritten=True)


def _same_owner(one: str, other: str) -> bool:
    return one == other or bool(organisation(one) and organisation(one) == organisation(other))


def _mismatch(look: Look, link: Link, *, rewritten: bool) -> Iterator[Seen]:
    """A link that shows another domain than the one to which it leads; by way of a service that rewrites links, or to
    the sender's own domain, it says less."""
    goal = link.goal
    shown = shown_domain(link.shown) if link.kind in ("a", "area") else ""
    if not shown or _same_owner(shown, goal.domain):
        return
    theirs = look.brands.owner(shown)
    ways = (goal.domain, *map(registered, link.through))
    through = goal.domain == look.rewriter or not hosts().mailers.isdisjoint(ways)
    if (theirs is not None and theirs == goal.brand) or (through and look.own & {shown, organisation(shown)}):
        return
    bare = not registered(link.shown.lower()) and re.fullmatch(r"[^/.]*\.[^/.]*", link.shown, re.DOTALL)
    if (bare and theirs is None) or (through or look.owns(goal)) != rewritten:
        return
    yield Seen(1.0, f"a link shows {shown}, but leads to {goal.host}")


@observes("link-answers")
def link_answers(look: Look) -> Iterator[Seen]:
    """A link that writes a mail to somebody else."""
    for number, link in enumerate(look.item.links):
        address = link.goal_url.lower()
        if link.kind != "mailto" or link.goal.domain in ("", look.item.domain) or address in link.shown.lower():
            continue
        free = link.goal.host in hosts().freemail
        if free or link.goal.odd & {"tld", "generated"} or address.count("@") > 1:
            yield Seen(1.0, f"a link writes a mail to {address[:100]}, who is not the sender", "link", number)


def _named(look: Look) -> list[tuple[Brand, str]]:
    """Brands that an item names at its head, and where."""
    item, found = look.item, []
    asking = any(hit.request in ASKING or hit.request in ("threat", "urgency") for hit in look.headed)
    if asking:
        found += [(brand, "subject") for brand, _ in brand_words(item.subject, look.brands)]
    found += [(brand, "from") for brand, _ in brand_words(look.shown, look.brands)]
    plain = re.sub(r"(?:https?://|www\.)\S+|\S+\.\w{2,6}/\S*", " ", item.text[:200])[:80]
    return found + [(b, "text") for b, at in brand_words(plain, look.brands) if item.kind != "mail" or at < 40]


@observes("brand-elsewhere")
def brand_elsewhere(look: Look) -> Iterator[Seen]:
    if not look.led:
        return
    sender = look.item.sender.domain
    for brand, where in _named(look):
        theirs = look.sent_by == brand or (sender and same_label(sender, brand))
        leads = any(
            brand in (link.goal.brand, look.brands.beneath(link.goal.host)) or same_label(link.goal.host, brand)
            for link in look.led
        )
        if not leads and not (theirs and all(link.goal.domain in look.own for link in look.led)):
            strength = 1.0 if where != "subject" or theirs else 0.6
            yield Seen(strength, f"it shows {brand.name}, but none of its links leads to {brand.name}", where)


@observes("borrowed-picture")
def borrowed_picture(look: Look) -> Iterator[Seen]:
    """A brand's picture in a mail that is not the brand's and does not lead there."""
    for number, link in enumerate(look.item.links):
        if link.kind != "image":
            continue
        brand = link.goal.brand
        if brand is None:
            file = re.sub(r"[^a-z]+", " ", fold(link.goal_url.rpartition("/")[2]))
            told = brand_words(f"{link.shown} {file if 'logo' in file else ''}", look.brands)
            brand = next((b for b, _ in told), None)
        known = brand is None or brand.name in SOCIAL or brand == look.sent_by
        if brand is None or known or any(a.goal.brand == brand for a in look.led):
            continue
        yield Seen(1.0, f"it shows a picture of {brand.name}'s, but is not {brand.name}'s", "link", number)
        return


@observes("links-brand")
def links_brand(look: Look) -> Iterator[Seen]:
    whose = look.led[0].goal.brand if look.led else None
    if whose is not None and all(
        link.goal.brand == whose and not link.odd and not link.through and link.goal.host not in CHAT
        for link in look.led
    ):
        yield Seen(1.0, f"all its links lead to {whose.name} itself", "link")


@observes("links-own")
def links_own(look: Look) -> Iterator[Seen]:
    domain = look.item.domain
    home = [k for k in look.led if k.goal.domain in look.own or organisation(k.goal.domain) in look.own]
    if look.item.kind == "mail" and domain and home:
        says = f"{len(home)} of its {len(look.led)} links lead to the sender's own domain {domain}"
        yield Seen(len(home) / len(look.led), says, "link")


@observes("links-elsewhere")
def links_elsewhere(look: Look) -> Iterator[Seen]:
    domain = look.item.domain
    if not look.led or look.item.kind != "mail" or not domain:
        return
    near = look.own | listed(look.item)
    if all(
        link.goal.brand is None and link.goal.domain not in near and organisation(link.goal.domain) not in look.own
        and link.goal.domain not in hosts().mailers for link in look.led
    ):
        yield Seen(1.0, f"none of its links leads to the sender's domain {domain}", "link")


@observes("links-one-goal")
def links_one_goal(look: Look) -> Iterator[Seen]:
    anchors = [link for link in look.led if link.kind == "a"]
    places = {link.goal.domain for link in anchors}
    if len(anchors) < 2 or len(places) != 1 or places & look.own or look.led[0].goal.brand:
        return
    targets = {re.sub(r"[?#].*", "", link.goal_url) for link in anchors}
    says = "all its links lead to one and the same place, which is not the sender's"
    yield Seen(1.0 if len(targets) == 1 else 0.6, says, "link")


@observes("links-random")
def links_random(look: Look) -> Iterator[Seen]:
    strange = [k for k in look.led if k.goal.brand is None and k.goal.domain not in look.own]
    if any(_random_path(link.goal_url) for link in strange):
        yield Seen(0.7, "a link's path is a long random text", "link")


def _random_path(url: str) -> bool:
    path = url.partition("://")[2].partition("/")[2]
    return re.search(r"[A-Za-z0-9_-]{24,}", path) is not None
