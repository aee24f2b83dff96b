"""What lies in an attachment: where it leads, what it runs, the names within; by libraries, within bounds.

These libraries read hostile bytes: `Apart` calls `look_inside` in a process of its own.
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tidegauge.content.encodings import to_text
from tidegauge.content.kinds import kind_of
from tidegauge.content.macros import find_macros
from tidegauge.content.page import read_page

MOST_DEPTH = 4
MOST_FILES = 200
MOST_OUT = 32 << 20
"""Bytes that all packed files together may unfold to."""
MOST_LINKS, MOST_NAMES, MOST_TEXT = 300, 300, 200_000
MOST_PAGES, MOST_DRAWN = 20, 3
MOST_PIXELS = 40_000_000
LEAST_IMAGE = 400
LOOK = 4 << 20
"""Bytes of a file of no known form that are looked through for links."""
FOUND_URL = re.compile(rb"https?://[\x21-\x7e]{4,2000}")
WIDE_URL = re.compile(rb"h\0t\0t\0p\0s?\0?:\0/\0/\0(?:[\x21-\x7e]\0){4,1000}")
TARGET = re.compile(rb'Target="(https?://[^"]{4,2000})"')
SCHEMAS = (
    "http://schemas.",
    "http://www.w3.org/",
    "http://purl.org/",
    "http://ns.adobe.com",
    "https://schemas.",
    "http://iptc.org",
    "http://www.aiim.org",
    "http://cipa.jp",
    "http://crl.",
    "http://ocsp.",
)


@dataclass
class Inside:
    """What was found in an attachment.

    Attributes:
        links: URLs in it; `codes` those that a picture's code (QR and the like) holds.
        macros: what its macros do, in words; `scripts` marks of scripts that make files or move the reader.
        fields: kinds of input that a page asks for.
        names: files packed in it, path within path.
        locked: needs a password.
        text: what it shows, shortened.
        troubles: what could not be read, and why.
    """

    links: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    macros: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    locked: bool = False
    text: str = ""
    troubles: list[str] = field(default_factory=list)

    def tidy(self) -> Inside:
        """Each once, and not more than anybody would read."""
        plain = [u for u in dict.fromkeys(self.links) if not u.startswith(SCHEMAS)]
        self.links, self.codes = plain[:MOST_LINKS], list(dict.fromkeys(self.codes))[:MOST_LINKS]
        self.macros, self.scripts = list(dict.fromkeys(self.macros)), list(dict.fromkeys(self.scripts))
        self.names, self.text = self.names[:MOST_NAMES], self.text[:MOST_TEXT]
        self.troubles = list(dict.fromkeys(self.troubles))[:20]
        return self


@dataclass
class _Budget:
    """What unpacking may still take."""

    bytes: int = MOST_OUT
    files: int = MOST_FILES


def look_inside(data: bytes, kind: str, name: str) -> Inside:
    """Look into one attachment. What a library can't read is a trouble, not an error."""
    found = Inside()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _look(data, kind, name, found, _Budget(), 0)
    return found.tidy()


def _look(data: bytes, kind: str, name: str, found: Inside, budget: _Budget, depth: int) -> None:
    reader = READERS.get(kind, _any)
    try:
        reader(data, name, found, budget, depth)
    except MemoryError:
        found.troubles.append("it needs more memory than it may have")
    except RecursionError:
        found.troubles.append("it is nested too deeply")
    except Exception as error:  # Libraries raise anything at hostile bytes; the reason is kept.
        found.troubles.append(f"not a {kind} file that can be read: {type(error).__name__} {str(error)[:80]}".rstrip())


def _any(data: bytes, name: str, found: Inside, budget: _Budget, depth: int) -> None:
    """Links that stand in bytes of no known form."""
    head = data[:LOOK]
    found.links += [u.decode("ascii").rstrip(".,;)>'\"") for u in FOUND_URL.findall(head)[:MOST_LINKS]]
    found.links += [u.decode("utf-16-le", "ignore") for u in WIDE_URL.findall(head)[:MOST_LINKS]]


def _text(data: bytes, name: str, found: Inside, budget: _Budget, depth: int) -> None:
    found.text += to_text(data[:MOST_TEXT])
    _any(data, name, found, budget, depth)
    _macros(data, found)


