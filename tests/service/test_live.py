"""Live judgement: an alarm opens, grows and ends; nothing is said twice; what was missed or comes late is judged."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tidegauge.atlas import Atlas, label
from tidegauge.lake import open_writer
from tidegauge.model import FlowBatch, LedgerBuilder, mapped_ipv4
from tidegauge.serve.alarms import Alarm, Alarms
from tidegauge.serve.live import Watcher
from tidegauge.site import Site, init_site, load_site
from tidegauge.store import Store

BEGIN_S, DAY_S, WIDTH_S = 1_767_225_600, 86400, 300
DAYS = 16
KP, CN = 0xAF2DB001, 0x01020304
"""175.45.176.1 and an address of China's."""


def flows(
    site: Site, random: np.random.Generator, since_s: int, until_s: int, *, far: int, a_bin: int, size: int
) -> None:
    """So many flows a bin of about this size, from one host, and the coverage of that time."""
    bins = (until_s - since_s) // WIDTH_S
    count = bins * a_bin
    starts = (since_s * 1_000_000 + np.sort(random.integers(0, (until_s - since_s) * 1_000_000 - 2_000_000, count)))
    octets = np.exp(random.normal(np.log(size), 0.5, count)).astype(np.uint64) + 40
    batch = FlowBatch.build(
        src=mapped_ipv4(np.full(count, far, dtype=np.uint32)), dst=mapped_ipv4(np.full(count, 0xC0000201, np.uint32)),
        exporters=("border",), time_start=starts, time_end=starts + 1_000_000, src_port=np.full(count, 443),
        dst_port=np.full(count, 50_000), proto=np.full(count, 6), packets=np.full(count, 9), bytes=octets,
        tcp_flags=np.zeros(count, int), sampling=1,
    )
    atlas = Atlas.of(site)
    with open_writer(site.data, atlas.stamp) as writer:
        writer.add_flows(label(batch, site, atlas))
        ledger = LedgerBuilder()
        minutes = np.arange(since_s, until_s, 60)
        ledger.add(exporters=["border"], exporter=np.zeros(len(minutes), dtype=np.int32), minute_s=minutes,
                   datagrams=10, records=100)
        writer.add_ledger(ledger.table())
        writer.commit()


@cache
def quiet() -> Path:
    """Sixteen days in which nothing happens."""
    folder = Path(tempfile.mkdtemp(prefix="live-"))
    init_site(folder / "site", home=["192.0.2.0/24"])
    site, random = load_site(folder / "site"), np.random.default_rng(1)
    for far in (KP, CN):
        flows(site, random, BEGIN_S, BEGIN_S + DAYS * DAY_S, far=far, a_bin=8, size=20_000)
    return folder / "site"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    shutil.copytree(quiet(), tmp_path / "site")
    return load_site(tmp_path / "site")


def listed(site: Site) -> list[Alarm]:
    return Alarms(Store.of(site)).listed()


END_S = BEGIN_S + DAYS * DAY_S


def test_an_alarm_opens_grows_and_ends_and_is_one(site: Site) -> None:
    random = np.random.default_rng(2)
    watcher = Watcher(site)
    watcher.round()
    assert listed(site) == []
    for step in range(30):
        since_s = END_S + step * WIDTH_S
        surging = 4 <= step < 10
        flows(site, random, since_s, since_s + WIDTH_S, far=CN, a_bin=8, size=20_000)
        flows(site, random, since_s, since_s + WIDTH_S, far=KP, a_bin=8, size=600_000 if surging else 20_000)
        done = watcher.round()
        about = [alarm for alarm in listed(site) if alarm.series == "country KP in"]
        if step < 4:
            assert listed(site) == []
        if step == 5:
            assert [alarm.state for alarm in about] == ["open"]  # within two bins
            assert done.judged_until_s == since_s + WIDTH_S
    (alarm,) = about
    assert alarm.state == "ended"
    begin_s, end_s = END_S + 4 * WIDTH_S, END_S + 10 * WIDTH_S
    assert abs(alarm.start_s - begin_s) <= WIDTH_S
    assert abs(alarm.end_s - end_s) <= 2 * WIDTH_S
    told = alarm.to_json()
    assert told["answer"]["verdict"] == "surge"
    assert told["answer"]["detection_limit"]
    assert told["answer"]["surges"][0]["carried_by"]
    assert not [a for a in listed(site) if a.series == "country CN in"]


def test_what_was_missed_in_a_stop_is_judged(site: Site) -> None:
    random = np.random.default_rng(3)
    Watcher(site).round()
    flows(site, random, END_S, END_S + 2 * DAY_S, far=CN, a_bin=8, size=20_000)
    flows(site, random, END_S, END_S + 2 * DAY_S, far=KP, a_bin=8, size=20_000)
    flows(site, random, END_S + 30_000, END_S + 33_600, far=KP, a_bin=10, size=600_000)
    done = Watcher(site).round()  # another process
    assert done.judged_until_s == END_S + 2 * DAY_S
    (alarm,) = [a for a in listed(site) if a.series == "country KP in"]
    assert alarm.state == "ended"
    assert alarm.start_s <= END_S + 30_000 + WIDTH_S
    assert Watcher(site).round().opened == 0


def test_flows_that_come_late_are_judged_again(site: Site) -> None:
    random = np.random.default_rng(4)
    watcher = Watcher(site)
    watcher.round()
    for step in range(3):
        flows(site, random, END_S + step * WIDTH_S, END_S + (step + 1) * WIDTH_S, far=KP, a_bin=8, size=20_000)
        watcher.round()
    assert listed(site) == []
    flows(site, random, END_S, END_S + WIDTH_S, far=KP, a_bin=30, size=900_000)  # late, for a bin that was judged
    done = watcher.round()
    assert done.late_bins >= 3
    (alarm,) = [a for a in listed(site) if a.series == "country KP in"]
    assert alarm.start_s <= END_S < alarm.end_s
    assert watcher.round().opened == 0
