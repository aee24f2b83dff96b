"""leak --seen-in: did something of this size leave through us. Sizes of loot beside what hunts found going out.

What is sent is larger than what it holds: headers of 40 bytes in 1,500, records of TLS, what was sent again. So a
transfer fits a size when its bytes are 1 to 1.12 times that, and ten thousand more for the talk around it.
"""

from __future__ import annotations

import base64
import bz2
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.content import LeftOut, files_below
from tidegauge.context import SiteContext
from tidegauge.hunt import HuntLedger
from tidegauge.lake import FlowFilter
from tidegauge.model import format_bytes

LEAST = 100_000
"""Smaller things are lost among what every host sends."""
LOW, HIGH, TALK = 1.0, 1.12, 10_000
MOST_COMPRESSED = 256 << 20
"""A larger file is compressed up to here, and its size by that is worked out from this part."""
MOST_PARTS = 200
NEAR = 4.0
BLOCK = 1 << 20


@dataclass(frozen=True)
class Size:
    """How large something would be on its way: `how` it may have been packed."""

    what: str
    how: str
    bytes: int

    @property
    def low(self) -> float:
        return self.bytes * LOW

    @property
    def high(self) -> float:
        return self.bytes * HIGH + TALK


def sizes_of(paths: Iterable[Path]) -> list[Size]:
    """Sizes of what is in some paths: each file and each member of an archive as it is and packed, and all together."""
    found: list[Size] = []
    for path in paths:
        whole: dict[str, int] = {}
        files = [file for file in files_below(path) if not isinstance(file, LeftOut)]
        for file in files[:MOST_PARTS]:
            for how, size in _ways(file):
                whole[how] = whole.get(how, 0) + size
                found.append(Size(str(file), how, size))
            found += _members(file)
        if len(files) > 1:
            found += [Size(f"all of {path}", how, size) for how, size in whole.items()]
    return [size for size in found if size.bytes >= LEAST]


def _ways(path: Path) -> Iterator[tuple[str, int]]:
    """Sizes of one file: as it is, by common means of packing, and as part of a mail."""
    size = path.stat().st_size
    packers: dict[str, tuple[Callable[[bytes], bytes], Callable[[], bytes]]] = {}
    deflate, bzip, xz = zlib.compressobj(6), bz2.BZ2Compressor(9), lzma.LZMACompressor(preset=6)
    zstd = pa.BufferOutputStream()
    packers["gzip or zip"] = deflate.compress, deflate.flush
    packers["bzip2"] = bzip.compress, bzip.flush
    packers["xz or 7z"] = xz.compress, xz.flush
    lengths = dict.fromkeys(packers, 0)
    read = 0
    with path.open("rb") as file, pa.CompressedOutputStream(zstd, "zstd") as packed:
        while read < MOST_COMPRESSED and (block := file.read(BLOCK)):
            read += len(block)
            packed.write(block)
            for how, (compress, _) in packers.items():
                lengths[how] += len(compress(block))
    lengths["zstd"] = len(zstd.getvalue())
    for how, (_, flush) in packers.items():
        lengths[how] += len(flush())
    yield "as it is", size
    yield "in a mail (base64)", len(base64.b64encode(b"abc")) * size // 3 * 78 // 76
    for how, length in lengths.items():
        if length < 0.95 * read:  # else it is packed already
            yield how + (", worked out from its beginning" if size > read else ""), length * size // max(read, 1)


def _members(path: Path) -> Iterator[Size]:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist()[:MOST_PARTS]:
            yield Size(f"{path}/{entry.filename}", "as it is", entry.file_size)


def seen_in(here: SiteContext, paths: Iterable[Path]) -> dict[str, Any]:
    """Findings of what went out whose bytes fit a size, with the odds that such a fit is chance.

    The odds: of the site's other transfers (a host of ours to one far end within a day) of a quarter to four times the
    size, the share that fits too; and from that the probability that at least one of the findings compared would fit
    at least one of the sizes though nothing of it left.
    """
    sizes = sizes_of(paths)
    volumes = [
        (finding, key, float(finding["evidence"][key]))
        for finding in HuntLedger(here.store).kept() if finding.get("kind") in ("egress", "passthrough")
        for key in ("to_one", "matched_bytes", "bytes_out", "bytes") if finding.get("evidence", {}).get(key)
    ]
    findings = {finding["id"] for finding, _, _ in volumes}
    matches: list[dict[str, Any]] = []
    sent_by_day = here.lake.transfers(FlowFilter(), int(LEAST / NEAR)) if findings and sizes else np.empty(0)
    miss = 1.0
    for size in sizes:
        fits = [(f, key, sent) for f, key, sent in volumes if size.low <= sent <= size.high]
        others, fitting = _others(sent_by_day, size)
        share = (fitting + 1) / (others + 2)
        miss *= (1 - share) ** len(findings)
        for finding, key, sent in fits:
            matches.append({
                "what": size.what, "packed": size.how, "size": size.bytes, "finding": finding["id"],
                "kind": finding["kind"], "title": finding["title"], "subject": finding["subject"],
                "start": finding["start"], "figure": key, "bytes": int(sent), "others": others,
                "others_fitting": fitting, "chance": round(share, 6),
            })
    matches.sort(key=lambda m: (m["chance"], m["what"]))
    odds = round(1 - miss, 6)
    return {
        "sizes": [{"what": s.what, "packed": s.how, "size": s.bytes} for s in sizes], "findings": len(findings),
        "matches": matches, "chance_of_any": odds, "sentences": _sentences(sizes, findings, matches, odds),
    }


def _others(sent: NDArray[np.float64], size: Size) -> tuple[int, int]:
    """Of sorted transfers those of about that size, and how many of them fit it."""
    near = np.searchsorted(sent, (size.bytes / NEAR, size.bytes * NEAR))
    fit = np.searchsorted(sent, (size.low, size.high))
    return int(near[1] - near[0]), int(fit[1] - fit[0])


def _sentences(sizes: list[Size], findings: set[str], matches: list[dict[str, Any]], odds: float) -> list[str]:
    if not sizes:
        return [f"Nothing in it has {format_bytes(LEAST)}: smaller things can't be told from what hosts send."]
    if not findings:
        return ["No hunt has found anything that went out: run `tidegauge hunt` over the time in question."]
    compared = f"{len(sizes):,} sizes were compared with {len(findings):,} findings of what went out."
    if not matches:
        return [compared, "None fits. That it left in another form, in parts, or unseen is not excluded."]
    told = [
        f"{m['title']} ({m['start']}): {format_bytes(m['bytes'])} fit {m['what']} {m['packed']}, "
        f"{format_bytes(m['size'])};"
        f" so do {m['others_fitting']:,} of {m['others']:,} other transfers of about that size."
        for m in matches[:5]
    ]
    return [compared, *told, f"That at least one would fit by chance has a probability of {odds:.2g}."]
