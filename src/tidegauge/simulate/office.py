"""Ordinary networks of many hosts, both directions of every conversation, with hosts that beacon, relay or send out
planted in them and written down as truth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tidegauge.atlas import world_table
from tidegauge.model import FlowBatch, Prefix, format_addresses, mapped_ipv4

HOME = Prefix.parse("198.18.0.0/15")
EXPORTER = "192.0.2.1"
BEGIN_S = 1_767_225_600  # 2026-01-01, a Thursday
Words = NDArray[np.uint32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Planted:
    """One thing that hunts should find: its kind, the host of ours, the far ends, and how it was made."""

    kind: Literal["beacon", "relay", "proxy", "egress", "short", "few", "insistent", "scan", "guessing", "flood"]
    host: str
    peers: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)


@dataclass
class Office:
    """A network's flows and what was planted in them; hunts look at `[since_s, until_s)`, before it is history."""

    flows: FlowBatch
    planted: list[Planted]
    since_s: int
    until_s: int


@dataclass(frozen=True)
class Calls:
    """Conversations: clients call servers; arrays of shape (n,), times in seconds, bytes each way."""

    client: Words
    server: Words
    port: NDArray[np.int64]
    start_s: Floats
    lasted_s: Floats
    up: Floats
    down: Floats
    proto: NDArray[np.int64]

    @classmethod
    def join(cls, parts: list[Calls]) -> Calls:
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in cls.__dataclass_fields__))


def office(
    random: np.random.Generator, *, hosts: int, days: int, history_days: int, plants: list[str],
    loss: float = 0.0, sampling: int = 1, jitter: float | None = None, volume: float | None = None,
    first_host: int = 0, servers: Words | None = None,
) -> Office:
    """Make a network.

    Args:
        plants: kinds of what is planted: `beacon`, `sleeper`, `relay`, `proxy`, `egress`, `slow`, and those of `BRIEF`.
        loss: share of flows that never arrive; `sampling` 1 in so many packets.
        first_host, servers: where addresses of hosts begin and whom they call, so that parts make one network.
        jitter: of beacons, as a share of their period; `volume` of egress, in bytes; drawn where left out.
    """
    whole = (days + history_days) * 86400
    servers = popular_servers(random) if servers is None else servers
    ours = (int.from_bytes(HOME.first[12:]) + 512 + first_host + np.arange(hosts)).astype(np.uint32)
    parts = [
        _browsing(random, ours, servers, whole), _polling(random, ours, servers, whole),
        _uploads(random, ours, servers, whole), _serving(random, ours, servers, whole), _noise(random, ours, whole),
    ]
    planted: list[Planted] = []
    since_s = BEGIN_S + history_days * 86400
    chosen = random.permutation(hosts)[: len(plants)]
    for kind, host in zip(plants, ours[chosen], strict=True):
        if kind in BRIEF:
            made, truth = _brief(random, kind, host, ours, history_days * 86400, whole)
        else:
            made, truth = _plant(random, kind, host, history_days * 86400, whole, jitter, volume)
        parts.append(made)
        planted.append(truth)
    flows = _flows(random, Calls.join(parts), loss, sampling)
    return Office(flows, planted, since_s, BEGIN_S + whole)


def popular_servers(random: np.random.Generator) -> Words:
    """Whom the hosts of a network call, the first ones the most."""
    return _servers(random, 4000)


def _servers(random: np.random.Generator, count: int) -> Words:
    """Addresses all over the world, the first ones the most popular."""
    pieces = world_table().pieces
    starts = pieces.starts4.astype(np.int64)
    sizes = np.diff(np.r_[starts, 1 << 32])
    usable = np.flatnonzero((sizes >= 256) & (world_table().ases[: len(starts)] > 0))
    rows = random.choice(usable, count)
    return np.asarray(starts[rows] + (random.random(count) * sizes[rows]).astype(np.int64), dtype=np.uint32)


