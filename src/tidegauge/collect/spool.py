"""The spool: datagrams on disk between reception and decoding, as checksummed frames in files of bounded size.

A file is only ever appended to by one writer; a new writer begins a new file. So a frame that is not whole is either
still being written (in the newest file) or was torn by a crash (in any other).
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from tidegauge.collect.mmsg import ENTRY, Batch

MAGIC = b"TGF1"
HEAD = struct.Struct("<4sHHIIQQ")
"""Magic, kind, reserved, count of datagrams, bytes of the body, arrival (microseconds UTC), checksum (XXH3-64)."""
DATA, KERNEL_DROPPED, SPOOL_DROPPED = 1, 2, 3
FILE_BYTES = 64 << 20
LARGEST_BODY = 32 << 20
SUFFIX = ".spool"
READ_BYTES = 8 << 20


@dataclass(frozen=True, order=True)
class Position:
    """A place in the spool: file number and offset in it."""

    file: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Frame:
    """Datagrams of one batch; or, for the other kinds, how many were dropped before it."""

    kind: int
    count: int
    arrived_us: int
    entries: NDArray[np.void]
    payloads: memoryview


def spool_files(folder: Path) -> list[int]:
    """Numbers of the files there are, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(int(p.stem) for p in folder.iterdir() if p.suffix == SUFFIX and p.stem.isdigit())


def file_path(folder: Path, number: int) -> Path:
    return folder / f"{number:015d}{SUFFIX}"


def pack(kind: int, count: int, arrived_us: int, *parts: bytes) -> bytes:
    """A frame's header for a body that is made of parts."""
    size = sum(map(len, parts))
    check = _checksum(HEAD.pack(MAGIC, kind, 0, count, size, arrived_us, 0), *parts)
    return HEAD.pack(MAGIC, kind, 0, count, size, arrived_us, check)


def _checksum(head: bytes, *parts: bytes | memoryview) -> int:
    digest = xxhash.xxh3_64(head)
    for part in parts:
        digest.update(part)
    return digest.intdigest()


