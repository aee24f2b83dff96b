"""A healthy exporter beside a stranger that posts datagrams with a few bytes changed: nothing of the first suffers."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from click.testing import CliRunner

from tests.collect.conftest import Running
from tests.conftest import SHARED
from tests.make import v5, v5_record
from tests.stranger import captured, made, mutated
from tidegauge.cli import program
from tidegauge.lake import FlowFilter, Lake

SECONDS = float(os.environ.get("TIDEGAUGE_STRANGER_SECONDS", "40"))
HEALTHY, STRANGER = "127.0.0.1", "127.0.0.2"
RATE = 4000
"""Datagrams a second of the stranger; the healthy one sends 50."""


def run_json(running: Running, *arguments: str) -> dict[str, object]:
    found = CliRunner().invoke(program, [*arguments, "--site", str(running.folder), "--json"])
    assert found.exit_code in (0, 1), found.output
    answer: dict[str, object] = json.loads(found.stdout)
    return answer


class Load:
    """Two senders on addresses of their own, until told to stop."""

    def __init__(self, port: int, originals: list[bytes], *, stranger: bool) -> None:
        self.flows = self.strange = 0
        self._port, self._stop = port, threading.Event()
        work = [self._healthy, *([lambda: self._stranger(mutated(originals, 11))] if stranger else [])]
        self._threads = [threading.Thread(target=w) for w in work]

    def _socket(self, address: str) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((address, 0))
        made.connect(("127.0.0.1", self._port))
        return made

    def _healthy(self) -> None:
        with self._socket(HEALTHY) as sender:
            while not self._stop.wait(0.02):
                record = v5_record("175.45.176.1", "192.0.2.1", octets=1000, packets=4, first=90_000, last=99_000)
                sender.send(v5([record] * 10, sequence=self.flows, secs=int(time.time())))
                self.flows += 10

    def _stranger(self, payloads: Iterator[bytes]) -> None:
        with self._socket(STRANGER) as sender:
            while not self._stop.wait(0.01):
                for _ in range(RATE // 100):
                    sender.send(next(payloads))
                    self.strange += 1

    def run(self, seconds: float, meanwhile: Callable[[], None]) -> None:
        for thread in self._threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            meanwhile()
            time.sleep(0.5)
        self._stop.set()
        for thread in self._threads:
            thread.join()


def peak_bytes(process: int) -> int:
    """The most memory that a process had so far."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def test_a_strangers_datagrams_change_nothing_of_a_healthy_exporter(collector: Callable[..., Running]) -> None:
    originals = made(int(time.time())) + (captured(SHARED / "flows") if SHARED.is_dir() else [])
    alone, beside = collector("commit_s = 5.0"), collector("commit_s = 5.0")
    peak = 0
    answers = []
    for running, stranger in ((alone, False), (beside, True)):
        running.start()
        load = Load(running.port, originals, stranger=stranger)
        process = running.process
        assert process is not None

        def look(process: int = process.pid) -> None:
            nonlocal peak
            peak = max(peak, peak_bytes(process))

        load.run(SECONDS if stranger else 5, look)
        running.wait_for(
            lambda r=running, load=load: r.status("decoder").get("counts", {}).get("flows", 0) >= load.flows
        )
        running.stop()
        assert load.strange > (SECONDS * RATE * 0.3 if stranger else -1)
        lake = Lake(running.folder / "data")
        own = FlowFilter(conditions=(f"exporter = '{HEALTHY}'",))
        assert lake.scalar("[count(*), sum(bytes), sum(packets)]", own) == [
            load.flows, load.flows * 1000, load.flows * 4,
        ]
        told = run_json(running, "coverage")["exporters"]
        (healthy,) = [e for e in told if e["exporter"] == HEALTHY]  # type: ignore[attr-defined]
        assert (healthy["records"], healthy["lost"], healthy["restarts"]) == (load.flows, 0, 0)
        answers.append(run_json(running, "ask", "--from", "KP", "--since", "-1h"))
        assert abs(int(time.time()) - lake.extent().now_s) < 5  # type: ignore[union-attr]
        files = len(list((running.folder / "data").rglob("*.parquet")))
        assert files < 100
        doctor = CliRunner().invoke(program, ["doctor", "--site", str(running.folder)])
        assert len(doctor.output.splitlines()) < 40
        shown = CliRunner().invoke(program, ["coverage", "--site", str(running.folder)])
        assert len(shown.output.splitlines()) < 100
        assert "RuntimeWarning" not in running.log.read_text()
    assert peak < 1 << 30
    first, second = answers
    assert first["verdict"] == second["verdict"]
    for answer in answers:  # nothing that the stranger did, or did not do, makes us blind
        blind = answer["coverage"]["blind"]  # type: ignore[index]
        assert {b["why"] for b in blind} <= {"no telemetry before its first record", "exporter silent"}
    assert any(STRANGER in caveat for caveat in second["caveats"])  # type: ignore[union-attr]
