"""What is attached to an item, and what its form gives away."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegauge.content import DOCUMENTS, SCRIPTS, endings
from tidegauge.lure.observing import DECORATION, Look, Seen, observes
from tidegauge.lure.words import disguised, find_requests

LEFTOVERS = re.compile(
    r"(?i)\[\s*(?:user ?name|first ?name|last ?name|name|e-?mail|random\w*|domain|date)\s*\]|\{\{?\s*[\w.]+\s*\}?\}|"
    r"%(?:name|email|first_?name|domain)%|##?(?:email|name|domain|random)\w*##?|\[\[-?\w+-?\]\]"
)
"""Fields of a template that nobody filled in."""
KINDS_BY_ENDING = {
    "pdf": "pdf", "zip": "zip", "rar": "rar", "7z": "7z", "png": "image", "jpg": "image", "jpeg": "image",
    "gif": "image", "txt": "text",
}
RUNNING = ("executable", "lnk", "chm")
IMAGES = ("iso", "disk image", "onenote")


def _attached(look: Look) -> Iterator[tuple[str, list[str]]]:
    """Names of attachments as they are told, and the endings of each."""
    for looked in look.item.attached:
        yield looked.part.name or looked.part.declared, endings(looked.part.name)


def _as_document(ends: list[str]) -> bool:
    """Whether a name is that of a document to the eye, and of a program to the system."""
    return len(ends) >= 2 and ends[-1] in SCRIPTS and ends[-2] in DOCUMENTS


@observes("attached-program")
def attached_program(look: Look) -> Iterator[Seen]:
    for looked, (name, ends) in zip(look.item.attached, _attached(look), strict=True):
        if looked.part.kind in RUNNING or (ends and ends[-1] in SCRIPTS):
            yield Seen(1.0, f"{name} runs when it is opened", "attachment")
        for inner in looked.inside.names if looked.inside is not None else ():
            last = endings(inner)
            if last and last[-1] in SCRIPTS:
                yield Seen(1.0, f"{name} holds {inner}, which runs when it is opened", "attachment")


@observes("attached-endings")
def attached_endings(look: Look) -> Iterator[Seen]:
    for looked, (name, ends) in zip(look.item.attached, _attached(look), strict=True):
        if _as_document(ends):
            yield Seen(1.0, f"{name} looks like a document by its name and is a program", "attachment")
        for inner in looked.inside.names if looked.inside is not None else ():
            if _as_document(endings(inner)):
                yield Seen(1.0, f"{name} holds {inner}, a program named like a document", "attachment")


@observes("attached-image")
def attached_image(look: Look) -> Iterator[Seen]:
    for looked, (name, _) in zip(look.item.attached, _attached(look), strict=True):
        if looked.part.kind in IMAGES:
            says = f"{name} is a {looked.part.kind} file, in which programs are hidden from scanners"
            yield Seen(1.0, says, "attachment")


@observes("attached-page")
def attached_page(look: Look) -> Iterator[Seen]:
    for looked, (name, _) in zip(look.item.attached, _attached(look), strict=True):
        part, inside = looked.part, looked.inside
        if part.kind == "html" and not (part.inline and part.declared.startswith("image/")):
            yield Seen(1.0, f"{name} is a page that opens in the browser", "attachment")
        if inside is not None and "password" in inside.fields:
            yield Seen(1.0, f"{name} asks for a password", "attachment")


@observes("attached-lies")
def attached_lies(look: Look) -> Iterator[Seen]:
    for looked, (name, ends) in zip(look.item.attached, _attached(look), strict=True):
        kind, told = looked.part.kind, KINDS_BY_ENDING.get(ends[-1]) if ends else None
        if told not in (None, kind) and not (told == "text" and kind == "data"):
            yield Seen(1.0, f"{name} is not what its name says, but {kind}", "attachment")


@observes("attached-macros")
def attached_macros(look: Look) -> Iterator[Seen]:
    for looked, (name, _) in zip(look.item.attached, _attached(look), strict=True):
        if looked.inside is not None and (macros := looked.inside.macros):
            value = 1.0 if "runs by itself" in macros else 0.7
            yield Seen(value, f"{name} holds macros ({', '.join(macros)})", "attachment")


@observes("attached-smuggling")
def attached_smuggling(look: Look) -> Iterator[Seen]:
    for looked, (name, _) in zip(look.item.attached, _attached(look), strict=True):
        if looked.inside is not None and looked.inside.scripts:
            yield Seen(1.0, f"{name} builds a file or moves the reader by script", "attachment")


@observes("attached-locked")
def attached_locked(look: Look) -> Iterator[Seen]:
    for looked, (name, _) in zip(look.item.attached, _attached(look), strict=True):
        if looked.inside is not None and looked.inside.locked:
            yield Seen(1.0, f"{name} is locked with a password, so that it can't be looked into", "attachment")


@observes("disguised")
def disguised_words(look: Look) -> Iterator[Seen]:
    item = look.item
    raw = item.subject_raw if item.mail is not None else ""
    sender = item.mail.header("from") if item.mail is not None else ""
    masked = disguised(raw) + disguised(item.raw_text[:20_000]) + _torn(f"{sender} {raw}")
    # A capital I that stands for an l: what is then read asks for something.
    masked += 3 * (len(find_requests(item.subject.replace("I", "l"))) > len(look.headed))
    if masked:
        yield Seen(min(1.0, 0.5 + masked / 6), "words are written with other letters so that programs don't read them")


def _torn(text: str) -> int:
    """How many words are torn apart, or written with a capital I for an l, so that programs miss them.

    >>> _torn("WlN een R ltuaIs C adeaukaart"), _torn("Plan A from Mr. Smith")
    (3, 0)
    """
    torn = re.findall(r"(?<![\w.])[B-HJ-Z] [a-z]{3,}", text)
    return (len(torn) if len(torn) > 1 else 0) + len(re.findall(r"[a-z]I[a-z]", text))


@observes("hidden-text")
def hidden_text(look: Look) -> Iterator[Seen]:
    page = look.item.page
    if page.hidden > 200 and page.hidden > len(page.text) / 2:
        yield Seen(min(1.0, page.hidden / (len(page.text) + 1)), "it hides text that a reader does not see")


@observes("picture-only")
def picture_only(look: Look) -> Iterator[Seen]:
    page = look.item.page
    leads = any(link.pictured or link.kind == "area" for link in look.item.links)
    if page.images and len(page.text) < 300 and leads:
        yield Seen(1.0, "it is little more than a picture that leads somewhere")


@observes("shouting")
def shouting(look: Look) -> Iterator[Seen]:
    subject, text = look.item.subject, look.item.text[:3000]
    signs = len(DECORATION.findall(text))
    if signs >= 4:
        yield Seen(min(1.0, 0.5 + signs / 16), "it is full of little pictures that catch the eye")
    loud = sum(c.isupper() for c in subject) > 12 and subject.isupper()
    if loud or re.search(r"[!?]{2,}", subject + text):
        yield Seen(0.7, "it shouts")


@observes("only-link")
def only_link(look: Look) -> Iterator[Seen]:
    if 0 < len(look.led) <= 3 and len(look.item.text) < 160 and look.item.kind == "mail":
        yield Seen(1.0, "it is little more than a link")


@observes("leftovers")
def leftovers(look: Look) -> Iterator[Seen]:
    item = look.item
    left = LEFTOVERS.search(f"{item.subject} {item.text[:5000]}") or (item.mail and LEFTOVERS.search(look.shown))
    if left:
        yield Seen(1.0, f"it holds a place that should have been filled in: {left[0][:40]}")


@observes("names-recipient")
def names_recipient(look: Look) -> Iterator[Seen]:
    subject = look.item.subject.lower()
    for address in look.item.recipients:
        local = address.partition("@")[0]
        if len(local) > 3 and (address in subject or re.search(rf"\b{re.escape(local)}\b", subject)):
            yield Seen(1.0, "its subject names the recipient by the mail address", "subject")
            return
