"""Files as byte streams: plain, gzip, zstd, bzip2 or xz by content, UTF-16 as UTF-8, or standard input; never more than
asked for."""

from __future__ import annotations

import bz2
import codecs
import gzip
import hashlib
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from tidegauge.model import CorruptError, InputError

MAGICS = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bz2"), (b"\xfd7zXZ\0", "xz"))
UTF_16 = re.compile(rb"\xff\xfe[\t\n\r -~]\0|\xfe\xff\0[\t\n\r -~]")
"""How text begins that Windows' tools write."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLOCK = 1 << 20
END_BYTES = 64
HEADS = (512, 64)
"""Bytes at the begin of a file by which one that may have grown is found: of one with so many the first, else the
second."""
ENDED = ("Truncated", "Not a gzipped file", "Unknown frame descriptor")
"""Of errors: the data are cut, or something else follows them."""
PIECE = 1 << 16
"""So much is unpacked at once: what lies before damage in one piece is lost with it."""


class Stream:
    """A stream with `read`, `peek`, the offset so far and a hash of what the file holds.

    Reading past damage of a compressed file raises `InputError` with the offset in the unpacked data.
    """

    def __init__(self, source: IO[bytes], name: str, *, hashed: bool = False, most: int | None = None) -> None:
        """Begin to read.

        Args:
            hashed: hash what comes, for sources that cannot be read twice.
            most: read so many bytes at most, whatever is there.
        """
        self.name = name
        self.offset = 0
        self._held = b""
        self._digest = hashlib.blake2b(digest_size=20) if hashed else None
        self._raw = _Peeking(source, self._digest, most)
        head = self._raw.peek(6)
        self.compression = next((kind for magic, kind in MAGICS if head.startswith(magic)), None)
        if UTF_16.match(head):
            self.compression = "utf-16"
        self._piece: Callable[[int], bytes] = self._raw.read
        if self.compression == "gzip":  # Python's gives what lies before damage, and takes zeros at the end
            self._piece = gzip.GzipFile(fileobj=cast(Any, self._raw)).read1
        elif self.compression == "bz2":
            self._piece = bz2.BZ2File(cast(Any, self._raw)).read1
        elif self.compression == "xz":
            self._piece = lzma.LZMAFile(cast(Any, self._raw)).read1  # noqa: SIM115 - it owns nothing
        elif self.compression == "utf-16":
            self._piece = _Recoded(self._raw).read
        elif self.compression:
            self._piece = pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), self.compression).read
        # What is not packed has one hash, which others have made.
        self._content = hashlib.blake2b(digest_size=20) if self.compression else None
        self._passed = 0
        self._damage: InputError | None = None

    def _fill(self, size: int) -> None:
        """Hold so many bytes, fewer at the end. Damage is raised when what lies before it has been taken."""
        pieces, held = [self._held], len(self._held)
        while held < size and self._damage is None:
            try:
                more = self._piece(PIECE if self.compression else max(BLOCK, size - held))
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                self._damage = self._named(error, self.offset + held)
                break
            if not more:
                break
            if self._content is not None:
                self._content.update(more)
            self._passed += len(more)
            pieces.append(more)
            held += len(more)
        self._held = b"".join(pieces) if len(pieces) > 1 else self._held
        if not held and self._damage is not None:
            raise self._damage

    def _named(self, error: Exception, offset: int) -> InputError:
        """An error of reading as ours. A file that is cut is good as far as it goes; where check sums do not fit, or
        nothing can be unpacked any more, garbage may have come for a long while."""
        cause, where = str(error).splitlines()[0], f"{self.name}, offset {offset}"
        if not self.compression:
            return InputError(f"cannot be read: {cause}", where=where)
        what = f"the {self.compression} data are damaged: {cause}"
        if isinstance(error, EOFError) or any(word in cause for word in ENDED):
            return InputError(what, where=where)
        return CorruptError(
            what, where=where, hint="nothing of it is taken in, since nobody can tell what of it is as it was written"
        )

    def peek(self, size: int) -> bytes:
        """The next bytes without taking them; fewer at the end."""
        self._fill(size)
        return self._held[:size]

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        if len(self._held) < size:
            self._fill(size)
        taken, self._held = self._held[:size], self._held[size:]
        self.offset += len(taken)
        return taken

    def lines(self, size: int = 4 * BLOCK) -> Iterator[bytes]:
        """Blocks of whole lines of about `size` bytes; a line longer than 8 blocks is an error.

        What is no UTF-8 becomes the replacement character, so that it spoils its own line only.
        """
        rest, begins = b"", self.offset == 0
        while True:
            block = self.read(size)
            if begins:
                block, begins = block.removeprefix(BYTE_ORDER_MARK), False
            if not block:
                if rest:
                    yield _readable(rest)
                return
            end = block.rfind(b"\n") + 1
            if end:
                yield _readable(rest + block[:end])
                rest = block[end:]
            else:
                rest += block
                if len(rest) > 8 * size:
                    raise InputError("a line without an end", where=f"{self.name}, offset {self.offset - len(rest)}")

    def content(self, digest: str) -> tuple[str, int]:
        """Hash and length of what the whole stream unpacks to, up to damage; reads what has not been read.

        Args:
            digest: of the stream as it came.
        """
        with suppress(InputError):
            while self.peek(1):
                self._held = b""
        return (digest if self._content is None else self._content.hexdigest()), self._passed

    def go_on(self, offset: int, header: bytes) -> None:
        """Pass over what lies before an offset, but for a header with which the stream begins."""
        while self.offset + len(self._held) < offset and self.peek(len(self._held) + 1):
            keep = max(len(self._held) - BLOCK, 0)
            self.offset, self._held = self.offset + keep, self._held[keep:]
        past = offset - self.offset
        self._held = header + self._held[past:]
        self.offset = offset - len(header)

    def content_hash(self) -> str:
        """Hash of the whole stream as it came, of one opened for that; reads what has not been read."""
        assert self._digest is not None
        self._raw.drain()
        return self._digest.hexdigest()


@contextmanager
def damage_named(stream: Stream) -> Iterator[None]:
    """Errors of the table parsers as ours, with file and offset."""
    try:
        yield
    except pa.ArrowInvalid as error:
        raise InputError(
            f"not a table: {str(error).splitlines()[0][:120]}", where=f"{stream.name}, before offset {stream.offset}"
        ) from None


def _readable(block: bytes) -> bytes:
    return block if block.isascii() else block.decode("utf-8", "replace").encode()


class _Recoded:
    """UTF-16 as UTF-8; what is none becomes the replacement character."""

    def __init__(self, raw: _Peeking) -> None:
        self._raw, self._decoder = raw, codecs.getincrementaldecoder("utf-16")("replace")

    def read(self, size: int) -> bytes:
        while more := self._raw.read(size):
            if text := self._decoder.decode(more):
                return text.encode()
        return self._decoder.decode(b"", final=True).encode()


class _Peeking:
    """A reader that can look ahead once, and hashes what passes through it where it is given a hash."""

    closed = False

    def __init__(self, source: IO[bytes], digest: Any, most: int | None = None) -> None:
        self._source, self._digest, self._left = source, digest, most
        self._head = b""

    def peek(self, size: int) -> bytes:
        self._head += self.read(size)
        return self._head

    def read(self, size: int = -1) -> bytes:
        if self._head:
            taken, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
            return taken + self.read(size - len(taken) if size >= 0 else -1) if len(taken) != size else taken
        if self._left is not None:
            size = self._left if size < 0 else min(size, self._left)
        data = self._source.read(size)
        if self._left is not None:
            self._left -= len(data)
        if self._digest is not None:
            self._digest.update(data)
        return data

    def drain(self) -> None:
        while self.read(BLOCK):
            pass

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        pass


@contextmanager
def open_stream(path: str, *, most: int | None = None) -> Iterator[Stream]:
    """Open a file (at most so many bytes of it), or standard input for `-`.

    Raises:
        InputError: it cannot be opened.
    """
    if path == "-":
        yield Stream(sys.stdin.buffer, "standard input", hashed=True)
        return
    with ExitStack() as stack:
        try:
            source = stack.enter_context(Path(path).open("rb"))
        except OSError as error:
            raise InputError(f"cannot be opened: {error.strerror}", where=printable(path)) from None
        yield Stream(source, printable(path), most=most)


def printable(path: str) -> str:
    """A path as text that can be written anywhere: bytes of its name that are not UTF-8 as escapes.

    >>> printable("a/\\udcff.csv")
    'a/\\\\xff.csv'
    """
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def hash_file(path: str, *, most: int | None = None) -> str | None:
    """The content hash of a file on disk (at most so many bytes of it) without unpacking it; None for standard
    input."""
    if path == "-":
        return None
    digest = hashlib.blake2b(digest_size=20)
    try:
        with Path(path).open("rb") as source:
            while block := source.read(BLOCK if most is None else min(BLOCK, most)):
                digest.update(block)
                most = None if most is None else most - len(block)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=printable(path)) from None
    return digest.hexdigest()


@dataclass(frozen=True)
class Begin:
    """How a file begins as one does that is known.

    Attributes:
        length, content: of the known file's content, in bytes, and its hash.
        whole: the file is no longer than that.
        line: where the first line begins that the known file did not hold whole; the known file's last line was cut
            where that is before its end.
    """

    length: int
    content: str
    whole: bool
    line: int


def heads_of(stream: Stream) -> dict[int, str]:
    """Hashes of the begin of a stream of which nothing has been read, by length: of those in `HEADS` that it has."""
    head = stream.peek(HEADS[0])
    return {size: hashlib.blake2b(head[:size], digest_size=20).hexdigest() for size in HEADS if len(head) >= size}


def content_before_end(stream: Stream) -> tuple[str, int]:
    """Hash and length of what a stream unpacks to, but for the brackets that end a list: a list that has grown begins
    so."""
    digest, length, tail = hashlib.blake2b(digest_size=20), 0, b""
    while block := stream.read(BLOCK):
        block = tail + block
        kept = block[:-END_BYTES]
        tail = block[len(kept) :]
        digest.update(kept)
        length += len(kept)
    tail = tail.rstrip(b" \t\r\n]")
    digest.update(tail)
    return digest.hexdigest(), length + len(tail)


def known_begins(stream: Stream, known: set[tuple[int, str]]) -> list[Begin]:
    """How a stream begins with some contents, given by length and hash; the longest last.

    Reads the stream up to the longest.
    """
    digest, found = hashlib.blake2b(digest_size=20), []
    at = line = 0
    for length in sorted({length for length, _ in known}):
        while at < length and (block := stream.read(min(BLOCK, length - at))):
            digest.update(block)
            end = block.rfind(b"\n")
            line = at + end + 1 if end >= 0 else line
            at += len(block)
        if at < length:
            break
        content = digest.copy().hexdigest()
        if (length, content) in known:
            after = stream.peek(2)
            ended = next((len(mark) for mark in (b"\r\n", b"\n") if line < length and after.startswith(mark)), 0)
            found.append(Begin(length, content, not after, length + ended if ended else line))
    return found
