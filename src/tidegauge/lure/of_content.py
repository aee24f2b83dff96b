"""What is attached to an item, and what its form gives away."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegauge.content import DOCUMENTS, SCRIPTS, endings
from tidegauge.lure.looking import Item
from tidegauge.lure.signal import ASIDE, DECORATION, Signal
from tidegauge.lure.words import disguised, find_requests

LEFTOVERS = re.compile(
    r"(?i)\[\s*(?:user ?name|first ?name|last ?name|name|e-?mail|random\w*|domain|date)\s*\]|\{\{?\s*[\w.]+\s*\}?\}|"
    r"%(?:name|email|first_?name|domain)%|##?(?:email|name|domain|random)\w*##?|\[\[-?\w+-?\]\]"
)
"""Fields of a template that nobody filled in."""


def of_attachments(item: Item) -> Iterator[Signal]:
    for looked in item.attached:
        part, inside = looked.part, looked.inside
        name = part.name or part.declared
        ends = endings(part.name)
        runs = part.kind in ("executable", "lnk", "chm") or (ends and ends[-1] in SCRIPTS)
        if runs:
            yield Signal("attached-program", 1.0, f"{name} runs when it is opened", "attachment")
        if len(ends) >= 2 and ends[-1] in SCRIPTS and ends[-2] in DOCUMENTS:
            yield Signal(
                "attached-endings", 1.0, f"{name} looks like a document by its name and is a program", "attachment"
            )
        if part.kind in ("iso", "disk image", "onenote"):
            yield Signal(
                "attached-image",
                1.0,
                f"{name} is a {part.kind} file, in which programs are hidden from scanners",
                "attachment",
            )
        if part.kind == "html" and not (part.inline and part.declared.startswith("image/")):
            yield Signal("attached-page", 1.0, f"{name} is a page that opens in the browser", "attachment")
        told = {
            "pdf": "pdf",
            "zip": "zip",
            "rar": "rar",
            "7z": "7z",
            "png": "image",
            "jpg": "image",
            "jpeg": "image",
            "gif": "image",
            "txt": "text",
        }
        if (
            ends
            and ends[-1] in told
            and told[ends[-1]] != part.kind
            and not (ends[-1] == "txt" and part.kind == "data")
        ):
            yield Signal("attached-lies", 1.0, f"{name} is not what its name says, but {part.kind}", "attachment")
        if inside is None:
            continue
        if inside.macros:
            yield Signal(
                "attached-macros",
                1.0 if "runs by itself" in inside.macros else 0.7,
                f"{name} holds macros" + (f" ({', '.join(inside.macros)})" if inside.macros else ""),
                "attachment",
            )
        if inside.scripts:
            yield Signal("attached-smuggling", 1.0, f"{name} builds a file or moves the reader by script", "attachment")
        if "password" in inside.fields:
            yield Signal("attached-page", 1.0, f"{name} asks for a password", "attachment")
        if inside.locked:
            yield Signal(
                "attached-locked",
                1.0,
                f"{name} is locked with a password, so that it can't be looked into",
                "attachment",
            )
        for inner in inside.names:
            last = endings(inner)
            if last and last[-1] in SCRIPTS:
                yield Signal(
                    "attached-program", 1.0, f"{name} holds {inner}, which runs when it is opened", "attachment"
                )
            if len(last) >= 2 and last[-1] in SCRIPTS and last[-2] in DOCUMENTS:
                yield Signal(
                    "attached-endings", 1.0, f"{name} holds {inner}, a program named like a document", "attachment"
                )


def _torn(text: str) -> int:
    """How many words are torn apart, or written with a capital I for an l, so that programs miss them.

    >>> _torn("WlN een R ltuaIs C adeaukaart"), _torn("Plan A from Mr. Smith")
    (3, 0)
    """
    torn = re.findall(r"(?<![\w.])[B-HJ-Z] [a-z]{3,}", text)
    return (len(torn) if len(torn) > 1 else 0) + len(re.findall(r"[a-z]I[a-z]", text))


def of_form(item: Item) -> Iterator[Signal]:
    raw = item.subject_raw if item.mail is not None else ""
    sender = item.mail.header("from") if item.mail is not None else ""
    masked = disguised(raw) + disguised(item.raw_text[:20_000]) + _torn(f"{sender} {raw}")
    # A capital I that stands for an l: what is then read asks for something.
    masked += 3 * (len(find_requests(item.subject.replace("I", "l"))) > len(find_requests(item.subject)))
    if masked:
        yield Signal(
            "disguised",
            min(1.0, 0.5 + masked / 6),
            "words are written with other letters so that programs don't read them",
            "text",
        )
    page = item.page
    if page.hidden > 200 and page.hidden > len(page.text) / 2:
        yield Signal(
            "hidden-text",
            min(1.0, page.hidden / (len(page.text) + 1)),
            "it hides text that a reader does not see",
            "text",
        )
    if page.images and len(page.text) < 300 and any(link.pictured or link.kind == "area" for link in item.links):
        yield Signal("picture-only", 1.0, "it is little more than a picture that leads somewhere", "text")
    signs = len(DECORATION.findall(item.text[:3000]))
    if signs >= 4:
        yield Signal("shouting", min(1.0, 0.5 + signs / 16), "it is full of little pictures that catch the eye", "text")
    if re.search(r"[!?!?]{2,}", item.subject + item.text[:3000]) or (
        sum(c.isupper() for c in item.subject) > 12 and item.subject.isupper()
    ):
        yield Signal("shouting", 0.7, "it shouts", "text")
    led = [link for link in item.links if link.kind not in ASIDE]
    if 0 < len(led) <= 3 and len(item.text) < 160 and item.kind == "mail":
        yield Signal("only-link", 1.0, "it is little more than a link", "text")
    left = LEFTOVERS.search(f"{item.subject} {item.text[:5000]}") or (item.mail and LEFTOVERS.search(item.sender.shown))
    if left:
        yield Signal("leftovers", 1.0, f"it holds a place that should have been filled in: {left[0][:40]}", "text")
    for address in item.recipients:
        local = address.partition("@")[0]
        if len(local) > 3 and (
            address in item.subject.lower() or re.search(rf"\b{re.escape(local)}\b", item.subject.lower())
        ):
            yield Signal("names-recipient", 1.0, "its subject names the recipient by the mail address", "subject")
            break
