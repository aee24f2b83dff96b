"""What all verbs need of a site: its lake, what "now" is there, and times and conditions read against both."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from tidegauge.atlas import Atlas
from tidegauge.lake import Extent, Lake, compile_where, look_at_homes
from tidegauge.model import parse_time
from tidegauge.series import doubts, no_list, unlisted
from tidegauge.site import Site
from tidegauge.store import Store
from tidegauge.watch import Selection, Watches, watched


@dataclass(frozen=True)
class Here:
    """A site, opened for reading; made for one question, since "now" stands still in it."""

    site: Site
    lake: Lake = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lake", Lake(self.site.data, memory_mb=self.site.memory_mb))

    @cached_property
    def extent(self) -> Extent | None:
        return self.lake.extent()

    @cached_property
    def store(self) -> Store:
        return Store.of(self.site)

    @property
    def now_s(self) -> int:
        """What relative times are relative to: the clock while a collector runs here, else the end of the data."""
        return self.extent.now_s if self.extent else 0

    @property
    def expired_before_s(self) -> int:
        """An indicator that held no longer at this time can match no flow: where the data begin, else the clock."""
        return self.extent.first_s if self.extent else int(time.time())

    def moment_s(self, text: str | None) -> int | None:
        return None if text is None else parse_time(text, now_s=self.now_s)

    def moment_us(self, text: str | None) -> int | None:
        moment_s = self.moment_s(text)
        return None if moment_s is None else moment_s * 1_000_000

    def span_s(self, since: str | None, until: str | None) -> tuple[int, int, str | None]:
        """The asked time in epoch seconds, all of the data's bulk where nothing is said; and what that leaves out."""
        extent = self.extent or Extent(0, 0, 0, False)
        since_s, until_s = self.moment_s(since), self.moment_s(until)
        note = extent.note() if since is None or until is None else None
        return (
            extent.first_s if since_s is None else since_s,
            extent.until_s if until_s is None else until_s,
            note,
        )

    def unlisted(self, classes: Iterable[str], since: str | None, until: str | None) -> tuple[str, ...]:
        """What must be said of a question that names classes of which no list is loaded for its time."""
        since_s, until_s, _ = self.span_s(since, until)
        missing = unlisted(self.lake, Atlas.of(self.site), classes, since_s, until_s)
        return (no_list(missing),) if missing else ()

    def home_doubts(self, since: str | None, until: str | None) -> tuple[str, ...]:
        """What speaks against the home prefixes in a time, for whatever depends on direction."""
        since_s, until_s, _ = self.span_s(since, until)
        return tuple(doubts(self.site, look_at_homes(self.lake, self.site.home, since_s, until_s)))

    def conditions(self, where: str | None) -> tuple[str, ...]:
        return (compile_where(where, now_s=self.now_s),) if where else ()

    def watched(self, name: str) -> Selection:
        """The flows of a watched asset, at any time that there are data of."""
        extent = self.extent or Extent(0, 0, 0, False)
        return watched(Watches(self.store).get(name), self.lake, extent.first_s, extent.until_s)
