"""From a watch to the flows that touch it: conditions in SQL, and what of the watch they cannot show.

A domain counts through the names that were seen: an address only for the time in which the name pointed to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tidegauge.lake import Lake, column_sql
from tidegauge.model import (
    FOREVER_S,
    Prefix,
    TidegaugeError,
    format_time,
    merge_intervals,
    parse_address,
)
from tidegauge.watch.indicator import Indicator
from tidegauge.watch.rows import MEANT_NOT, NARROWED, WIDER
from tidegauge.watch.watches import Watch

DAY_S = 86400
LAST_ANSWER_S = DAY_S
"""How long the last answer for a name is held to point where it did, where its time to live is shorter."""
IN_TURN_S = 3600
"""An address that comes back within so much time was held all the while."""
REACH_S = 7 * DAY_S
"""Answers from so long before a time can still hold in it."""
MOST_INTERVALS, MOST_SHOWN = 20_000, 50
Pointed = tuple[bytes, int, int]
"""An address, and from when to when a name pointed to it (epoch seconds)."""
ENOUGH_HELD = 0.8
"""A watch must hold for so much of the asked time, as telemetry must be there for so much of a minute."""


@dataclass(frozen=True)
class Term:
    """One far end, as an address range, an AS or (both None) any; with its ports and its time."""

    prefix: Prefix | None
    asn: int | None
    far_port: int
    home_port: int
    from_s: int
    until_s: int

    @classmethod
    def of(cls, mark: Indicator, prefix: Prefix | None = None, asn: int | None = None) -> Term:
        return cls(prefix, asn, mark.far_port, mark.home_port, mark.from_s, mark.until_s)

    @property
    def rest(self) -> tuple[int, int, int, int]:
        return self.far_port, self.home_port, self.from_s, self.until_s

    def where(self) -> str:
        parts = [f"inside(far, '{self.prefix}')"] if self.prefix else []
        parts += [f"far_as = {self.asn}"] if self.asn is not None else []
        parts += [f"far_port = {self.far_port}"] if self.far_port else []
        parts += [f"home_port = {self.home_port}"] if self.home_port else []
        parts += [f"time_start >= '{format_time(self.from_s)}'"] if self.from_s > 0 else []
        parts += [f"time_start < '{format_time(self.until_s)}'"] if self.until_s < FOREVER_S else []
        return f"({' AND '.join(parts)})"


@dataclass(frozen=True)
class Selection:
    """The flows of a watch.

    Attributes:
        sql: the condition; `where` the same as `--where` takes it (of very many terms only the first).
        held_s: from when to when each of its terms holds, epoch seconds.
        notes: what of the watch these flows cannot show.
        indicators: how many it has, with entries of files that could not be read; `hidden` those of them that no flow
            here can show.
        narrowed: a file has some of the addresses by themselves too, beside connections that name their port.
    """

    name: str
    sql: str
    where: str
    held_s: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    indicators: int = 0
    hidden: int = 0
    narrowed: bool = False

    def with_history(self, until_s: int) -> Selection:
        """Return the same flows from a time on, and before it those of the same far ends at all times: what is usual of
        an address does not begin with somebody's indicator."""
        return replace(self, sql=_whole(self.terms, until_s))

    @property
    def ported(self) -> bool:
        """Whether some of its addresses hold at one port only."""
        return any(term.far_port or term.home_port for term in self.terms if term.prefix or term.asn is not None)

    def swapped(self) -> Selection:
        """Return the same flows with each port at the other end."""
        return self._of(replace(t, far_port=t.home_port, home_port=t.far_port) for t in self.terms)

    def at_all_ports(self) -> Selection:
        """Return the flows of the same addresses whatever their ports."""
        return self._of(
            replace(t, far_port=0, home_port=0) if t.prefix or t.asn is not None else t for t in self.terms
        )

    def _of(self, terms: Iterable[Term]) -> Selection:
        changed = tuple(terms)
        return replace(self, terms=changed, sql=_whole(changed))

    def held_share(self, since_s: int, until_s: int) -> float:
        """Return the share of a time in which any term holds."""
        inside = [(max(start, since_s), min(end, until_s)) for start, end in self.held_s]
        return sum(b - a for a, b in merge_intervals(inside)) / max(until_s - since_s, 1)

    def holds(self, since_s: int, until_s: int) -> bool:
        """Whether any term holds in a part of a time."""
        return any(start < until_s and end > since_s for start, end in self.held_s)

    def partly(self, since_s: int, until_s: int) -> int:
        """Return how many terms do not hold in all of a time."""
        return sum(start > since_s or end < until_s for start, end in self.held_s)


