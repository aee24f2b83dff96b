"""A site with flows, the app over it with a user of each role, and the service as a program."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.service.app import Running, roles_of
from tidegauge.cli.show import make_site as make_simulated, write_scenario
from tidegauge.ingest import Ingest
from tidegauge.simulate import autumn_2014
from tidegauge.site import Site, load_site


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of ten simulated days, made once."""
    folder = make_simulated(tmp_path_factory.mktemp("simulated"))
    path = write_scenario(autumn_2014(days=10, seed=14, surges=[]), folder)
    Ingest(load_site(folder)).run([str(path)])
    return folder


@pytest.fixture(scope="session")
def running(simulated: Path) -> Iterator[Running]:
    """The app over the simulated site, answering on loopback, with a reader, an analyst and an admin."""
    with roles_of(simulated) as found:
        yield found


@pytest.fixture
def serving() -> Iterator[Callable[..., Served]]:
    """Starts the service as a program; it is ended at the end."""
    begun: list[Served] = []

    def start(site: Site, *arguments: str) -> Served:
        begun.append(Served(site, *arguments))
        return begun[-1]

    yield start
    for one in begun:
        one.end()


class Served:
    """The program `serve` on a site."""

    def __init__(self, site: Site, *arguments: str) -> None:
        self.site = site
        self.log = (site.folder / "serve.log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tidegauge.cli", "serve", "--site", str(site.folder), "--json", *arguments],
            stdout=subprocess.PIPE, stderr=self.log, text=True,
        )
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.base = self.url.partition("/?")[0]

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """Somebody who came in by the link."""
        with httpx.Client(base_url=self.base, timeout=60) as client:
            self.until(lambda: client.get("/healthz").status_code == 200)
            assert client.get(self.url).status_code == 303
            client.headers["X-CSRF-Token"] = client.get("/api/v1/me").json()["csrf"]
            yield client

    def until(self, what: Callable[[], object], patience_s: float = 60) -> None:
        """Wait for something to be so."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                if what():
                    return
            except (httpx.HTTPError, OSError, KeyError, TypeError):
                pass
            assert time.monotonic() < deadline, (self.site.folder / "serve.log").read_text()[-3000:]
            time.sleep(0.1)

    def parts(self) -> dict[str, dict[str, object]]:
        """The status of the parts by name."""
        told = json.loads((self.site.data / "serve" / "group.json").read_text())
        return {part["name"]: part for part in told["parts"]}

    def end(self) -> float:
        """Stop it; how long that took."""
        begun = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        self.log.close()
        return time.monotonic() - begun


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
