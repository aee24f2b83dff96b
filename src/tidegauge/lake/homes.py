"""The home prefixes of a site beside the addresses that its flows show: are the prefixes that count as ours the right
ones? Where they are not, nothing comes "in", and every question about it would be answered with no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from tidegauge.lake.query import FlowFilter, Lake
from tidegauge.model import Prefix, format_address

SAMPLE_ROWS = 200_000
NOTABLE = 0.2
"""From this share of the bytes on, it is looked up what passes without an end at home."""
MOST_HOMES = 500
NAMED = 3
V4 = "unhex('00000000000000000000ffff')"
NETWORK = f"CASE WHEN a[1:12] = {V4} THEN a[1:14] ELSE a[1:4] END"
"""The /16 of an IPv4 address, the /32 of an IPv6 one."""
LOCAL = tuple(
    Prefix.parse(p)
    for p in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
              "224.0.0.0/3", "0.0.0.0/32", "fc00::/7", "fe80::/10", "ff00::/8", "::/127")
)  # fmt: skip
"""Addresses that no outside host has (RFC 1918, 6598, 3927, 4193, 4291): what passes between them is never `in`."""


@dataclass(frozen=True)
class Homes:
    """What the flows of a time show of the home prefixes.

    Attributes:
        bytes: by direction.
        looked_at: flows of a sample, for all that follows.
        local: share of the `internal` bytes between addresses that are for local use.
        sources, targets: the busiest networks of flows that neither begin nor end at home, with their share of the
            bytes of these.
        unseen: home prefixes of which no flow has an address.
    """

    bytes: dict[str, int]
    looked_at: int = 0
    local: float = 0.0
    sources: tuple[tuple[str, float], ...] = ()
    targets: tuple[tuple[str, float], ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def neither(self) -> float:
        """The share of the bytes that neither came in nor went out; those for local use do not count."""
        passed = self.bytes.get("transit", 0) + self.bytes.get("internal", 0) * (1 - self.local)
        crossed = self.bytes.get("in", 0) + self.bytes.get("out", 0)
        return passed / (passed + crossed) if passed + crossed else 0.0


def direction_bytes(lake: Lake, since_s: int, until_s: int) -> dict[str, int]:
    """Return the bytes of the flows that begin in a time, by direction."""
    table, _ = lake.top(["direction"], FlowFilter(since_s * 1_000_000, until_s * 1_000_000), metric="bytes", limit=8)
    found = dict.fromkeys(("in", "out", "internal", "transit"), 0)
    return found | dict(zip(table["direction"].to_pylist(), map(int, table["bytes"].to_pylist()), strict=True))


def look_at_homes(
    lake: Lake, home: Sequence[Prefix], since_s: int, until_s: int, shares: dict[str, int] | None = None
) -> Homes:
    """Return what a sample of the flows of a time shows of home prefixes.

    Args:
        shares: bytes by direction, where they are known.
    """
    shares = direction_bytes(lake, since_s, until_s) if shares is None else shares
    homes = list(home)[:MOST_HOMES]
    with lake.sampled(since_s * 1_000_000, until_s * 1_000_000, SAMPLE_ROWS) as engine:
        seen = ", ".join(f"coalesce(bool_or({_within('src', [h])} OR {_within('dst', [h])}), false)" for h in homes)
        local = f"{_within('src', LOCAL)} OR {_within('dst', LOCAL)}"
        row = engine.execute(
            "SELECT count(*), coalesce(sum(bytes) FILTER (direction = 'internal'), 0),"
            f" coalesce(sum(bytes) FILTER (direction = 'internal' AND ({local})), 0), [{seen or 'true'}] FROM flows"
        ).fetchone()
        assert row is not None
        count, internal, own, shown = row
        transit = shares["transit"] > NOTABLE * max(sum(shares.values()), 1)
        sources, targets = (_busiest(engine, end) if transit else () for end in ("src", "dst"))
    unseen = tuple(str(h) for h, there in zip(homes, shown, strict=False) if not there) if count and homes else ()
    local_share = float(own) / float(internal) if internal else 0.0
    return Homes(shares, int(count), local_share, sources, targets, unseen)


def _busiest(engine: duckdb.DuckDBPyConnection, end: str) -> tuple[tuple[str, float], ...]:
    """The networks with the most bytes at one end of flows that neither begin nor end at home."""
    rows = engine.execute(
        f"WITH ends AS (SELECT {end} AS a, bytes FROM flows WHERE direction = 'transit'),"
        f" nets AS (SELECT {NETWORK} AS net, sum(bytes)::DOUBLE AS b FROM ends GROUP BY net)"
        f" SELECT net, b / greatest((SELECT sum(b) FROM nets), 1) FROM nets ORDER BY b DESC, net LIMIT {NAMED}"
    ).fetchall()
    return tuple((_network(net), float(share)) for net, share in rows)


def _within(end: str, prefixes: Sequence[Prefix]) -> str:
    tests = [f"{end} BETWEEN unhex('{p.first.hex()}') AND unhex('{p.last.hex()}')" for p in prefixes]
    return f"({' OR '.join(tests)})"


def _network(net: bytes) -> str:
    return f"{format_address(net.ljust(16, bytes(1)))}/{16 if len(net) == 14 else 32}"


def named_networks(found: Sequence[tuple[str, float]]) -> str:
    """Return networks with their shares, as part of a sentence.

    >>> named_networks([("198.51.0.0/16", 0.9)])
    '198.51.0.0/16 (90%)'
    """
    return ", ".join(f"{net} ({share:.0%})" for net, share in found)
