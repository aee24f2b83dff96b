"""The service as a program: one group that starts on nothing, stays up, and ends whole."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.collect.test_collector import datagram
from tests.make import run_json, simple_v9
from tests.service.conftest import Served, free_port
from tidegauge.lake import FlowFilter, Lake
from tidegauge.serve.alarms import Alarm, Alarms
from tidegauge.serve.outbox import Outbox, Word
from tidegauge.site import Site, load_site
from tidegauge.store import Store
from tidegauge.store.people import People

API = "/api/v1"


def test_it_starts_on_nothing_collects_answers_and_ends(
    make_site: Callable[..., Site], serving: Callable[..., Served]
) -> None:
    site = make_site("192.0.2.0/24")
    port = free_port(socket.SOCK_DGRAM)
    service = serving(site, "--http", "127.0.0.1:0", "--listen", f"127.0.0.1:{port}")
    with service.client() as client:
        assert "no flows here yet" in client.get("/plain").text
        problem = client.get(f"{API}/ask")
        assert (problem.status_code, problem.json()["title"]) == (409, "no flows here yet")
        assert client.get(service.url).status_code == 403  # the link worked once
        service.until(lambda: "listening" in (site.folder / "serve.log").read_text())
        now = int(time.time())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(5):
                datagram = simple_v9(number, 4)
                sender.sendto(datagram[:8] + now.to_bytes(4, "big") + datagram[12:], ("127.0.0.1", port))
        assert service.end() < 10
    assert service.process.returncode == 0
    (told,) = run_json("top", "direction", "--metric", "flows", site=site)
    assert sum(row["flows"] for row in told["rows"]) == 20
    service = serving(site, "--http", "127.0.0.1:0", "--listen", f"127.0.0.1:{port}")
    with service.client() as client:
        rows = client.get(f"{API}/top", params={"by": "direction", "metric": "flows"}).json()["rows"]
        assert rows == told["rows"]
    assert run_json("audit", "verify", site=site)[0]["chain"] == "whole"


def test_in_an_empty_folder_it_says_what_to_do_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    port = free_port()
    words = ["serve", "--site", str(tmp_path / "new"), "--http", f"127.0.0.1:{port}", "--listen", "127.0.0.1:0"]
    with subprocess.Popen([sys.executable, "-m", "tidegauge.cli", *words, "--json"], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["site"] is None
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            for _ in range(100):
                with contextlib.suppress(httpx.HTTPError):
                    if client.get("/healthz").status_code == 200:
                        break
                time.sleep(0.1)
            assert "tidegauge init --home PREFIX" in client.get("/").text
            assert client.get(f"{API}/ask").json()["hint"].startswith("tidegauge init")
        run_json("init", str(tmp_path / "new"), "--home", "192.0.2.0/24")
        assert "?token=" in json.loads(process.stdout.readline())["url"]
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def test_a_part_that_dies_is_started_again_and_named(
    make_site: Callable[..., Site], serving: Callable[..., Served]
) -> None:
    site = make_site("192.0.2.0/24")
    port = free_port(socket.SOCK_DGRAM)
    service = serving(site, "--http", "127.0.0.1:0", "--listen", f"127.0.0.1:{port}")
    with service.client() as client:
        service.until(lambda: len(service.parts()) == 5)
        before = service.parts()
        for name, part in before.items():
            os.kill(int(str(part["pid"])), signal.SIGKILL)

            def again(name: str = name, pid: object = part["pid"]) -> bool:
                now = service.parts()[name]
                return now["pid"] != pid and now["state"] == "running"

            service.until(again)
        assert all(part["deaths"] == 1 for part in service.parts().values())
        service.until(lambda: client.get(f"{API}/me").status_code == 200)  # the session is whole
        assert client.get(f"{API}/audit/verify").json()["chain"] == "whole"
        service.until(lambda: "started again" in json.dumps(run_json("doctor", site=site)))
        assert client.get("/").status_code == 200


def test_a_second_service_is_refused(make_site: Callable[..., Site], serving: Callable[..., Served]) -> None:
    site = make_site("192.0.2.0/24")
    with serving(site, "--http", "127.0.0.1:0", "--listen", "127.0.0.1:0").client():
        words = [sys.executable, "-m", "tidegauge.cli", "serve", "--site", str(site.folder), "--http", "127.0.0.1:0"]
        second = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert "another service runs here" in second.stderr


def test_parts_end_when_the_group_is_killed(make_site: Callable[..., Site], serving: Callable[..., Served]) -> None:
    site = make_site("192.0.2.0/24")
    service = serving(site, "--http", "127.0.0.1:0", "--listen", "127.0.0.1:0")
    service.until(lambda: len(service.parts()) == 5)
    pids = [int(str(part["pid"])) for part in service.parts().values()]
    service.process.kill()
    service.process.wait()

    def gone(pid: int) -> bool:
        try:
            return "\nState:\tZ" in (open(f"/proc/{pid}/status").read())
        except FileNotFoundError:
            return True

    service.until(lambda: all(gone(pid) for pid in pids), 20)


def test_tls_by_certificate_files(
    make_site: Callable[..., Site], serving: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site("192.0.2.0/24")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days",
         "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=site.folder, check=True, capture_output=True,
    )
    toml = site.folder / "tidegauge.toml"
    toml.write_text(toml.read_text().replace("[serve]", '[serve]\ncertificate = "cert.pem"\nkey = "key.pem"'))
    service = serving(site, "--http", "127.0.0.1:0", "--listen", "127.0.0.1:0")
    assert service.url.startswith("https://")
    context = ssl.create_default_context(cafile=str(site.folder / "cert.pem"))

    def answered() -> bool:
        with urllib.request.urlopen(f"{service.base}/healthz", context=context, timeout=5) as reply:
            assert "max-age" in reply.headers["Strict-Transport-Security"]
            return bool(reply.read() == b"ok\n")

    service.until(answered)
    People(Store.of(site)).add("hana", "reader", "correct horse battery")
    body = json.dumps({"name": "hana", "password": "correct horse battery"}).encode()
    request = urllib.request.Request(f"{service.base}{API}/login", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, context=context) as reply:
        cookie = reply.headers["Set-Cookie"]
    assert cookie.startswith("__Host-tidegauge=")
    assert "Secure" in cookie


def child_of(parent: int) -> int:
    """The receiving process of a collector."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            command = (status.parent / "cmdline").read_bytes()
            if f"\nPPid:\t{parent}\n" in status.read_text() and b"spawn_main" in command:
                return int(status.parent.name)
    raise AssertionError("the collector has no receiver")


