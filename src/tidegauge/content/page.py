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
    page.data_bytes = max((len(run) for run in re.findall(r"[A-Za-z0-9+/]{2000,}={0,2}", markup)), default=0)
    walk = _Walk(page)
    node: LexborNode | None = LexborHTMLParser(markup).root
    count = 0
    while node is not None and count < MOST_NODES:
        count += 1
        node = walk.after(node, walk.enter(node))
    page.text = re.sub(r"[ ]*\n[ \n]*", "\n", "".join(walk.pieces)).strip()
    return page


@dataclass
class _OpenLink:
    """A link whose text is being read: where that begins among the pieces and in the text, and the link's depth."""

    target: str
    first: int
    at: int
    depth: int
    pictured: bool = False


@dataclass
class _Walk:
    """What is known on the way through a tree; `hidden_at` is one more than the depth of what hides all below it."""

    page: Page
    pieces: list[str] = field(default_factory=list)
    length: int = 0
    depth: int = 0
    hidden_at: int = 0
    link: _OpenLink | None = None

    def enter(self, node: LexborNode) -> bool:
        """Take in a node; whether to look below it."""
        name = node.tag or ""
        if name == "-text":
            self._text(node.text_content or "")
        elif name and not name.startswith("-"):
            return self._element(node, name)
        return True

    def _text(self, text: str) -> None:
        if self.hidden_at:
            self.page.hidden += len(text.strip())
        elif text:
            flat = re.sub(r"[ \t\r\n\f]+", " ", text)
            if self.length + len(flat) <= MOST_TEXT:
                self.pieces.append(flat)
                self.length += len(flat)

    def _element(self, node: LexborNode, name: str) -> bool:
        attributes, down = node.attributes, True
        if name in SILENT:
            down = _silent(node, name, self.page)
        elif not self.hidden_at and _hides(name, attributes):
            self.hidden_at = self.depth + 1
        if name in BLOCKS and self.pieces and not self.pieces[-1].endswith("\n"):
            self.pieces.append("\n")
            self.length += 1
        target = _target(name, attributes, self.page)
        if target is not None and len(self.page.links) < MOST_LINKS:
            self._leads(*target, attributes.get("alt") or "")
        if name == "img":
            self.page.images += 1
            if self.link is not None:
                self.link.pictured = True
        return down

    def _leads(self, kind: str, where: str, instead: str) -> None:
        if kind != "a":
            self.page.links.append(Anchor(instead[:300], where, kind, self.length))
            return
        if (before := self.link) is not None:
            self.page.links.append(Anchor("", before.target, "a", before.at, before.pictured))
        self.link = _OpenLink(where, len(self.pieces), self.length, self.depth)

    def after(self, node: LexborNode, down: bool) -> LexborNode | None:
        """The node that comes next: down, along, or up again."""
        if down and node.child is not None:
            self.depth += 1
            return node.child
        at: LexborNode | None = node
        while at is not None:
            self._leave()
            if at.next is not None:
                return at.next
            at, self.depth = at.parent, self.depth - 1
        return None

    def _leave(self) -> None:
        if self.hidden_at == self.depth + 1:
            self.hidden_at = 0
        if self.link is not None and self.link.depth == self.depth:
            shown = re.sub(r"\s+", " ", "".join(self.pieces[self.link.first :])).strip()[:500]
            self.page.links.append(Anchor(shown, self.link.target, "a", self.link.at, self.link.pictured))
            self.link = None


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


LEADING = {
    "a": ("href", "a"), "area": ("href", "area"), "form": ("action", "form"), "iframe": ("src", "frame"),
    "frame": ("src", "frame"), "embed": ("src", "frame"), "img": ("src", "image"),
}
"""Elements that lead somewhere: the attribute that says where, and our kind of link."""


def _target(name: str, attributes: dict[str, str | None], page: Page) -> tuple[str, str] | None:
    """Where an element leads, with its kind; None where it leads nowhere."""
    if name in LEADING:
        attribute, kind = LEADING[name]
        place = attributes.get(attribute) or ""
        return (kind, place.strip()[:8000]) if place or name == "form" else None
    if name in ("input", "textarea"):
        kind = (attributes.get("type") if name == "input" else "") or "text"
        page.fields.append(kind.strip().lower()[:20])
    if name == "base" and attributes.get("href"):
        page.base = (attributes["href"] or "").strip()[:2000]
    if name == "meta" and (attributes.get("http-equiv") or "").lower() == "refresh":
        match = re.search(r"url\s*=\s*['\"]?([^'\"]+)", attributes.get("content") or "", re.IGNORECASE)
        return ("refresh", match[1].strip()[:8000]) if match else None
    return None
