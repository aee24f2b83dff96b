"""Everything that lies in a file, as blocks of UTF-8 text with their places.

Nothing is written to disk. Members that a reader must have whole are held in memory, up to `MOST_WHOLE`; what is
larger, deeper or more than the budget allows is left out and said.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar, cast

import pyarrow as pa

from tidegauge.content.blocks import BLOCK, HEAD, Block, blocks, runs
from tidegauge.content.bounded import MOST_MEMBERS, MOST_WHOLE, Budget, Joined, Metered
from tidegauge.content.cells import MOST_MARKUP, markup_text
from tidegauge.content.encodings import guess_encoding, to_text
from tidegauge.content.kinds import kind_of, looks_like_mail
from tidegauge.content.mail import MOST_BYTES as MOST_MAIL, parse_mail
from tidegauge.content.msg import is_msg, msg_to_mail
from tidegauge.content.office import (
    Paged,
    image_pages,
    ocr_is_here,
    ole_text,
    pages_of,
    pdf_pages,
    sqlite_tables,
    zip_office,
)
from tidegauge.content.pst import pst_mails
from tidegauge.content.sandbox import Apart
from tidegauge.content.sessions import is_encrypted, parts_of
from tidegauge.model import TidegaugeError

T = TypeVar("T")
MOST_DEPTH = 8
Shape = Literal["lines", "mail", "document", "table"]


@dataclass
class Source:
    """One text: where it lies (file within file, by `/`), what it is, and its blocks, to be read once."""

    path: str
    shape: Shape
    blocks: Iterator[Block]
    headers: dict[str, str] = field(default_factory=dict)
    group: str = ""
    """What it is one of many of (a mailbox): they are told of together."""


@dataclass(frozen=True)
class LeftOut:
    """What was not looked into, and why."""

    path: str
    why: str


Found = Iterator[Source | LeftOut]


Streams = Callable[[BinaryIO, str], Iterator[tuple[str, bytes] | LeftOut]]
"""Reads a packet capture: the name and bytes of what each side of its connections sent, or what was left out."""


def files_below(path: Path) -> Iterator[Path | LeftOut]:
    """A file, or all files below a folder, by name; links are left out."""
    if path.is_symlink():
        yield LeftOut(str(path), "a symbolic link: it is not followed")
    elif path.is_dir():
        for root, folders, files in os.walk(path):
            folders.sort()
            for name in folders:
                if (Path(root) / name).is_symlink():
                    yield LeftOut(str(Path(root) / name), "a symbolic link: it is not followed")
            for name in sorted(files):
                yield from files_below(Path(root) / name)
    else:
        yield path


def unpack(path: Path, apart: Apart, streams: Streams | None = None) -> Found:
    """All texts of a file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            yield LeftOut(str(path), "no regular file")
            return
        with path.open("rb") as file:
            yield from _Unpacking(apart, path, streams).file(str(path), file, path.stat().st_size)
    except OSError as error:
        yield LeftOut(str(path), f"cannot be read: {error.strerror or type(error).__name__}")


def unpack_bytes(name: str, data: bytes, apart: Apart, streams: Streams | None = None) -> Found:
    """All texts of bytes."""
    yield from _Unpacking(apart, None, streams).file(name, io.BytesIO(data), len(data))