def test_whatever_part_is_killed_under_load_what_is_kept_is_whole(
    make_site: Callable[..., Site], serving: Callable[..., Served]
) -> None:
    site = make_site("192.0.2.0/24")
    toml = site.folder / "tidegauge.toml"
    alerts = '[alerts.dead]\nkind = "webhook"\nurl = "http://127.0.0.1:1/"\n'
    toml.write_text(toml.read_text().replace("[collect]", "[collect]\ncommit_s = 0.3\nsync_s = 0.1") + alerts)
    site = load_site(site.folder)
    store = Store.of(site)
    alarm = Alarm("a1", "country KP in", "open", 5, 9, 9, 9, None, json.dumps({"title": "KP"}))
    with store.changing() as connection:
        Alarms(store).write(connection, alarm)
        Outbox(store, site).put(connection, Word.of_alarm(alarm, "opened"))
    port, stop, sent = free_port(socket.SOCK_DGRAM), threading.Event(), [0]

    def load() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stop.is_set():
                for _ in range(5):
                    with contextlib.suppress(ConnectionRefusedError):
                        sender.sendto(datagram(sent[0]), ("127.0.0.1", port))
                    sent[0] += 10
                time.sleep(0.01)

    service = serving(site, "--http", "127.0.0.1:0", "--listen", f"127.0.0.1:{port}")
    sender = threading.Thread(target=load)
    with service.client() as client:
        service.until(lambda: "listening" in (site.folder / "serve.log").read_text())
        log = site.folder / "serve.log"
        sender.start()
        try:
            for name in [*service.parts(), "receiver"]:
                pid = int(str(service.parts()["collect" if name == "receiver" else name]["pid"]))
                if name == "receiver":
                    service.until(lambda: log.read_text().count("listening") == 2)
                    pid = child_of(pid)
                before = service.parts()
                os.kill(pid, signal.SIGKILL)
                watched = "collect" if name == "receiver" else name

                def again(name: str = watched, pid: object = before[watched]["pid"]) -> bool:
                    now = service.parts()[name]
                    return now["pid"] != pid and now["state"] == "running"

                service.until(again)
                service.until(lambda: client.get(f"{API}/me").status_code == 200)
            service.until(lambda: log.read_text().count("listening") >= 3)
            time.sleep(1)
            assert [a["id"] for a in client.get(f"{API}/alarms", params={"state": "open"}).json()["alarms"]] == ["a1"]
            assert client.get(f"{API}/audit/verify").json()["chain"] == "whole"
        finally:
            stop.set()
            sender.join()
    assert service.end() < 10
    service = serving(site, "--http", "127.0.0.1:0", "--listen", f"127.0.0.1:{port}")
    service.until(lambda: json.loads((site.data / "collect" / "decoder.json").read_text())["backlog_bytes"] == 0)
    service.end()
    assert Outbox(store, site).states() == {("dead", "waiting"): 1}
    (exporter,) = run_json("coverage", site=site)[0]["exporters"]
    lake = Lake(site.data)
    stored = lake.scalar("count(*)", FlowFilter())
    numbers = lake.scalar("list(DISTINCT bytes)", FlowFilter())
    assert stored + exporter["lost"] == sent[0]
    assert stored == exporter["records"]
    assert 10 * len(numbers) == stored
    assert stored > 0.3 * sent[0]
