"""Local networks on which nothing happens, as packets; and short command channels in them, which must be named."""

from __future__ import annotations

import csv
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from tests.make import run_json
from tests.packets import Packet, ask, capture, office, talk, tcp
from tidegauge.hunt import KINDS, Hunted, hunt
from tidegauge.ingest import Ingest
from tidegauge.site import Site

BEGIN = 1_700_000_000.0
HOUR = 3600.0
SERIOUS = ("medium", "high", "critical")
Found = Callable[[list[Packet]], Hunted]


@pytest.fixture
def found(make_site: Callable[..., Site], tmp_path: Path) -> Found:
    numbers = count(1)

    def of(packets: list[Packet]) -> Hunted:
        site = make_site("192.168.0.0/16", name=f"site{next(numbers)}")
        assert Ingest(site).run([str(capture(tmp_path / "c.pcap", packets))]).failures == []
        return hunt(site, tuple(KINDS), since_s=None, until_s=None)

    return of


@pytest.mark.parametrize("seed", range(10))
def test_nothing_of_an_ordinary_network_is_serious(found: Found, seed: int) -> None:
    lasts = HOUR / 2 if seed % 2 else HOUR / 6
    told = found(office(BEGIN, lasts, seed, hosts=6 + seed))
    assert [(f.severity, f.title) for f in told.findings if f.severity in SERIOUS] == []


WHO, MASTER = "192.168.7.22", "203.0.113.251"
SHAPES = {"dns": (53, 110, 160), "http": (80, 450, 900), "tls": (443, 1100, 3200), "odd tls": (8444, 1100, 3200)}


def channel(
    shape: str, calls: int, jitter: float, seed: int, master: str = MASTER, who: str = WHO
) -> list[Packet]:
    """So many calls within ten minutes, by what they look like."""
    random = np.random.default_rng(seed)
    port, up, down = SHAPES[shape]
    gaps = 1 + random.uniform(-jitter, jitter, calls) if jitter < 1 else random.exponential(1, calls)
    times = BEGIN + 20 + np.cumsum(gaps) / gaps.sum() * 560
    out: list[Packet] = []
    for i, at in enumerate(times.tolist()):
        out += ask(at, who, 40000 + i, master, 53, up, down) if port == 53 else talk(
            at, who, 40000 + i, master, port, up, down)
    return out


@pytest.mark.parametrize("jitter", [0.0, 0.3, 1.0], ids=["even", "jitter", "random"])
@pytest.mark.parametrize("calls", [50, 100, 300])
def test_short_command_channels_are_named(found: Found, calls: int, jitter: float) -> None:
    packets, whom = office(BEGIN, 620, 3, hosts=6), {}
    for number, shape in enumerate(SHAPES):
        whom[shape] = f"203.0.113.{251 + number}", f"192.168.7.{21 + number}"
        packets += channel(shape, calls, jitter, calls, *whom[shape])
    told = found(packets)
    for shape, (master, who) in whom.items():
        own = [f for f in told.findings if f.subject == who and master in f.peers]
        assert own, shape
        if shape == "odd tls":
            assert own[0].severity in SERIOUS
    masters = {master for master, _ in whom.values()}
    assert [f.title for f in told.findings if f.severity in SERIOUS and not masters & set(f.peers)] == []


def test_the_limit_says_from_how_many_calls_on(found: Found) -> None:
    told = found([*office(BEGIN, 620, 3), *channel("odd tls", 40, 1.0, 1)])
    (limit,) = [x for x in told.limits if x.unit == "calls"]
    assert limit.value == 40
    assert [f.severity for f in told.findings if f.kind == "many-calls" and f.peers == (MASTER,)] == ["medium"]
    assert not [f for f in found([*office(BEGIN, 620, 3), *channel("odd tls", 25, 1.0, 1)]).findings
                if f.kind == "many-calls" and f.peers == (MASTER,)]


