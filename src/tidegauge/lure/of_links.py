"""Where an item leads: one `Signal` an observation, with the number of its link."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tidegauge.lure.links import Link, look_at, shown_domain
from tidegauge.lure.looking import Item
from tidegauge.lure.signal import ASIDE, ASKING, Signal, brand_words, listed, organisation, same_label
from tidegauge.lure.tables import Brand, Brands, fold, hosts
from tidegauge.lure.words import find_requests
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


ODD = {
    "address": "link-address", "script-url": "link-script", "credentials": "link-credentials", "port": "link-port",
    "hosting": "link-hosting",
    "platform": "link-platform", "shortener": "link-shortener", "tld": "link-tld", "generated": "link-generated",
    "kit": "link-kit", "affiliate": "link-affiliate", "open-redirect": "link-redirect", "program": "link-program",
    "recipient": "link-recipient", "many-labels": "link-labels", "hyphens": "link-labels", "mixed-script": "link-mixed",
    "broken-name": "link-mixed", "encoded": "link-encoded", "young": "link-young",
}  # fmt: skip


CHAT = frozenset("wa.me t.me lin.ee chat.whatsapp.com api.whatsapp.com line.me discord.gg m.me wa.link".split())


SOCIAL = frozenset("Facebook Instagram X LinkedIn TikTok Google Apple WhatsApp Telegram LINE Discord".split())
"""Whose signs stand at the foot of everybody's mails."""


def of_links(item: Item, brands: Brands) -> Iterator[Signal]:
    led = [link for link in item.links if link.kind not in ASIDE]
    sender, domain = item.sender.domain, item.domain
    own = {domain, *(organisation(domain),)} - {""}
    goals = Counter(link.goal.domain or link.goal.host for link in led)
    rewriter = next((name for name, count in goals.most_common(1) if len(led) >= 3 and count >= 0.8 * len(led)), "")
    for number, link in enumerate(item.links):
        if link.kind == "mailto":
            yield from _answers_to(number, link, item)
            continue
        if link.kind in ("image", "frame") and "script-url" not in link.odd:
            if "address" in link.odd:
                yield Signal(
                    "link-address", 0.6, f"a picture in it is loaded from an address, {link.goal.host}", "link", number
                )
            continue
        yield from _of_link(number, link, own, rewriter, brands, "password" in item.page.fields)
    named = [(brand, "subject") for brand, _ in brand_words(item.subject, brands)]
    named += [(brand, "from") for brand, _ in brand_words(item.sender.shown, brands)]
    plain = re.sub(r"(?:https?://|www\.)\S+|\S+\.\w{2,6}/\S*", " ", item.text[:200])[:80]
    named += [(brand, "text") for brand, at in brand_words(plain, brands) if item.kind != "mail" or at < 40]
    sent_by = look_at(sender, brands).brand if sender else None
    asking = any(hit.request in ASKING or hit.request in ("threat", "urgency") for hit in find_requests(item.subject))
    named = [(brand, where) for brand, where in named if where != "subject" or asking]
    for brand, where in named:
        theirs = sent_by == brand or (sender and same_label(sender, brand))
        leads = any(
            brand in (link.goal.brand, brands.beneath(link.goal.host)) or same_label(link.goal.host, brand)
            for link in led
        )
        if led and not leads and not (theirs and all(link.goal.domain in own for link in led)):
            strength = 1.0 if where != "subject" or theirs else 0.6
            yield Signal(
                "brand-elsewhere",
                strength,
                f"it shows {brand.name}, but none of its links leads to {brand.name}",
                where,
            )
    yield from _borrowed(item, brands, sent_by, led)
    if not led:
        return
    home = [link for link in led if link.goal.domain in own or organisation(link.goal.domain) in own]
    whose = led[0].goal.brand
    if whose is not None and all(
        link.goal.brand == whose and not link.odd and not link.through and link.goal.host not in CHAT for link in led
    ):
        yield Signal("links-brand", 1.0, f"all its links lead to {whose.name} itself", "link")
    if item.kind == "mail" and domain:
        share = len(home) / len(led)
        if share:
            yield Signal(
                "links-own",
                share,
                f"{len(home)} of its {len(led)} links lead to the sender's own domain {domain}",
                "link",
            )
        away = [link for link in led if link.goal.brand is None and link.goal.domain not in own | listed(item)
                and organisation(link.goal.domain) not in own and link.goal.domain not in hosts().mailers]  # fmt: skip
        if len(away) == len(led):
            yield Signal("links-elsewhere", 1.0, f"none of its links leads to the sender's domain {domain}", "link")
    targets = {re.sub(r"[?#].*", "", link.goal_url) for link in led if link.kind == "a"}
    places = {link.goal.domain for link in led if link.kind == "a"}
    if (
        len([link for link in led if link.kind == "a"]) >= 2
        and len(places) == 1
        and not places & own
        and not led[0].goal.brand
    ):
        yield Signal(
            "links-one-goal",
            1.0 if len(targets) == 1 else 0.6,
            "all its links lead to one and the same place, which is not the sender's",
            "link",
        )
    if any(_random_path(link.goal_url) for link in led if link.goal.brand is None and link.goal.domain not in own):
        yield Signal("links-random", 0.7, "a link's path is a long random text", "link")


