"""Markup as a reader sees it: its text, where its links lead, and what it hides; nothing of it is loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

MOST_MARKUP = 1 << 20
MOST_TAGS = 20_000
"""The parser's time grows with the square of the depth: this many nested tags take half a second."""
MOST_NODES = 200_000
MOST_LINKS = 2000
MOST_TEXT = 1 << 20
BLOCKS = frozenset(
    """
    p div br tr td th table li ul ol h1 h2 h3 h4 h5 h6 hr blockquote section article header footer form center
    pre option dt dd
    """.split()
)
SILENT = frozenset("script style head title noscript template object svg math".split())
HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])|"
    r"(?:max-height|height|width)\s*:\s*0(?![.\d%])|text-indent\s*:\s*-\d{3}"
)
SMUGGLES = re.compile(
    r"\bmsSaveOrOpenBlob\b|\bcreateObjectURL\b|new\s+Blob\b|\.download\s*=|\batob\s*\(|\bunescape\s*\(|"
    r"String\.fromCharCode|document\.write\s*\(|\beval\s*\(|window\.location|location\.(?:href|replace)"
)


@dataclass(frozen=True)
class Anchor:
    """A link: what is shown for it, where it leads, and where its text stands in the page's text."""

    shown: str
    target: str
    kind: str
    """`a`, `area`, `form`, `frame`, `refresh`, `image`."""
    at: int
    pictured: bool = False
    """A picture stands for its text."""


@dataclass
class Page:
    """Markup, read.

    Attributes:
        text: what is shown; `hidden` how many characters are there and not shown.
        links: where it leads, in order.
        fields: kinds of input that it asks for (`password`, `text`...).
        scripts: its scripts that make files or move the reader, as marks of `SMUGGLES`.
        title: of the page.
    """

    text: str = ""
    hidden: int = 0
    links: list[Anchor] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    title: str = ""
    images: int = 0
    base: str = ""
    data_bytes: int = 0
    """Length of its longest run of encoded data."""


def read_page(markup: str) -> Page:
    """Read markup; bounded in size, nodes and links, and without recursion whatever its depth."""
    page = Page()
    markup = markup[:MOST_MARKUP]
    if markup.count("<") > MOST_TAGS:
        markup = "<".join(markup.split("<", MOST_TAGS)[:MOST_TAGS])
    tree = LexborHTMLParser(markup)
    page.data_bytes = max((len(run) for run in re.findall(r"[A-Za-z0-9+/]{2000,}={0,2}", markup)), default=0)
    pieces: list[str] = []
    length = hidden_at = depth = count = 0
    open_link: tuple[str, int, int, bool, int] | None = None
    node: LexborNode | None = tree.root
    while node is not None and count < MOST_NODES:
        count += 1
        name = node.tag or ""
        down = True
        if name == "-text":
            text = node.text_content or ""
            if hidden_at:
                page.hidden += len(text.strip())
            elif text:
                flat = re.sub(r"[ \t\r\n\f]+", " ", text)
                if length + len(flat) <= MOST_TEXT:
                    pieces.append(flat)
                    length += len(flat)
        elif name.startswith("-") or not name:
            pass
        else:
            attributes = node.attributes
            if name in SILENT:
                down = _silent(node, name, page)
            elif not hidden_at and _hides(name, attributes):
                hidden_at = depth + 1
            if name in BLOCKS and pieces and not pieces[-1].endswith("\n"):
                pieces.append("\n")
                length += 1
            target = _target(name, attributes, page)
            if target is not None and len(page.links) < MOST_LINKS:
                kind, where = target
                if kind == "a":
                    if open_link is not None:
                        page.links.append(Anchor("", open_link[0], "a", open_link[2], open_link[3]))
                    open_link = (where, len(pieces), length, False, depth)
                else:
                    page.links.append(Anchor((attributes.get("alt") or "")[:300], where, kind, length))
            if name == "img":
                page.images += 1
                if open_link is not None:
                    open_link = (*open_link[:3], True, open_link[4])
        # Down, along, or up again.
        if down and node.child is not None:
            node, depth = node.child, depth + 1
            continue
        while node is not None:
            if hidden_at == depth + 1:
                hidden_at = 0
            if open_link is not None and open_link[4] == depth:
                where, first, at, pictured, _ = open_link
                shown = re.sub(r"\s+", " ", "".join(pieces[first:])).strip()[:500]
                page.links.append(Anchor(shown, where, "a", at, pictured))
                open_link = None
            if node.next is not None:
                node = node.next
                break
            node, depth = node.parent, depth - 1
    page.text = re.sub(r"[ ]*\n[ \n]*", "\n", "".join(pieces)).strip()
    return page


def _hides(name: str, attributes: dict[str, str | None]) -> bool:
    style = (attributes.get("style") or "")[:2000].lower()
    return "hidden" in attributes or (bool(style) and HIDING.search(style) is not None and name != "img")


def _silent(node: LexborNode, name: str, page: Page) -> bool:
    """What is not shown; whether to look below it."""
    if name == "script":
        source = (node.text(deep=True) or "")[:MOST_MARKUP]
        page.scripts += list(dict.fromkeys(SMUGGLES.findall(source)))[:20]
    elif name == "title":
        page.title = (node.text(deep=True) or "").strip()[:500]
    return name in ("head", "noscript", "object")


def _target(name: str, attributes: dict[str, str | None], page: Page) -> tuple[str, str] | None:
    """Where an element leads, with its kind; None where it leads nowhere."""
    if name in ("a", "area") and attributes.get("href"):
        return name, (attributes["href"] or "").strip()[:8000]
    if name == "form":
        return "form", (attributes.get("action") or "").strip()[:8000]
    if name in ("iframe", "frame", "embed") and attributes.get("src"):
        return "frame", (attributes["src"] or "").strip()[:8000]
    if name == "img" and attributes.get("src"):
        return "image", (attributes["src"] or "").strip()[:8000]
    if name == "input":
        page.fields.append((attributes.get("type") or "text").strip().lower()[:20])
    if name == "textarea":
        page.fields.append("text")
    if name == "base" and attributes.get("href"):
        page.base = (attributes["href"] or "").strip()[:2000]
    if name == "meta" and (attributes.get("http-equiv") or "").lower() == "refresh":
        match = re.search(r"url\s*=\s*['\"]?([^'\"]+)", attributes.get("content") or "", re.IGNORECASE)
        return ("refresh", match[1].strip()[:8000]) if match else None
    return None
