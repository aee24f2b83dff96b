"""Files as byte streams: plain, gzip, zstd or bzip2 by content, or standard input; never more than asked for."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from tidegauge.model import InputError

MAGICS = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bz2"))
BLOCK = 1 << 20
HEAD = 512
"""Bytes at the begin of a file by which one that may have grown is found."""


class Stream:
    """A stream with `read`, `peek`, the offset so far and a hash of what the file holds.

    Reading past damage of a compressed file raises `InputError` with the offset in the unpacked data.
    """

    def __init__(self, source: IO[bytes], name: str, *, hashed: bool = False) -> None:
        self.name = name
        self.offset = 0
        self._held = b""
        self._digest = hashlib.blake2b(digest_size=20) if hashed else None
        self._raw = _Peeking(source, self._digest)
        head = self._raw.peek(4)
        self.compression = next((kind for magic, kind in MAGICS if head.startswith(magic)), None)
        self._unpacked: Any = (
            pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), self.compression)
            if self.compression
            else self._raw
        )
        # What is not packed has one hash, which others have made.
        self._content = hashlib.blake2b(digest_size=20) if self.compression else None
        self._passed = 0

    def _fill(self, size: int) -> None:
        while len(self._held) < size:
            try:
                more = self._unpacked.read(max(BLOCK, size - len(self._held)))
            except OSError as error:
                cause = str(error).splitlines()[0]
                raise InputError(
                    f"the {self.compression} data are damaged: {cause}"
                    if self.compression
                    else f"cannot be read: {cause}",
                    where=f"{self.name}, offset {self.offset + len(self._held)}",
                ) from None
            if not more:
                return
            if self._content is not None:
                self._content.update(more)
            self._passed += len(more)
            self._held += more

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
        rest = b""
        while True:
            block = self.read(size)
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
        """Hash and length of what the whole stream unpacks to; reads what has not been read.

        Args:
            digest: of the stream as it came.

        Raises:
            InputError: it is damaged.
        """
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


class _Peeking:
    """A reader that can look ahead once, and hashes what passes through it where it is given a hash."""

    closed = False

    def __init__(self, source: IO[bytes], digest: Any) -> None:
        self._source, self._digest = source, digest
        self._head = b""

    def peek(self, size: int) -> bytes:
        self._head += self.read(size)
        return self._head

    def read(self, size: int = -1) -> bytes:
        if self._head:
            taken, self._head = self._head, b""
            return taken
        data = self._source.read(size)
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
def open_stream(path: str) -> Iterator[Stream]:
    """Open a file, or standard input for `-`.

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
            raise InputError(f"cannot be opened: {error.strerror}", where=path) from None
        yield Stream(source, path)


def hash_file(path: str) -> str | None:
    """The content hash of a file on disk without unpacking it; None for standard input."""
    if path == "-":
        return None
    digest = hashlib.blake2b(digest_size=20)
    try:
        with Path(path).open("rb") as source:
            while block := source.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=path) from None
    return digest.hexdigest()


@dataclass(frozen=True)
class Begin:
    """How a file begins as one does that is known.

    Attributes:
        length: of the known file's content, in bytes.
        whole: the file is no longer than that.
        line: where the first line begins that the known file did not hold whole.
    """

    length: int
    whole: bool
    line: int


def head_of(stream: Stream) -> str:
    """Hash of the begin of a stream of which nothing has been read; empty where that is too short to tell any."""
    head = stream.peek(HEAD)
    return hashlib.blake2b(head, digest_size=20).hexdigest() if len(head) == HEAD else ""


def known_begin(stream: Stream, known: Mapping[int, str]) -> Begin | None:
    """How a stream begins with the longest of some contents, given as hashes by length; None where with none.

    Reads the stream up to the longest.
    """
    digest, found = hashlib.blake2b(digest_size=20), None
    at = line = 0
    for length in sorted(known):
        while at < length and (block := stream.read(min(BLOCK, length - at))):
            digest.update(block)
            end = block.rfind(b"\n")
            line = at + end + 1 if end >= 0 else line
            at += len(block)
        if at < length:
            break
        if digest.copy().hexdigest() == known[length]:
            after = stream.peek(1)
            found = Begin(length, not after, length + 1 if after == b"\n" and line < length else line)
    return found
