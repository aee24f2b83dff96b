"""The app on loopback in this process, with a user and a token for each role."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import uvicorn

from tidegauge.api.server import bound, config_of
from tidegauge.settings import ServeSettings
from tidegauge.site import load_site
from tidegauge.store import Store
from tidegauge.store.people import People

PASSWORD = "a long enough password"


@dataclass
class Running:
    """Where it answers, and the secret of each role's token."""

    folder: Path
    base: str
    tokens: dict[str, str]

    def client(self, role: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        return httpx.Client(base_url=self.base, headers=headers, timeout=60)

    @contextmanager
    def session(self, role: str) -> Iterator[httpx.Client]:
        """A browser's way in: a cookie."""
        with httpx.Client(base_url=self.base, timeout=60) as client:
            came = client.post("/api/v1/login", json={"name": role, "password": PASSWORD})
            assert came.status_code == 204, came.text
            yield client


@contextmanager
def roles_of(folder: Path, **settings: object) -> Iterator[Running]:
    site = load_site(folder)
    wanted = {**site.serve.model_dump(), "http": "127.0.0.1:0", **settings}
    site = replace(site, serve=ServeSettings.model_validate(wanted))
    people = People(Store.of(site))
    tokens = {}
    for role in ("reader", "analyst", "admin"):
        people.add(role, role, PASSWORD)
        tokens[role] = people.add_token(f"{role} {time.time_ns()}", role, 1)
    with bound(site) as listening:
        server = uvicorn.Server(config_of(site))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        try:
            yield Running(folder, f"http://127.0.0.1:{listening.getsockname()[1]}", tokens)
        finally:
            server.should_exit = True
            thread.join(20)
