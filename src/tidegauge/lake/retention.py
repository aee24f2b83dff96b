"""What is older than a site keeps goes, but for times that are held; when flows were deleted stays known.

A time without flows looks like a quiet one. So whose flows went counts as not seen, for ever, and says why; the ledger
of coverage stays, since it tells nothing of persons and is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegauge.lake.manifest import DELETED, KEPT_S, Manifest, Segment
from tidegauge.model import merge_intervals, without

KINDS = ("flows", "names")


@dataclass(frozen=True)
class Retained:
    """What a run did: segments (and their rows and bytes) that went, and older ones that are held."""

    segments: int
    rows: int
    size: int
    held: int


def _touches(segment: Segment, times_us: Sequence[tuple[int, int]]) -> bool:
    return any(segment.first_us < until and segment.end_us >= since for since, until in times_us)


def retain(
    folder: Path, *, before_us: int, held_us: Sequence[tuple[int, int]] = (), only_look: bool = False
) -> Retained:
    """Delete the segments that end before a time, in one commit: readers see all of them or none.

    Args:
        held_us: half-open times; a segment that touches one of them stays whole.
        only_look: count them alone.

    Raises:
        LakeError: another run replaced one of the segments meanwhile; nothing was deleted then.
    """
    manifest = Manifest(folder)
    old = [s for kind in KINDS for s in manifest.segments(kind, None, before_us) if s.end_us < before_us]
    going = [s for s in old if not _touches(s, held_us)]
    done = Retained(len(going), sum(s.rows for s in going), sum(s.size for s in going), len(old) - len(going))
    if going and not only_look:
        paths = {s.path for s in going}
        stays = [*held_us, *((s.first_us, s.end_us + 1) for s in old if s.path not in paths)]
        gone = without((min(s.first_us for s in going), before_us), stays)
        with manifest.writing() as staging:
            deleted = merge_intervals([*manifest.deleted_us(), *gone])
            manifest.commit(staging, [], [], state={DELETED: deleted}, replaced=sorted(paths))
        manifest.remove_replaced(older_than_s=KEPT_S)
    return done
