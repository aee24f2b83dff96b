"""The scenario `autumn-2014`: six weeks of a small research network, seeded, with everything in it written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.atlas import world_table
from tidegauge.model import (
    FlowBatch,
    Prefix,
    UsageError,
    format_addresses,
    format_time,
    mapped_ipv4,
    parse_address,
    parse_duration,
    parse_time,
)

END_S = 1_417_392_000  # 2014-12-01
HOME = Prefix.parse("198.18.0.0/16")
STUDIO = Prefix.parse("203.0.113.0/24")
NORTH_KOREA = (("175.45.176.0/22", 5.0), ("210.52.109.0/24", 1.0), ("77.94.35.0/24", 0.5))
"""Prefixes by which the country showed itself in 2014, and flows a day from each."""
EXPORTER = "192.0.2.1"
FLOWS_A_DAY = 30_000
ORIGINS = 100
GAPS = ((17.0 + 3 / 24, 50), (4.0 + 13 / 24, 30))
"""Times in which the exporter's datagrams are lost: days before the end, minutes."""
SIZES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "B": 1}


@dataclass(frozen=True)
class Surge:
    """An addition: `bytes` from an origin, spread evenly over a time."""

    origin: str
    start_s: int
    duration_s: int
    bytes: int

    @classmethod
    def parse(cls, text: str) -> Surge:
        """Read `KP:2014-11-25T03:00Z:2h:40MB`.

        >>> Surge.parse("KP:2014-11-25T03:00Z:2h:40MB").bytes
        40000000
        """
        example = "for example KP:2014-11-25T03:00Z:2h:40MB"
        origin, _, rest = text.partition(":")
        parts = rest.rsplit(":", 2)
        if len(parts) != 3:
            raise UsageError(f"not a surge: {text!r}", hint=example)
        unit = next((u for u in SIZES if parts[2].endswith(u)), "")
        number = parts[2].removesuffix(unit)
        if not number.replace(".", "", 1).isdigit():
            raise UsageError(f"not a size: {parts[2]!r}", hint=example)
        size = int(float(number) * SIZES.get(unit, 1))
        return cls(origin.upper(), parse_time(parts[0], now_s=END_S), parse_duration(parts[1]), size)


@dataclass
class Scenario:
    """What was made: flows by part, the times in which the exporter is unheard, and the truth."""

    flows: FlowBatch
    gaps_s: list[tuple[int, int]]
    truth: dict[str, Any] = field(default_factory=dict)