@pytest.mark.parametrize("times_an_hour", [7, 9, 11])
def test_few_calls_an_hour_to_an_odd_port_are_low_with_the_reason(found: Found, times_an_hour: int) -> None:
    random = np.random.default_rng(times_an_hour)
    times = np.sort(random.random(times_an_hour)) * 3400 + BEGIN + 100
    times[0], times[-1] = BEGIN + 100, BEGIN + 3500
    calls = [p for i, at in enumerate(times) for p in talk(float(at), WHO, 41000 + i, MASTER, 9443, 1100, 3000)]
    told = found([*office(BEGIN, HOUR, 5, hosts=4), *calls])
    (own,) = [f for f in told.findings if f.subject == WHO and MASTER in f.peers]
    assert own.severity == "low"
    assert any("tcp/9443" in reason for reason in own.reasons)


@pytest.mark.parametrize("refuses", [True, False])
def test_retries_of_one_connection_are_one_attempt(found: Found, refuses: bool) -> None:
    packets: list[Packet] = []
    for call in range(8):
        for tried, later in enumerate((0.0, 1.0, 3.0, 7.0, 15.0)):
            at = BEGIN + 30 + 60 * call + (0.5 * tried if refuses else later)
            packets.append((at, tcp(WHO, 42000 + call, MASTER, 4444, 0x02)))
            if refuses:
                packets.append((at + 0.01, tcp(MASTER, 4444, WHO, 42000 + call, 0x14)))
    told = found([*office(BEGIN, 620, 3), *packets])
    (own,) = [f for f in told.findings if f.subject == WHO and MASTER in f.peers and f.kind == "beacon"]
    assert own.evidence["calls"] == 8
    assert own.severity in SERIOUS


def test_monitoring_and_sessions_of_programs_are_no_attack(found: Found) -> None:
    monitor, packets, ports = "192.168.7.11", office(BEGIN, HOUR / 2, 3, hosts=6), count(50000)
    for at in range(0, 1800, 60):  # a poller goes on asking for what is away, and looks whether services open
        for place in range(30):
            asked = ask(BEGIN + at + 0.3 * place, monitor, next(ports), f"192.168.7.{100 + place}", 161)
            packets += asked if place % 4 else [(when, asked[0][1]) for when in (asked[0][0], asked[0][0] + 1)]
        for place in range(10):
            packets += talk(BEGIN + at + place, monitor, next(ports), f"192.168.7.{140 + place}", 22, 40, 800)
    for at in range(0, 1600, 80):  # programs that keep files and screens on a server
        for port in (445, 3389):
            packets += talk(BEGIN + at, WHO, next(ports), "192.168.7.5", port, 4000, 9000, turns=4)
    assert [(f.severity, f.title) for f in found(packets).findings if f.severity in SERIOUS] == []


def test_a_program_that_all_hosts_have_is_low(found: Found) -> None:
    packets, ports = office(BEGIN, HOUR / 2, 3, hosts=6), count(50000)
    for host in range(6):
        for at in range(0, 1780, 30):
            packets += talk(BEGIN + at + host, f"192.168.7.{20 + host}", next(ports), "198.51.100.90", 443, 700, 900)
    own = [f for f in found(packets).findings if "198.51.100.90" in f.peers]
    assert own
    assert {f.severity for f in own} <= {"low", "info"}


def test_calls_from_one_port_are_calls(found: Found) -> None:
    packets = office(BEGIN, 620, 3)
    for call in range(120):
        packets += talk(BEGIN + 20 + 4.5 * call + 0.5 * (call % 3), WHO, 40000, MASTER, 8444, 1100, 3200)
    own = [f for f in found(packets).findings if f.subject == WHO and MASTER in f.peers]
    assert [f.severity for f in own] == ["medium"]


def test_a_scan_in_a_noisy_network_is_still_one(found: Found) -> None:
    packets = [(BEGIN + 5 * i, tcp(WHO, 43000 + i, f"192.168.7.{i}", 445, 0x02)) for i in range(2, 40)]
    packets += [(BEGIN + 100 + i, p) for i in range(30) for _, p in ask(0, WHO, 137, f"192.168.8.{i}", 137)[:1]]
    told = found([*office(BEGIN, 620, 3), *packets])
    assert [f.kind for f in told.findings if f.subject == WHO and f.severity in SERIOUS] == ["scan"]