def _page(data: bytes, name: str, found: Inside, budget: _Budget, depth: int) -> None:
    page = read_page(to_text(data))
    _macros(data, found)
    found.text += page.text
    found.links += [link.target for link in page.links if link.kind != "image"]
    found.fields += page.fields
    found.scripts += page.scripts
    if page.data_bytes > 20_000 and page.scripts:
        found.scripts.append(f"{page.data_bytes:,} bytes of encoded data")


def _pdf(data: bytes, name: str, found: Inside, budget: _Budget, depth: int) -> None:
    import ctypes

    import pypdfium2
    import pypdfium2.raw as raw

    for mark, says in ((b"/JavaScript", "a script"), (b"/Launch", "a command")):
        if mark in data:
            found.scripts.append(says)
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            found.locked = True
            return
        _any(data, name, found, budget, depth)
        raise
    for number in range(min(len(document), MOST_PAGES)):
        page = document[number]
        text = page.get_textpage()
        shown = text.get_text_range()
        found.text += shown
        found.links += [u.decode("ascii", "ignore") for u in FOUND_URL.findall(shown.encode("ascii", "ignore"))]
        at, link = ctypes.c_int(0), raw.FPDF_LINK()
        count = 0
        while count < MOST_LINKS and raw.FPDFLink_Enumerate(page, ctypes.byref(at), ctypes.byref(link)):
            count += 1
            action = raw.FPDFLink_GetAction(link)
            size = raw.FPDFAction_GetURIPath(document, action, None, 0) if action else 0
            if 0 < size < 8192:
                buffer = ctypes.create_string_buffer(size)
                raw.FPDFAction_GetURIPath(document, action, buffer, size)
                found.links.append(buffer.value.decode("utf-8", "replace"))
        if number < MOST_DRAWN:
            wide, tall = page.get_size()
            scale = min(2.0, (4_000_000 / max(wide * tall, 1)) ** 0.5)
            if scale > 0.05:
                found.codes += _codes(page.render(scale=scale, grayscale=True).to_pil())


def _picture(data: bytes, name: str, found: Inside, budget: _Budget, depth: int) -> None:
    from PIL import Image

    if len(data) < LEAST_IMAGE:
        return
    with Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > MOST_PIXELS:
            found.troubles.append(f"a picture of {image.width:,} x {image.height:,} points is too large to look at")
            return
        if min(image.size) >= 21:
            image.draft("L", (2000, 2000))
            image.thumbnail((2400, 2400))
            found.codes += _codes(image.convert("L"))


def _codes(image: object) -> list[str]:
    """URLs in QR codes and the like."""
    import zxingcpp

    texts = [code.text.strip() for code in zxingcpp.read_barcodes(image)]
    return [t for t in texts if re.match(r"(?i)(?:https?://|www\.)\S", t) or re.match(r"(?i)[\w-]+(\.[\w-]+)+/\S+$", t)]


def _ole(data: bytes, name: str, found: Inside, budget: _Budget, depth: int) -> None:
    import olefile

    _any(data, name, found, budget, depth)
    with olefile.OleFileIO(io.BytesIO(data)) as ole:
        if ole.exists("EncryptedPackage") or ole.exists("EncryptionInfo"):
            found.locked = True
            return
    _macros(data, found)


def _macros(data: bytes, found: Inside) -> None:
    macros = find_macros(data)
    found.macros += macros.says()
    found.links += macros.links()
    if macros.modules > len(macros.sources):
        found.troubles.append("macros whose source cannot be read")


def _zip(data: bytes, name: str, found: Inside, budget: _Budget, depth: int) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        names = {entry.filename for entry in entries[: MOST_FILES * 10]}
        office = "[Content_Types].xml" in names or "mimetype" in names
        for entry in entries[: MOST_FILES * 10]:
            if entry.flag_bits & 1:
                found.locked = True
                found.names.append(f"{name}/{entry.filename}"[:300])
            elif office:
                if not _office_part(archive, entry, found, budget, depth):
                    break
            elif not entry.is_dir():
                found.names.append(f"{name}/{entry.filename}"[:300])
                _unpacked(lambda n, e=entry: archive.open(e).read(n), entry.filename, found, budget, depth)  # type: ignore[misc]
    if office and any(n.lower().endswith(".bin") or "/macrosheets/" in n.lower() for n in names):
        _macros(data, found)