class SpoolWriter:
    """Appends frames; a context manager. Not for several threads, except `sync`.

    Attributes:
        total: bytes of the spool's files as last measured, with what was written since.
    """

    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        self._folder, self._limit = folder, limit_bytes
        self._handle = -1
        self._size = 0
        self._measured_s = 0.0
        self.total = 0

    def __enter__(self) -> SpoolWriter:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._begin()
        return self

    def __exit__(self, *exception: object) -> None:
        self.sync()
        os.close(self._handle)
        self._handle = -1

    def _begin(self) -> None:
        """Begin a new file, numbered above all there ever were (the clock tells, should the folder be empty)."""
        last = max(spool_files(self._folder), default=0)
        path = file_path(self._folder, max(last + 1, time.time_ns() // 1_000_000))
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        if self._handle >= 0:
            os.fdatasync(self._handle)
            os.close(self._handle)
        self._handle, self._size = handle, 0

    def measure(self) -> None:
        """Ask the disk how large the spool is: the decoder takes files away."""
        self.total = sum(p.stat().st_size for p in self._folder.glob(f"*{SUFFIX}"))

    @property
    def full(self) -> bool:
        if self.total > self._limit and time.monotonic() - self._measured_s > 0.2:
            self._measured_s = time.monotonic()
            try:
                self.measure()
            except FileNotFoundError:  # a file went while we looked
                return self.full
        return self.total > self._limit

    def write(self, kind: int, count: int, arrived_us: int, *parts: bytes) -> None:
        """Append a frame.

        Raises:
            OSError: the disk is full or broken; nothing that was written before is harmed.
        """
        head = pack(kind, count, arrived_us, *parts)
        size = len(head) + sum(map(len, parts))
        if self._size and self._size + size > FILE_BYTES:
            self._begin()
        written = os.writev(self._handle, [head, *parts])
        self._size += written
        self.total += written
        if written < size:
            # A torn frame must be the last of its file.
            self._begin()
            raise OSError(28, os.strerror(28))

    def sync(self) -> None:
        """Make what has been written survive a crash of the machine."""
        if self._handle >= 0:
            os.fdatasync(self._handle)


class SpoolReader:
    """Reads frames from a position on; a context manager.

    Attributes:
        position: behind the last frame that was read.
        torn_bytes, damaged_bytes: passed over, at the end of files and within them.
    """

    def __init__(self, folder: Path, position: Position) -> None:
        self._folder = folder
        self.position = position
        self.torn_bytes = self.damaged_bytes = 0

    def backlog_bytes(self) -> int:
        """What has been written but not been read."""
        sizes = ((n, file_path(self._folder, n)) for n in spool_files(self._folder) if n >= self.position.file)
        total = sum(path.stat().st_size for _, path in sizes if path.exists())
        return max(total - self.position.offset, 0)

    def read(self) -> list[Frame]:
        """The next frames, about `READ_BYTES` of them; none when the writer has written no more."""
        while True:
            numbers = [n for n in spool_files(self._folder) if n >= self.position.file]
            if not numbers:
                return []
            if numbers[0] != self.position.file:
                self.position = Position(numbers[0], 0)
            # Looked at before reading: what is not whole in a file that has a successor never will be.
            finished = len(numbers) > 1
            block, more = self._block()
            frames, used, wanted = self._parse(block)
            if wanted > len(block) and more:
                block, more = self._block(wanted)
                frames, used, wanted = self._parse(block)
            if frames or used:
                self.position = Position(self.position.file, self.position.offset + used)
                if frames:
                    return frames
                continue
            if not finished:
                return []
            # Either the end of a torn file, or a frame whose length is damaged: whole ones may stand behind it.
            following = block.find(MAGIC, 1)
            if following > 0:
                self.damaged_bytes += following
                self.position = Position(self.position.file, self.position.offset + following)
            else:
                self.torn_bytes += len(block)
                self.position = Position(numbers[1], 0)

    def _block(self, size: int = READ_BYTES) -> tuple[bytes, bool]:
        """Bytes from the position on, and whether the file goes on behind them."""
        with file_path(self._folder, self.position.file).open("rb") as file:
            file.seek(self.position.offset)
            block = file.read(size)
            return block, len(block) == size

    def _parse(self, block: bytes) -> tuple[list[Frame], int, int]:
        """Whole frames of a block, the bytes that they take, and how many the next frame would need."""
        frames: list[Frame] = []
        view, at = memoryview(block), 0
        while at + HEAD.size <= len(block):
            magic, kind, reserved, count, size, arrived_us, check = HEAD.unpack_from(block, at)
            end = at + HEAD.size + size
            sound = magic == MAGIC and reserved == 0 and size <= LARGEST_BODY
            if sound and end > len(block):
                return frames, at, end - at
            body = view[at + HEAD.size : end]
            blank = HEAD.pack(magic, kind, 0, count, size, arrived_us, 0)
            if sound and _checksum(blank, body) == check and (frame := _frame(kind, count, arrived_us, body)):
                frames.append(frame)
                at = end
                continue
            following = block.find(MAGIC, at + 1)
            if following < 0:
                # The start of a magic may stand at the end of the block.
                following = max(len(block) - len(MAGIC) + 1, at + 1)
            self.damaged_bytes += following - at
            at = following
        return frames, at, at + HEAD.size

    def remove_read(self) -> None:
        """Delete the files before the position."""
        for number in spool_files(self._folder):
            if number < self.position.file:
                file_path(self._folder, number).unlink(missing_ok=True)


def _frame(kind: int, count: int, arrived_us: int, body: memoryview) -> Frame | None:
    if kind != DATA:
        return Frame(kind, count, arrived_us, np.zeros(0, dtype=ENTRY), body[:0])
    table = count * ENTRY.itemsize
    if table > len(body):
        return None
    entries = np.frombuffer(body[:table], dtype=ENTRY)
    if int(entries["length"].sum(dtype=np.int64)) != len(body) - table:
        return None
    return Frame(kind, count, arrived_us, entries, body[table:])


def batch_parts(batch: Batch) -> Iterator[bytes]:
    yield batch.entries.tobytes()
    yield batch.payloads
