"""Macros in office files: VBA source (MS-OVBA over compound files) and Excel 4 macro sheets (MS-XLS), and what they do.

Takes the bytes of a compound file, of an Office Open XML archive, or of a text form that carries one; gives the source
of its modules and what stands out in it. Reads hostile bytes: run it in the sandbox, as `inside` does.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1")
CARRIED = (b"QWN0aXZlTWltZ", b"0M8R4KGxGuE")
"""How ActiveMime and compound files begin in base64."""
MOST_SOURCE = 8 << 20
"""Bytes of source that all modules of a file may have together."""
MOST_STREAM = 32 << 20
MOST_CONTAINERS = 50
SOURCE_BEGINS = re.compile(rb"\x01..\x00Attribut\x00e ", re.DOTALL)
"""The first line of every module, in a compressed container whose first tokens are all literal."""
MODULE_NAME, MODULE_NAME_WIDE, MODULE_OFFSET, PROJECT_VERSION = 0x1A, 0x32, 0x31, 0x09
"""Records of the `dir` stream (MS-OVBA 2.3.4.2)."""
BOUND_SHEET, SHEET_IS_MACROS = 0x85, 1
"""The record that names a sheet, and its kind (MS-XLS 2.4.28)."""

RUNS_BY_ITSELF = re.compile(
    r"\b(?:auto_?(?:exec|open|close|new|exit|activate)|document_?(?:open|close|beforeclose|new|change)|"
    r"new_?document|workbook_?(?:open|close|activate|beforeclose|beforesave)|"
    r"(?:app|presentation)_?(?:open|close)|onslide\w+|\w+_(?:layout|painted|gotfocus|mouseenter|statechange|"
    r"documentcomplete|beforenavigate2|onconnecting|resize))\b",
    re.IGNORECASE,
)
"""Procedures that Office calls without being asked: at opening, closing, or when a control is drawn or touched."""
LOADS_OR_RUNS = re.compile(
    r"\b(?:shell(?:execute\w*)?|createobject|getobject|wscript|powershell|cmd(?:\.exe)?|mshta|rundll32|regsvr32|certutil|"
    r"bitsadmin|urldownloadtofile\w*|xmlhttp|winhttprequest|serverxmlhttp|adodb\.stream|savetofile|"
    r"virtualalloc\w*|writeprocessmemory|createthread|createremotethread|rtlmovememory|callbyname|"
    r"winmgmts|win32_process(?:startup)?|executeexcel4macro|macscript|popen|exec|register|fopen|fwrite|"
    r"kill|open\s+\S+\s+for\s+(?:binary|output|append))\b",
    re.IGNORECASE,
)
"""Calls by which macros start programs, fetch files, write them or change memory."""
NAMES_PLACES = re.compile(
    r"(?P<url>\b(?:https?|ftp)://[^\s\"'<>)]{4,2000})|\b(?:\d{1,3}\.){3}\d{1,3}\b|"
    r"\b[\w-]{1,100}\.(?:exe|dll|ps1|vbs|vbe|js|jse|hta|bat|cmd|scr|pif|lnk|wsf|jar)\b",
    re.IGNORECASE,
)
CHARACTER = re.compile(r"\bchr[wb]?\$?\s*\(\s*(&h[0-9a-f]{1,4}|\d{1,5})\s*\)", re.IGNORECASE)
JOINED = re.compile(r"\"[ \t]*[&+][ \t]*(?:_\r?\n[ \t]*)?\"")
REVERSED = re.compile(r"\bstrreverse\s*\(\s*\"([^\"\r\n]{1,4000})\"\s*\)", re.IGNORECASE)
PACKED_HEX = re.compile(r"\"((?:[0-9a-fA-F]{2}){8,2000})\"")
PACKED_64 = re.compile(r"\"([A-Za-z0-9+/]{16,4000}={0,2})\"")


@dataclass
class Macros:
    """The macros of one file.

    Attributes:
        sources: the source of each module that could be read.
        modules: how many there are; more than sources where some have none that can be read.
        sheets: Excel 4 macro sheets.
    """

    sources: list[str] = field(default_factory=list)
    modules: int = 0
    sheets: int = 0

    def __bool__(self) -> bool:
        return bool(self.sources or self.modules or self.sheets)

    def says(self) -> list[str]:
        """Return what they do, in words; empty where there are none."""
        if not self:
            return []
        text = self._readable()
        return [
            "macros",
            *(["runs by itself"] if RUNS_BY_ITSELF.search(text) else []),
            *(["can load or run programs"] if LOADS_OR_RUNS.search(text) else []),
            *(["names files or addresses"] if NAMES_PLACES.search(text) else []),
        ]

    def links(self) -> list[str]:
        """Return the URLs in them."""
        return [m["url"] for m in NAMES_PLACES.finditer(self._readable()) if (m["url"] or "").lower()[:4] == "http"]

    def _readable(self) -> str:
        """Sources with what is hidden in their texts: characters by number, joined, reversed, packed."""
        text = "\n".join(self.sources)
        # A comment is no call: VBA's begin with an apostrophe outside of texts.
        text = re.sub(r"(?m)^((?:[^\"'\r\n]|\"[^\"\r\n]*\")*)'[^\r\n]*", r"\1", text)
        text = CHARACTER.sub(_character, text)
        text = JOINED.sub("", text)
        text += "\n" + "\n".join(m[1][::-1] for m in REVERSED.finditer(text))
        return text + "\n" + "\n".join(_unpacked(text))


def _character(match: re.Match[str]) -> str:
    digits = match[1].lower()
    number = int(digits[2:], 16) if digits.startswith("&h") else int(digits)
    return f'"{chr(number)}"' if 32 <= number < 0xD800 and number != 34 else '""'


def _unpacked(text: str) -> Iterator[str]:
    for match in PACKED_HEX.finditer(text):
        yield bytes.fromhex(match[1]).decode("latin-1")
    for match in PACKED_64.finditer(text):
        try:
            plain = base64.b64decode(match[1], validate=True)
        except (binascii.Error, ValueError):
            continue
        if plain.isascii():
            yield plain.decode("ascii")


def find_macros(data: bytes) -> Macros:
    """Return the macros of an office file; none in bytes of any other form.

    Raises:
        OSError, ValueError, struct.error, zipfile.BadZipFile: the file is damaged.
    """
    found = Macros()
    if data.startswith(COMPOUND):
        _in_compound(data, found)
    elif data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if re.search(r"(?i)/macrosheets/[^/]+\.(?:xml|bin)$", entry.filename):
                    found.sheets += 1
                    found.sources.append(_formulas(_bounded(archive, entry)))
                elif entry.filename.lower().endswith(".bin") and not entry.flag_bits & 1:
                    project = _bounded(archive, entry)
                    if project.startswith(COMPOUND):
                        _in_compound(project, found)
    else:
        for project in _in_text(data):
            _in_compound(project, found)
    return found


def _bounded(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as file:
        return file.read(MOST_STREAM)


def _formulas(sheet: bytes) -> str:
    """The formulas of a macro sheet in XML; strings of a binary one."""
    if sheet.lstrip().startswith(b"<"):
        return "\n".join(re.findall(r"<f[^>]*>([^<]{1,4000})</f>", sheet.decode("utf-8", "replace")))
    return "\n".join(m.decode("utf-16-le") for m in re.findall(rb"(?:[\x20-\x7e]\0){4,2000}", sheet))


def _in_text(data: bytes) -> Iterator[bytes]:
    """Compound files in Word 2003's XML, and in web pages of one file: base64, packed by zlib behind a header."""
    if not any(mark in data for mark in CARRIED):
        return
    for block in re.findall(rb"(?:[A-Za-z0-9+/]{20,}=*\s*){4,}", data[:MOST_STREAM])[:MOST_CONTAINERS]:
        tight = bytes(c for c in block if c not in b"\r\n\t ")
        plain = base64.b64decode(tight[: len(tight) // 4 * 4])
        if plain.startswith(b"ActiveMime"):
            plain = _inflated(plain[max(plain.find(b"\x78", 0x2E), 0) :])
        if plain.startswith(COMPOUND):
            yield plain


def _inflated(packed: bytes) -> bytes:
    """What zlib's form unpacks to, as far as it holds."""
    packer, out = zlib.decompressobj(), bytearray()
    with contextlib.suppress(zlib.error):
        for at in range(0, min(len(packed), MOST_STREAM), 1024):
            out += packer.decompress(packed[at : at + 1024], MOST_STREAM - len(out) + 1)
            if len(out) > MOST_STREAM:
                break
    return bytes(out)


def _in_compound(data: bytes, found: Macros) -> None:
    import olefile

    with olefile.OleFileIO(io.BytesIO(data)) as ole:
        for path in ole.listdir(streams=True, storages=False):
            name, size = path[-1].lower(), ole.get_size(path)
            if size > MOST_STREAM:
                continue
            above = [part.lower() for part in path[:-1]]
            if name == "dir" and above[-1:] == ["vba"]:
                _project(ole, path[:-1], found)
            elif name in ("workbook", "book"):
                found.sheets += _macro_sheets(ole.openstream(path).read())
            elif name == "powerpoint document":
                for project in _packed_objects(ole.openstream(path).read()):
                    _in_compound(project, found)


def _project(ole: object, storage: list[str], found: Macros) -> None:
    """Modules by the `dir` stream; where it says nothing that holds, by how every module begins."""
    streams = {path[-1].lower(): path for path in ole.listdir() if path[:-1] == storage}  # type: ignore[attr-defined]
    named: dict[str, int] = {}
    with contextlib.suppress(ValueError):  # damaged, or made so: the streams are looked through below
        named = dict(_modules(decompress(ole.openstream(streams["dir"]).read())))  # type: ignore[attr-defined]
    budget = MOST_SOURCE - sum(len(source) for source in found.sources)
    for name, path in streams.items():
        if name in ("dir", "_vba_project") or name.startswith("__srp_"):
            continue
        raw = ole.openstream(path).read(MOST_STREAM)  # type: ignore[attr-defined]
        found.modules += 1
        begins = [named[name]] if name in named else []
        begins += [m.start() for m in SOURCE_BEGINS.finditer(raw)][:MOST_CONTAINERS]
        for begin in begins:
            try:
                source = decompress(raw[begin:], most=max(budget, 0))
            except ValueError:
                continue
            budget -= len(source)
            found.sources.append(source.decode("latin-1"))
            break


def _modules(directory: bytes) -> Iterator[tuple[str, int]]:
    """Stream names, in lower case, and where in them the source begins."""
    at, name = 0, ""
    while at + 6 <= len(directory):
        kind, size = struct.unpack_from("<HI", directory, at)
        body = directory[at + 6 : at + 6 + size]
        at += 6 + size + (2 if kind == PROJECT_VERSION else 0)  # its size does not count its last field
        if kind == MODULE_NAME:
            name = body.decode("latin-1").lower()
        elif kind == MODULE_NAME_WIDE:
            name = body.decode("utf-16-le", "replace").lower() or name
        elif kind == MODULE_OFFSET and size == 4:
            yield name, int.from_bytes(body, "little")


def decompress(packed: bytes, *, most: int = MOST_SOURCE) -> bytes:
    """Return what a compressed container holds (MS-OVBA 2.4.1), at most so many bytes.

    Raises:
        ValueError: it is none, or its first chunk is damaged.
    """
    if packed[:1] != b"\x01":
        raise ValueError("no compressed container")
    out = bytearray()
    at = 1
    while at + 2 <= len(packed) and len(out) < most:
        (header,) = struct.unpack_from("<H", packed, at)
        if (header >> 12) & 7 != 3:
            if not out:
                raise ValueError("no chunk of a compressed container")
            break
        chunk = packed[at + 2 : at + 2 + (header & 0xFFF) + 1]
        at += 2 + len(chunk)
        out += _chunk(chunk) if header & 0x8000 else chunk
    return bytes(out[:most])


def _chunk(chunk: bytes) -> bytes:
    """One chunk of at most 4,096 bytes: literals, and copies of what came before."""
    out = bytearray()
    at = 0
    while at < len(chunk):
        flags = chunk[at]
        at += 1
        for bit in range(8):
            if at >= len(chunk) or len(out) >= 4096:
                break
            if not flags >> bit & 1:
                out.append(chunk[at])
                at += 1
                continue
            if at + 2 > len(chunk) or not out:
                return bytes(out)
            token = chunk[at] | chunk[at + 1] << 8
            at += 2
            places = max((len(out) - 1).bit_length(), 4)
            length = (token & 0xFFFF >> places) + 3
            offset = (token >> (16 - places)) + 1
            if offset > len(out):
                return bytes(out)
            for _ in range(length):
                out.append(out[-offset])
    return bytes(out)


def _macro_sheets(workbook: bytes) -> int:
    """Sheets of Excel 4 macros in a binary workbook."""
    count = at = 0
    while at + 4 <= len(workbook):
        kind, size = struct.unpack_from("<HH", workbook, at)
        if kind == BOUND_SHEET and size >= 6:
            count += workbook[at + 9] == SHEET_IS_MACROS
        at += 4 + size
        if not kind and not size:
            break
    return count


def _packed_objects(document: bytes) -> Iterator[bytes]:
    """Compound files in a presentation (MS-PPT 2.10.34): records of type 0x1011, packed by zlib behind their size."""
    for match in list(re.finditer(rb"[\x00\x10]\x00\x11\x10", document))[:MOST_CONTAINERS]:
        length = int.from_bytes(document[match.end() : match.end() + 4], "little")
        plain = _inflated(document[match.end() + 8 : match.end() + 4 + length])
        if plain.startswith(COMPOUND):
            yield plain