def _answers_to(number: int, link: Link, item: Item) -> Iterator[Signal]:
    """A link that writes a mail to somebody else."""
    address = link.goal_url.lower()
    if link.goal.domain in ("", item.domain) or address in link.shown.lower():
        return
    free = link.goal.host in hosts().freemail
    if free or link.goal.odd & {"tld", "generated"} or address.count("@") > 1:
        yield Signal(
            "link-answers", 1.0, f"a link writes a mail to {address[:100]}, who is not the sender", "link", number
        )


def _borrowed(item: Item, brands: Brands, sent_by: Brand | None, led: list[Link]) -> Iterator[Signal]:
    """A brand's pictures in a mail that is not the brand's and does not lead there."""
    for number, link in enumerate(item.links):
        if link.kind != "image":
            continue
        brand = link.goal.brand
        if brand is None:
            file = re.sub(r"[^a-z]+", " ", fold(link.goal_url.rpartition("/")[2]))
            brand = next((b for b, _ in brand_words(f"{link.shown} {file if 'logo' in file else ''}", brands)), None)
        if brand is None or brand.name in SOCIAL or brand == sent_by or any(a.goal.brand == brand for a in led):
            continue
        yield Signal(
            "borrowed-picture", 1.0, f"it shows a picture of {brand.name}'s, but is not {brand.name}'s", "link", number
        )
        return


def _random_path(url: str) -> bool:
    path = url.partition("://")[2].partition("/")[2]
    return re.search(r"[A-Za-z0-9_-]{24,}", path) is not None


def _of_link(
    number: int, link: Link, own: set[str], rewriter: str, brands: Brands, asks_password: bool
) -> Iterator[Signal]:
    goal, host = link.goal, link.goal.host
    ours = bool(own & {goal.domain, organisation(goal.domain)})
    if goal.plays is not None and not ours:
        said = {"look-alike": "looks like", "within": "hides in its name", "named": "names"}[goal.how]
        strength = 1.0 if goal.how != "named" else 0.8
        yield Signal("link-plays", strength, f"a link leads to {host}, which {said} {goal.plays.name} and is not"
                     f" {goal.plays.name}'s", "link", number)  # fmt: skip
    for mark in link.odd:
        if ours and mark not in ("script-url", "credentials", "mixed-script"):
            continue
        name = ODD.get(mark)
        if name is not None and (
            goal.brand is None or mark in ("script-url", "credentials", "open-redirect", "program")
        ):
            strength = 0.5 if mark == "hyphens" else 1.0
            yield Signal(name, strength, SAYS[name].format(host=host or link.target[:60]), "link", number)
    if host in CHAT:
        yield Signal("link-chat", 1.0, f"it leads away into a chat ({host})", "link", number)
    if link.kind == "code":
        yield Signal("link-code", 1.0, SAYS["link-code"].format(host=host), "link", number)
    if link.kind == "attachment" and not ours:
        yield Signal(
            "attached-link", 1.0 if goal.brand is None else 0.3, SAYS["attached-link"].format(host=host), "link", number
        )
    if link.kind == "form" and asks_password:
        yield Signal("form", 1.0, f"it holds a form that sends what is typed to {host}", "link", number)
    shown = shown_domain(link.shown) if link.kind in ("a", "area") else ""
    if not shown or shown == goal.domain or (organisation(shown) and organisation(shown) == organisation(goal.domain)):
        return
    theirs = brands.owner(shown)
    if theirs is not None and theirs == goal.brand:
        return
    rewritten = goal.domain == rewriter or goal.domain in hosts().mailers or any(
        registered(name) in hosts().mailers for name in link.through
    )  # fmt: skip
    if rewritten and own & {shown, organisation(shown)}:
        return
    if registered(link.shown.lower()) == "" and link.shown.count(".") == 1 and "/" not in link.shown and theirs is None:
        return
    name = "link-mismatch-rewritten" if rewritten or ours else "link-mismatch"
    yield Signal(name, 1.0, f"a link shows {shown}, but leads to {host}", "link", number)
