"""What somebody who means harm gets: a refusal, in bounded time and memory, and others are still answered."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from tests.make import run_json
from tests.service.app import PASSWORD, Running, roles_of
from tidegauge.api.access import OPEN, roles
from tidegauge.api.app import ROUTERS
from tidegauge.app import AskQuestion
from tidegauge.ingest import Ingest
from tidegauge.serve.answer_cache import Desk
from tidegauge.serve.question_pool import Work
from tidegauge.site import init_site, load_site
from tidegauge.store import Store
from tidegauge.store.people import ROLES, People

T = TypeVar("T")

API = "/api/v1"
ROUTES = sorted(roles(ROUTERS).items())
BAD_SQL = ["1; DROP TABLE flows", "' OR '1'='1", "1=1 UNION SELECT * FROM read_csv('/etc/passwd')",
           "src IN (SELECT 1)", "read_text('/etc/passwd') = 'x'", "pg_sleep(9) IS NULL", "$$"]


@pytest.fixture(autouse=True)
def _others_are_answered(running: Running) -> Any:
    yield
    with running.client("reader") as client:
        assert client.get(f"{API}/me").status_code == 200


def filled(path: str) -> str:
    return re.sub(r"\{address\}", "192.0.2.1", re.sub(r"\{name\}", "nothing", path))


@pytest.mark.parametrize(("route", "role"), ROUTES, ids=lambda value: value if isinstance(value, str) else value[1])
def test_every_route_asks_for_its_role(running: Running, route: tuple[str, str], role: str) -> None:
    method, path = route
    if role == OPEN:
        return
    with running.client() as nobody:
        assert nobody.request(method, filled(path)).status_code == 401
    for other in ROLES[: ROLES.index(role)]:  # type: ignore[arg-type]
        with running.client(other) as client:
            assert client.request(method, filled(path), json={}).status_code in (403, 422), (other, path)
            if method == "GET":
                assert client.request(method, filled(path)).status_code == 403


def test_a_body_that_is_right_does_not_help_who_may_not(running: Running) -> None:
    bodies = {
        "watches": {"name": "a", "indicators": [{"kind": "as", "value": "5"}]},
        "silences": {"what": "x", "reason": "y", "until": "2099-01-01"},
        "users": {"name": "mallory", "role": "admin", "password": PASSWORD},
        "tokens": {"name": "t", "user": "admin"},
    }
    with running.client("reader") as reader, running.client("analyst") as analyst:
        for path, body in bodies.items():
            assert reader.post(f"{API}/{path}", json=body).status_code == 403
        for path in ("users", "tokens"):
            assert analyst.post(f"{API}/{path}", json=bodies[path]).status_code == 403


@pytest.mark.parametrize("text", BAD_SQL)
def test_sql_stays_text(running: Running, text: str) -> None:
    with running.client("admin") as client:
        for verb in ("flows", "top", "series", "ask"):
            query = {"where": text, **({"by": "far"} if verb == "top" else {})}
            assert client.get(f"{API}/{verb}", params=query).status_code == 400
        for query in ({"from": text}, {"watch": text}, {"since": text}, {"baseline": text[:16]}, {"alarms": text[:32]}):
            assert client.get(f"{API}/ask", params=query).status_code in (400, 403, 422)
        assert client.get(f"{API}/top", params={"by": text[:32]}).status_code == 400
        assert client.get(f"{API}/origins", params={"of": text}).status_code == 400
        assert client.get(f"{API}/origin/{text.replace('/', '%2f')}").status_code in (400, 404)
        for path in ("findings", "alarms", "watches", "editions"):
            assert client.get(f"{API}/{path}", params={"cursor": text}).status_code == 400
        assert client.get(f"{API}/findings", params={"subject": text}).json()["findings"] == []


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/%2e%2e/tidegauge.toml", "/static//etc/passwd",
     "/api/v1/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/static/plain.css%00.py"],
)
def test_paths_lead_nowhere(running: Running, path: str) -> None:
    host, port = running.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        reply = b"".join(iter(lambda: raw.recv(65536), b""))
    assert reply.split(b" ")[1] == b"404"
    assert b"root:" not in reply
    assert b"[site]" not in reply


def test_an_origin_of_a_page_elsewhere_is_refused(running: Running) -> None:
    with running.session("admin") as client:
        csrf = client.get(f"{API}/me").json()["csrf"]
        body = {"what": "x", "reason": "y", "until": "2099-01-01"}
        assert client.post(f"{API}/silences", json=body).status_code == 403
        assert client.post(f"{API}/silences", json=body, headers={"X-CSRF-Token": "guessed"}).status_code == 403
        made = client.post(f"{API}/silences", json=body, headers={"X-CSRF-Token": csrf})
        assert made.status_code == 201
        # The tests share a site: a silence left behind would be found by whoever lists them next.
        assert client.delete(f"{API}/silences/{made.json()['id']}", headers={"X-CSRF-Token": csrf}).status_code == 204
    evil = {"Origin": "http://evil.example"}
    with running.client() as client:
        own = {"name": "reader", "password": PASSWORD}
        assert client.post(f"{API}/login", json=own, headers=evil).status_code == 403
        assert client.post("/login", data=own, headers=evil).status_code == 403
        assert client.post("/login", data=own, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert client.post("/login", data=own, headers={"Origin": running.base}).status_code == 303
        # Without a referrer browsers call their own form's origin `null`, as they do a stranger's sandbox: what tells
        # them apart is what they say of the site, which no page can set.
        for site, status in ((None, 403), ("cross-site", 403), ("same-site", 403), ("same-origin", 303)):
            told = {"Origin": "null"} | ({"Sec-Fetch-Site": site} if site else {})
            assert client.post("/login", data=own, headers=told).status_code == status


def test_another_name_that_points_here_is_refused(running: Running) -> None:
    with running.client("admin") as client:
        for host in ("evil.example", "127.0.0.1.evil.example", "", "[::1].evil.example", "localhost@evil.example"):
            assert client.get(f"{API}/me", headers={"Host": host}).status_code in (400, 421), host
        assert client.get(f"{API}/me", headers={"X-Forwarded-Host": "evil.example"}).status_code == 200


def test_a_session_is_a_new_one_at_each_log_in_and_ends_at_the_way_out(running: Running) -> None:
    with running.client() as client:
        client.cookies.set("tidegauge", "chosen-by-somebody-else")
        came = client.post(f"{API}/login", json={"name": "reader", "password": PASSWORD})
        secret = came.cookies["tidegauge"]
        assert secret != "chosen-by-somebody-else"
        flags = came.headers["set-cookie"].lower()
        assert "httponly" in flags
        assert "samesite=strict" in flags
    with running.client() as client:
        client.cookies.set("tidegauge", secret)
        csrf = client.get(f"{API}/me").json()["csrf"]
        assert client.post(f"{API}/logout", headers={"X-CSRF-Token": csrf}).status_code == 204
        client.cookies.set("tidegauge", secret)
        assert client.get(f"{API}/me").status_code == 401


@pytest.mark.parametrize("cookie", ["x" * 8000, "a;b", "\"'", "0", "tidegauge=tidegauge", "../../x"])
def test_cookies_that_are_none_open_nothing(running: Running, cookie: str) -> None:
    with running.client() as client:
        assert client.get(f"{API}/me", headers={"Cookie": f"tidegauge={cookie}"}).status_code in (400, 401)


@pytest.mark.parametrize("header", ["Bearer", "Bearer tg_", "Basic YWRtaW46YWRtaW4=", "bearer null", "tg_x"])
def test_tokens_that_are_none_open_nothing(running: Running, header: str) -> None:
    with running.client() as client:
        assert client.get(f"{API}/me", headers={"Authorization": header}).status_code == 401


def test_a_token_ends(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    people = People(Store.of(load_site(running.folder)))
    secret = people.add_token("short", "reader", 1)
    with running.client() as client:
        headers = {"Authorization": f"Bearer {secret}"}
        assert client.get(f"{API}/me", headers=headers).status_code == 200
        flipped = secret[:-1] + ("A" if secret[-1] != "A" else "B")
        assert client.get(f"{API}/me", headers={"Authorization": f"Bearer {flipped}"}).status_code == 401
        now = time.time()
        monkeypatch.setattr("tidegauge.store.people.time.time", lambda: now + 2 * 86400)
        assert client.get(f"{API}/me", headers=headers).status_code == 401
        monkeypatch.undo()
        people.remove_token("short")
        assert client.get(f"{API}/me", headers=headers).status_code == 401


def test_a_link_opens_one_session_once(running: Running) -> None:
    people = People(Store.of(load_site(running.folder)))
    link = people.make_link()
    with running.client() as first, running.client() as second:
        assert first.get("/", params={"token": link}).headers["location"] == "/"
        assert first.get(f"{API}/me").json()["role"] == "admin"
        assert second.get("/", params={"token": link}).status_code == 403
        assert second.get(f"{API}/me").status_code == 401


def test_guessing_passwords_ends_soon(tmp_path: Path) -> None:
    init_site(tmp_path / "site", home=["192.0.2.0/24"])
    with roles_of(tmp_path / "site") as running, running.client() as client:
        tries = [
            client.post(f"{API}/login", json={"name": "admin", "password": f"guess {i}"}) for i in range(8)
        ]
        assert [t.status_code for t in tries] == [403] * 5 + [429] * 3
        assert int(tries[-1].headers["retry-after"]) > 0
        assert client.post(f"{API}/login", json={"name": "admin", "password": PASSWORD}).status_code == 429
        others = [{"name": f"nobody {i}", "password": "x"} for i in range(30)]
        told = {client.post(f"{API}/login", json=other).status_code for other in others}
        assert told == {403, 429}  # many names from one address end too
        rows = run_json("audit", "show", site=load_site(tmp_path / "site"))[0]["entries"]
        assert sum(row["what"] == "log in refused" for row in rows) >= 8


def test_bodies_heads_and_questions_are_bounded(running: Running) -> None:
    with running.client("admin") as client:
        assert client.post(f"{API}/watches", content=b"x" * (2 << 20)).status_code == 413

        def endless() -> Any:
            for _ in range(64):
                yield b"[" * 65536

        assert client.post(f"{API}/watches", content=endless()).status_code in (400, 413, 422)
        assert client.post(f"{API}/watches", content=b"[" * 900_000).status_code in (400, 422)
        assert client.get(f"{API}/flows", params={"where": "x" * 40_000}).status_code in (400, 414, 422, 431)
        assert client.get(f"{API}/me", headers={"X-Large": "x" * 60_000}).status_code in (400, 431)
        many = [("by", "far")] * 500
        assert client.get(f"{API}/top", params=many).status_code == 422
        assert client.get(f"{API}/flows", params={"limit": 10**9}).status_code == 422
        assert client.get(f"{API}/series", params={"width": "1s", "from": "CN"}).status_code == 400
        deep = "(" * 5000 + "proto = 6" + ")" * 5000
        assert client.get(f"{API}/flows", params={"where": deep}).status_code == 400


def test_who_sends_slowly_is_let_go(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegauge.api.server.HEADERS_S", 1.0)
    monkeypatch.setattr("tidegauge.api.middleware.BODY_S", 1.0)
    host, port = running.base.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port)), timeout=10) for _ in range(100)]
    try:
        for one in slow:
            one.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-a: ")
        with running.client("reader") as client:
            assert client.get(f"{API}/me").status_code == 200
        deadline = time.monotonic() + 8
        for one in slow:
            one.settimeout(max(deadline - time.monotonic(), 0.1))
            with contextlib.suppress(ConnectionResetError):
                assert one.recv(1000) == b""
        token = running.tokens["admin"]
        with socket.create_connection((host, int(port)), timeout=10) as body:
            body.sendall(f"POST {API}/watches HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
                         "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{".encode())
            reply = b"".join(iter(lambda: body.recv(65536), b""))
            assert reply.split(b" ")[1] == b"408"
    finally:
        for one in slow:
            one.close()


def in_a_loop_of_its_own(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in another thread: browsers that other tests opened keep a loop in this one."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_two_hundred_questions_at_once(tmp_path: Path, simulated: Path) -> None:
    with roles_of(simulated, workers=1, waiting=20) as running:
        async def all_at_once() -> list[int]:
            headers = {"Authorization": f"Bearer {running.tokens['analyst']}"}
            limits = httpx.Limits(max_connections=250)
            async with httpx.AsyncClient(base_url=running.base, headers=headers, timeout=120, limits=limits) as client:
                async def one(number: int) -> int:
                    query = {"by": "far_country", "n": number + 1, "since": "2014-11-26", "until": "2014-11-27"}
                    return (await client.get(f"{API}/top", params=query)).status_code

                asked = asyncio.gather(*(one(number) for number in range(200)))
                await asyncio.sleep(0.3)
                begun = time.monotonic()
                assert (await client.get(f"{API}/me")).status_code == 200
                assert time.monotonic() - begun < 10
                return await asked

        told = in_a_loop_of_its_own(all_at_once())
    assert set(told) == {200, 503}
    assert told.count(200) >= 21


def test_who_goes_away_takes_the_question_along(simulated: Path) -> None:
    site = load_site(simulated)
    question = AskQuestion.model_validate({"from": "all", "since": "2014-11-29"})
    with Work(site.folder, workers=1, waiting=5, memory_mb=4096) as work:

        async def ask_and_go() -> None:
            desk = Desk(site, work)
            waiting = [asyncio.ensure_future(desk.answer("ask", question)) for _ in range(3)]
            while not any(task.waiting == len(waiting) for task in desk._running.values()):
                await asyncio.sleep(0.01)
            for one in waiting[:2]:
                one.cancel()
            await asyncio.sleep(0.2)
            assert work.open == 1  # somebody waits still
            waiting[2].cancel()
            for _ in range(100):
                if not work.open:
                    return
                await asyncio.sleep(0.05)
            raise AssertionError("the question goes on")

        in_a_loop_of_its_own(ask_and_go())
    with roles_of(simulated, workers=1) as running, running.client("analyst") as client:
        with pytest.raises(httpx.ReadTimeout):
            client.get(f"{API}/ask", params={"from": "all", "baseline": "7d", "since": "2014-11-29"}, timeout=0.3)
        begun = time.monotonic()
        assert client.get(f"{API}/top", params={"by": "proto", "n": 3}).status_code == 200
        assert time.monotonic() - begun < 20


def test_names_with_markup_come_out_as_text(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    init_site(folder, home=["192.0.2.0/24"], name="<script>alert(1)</script>")
    evil = "<img src=x onerror=alert(1)>"
    csv = tmp_path / "flows.csv"
    csv.write_text("time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes\n"
                   "2024-01-01T00:00:00Z,2024-01-01T00:00:01Z,203.0.113.9,192.0.2.1,1,2,6,1,100\n")
    Ingest(load_site(folder), exporter=evil).run([str(csv)])
    with roles_of(folder) as running, running.session("admin") as client:
        assert client.get(f"{API}/top", params={"by": "exporter"}).json()["rows"][0]["exporter"] == evil
        client.get(f"{API}/top", params={"by": "exporter", "where": f"exporter = '{evil}'"})
        for path in ("/", "/ask", "/plain", "/login", "/docs"):
            page = client.get(path).text
            assert "<script>alert" not in page
            assert "<img" not in page
        assert "&lt;script&gt;" in client.get("/plain").text
        reply = client.get(f"{API}/top", params={"by": "exporter"})
        assert reply.headers["content-type"] == "application/json"
        assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_service_that_others_reach_needs_users(tmp_path: Path) -> None:
    import subprocess
    import sys

    init_site(tmp_path / "site", home=["192.0.2.0/24"])
    done = subprocess.run(
        [sys.executable, "-m", "tidegauge.cli", "serve", "--site", str(tmp_path / "site"), "--http", "0.0.0.0:0"],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 1
    assert "no users" in done.stderr
    assert "tidegauge user add" in done.stderr
