"""The home prefixes of a site beside the addresses that its flows show: are the prefixes that count as ours the right
ones? Where they are not, nothing comes "in", and every question about it would be answered with no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from tidegauge.lake.query import FlowFilter, Lake
from tidegauge.lake.statements import text_of
from tidegauge.model import Prefix, format_address

SAMPLE_ROWS = 200_000
NOTABLE = 0.2
"""From this share of the bytes on, it is looked up what passes without an end at home."""
MOST_HOMES = 500
NAMED = 3


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
        engine.execute(text_of("local"))
        ((count, internal, own),) = engine.execute(text_of("home_bytes")).fetchall()
        engine.register("homes", pa.table({
            "place": np.arange(len(homes)), "first": pa.array([h.first for h in homes], pa.binary()),
            "last": pa.array([h.last for h in homes], pa.binary()),
        }))
        shown = {place for (place,) in engine.execute(text_of("homes_seen")).fetchall()}
        transit = shares["transit"] > NOTABLE * max(sum(shares.values()), 1)
        sources, targets = (_busiest(engine, source=source) if transit else () for source in (True, False))
    unseen = tuple(str(h) for place, h in enumerate(homes) if place not in shown) if count else ()
    local_share = float(own) / float(internal) if internal else 0.0
    return Homes(shares, int(count), local_share, sources, targets, unseen)


def _busiest(engine: duckdb.DuckDBPyConnection, *, source: bool) -> tuple[tuple[str, float], ...]:
    """The networks with the most bytes at one end of flows that neither begin nor end at home."""
    rows = engine.execute(text_of("busiest_networks"), {"source": source, "most": NAMED}).fetchall()
    return tuple((_network(net), float(share)) for net, share in rows)


def _network(net: bytes) -> str:
    return f"{format_address(net.ljust(16, bytes(1)))}/{16 if len(net) == 14 else 32}"


def named_networks(found: Sequence[tuple[str, float]]) -> str:
    """Return networks with their shares, as part of a sentence.

    >>> named_networks([("198.51.0.0/16", 0.9)])
    '198.51.0.0/16 (90%)'
    """
    return ", ".join(f"{net} ({share:.0%})" for net, share in found)