def _office_part(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, found: Inside, budget: _Budget, depth: int
) -> bool:
    """Look into a part of an office document that can hold links, text or pictures; False where the budget is spent."""
    wanted = entry.filename.endswith(".rels") or entry.filename in ("content.xml", "word/document.xml")
    if not wanted and re.search(r"media/[^/]+\.(?:png|jpe?g|gif)$", entry.filename) is None:
        return True
    body = _unfold(archive.open(entry).read, entry.file_size, budget)
    if body is None:
        return False
    if not wanted:
        _look(body, "image", entry.filename, found, budget, depth + 1)
        return True
    found.links += [u.decode("utf-8", "replace").replace("&amp;", "&") for u in TARGET.findall(body)]
    found.links += [u.decode("ascii").rstrip("\"'<") for u in re.findall(rb"https?://[^\s\"'<>]{4,2000}", body)]
    if entry.filename == "word/document.xml":
        found.text += re.sub(r"<[^>]+>", " ", to_text(body))[:MOST_TEXT]
    return True


def _unfold(read: Callable[[int], bytes], size: int, budget: _Budget) -> bytes | None:
    """What a packed file unfolds to; None when that is too much, which is said by who asked."""
    budget.files -= 1
    if budget.files < 0 or size > budget.bytes:
        return None
    body = read(budget.bytes + 1)
    budget.bytes -= len(body)
    return body if budget.bytes >= 0 else None


def _unpacked(read: Callable[[int], bytes], name: str, found: Inside, budget: _Budget, depth: int) -> None:
    """Look into a file that lies in another."""
    if depth >= MOST_DEPTH:
        found.troubles.append(f"packed more than {MOST_DEPTH} times: {name[:80]}")
        return
    body = _unfold(read, 0, budget)
    if body is None:
        found.troubles.append(
            f"unfolds to more than {MOST_OUT >> 20} MB or {MOST_FILES} files: the others were not opened"
        )
        return
    _look(body, kind_of(body), name, found, budget, depth + 1)


def _stream(opened: Callable[[io.BytesIO], Callable[[int], bytes]]) -> Callable[..., None]:
    def look(data: bytes, name: str, found: Inside, budget: _Budget, depth: int) -> None:
        inner = re.sub(r"\.(?:gz|bz2|xz|zst|z)$", "", name, flags=re.IGNORECASE)
        _unpacked(opened(io.BytesIO(data)), inner, found, budget, depth)

    return look


def _gzip_reader(file: io.BytesIO) -> Callable[[int], bytes]:
    return lambda n: zlib.decompressobj(31).decompress(file.read(), n)


def _bzip2_reader(file: io.BytesIO) -> Callable[[int], bytes]:
    return lambda n: bz2.BZ2Decompressor().decompress(file.read(), n)


def _xz_reader(file: io.BytesIO) -> Callable[[int], bytes]:
    return lambda n: lzma.LZMADecompressor(memlimit=256 << 20).decompress(file.read(), n)


def _tar(data: bytes, name: str, found: Inside, budget: _Budget, depth: int) -> None:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in _some(archive):
            found.names.append(f"{name}/{member.name}"[:300])
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                _unpacked(file.read, member.name, found, budget, depth)


def _some(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for count, member in enumerate(archive):
        if count >= MOST_FILES:
            return
        yield member


def _rar(data: bytes, name: str, found: Inside, budget: _Budget, depth: int) -> None:
    import rarfile

    with rarfile.RarFile(io.BytesIO(data)) as archive:
        found.locked = bool(archive.needs_password())
        found.names += [f"{name}/{entry.filename}"[:300] for entry in archive.infolist()[:MOST_NAMES]]


def _seven(data: bytes, name: str, found: Inside, budget: _Budget, depth: int) -> None:
    import py7zr

    try:
        with py7zr.SevenZipFile(io.BytesIO(data)) as archive:
            found.locked = bool(archive.needs_password())
            found.names += [f"{name}/{entry}"[:300] for entry in archive.getnames()[:MOST_NAMES]]
    except py7zr.exceptions.PasswordRequired:
        found.locked = True


def _rtf(data: bytes, name: str, found: Inside, budget: _Budget, depth: int) -> None:
    _any(data, name, found, budget, depth)
    if re.search(rb"\\objdata|\\objupdate|\\objautlink", data[:LOOK]):
        found.macros.append("embedded objects")


READERS: dict[str, Callable[[bytes, str, Inside, _Budget, int], None]] = {
    "text": _text, "html": _page, "pdf": _pdf, "image": _picture, "ole": _ole, "zip": _zip, "tar": _tar, "rtf": _rtf,
    "rar": _rar, "7z": _seven, "gzip": _stream(_gzip_reader),
    "bzip2": _stream(_bzip2_reader), "xz": _stream(_xz_reader),
}
