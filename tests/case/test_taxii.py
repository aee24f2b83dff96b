"""TAXII 2.1 with OASIS' own server, and servers that do not keep to it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tidegauge.case import CaseFile
from tidegauge.case.taxii import Collection
from tidegauge.model import TidegaugeError, UsageError
from tidegauge.site import load_site

Run = Callable[..., tuple[int, Any]]
ROOT, COLLECTION = "shared", "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
START = "import sys; from medallion import load_app; load_app(sys.argv[1]).run(port=int(sys.argv[2]))"


def named(site: Path, url: str, name: str = "partner") -> None:
    """Name a collection in the site file."""
    with (site / "tidegauge.toml").open("a") as file:
        file.write(f'\n[case.taxii.{name}]\nurl = "{url}"\nuser = "anna"\npassword_file = "taxii.password"\n')
    (site / "taxii.password").write_text("secret\n")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Medallion on loopback with one empty collection, three objects a page; the collection's URL."""
    info = {"title": "shared", "versions": ["application/taxii+json;version=2.1"], "max_content_length": 1 << 24}
    collection = {
        "id": COLLECTION, "title": "indicators", "can_read": True, "can_write": True, "objects": [], "manifest": [],
        "media_types": ["application/stix+json;version=2.1"],
    }
    data = tmp_path / "data.json"
    data.write_text(json.dumps({
        "/discovery": {"title": "x", "default": f"http://127.0.0.1/{ROOT}/", "api_roots": [f"http://127.0.0.1/{ROOT}/"]},
        ROOT: {"information": info, "status": [], "collections": [collection]},
    }))
    config = tmp_path / "config.json"
    config.write_text(json.dumps({
        "backend": {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend",
                    "filename": str(data)},
        "users": {"anna": "secret"}, "taxii": {"max_page_size": 3},
    }))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = subprocess.Popen(
        [sys.executable, "-c", START, str(config), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/{ROOT}/collections/{COLLECTION}"
    running.kill()
    running.wait()


def test_a_case_goes_to_a_real_server_and_comes_back_to_another_site(
    site: Path, run: Run, server: str, tmp_path: Path
) -> None:
    named(site, server)
    status, told = run(site, "export", "autumn", "--format", "stix", "--to", "taxii:partner")
    assert status == 0
    assert (told["taken"], told["pending"], told["refused"]) == (told["objects"], 0, [])
    assert told["objects"] > 6  # so that it comes back in several pages of three

    CaseFile(load_site(site), "bruno").new("theirs")
    status, told = run(site, "import", "theirs", "taxii:partner", "--graded", "B3", "--ask")
    assert status == 0
    assert [one["verb"] for one in told["asked"]] == ["ask", "coverage", "origin"]
    files = CaseFile(load_site(site), "bruno")
    assert any("It came through your network." in e.body["text"] for e in files.get("theirs").of("claim"))
    assert sorted(e.body["result_hash"] for e in files.get("theirs").of("evidence")) == sorted(
        e.body["result_hash"] for e in files.get("autumn").of("evidence")
    )
    # A second time brings no claim twice; and of nothing newer there is nothing.
    before = len(files.get("theirs").of("claim"))
    assert run(site, "import", "theirs", "taxii:partner")[1]["claims"] == 0
    assert len(CaseFile(load_site(site), "bruno").get("theirs").of("claim")) == before
    assert Collection(load_site(site), "partner").objects("2100-01-01T00:00:00Z") == []


def test_a_wrong_password_is_one_error(site: Path, server: str) -> None:
    named(site, server)
    (site / "taxii.password").write_text("wrong")
    with pytest.raises(TidegaugeError, match=r"refuses \(401\)"):
        Collection(load_site(site), "partner").objects()


def test_a_password_goes_out_over_https_alone(site: Path) -> None:
    named(site, "http://192.0.2.1/api/collections/x/")
    with pytest.raises(UsageError, match="plain http"):
        Collection(load_site(site), "partner")
    with pytest.raises(UsageError, match="no TAXII collection 'other': partner"):
        Collection(load_site(site), "other")


class Hostile(BaseHTTPRequestHandler):
    """Answers what the test says."""

    answer: bytes = b""
    headers_more: tuple[tuple[str, str], ...] = ()
    status: int = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        for name, value in self.headers_more:
            self.send_header(name, value)
        self.end_headers()
        try:
            for _ in range(200 if self.answer == b"[" * 1_000_000 else 1):
                self.wfile.write(self.answer)
        except OSError:
            pass

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "answer", "more", "said"),
    [
        (200, b"[]", (), "not TAXII 2.1"),
        (200, b"[" * 50_000, (), "not TAXII 2.1"),
        (200, b"[" * 1_000_000, (), "more than 128 MB"),
        (200, b'{"objects": {"a": 1}}', (), "not an envelope"),
        (200, b'{"objects": [1]}', (), "not an envelope"),
        (200, b'{"objects": [{"id": "a"}], "more": true}', (), "not where"),
        (200, b"\xff\xfe", (), "not TAXII 2.1"),
        (302, b"", (("Location", "http://127.0.0.1:1/"),), r"refuses \(302\)"),
        (500, b"<html>", (), r"refuses \(500\)"),
    ],
)
def test_a_server_that_does_not_keep_to_it_is_one_error(
    site: Path, status: int, answer: bytes, more: tuple[tuple[str, str], ...], said: str
) -> None:
    kind = type("Answering", (Hostile,), {"answer": answer, "headers_more": more, "status": status})
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            named(site, f"http://127.0.0.1:{server.server_port}/x/collections/y/")
            with pytest.raises(TidegaugeError, match=said):
                Collection(load_site(site), "partner").objects()
        finally:
            server.shutdown()
            thread.join()
