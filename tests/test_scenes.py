"""Scenes that a detector should tell, each with its innocent twin: found, and the twin not above low."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tidegauge.hunt import KINDS, Hunted, hunt
from tidegauge.ingest import Ingest
from tidegauge.model import Finding
from tidegauge.site import Site

HEADER = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes,tcp_flags\n"
DAY_S = 86400
BEGIN = np.datetime64("2026-01-01T00:00:00")
SEVERE = ("medium", "high", "critical")
Hunt = Callable[..., Hunted]


def row(
    at_s: float, lasted_s: float, src: str, dst: str, ports: tuple[int, int], proto: int, packets: int, octets: int,
    flags: int,
) -> str:
    begin, end = (BEGIN + np.timedelta64(round(t * 1e6), "us") for t in (at_s, at_s + lasted_s))
    return f"{begin}Z,{end}Z,{src},{dst},{ports[0]},{ports[1]},{proto},{packets},{octets},{flags}"


def talk(
    at_s: float, client: str, server: str, ports: tuple[int, int], *, up: int = 900, down: int = 4000,
    packets: int = 9, lasted_s: float = 1.0,
) -> Iterator[str]:
    """A whole TCP conversation, both ways."""
    yield row(at_s, lasted_s, client, server, ports, 6, packets, up, 27)
    yield row(at_s + 0.01, lasted_s, server, client, ports[::-1], 6, packets, down, 27)


def refused(at_s: float, client: str, server: str, ports: tuple[int, int], tries: int = 1) -> Iterator[str]:
    """Tries of one call, half a second apart from the same port, each answered by a reset."""
    for again in range(tries):
        yield row(at_s + 0.5 * again, 0, client, server, ports, 6, 1, 60, 2)
        yield row(at_s + 0.5 * again + 0.02, 0, server, client, ports[::-1], 6, 1, 40, 20)


def echo(at_s: float, client: str, server: str, answered: bool) -> Iterator[str]:
    proto, ask, reply = (58, 128 * 256, 129 * 256) if ":" in client else (1, 8 * 256, 0)
    yield row(at_s, 0, client, server, (0, ask), proto, 1, 84, 0)
    if answered:
        yield row(at_s + 0.01, 0, server, client, (0, reply), proto, 1, 84, 0)


def ordinary(days: int, host: int = 200) -> Iterator[str]:
    """A little browsing, so that the data begin and end when they do."""
    random = np.random.default_rng(0)
    for i, at_s in enumerate(np.sort(random.random(40 * days)) * days * DAY_S):
        server = f"198.51.100.{random.integers(1, 200)}"
        yield from talk(float(at_s), f"192.0.2.{host + i % 20}", server, (30000 + i, 443), down=20_000)


@pytest.fixture
def find(tmp_path: Path, make_site: Callable[..., Site]) -> Hunt:
    def found(rows: Iterator[str] | list[str], kinds: tuple[str, ...] = tuple(KINDS), since_day: int = 0) -> Hunted:
        path = tmp_path / "flows.csv"
        path.write_text(HEADER + "\n".join(rows) + "\n")
        site = make_site("192.0.2.0/24", "2001:db8::/32", name=f"site{since_day}")
        Ingest(site).run([str(path)])
        since_s = int(BEGIN.astype("int64")) + since_day * DAY_S if since_day else None
        return hunt(site, kinds, since_s=since_s, until_s=None)

    return found


def severe(found: Hunted, subject: str) -> list[Finding]:
    return [f for f in found.findings if subject in (f.subject, *f.peers) and f.severity in SEVERE]


# Calls to a door that is shut


def test_who_insists_on_a_dead_server_is_a_beacon_and_high_where_it_is_new_and_odd(find: Hunt) -> None:
    rows = list(ordinary(8))
    begin = 6 * DAY_S
    for i in range(5400):  # three hours, every two seconds, three tries each
        rows += refused(begin + 2 * i, "192.0.2.5", "203.0.113.9", (20000 + i, 6667), tries=3)
    (finding,) = severe(find(rows), "192.0.2.5")
    assert (finding.kind, finding.severity, finding.peers) == ("beacon", "high", ("203.0.113.9",))
    assert finding.evidence["period_s"] == pytest.approx(2.0, abs=0.05)
    assert finding.evidence["answered"] is False


@pytest.mark.parametrize("whom", ["203.0.113.9", "192.0.2.9"])
def test_who_insists_in_a_short_capture_is_medium(find: Hunt, whom: str) -> None:
    rows: list[str] = []
    for i in range(900):
        rows += refused(2 * i, "192.0.2.5", whom, (20000 + i, 888), tries=3)
    (finding,) = severe(find(rows), "192.0.2.5")
    assert (finding.kind, finding.severity) == ("beacon", "medium")


def test_a_period_below_a_second_is_one(find: Hunt) -> None:
    rows = list(ordinary(2))
    for i in range(6000):
        rows += talk(DAY_S + 0.4 * i, "192.0.2.5", "203.0.113.9", (1024 + i % 60000, 4444), lasted_s=0.1)
    found = find(rows, kinds=("beacons",))
    assert [round(f.evidence["period_s"], 1) for f in found.findings if f.subject == "192.0.2.5"] == [0.4]


def test_a_mail_program_whose_server_is_down_for_an_hour_is_none(find: Hunt) -> None:
    rows = list(ordinary(3))
    for i in range(3 * 24 * 12):
        at_s = 300.0 * i
        if 30 * 3600 <= at_s < 31 * 3600:
            for again in range(150):
                rows += refused(at_s + 2 * again, "192.0.2.5", "203.0.113.9", (20000 + 200 * (i % 12) + again, 4190), 3)
        else:
            rows += talk(at_s, "192.0.2.5", "203.0.113.9", (10000 + i, 4190))
    assert severe(find(rows), "192.0.2.5") == []
    # The hour by itself: it was answered before.
    assert severe(find(rows, since_day=1), "192.0.2.5") == []


# Who looks for hosts


@pytest.mark.parametrize(
    ("who", "network", "level"),
    [("203.0.113.9", "192.0.2.{}", "low"), ("192.0.2.5", "192.0.2.{}", "medium"),
     ("192.0.2.5", "198.51.100.{}", "medium"), ("2001:db8::5", "2001:db8:1::{}", "medium")],
)
def test_a_ping_sweep_is_found_from_either_side(find: Hunt, who: str, network: str, level: str) -> None:
    rows = list(ordinary(1))
    for i in range(10, 110):
        rows += echo(40_000 + 0.05 * i, who, network.format(i), answered=i % 9 == 0)
    scans = [f for f in find(rows, kinds=("scans",)).findings if f.subject == who]
    assert [(f.evidence["shape"], f.severity, f.evidence["servers"]) for f in scans] == [("ping sweep", level, 100)]


def test_a_monitoring_system_that_pings_a_subnet_is_none(find: Hunt) -> None:
    rows = list(ordinary(1))
    for minute in range(0, 1440, 5):
        for i in range(10, 70):
            rows += echo(60.0 * minute + 0.1 * i, "192.0.2.5", f"192.0.2.{i}", answered=i % 9 != 0)
    assert severe(find(rows), "192.0.2.5") == []


@pytest.mark.parametrize(("who", "level"), [("203.0.113.9", "low"), ("192.0.2.5", "medium")])
def test_dozens_asked_within_a_second_are_a_scan_though_they_answer(find: Hunt, who: str, level: str) -> None:
    rows = list(ordinary(1))
    for i in range(10, 60):
        rows += talk(40_000 + 0.02 * i, who, f"192.0.2.{i}", (20000 + i, 5900), up=300, down=400, packets=5)
    scans = [f for f in find(rows, kinds=("scans",)).findings if f.subject == who]
    assert [(f.evidence["shape"], f.severity, f.evidence["answered"]) for f in scans] == [("horizontal", level, 1.0)]


def test_a_balancers_checks_and_a_web_server_asked_by_thousands_are_none(find: Hunt) -> None:
    rows = list(ordinary(1))
    for i in range(0, 7200, 5):  # two hours of checks of 30 servers
        for server in range(30, 60):
            rows += talk(20_000 + i + 0.01 * server, "192.0.2.5", f"192.0.2.{server}", (10000 + i, 8080), up=400,
                         down=500, packets=5, lasted_s=0.1)
    for i in range(3000):  # web servers of ours: a crawler reads all of them within seconds
        rows += talk(50_000 + 0.3 * i, f"198.18.{i // 250}.{i % 250}", f"192.0.2.{70 + i % 40}", (20000 + i, 443))
    for i in range(40):
        rows += talk(60_000 + 0.1 * i, "203.0.113.9", f"192.0.2.{70 + i}", (20000 + i, 443))
    found = find(rows)
    assert severe(found, "192.0.2.5") == []
    assert [f for f in found.findings if f.subject == "203.0.113.9"] == []
    assert all(severe(found, f"192.0.2.{70 + i}") == [] for i in range(40))


# Passwords


@pytest.mark.parametrize(("who", "level"), [("203.0.113.9", "low"), ("192.0.2.5", "medium")])
@pytest.mark.parametrize("port", [22, 2222, 4190])
def test_guessed_passwords_are_told_by_their_shape_at_any_port(find: Hunt, who: str, level: str, port: int) -> None:
    rows, random = list(ordinary(1)), np.random.default_rng(1)
    for i in range(90):
        rows += talk(40_000 + 3 * i + random.random(), who, "192.0.2.9", (20000 + i, port),
                     up=int(random.normal(1900, 60)), down=int(random.normal(2600, 60)), packets=14)
    guesses = [f for f in find(rows, kinds=("scans",)).findings if f.kind == "password-guessing"]
    assert [(f.subject, f.peers, f.severity) for f in guesses] == [(who, ("192.0.2.9",), level)]


def test_a_backup_over_ssh_and_health_checks_are_none(find: Hunt) -> None:
    rows, random = list(ordinary(2)), np.random.default_rng(2)
    for i in range(48):  # a backup each hour, in several pieces
        for piece in range(3):
            at_s = 3600 * i + 20 * piece + random.random()
            rows += talk(at_s, "192.0.2.5", "192.0.2.9", (20000 + 3 * i + piece, 2222),
                         up=int(random.lognormal(15, 1)), down=90_000, packets=4000, lasted_s=15)
    for i in range(0, 2 * DAY_S, 30):
        rows += talk(i, "192.0.2.6", "192.0.2.9", (20000 + i % 40000, 7001), up=420, down=510, packets=5, lasted_s=0.1)
    found = find(rows)
    assert severe(found, "192.0.2.5") == []
    assert [f for f in found.findings if f.kind == "password-guessing"] == []
    assert [f for f in severe(found, "192.0.2.6") if f.kind != "beacon"] == []
