"""The atlas of a site: which editions are in force at a time, and the origins of addresses by them.

Countries and ASes come from tables, compiled for the editions that are in force together, cached on disk and mapped.
Classes, documented facts and announced routes hold for times of their own and lie above the tables.
"""

from __future__ import annotations

import shutil
import uuid
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidegauge.atlas import embedded
from tidegauge.atlas.catalogue import Catalogue, Edition, fingerprint
from tidegauge.atlas.compiling import Flat, compile_table, span_of
from tidegauge.atlas.flat import flatten, of_halves, spaces
from tidegauge.atlas.overlay import Overlay, TimedRows, overlay
from tidegauge.atlas.statements import packed
from tidegauge.atlas.table import OriginTable
from tidegauge.model import FOREVER_S, Addresses, mapped_ipv4
from tidegauge.site import Site
from tidegauge.store import Store

Ints = NDArray[np.int64]
DAY_S = 86400
NEAR_S, FAR_S = 31 * DAY_S, 366 * DAY_S
"""Editions within a month of a time are taken as of that time; past a year the age matters more than the kind."""
WINDOW_S = 7 * DAY_S
FEW_LISTS = 200
"""With more editions of lists than this, classes are compiled week by week."""
KEPT_COMPILED = 12
KEPT_TABLES, KEPT_OVERLAYS, KEPT_FLATS = 4, 4, 24
ORDERED_KINDS = ("geofeed", "location", "embedded", "registry", "routing")
LIST_COLUMNS = ("first", "last", "classes", "from_s", "until_s")
NO_COUNTRY = 0


@dataclass(frozen=True)
class Origins:
    """Labels of addresses; arrays of shape (n,). `countries` are positions in `country_names`."""

    countries: NDArray[np.uint16]
    ases: NDArray[np.uint32]
    classes: NDArray[np.uint16]
    country_names: tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """An edition at a time: from when to when it stands for its source, and how far the time is from that."""

    edition: Edition
    from_s: int
    until_s: int
    distance_s: int


@dataclass(frozen=True)
class _Part:
    """Some of the addresses that are looked up, and where they stand among all (None: they are all)."""

    addresses: Addresses
    times_s: Ints
    rows: Ints | None = None

    def at(self, hit: Ints) -> Ints:
        return hit if self.rows is None else self.rows[hit]


