"""Files within files as they are read: with their beginning again, and within the bounds of what they may unfold to."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, BinaryIO

MOST_MEMBERS = 200_000
MOST_UNFOLDED = 1 << 40
MOST_WHOLE = 64 << 20
SMALL = 64 << 20
"""Below this size nothing is refused for its ratio."""
MOST_RATIO = 200


@dataclass
class Budget:
    members: int = MOST_MEMBERS
    unfolded: int = MOST_UNFOLDED


class _Readable(io.RawIOBase):
    """A stream that is told how to read, by `read`."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Joined(_Readable):
    """A file whose beginning was read: as if it had not been."""

    def __init__(self, head: bytes, below: BinaryIO) -> None:
        self.head, self.below, self._at = head, below, 0

    @property
    def seekable_below(self) -> bool:
        return isinstance(self.below, io.BytesIO | io.BufferedReader) and self.below.seekable()

    def read(self, size: int = -1) -> bytes:
        if self._at >= len(self.head):
            return self.below.read(size)
        if size is None or size < 0:
            out = self.head[self._at :] + self.below.read()
            self._at = len(self.head)
            return out
        out = self.head[self._at : self._at + size]
        self._at += len(out)
        return out + self.below.read(size - len(out)) if len(out) < size else out


class Metered(_Readable):
    """An unpacked member that counts what it unfolds to."""

    def __init__(self, below: BinaryIO, budget: Budget, packed: int | None) -> None:
        self._below, self._budget, self._packed, self._count = below, budget, packed, 0

    def read(self, size: int = -1) -> bytes:
        size = MOST_WHOLE + 1 if size is None or size < 0 else size
        data = self._below.read(size)
        self._count += len(data)
        self._budget.unfolded -= len(data)
        if self._budget.unfolded < 0:
            raise ValueError(f"unfolds to more than {MOST_UNFOLDED >> 40} TB")
        if self._packed is not None and self._count > SMALL and self._count > MOST_RATIO * max(self._packed, 1):
            raise ValueError(f"unfolds to more than {MOST_RATIO} times its size")
        return data