class _Unpacking:
    """One file on its way: what it may still unfold to."""

    def __init__(self, apart: Apart, path: Path | None, streams: Streams | None) -> None:
        self._apart, self._path, self._streams, self._budget = apart, path, streams, Budget()

    def file(self, name: str, file: BinaryIO, size: int | None, depth: int = 0) -> Found:
        """The texts of one file or member; `size` its packed size where it is known."""
        self._budget.members -= 1
        if self._budget.members < 0:
            yield LeftOut(name, f"more than {MOST_MEMBERS:,} files within one")
            return
        if depth > MOST_DEPTH:
            yield LeftOut(name, f"packed more than {MOST_DEPTH} times")
            return
        head = file.read(HEAD)
        rest = Joined(head, file)
        reader = self._reader(head)
        troubles: list[str] = []
        for found in _guarded(
            self._text(name, head, rest) if reader is None else reader(name, rest, size, depth), troubles
        ):
            if isinstance(found, Source):
                # Texts are read while others look at them: what breaks then is said here too.
                found.blocks = _guarded(found.blocks, troubles)
            yield found
        for why in troubles:
            yield LeftOut(name, why)

    def _reader(self, head: bytes) -> Callable[[str, Joined, int | None, int], Found] | None:
        kind = kind_of(head)
        if head.startswith(b"SQLite format 3\0"):
            return self._sqlite
        if kind == "text" and head.startswith(b"From ") and looks_like_mail(head):
            return self._mbox
        if kind in ("text", "data") and looks_like_mail(head):
            return self._mail
        found: dict[str, Callable[[str, Joined, int | None, int], Found]] = {
            "zip": self._zip, "tar": self._tar, "7z": self._seven, "rar": self._rar, "pdf": self._pdf, "ole": self._ole,
            "html": self._page, "gzip": self._stream, "bzip2": self._stream, "xz": self._stream, "zstd": self._stream,
            "image": self._image, "capture": self._capture,
            "pst": self._pst, "executable": self._strings, "data": self._strings,
        }
        return found.get(kind)

    # Texts.

    def _text(self, name: str, head: bytes, file: Joined) -> Found:
        yield Source(name, "lines", blocks(cast(BinaryIO, file), guess_encoding(head)))

    def _strings(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        """Runs of text in bytes of no known form."""
        yield Source(name, "lines", runs(cast(BinaryIO, file)))

    def _page(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        data = file.read(MOST_MARKUP + 1)
        if len(data) > MOST_MARKUP:  # as it stands
            yield from self._text(name, data[:HEAD], Joined(data, cast(BinaryIO, file)))
            return
        yield from self._paged(name, pages_of("", markup_text(to_text(data))))

    def _mail(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        yield from self._one_mail(name, file.read(MOST_MAIL + 1), depth)

    def _mbox(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        for number, data in enumerate(mails_of(cast(BinaryIO, file)), 1):
            yield from self._one_mail(f"{name}/mail {number}", data, depth, name)

    def _one_mail(self, name: str, data: bytes, depth: int, group: str = "") -> Found:
        mail = parse_mail(data)
        headers = {key: mail.header(key) for key in ("from", "to", "cc", "date", "subject")}
        shown = mail.text + ("\n" + markup_text(mail.html) if mail.html else "")
        text = "".join(f"{key}: {value}\n" for key, value in headers.items() if value) + "\n" + shown
        yield Source(name, "mail", blocks(io.BytesIO(text.encode("utf-8", "replace")), "utf-8"), headers, group)
        for trouble in mail.troubles:
            yield LeftOut(name, trouble)
        for number, part in enumerate(mail.attachments, 1):
            yield from self.file(
                f"{name}/{_tidy(part.name) or f'part {number}'}", io.BytesIO(part.data), len(part.data), depth + 1
            )
        for number, inner in enumerate(mail.attached, 1):
            if depth < MOST_DEPTH:
                yield from self._one_mail(f"{name}/attached mail {number}", inner, depth + 1)
            else:
                yield LeftOut(name, f"mails within mails more than {MOST_DEPTH} deep")

    # Containers.

    def _zip(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        whole = self._whole(name, file, size)
        if isinstance(whole, LeftOut):
            yield whole
            return
        with zipfile.ZipFile(whole) as archive:
            entries = archive.infolist()
            if any(e.filename in ("[Content_Types].xml", "mimetype") for e in entries[:50]):
                yield from self._pages(name, zip_office, whole)
                return
            for entry in entries:
                inner = f"{name}/{_tidy(entry.filename)}"
                if entry.is_dir():
                    continue
                if entry.flag_bits & 1:
                    yield LeftOut(inner, "locked with a password")
                    continue
                with archive.open(entry) as member:
                    yield from self.file(
                        inner, self._metered(member, entry.compress_size), entry.compress_size, depth + 1
                    )

    def _pst(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        """Mails of an Outlook store, some at a time; a store within an archive is too large to be held."""
        if self._path is None or depth:
            yield LeftOut(name, "an Outlook store within something else: it is looked at as a file of its own")
            return
        at = 0
        while True:
            mails = self._apart.run(pst_mails, self._path, at)
            if isinstance(mails, str):
                yield LeftOut(name, mails)
                return
            for number, mail in enumerate(mails, at + 1):
                inner = f"{name}/mail {number}"
                text = mail.text.encode("utf-8", "replace")
                yield Source(inner, "mail", blocks(io.BytesIO(text), "utf-8"), mail.headers, name)
                for part, data in mail.attachments:
                    yield from self.file(f"{inner}/{_tidy(part) or 'part'}", io.BytesIO(data), len(data), depth + 1)
            at += len(mails)
            if not mails:
                return

    def _tar(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        with tarfile.open(fileobj=file, mode="r|") as archive:
            for member in archive:
                inner = f"{name}/{_tidy(member.name)}"
                if not member.isfile():
                    if member.issym() or member.islnk():
                        yield LeftOut(inner, "a link within the archive: it is not followed")
                    continue
                opened = archive.extractfile(member)
                if opened is not None:
                    yield from self.file(inner, self._metered(opened, None), member.size, depth + 1)

    def _stream(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        kind = kind_of(file.head)
        opened: BinaryIO
        if kind == "gzip":
            opened = gzip.GzipFile(fileobj=file)  # type: ignore[assignment]
        elif kind == "bzip2":
            opened = bz2.BZ2File(file)  # type: ignore[assignment]
        elif kind == "xz":
            opened = cast(BinaryIO, lzma.LZMAFile(cast(BinaryIO, file)))  # noqa: SIM115
        else:
            opened = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
        inner = re.sub(r"\.(?:gz|bz2|xz|zst|zstd)$", "", name.rpartition("/")[2], flags=re.IGNORECASE)
        yield from self.file(f"{name}/{inner}", self._metered(opened, size), size, depth + 1)

    def _capture(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        """What was sent in connections of a packet capture, where nothing hides it."""
        if self._streams is None:
            yield LeftOut(name, "a packet capture")
            return
        hidden = 0
        for found in self._streams(cast(BinaryIO, file), name):
            if isinstance(found, LeftOut):
                yield found
                continue
            stream, data = found
            if is_encrypted(data):
                hidden += 1
                continue
            for part in parts_of(data):
                inner = f"{name}/{stream}/{_tidy(part.name)}"
                if part.text:
                    yield Source(inner, "lines", blocks(io.BytesIO(part.data), guess_encoding(part.data)))
                else:
                    yield from self.file(inner, io.BytesIO(part.data), len(part.data), depth + 1)
        if hidden:
            yield LeftOut(name, f"{hidden:,} streams are encrypted (TLS)")

    def _seven(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        import py7zr
        from py7zr.io import BytesIOFactory

        whole = self._whole(name, file, size)
        if isinstance(whole, LeftOut):
            yield whole
            return
        try:
            with py7zr.SevenZipFile(whole) as archive:
                if archive.needs_password():
                    yield LeftOut(name, "locked with a password")
                    return
                total = sum(entry.uncompressed or 0 for entry in archive.list())
                if total > MOST_WHOLE:
                    yield LeftOut(name, f"unfolds to {total >> 20:,} MB: more than {MOST_WHOLE >> 20} MB of 7z at once")
                    return
                factory = BytesIOFactory(MOST_WHOLE)
                archive.extractall(factory=factory)
        except py7zr.exceptions.PasswordRequired:
            yield LeftOut(name, "locked with a password")
            return
        except py7zr.exceptions.ArchiveError as error:
            yield LeftOut(name, f"broken: {str(error)[:100]}")
            return
        for inner, held in factory.products.items():
            data = held.read()
            yield from self.file(f"{name}/{_tidy(inner)}", io.BytesIO(data), len(data), depth + 1)

    def _rar(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        import rarfile

        whole = self._whole(name, file, size)
        if isinstance(whole, LeftOut):
            yield whole
            return
        try:
            with rarfile.RarFile(whole) as archive:
                for entry in archive.infolist()[:MOST_MEMBERS]:
                    yield LeftOut(
                        f"{name}/{_tidy(entry.filename)}", f"{entry.file_size:,} bytes in a RAR archive: only listed"
                    )
        except rarfile.Error as error:
            yield LeftOut(name, f"broken: {str(error)[:100]}")

    # What other libraries read, apart.

    def _pdf(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        yield from self._pages(name, pdf_pages, file, size)

    def _image(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        if not ocr_is_here():
            yield LeftOut(name, "a picture: text in it is read where Tesseract is installed")
            return
        yield from self._pages(name, image_pages, file, size)

    def _ole(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        data = file.read(MOST_WHOLE + 1)
        if len(data) > MOST_WHOLE:
            yield LeftOut(name, f"larger than {MOST_WHOLE >> 20} MB")
        elif is_msg(data):
            yield from self._one_mail(name, msg_to_mail(data), depth)
        else:
            yield from self._paged(name, self._apart.run(ole_text, data))

    def _sqlite(self, name: str, file: Joined, size: int | None, depth: int) -> Found:
        if self._path is not None and depth == 0:
            yield from self._paged(name, sqlite_tables(self._path))
            return
        yield from self._pages(name, sqlite_tables, file, size)

    def _pages(
        self, name: str, reader: Callable[[bytes], Iterable[Paged]], file: Any, size: int | None = None
    ) -> Found:
        if not isinstance(file, Joined):
            file.seek(0)
        data = file.read(MOST_WHOLE + 1)
        if len(data) > MOST_WHOLE:
            yield LeftOut(name, f"larger than {MOST_WHOLE >> 20} MB")
            return
        yield from self._paged(name, reader(data) if reader is sqlite_tables else self._apart.run(reader, data))

    def _paged(self, name: str, pages: object) -> Found:
        if isinstance(pages, str):
            yield LeftOut(name, pages)
            return
        for page in pages:  # type: ignore[attr-defined]
            shape: Shape = "table" if page.rows else "document"
            text = io.BytesIO(page.text.encode("utf-8", "replace"))
            first = page.line - 1
            yield Source(
                name, shape, (Block(b.data, b.line + first, b.offset, page.page) for b in blocks(text, "utf-8"))
            )
            if page.trouble:
                yield LeftOut(name, page.trouble)

    def _whole(self, name: str, file: Joined, size: int | None) -> io.BytesIO | BinaryIO | LeftOut:
        """A member as something that can be sought in."""
        if file.seekable_below:
            file.below.seek(0)
            return file.below
        data = file.read(MOST_WHOLE + 1)
        if len(data) > MOST_WHOLE:
            return LeftOut(name, f"larger than {MOST_WHOLE >> 20} MB within an archive")
        return io.BytesIO(data)

    def _metered(self, file: Any, packed: int | None) -> BinaryIO:
        return Metered(file, self._budget, packed)  # type: ignore[return-value]


BROKEN = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, LookupError, TidegaugeError, zipfile.BadZipFile,
    tarfile.TarError, lzma.LZMAError, zlib.error, pa.ArrowException,
)
"""What readers of archives and streams raise at broken ones."""


def _guarded(items: Iterator[T], troubles: list[str]) -> Iterator[T]:
    """Items until reading them fails; then why."""
    try:
        yield from items
    except BROKEN as error:
        troubles.append(f"can't be read on: {str(error)[:120] or type(error).__name__}")


def _tidy(name: str) -> str:
    """A member's name as one path below, whatever it says."""
    parts = [part for part in re.split(r"[\\/]+", name) if part not in ("", ".", "..")]
    return "/".join("".join(c if c.isprintable() else "?" for c in part) for part in parts)[:300]


def mails_of(file: BinaryIO) -> Iterator[bytes]:
    """Mails of an mbox: each begins with a `From ` line after an empty one (RFC 4155); of a long one its beginning."""
    held: list[bytes] = []
    size, empty = 0, True
    lines = io.BufferedReader(file) if isinstance(file, io.RawIOBase) else file
    while line := lines.readline(BLOCK):
        if empty and line.startswith(b"From ") and (not held or size):
            if any(part.strip() for part in held[1:]):
                yield b"".join(held[1:])
            held, size = [line], 0
        elif size <= MOST_MAIL:
            held.append(line[1:] if re.match(rb">+From ", line) else line)
            size += len(line)
        empty = not line.strip(b"\r\n")
    if any(part.strip() for part in held[1:]):
        yield b"".join(held[1:])