class Atlas:
    """Editions that come with the program, and those of a site's `<data>/atlas` where one is given.

    Args:
        store: the site's database, where it is not the one in the data folder.
    """

    def __init__(self, folder: Path | None = None, store: Store | None = None) -> None:
        self.catalogue = None if folder is None else Catalogue(folder, store)
        self._seen: int | None = None
        self._listed: list[Edition] = []
        self._names: dict[str, int] = {"ZZ": NO_COUNTRY}
        self._flats: OrderedDict[tuple[str, str, str], Flat | None] = OrderedDict()
        self._tables: OrderedDict[str, OriginTable] = OrderedDict()
        self._overlays: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._grouped: dict[tuple[str, ...], dict[str, list[Edition]]] = {}

    @classmethod
    def of(cls, site: Site) -> Atlas:
        """The atlas of a site."""
        return cls(site.data / "atlas", Store.of(site))

    # Editions

    def editions(self) -> list[Edition]:
        """All editions, oldest first; those that came with the program among them."""
        return sorted([embedded.facts_edition(), embedded.world_edition(), *self._own()], key=lambda e: e.date_s)

    def _own(self) -> list[Edition]:
        """The site's editions, read again when the catalogue has changed (a collector runs for months)."""
        if self.catalogue is None:
            return []
        changed = self.catalogue.changed
        if self._seen != changed:
            self._seen = changed
            self._listed = self.catalogue.editions()
            self._overlays.clear()
            self._grouped.clear()
        return self._listed

    def _sources(self, kinds: tuple[str, ...]) -> dict[str, list[Edition]]:
        """Editions of these kinds by source, by date; grouped once for what the catalogue says."""
        own = self._own()
        if kinds not in self._grouped:
            found: dict[str, list[Edition]] = {}
            for edition in [*own, embedded.world_edition()] if "embedded" in kinds else own:
                if edition.kind in kinds:
                    found.setdefault(edition.source, []).append(edition)
            self._grouped[kinds] = {n: sorted(editions, key=lambda e: e.date_s) for n, editions in found.items()}
        return self._grouped[kinds]

    def by_source(self, kind: str) -> dict[str, list[Edition]]:
        """The site's editions of a kind, by source, by date."""
        return self._sources((kind,))

    def held(self, time_s: int, kinds: tuple[str, ...] = ORDERED_KINDS) -> list[Held]:
        """The editions that stand for their sources at a time, the most telling first.

        An edition holds until the next one of its source; before the first and after the last the nearest is used.
        Those of about the asked time come first, then by kind, then by distance.
        """
        found = []
        for editions in self._sources(kinds).values():
            dates = sorted({e.date_s for e in editions})
            place = bisect_right(dates, time_s) - 1
            date = dates[max(place, 0)]
            first = 0 if place <= 0 else date
            following = max(place, 0) + 1
            last = dates[following] if following < len(dates) else FOREVER_S
            distance = date - time_s if place < 0 else time_s - date if place == len(dates) - 1 else 0
            found += [Held(e, first, last, distance) for e in editions if e.date_s == date]
        return sorted(found, key=lambda h: (_age(h.distance_s), h.edition.rank, h.distance_s, h.edition.source))

    def _boundaries(self) -> Ints:
        """Times at which the order of `held` can change, ascending."""
        sources = self._sources(ORDERED_KINDS)
        if len(sources) == 1:
            return np.zeros(0, dtype=np.int64)
        edges: set[int] = set()
        for editions in sources.values():
            first, last = editions[0].date_s, editions[-1].date_s
            edges.update(e.date_s for e in editions)
            for far in (NEAR_S, FAR_S):
                edges.update((first - far, last + far + 1))
        return np.array(sorted(edges), dtype=np.int64)

    def stamp(self, since_s: int, until_s: int) -> tuple[str, tuple[Edition, ...]]:
        """A short name for the editions that labels between two times (both included) rest on, and the editions."""
        dates = [since_s, *[int(b) for b in self._boundaries() if since_s < b <= until_s], until_s]
        used = {h.edition for t in dates for h in self.held(t)}
        for editions in self._sources(("list", "updates")).values():
            for edition, (start, end) in zip(editions, _reach(editions), strict=True):
                if start <= until_s and end > since_s:
                    used.add(edition)
        used.add(embedded.facts_edition())
        ordered = tuple(sorted(used, key=lambda e: (e.date_s, e.source, e.hash)))
        return fingerprint(ordered), ordered

    def deciding(self, time_s: int) -> Held:
        """The edition that comes first in deciding countries at a time."""
        return next(h for h in self.held(time_s) if h.edition.kind != "routing")

    def class_known(self, bit: int, since_s: int, until_s: int) -> bool:
        """Whether some list within a month of a time tells which addresses are of a class."""
        for editions in self._sources(("list", "location")).values():
            dates = [e.date_s for e in editions if e.classes & bit]
            if dates and dates[0] - NEAR_S < until_s and dates[-1] + NEAR_S > since_s:
                return True
        return False

    # Lookup

    def lookup(self, addresses: Addresses, times_us: NDArray[np.int64]) -> Origins:
        """Origins of addresses of shape (n, 16) at times of shape (n,), each by the editions of its own time."""
        count = len(addresses)
        times_s = np.asarray(times_us, dtype=np.int64) // 1_000_000
        countries, ases = np.zeros(count, dtype=np.uint16), np.zeros(count, dtype=np.uint32)
        spans = np.zeros(count, dtype=np.uint8)
        for rows, at_s in _groups(times_s, self._boundaries()):
            table = self.table(at_s)
            where = slice(None) if rows is None else rows
            own, numbers, found = table.lookup(addresses[where])
            countries[where] = self._shared(table)[own]
            ases[where], spans[where] = numbers, table.spans[found]
        classes = np.zeros(count, dtype=np.uint16)
        for rows, window in self._windows(times_s):
            part = _Part(addresses, times_s) if rows is None else _Part(addresses[rows], times_s[rows], rows)
            self._announced(window, part, ases, spans)
            self._listed_classes(window, part, countries, ases, classes)
        return Origins(countries, ases, classes, tuple(self._names))

    def _shared(self, table: OriginTable) -> NDArray[np.uint16]:
        return np.array([self._number(name) for name in table.country_names], dtype=np.uint16)

    def _number(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))

    def _windows(self, times_s: Ints) -> list[tuple[Ints | None, int]]:
        """Which flows belong to which week; -1 stands for all times at once where there are few lists."""
        lists = self._sources(("list", "updates"))
        if sum(len(editions) for editions in lists.values()) <= FEW_LISTS:
            return [(None, -1)]
        weeks = np.clip(times_s, 0, FOREVER_S) // WINDOW_S
        return [(np.flatnonzero(weeks == week), int(week)) for week in np.unique(weeks)]

    def _announced(self, window: int, part: _Part, ases: NDArray[np.uint32], spans: NDArray[np.uint8]) -> None:
        """Routes announced since the last table stand above it where they are at least as narrow."""
        routes = self._overlay("updates", window)
        if routes is None:
            return
        layer, numbers, widths = routes
        hit, _, rows = layer.lookup(part.addresses, part.times_s)
        given = rows >= 0
        hit, rows = part.at(hit[given]), rows[given]
        narrower = widths[rows] >= spans[hit]
        ases[hit[narrower]] = numbers[rows[narrower]]

    def _listed_classes(
        self, window: int, part: _Part, countries: NDArray[np.uint16], ases: NDArray[np.uint32],
        classes: NDArray[np.uint16],
    ) -> None:
        """Classes of lists, and documented facts, in place."""
        layer, fact_countries, fact_ases = self._overlay("list", window)
        hit, bits, rows = layer.lookup(part.addresses, part.times_s)
        hit = part.at(hit)
        classes[hit] |= bits
        given = rows >= 0
        hit, rows = hit[given], rows[given]
        countries[hit] = fact_countries[rows]
        ases[hit] = np.where(fact_ases[rows] > 0, fact_ases[rows], ases[hit])
        by_as = self._overlay("as", window)
        if by_as is not None:
            own = ases if part.rows is None else ases[part.rows]
            hit, bits, _ = by_as.lookup(mapped_ipv4(own), part.times_s)
            classes[part.at(hit)] |= bits

    # Tables of countries and ASes

    def table(self, at_s: int) -> OriginTable:
        """The lookup table for a time, compiled where it is not cached."""
        order = [h.edition for h in self.held(at_s)]
        if len(order) == 1:
            return embedded.world_table()
        name = fingerprint(tuple(order), in_order=True)
        if name not in self._tables:
            self._tables[name] = self._compiled(name, order)
            while len(self._tables) > KEPT_TABLES:
                self._tables.popitem(last=False)
        self._tables.move_to_end(name)
        return self._tables[name]

    def _compiled(self, name: str, order: list[Edition]) -> OriginTable:
        assert self.catalogue is not None
        folder = self.catalogue.folder / "compiled"
        try:
            return OriginTable.load(folder / name)
        except (OSError, ValueError):
            pass
        table = compile_table([f for e in order if (f := self.flat(e, "country"))],
                              [f for e in order if (f := self.flat(e, "as"))], tuple(self._names))
        staged = folder / f"{name}.{uuid.uuid4().hex}"
        try:
            staged.mkdir(parents=True)
            table.save(staged)
            staged.rename(folder / name)
        except OSError:
            shutil.rmtree(staged, ignore_errors=True)  # a full disk, or another process was first
        _prune(folder)
        return table

    def flat(self, edition: Edition, column: str) -> Flat | None:
        """What an edition says of `country` or `as`, as disjoint pieces; None where it says nothing of it."""
        key = (edition.source, edition.hash, column)
        if key not in self._flats:
            self._flats[key] = self._flat_world(column) if edition.kind == "embedded" else self._flat(edition, column)
            while len(self._flats) > KEPT_FLATS:
                self._flats.popitem(last=False)
        self._flats.move_to_end(key)
        return self._flats[key]

    def _flat(self, edition: Edition, column: str) -> Flat | None:
        table = edition.rows(("first", "last", column))
        if column == "country":
            said = pc.is_valid(table["country"])
        else:
            said = pc.greater(table["as"], 0)
        index = np.flatnonzero(said.combine_chunks().to_numpy(zero_copy_only=False))
        table = table.filter(said)
        if not table.num_rows:
            return None
        if column == "country":
            names = table["country"].cast(pa.string()).combine_chunks().dictionary_encode()
            names = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
            numbers = np.array([self._number(n) for n in names.dictionary.to_pylist()], dtype=np.uint16)
            values: NDArray[Any] = numbers[np.asarray(names.indices)]
        else:
            values = table["as"].to_numpy()
        ipv4, ipv6 = spaces(packed(table["first"]), packed(table["last"]))
        spans = np.zeros(len(values), dtype=np.uint8)
        for space in (ipv4, ipv6):
            spans[space.rows] = span_of(space.width)
        return Flat(*flatten(ipv4), *flatten(ipv6), values, spans, index)

    def _flat_world(self, column: str) -> Flat:
        table = embedded.world_table()
        cut = len(table.pieces.starts4)
        rows = np.arange(len(table.pieces), dtype=np.int64)
        index = rows.copy()
        if column == "country":
            values: NDArray[Any] = self._shared(table)[table.countries]
        else:
            values = table.ases
        rows[values == 0] = -1
        return Flat(
            table.pieces.starts4.astype(np.int64), rows[:cut], of_halves(table.pieces.high6, table.pieces.low6),
            rows[cut:], values, table.spans, index,
        )

    # Statements with times

    def _overlay(self, kind: str, window: int) -> Any:
        self._own()
        key = (kind, window)
        if key not in self._overlays:
            since_s, until_s = (0, FOREVER_S) if window < 0 else (window * WINDOW_S, (window + 1) * WINDOW_S)
            make = {"list": self._list_overlay, "as": self._as_overlay, "updates": self._update_overlay}[kind]
            self._overlays[key] = make(since_s, until_s)
            while len(self._overlays) > 3 * KEPT_OVERLAYS:
                self._overlays.popitem(last=False)
        return self._overlays[key]

    def list_rows(self, since_s: int, until_s: int, columns: tuple[str, ...] = LIST_COLUMNS) -> list[
        tuple[Edition, pa.Table, Ints, Ints]
    ]:
        """Statements that give classes between two times: their edition, rows, and from when to when each holds."""
        found = []
        for editions in self._sources(("list", "location")).values():
            giving = [e for e in editions if e.classes and (e.kind == "list" or e.prefixes)]
            snapshots = np.unique([e.date_s for e in giving]) if giving else np.zeros(0, dtype=np.int64)
            for edition, (start, end) in zip(giving, _reach(giving), strict=True):
                if start >= until_s or end <= since_s:
                    continue
                table = edition.rows(columns)
                if edition.kind != "list":
                    table = table.filter(pc.greater(table["classes"], 0))
                opens, closes = table["from_s"].to_numpy().copy(), table["until_s"].to_numpy().copy()
                if edition.format == "tor-consensus":
                    places = np.searchsorted(snapshots, opens, side="right")
                    following = np.r_[snapshots, FOREVER_S][places]
                    closes = np.minimum(closes, following)
                else:
                    opens[opens == 0], closes[closes == FOREVER_S] = start, end
                kept = (opens < until_s) & (closes > since_s) & (closes > opens)
                if kept.any():
                    found.append((edition, table.filter(pa.array(kept)), opens[kept], closes[kept]))
        return found

    def _list_overlay(self, since_s: int, until_s: int) -> tuple[Overlay, NDArray[np.uint16], NDArray[np.uint32]]:
        """Classes of lists, with the documented facts; countries and ASes of facts by row."""
        facts = embedded.facts()
        parts = self.list_rows(since_s, until_s)
        tables = [table for _, table, _, _ in parts]
        first = np.concatenate([_packed_ends([f.prefix.first for f in facts]), *(packed(t["first"]) for t in tables)])
        last = np.concatenate([_packed_ends([f.prefix.last for f in facts]), *(packed(t["last"]) for t in tables)])
        opens = np.concatenate([np.array([f.from_s for f in facts], dtype=np.int64), *(o for *_, o, _ in parts)])
        closes = np.concatenate([np.array([f.until_s for f in facts], dtype=np.int64), *(c for *_, c in parts)])
        classes = np.concatenate(
            [np.array([f.classes for f in facts], dtype=np.uint16), *(t["classes"].to_numpy() for t in tables)]
        )
        decides = np.arange(len(first)) < len(facts)
        layer = overlay(TimedRows(first, last, opens, closes, classes, decides))
        return (
            layer,
            np.array([self._number(f.country) for f in facts], dtype=np.uint16),
            np.array([f.asn or 0 for f in facts], dtype=np.uint32),
        )

    def _as_overlay(self, since_s: int, until_s: int) -> Overlay | None:
        """Classes of whole ASes; AS numbers stand in the place of IPv4 addresses."""
        columns: list[tuple[Any, ...]] = []
        for editions in self._sources(("list",)).values():
            giving = [e for e in editions if e.ases and e.classes]
            for edition, (start, end) in zip(giving, _reach(giving), strict=True):
                if start >= until_s or end <= since_s:
                    continue
                table = edition.as_rows()
                opens, closes = table["from_s"].to_numpy().copy(), table["until_s"].to_numpy().copy()
                opens[opens == 0], closes[closes == FOREVER_S] = start, end
                columns.append((table["first"].to_numpy(), table["last"].to_numpy(), opens, closes,
                                table["classes"].to_numpy()))
        if not columns:
            return None
        first, last, opens, closes, classes = (np.concatenate(c) for c in zip(*columns, strict=True))
        return overlay(TimedRows(mapped_ipv4(first), mapped_ipv4(last), opens, closes, classes,
                                 np.zeros(len(first), dtype=bool)))

    def _update_overlay(
        self, since_s: int, until_s: int
    ) -> tuple[Overlay, NDArray[np.uint32], NDArray[np.uint8]] | None:
        """Routes of update messages: each until it is withdrawn, or until the next table."""
        tables = np.array(sorted({e.date_s for es in self._sources(("routing",)).values() for e in es} | {FOREVER_S}))
        parts = []
        for editions in self._sources(("updates",)).values():
            for edition in editions:
                if edition.date_s >= until_s:
                    continue
                rows = edition.rows(("first", "last", "as", "from_s", "until_s"))
                opens = rows["from_s"].to_numpy()
                closes = np.minimum(rows["until_s"].to_numpy(), tables[np.searchsorted(tables, opens, side="right")])
                kept = (closes > since_s) & (opens < until_s) & (closes > opens)
                parts.append((packed(rows["first"])[kept], packed(rows["last"])[kept], opens[kept], closes[kept],
                              rows["as"].to_numpy()[kept]))
        if not parts:
            return None
        first, last, opens, closes, ases = (np.concatenate(c) for c in zip(*parts, strict=True))
        spans = np.zeros(len(first), dtype=np.uint8)
        for space in spaces(first, last):
            spans[space.rows] = span_of(space.width)
        decides = np.ones(len(first), dtype=bool)
        layer = overlay(TimedRows(first, last, opens, closes, np.zeros(len(first), dtype=np.uint16), decides))
        return layer, ases, spans


