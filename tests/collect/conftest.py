"""A collector on loopback, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegauge.site import init_site


class Running:
    """One site and the collector that runs on it."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.folder = folder
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        path = init_site(folder, home=["192.0.2.0/24", "10.0.0.0/8", "192.168.0.0/16"])
        text = path.read_text().replace("[collect]", f"[collect]\n{settings}", 1)
        path.write_text(text)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "log.jsonl"

    def start(self, *more: str) -> None:
        """Start it and wait until it listens."""
        with self.log.open("ab") as log:
            before = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tidegauge.cli", "collect", "--site", str(self.folder), "--json",
                 "--listen", f"127.0.0.1:{self.port}", *more],
                stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )
        self.wait_for(lambda: any(e["event"] == "listening" for e in self.events(before)))

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        lines = self.log.read_bytes()[since:].decode().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def wait_for(self, condition: Callable[[], bool], patience_s: float = 30) -> None:
        deadline = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {patience_s} s: {self.log.read_text()[-2000:]}"
            time.sleep(0.05)

    def status(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "data" / "collect" / f"{name}.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def stop(self) -> dict[str, Any]:
        """Tell it to stop, and give its counters."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, self.log.read_text()[-3000:]
        counts: dict[str, Any] = json.loads(out)
        return counts

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def send(self, payloads: list[bytes]) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(("127.0.0.1", self.port))
            for count, payload in enumerate(payloads):
                sender.send(payload)
                if count % 50 == 49:
                    time.sleep(0.005)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def make(settings: str = "commit_s = 1.0") -> Running:
        made.append(Running(tmp_path / f"site{len(made)}", settings))
        return made[-1]

    yield make
    for running in made:
        running.kill()