def autumn_2014(*, days: int, seed: int, surges: list[Surge]) -> Scenario:
    """Make the scenario; the same seed makes the same flows."""
    random = np.random.default_rng(seed)
    begin_s = END_S - days * 86400
    pools = _pools(random)
    parts = [
        _traffic(random, pools, begin_s, days),
        _trickle(random, begin_s, days),
        _scans(random, pools, begin_s, days),
    ]
    beacon, beacon_truth = _beacon(random, pools, begin_s, days)
    relay, relay_truth = _pass_through(random, pools, begin_s)
    tor, tor_truth = _tor(random, pools, begin_s, days)
    parts += [beacon, relay, tor, *(_surge(random, surge, pools) for surge in surges)]
    gaps = [
        (start, start + minutes * 60)
        for before, minutes in GAPS
        if (start := int(END_S - before * 86400) // 60 * 60) >= begin_s
    ]
    flows = FlowBatch.concat(parts)
    truth = {
        "simulated": True,
        "scenario": "autumn-2014",
        "seed": seed,
        "since": format_time(begin_s),
        "until": format_time(END_S),
        "home": str(HOME),
        "exporter": EXPORTER,
        "flows": len(flows),
        "gaps": [{"start": format_time(a), "end": format_time(b)} for a, b in gaps],
        "surges": [
            {"origin": s.origin, "start": format_time(s.start_s), "duration_s": s.duration_s, "bytes": s.bytes}
            for s in surges
        ],
        "beacon": beacon_truth,
        "pass_through": relay_truth,
        "tor_relays": tor_truth,
    }
    return Scenario(flows, gaps, truth)


def _pools(random: np.random.Generator) -> dict[str, NDArray[np.uint32]]:
    """A few hundred addresses for each of the countries with the most address ranges."""
    table = world_table()
    starts4 = table.pieces.starts4
    countries4 = table.countries[: len(starts4)]
    sizes = np.diff(np.r_[starts4.astype(np.int64), 1 << 32])
    usable = sizes >= 256
    names = np.array(table.country_names)
    counts = np.bincount(countries4[usable], minlength=len(names))
    ranked = [names[i] for i in np.argsort(-counts, kind="stable") if names[i] not in ("ZZ", "KP")][:ORIGINS]
    pools = {}
    for name in ranked:
        rows = np.flatnonzero(usable & (names[countries4] == name))
        chosen = random.choice(rows, size=300)
        inside = (random.random(300) * sizes[chosen]).astype(np.int64)
        pools[str(name)] = (starts4[chosen].astype(np.int64) + inside).astype(np.uint32)
    return pools


def _home(random: np.random.Generator, count: int) -> NDArray[np.uint32]:
    """Hosts of ours, the first ones the busiest."""
    base = int.from_bytes(HOME.first[12:])
    return (base + 256 + random.zipf(1.4, count) % 2000).astype(np.uint32)


def _fixed(address: str, count: int) -> NDArray[np.uint32]:
    return np.full(count, int.from_bytes(parse_address(address)[12:]), dtype=np.uint32)


def _batch(
    src: NDArray[np.uint32], dst: NDArray[np.uint32], starts_s: NDArray[Any], lasted_s: Any, octets: Any, *,
    src_port: Any, dst_port: Any, proto: Any = 6, flags: int = 0x1B,
) -> FlowBatch:
    """Flows of one router; ours are behind interface 2, all others behind interface 1."""
    starts_ms = np.rint(starts_s * 1000).astype(np.int64)
    ends_ms = starts_ms + np.rint(np.broadcast_to(np.asarray(lasted_s, dtype=np.float64), len(src)) * 1000).astype(
        np.int64
    )
    octets = np.maximum(np.rint(np.broadcast_to(octets, len(src))), 40).astype(np.int64)
    home = (src >> np.uint32(16)) == int.from_bytes(HOME.first[12:14])
    return FlowBatch.build(
        src=mapped_ipv4(src), dst=mapped_ipv4(dst), exporters=(EXPORTER,), domain=1,
        time_start=starts_ms * 1000, time_end=ends_ms * 1000, bytes=octets, packets=np.maximum(octets // 700, 1),
        src_port=np.broadcast_to(src_port, len(src)), dst_port=np.broadcast_to(dst_port, len(src)),
        proto=np.broadcast_to(proto, len(src)), tcp_flags=np.where(np.broadcast_to(proto, len(src)) == 6, flags, 0),
        in_if=np.where(home, 2, 1), out_if=np.where(home, 1, 2),
    )


def _traffic(random: np.random.Generator, pools: dict[str, NDArray[np.uint32]], begin_s: int, days: int) -> FlowBatch:
    """Ordinary traffic: people by day and on weekdays, many small flows, few large ones."""
    minutes = begin_s + 60 * np.arange(days * 1440)
    by_day = 1 + 0.6 * np.sin(2 * np.pi * (minutes % 86400) / 86400 - 2.2)
    weekend = (minutes // 86400 + 4) % 7 >= 5
    weather = np.exp(np.repeat(np.cumsum(random.normal(0, 0.02, days * 24)) * 0.3, 60))
    rate = FLOWS_A_DAY / 1440 * by_day * np.where(weekend, 0.55, 1.0) * weather
    starts = np.repeat(minutes, random.poisson(rate)) + 0.0
    count = len(starts)
    starts += random.random(count) * 60
    names = list(pools)
    weights = 1 / np.arange(1, len(names) + 1) ** 1.1
    origin = random.choice(len(names), size=count, p=weights / weights.sum())
    far = np.stack([pools[name] for name in names])[origin, random.integers(0, 300, count)]
    ours = _home(random, count)
    inward = random.random(count) < 0.55
    service = random.choice([443, 80, 53, 25, 22, 123], size=count, p=[0.42, 0.33, 0.14, 0.04, 0.04, 0.03])
    high = random.integers(1024, 65536, count)
    octets = np.minimum(random.lognormal(7.6, 1.9, count), 2e9)
    lasted = np.minimum(random.lognormal(0.5, 1.8, count), 1800)
    return _batch(
        np.where(inward, far, ours), np.where(inward, ours, far), starts, lasted, octets,
        src_port=np.where(inward, service, high), dst_port=np.where(inward, high, service),
        proto=np.where(np.isin(service, (53, 123)), 17, 6),
    )


def _from_prefix(random: np.random.Generator, prefix: str, count: int) -> NDArray[np.uint32]:
    found = Prefix.parse(prefix)
    first, last = int.from_bytes(found.first[12:]), int.from_bytes(found.last[12:])
    return random.integers(first, last + 1, count).astype(np.uint32)


def _trickle(random: np.random.Generator, begin_s: int, days: int) -> FlowBatch:
    parts = []
    for prefix, a_day in NORTH_KOREA:
        count = int(random.poisson(a_day * days))
        starts = begin_s + np.sort(random.random(count)) * days * 86400
        parts.append(
            _batch(
                _from_prefix(random, prefix, count), _home(random, count), starts, random.exponential(20, count),
                random.lognormal(8, 1.2, count), src_port=random.integers(1024, 65536, count), dst_port=80,
            )
        )
    return FlowBatch.concat(parts)


def _scans(random: np.random.Generator, pools: dict[str, NDArray[np.uint32]], begin_s: int, days: int) -> FlowBatch:
    """Now and then somebody asks thousands of our addresses for one port."""
    parts = []
    names = list(pools)
    for _ in range(int(random.poisson(days / 2))):
        count = int(random.integers(500, 4000))
        source = pools[names[int(random.integers(0, 20))]][int(random.integers(0, 300))]
        start = begin_s + random.random() * (days * 86400 - 3600)
        dst = (int.from_bytes(HOME.first[12:]) + random.permutation(65536)[:count]).astype(np.uint32)
        parts.append(
            _batch(
                np.full(count, source, dtype=np.uint32), dst, start + np.sort(random.random(count)) * 1800, 0, 40,
                src_port=random.integers(1024, 65536, count), dst_port=int(random.choice([22, 23, 445, 3389])), flags=2,
            )
        )
    return FlowBatch.concat(parts)


def _beacon(
    random: np.random.Generator, pools: dict[str, NDArray[np.uint32]], begin_s: int, days: int
) -> tuple[FlowBatch, dict[str, Any]]:
    """A host of ours that calls its master every five minutes, for the last three weeks."""
    start = max(begin_s, END_S - 21 * 86400)
    steps = 300 + random.uniform(-20, 20, (END_S - start) // 300)
    starts = start + np.cumsum(steps)
    starts = starts[starts < END_S - 60]
    master = pools["NL"][:1]
    flows = _batch(
        _fixed("198.18.3.20", len(starts)),
        np.repeat(master, len(starts)),
        starts,
        1.5,
        420,
        src_port=49152,
        dst_port=8443,
    )
    far = format_addresses(mapped_ipv4(master))[0]
    return flows, {"host": "198.18.3.20", "far_end": far, "port": 8443, "interval_s": 300, "jitter_s": 20,
                   "since": format_time(start)}


def _pass_through(
    random: np.random.Generator, pools: dict[str, NDArray[np.uint32]], begin_s: int
) -> tuple[FlowBatch, dict[str, Any]]:
    """A host of ours that takes data in from outside and hands it on to the studio's network, three nights."""
    source = pools["TH"][:1] if "TH" in pools else next(iter(pools.values()))[:1]
    nights = [END_S - before * 86400 + 2 * 3600 for before in (9, 8, 7) if END_S - before * 86400 >= begin_s]
    if not nights:
        return FlowBatch.empty(), {}
    starts = np.concatenate([night + np.arange(240) * 30.0 for night in nights])
    octets = random.lognormal(12.5, 0.4, len(starts))
    studio = np.full(len(starts), int.from_bytes(STUDIO.first[12:]) + 20, dtype=np.uint32)
    host = _fixed("198.18.7.7", len(starts))
    inward = _batch(np.repeat(source, len(starts)), host, starts, 20, octets, src_port=50000, dst_port=1080)
    onward = _batch(host, studio, starts + 2, 20, octets * 1.02, src_port=51000, dst_port=445)
    truth = {
        "host": "198.18.7.7",
        "from": format_addresses(mapped_ipv4(source))[0],
        "to": format_addresses(mapped_ipv4(studio[:1]))[0],
        "nights": [format_time(night) for night in nights],
        "bytes_in": int(inward["bytes"].sum()),
        "bytes_out": int(onward["bytes"].sum()),
    }
    return FlowBatch.concat([inward, onward]), truth


def _tor(
    random: np.random.Generator, pools: dict[str, NDArray[np.uint32]], begin_s: int, days: int
) -> tuple[FlowBatch, list[str]]:
    relays = np.concatenate([pools[name][10:15] for name in ("DE", "NL", "FR") if name in pools])
    count = int(random.poisson(40 * days))
    starts = begin_s + np.sort(random.random(count)) * days * 86400
    flows = _batch(
        random.choice(relays, count), _home(random, count), starts, random.exponential(60, count),
        random.lognormal(9, 1.4, count), src_port=random.integers(1024, 65536, count), dst_port=443,
    )
    return flows, format_addresses(mapped_ipv4(relays))


def _surge(random: np.random.Generator, surge: Surge, pools: dict[str, NDArray[np.uint32]]) -> FlowBatch:
    """An addition in flows of half a minute, evenly over its time, that sum to its size."""
    count = max(surge.duration_s // 30, 1)
    if surge.origin == "KP":
        src = _from_prefix(random, NORTH_KOREA[0][0], count)
    elif surge.origin in pools:
        src = random.choice(pools[surge.origin], count)
    elif "/" in surge.origin:
        src = _from_prefix(random, surge.origin, count)
    else:
        raise UsageError(f"the simulation has no origin {surge.origin!r}", hint="KP, a large country, or a prefix")
    edges = np.arange(count + 1) * surge.bytes // count
    starts = surge.start_s + np.arange(count) * surge.duration_s / count
    return _batch(
        src, _fixed("198.18.1.10", count), starts, surge.duration_s / count, np.diff(edges),
        src_port=random.integers(1024, 65536, count), dst_port=443,
    )
