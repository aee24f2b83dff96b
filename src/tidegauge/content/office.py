"""Documents as pages of text: PDF, office files old and new, SQLite, pictures through Tesseract.

These functions are given hostile bytes and run in a process of their own (`Apart.run`), but for SQLite.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sqlite3
import xml.etree.ElementTree as tree
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tidegauge.content.cells import page_lines, parted

MOST_PAGES = 5000
MOST_TEXT = 128 << 20
"""Characters that one document may hold."""
MOST_XML = 256 << 20
MOST_PIXELS = 80_000_000
OCR_S = 60
OCR_DPI = 300


@dataclass(frozen=True)
class Paged:
    """One page, sheet or table: its text; `rows` where it is lines of cells between tabs, a header first."""

    page: str
    text: str
    rows: bool = False
    trouble: str = ""
    line: int = 1


def pdf_pages(data: bytes) -> list[Paged]:
    """Pages of a PDF; those that are pictures through Tesseract where it is installed."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower()
        return [Paged("", "", trouble="locked with a password" if locked else f"no PDF that can be read: {error}")]
    found: list[Paged] = []
    size, number = 0, -1
    for number in range(min(len(document), MOST_PAGES)):
        page = document[number]
        text = page_lines(page.get_textpage())
        if len(text.strip()) < 8 and ocr_is_here():
            wide, tall = page.get_size()
            if wide * tall * (OCR_DPI / 72) ** 2 <= MOST_PIXELS:
                text = _read(page.render(scale=OCR_DPI / 72, grayscale=True).to_pil())
        size += len(text)
        found += pages_of(f"page {number + 1}", text)
        if size > MOST_TEXT:
            break
    if len(document) > number + 1:
        found.append(Paged("", "", trouble=f"only the first {number + 1:,} of {len(document):,} pages were looked at"))
    return found


def pages_of(page: str, text: str) -> list[Paged]:
    """A page as its tables and the lines between them."""
    return [Paged(page, piece.text, piece.rows, line=piece.line) for piece in parted(text)]


@cache
def ocr_is_here() -> bool:
    """Whether Tesseract is installed."""
    return shutil.which("tesseract") is not None


def image_pages(data: bytes) -> list[Paged]:
    """The text in a picture."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > MOST_PIXELS:
            return [
                Paged("", "", trouble=f"a picture of {image.width:,} x {image.height:,} points is too large to be read")
            ]
        return [Paged("", _read(image.convert("L")))]


ZONE_LINE = re.compile(r"[A-Z0-9].{0,50}<<.{0,50}", re.MULTILINE)
ZONE_CHARACTERS = "-c tessedit_char_whitelist=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<"


def _read(image: object) -> str:
    """The text in a picture; lines like those of a machine-readable zone are read once more with its characters alone,
    since a language's model takes fillers for letters."""
    import pytesseract

    os.environ["OMP_THREAD_LIMIT"] = "1"  # its threads wait for each other more than they read
    text = str(pytesseract.image_to_string(image, timeout=OCR_S))
    if ZONE_LINE.search(text):
        again = str(pytesseract.image_to_string(image, config=f"--psm 6 {ZONE_CHARACTERS}", timeout=OCR_S))
        text += "\n\n" + "\n".join(line for line in again.splitlines() if len(line.replace(" ", "")) >= 26)
    return text


