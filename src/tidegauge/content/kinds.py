"""What a file is by its first bytes, whatever it calls itself; and whether its name tells another story."""

from __future__ import annotations

import re

MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xd4\xc3\xb2\xa1", "capture"),
    (0, b"\xa1\xb2\xc3\xd4", "capture"),
    (0, b"\x4d\x3c\xb2\xa1", "capture"),
    (0, b"\xa1\xb2\x3c\x4d", "capture"),
    (0, b"\x0a\x0d\x0d\x0a", "capture"),
    (0, b"!BDN", "pst"),
    (0, b"%PDF-", "pdf"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"PK\x05\x06", "zip"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (0, b"{\\rtf", "rtf"),
    (0, b"MZ", "executable"),
    (0, b"\x7fELF", "executable"),
    (0, b"L\x00\x00\x00\x01\x14\x02\x00", "lnk"),
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", "onenote"),
    (32769, b"CD001", "iso"),
    (0, b"conectix", "disk image"),
    (0, b"vhdxfile", "disk image"),
    (0, b"Rar!\x1a\x07", "rar"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\x00", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"MSCF", "cab"),
    (0, b"ITSF", "chm"),
    (257, b"ustar", "tar"),
    (0, b"\x89PNG\r\n\x1a\n", "image"),
    (0, b"\xff\xd8\xff", "image"),
    (0, b"GIF8", "image"),
    (0, b"BM", "image"),
    (0, b"II*\x00", "image"),
    (0, b"MM\x00*", "image"),
    (8, b"WEBP", "image"),
)
"""Offset, bytes and kind, from the formats' own specifications; the first that fits counts."""
SCRIPTS = frozenset(
    "js jse vbs vbe wsf wsh hta ps1 bat cmd scr pif com exe msi msix jar cpl reg lnk url dll sct vb".split()
)
"""Endings that a double click runs, as Windows and mail gateways list them."""
DOCUMENTS = frozenset(
    "pdf doc docx xls xlsx ppt pptx odt ods rtf txt csv htm html eml msg zip rar 7z jpg jpeg png gif".split()
)
MARKUP = re.compile(rb"^\s*(<!doctype\s+html|<html|<head|<body|<script|<svg|<!--|<table|<meta|<div)", re.IGNORECASE)
HEADER_LINE = re.compile(
    rb"(?:From |(?:[A-Za-z][A-Za-z0-9-]{1,40}:[ \t].{0,2000}\r?\n(?:[ \t].{0,2000}\r?\n)*)+"
    rb"(?:\r?\n|[A-Za-z][A-Za-z0-9-]{1,40}:))"
)


def kind_of(data: bytes) -> str:
    """The kind of a file by its content: a name of `MAGIC`, `html`, `text` or `data`.

    >>> kind_of(b"%PDF-1.7 ..."), kind_of(b"<html><body>"), kind_of(b"hello"), kind_of(bytes(range(9)))
    ('pdf', 'html', 'text', 'data')
    """
    for offset, mark, kind in MAGIC:
        if data.startswith(mark, offset):
            return kind
    head = data[:2048]
    if MARKUP.match(head.lstrip(b"\xef\xbb\xbf")):
        return "html"
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return "text"
    odd = sum(byte < 9 or 13 < byte < 32 for byte in head)
    return "data" if odd > len(head) // 50 else "text"


def looks_like_mail(data: bytes) -> bool:
    """Whether a file begins as a mail does: header lines, among them some that only mails have."""
    head = data[:65536].lstrip(b"\xef\xbb\xbf\r\n")
    if not HEADER_LINE.match(head):
        return False
    top = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0].lower()
    told = sum(
        re.search(rb"^" + name + rb":", top, re.MULTILINE) is not None
        for name in (b"from", b"to", b"subject", b"date", b"received", b"message-id", b"mime-version", b"content-type",
                     b"return-path", b"delivered-to", b"reply-to")
    )
    return told >= 2 or (told == 1 and head.startswith(b"From "))


def endings(name: str) -> list[str]:
    """The endings of a file's name, the last one last, without those that hide behind spaces or direction marks.

    >>> endings("invoice.pdf   .exe")
    ['pdf', 'exe']
    """
    plain = re.sub(r"[\u200b-\u200f\u202a-\u202e\u2066-\u2069]", "", name).strip().lower()
    return [part.strip() for part in plain.split(".")[1:] if 0 < len(part.strip()) <= 8]
