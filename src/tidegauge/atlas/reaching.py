"""By which prefixes an origin can show itself at a time, and over which upstreams its ASes were reached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.atlas import embedded
from tidegauge.atlas.catalogue import Edition
from tidegauge.atlas.editions import Atlas
from tidegauge.atlas.evidence import Witnesses, cidrs, times, upstreams_in
from tidegauge.atlas.known import Known
from tidegauge.atlas.statements import joined, packed
from tidegauge.atlas.trust import judge
from tidegauge.model import (
    V4_MAPPED,
    Prefix,
    UsageError,
    class_bit,
    format_time,
    merge_intervals,
    parse_country,
    shapes,
)

MOST_JUDGED = 4000
"""Prefixes whose trust is judged one by one; of more, only their source is named."""
NAMED_UPSTREAM = 40
"""Prefixes of a sole upstream that are named."""


@dataclass(frozen=True)
class Showing:
    """A prefix by which an origin can show itself: what it displays, and why it is listed.

    Attributes:
        displays: it displays the asked origin itself (and is in an ordinary answer about it already).
    """

    prefix: str
    asn: int
    displayed: str
    trust: shapes.Trust
    reasons: tuple[str, ...]
    source: str
    valid_s: tuple[int, int]
    displays: bool

    def to_json(self) -> shapes.Showing:
        return {"prefix": self.prefix, "as": self.asn, "displayed": self.displayed, "trust": self.trust,
                "reasons": list(self.reasons), "source": self.source, "valid": times(self.valid_s)}


@dataclass(frozen=True)
class Further:
    """A network under whose addresses traffic of an origin can also come, since all its routes went over it."""

    asn: int
    name: str
    country: str | None
    via: int
    prefixes: tuple[str, ...]
    count: int

    def to_json(self) -> shapes.Further:
        return {"as": self.asn, "as_name": self.name, "country": self.country, "upstream_of": self.via,
                "prefixes": list(self.prefixes), "prefix_count": self.count}


@dataclass(frozen=True)
class Showings:
    """The reply to `origin --of`."""

    of: str
    at_s: int
    prefixes: tuple[Showing, ...]
    further: tuple[Further, ...]

    def to_json(self) -> shapes.Showings:
        return {"of": self.of, "at": format_time(self.at_s), "prefixes": [p.to_json() for p in self.prefixes],
                "further": [f.to_json() for f in self.further]}


def showings(atlas: Atlas, of: str, at_s: int) -> Showings:
    """Every prefix by which a country, AS or class can show itself at a time.

    Raises:
        UsageError: not one of these.
    """
    of = of.strip()
    witnesses = Witnesses(atlas, at_s)
    if match := re.fullmatch(r"[Aa][Ss](\d{1,10})", of):
        asn = int(match[1])
        if not Known(atlas, (at_s,)).has_as(asn):
            raise UsageError(f"no edition of the atlas knows AS{asn} at that time", hint="tidegauge atlas editions")
        found = [*_displayed(atlas, at_s, asn=asn), *_route_objects(atlas, at_s, asn)]
        return Showings(f"AS{asn}", at_s, _judged(witnesses, found), tuple(_further(atlas, at_s, [asn], witnesses)))
    if of.startswith("class:"):
        shown = list(_of_class(atlas, at_s, class_bit(of[6:])))
        if not shown and not atlas.class_known(class_bit(of[6:]), at_s, at_s + 1):
            raise UsageError(
                f"no list of {of[6:]} addresses is loaded for that time",
                hint="tidegauge atlas update, or tidegauge atlas import",
            )
        return Showings(of, at_s, _judged(witnesses, shown), ())
    if not any(letter.isalpha() for letter in of) or "/" in of:
        raise UsageError(f"not a country, AS or class: {of!r}", hint="KP, AS131279 or class:tor-exit")
    country = parse_country(of)
    found = [*_used_by(country, at_s), *_displayed(atlas, at_s, country=country),
             *_registered(atlas, at_s, country), *_announced(atlas, at_s, country, witnesses)]
    ases = country_ases(atlas, country, at_s, witnesses)
    return Showings(country, at_s, _judged(witnesses, found), tuple(_further(atlas, at_s, ases, witnesses)))


@dataclass(frozen=True)
class _Found:
    prefix: str
    first: bytes
    source: str
    valid_s: tuple[int, int]
    why: str
    displays: bool


def _judged(witnesses: Witnesses, found: list[_Found]) -> tuple[Showing, ...]:
    """One row a prefix, each with the trust in what it displays; the first reason for a prefix counts."""
    unique: dict[str, _Found] = {}
    for one in found:
        unique.setdefault(one.prefix, one)
    if len(unique) > MOST_JUDGED:
        return _labelled(witnesses, list(unique.values()))
    rows = []
    for one in unique.values():
        origin = judge(witnesses.about(one.first))
        said = origin.evidence
        rows.append(Showing(one.prefix, said.asn, said.displayed, origin.trust, (one.why, *origin.reasons), one.source,
                            one.valid_s, one.displays))
    return tuple(rows)


def _labelled(witnesses: Witnesses, found: list[_Found]) -> tuple[Showing, ...]:
    """Rows of very many prefixes: what each displays, without the rules of trust."""
    why = f"more than {MOST_JUDGED:,} prefixes: not judged one by one, ask about its addresses"
    times_us = np.full(len(found), witnesses.at_s * 1_000_000, dtype=np.int64)
    label = witnesses.atlas.lookup(joined(one.first for one in found), times_us)
    told = zip(found, label.countries.tolist(), label.ases.tolist(), strict=True)
    return tuple(
        Showing(one.prefix, asn, label.country_names[country], "medium", (one.why, why), one.source, one.valid_s,
                one.displays)
        for one, country, asn in told
    )


def _named(edition: Edition) -> str:
    return f"{edition.source}, edition {edition.edition}"


def _used_by(country: str, at_s: int) -> Iterator[_Found]:
    for fact in embedded.facts():
        if fact.used_by == country and fact.from_s <= at_s < fact.until_s:
            why = f"documented as used from {country} then" + (f": {fact.note}" if fact.note else "")
            yield _Found(str(fact.prefix), fact.prefix.first, embedded.FACTS, (fact.from_s, fact.until_s), why,
                         fact.country == country)


def _displayed(atlas: Atlas, at_s: int, *, country: str | None = None, asn: int | None = None) -> Iterator[_Found]:
    """Prefixes that the table in force labels so."""
    table = atlas.table(at_s)
    if country is not None:
        if country not in table.country_names:
            return
        own = table.countries == table.country_names.index(country)
        what = f"displays {country}"
    else:
        own = table.ases == asn
        what = f"announced by AS{asn}"
    held = atlas.held(at_s)
    column = "country" if country is not None else "as"
    for first, last in _ranges(atlas, at_s, own):
        said = next((h for h in held if (f := atlas.flat(h.edition, column)) and f.at(first) >= 0), held[0])
        for text in cidrs(first, last):
            yield _Found(text, Prefix.parse(text).first, _named(said.edition), (said.from_s, said.until_s), what, True)


def ranges_of(atlas: Atlas, at_s: int, *, country: str | None = None, asn: int | None = None) -> Iterator[Prefix]:
    """Yield the address ranges that the table in force at a time labels so, which need not be prefixes."""
    table = atlas.table(at_s)
    if country is None:
        own = table.ases == asn
    elif country in table.country_names:
        own = table.countries == table.country_names.index(country)
    else:
        return
    for first, last in _ranges(atlas, at_s, own):
        yield Prefix(first, last)


def _ranges(atlas: Atlas, at_s: int, own: NDArray[np.bool_]) -> Iterator[tuple[bytes, bytes]]:
    """First and last addresses of the pieces that are chosen, neighbours joined."""
    pieces = atlas.table(at_s).pieces
    cut = len(pieces.starts4)
    edges = np.flatnonzero(np.diff(np.r_[False, own[:cut], False].astype(np.int8)))
    for begin, end in edges.reshape(-1, 2).tolist():
        last = int(pieces.starts4[end]) - 1 if end < cut else (1 << 32) - 1
        yield V4_MAPPED + int(pieces.starts4[begin]).to_bytes(4), V4_MAPPED + last.to_bytes(4)
    edges = np.flatnonzero(np.diff(np.r_[False, own[cut:], False].astype(np.int8)))
    for begin, end in edges.reshape(-1, 2).tolist():
        whole = [(int(pieces.high6[i]) << 64) | int(pieces.low6[i]) for i in (begin, end) if i < len(pieces.high6)]
        yield whole[0].to_bytes(16), (whole[1] - 1 if len(whole) > 1 else (1 << 128) - 1).to_bytes(16)


def _registered(atlas: Atlas, at_s: int, country: str) -> Iterator[_Found]:
    """Ranges that a registry has for the country, whatever they display."""
    for held in atlas.held(at_s, ("registry", "geofeed")):
        table = held.edition.rows(("first", "last", "country"))
        rows = np.flatnonzero(table["country"].cast("string").to_numpy() == country)
        first, last = packed(table["first"]), packed(table["last"])
        verb = "registered in" if held.edition.kind == "registry" else "stated by its network as used in"
        for row in rows.tolist():
            for text in cidrs(bytes(first[row]), bytes(last[row])):
                yield _Found(text, Prefix.parse(text).first, _named(held.edition), (held.from_s, held.until_s),
                             f"{verb} {country}", False)


def _announced(atlas: Atlas, at_s: int, country: str, witnesses: Witnesses) -> Iterator[_Found]:
    """What the country's own ASes announce, whatever it displays."""
    numbers = country_ases(atlas, country, at_s, witnesses)
    table = atlas.table(at_s)
    own = np.isin(table.ases, numbers)
    if country in table.country_names:
        own &= table.countries != table.country_names.index(country)
    held = atlas.held(at_s)
    for first, last in _ranges(atlas, at_s, own):
        said = next((h for h in held if (f := atlas.flat(h.edition, "as")) and f.at(first) >= 0), held[0])
        for text in cidrs(first, last):
            yield _Found(text, Prefix.parse(text).first, _named(said.edition), (said.from_s, said.until_s),
                         f"announced by an AS of {country}", False)


