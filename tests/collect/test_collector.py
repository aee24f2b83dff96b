"""The collector as its users meet it: real datagrams on loopback, crashes, forged senders, silence."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.collect.conftest import Running
from tests.make import (
    ethernet,
    ip,
    ipfix,
    monitored,
    of_asa,
    running_totals,
    sets,
    sflow,
    sflow_sample,
    tcp4,
    template,
    v5,
    v5_record,
    v9,
)
from tidegauge.cli import program
from tidegauge.lake import FlowFilter, Lake, compact

Make = Callable[..., Running]


def coverage(running: Running) -> list[dict[str, object]]:
    found = CliRunner().invoke(program, ["coverage", "--site", str(running.folder), "--json"])
    exporters: list[dict[str, object]] = json.loads(found.stdout)["exporters"]
    return exporters


def datagram(sequence: int, records: int = 10) -> bytes:
    """Its records have their sequence number and 100 as their bytes, so that each can be found again."""
    now = int(time.time())
    octets = sequence + 100
    record = v5_record(
        "198.51.100.1", "192.0.2.1", octets=octets, packets=octets // 1000 + 1, first=90_000, last=99_000
    )
    return v5([record] * records, sequence=sequence & 0xFFFFFFFF, secs=now)


def test_all_protocols_on_one_socket_reach_the_lake(collector: Make) -> None:
    running = collector()
    running.start("--metrics", f"127.0.0.1:{running.port}")
    fields = ((8, 4), (12, 4), (1, 4), (2, 4))
    record = ip("198.51.100.1") + ip("192.0.2.1") + struct.pack(">II", 500, 5)
    now = int(time.time())
    running.send(
        [
            datagram(0, 3),
            v9(sets((0, template(256, *fields)), (256, record)), secs=now),
            ipfix(sets((2, template(256, *fields)), (256, record * 2)), secs=now),
            sflow([sflow_sample(ethernet(tcp4("198.51.100.1", "192.0.2.1", length=1400)))]),
            b"nonsense",
        ]
    )
    running.wait_for(lambda: running.status("decoder").get("counts", {}).get("flows") == 7)
    running.wait_for(lambda: running.status("receiver").get("counts", {}).get("datagrams") == 5)
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/metrics", timeout=5) as answer:
        shown = answer.read().decode()
    assert "tidegauge_receiver_datagrams_total 5\n" in shown
    assert 'why="not NetFlow v5, v9, IPFIX or sFlow v5"} 1\n' in shown
    counts = running.stop()
    assert counts["received"]["datagrams"] == 5
    lake = Lake(running.folder / "data")
    assert lake.scalar("count(*)", FlowFilter()) == 7
    assert lake.scalar("sum(bytes)", FlowFilter()) == 3 * 100 + 500 + 2 * 500 + 1400 * 100


@pytest.mark.parametrize("version", ["5", "9", "10"])
def test_softflowds_flows_agree_with_its_own_statistics(
    collector: Make, shared: Path, version: str, tmp_path: Path
) -> None:
    if not any((Path(folder) / "softflowd").exists() for folder in ("/usr/sbin", "/usr/bin", "/usr/local/sbin")):
        pytest.skip("softflowd is not installed")
    running = collector()
    running.start()
    capture = shared / "pcap" / "test-cc-capture-1.pcap"
    said = subprocess.run(
        ["softflowd", "-r", str(capture), "-n", f"127.0.0.1:{running.port}", "-v", version, "-d"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
        env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"},
    ).stdout
    octets, packets, records = 0, 0, 0
    for line in said.splitlines():
        if line.rstrip().endswith("s") and "):" in line:  # per protocol: octets, packets, average and longest life
            numbers = line.split("):")[1].split()
            octets, packets = octets + int(numbers[0]), packets + int(numbers[1])
        if line.startswith("Flows exported:"):
            records = int(line.split("(")[1].split()[0])
    assert packets > 0
    running.wait_for(lambda: running.status("decoder").get("counts", {}).get("flows", 0) >= records)
    running.stop()
    lake = Lake(running.folder / "data")
    sums = [lake.scalar(what, FlowFilter()) for what in ("count(*)", "sum(packets)", "sum(bytes)")]
    assert sums == [records, packets, octets]


def test_after_twenty_kills_the_lake_holds_what_was_sent_but_what_the_ledger_says_was_lost(collector: Make) -> None:
    running = collector("commit_s = 0.3\nsync_s = 0.1")
    running.start()
    chance, stop, sent = random.Random(7), threading.Event(), [0]

    def load() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stop.is_set():
                for _ in range(20):
                    with contextlib.suppress(ConnectionRefusedError):
                        sender.sendto(datagram(sent[0]), ("127.0.0.1", running.port))
                    sent[0] += 10
                time.sleep(0.01)

    sender = threading.Thread(target=load)
    sender.start()
    try:
        for _ in range(20):
            time.sleep(chance.uniform(0.1, 1.2))
            assert running.process is not None
            group = running.process.pid
            if chance.random() < 0.5:
                os.killpg(group, signal.SIGKILL)
            else:  # the decoder alone: the receiver notices and stops by itself
                os.kill(group, signal.SIGKILL)
            running.process.wait()
            running.start()
        time.sleep(0.5)
    finally:
        stop.set()
        sender.join()
    running.stop()
    (exporter,) = coverage(running)
    lake = Lake(running.folder / "data")
    stored = lake.scalar("count(*)", FlowFilter())
    numbers = lake.scalar("list(DISTINCT bytes)", FlowFilter())
    missing = sorted(set(range(0, sent[0], 10)) - {int(n) - 100 for n in numbers})
    said = f"{exporter} of {sent[0]}; not stored: {missing}; the site is in {running.folder}"
    assert stored + exporter["lost"] == sent[0], said
    assert stored == exporter["records"], said
    assert 10 * len(numbers) == stored, said  # none twice
    assert stored > 0.05 * sent[0]  # the collector was up for part of the time


def test_a_template_outlives_the_collector(collector: Make) -> None:
    running = collector()
    fields = ((8, 4), (12, 4), (1, 4), (2, 4))
    record = ip("198.51.100.1") + ip("192.0.2.1") + struct.pack(">II", 500, 5)
    running.start()
    running.send([v9(sets((0, template(256, *fields))), secs=int(time.time()))])
    running.stop()
    running.start()
    running.send([v9(sets((256, record)), sequence=1, secs=int(time.time()))])
    running.stop()
    assert Lake(running.folder / "data").scalar("sum(bytes)", FlowFilter()) == 500


def test_data_before_their_template_survive_a_kill(collector: Make) -> None:
    running = collector("commit_s = 0.2")
    fields = ((8, 4), (12, 4), (1, 4), (2, 4))
    record = ip("198.51.100.1") + ip("192.0.2.1") + struct.pack(">II", 500, 5)
    running.start()
    running.send([v9(sets((256, record)), secs=int(time.time()))])
    running.wait_for(lambda: any(e["event"] == "committed" for e in running.events()))
    running.kill()
    running.start()
    running.send([v9(sets((0, template(256, *fields))), sequence=1, secs=int(time.time()))])
    running.stop()
    assert Lake(running.folder / "data").scalar("sum(bytes)", FlowFilter()) == 500


def _heard(running: Running, datagrams: int) -> None:
    running.wait_for(lambda: running.status("receiver").get("counts", {}).get("datagrams") == datagrams)


@pytest.mark.parametrize(
    ("first", "second", "octets"),
    [
        ([partial(of_asa, 5, 1000, 2000), partial(of_asa, 5, 500, 700)], [partial(of_asa, 2, 1600, 2800)], 4400),
        ([partial(running_totals, 1000)], [partial(running_totals, 3000)], 3000),
        ([partial(monitored, 0)], [partial(monitored, 1)], 1000),
    ],
    ids=["updates of a firewall", "running totals", "two monitors of one exporter"],
)
def test_what_connections_told_goes_on_over_a_restart(
    collector: Make, first: list[Callable[..., bytes]], second: list[Callable[..., bytes]], octets: int
) -> None:
    running, now = collector("commit_s = 0.2"), int(time.time())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as exporter:  # it keeps its port
        for begin_s, made in ((now - 9, first), (now - 4, second)):
            (running.folder / "data" / "collect" / "receiver.json").unlink(missing_ok=True)  # of the run before
            running.start()
            for at_s, datagram_of in enumerate(made, start=begin_s):
                exporter.sendto(datagram_of(at_s=at_s, began_s=now - 100), ("127.0.0.1", running.port))
                time.sleep(0.05)
            _heard(running, len(made))
            running.stop()
    assert Lake(running.folder / "data").scalar("sum(bytes)", FlowFilter()) == octets


def test_only_listed_exporters_are_taken_where_there_is_a_list(collector: Make) -> None:
    running = collector('commit_s = 1.0\nallow = ["192.0.2.0/24"]')
    running.start()
    running.send([datagram(0)])
    running.wait_for(lambda: running.status("receiver").get("counts", {}).get("datagrams") == 1)
    counts = running.stop()
    assert counts["decoded"].get("flows", 0) == 0
    assert counts["decoded"]["refused"] == 1


def test_a_wrong_clock_is_set_right_and_shown(collector: Make) -> None:
    running = collector()
    running.start()
    now = int(time.time())
    record = v5_record("198.51.100.1", "192.0.2.1", first=100_000, last=100_000)
    running.send([v5([record], sequence=i, uptime_ms=100_000, secs=now + 90) for i in range(5)])
    running.stop()
    (exporter,) = coverage(running)
    assert float(str(exporter["skew_s"])) == pytest.approx(90, abs=2)
    start = Lake(running.folder / "data").scalar("max(epoch(time_start))", FlowFilter())
    assert abs(start - now) < 5


def test_an_exporter_that_falls_silent_is_a_finding_within_two_minutes() -> None:
    from tidegauge.collect.silence import SilenceWatch

    watch = SilenceWatch()
    for second in range(0, 600, 5):
        assert watch.heard("border", second, second) is None
        assert watch.look(second) == []
    assert watch.look(650) == []
    (finding,) = watch.look(595 + 61)
    assert (finding.kind, finding.subject, finding.severity) == ("silence", "border", "medium")
    assert watch.look(700) == []  # said once
    ended = watch.heard("border", 800, 800)
    assert ended is not None
    assert ended.evidence == {"silent_s": 205, "over": True}


def test_small_segments_become_one_and_nothing_changes(collector: Make) -> None:
    running = collector("commit_s = 0.1")
    running.start()
    for i in range(6):
        running.send([datagram(10 * i)])
        running.wait_for(lambda i=i: running.status("decoder").get("counts", {}).get("flows", 0) >= 10 * i)
        time.sleep(0.25)
    running.stop()
    data = running.folder / "data"
    lake = Lake(data)
    before = sorted(repr(row) for batch in lake.flows(FlowFilter()) for row in batch.to_pylist())
    count = len(lake.manifest.segments("flows"))
    assert count > 4
    assert compact(data, now_s=time.time() + 7200) == count - len(lake.manifest.segments("flows"))
    assert len(lake.manifest.segments("flows")) <= 2  # at most one an hour
    assert sorted(repr(row) for batch in lake.flows(FlowFilter()) for row in batch.to_pylist()) == before
    files = len(list((data / "flows").rglob("*.parquet")))
    lake.manifest.remove_replaced(older_than_s=-1)
    assert len(list((data / "flows").rglob("*.parquet"))) == files - count


def test_the_doctor_names_what_is_wrong(collector: Make) -> None:
    running = collector()
    running.start()
    running.send([datagram(0), datagram(20)])
    running.wait_for(lambda: running.status("decoder").get("counts", {}).get("commits", 0) >= 1)
    running.wait_for(lambda: running.status("receiver").get("counts", {}).get("datagrams", 0) == 2)
    found = CliRunner().invoke(program, ["doctor", "--site", str(running.folder), "--json"])
    checks = {(c["check"], c["state"]): c for c in json.loads(found.stdout)["checks"]}
    assert ("collector", "ok") in checks
    assert "10 of 30 records" in checks["loss", "warn"]["found"]
    assert checks["allow", "warn"]["advice"] == "list your exporters under [collect] allow"
    running.stop()


def test_a_shower_of_signals_stops_the_receiver_all_the_same(tmp_path: Path) -> None:
    import sys

    script = (
        "import os, signal, sys, threading\n"
        "from pathlib import Path\n"
        "from tidegauge.collect.receiver import Receiver, ReceiverSettings\n"
        "receiver = Receiver(ReceiverSettings(Path(sys.argv[1]), (('127.0.0.1', 0),), 1, 1 << 20, 1 << 30, 0.05))\n"
        "signal.signal(signal.SIGTERM, receiver.stop)\n"
        "sys.exit(receiver.run())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert b"listening" in process.stderr.readline()
    for _ in range(2000):
        process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