def unmatched(
    watch: Selection, home: Sequence[Prefix], since_s: int, until_s: int, *, unknown: int = 0
) -> Iterator[str]:
    """Yield why the flows of a time cannot show a watch, or only a part of what was asked: nothing that was not seen
    there is a no.

    Args:
        unknown: how many of its indicators are ASes that no edition of the atlas has.
    """
    between = f"between {format_time(since_s)} and {format_time(until_s)}"
    if not watch.terms:
        yield (
            f"No name that was seen points to an address of the watch {watch.name}, so no flow can be counted towards"
            " it. Names come from Zeek's dns.log and ssl.log and from Suricata's events; or add the addresses with"
            " tidegauge watch add --prefix."
        )
    elif not watch.holds(since_s, until_s):
        yield f"No indicator of the watch {watch.name} holds {between}: their times lie outside."
    elif (share := watch.held_share(since_s, until_s)) < ENOUGH_HELD:
        yield f"The indicators of the watch {watch.name} hold in {share:.0%} of the time {between}: ask about that."
    ours = sum(at_home(home, term.prefix) for term in watch.terms)
    hidden = watch.hidden + unknown + ours
    if watch.terms and ours < len(watch.terms) and hidden > (1 - ENOUGH_HELD) * watch.indicators:
        yield (
            f"No flow here can show {hidden:,} of {watch.indicators:,} indicators of the watch {watch.name}: names"
            " where none were seen, ASes that no atlas has, home addresses, entries that could not be read."
        )
    if watch.terms and ours == len(watch.terms):
        yield f"All indicators of the watch {watch.name} lie in home prefixes: no outside host can be one of them."


def at_home(home: Sequence[Prefix], prefix: Prefix | None) -> bool:
    """Whether all addresses of a prefix are ours."""
    return prefix is not None and any(h.first <= prefix.first and prefix.last <= h.last for h in home)


def watched(watch: Watch, lake: Lake, since_s: int, until_s: int) -> Selection:
    """Return the flows whose far end is the asset at their time: of each indicator at its own ports.

    Where the watch has only domains and no name that was seen points to an address, it has no terms and no flows.
    """
    names = [mark for mark in watch.indicators if mark.kind == "domain"]
    found = pointed(lake, names, since_s, until_s)
    terms = [term for mark in watch.indicators for term in _terms(mark, found)]
    unseen = [mark.value for mark in names if not found[mark]]
    blind = bool(unseen) and not lake.names(since_s * 1_000_000, until_s * 1_000_000).num_rows
    unread = sum(count for _, why, count in watch.left if not (why.startswith(MEANT_NOT) or why.endswith(WIDER)))
    text = " OR ".join(term.where() for term in terms[:MOST_SHOWN])
    return Selection(
        watch.name, _whole(terms), f"({text})" if text else "(1 = 0)",
        tuple((term.from_s, term.until_s) for term in terms), tuple(_notes(watch, found, unseen)), tuple(terms),
        indicators=len(watch.indicators) + unread, hidden=unread + (len(unseen) if blind else 0),
        narrowed=any(why == NARROWED for _, why, _ in watch.left),
    )


def _terms(mark: Indicator, found: dict[Indicator, list[Pointed]]) -> list[Term]:
    """The far ends of one indicator; of a name those to which it pointed."""
    if mark.kind == "prefix":
        return [Term.of(mark, Prefix.parse(mark.value))]
    if mark.kind == "as":
        return [Term.of(mark, asn=int(mark.value))]
    if mark.kind == "port":
        return [Term(None, None, int(mark.value), 0, mark.from_s, mark.until_s)]
    return [Term(Prefix(a, a), None, mark.far_port, mark.home_port, start, end) for a, start, end in found[mark]]


def _notes(watch: Watch, found: dict[Indicator, list[Pointed]], unseen: list[str]) -> Iterator[str]:
    """Yield what of a watch no flow shows."""
    if wider := [one for one in watch.left if one[1].endswith(WIDER)]:
        first, count = max(wider, key=lambda one: one[2]), sum(one[2] for one in wider)
        why = first[1].removesuffix(WIDER).rstrip("; ")
        yield (
            f"{count:,} {'condition' if count == 1 else 'conditions'} of the files of the watch {watch.name}"
            f" {'is' if count == 1 else 'are'} not used (most: {first[0]}: {why}):"
            " more traffic is in this answer than they mean"
        )
    if left := [one for one in watch.left if one not in wider]:
        first, count = max(left, key=lambda one: one[2]), sum(one[2] for one in left)
        yield (
            f"{count:,} {'entry' if count == 1 else 'entries'} of the files of the watch {watch.name}"
            f" {'was' if count == 1 else 'were'} not taken (most: {first[0]}: {first[1]}): traffic with them is not in"
            " this answer"
        )
    if unseen:
        yield (
            f"{len(unseen):,} of {len(found):,} names of the watch {watch.name} ({', '.join(unseen[:3])}"
            f"{', …' if len(unseen) > 3 else ''}) point to no address in the names that were seen: traffic with them"
            " is not in this answer"
        )
    if full := [mark.value for mark, held in found.items() if len(held) == MOST_INTERVALS]:
        yield f"of the addresses of {', '.join(full[:3])} only the first {MOST_INTERVALS:,} are in this answer"


def _whole(terms: Iterable[Term], history_until_s: int | None = None) -> str:
    return f"(direction IN ('in', 'out') AND ({_sql(terms, history_until_s)}))"