def _route_objects(atlas: Atlas, at_s: int, asn: int) -> Iterator[_Found]:
    for held in atlas.held(at_s, ("registry",)):
        table = held.edition.rows(("first", "last", "as"))
        first, last = packed(table["first"]), packed(table["last"])
        for row in np.flatnonzero(table["as"].to_numpy() == asn).tolist():
            for text in cidrs(bytes(first[row]), bytes(last[row])):
                yield _Found(text, Prefix.parse(text).first, _named(held.edition), (held.from_s, held.until_s),
                             f"AS{asn} may announce it, by a route object", False)


def _of_class(atlas: Atlas, at_s: int, bit: int) -> Iterator[_Found]:
    for fact in embedded.facts():
        if fact.classes & bit and fact.from_s <= at_s < fact.until_s:
            yield _Found(str(fact.prefix), fact.prefix.first, embedded.FACTS, (fact.from_s, fact.until_s), fact.note,
                         True)
    for edition, table, opens, closes in atlas.list_rows(at_s, at_s + 1):
        first, last = packed(table["first"]), packed(table["last"])
        for row in np.flatnonzero(table["classes"].to_numpy() & bit).tolist():
            for text in cidrs(bytes(first[row]), bytes(last[row])):
                yield _Found(text, bytes(first[row]), _named(edition), (int(opens[row]), int(closes[row])), "listed",
                             True)


