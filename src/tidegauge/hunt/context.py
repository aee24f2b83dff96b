"""What every hunt works on: a site's pairs in one time, the atlas, what is expected, and how findings name things."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypedDict

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.atlas import Atlas
from tidegauge.hunt.expected import Expected
from tidegauge.hunt.limits import HuntLimit
from tidegauge.hunt.names_asked import NamesAsked, names_asked
from tidegauge.lake import Called, Caller, Lake, Pair, Pairs, Row, Views, statement
from tidegauge.model import (
    NAMES_SCHEMA,
    V4_MAPPED,
    TidegaugeError,
    class_names,
    format_address,
    parse_address,
)
from tidegauge.series import covered
from tidegauge.site import Site

DAY_S = 86400
MOST_ADDRESSES = 40
"""Of one name: with more it is a network for many services."""
MOST_LISTED = 150
"""Of one kind of finding."""
PUBLIC_CLIENTS = 20
"""A service that so many ask is meant to be asked, and answers requests, not passwords."""
MOST_BEFORE = 0.5
"""Who asked so many of its targets before does not look for what is there."""
SOME_FLOWS = 2_000_000
RARE_CALLERS = 3
"""A service that so few hosts of ours call is not one that programs of a maker call everywhere."""
SUBNET_BROADCAST = "announcements to a subnet are sent at regular intervals, and nobody answers them"
ANSWERED = 0.7
"""Share of conversations of which both directions are seen, below which silence says nothing."""


class Traffic(Protocol):
    """Calls of whatever kind, as far as what is expected goes."""

    @property
    def far(self) -> bytes: ...
    @property
    def proto(self) -> int: ...
    @property
    def port(self) -> int: ...
    @property
    def way(self) -> str: ...
    @property
    def far_as(self) -> int | None: ...
    @property
    def unanswered(self) -> bool: ...


@dataclass
class HuntContext:
    """One hunt's surroundings.

    Attributes:
        since_s, until_s: the time that is hunted in, epoch seconds; `history_s` the start of the data before it.
        limits: what would have been found, as each hunt says.
        examined: what was looked at, by name; `skipped` what was left out, by (what, why).
        names: names seen in the time (`NAMES_SCHEMA`); `pointed` the last one that pointed to each address.
        aliases: addresses of one name, each with the one that stands for all in pairs.
        watch_name: the watch that is asked about, empty where none is.
    """

    site: Site
    lake: Lake
    pairs: Pairs
    atlas: Atlas
    expected: Expected
    since_s: int
    until_s: int
    history_s: int
    watch_name: str = ""
    names: pa.Table = field(default_factory=NAMES_SCHEMA.empty_table)
    pointed: dict[bytes, str] = field(default_factory=dict)
    aliases: dict[bytes, bytes] = field(default_factory=dict)
    examined: Counter[str] = field(default_factory=Counter)
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    limits: list[HuntLimit] = field(default_factory=list)
    _made: set[str] = field(default_factory=set)

    def rows(self, of: type[Row], name: str, **given: Any) -> list[Row]:
        """What `sql/NAME.sql` gives, as objects."""
        return self.pairs.rows(of, query(name), **given)

    def table(self, name: str, **given: Any) -> pa.Table:
        """The same as a table."""
        return self.pairs.table(query(name), **given)

    def value(self, name: str, **given: Any) -> Any:
        """The one value that `sql/NAME.sql` gives."""
        return self.pairs.value(query(name), **given)

    def make(self, name: str, **given: Any) -> None:
        """Keep what `sql/NAME.sql` gives as a table of that name; once a hunt."""
        if name not in self._made:
            self.pairs.make(name, query(name), **given)
            self._made.add(name)

    def name_of(self, address: bytes) -> str:
        """The name by which an address was asked for, where one was seen; empty otherwise."""
        return self.pointed.get(address, "")

    def expects(self, calls: Traffic) -> str | None:
        """Why traffic is expected; None where it is not."""
        far = calls.far
        if far[:12] == V4_MAPPED and far[15] == 255 and calls.unanswered:
            return SUBNET_BROADCAST
        return self.expected.reason(
            proto=calls.proto, port=calls.port, far=far, asn=calls.far_as or 0, name=self.name_of(far), way=calls.way
        )

    @cached_property
    def most_hosts(self) -> int:
        """How many hosts of ours are most of those that call out; four at least."""
        return max(int(self.value("common_callers")) // 2 + 1, 4)

    def rare_services(self) -> None:
        """Make the table `callers`: outside services that few hosts call."""
        self.make("callers", few=RARE_CALLERS)

    def by_day(self, name: str, **given: Any) -> pa.Table:
        """What `sql/NAME.sql` gives, from `by_day`: what hosts and far ends exchanged on each day, history included."""
        return self._days.table(query(name), **given)

    @cached_property
    def _days(self) -> Views:
        views = self.pairs.opened(self.history_s, self.until_s)
        views.make("by_day", query("by_day"))
        return views

    @cached_property
    def names_asked(self) -> NamesAsked:
        """The questions by DNS of the hunted time."""
        return names_asked(self.names)

    def seen_before(self, pair: Pair) -> bool:
        """Whether a pair was seen in the history before the hunted time."""
        if self.history_s >= self.since_s:
            return False
        return self.pairs.seen_before(pair, self.history_s, self.since_s)

    def asked_before(self, callers: list[Caller]) -> dict[tuple[bytes, int, int], set[bytes]]:
        """The servers that clients of ours asked in the history before the hunted time, by client, protocol and port
        (0: any, as of ping)."""
        asked = [(c.client, c.proto, c.port) for c in callers if c.way != "in"]
        if not asked or self.history_s >= self.since_s:
            return {}
        return self.pairs.servers_of(asked, self.history_s, self.since_s)

    @cached_property
    def one_sided(self) -> list[str]:
        """Ways in which answers are often not seen (asymmetric routes, exporters that watch one direction).

        There the silence of the other end says nothing, and only a client's own flags tell what came of a call.
        """
        # A few clients tell it as well as all do.
        table = self.table("answered", one_in=max(self.examined["flows"] // SOME_FLOWS, 1))
        found = [r["way"] for r in table.to_pylist() if r["held"] >= 20 and r["answered"] < ANSWERED * r["held"]]
        for way in found:
            self.skipped[f"answers to calls {way}", "are often not seen: silence says nothing there"] = 1
        return found

    @cached_property
    def covered(self) -> float:
        """The share of the hunted time that was seen."""
        return covered(self.lake, self.since_s, self.until_s).share

    @cached_property
    def sampling(self) -> int:
        """The sampling interval of most flows."""
        return max(int(self.value("sampling") or 1), 1)

    @cached_property
    def rhythm(self) -> NDArray[np.float64]:
        """`rhythm_of` the site in the time."""
        return rhythm_of(self.pairs)

    @cached_property
    def askers(self) -> set[bytes]:
        """The hosts of which names that they asked for were seen at all."""
        return set(self.names["client"].unique().to_pylist())


def query(name: str) -> str:
    """The text of `sql/NAME.sql`."""
    return statement("tidegauge.hunt", name)


def rhythm_of(views: Views) -> NDArray[np.float64]:
    """The share of our hosts' calls to outside in each hour of the day (UTC); shape (24,)."""
    table = views.table(query("rhythm"))
    counts = np.ones(24)
    counts[table["hour"].to_numpy()] += table["calls"].to_numpy()
    return np.asarray(counts / counts.sum())


