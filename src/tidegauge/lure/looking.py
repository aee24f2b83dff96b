"""A mail, message or address made ready for judgement: what is shown, its links taken apart, what is attached."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tidegauge.content import (
    Address,
    Apart,
    Attachment,
    Inside,
    Mail,
    Page,
    parse_mail,
    read_page,
)
from tidegauge.lure.links import Link, take_apart, urls_in
from tidegauge.lure.tables import Brands
from tidegauge.lure.words import shown_text
from tidegauge.model.domains import registered

MOST_SHOWN = 100_000
MOST_LINKS = 1000
MOST_INSIDE = 30


@dataclass(frozen=True)
class Looked:
    """An attachment and what lies in it; `None` where it was not opened."""

    part: Attachment
    inside: Inside | None


@dataclass
class Item:
    """What is judged.

    Attributes:
        name: the file, or what it was given as.
        kind: `mail`, `text` or `url`.
        text: what is shown, as `shown_text`; `raw_text` before that.
        links: all that it leads to, pictures apart.
        recipients: addresses that it was sent to, where they are real ones.
    """

    name: str
    kind: str
    text: str
    raw_text: str
    links: list[Link]
    page: Page
    mail: Mail | None = None
    subject: str = ""
    subject_raw: str = ""
    sender: Address = Address("", "")  # noqa: RUF009 - frozen
    recipients: frozenset[str] = frozenset()
    attached: list[Looked] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def domain(self) -> str:
        """The sender's registered domain; empty where there is none."""
        return registered(self.sender.domain)


def _links(text: str, page: Page, brands: Brands, recipients: frozenset[str]) -> list[Link]:
    found: list[Link] = []
    for anchor in page.links:
        shown = shown_text(anchor.shown)
        link = take_apart(
            anchor.target, brands, shown=shown, kind=anchor.kind, at=anchor.at, recipients=recipients,
            pictured=anchor.pictured,
        )
        if link is not None:
            found.append(link)
    known = {link.target for link in found}
    labels = " ".join(link.shown for link in found)
    for url, at in urls_in(text[:MOST_SHOWN]):
        if url not in known and url.removeprefix("http://") not in labels and len(found) < MOST_LINKS:
            known.add(url)
            link = take_apart(url, brands, kind="text", at=at, recipients=recipients)
            if link is not None:
                found.append(link)
    return found[:MOST_LINKS]


def look_at_mail(name: str, data: bytes, brands: Brands, apart: Apart | None) -> Item:
    """A mail, ready to be judged.

    Args:
        apart: opens attachments in a process of its own; without one they are judged from outside only.
    """
    mail = parse_mail(data)
    page = read_page(mail.html) if mail.html else Page()
    raw = page.text if len(page.text) > len(mail.text) // 4 and page.text else _plain(mail.text)
    senders = mail.addresses("from")
    recipients = frozenset(
        a.address.lower() for a in mail.addresses("to", "delivered-to")
        if registered(a.domain)
    )
    text = shown_text(raw[:MOST_SHOWN])
    links = _links(text, page, brands, recipients)
    if raw is page.text and mail.text and not page.links:
        links += _links(shown_text(mail.text[:MOST_SHOWN]), Page(), brands, recipients)
    item = Item(
        name, "mail", text, raw[:MOST_SHOWN], links, page, mail, shown_text(mail.header("subject"))[:1000],
        mail.header("subject")[:1000],
        senders[0] if senders else Address(re.sub(r"<[^>]*>?", "", mail.header("from")).strip(' "'), ""),
        recipients, troubles=list(mail.troubles),
    )
    for part in mail.attachments[:MOST_INSIDE]:
        inside = apart.open(part.data, part.kind, part.name) if apart is not None else None
        item.attached.append(Looked(part, inside))
        if inside is not None:
            item.troubles += [f"{part.name or part.declared}: {trouble}" for trouble in inside.troubles]
            item.links += _links_inside(part.name, inside, brands, recipients)
    return item


def _links_inside(name: str, inside: Inside, brands: Brands, recipients: frozenset[str]) -> Iterator[Link]:
    """Links of an attachment, those in its QR codes included."""
    for kind, urls in (("attachment", inside.links), ("code", inside.codes)):
        for url in urls:
            if (link := take_apart(url, brands, shown=name, kind=kind, recipients=recipients)) is not None:
                yield link


def _plain(text: str) -> str:
    """A text part as it is read; some send markup as plain text."""
    if text.count("<") > 20 and re.search(r"(?i)<(?:html|table|div|p)[ >]", text):
        return read_page(text).text
    return html.unescape(text) if "&#" in text else text


def look_at_text(name: str, text: str, brands: Brands) -> Item:
    """A chat message or post, ready to be judged."""
    shown = shown_text(text[:MOST_SHOWN])
    return Item(name, "text", shown, text[:MOST_SHOWN], _links(shown, Page(), brands, frozenset()), Page())


def look_at_url(url: str, brands: Brands) -> Item:
    """A link alone, ready to be judged."""
    if "://" not in url[:12] and not re.match(r"(?i)(?:javascript|data|vbscript):", url):
        url = "http://" + url
    link = take_apart(url, brands, kind="url")
    return Item(url, "url", "", "", [link] if link else [], Page())