def country_ases(atlas: Atlas, country: str, at_s: int, witnesses: Witnesses) -> list[int]:
    """The ASes of a country: registered there, or with most of their addresses there by the embedded table."""
    found: set[int] = set()
    registries = [h for h in atlas.held(at_s, ("registry",)) if h.edition.ases]
    for held in registries:
        table = held.edition.as_rows()
        own = table["country"].to_numpy() == country
        for first, last in zip(table["first"].to_numpy()[own], table["last"].to_numpy()[own], strict=True):
            found.update(range(int(first), int(last) + 1) if last - first < 65536 else ())
    numbers, homes, shares = embedded.as_homes()
    names = embedded.world_table().country_names
    if country in names:
        own = (homes == names.index(country)) & (shares > 0.5)
        found.update(n for n in numbers[own].tolist() if n and witnesses.as_country(n) in (country, None))
    found.update(f.asn for f in embedded.facts() if f.asn and f.country == country and f.from_s <= at_s < f.until_s)
    return sorted(found)


def _further(atlas: Atlas, at_s: int, ases: list[int], witnesses: Witnesses) -> Iterator[Further]:
    """Sole foreign upstreams of these ASes, with their own prefixes."""
    table = atlas.table(at_s)
    seen = set()
    for asn in ases:
        links = witnesses.uplinks(asn)
        if len(links) != 1:
            continue
        ((upstream, country),) = links.items()
        if upstream in ases or upstream in seen or country is None or country == witnesses.as_country(asn):
            continue
        seen.add(upstream)
        ranges = list(_ranges(atlas, at_s, table.ases == upstream))
        shown: list[str] = []
        for first, last in ranges[:NAMED_UPSTREAM]:
            shown += cidrs(first, last)
        yield Further(upstream, witnesses.as_name(upstream), country, asn, tuple(shown[:NAMED_UPSTREAM]), len(ranges))