def names_of(table: pa.Table) -> dict[bytes, str]:
    """The last name that pointed to each address: a handshake's server name, or an answer."""
    found: dict[bytes, str] = {}
    for row in table.select(["source", "server", "name", "answers"]).to_pylist():
        if row["source"] == "tls":
            found[row["server"]] = row["name"]
            continue
        for answer in row["answers"] or []:
            try:
                found[parse_address(answer)] = row["name"]
            except TidegaugeError:
                continue  # a name, not an address
    return found


def aliases(pointed: dict[bytes, str]) -> dict[bytes, bytes]:
    """Addresses that shared a name, each with the lowest of them: a service moves among the addresses of its name."""
    groups: dict[str, set[bytes]] = {}
    for address, name in pointed.items():
        groups.setdefault(name, set()).add(address)
    return {a: min(group) for group in groups.values() if 1 < len(group) <= MOST_ADDRESSES for a in group}


def where_pair(pair: Called, same: dict[bytes, bytes] | None = None) -> str:
    """`--where` for all flows of a pair, both ways, with all addresses of the server's name."""
    who, port = format_address(pair.client), pair.port
    servers = sorted({pair.server, *(a for a, s in (same or {}).items() if s == pair.server)})
    listed = ", ".join(f"'{format_address(a)}'" for a in servers)
    there, back = f"src = '{who}' AND dst IN ({listed})", f"src IN ({listed}) AND dst = '{who}'"
    if pair.proto in (1, 58):
        return f"proto = {pair.proto} AND (({there}) OR ({back}))"
    return f"proto = {pair.proto} AND (({there} AND dst_port = {port}) OR ({back} AND src_port = {port}))"


def service(proto: int, port: int) -> str:
    """`tcp/443` and the like."""
    name = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp"}.get(proto, f"protocol {proto}")
    return name if proto in (1, 58) else f"{name}/{port}"


class Displayed(Protocol):
    """What a far end displays."""

    @property
    def far_country(self) -> str | None: ...
    @property
    def far_as(self) -> int | None: ...
    @property
    def far_class(self) -> int | None: ...


def whereabouts(far: Displayed) -> str:
    """Country, AS and classes of the far end as part of a sentence."""
    parts = [far.far_country if far.far_country not in (None, "ZZ") else "", f"AS{far.far_as}" if far.far_as else ""]
    text = ", ".join(part for part in (*parts, *class_names(int(far.far_class or 0))) if part)
    return f" ({text})" if text else ""


def displayed(far: Displayed) -> dict[str, Any]:
    """The same as evidence."""
    return {"country": far.far_country, "as": far.far_as}


class Times(TypedDict):
    """When a finding begins and ends, epoch seconds."""

    start_s: int
    end_s: int


def times(calls: Caller) -> Times:
    """The times of a finding about calls."""
    return Times(start_s=int(calls.first_s), end_s=int(calls.last_s) + 1)