@pytest.mark.parametrize(("port", "servers", "each"), [(22, 50, 6), (3389, 20, 19), (445, 40, 3)])
def test_a_few_passwords_at_many_hosts_are_guessed(found: Found, port: int, servers: int, each: int) -> None:
    packets, ports = office(BEGIN, HOUR / 2, 3, hosts=6), count(40000)
    for turn in range(each):
        for place in range(servers):
            at = BEGIN + 60 + (turn * servers + place) * 1200 / (each * servers)
            packets += talk(at, WHO, next(ports), f"192.168.7.{100 + place}", port, 1800, 2600, turns=6)
    own = [f for f in found(packets).findings if f.kind == "password-guessing"]
    assert [(f.subject, f.severity, f.evidence["servers"]) for f in own] == [(WHO, "medium", servers)]


def test_who_works_with_many_hosts_every_day_does_not_scan_them_or_guess(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    """One that logs in to all of its hosts within seconds, and a few times each, as it did yesterday."""
    site, packets, ports = make_site("192.168.0.0/16"), office(BEGIN, HOUR / 2, 3, hosts=6), count(40000)
    for day in (0, 86400):
        packets += office(BEGIN + day, HOUR / 2, 4 + day, hosts=6)
        for turn in range(4):
            for place in range(40):
                at = BEGIN + day + 60 + 300 * turn + place / 8
                packets += talk(at, WHO, next(ports), f"192.168.7.{100 + place}", 22, 3000, 4000, turns=8)
    assert Ingest(site).run([str(capture(tmp_path / "c.pcap", packets))]).failures == []
    told = hunt(site, ("scans",), since_s=int(BEGIN) + 43200, until_s=None)
    assert [f.title for f in told.findings if f.subject == WHO] == []
    first = hunt(site, ("scans",), since_s=None, until_s=int(BEGIN) + 43200)
    assert {f.kind for f in first.findings if f.subject == WHO} == {"password-guessing"}


def test_an_update_that_most_hosts_fetch_together_is_low(found: Found) -> None:
    packets, ports = office(BEGIN, HOUR / 2, 3, hosts=12), count(50000)
    for host in range(12):
        for turn in range(3):
            at = BEGIN + 900 + 37 * host + 11 * turn
            packets += talk(at, f"192.168.7.{20 + host}", next(ports), "198.51.100.90", 80, 400, 9000)
    own = [f for f in found(packets).findings if f.kind == "together" and f.subject == "198.51.100.90"]
    assert {f.severity for f in own} <= {"low"}


def test_without_flags_a_channel_that_is_answered_is_not_taken_for_dead(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    packets = [*office(BEGIN, 620, 3, hosts=6), *channel("odd tls", 50, 1.0, 1)]
    first, second = (make_site("192.168.0.0/16", name=name) for name in ("first", "second"))
    Ingest(first).run([str(capture(tmp_path / "c.pcap", packets))])
    flows = run_json("flows", site=first)
    rows = [{name: value for name, value in row.items() if name != "tcp_flags"} for row in flows]
    with (tmp_path / "f.csv").open("w") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    Ingest(second).run([str(tmp_path / "f.csv")])
    own = [f for f in hunt(second, tuple(KINDS), since_s=None, until_s=None).findings if MASTER in f.peers]
    assert [f.severity for f in own if f.kind == "many-calls"] == ["medium"]


@pytest.mark.parametrize("others", [0, 12])
def test_neighbours_that_look_for_one_another_do_not_scan(found: Found, others: int) -> None:
    """Windows' delivery of updates among neighbours (tcp/7680), refused; a worm tries others than those that it has."""
    packets, ports = office(BEGIN, HOUR / 2, 3, hosts=6), count(40000)
    hosts = [f"192.168.7.{100 + i}" for i in range(10)]
    aims = [*hosts, *(f"192.168.7.{150 + i}" for i in range(others))]
    for n, who in enumerate(hosts):
        for m, whom in enumerate(aims):
            if who != whom:
                at, port = BEGIN + 60 * n + m, next(ports)
                packets.append((at, tcp(who, port, whom, 7680, 0x02)))
                packets.append((at + 0.01, tcp(whom, 7680, who, port, 0x14)))
    scans = [f.severity for f in found(packets).findings if f.kind == "scan"]
    assert scans == ["medium" if others else "low"] * len(hosts)
