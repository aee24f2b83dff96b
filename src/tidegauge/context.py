"""What a question works on: a site, opened once. Its lake, one moment of its manifest, its atlas, and what "now" is."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from tidegauge.atlas import Atlas
from tidegauge.lake import Extent, FlowFilter, Lake, Snapshot, look_at_homes
from tidegauge.model import LakeError, parse_time
from tidegauge.series import doubts, no_list, unlisted
from tidegauge.site import Site
from tidegauge.store import Store
from tidegauge.watch import Selection, Watches, watched


@dataclass(frozen=True)
class SiteContext:
    """A site, opened for one question: "now" stands still in it, and so does what the lake holds.

    Whoever answers is handed this and opens nothing again. All parts are opened when they are first used.
    """

    site: Site

    @classmethod
    def of(cls, given: Site | SiteContext) -> SiteContext:
        """Return a context for a site; a context as it is."""
        return given if isinstance(given, SiteContext) else cls(given)

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.site.data, memory_mb=self.site.memory_mb, manifest=Snapshot(self.site.data))

    @cached_property
    def atlas(self) -> Atlas:
        return Atlas.of(self.site)

    @cached_property
    def store(self) -> Store:
        return Store.of(self.site)

    @cached_property
    def extent(self) -> Extent | None:
        """Where the data lie; None where there are none."""
        return self.lake.extent()

    def extent_or_fail(self) -> Extent:
        """Return where the data lie.

        Raises:
            LakeError: there are none.
        """
        if self.extent is None:
            hint = "take some in with `tidegauge ingest PATH`"
            raise LakeError("no flows here yet", where=str(self.lake.folder), hint=hint)
        return self.extent

    @property
    def now_s(self) -> int:
        """What relative times are relative to: the clock while a collector runs here, else the end of the data."""
        return self.extent.now_s if self.extent else 0

    @property
    def expired_before_s(self) -> int:
        """An indicator that held no longer at this time can match no flow: where the data begin, else the clock."""
        return self.extent.first_s if self.extent else int(time.time())

    def moment_s(self, text: str | None, option: str = "") -> int | None:
        return None if text is None else parse_time(text, now_s=self.now_s, option=option)

    def moment_us(self, text: str | None, option: str = "") -> int | None:
        moment_s = self.moment_s(text, option)
        return None if moment_s is None else moment_s * 1_000_000

    def filter(self, since: str | None, until: str | None, where: str | None) -> FlowFilter:
        """The flows that begin in a time and meet a condition."""
        times = self.moment_us(since, "--since"), self.moment_us(until, "--until")
        return FlowFilter(*times, self.conditions(where))

    def span_s(self, since: str | None, until: str | None) -> tuple[int, int, str | None]:
        """The asked time in epoch seconds, all of the data's bulk where nothing is said; and what that leaves out."""
        extent = self.extent or Extent(0, 0, 0, False)
        since_s, until_s = self.moment_s(since, "--since"), self.moment_s(until, "--until")
        note = extent.note() if since is None or until is None else None
        return (
            extent.first_s if since_s is None else since_s,
            extent.until_s if until_s is None else until_s,
            note,
        )

    def unlisted(self, classes: Iterable[str], since: str | None, until: str | None) -> tuple[str, ...]:
        """What must be said of a question that names classes of which no list is loaded for its time."""
        since_s, until_s, _ = self.span_s(since, until)
        missing = unlisted(self.lake, self.atlas, classes, since_s, until_s)
        return (no_list(missing),) if missing else ()

    def home_doubts(self, since: str | None, until: str | None) -> tuple[str, ...]:
        """What speaks against the home prefixes in a time, for whatever depends on direction."""
        since_s, until_s, _ = self.span_s(since, until)
        return tuple(doubts(self.site, look_at_homes(self.lake, self.site.home, since_s, until_s)))

    def conditions(self, where: str | None) -> tuple[str, ...]:
        from tidegauge.lake import compile_where

        return (compile_where(where, now_s=self.now_s),) if where else ()

    def watched(self, name: str) -> Selection:
        """The flows of a watched asset, at any time that there are data of."""
        extent = self.extent or Extent(0, 0, 0, False)
        return watched(Watches(self.store).get(name), self.lake, extent.first_s, extent.until_s)