@dataclass(frozen=True)
class Link:
    """An AS and an upstream, with the time for which a source has it."""

    asn: int
    upstream: int
    name: str
    country: str | None
    valid_s: tuple[int, int]
    source: str
    now: bool

    def to_json(self) -> shapes.Upstream:
        return {"as": self.upstream, "as_name": self.name, "country": self.country, "valid": times(self.valid_s),
                "source": self.source, "at_that_time": self.now}


@dataclass(frozen=True)
class Reach:
    """The reply to `atlas reach`: the ASes of a country and their upstreams over time."""

    of: str
    at_s: int
    ases: tuple[tuple[int, str, int], ...]
    """Number, name, and how many prefixes it announced."""
    links: tuple[Link, ...]

    def to_json(self) -> shapes.Reach:
        return {
            "of": self.of, "at": format_time(self.at_s),
            "ases": [{"as": n, "as_name": name, "prefixes": count,
                      "upstreams": [link.to_json() for link in self.links if link.asn == n]}
                     for n, name, count in self.ases],
        }


def reach(atlas: Atlas, of: str, at_s: int) -> Reach:
    """Over which ASes a country (or one AS) was reached, over time.

    Raises:
        UsageError: neither a country nor an AS.
    """
    witnesses = Witnesses(atlas, at_s)
    if match := re.fullmatch(r"[Aa][Ss](\d{1,10})", of.strip()):
        numbers = [int(match[1])]
    else:
        numbers = country_ases(atlas, parse_country(of), at_s, witnesses)
    table = atlas.table(at_s)
    ases = []
    for asn in numbers:
        count = sum(len(cidrs(a, b)) for a, b in _ranges(atlas, at_s, table.ases == asn))
        ases.append((asn, witnesses.as_name(asn), count))
    ases.sort(key=lambda a: -a[2])
    chosen = {a[0] for a in ases}
    spans: dict[tuple[int, int, str], list[tuple[int, int]]] = {}
    for link in embedded.uplinks():
        if link.asn in chosen:
            spans.setdefault((link.asn, link.upstream, embedded.FACTS), []).append((link.from_s, link.until_s))
    for source, editions in atlas.by_source("routing").items():
        for edition, following in zip(editions, [*editions[1:], None], strict=True):
            end = edition.date_s + 1 if following is None else following.date_s
            for asn in chosen:
                for upstream in upstreams_in(edition, asn):
                    spans.setdefault((asn, upstream, source), []).append((edition.date_s, end))
    links = []
    for (asn, upstream, source), intervals in spans.items():
        for start, end in merge_intervals(intervals):
            links.append(Link(asn, upstream, witnesses.as_name(upstream), witnesses.as_country(upstream),
                              (start, end), source, start <= at_s < end))
    links.sort(key=lambda k: (k.asn, k.valid_s, k.upstream))
    return Reach(of.strip().upper(), at_s, tuple(ases), tuple(links))