def _sql(terms: Iterable[Term], history_until_s: int | None) -> str:
    """Terms as one condition; single addresses with the same ports and time as one list.

    Args:
        history_until_s: before this time terms hold whatever their own is.
    """
    singles: dict[tuple[int, int, int, int], set[bytes]] = defaultdict(set)
    others: dict[str, None] = {}
    for term in terms:
        if term.prefix is not None and term.prefix.first == term.prefix.last:
            singles[term.rest].add(term.prefix.first)
            continue
        parts = []
        if term.prefix is not None:
            first, last = term.prefix.first.hex(), term.prefix.last.hex()
            parts.append(f"{column_sql('far')} BETWEEN unhex('{first}') AND unhex('{last}')")
        if term.asn is not None:
            parts.append(f"{column_sql('far_as')} = {term.asn}")
        others[" AND ".join((*parts, *_rest_sql(*term.rest, history_until_s)))] = None
    for rest, addresses in singles.items():
        listed = ", ".join(f"unhex('{address.hex()}')" for address in sorted(addresses))
        others[" AND ".join((f"{column_sql('far')} IN ({listed})", *_rest_sql(*rest, history_until_s)))] = None
    return " OR ".join(f"({text})" for text in others) or "false"


def _rest_sql(
    far_port: int, home_port: int, from_s: int, until_s: int, history_until_s: int | None
) -> Iterator[str]:
    before = "" if history_until_s is None else f" OR time_start < make_timestamptz({history_until_s * 1_000_000})"
    if far_port:
        yield f"{column_sql('far_port')} = {far_port}"
    if home_port:
        yield f"{column_sql('home_port')} = {home_port}"
    if from_s > 0:
        yield f"(time_start >= make_timestamptz({from_s * 1_000_000}){before})"
    if until_s < FOREVER_S:
        yield f"(time_start < make_timestamptz({until_s * 1_000_000}){before})"


def pointed(
    lake: Lake, marks: Iterable[Indicator], since_s: int, until_s: int
) -> dict[Indicator, list[Pointed]]:
    """Return for each domain the addresses to which it (or a name below it) pointed: from an answer to the next one
    that lacks it, or as long as its time to live; less than an hour without is passed over."""
    found: dict[Indicator, list[Pointed]] = {mark: [] for mark in marks}
    if not found:
        return found
    exact: dict[str, list[Indicator]] = defaultdict(list)
    below: dict[str, list[Indicator]] = defaultdict(list)
    for mark in found:
        below[mark.value.removeprefix("*.")].append(mark)
        if not mark.value.startswith("*."):
            exact[mark.value].append(mark)
    table = lake.names((since_s - REACH_S) * 1_000_000, until_s * 1_000_000)
    wanted: dict[str, list[Indicator]] = {}
    for name in table["name"].unique().to_pylist():
        labels = (name or "").split(".")
        parents = (".".join(labels[i:]) for i in range(1, len(labels)))
        if own := [*exact.get(name, ()), *(mark for parent in parents for mark in below.get(parent, ()))]:
            wanted[name] = own
    seen: dict[str, list[tuple[int, int, frozenset[bytes]]]] = defaultdict(list)
    columns = (table[n].to_pylist() for n in ("source", "name", "server", "answers", "ttl_s"))
    stamps = table["time"].cast("int64").to_pylist()
    for stamp, source, name, server, answers, ttl in zip(stamps, *columns, strict=True):
        if name not in wanted:
            continue
        held = {server} if source == "tls" else set()
        for answer in answers or []:
            try:
                held.add(parse_address(answer))
            except TidegaugeError:
                continue  # a name on the way to the address
        if held:
            seen[name].append((stamp // 1_000_000, ttl or 0, frozenset(held)))
    for name, answers_of in seen.items():
        intervals = _joined(_held(answers_of))
        for mark in wanted[name]:
            within = [(a, max(s, mark.from_s), min(e, mark.until_s)) for a, s, e in intervals]
            found[mark] = [*found[mark], *(w for w in within if w[1] < w[2])][:MOST_INTERVALS]
    return found


def _joined(held: Iterable[Pointed]) -> list[Pointed]:
    """The same with what lies close together in one: of a name that points to others in turn addresses come and go with
    each answer, and stay in use in between."""
    own: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for address, start, end in held:
        own[address].append((start, end))
    found = []
    for address, times in own.items():
        begin, until = min(times)
        for start, end in sorted(times):
            if start > until + IN_TURN_S:
                found.append((address, begin, until))
                begin = start
            until = max(until, end)
        found.append((address, begin, until))
    return sorted(found, key=lambda one: one[1:])


def _held(answers: list[tuple[int, int, frozenset[bytes]]]) -> Iterator[Pointed]:
    """When each address was held, from a name's answers by time: when, for how long, and which."""
    open_since: dict[bytes, tuple[int, int]] = {}
    for when, ttl, held in answers:
        for address in [a for a in open_since if a not in held]:
            start, holds = open_since.pop(address)
            yield address, start, max(when, holds)
        for address in held:
            start, _ = open_since.get(address, (when, 0))
            open_since[address] = (start, when + ttl)
    last = answers[-1][0]
    for address, (start, holds) in open_since.items():
        yield address, start, max(holds, last + LAST_ANSWER_S)