def _busy(random: np.random.Generator, count: int, whole: int) -> Floats:
    """Moments at which people work: by day, less at weekends."""
    moments = random.random(count * 3) * whole
    hour, day = (moments % 86400) / 3600, ((BEGIN_S + moments) // 86400 + 4) % 7
    weight = 0.08 + np.exp(-(((hour - 13.5) / 4.0) ** 2)) * np.where(day >= 5, 0.35, 1.0)
    kept = moments[random.random(len(moments)) < weight]
    return np.asarray(kept[:count])


def _browsing(random: np.random.Generator, ours: Words, servers: Words, whole: int) -> Calls:
    """Sessions: a burst of conversations with a handful of servers, after a question to a resolver."""
    a_day = random.lognormal(2.6, 0.6, len(ours))
    sessions = _busy(random, int(a_day.sum() * whole / 86400), whole)
    host = random.choice(len(ours), len(sessions), p=a_day / a_day.sum())
    each = random.integers(2, 14, len(sessions))
    session = np.repeat(np.arange(len(sessions)), each)
    count = len(session)
    site = np.minimum(random.zipf(1.25, count), len(servers)) - 1
    start = sessions[session] + random.exponential(6, count)
    secure = random.random(count) < 0.85
    pages = Calls(
        ours[host[session]], servers[site], np.where(secure, 443, 80), start, random.lognormal(1.5, 1.4, count),
        random.lognormal(7.3, 1.0, count), random.lognormal(9.5, 1.8, count), np.full(count, 6),
    )
    asked = len(sessions)
    return Calls.join([pages, Calls(
        ours[host], servers[random.integers(0, 2, asked)], np.full(asked, 53), sessions - 0.1, np.full(asked, 0.02),
        np.full(asked, 70.0), random.normal(160, 30, asked).clip(80), np.full(asked, 17),
    )])


def _clock(random: np.random.Generator, period: float, jitter: float, since: float, until: float) -> Floats:
    """Calls every `period`, each interval off by up to `jitter` of it."""
    steps = period * (1 + random.uniform(-jitter, jitter, int((until - since) / period * 1.05) + 4))
    times = since + random.random() * period + np.cumsum(steps)
    return np.asarray(times[times < until])


def _polling(random: np.random.Generator, ours: Words, servers: Words, whole: int) -> Calls:
    """What computers do by the clock: time, mail, updates, messengers, things that report to their makers."""
    parts = []
    makers = servers[-60:]
    for host in ours:
        jobs: list[tuple[Any, ...]] = [
            (random.choice([64, 256, 1024]), 0.02, servers[10 + random.integers(0, 6)], 123, 17, 76, 76)
        ]
        if random.random() < 0.4:
            jobs.append((300 * random.integers(1, 4), 0.05, servers[20 + random.integers(0, 10)], 993, 6, 900, 2500))
        if random.random() < 0.5:
            jobs.append((3600 * random.integers(1, 23), 0.1, servers[30 + random.integers(0, 5)], 443, 6, 1500, 6000))
        if random.random() < 0.3:
            jobs.append((60 * random.integers(1, 10), 0.1, servers[40 + random.integers(0, 20)], 443, 6, 700, 900))
        if random.random() < 0.04:  # a printer, a camera, a meter: few of one maker
            port = int(random.choice([443, 8883, 443, 5671]))
            jobs.append((60 * random.integers(2, 60), random.random() * 0.1, random.choice(makers), port, 6, 1100, 800))
        for period, jitter, server, port, proto, up, down in jobs:
            # Computers are on at some times only.
            on = random.random() < 0.5
            times = _clock(random, float(period), float(jitter), 0, whole)
            if not on:
                times = times[(times % 86400 > 8 * 3600) & (times % 86400 < 18 * 3600)]
            count = len(times)
            parts.append(Calls(
                np.full(count, host), np.full(count, server), np.full(count, port), times,
                random.lognormal(-0.5, 0.5, count), random.normal(up, up * 0.05, count).clip(40),
                random.normal(down, down * 0.2, count).clip(40), np.full(count, proto),
            ))
    return Calls.join(parts)


def _uploads(random: np.random.Generator, ours: Words, servers: Words, whole: int) -> Calls:
    """Pictures, backups, calls: heavy-tailed amounts outward, to popular services, at any hour of work."""
    count = int(len(ours) * whole / 86400 * 1.5)
    start = _busy(random, count, whole)
    count = len(start)
    amounts = np.minimum(random.lognormal(12.5, 2.0, count), 4e9)
    sync = Calls(
        random.choice(ours, count), servers[60 + random.integers(0, 40, count)], np.full(count, 443), start,
        np.minimum(amounts / 2e6 + 1, 7200), amounts, amounts * 0.03 + 4000, np.full(count, 6),
    )
    keepers = ours[random.random(len(ours)) < 0.02]
    nights = np.arange(whole // 86400)
    host, night = np.repeat(keepers, len(nights)), np.tile(nights, len(keepers))
    size = random.lognormal(18.5, 0.8, len(host))
    backup = Calls(
        host, servers[100 + (host % 3).astype(np.int64)], np.full(len(host), 443),
        night * 86400.0 + 3600 + random.random(len(host)) * 900, size / 5e6 + 10, size, size * 0.02,
        np.full(len(host), 6),
    )
    return Calls.join([sync, backup])


def _serving(random: np.random.Generator, ours: Words, servers: Words, whole: int) -> Calls:
    """A few of ours serve: many clients fetch from them, and watchers call them by the clock."""
    hosts = ours[:: max(len(ours) // max(len(ours) // 100, 1), 1)][:40]
    count = int(len(hosts) * whole / 86400 * 300)
    parts = [Calls(
        servers[random.integers(200, len(servers), count)], random.choice(hosts, count), np.full(count, 443),
        random.random(count) * whole, random.lognormal(0.5, 1.0, count), random.lognormal(6.8, 0.6, count),
        random.lognormal(9.8, 1.5, count), np.full(count, 6),
    )]
    for host in hosts[: max(len(hosts) // 3, 1)]:
        times = _clock(random, 300.0, 0.01, 0, whole)
        parts.append(Calls(
            np.full(len(times), servers[150]), np.full(len(times), host), np.full(len(times), 443), times,
            np.full(len(times), 0.3), np.full(len(times), 520.0), np.full(len(times), 4100.0), np.full(len(times), 6),
        ))
    return Calls.join(parts)


def _noise(random: np.random.Generator, ours: Words, whole: int) -> Calls:
    """The Internet's own scanning: most of it not answered."""
    count = int(whole / 86400 * 2 * len(ours))
    sources = _servers(random, max(count // 200, 1))
    return Calls(
        random.choice(sources, count), random.choice(ours, count), random.choice([22, 23, 445, 3389, 8080], count),
        random.random(count) * whole, np.zeros(count), np.full(count, 40.0), np.zeros(count), np.full(count, 6),
    )


def _plant(
    random: np.random.Generator, kind: str, host: np.uint32, since: int, until: int, jitter: float | None,
    volume: float | None,
) -> tuple[Calls, Planted]:
    far = _servers(random, 60)
    who = format_addresses(mapped_ipv4(np.array([host])))[0]

    def named(words: Words) -> tuple[str, ...]:
        return tuple(format_addresses(mapped_ipv4(words)))

    if kind in ("beacon", "sleeper"):
        period = float(np.exp(random.uniform(np.log(60), np.log(3600))))
        off = float(random.uniform(0, 0.5)) if jitter is None else jitter
        times = _clock(random, period, off, since + random.random() * 86400, until)
        if kind == "sleeper":
            wakes = random.integers(0, 24)
            times = times[((times / 3600 - wakes) % 24) < 8]
        count = len(times)
        port = int(random.choice([443, 8443, 4444, 8080, 80, 1337]))
        made = Calls(
            np.full(count, host), np.full(count, far[0]), np.full(count, port), times, random.lognormal(0, 0.4, count),
            random.normal(450, 20, count).clip(100), random.lognormal(6, 0.3, count), np.full(count, 6),
        )
        about = {"period_s": round(period, 1), "jitter": round(off, 3), "sleeps": kind == "sleeper", "port": port,
                 "calls": count}
        return made, Planted("beacon", who, named(far[:1]), about)
    if kind == "relay":
        begins = since + random.random() * (until - since - 14400)
        pieces = int(random.integers(60, 400))
        times = begins + np.sort(random.random(pieces)) * 10800
        amounts = random.lognormal(12.5, 0.8, pieces)
        lag, packed = random.uniform(0.2, 30), random.uniform(0.7, 1.1)
        taken = Calls(
            np.full(pieces, far[0]), np.full(pieces, host), np.full(pieces, 1080), times, amounts / 1e6 + 1, amounts,
            amounts * 0.03, np.full(pieces, 6),
        )
        sent = Calls(
            np.full(pieces, host), np.full(pieces, far[1]), np.full(pieces, 443), times + lag, amounts / 1e6 + 1,
            amounts * packed, amounts * 0.03, np.full(pieces, 6),
        )
        about = {"bytes": int(amounts.sum()), "lag_s": round(lag, 1), "packed": round(packed, 2)}
        return Calls.join([taken, sent]), Planted("relay", who, named(far[:2]), about)
    if kind == "proxy":
        count = int(random.integers(3000, 9000))
        times = since + np.sort(random.random(count)) * (until - since)
        up, down = random.lognormal(7.5, 1, count), random.lognormal(10, 1.4, count)
        port = int(random.choice([1080, 3128, 9001, 443]))
        inward = Calls(
            far[random.integers(0, 30, count)], np.full(count, host), np.full(count, port), times,
            random.lognormal(1, 1, count), up, down, np.full(count, 6),
        )
        outward = replace(
            inward, client=np.full(count, host), server=_servers(random, 400)[random.integers(0, 400, count)],
            port=np.full(count, 443), start_s=times + 0.2, up=up * 0.95, down=down * 0.98,
        )
        return Calls.join([inward, outward]), Planted("proxy", who, (), {"port": port, "bytes": int(down.sum())})
    size = float(np.exp(random.uniform(np.log(1e7), np.log(1e10)))) if volume is None else volume
    if kind == "slow":
        times = since + 86400 * np.arange((until - since) // 86400) + random.random((until - since) // 86400) * 80000
        amounts = np.full(len(times), size / len(times))
    else:
        begins = since + random.random() * (until - since - 21600)
        sendings = int(random.integers(1, 30))
        times = begins + np.sort(random.random(sendings)) * 14400
        amounts = size * random.dirichlet(np.full(sendings, 3.0))
    count = len(times)
    made = Calls(
        np.full(count, host), np.full(count, far[0]), np.full(count, 443), times, amounts / 3e6 + 1, amounts,
        amounts * 0.02, np.full(count, 6),
    )
    return made, Planted("egress", who, named(far[:1]), {"bytes": int(size), "slow": kind == "slow"})


SHORT = {"short-dns": (53, 17, 110, 160), "short-http": (80, 6, 450, 900), "short-tls": (443, 6, 1100, 3200),
         "short-odd": (8444, 6, 1100, 3200)}
"""Short command channels: port, protocol, and bytes of a call out and back."""
BRIEF = (*SHORT, "few", "insistent", "ping-sweep", "wide-scan", "deep-scan", "guess-ssh", "guess-odd", "flood")
"""Kinds that take minutes or hours."""


def _brief(
    random: np.random.Generator, kind: str, host: np.uint32, ours: Words, since: int, until: int
) -> tuple[Calls, Planted]:
    """What takes minutes or hours: a short channel, a scan, guessed passwords, a flood."""
    far = _servers(random, 1)
    who, master = (format_addresses(mapped_ipv4(np.array([a])))[0] for a in (host, far[0]))
    begins = since + 3600 + random.random() * (until - since - 4 * 3600)

    def calls(
        server: Any, port: Any, times: NDArray[Any], up: float, down: float, proto: int = 6, lasted: float = 0.5
    ) -> Calls:
        count = len(times)
        spread = random.normal(1, 0.04, (2, count)) if down else np.ones((2, count))
        return Calls(
            np.full(count, host), np.broadcast_to(server, count).astype(np.uint32), np.broadcast_to(port, count),
            times.astype(np.float64), np.full(count, lasted), up * spread[0], down * spread[1], np.full(count, proto),
        )

    if kind in SHORT:
        port, proto, up, down = SHORT[kind]
        count, off = int(random.choice([50, 100, 300])), float(random.choice([0.0, 0.3, 1.0]))
        gaps = random.exponential(1, count) if off == 1 else 1 + random.uniform(-off, off, count)
        times = begins + np.cumsum(gaps) / gaps.sum() * 560
        about = {"shape": kind, "calls": count, "jitter": off}
        return calls(far[0], port, times, up, down, proto), Planted("short", who, (master,), about)
    if kind == "few":
        count = int(random.integers(7, 12))
        times = begins + np.sort(random.random(count)) * 3500
        return calls(far[0], 9443, times, 1100, 3000), Planted("few", who, (master,), {"calls": count})
    if kind == "insistent":
        count, period = int(random.integers(8, 40)), float(random.choice([30, 60, 300]))
        times = begins + period * np.arange(count) + random.random(count)
        return calls(far[0], 4444, times, 60, 0), Planted("insistent", who, (master,), {"calls": count})
    if kind == "flood":
        times = begins + np.arange(30) * 10.0
        return calls(far[0], 443, times, 9e6, 0, lasted=9), Planted("flood", who, (master,), {})
    others = ours[ours != host]
    if kind == "ping-sweep":
        made = calls(others, 8 * 256, begins + np.arange(len(others)) * 0.05, 84, 0, 1, 0)
        return made, Planted("scan", who, (), {"shape": kind})
    if kind == "wide-scan":
        made = calls(others, 445, begins + np.arange(len(others)) * 2.0, 60, 0)
        return made, Planted("scan", who, (), {"shape": kind})
    victim = random.choice(others)
    whom = format_addresses(mapped_ipv4(np.array([victim])))
    if kind == "deep-scan":
        made = calls(victim, 1 + np.arange(200), begins + np.arange(200) * 0.3, 60, 0)
        return made, Planted("scan", who, (), {"shape": kind})
    times = begins + np.arange(150) * 3.0 + random.random(150)
    made = calls(victim, 22 if kind == "guess-ssh" else 2222, times, 3300, 3500, lasted=2.5)
    return made, Planted("guessing", who, (whom[0],), {"shape": kind})


def _flows(random: np.random.Generator, calls: Calls, loss: float, sampling: int) -> FlowBatch:
    """Both directions as one router exports them, some of them lost, packets sampled."""
    count = len(calls.client)
    cport = random.integers(32768, 61000, count)
    starts = ((BEGIN_S + calls.start_s) * 1e6).astype(np.int64)
    ends = starts + (np.minimum(calls.lasted_s, 7200) * 1e6).astype(np.int64)
    answered = calls.down > 0
    src, dst = np.r_[calls.client, calls.server[answered]], np.r_[calls.server, calls.client[answered]]
    octets = np.r_[calls.up, calls.down[answered]].clip(40)
    packets = np.maximum(octets // 900 + np.where(octets > 60, 4, 1), 1).astype(np.int64)
    tcp = np.r_[calls.proto, calls.proto[answered]] == 6
    packets = np.where(tcp, packets, 1)
    flags = np.where(tcp, np.where(np.r_[answered, answered[answered]], 0x1B, 0x02), 0)
    kept = np.ones(len(src), dtype=bool)
    if loss:
        kept &= random.random(len(src)) >= loss
    if sampling > 1:
        seen = random.binomial(packets, 1 / sampling)
        kept &= seen > 0
        octets = octets / packets * seen * sampling
        packets = seen * sampling
        flags = np.where(tcp & (seen < 3), 0x10, flags)
    batch = FlowBatch.build(
        src=mapped_ipv4(src), dst=mapped_ipv4(dst), exporters=(EXPORTER,), time_start=np.r_[starts, starts[answered]],
        time_end=np.r_[ends, ends[answered]], src_port=np.r_[cport, calls.port[answered]],
        dst_port=np.r_[calls.port, cport[answered]], proto=np.r_[calls.proto, calls.proto[answered]],
        packets=packets.astype(np.uint64), bytes=octets.astype(np.uint64), tcp_flags=flags, sampling=sampling,
    )
    return batch.take(np.flatnonzero(kept)[np.argsort(batch["time_start"][kept], kind="stable")])
