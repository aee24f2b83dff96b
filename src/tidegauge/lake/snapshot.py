"""The manifest as it was at one moment, read in one transaction: all parts of a question see the same lake."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.lake.manifest import CUT_SHORT, DELETED, OURS, ROLLUP_FORM, SEGMENTS, Manifest, Segment
from tidegauge.model import shapes

NEVER_US = 1 << 62


class Snapshot(Manifest):
    """A manifest that is read once, when it is first asked, and then stays as it is.

    It serves one question: replaced segments stay on disk for a quarter of an hour (`KEPT_S`) after they went.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._segments: dict[str, list[Segment]] = defaultdict(list)
        self._rollups: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
        self._labelled: dict[str, list[dict[str, str]]] = {}
        self._states: dict[str, Any] = {}
        self._cut_short: list[tuple[str, int]] = []

    @cached_property
    def _read(self) -> bool:
        """Read all that questions ask of a manifest; False where there is none."""
        if not self.path.exists():
            return False
        with self._session() as session:
            session.execute("BEGIN")  # or each of the following would see a moment of its own
            for row in session.execute(f"{SEGMENTS} ORDER BY first_us, path"):
                self._segments[row[1]].append(Segment(*row))
            rolled = "SELECT segment, kind, width_s, path FROM rolled WHERE form = ? AND path IS NOT NULL"
            for segment, kind, width_s, path in session.execute(rolled, (ROLLUP_FORM,)):
                self._rollups[kind, width_s][segment] = path
            self._labelled = {name: json.loads(text) for name, text in session.execute("SELECT * FROM labelled")}
            self._cut_short = session.execute(CUT_SHORT).fetchall()
            kept = session.execute("SELECT name, value FROM state WHERE name IN (?, ?)", (OURS, DELETED))
            self._states = {name: json.loads(value) for name, value in kept}
        return True

    @cached_property
    def _times(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """First starts and last ends (us) of the segments of each kind, in their order."""
        return {
            kind: (np.array([s.first_us for s in own]), np.array([s.end_us for s in own]))
            for kind, own in self._segments.items()
        }

    def segments(self, kind: str, since_us: int | None = None, until_us: int | None = None) -> list[Segment]:
        if not self._read or kind not in self._segments:
            return []
        own = self._segments[kind]
        if since_us is None and until_us is None:
            return list(own)
        firsts, ends = self._times[kind]
        chosen = ends >= (-NEVER_US if since_us is None else since_us)
        chosen &= firsts < (NEVER_US if until_us is None else until_us)
        return [own[i] for i in np.flatnonzero(chosen).tolist()]

    def cut_short(self) -> list[tuple[str, int]]:
        return self._cut_short if self._read else []

    def rollups(self, kind: str, width_s: int) -> dict[str, str]:
        return self._rollups[kind, width_s] if self._read else {}

    def editions_behind(self, since_us: int | None, until_us: int | None) -> list[shapes.EditionName]:
        names = {s.atlas for s in self.segments("flows", since_us, until_us)}
        found = {(e["source"], e["edition"]) for name in names for e in self._labelled.get(name, ())}
        return [{"source": source, "edition": edition} for source, edition in sorted(found)]

    def load_state(self, name: str) -> Any:
        if name not in (OURS, DELETED):
            return super().load_state(name)
        return self._states.get(name) if self._read else None
