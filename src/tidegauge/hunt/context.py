"""What every hunt works on: a site's pairs in one time, the atlas, what is expected, and how findings name things."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.atlas import Atlas
from tidegauge.hunt.expected import Expected
from tidegauge.hunt.limits import HuntLimit
from tidegauge.lake import Lake, Pairs
from tidegauge.model import (
    NAMES_SCHEMA,
    V4_MAPPED,
    TidegaugeError,
    class_names,
    format_address,
    format_time,
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
SUBNET_BROADCAST = "announcements to a subnet are sent at regular intervals, and nobody answers them"
ANSWERED = 0.7
"""Share of conversations of which both directions are seen, below which silence says nothing."""


@dataclass
class Scene:
    """One hunt's surroundings.

    Attributes:
        since_s, until_s: the time that is hunted in, epoch seconds; `history_s` the start of the data before it.
        limits: what would have been found, as each hunt says.
        examined: what was looked at, by name; `skipped` what was left out, by (what, why).
        names: names seen in the time (`NAMES_SCHEMA`); `pointed` the last one that pointed to each address.
        aliases: addresses of one name, each with the one that stands for all in pairs.
        watched: SQL condition for far ends of the watch that is asked about, empty where none is.
    """

    site: Site
    lake: Lake
    pairs: Pairs
    atlas: Atlas
    expected: Expected
    since_s: int
    until_s: int
    history_s: int
    watched: str = ""
    watch_name: str = ""
    names: pa.Table = field(default_factory=NAMES_SCHEMA.empty_table)
    pointed: dict[bytes, str] = field(default_factory=dict)
    aliases: dict[bytes, bytes] = field(default_factory=dict)
    examined: Counter[str] = field(default_factory=Counter)
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    limits: list[HuntLimit] = field(default_factory=list)
    _one_sided: list[str] | None = None

    def name_of(self, address: bytes) -> str:
        """The name by which an address was asked for, where one was seen; empty otherwise."""
        return self.pointed.get(address, "")

    def expects(self, row: dict[str, Any]) -> str | None:
        """Why the traffic of a pair is expected; None where it is not."""
        far = row["client"] if row["way"] == "in" else row["server"]
        if far[:12] == V4_MAPPED and far[15] == 255 and not row.get("down_packets"):
            return SUBNET_BROADCAST
        return self.expected.reason(
            proto=row["proto"],
            port=row["port"],
            far=far,
            asn=row["far_as"] or 0,
            name=self.name_of(far),
            way=row["way"],
        )

    @cached_property
    def most_hosts(self) -> int:
        """How many hosts of ours are most of those that call out; four at least."""
        table = self.pairs.sql("SELECT count(DISTINCT client) AS n FROM pairs WHERE way = 'out' AND proto IN (6, 17)")
        return max(int(table["n"][0].as_py()) // 2 + 1, 4)

    def seen_before(self, row: dict[str, Any]) -> bool:
        """Whether the pair of a row was seen in the history before the hunted time."""
        if self.history_s >= self.since_s:
            return False
        return self.pairs.seen_before(row, self.history_s, self.since_s)

    def asked_before(self, asked: list[tuple[bytes, int, int]]) -> dict[tuple[bytes, int, int], set[bytes]]:
        """The servers that clients asked at a port in the history before the hunted time, by client, protocol and port
        (0: any, as of ping)."""
        if not asked or self.history_s >= self.since_s:
            return {}
        return self.pairs.servers_of(asked, self.history_s, self.since_s)

    def one_sided(self) -> list[str]:
        """Ways in which answers are often not seen (asymmetric routes, exporters that watch one direction).

        There the silence of the other end says nothing, and only a client's own flags tell what came of a call.
        """
        if self._one_sided is None:
            # A few clients tell it as well as all do.
            some = max(self.examined["flows"] // SOME_FLOWS, 1)
            table = self.pairs.sql(
                "WITH p AS (SELECT way, count(*) FILTER (NOT fwd) AS answers,"
                " count(*) FILTER (fwd AND (tcp_flags & 16 <> 0 OR packets > 2 * sampling)) AS held"
                " FROM oriented WHERE proto = 6 AND way <> 'transit'"
                f" AND hash(client) % {some} = 0 GROUP BY way, hash(client, server, port))"
                " SELECT way, count(*) AS held, count(*) FILTER (answers > 0) AS answered FROM p WHERE held > 0"
                " GROUP BY way"
            )
            rows = table.to_pylist()
            self._one_sided = [r["way"] for r in rows if r["held"] >= 20 and r["answered"] < ANSWERED * r["held"]]
            for way in self._one_sided:
                self.skipped[f"answers to calls {way}", "are often not seen: silence says nothing there"] = 1
        return self._one_sided

    @cached_property
    def covered(self) -> float:
        """The share of the hunted time that was seen."""
        return covered(self.lake, self.since_s, self.until_s).share

    @cached_property
    def sampling(self) -> int:
        """The sampling interval of most flows."""
        found = self.pairs.sql("SELECT mode(sampling) AS s FROM chosen_flows")["s"][0].as_py()
        return max(int(found or 1), 1)

    @cached_property
    def rhythm(self) -> NDArray[np.float64]:
        """`rhythm_of` the site in the time."""
        return rhythm_of(self.pairs)

    @cached_property
    def askers(self) -> set[bytes]:
        """The hosts of which names that they asked for were seen at all."""
        return set(self.names["client"].unique().to_pylist())


def rhythm_of(pairs: Pairs) -> NDArray[np.float64]:
    """The share of our hosts' calls to outside in each hour of the day (UTC); shape (24,)."""
    table = pairs.sql(
        "SELECT epoch_us(time_start) // 3600000000 % 24 AS hour, count(*) AS calls FROM oriented"
        " WHERE fwd AND way = 'out' GROUP BY hour"
    )
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


def where_pair(row: dict[str, Any], same: dict[bytes, bytes]) -> str:
    """`--where` for all flows of a pair, both ways, with all addresses of the server's name."""
    client, server, port = format_address(row["client"]), row["server"], row["port"]
    listed = ", ".join(f"'{format_address(a)}'" for a in sorted({server, *(a for a, s in same.items() if s == server)}))
    there = f"src = '{client}' AND dst IN ({listed})"
    back = f"src IN ({listed}) AND dst = '{client}'"
    if row["proto"] in (1, 58):
        return f"proto = {row['proto']} AND (({there}) OR ({back}))"
    return f"proto = {row['proto']} AND (({there} AND dst_port = {port}) OR ({back} AND src_port = {port}))"


def flows_query(where: str, since_s: float, until_s: float) -> str:
    """The command that shows flows; the time a second wider, since flows carry microseconds."""
    return f'tidegauge flows --since {format_time(since_s)} --until {format_time(until_s + 1)} --where "{where}"'


def service(proto: int, port: int) -> str:
    """`tcp/443` and the like."""
    name = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp"}.get(proto, f"protocol {proto}")
    return name if proto in (1, 58) else f"{name}/{port}"


def whereabouts(row: dict[str, Any]) -> str:
    """Country, AS and classes of the far end as part of a sentence."""
    parts = [row["far_country"] if row["far_country"] not in (None, "ZZ") else ""]
    parts.append(f"AS{row['far_as']}" if row["far_as"] else "")
    parts += class_names(int(row["far_class"] or 0))
    text = ", ".join(part for part in parts if part)
    return f" ({text})" if text else ""