def zip_office(data: bytes) -> list[Paged]:
    """Sheets, paragraphs and slides of OOXML and ODF files."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if any(e.flag_bits & 1 for e in archive.infolist()):
            return [Paged("", "", trouble="locked with a password")]
        if sum(e.file_size for e in archive.infolist()) > MOST_XML:
            return [Paged("", "", trouble=f"unfolds to more than {MOST_XML >> 20} MB")]
        if "xl/workbook.xml" in names:
            return _sheets(data)
        if "content.xml" in names:
            return _odf(archive.open("content.xml"))
        parts = sorted(
            n
            for n in names
            if re.match(
                r"(?:word/(?:document|header\d*|footer\d*|footnotes|comments)|ppt/slides/slide\d+|ppt/notesSlides/\w+)\.xml$",
                n,
            )
        )
        return [
            page
            for part in parts
            for page in pages_of(part.rpartition("/")[2].removesuffix(".xml"), _paragraphs(archive.open(part)))
        ]


def _sheets(data: bytes) -> list[Paged]:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    found = []
    for sheet in book.worksheets:
        rows, size = [], 0
        for row in sheet.iter_rows(values_only=True):
            rows.append("\t".join(_cell(value) for value in row))
            size += len(rows[-1])
            if size > MOST_TEXT:
                break
        found.append(Paged(f"sheet {sheet.title}", "\n".join(rows), rows=True))
    return found


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return re.sub(r"[\t\r\n]+", " ", str(value))


def _odf(file: object) -> list[Paged]:
    """Tables of a spreadsheet as rows, everything else as paragraphs."""
    found: list[Paged] = []
    rows: list[str] = []
    cells: list[str] = []
    loose: list[str] = []
    table, depth = "", 0
    for event, element in tree.iterparse(file, events=("start", "end")):  # type: ignore[call-overload]
        name = element.tag.rpartition("}")[2]
        if event == "start":
            if name == "table":
                table, depth = (
                    element.get(next((k for k, _ in element.items() if k.endswith("}name")), ""), "table"),
                    depth + 1,
                )
            continue
        if name == "table-cell":
            repeat = next((int(v) for k, v in element.items() if k.endswith("columns-repeated") and v.isdigit()), 1)
            cells += [_cell("".join(element.itertext()))] * min(repeat, 64)
        elif name == "table-row":
            rows.append("\t".join(cells).rstrip("\t"))
            cells = []
            element.clear()
        elif name == "table":
            depth -= 1
            found.append(Paged(f"sheet {table}", "\n".join(rows), rows=True))
            rows = []
        elif name in ("p", "h") and not depth:
            loose.append("".join(element.itertext()))
            element.clear()
    return [*found, Paged("", "\n".join(loose))] if loose else found


def _paragraphs(file: object) -> str:
    """Paragraphs a line each; cells of a table's row between tabs."""
    lines: list[str] = []
    held: list[str] = []
    in_row = 0
    for event, element in tree.iterparse(file, events=("start", "end")):  # type: ignore[call-overload]
        name = element.tag.rpartition("}")[2]
        if event == "start":
            in_row += name == "tr"
            continue
        if name == "t" and element.text:
            held.append(element.text)
        elif name in ("tab", "tc"):
            held.append("\t")
        elif name in ("br", "cr"):
            held.append("\n")
        elif name == "tr":
            in_row -= 1
            lines.append("".join(held).strip("\t"))
            held = []
        elif name == "p" and not in_row:
            lines.append("".join(held))
            held = []
            element.clear()
    return "\n".join([*lines, "".join(held)])


def ole_text(data: bytes) -> list[Paged]:
    """Old office files: sheets of Excel through xlrd; of others the text in their streams."""
    import olefile

    with olefile.OleFileIO(io.BytesIO(data)) as ole:
        streams = ["/".join(parts) for parts in ole.listdir()]
        if any(name in streams for name in ("Workbook", "Book")):
            return _old_sheets(data)
        found = []
        for name in streams:
            body = ole.openstream(name.split("/")).read()
            runs = re.findall(
                rb"(?:[\x20-\x7e\t\r\x07\xa0-\xff]\0|[\0-\xff][\x01-\x9f]){8,}|[\x20-\x7e\t\r\x07\xa0-\xff]{8,}", body
            )
            texts = [r.decode("utf-16-le", "ignore") if r[1:2] == b"\0" else r.decode("cp1252", "ignore") for r in runs]
            text = "\n".join(texts).replace("\r", "\n").replace("\x07", "\t")
            if text.strip():
                found.append(Paged(f"stream {name}"[:100], text))
        return found


def _old_sheets(data: bytes) -> list[Paged]:

    import xlrd

    with open(os.devnull, "w") as nowhere:
        book = xlrd.open_workbook(file_contents=data, logfile=nowhere)
    return [
        Paged(
            f"sheet {s.name}",
            "\n".join("\t".join(_cell(v) for v in s.row_values(r)) for r in range(s.nrows)),
            rows=True,
        )
        for s in book.sheets()
    ]


def sqlite_tables(given: Path | bytes) -> Iterator[Paged]:
    """Tables of an SQLite file, opened so that nothing is written beside it."""
    if isinstance(given, Path):
        link = sqlite3.connect(f"file:{given.resolve().as_uri()[7:]}?mode=ro&immutable=1", uri=True)
    else:
        link = sqlite3.connect(":memory:")
        link.deserialize(given)
    link.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        link.execute("PRAGMA trusted_schema = OFF")
        tables = [row[0] for row in link.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            quoted = '"' + table.replace('"', '""') + '"'
            try:
                cursor = link.execute(f"SELECT * FROM {quoted}")
                header = "\t".join(_cell(column[0]) for column in cursor.description)
                while rows := cursor.fetchmany(5000):
                    lines = ["\t".join(_cell("" if isinstance(v, bytes) else v) for v in row) for row in rows]
                    yield Paged(f"table {table}", "\n".join([header, *lines]), rows=True)
            except sqlite3.Error as error:
                yield Paged("", "", trouble=f"table {table[:60]}: {str(error)[:80]}")
    except sqlite3.Error as error:
        yield Paged("", "", trouble=f"no SQLite file that can be read: {str(error)[:80]}")
    finally:
        link.close()
