"""Statements as Markdown, as a page that loads nothing, and as PDF through Typst."""

from __future__ import annotations

import tempfile
from html import escape
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

from tidegauge.case.log import Case
from tidegauge.case.statement import Language, Length, Line, amount, as_text, check, write
from tidegauge.model import TidegaugeError

Format = Literal["md", "html", "pdf"]
WIDTH, HEIGHT, LEFT, BOTTOM = 720, 200, 8, 18
MOST_POINTS = 720
FONTS = {"en": ("Liberation Serif", "DejaVu Serif", "New Computer Modern"),
         "zh-TW": ("Noto Serif CJK TC", "Noto Sans CJK TC", "Noto Sans TC")}
MARKS = {"TLP:CLEAR": "#ffffff", "TLP:GREEN": "#33ff00", "TLP:AMBER": "#ffc000", "TLP:AMBER+STRICT": "#ffc000",
         "TLP:RED": "#ff2b2b"}
"""Colours of the marks on black (FIRST, "Traffic Light Protocol 2.0", 2022)."""


class UnfoundedError(TidegaugeError):
    """A statement says what no evidence holds."""


def statement(case: Case, language: Language, length: Length, form: Format) -> bytes:
    """The statement of a case in a form.

    Raises:
        UnfoundedError: it says something that its evidence does not.
        TidegaugeError: a PDF cannot be made here.
    """
    lines = write(case, language, length)
    text = as_text(lines, case.mark)
    problems = check(case, text)
    if problems:
        first = problems[0]
        raise UnfoundedError(
            f"the statement would say what no evidence holds: {first.what}", where=f"line {first.line}"
        )
    if form == "md":
        return text.encode()
    if form == "html":
        return page(case, lines, language).encode()
    return pdf(case, lines, language)


def page(case: Case, lines: list[Line], language: Language) -> str:
    """One page of HTML that opens without anything else."""
    shape = {"title": "h1", "heading": "h2", "text": "p", "item": "li", "chart": "figcaption"}
    body = []
    for i, line in enumerate(lines):
        if line.kind == "item" and (not i or lines[i - 1].kind != "item"):
            body.append("<ul>")
        shown = f"<{shape[line.kind]}>{escape(line.text)}</{shape[line.kind]}>"
        if line.kind == "chart":
            shown = f"<figure>{chart(case.get(line.figure).body['result'], line.text)}{shown}</figure>"
        body.append(shown)
        if line.kind == "item" and (i + 1 == len(lines) or lines[i + 1].kind != "item"):
            body.append("</ul>")
    colour = MARKS.get(case.mark, "#ffffff")
    style = (
        "body{font:16px/1.6 system-ui,'Noto Sans','Noto Sans CJK TC',sans-serif;max-width:44rem;margin:2rem auto;"
        "padding:0 1rem;color:#111;background:#fff}h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.15rem;"
        "margin-top:2rem}li{overflow-wrap:anywhere;margin:.3rem 0}figure{margin:1rem 0}svg{max-width:100%;height:auto}"
        "figcaption{font-size:.85rem;color:#444}.mark{display:inline-block;background:#000;padding:.1rem .6rem;"
        f"font-weight:700;color:{colour}}}@media print{{body{{margin:0;max-width:none}}}}"
    )
    return (
        f'<!doctype html>\n<html lang="{language}"><meta charset="utf-8"><meta name="viewport" content='
        f'"width=device-width"><title>{escape(case.name)}</title><style>{style}</style>\n'
        f'<p class="mark">{escape(case.mark)}</p>\n' + "\n".join(body) + "\n</html>\n"
    )


def chart(result: dict[str, Any], title: str) -> str:
    """A series as SVG; what was not seen is grey."""
    values, seen = [float(v) for v in result["value"]], [float(c) for c in result.get("coverage", ())]
    step = -(-len(values) // MOST_POINTS)
    highs = [max(values[i : i + step]) for i in range(0, len(values), step)]
    shares = [min(seen[i : i + step]) for i in range(0, len(seen), step)] if seen else []
    top = max(highs, default=0) or 1
    wide = (WIDTH - 2 * LEFT) / max(len(highs), 1)
    points = " ".join(
        f"{LEFT + (i + 0.5) * wide:.1f},{HEIGHT - BOTTOM - v / top * (HEIGHT - 2 * BOTTOM):.1f}"
        for i, v in enumerate(highs)
    )
    blind = "".join(
        f'<rect x="{LEFT + i * wide:.1f}" y="{BOTTOM}" width="{wide + 0.3:.1f}" height="{HEIGHT - 2 * BOTTOM}"/>'
        for i, share in enumerate(shares)
        if share < 1
    )
    base = HEIGHT - BOTTOM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img"'
        f' aria-label={quoteattr(title)}><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<g fill="#d9d9d9">{blind}</g><line x1="{LEFT}" x2="{WIDTH - LEFT}" y1="{base}" y2="{base}" stroke="#999"/>'
        f'<polyline points="{points}" fill="none" stroke="#1f6fb2" stroke-width="1.3"/>'
        f'<text x="{LEFT}" y="12" font-size="11" font-family="sans-serif" fill="#333">'
        f"{escape(amount(top, result['metric']))}</text></svg>"
    )


def pdf(case: Case, lines: list[Line], language: Language) -> bytes:
    """The statement as PDF.

    Raises:
        TidegaugeError: Typst is not installed, or fails.
    """
    try:
        import typst
    except ImportError:
        raise TidegaugeError("no PDF can be made here", hint="pip install typst, or --format html") from None
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        parts = [_head(case, language)]
        for number, line in enumerate(lines):
            text = _quoted(line.text)
            if line.kind == "chart":
                (root / f"{number}.svg").write_text(chart(case.get(line.figure).body["result"], line.text))
                parts.append(f'#figure(image("{number}.svg", width: 100%), caption: text({text}))')
            else:
                parts.append({
                    "title": f"#heading(level: 1, {text})", "heading": f"#heading(level: 2, {text})",
                    "text": f"#par(text({text}))", "item": f"#list(text({text}))",
                }[line.kind])
        (root / "statement.typ").write_text("\n\n".join(parts), encoding="utf-8")
        try:
            made: bytes = typst.compile(str(root / "statement.typ"))
        except RuntimeError as error:
            raise TidegaugeError(f"the PDF could not be made: {str(error).splitlines()[0]}") from None
    return made


def _head(case: Case, language: Language) -> str:
    fonts = ", ".join(_quoted(name) for name in (*FONTS[language], *FONTS["en"]))
    code, region = ("zh", "tw") if language == "zh-TW" else ("en", "gb")
    colour = MARKS.get(case.mark, "#ffffff")
    mark = f'box(fill: black, inset: 4pt, text(fill: rgb("{colour}"), weight: "bold", {_quoted(case.mark)}))'
    return (
        f"#set document(title: {_quoted(case.name)})\n"
        f'#set page(paper: "a4", margin: 22mm, header: align(right, {mark}), numbering: "1")\n'
        f'#set text(font: ({fonts}), size: 10.5pt, lang: "{code}", region: "{region}")\n'
        "#set par(justify: false, leading: 0.75em)\n#show heading: set block(above: 1.4em, below: 0.8em)"
    )


def _quoted(text: str) -> str:
    """A string of Typst: nothing in it is markup."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