def _prune(folder: Path) -> None:
    """Keep the compiled tables that were made last; who has an older one mapped keeps it."""
    try:
        made = sorted((p for p in folder.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    except OSError:
        return  # another process prunes
    for old in made[:-KEPT_COMPILED]:
        shutil.rmtree(old, ignore_errors=True)


def _age(distance_s: int) -> int:
    return 0 if distance_s <= NEAR_S else 1 if distance_s <= FAR_S else 2


def _reach(editions: list[Edition]) -> list[tuple[int, int]]:
    """From when to when each edition of a source (by date) says anything; equal dates hold together.

    Statements with times of their own hold then, whatever their edition's date.
    """
    dates = sorted({e.date_s for e in editions})
    places = {date: place for place, date in enumerate(dates)}
    found = []
    for edition in editions:
        place = places[edition.date_s]
        start = 0 if place == 0 else edition.date_s
        end = dates[place + 1] if place + 1 < len(dates) else FOREVER_S
        found.append((edition.from_s or start, end if edition.until_s == FOREVER_S else edition.until_s))
    return found


def _groups(times_s: Ints, boundaries: Ints) -> list[tuple[Ints | None, int]]:
    """Positions of the times between the same boundaries, and one such time; None: all of them."""
    if not len(times_s):
        return []
    places = np.searchsorted(boundaries, times_s, side="right")
    if not len(boundaries) or places.min() == places.max():
        return [(None, int(times_s[0]))]
    return [(rows, int(times_s[rows[0]])) for p in np.unique(places) if len(rows := np.flatnonzero(places == p))]


def _packed_ends(ends: list[bytes]) -> Addresses:
    return np.frombuffer(b"".join(ends), dtype=np.uint8).reshape(-1, 16)
