"""Sums over the flows that begin in a time: from rollups where whole bins of it hold them, from flows elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegauge.lake.manifest import Manifest
from tidegauge.lake.rollup import KEYS, WIDTHS_S
from tidegauge.model import FLOW_SCHEMA

SECOND_US = 1_000_000


@dataclass(frozen=True)
class Piece:
    """A part of the asked time, in microseconds (None: open), and the width of the rollups that may stand for it; 0
    where only flows do."""

    since_us: int | None
    until_us: int | None
    width_s: int


def pieces(since_us: int | None, until_us: int | None, widths_s: Sequence[int] = WIDTHS_S) -> list[Piece]:
    """A time as parts that are whole bins, the widest that fit, and what is left at its ends.

    >>> [(p.since_us, p.until_us, p.width_s) for p in pieces(0, 3_660_000_000)]
    [(0, 3600000000, 3600), (3600000000, 3660000000, 60)]
    """
    if since_us is not None and until_us is not None and since_us >= until_us:
        return []
    if not widths_s:
        return [Piece(since_us, until_us, 0)]
    width_s, narrower = widths_s[-1], widths_s[:-1]
    width_us = width_s * SECOND_US
    begin = None if since_us is None else -(-since_us // width_us) * width_us
    end = None if until_us is None else until_us // width_us * width_us
    if begin is not None and end is not None and begin >= end:
        return pieces(since_us, until_us, narrower)
    before = [] if begin == since_us else pieces(since_us, begin, narrower)
    after = [] if end == until_us else pieces(end, until_us, narrower)
    return [*before, Piece(begin, end, width_s), *after]


def begun(
    folder: Path, manifest: Manifest, since_us: int | None, until_us: int | None, *, kind: str | None,
    reads: Counter[str],
) -> str:
    """SQL of a table of what begins in a time: the keys of rollups of a kind, else all flow columns; and `flows`,
    `bytes`, `packets`. What is read is counted in `reads`."""
    amounts = "bytes::BIGINT AS bytes, packets::BIGINT AS packets"
    columns = KEYS[kind] if kind else [name for name in FLOW_SCHEMA.names if name not in ("bytes", "packets")]
    keys = ", ".join(columns)
    parts = []
    for piece in pieces(since_us, until_us) if kind else [Piece(since_us, until_us, 0)]:
        summed = manifest.rollups(kind, piece.width_s) if kind and piece.width_s else {}
        segments = [
            s for s in manifest.segments("flows", piece.since_us, piece.until_us)
            if piece.since_us is None or s.last_us >= piece.since_us
        ]
        whole = [summed[s.path] for s in segments if s.path in summed]
        flows = [s.path for s in segments if s.path not in summed]
        if whole:
            reads[f"rollups of {piece.width_s} s"] += len(whole)
            bins = " AND ".join(("flows > 0", *_bounds(piece, "bin", piece.width_s * SECOND_US)))
            parts.append(
                f"SELECT {keys}, flows, bytes_begun AS bytes, packets_begun AS packets"
                f" FROM {files(folder, whole)} WHERE {bins}"
            )
        if flows:
            reads["segments of flows"] += len(flows)
            times = " AND ".join(_bounds(piece, "time_start", 0)) or "true"
            parts.append(f"SELECT {keys}, 1::BIGINT AS flows, {amounts} FROM {files(folder, flows)} WHERE {times}")
    return " UNION ALL ".join(parts) or f"SELECT *, 0::BIGINT AS flows FROM {files(folder, [])}"


def _bounds(piece: Piece, column: str, unit_us: int) -> Iterator[str]:
    """Conditions on times, or on bins of a width in microseconds."""
    for sign, moment_us in ((">=", piece.since_us), ("<", piece.until_us)):
        if moment_us is not None:
            yield f"{column} {sign} " + (str(moment_us // unit_us) if unit_us else f"make_timestamptz({moment_us})")


def files(folder: Path, paths: Sequence[str], by_name: bool = False) -> str:
    """A table of Parquet files, relative to the folder; of none, the empty one that every session has."""
    if not paths:
        return "no_flows"
    listed = ", ".join(quoted(str(folder / path)) for path in paths)
    return f"read_parquet([{listed}], hive_partitioning = false, union_by_name = {str(by_name).lower()})"


def quoted(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"
