"""Tables within pages: text comes in with its cells between tabs, and goes out as tables apart from the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

MOST_MARKUP = 16 << 20
MOST_NODES = 2_000_000
MOST_OPEN = 20_000
"""Tags that are not closed: the parser's time grows with the square of their depth, this many take half a second."""
MOST_RECTANGLES = 4000
LEAST_ROWS = 3
GAP = 0.8
"""Two pieces of a line that stand further apart than this share of its height are two cells."""
LINES = frozenset("p div br tr table li ul ol h1 h2 h3 h4 h5 h6 hr section article pre body dt dd option label".split())


@dataclass(frozen=True)
class Piece:
    """Some lines of a page: `line` is the first of them, from 1; `rows` where they are rows of cells between tabs."""

    text: str
    line: int
    rows: bool


def parted(text: str) -> list[Piece]:
    """Tables apart from other lines: runs of lines that have as many cells as the ones before them.

    >>> [(p.text, p.line, p.rows) for p in parted("a\\nb\\tc\\nd\\te\\nf\\tg\\nh")]
    [('a', 1, False), ('b\\tc\\nd\\te\\nf\\tg', 2, True), ('h', 5, False)]
    """
    lines = text.split("\n")
    found: list[Piece] = []
    loose = at = 0
    while at < len(lines):
        cells, end = lines[at].count("\t"), at
        while end < len(lines) and lines[end].count("\t") == cells:
            end += 1
        if cells and end - at >= LEAST_ROWS:
            if loose < at:
                found.append(Piece("\n".join(lines[loose:at]), loose + 1, False))
            found.append(Piece("\n".join(lines[at:end]), at + 1, True))
            loose = end
        at = end
    if loose < len(lines):
        found.append(Piece("\n".join(lines[loose:]), loose + 1, False))
    return found


def markup_text(markup: str) -> str:
    """All text of a page, hidden or not, cells between tabs, and what its fields hold; bounded, without recursion."""
    markup = markup[:MOST_MARKUP]
    if markup.count("<") - 2 * markup.count("</") > MOST_OPEN:
        return re.sub(r"<[^<>]{0,10000}>", "\n", markup)
    tree = LexborHTMLParser(markup)
    pieces: list[str] = []
    node: LexborNode | None = tree.root
    count = 0
    while node is not None and count < MOST_NODES:
        count += 1
        name = node.tag or ""
        if name == "-text":
            pieces.append(re.sub(r"[ \t\r\n\f]+", " ", node.text_content or ""))
        elif name in LINES:
            pieces.append("\n")
        elif name in ("td", "th") and pieces and not pieces[-1].endswith("\n"):
            pieces.append("\t")
        elif name in ("input", "meta") and (value := node.attributes.get("value") or node.attributes.get("content")):
            pieces.append(f"\n{node.attributes.get('name') or ''}: {value}\n")
        node = node.child if node.child is not None else _behind(node)
    return re.sub(r" *\n[ \n]*", "\n", re.sub(r" *\t *", "\t", "".join(pieces))).strip("\n")


def _behind(node: LexborNode | None) -> LexborNode | None:
    """The node that comes after a node and all that is in it; None at the end of the page."""
    while node is not None and node.next is None:
        node = node.parent
    return None if node is None else node.next


def page_lines(page: Any) -> str:
    """The lines of a PDF's page, what stands apart in one between tabs.

    Args:
        page: a text page of pypdfium2.
    """
    count = page.count_rects()
    if not 0 < count <= MOST_RECTANGLES:
        return str(page.get_text_range()).replace("\r\n", "\n")
    lines: list[str] = []
    line: list[str] = []
    right = bottom = top = 0.0
    for number in range(count):
        box = page.get_rect(number)
        text = page.get_text_bounded(*box).replace("\r\n", "\n").rstrip("\n ")
        if not text:
            continue
        height = min(box[3] - box[1], top - bottom)
        same = line and min(box[3], top) - max(box[1], bottom) > height / 2 and box[0] >= right - height
        if same:
            line.append("\t" if box[0] - right > GAP * height else " " if box[0] - right > height / 8 else "")
            bottom, top = min(bottom, box[1]), max(top, box[3])
        else:
            lines.append("".join(line))
            line = []
            bottom, top = box[1], box[3]
        line.append(text)
        right = box[2]
    return "\n".join([*lines[1:], "".join(line)])
