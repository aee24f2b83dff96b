"""Reading numbers out of a byte buffer at many places at once, without ever leaving the buffer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Offsets = NDArray[np.int64]
ZEROS = 64
"""Bytes of zeros that every buffer ends with."""


@dataclass(frozen=True)
class Buffer:
    """Bytes with gathers. An offset past the end reads zeros there: callers check lengths, not pointers."""

    data: NDArray[np.uint8]

    @classmethod
    def of(cls, raw: bytes | bytearray | memoryview) -> Buffer:
        return cls(np.frombuffer(b"".join((raw, bytes(ZEROS))), dtype=np.uint8))

    def rows_at(self, offsets: Offsets, layout: np.dtype[Any]) -> NDArray[Any]:
        """Structures that begin at these places, one copy each, shape (n,); `layout` has at most `ZEROS` bytes where a
        place may lie past the end."""
        size = layout.itemsize
        places = np.ndarray((max(len(self.data) - size + 1, 0),), f"V{size}", self.data.data, strides=(1,))
        return places[self._inside(offsets, len(places))].view(layout)

    @staticmethod
    def _inside(offsets: Offsets, count: int) -> Offsets:
        """Offsets past the end moved to the last place, where there are only zeros."""
        return np.minimum(offsets, count - 1) if len(offsets) and offsets.max() >= count else offsets

    def bytes_at(self, offsets: Offsets, width: int) -> NDArray[np.uint8]:
        """Shape (n,) to (n, width)."""
        return self.rows_at(offsets, np.dtype(f"V{width}")).view(np.uint8).reshape(-1, width)

    def number_at(self, offsets: Offsets, width: int) -> NDArray[np.uint64]:
        """Big-endian unsigned numbers of `width` (1 to 8) bytes; of longer ones the last 8 bytes."""
        if width > 8:
            offsets, width = offsets + (width - 8), 8
        last = len(self.data) - 1
        value = np.zeros(len(offsets), dtype=np.uint64)
        for i in range(width):
            value = (value << np.uint64(8)) | self.data[np.minimum(offsets + i, last)]
        return value

    def u8(self, offsets: Offsets) -> NDArray[np.int64]:
        return self.data[self._inside(offsets, len(self.data))].astype(np.int64)

    def u16(self, offsets: Offsets) -> NDArray[np.int64]:
        return self._gather(self._overlapping[0], offsets)

    def u32(self, offsets: Offsets) -> NDArray[np.int64]:
        return self._gather(self._overlapping[1], offsets)

    @cached_property
    def _overlapping(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The buffer as big-endian numbers of 2 and of 4 bytes that begin at every byte: one gather reads each."""
        sizes = ((">u2", 2), (">u4", 4))
        two, four = (
            np.ndarray((max(len(self.data) - size + 1, 0),), kind, self.data.data, strides=(1,)) for kind, size in sizes
        )
        return two, four

    def _gather(self, numbers: NDArray[Any], offsets: Offsets) -> NDArray[np.int64]:
        return numbers[self._inside(offsets, len(numbers))].astype(np.int64)

    def runs_at(self, offsets: Offsets, counts: Offsets, layout: np.dtype[Any]) -> NDArray[Any]:
        """So many structures, one behind the other, from each of these places on; all lie in the buffer."""
        return self.rows_at(np.repeat(offsets, counts) + ranges(counts) * layout.itemsize, layout)

    def join(self, offsets: Offsets, lengths: Offsets) -> bytes:
        """The bytes of many places, one behind the other."""
        view = self.data.data
        return b"".join([view[o : o + n] for o, n in zip(offsets.tolist(), lengths.tolist(), strict=True)])


def ranges(lengths: NDArray[Any]) -> NDArray[np.int64]:
    """0..n-1 for each length, one behind the other.

    >>> ranges(np.array([2, 0, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    total = int(lengths.sum())
    starts = np.cumsum(lengths) - lengths
    return np.asarray(np.arange(total) - np.repeat(starts, lengths), dtype=np.int64)
