"""Text of files as blocks of UTF-8: bytes in any encoding come in, pieces of whole lines with their places go out."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 1 << 20
"""Bytes of text that are looked at together; a line is cut where it is longer."""
HEAD = 65_536


@dataclass(frozen=True)
class Block:
    """A piece of text: UTF-8, whole lines where they are not too long; `line` counts from 1, `offset` in bytes."""

    data: bytes
    line: int
    offset: int
    page: str = ""


def blocks(file: BinaryIO, encoding: str) -> Iterator[Block]:
    """Text of a file as UTF-8 in blocks of whole lines; lines longer than a block are cut."""
    plain = encoding in ("utf-8", "ascii")
    decoder = None if plain else codecs.getincrementaldecoder(encoding)(errors="replace")
    line, offset, kept = 1, 0, b""
    raw = file.read(BLOCK).removeprefix(codecs.BOM_UTF8)
    while raw or kept:
        following = file.read(BLOCK) if raw else b""
        data = kept + (raw if decoder is None else decoder.decode(raw, final=not following).encode("utf-8", "replace"))
        raw, kept = following, b""
        cut = len(data) if not following else _cut(data)
        if not cut:
            kept = data
            continue
        yield Block(data[:cut], line, offset)
        line += data.count(b"\n", 0, cut)
        offset += cut
        kept = data[cut:]


def _cut(data: bytes) -> int:
    """Where a block ends: behind an empty line near its end, so that what belongs together stays together, or behind a
    line; within one only where it is longer than two blocks. 0: not yet."""
    near = data.rfind(b"\n\n", max(len(data) - HEAD, 0)) + 2
    if near > 1:
        return near
    whole = data.rfind(b"\n") + 1
    if whole or len(data) < 2 * BLOCK:
        return whole
    cut = len(data) - 4096
    return next((i for i in range(cut, len(data)) if data[i : i + 1] in (b" ", b",", b";", b"\t")), cut)


def runs(file: BinaryIO) -> Iterator[Block]:
    """Printable runs of at least eight characters, of one byte or two (UTF-16LE) each."""
    offset = 0
    pattern = re.compile(rb"[\x20-\x7e\t]{8,}|(?:[\x20-\x7e\t]\0){8,}")
    while raw := file.read(BLOCK):
        runs = [m[0].replace(b"\0", b"") for m in pattern.finditer(raw)]
        if runs:
            yield Block(b"\n".join(runs) + b"\n", 0, offset)
        offset += len(raw)
