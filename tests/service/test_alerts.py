"""Alerts reach real servers, wait for dead ones, are told once, and stay within their limits."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import update

from tests.make import run_json
from tests.service.conftest import free_port
from tidegauge.model import Finding
from tidegauge.serve.alarms import Alarms
from tidegauge.serve.channels import deliver
from tidegauge.serve.outbox import Outbox, Word
from tidegauge.settings import AlertSettings
from tidegauge.site import Site
from tidegauge.store import Store
from tidegauge.store.tables import outbox as outbox_table

Told = list[tuple[dict[str, str], bytes]]
FINDING = Finding(
    kind="beacon", title="192.0.2.9 is commanded", start_s=5, end_s=9, subject="192.0.2.9", score=0.9, severity="high",
    reasons=("it calls every 60 s",), query="q",
)


@contextmanager
def http_server(told: Told, *, status: Callable[[], int] = lambda: 200, port: int = 0) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status())
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        server.server_close()


def queued(site: Site, **channels: dict[str, Any]) -> tuple[Site, Outbox, Store]:
    site = replace(site, alerts={name: AlertSettings.model_validate(c) for name, c in channels.items()})
    return site, Outbox(Store.of(site), site), Store.of(site)


def put(outbox: Outbox, store: Store, word: Word) -> None:
    with store.changing() as connection:
        outbox.put(connection, word)


def hurry(store: Store) -> None:
    """As if the wait were over."""
    with store.changing() as connection:
        connection.execute(update(outbox_table).values(next_s=0.0))


def test_a_webhook_is_signed_and_told_once(make_site: Callable[..., Site]) -> None:
    site = make_site()
    (site.folder / "desk.secret").write_text("s3cret\n")
    told: Told = []
    with http_server(told) as url:
        site, outbox, store = queued(site, desk={"kind": "webhook", "url": url, "secret_file": "desk.secret"})
        for _ in range(3):
            put(outbox, store, Word.of_finding("f1", FINDING))
        assert deliver(site, outbox) == (1, [])
        assert deliver(site, outbox) == (0, [])
    ((headers, body),) = told
    given = json.loads(body)
    assert (given["event"], given["about"], given["finding"]["subject"]) == ("found", "f1", "192.0.2.9")
    found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["X-Tidegauge-Signature"])
    assert found is not None
    assert hmac.new(b"s3cret", f"{found[1]}.".encode() + body, hashlib.sha256).hexdigest() == found[2]


def test_a_dead_channel_keeps_no_other_waiting_and_loses_nothing(make_site: Callable[..., Site]) -> None:
    told: Told = []
    port = free_port()
    with http_server(told) as url:
        site, outbox, store = queued(
            make_site(), dead={"kind": "webhook", "url": f"http://127.0.0.1:{port}/"},
            desk={"kind": "webhook", "url": url},
        )
        for number in range(3):
            put(outbox, store, Word.of_finding(f"f{number}", FINDING))
        assert deliver(site, outbox) == (3, ["dead"])
        waits = []
        for _ in range(4):
            hurry(store)
            begun = time.time()
            deliver(site, outbox)
            assert not [letter for letter in outbox.due() if letter.about == "f0"]
            assert [letter.tries for letter in outbox.due(begun + 1e6) if letter.about == "f0"]
            waits.append(next(w for w in range(5, 4000, 5) if "f0" in {x.about for x in outbox.due(begun + w)}))
        assert waits == sorted(waits)
        assert waits[-1] > waits[0]
    later: Told = []
    with http_server(later, port=port):
        hurry(store)
        assert deliver(site, outbox) == (3, [])
    assert [json.loads(body)["about"] for _, body in later] == ["f0", "f1", "f2"]


def test_refusals_and_redirections_are_failures(make_site: Callable[..., Site]) -> None:
    told: Told = []
    answers = iter([500, 302, 200])
    with http_server(told, status=lambda: next(answers)) as url:
        site, outbox, store = queued(make_site(), desk={"kind": "webhook", "url": url})
        put(outbox, store, Word.of_finding("f", FINDING))
        for expected in ((0, ["desk"]), (0, ["desk"]), (1, [])):
            hurry(store)
            assert deliver(site, outbox) == expected


class Kept:
    """What a mail server was handed."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append((envelope, message_from_bytes(envelope.content, policy=default)))
        return "250 taken"


def test_a_mail_goes_to_a_real_server(make_site: Callable[..., Site]) -> None:
    kept = Kept()
    server = Controller(kept, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        site, outbox, store = queued(make_site(), duty={
            "kind": "mail", "server": "127.0.0.1", "port": server.port, "tls": "none",
            "sender": "tidegauge@example.net", "to": ["duty@example.net", "boss@example.net"],
        })
        put(outbox, store, Word.of_finding("f1", replace(FINDING, title="evil\r\nBcc: all@example.net")))
        assert deliver(site, outbox) == (1, [])
    finally:
        server.stop()
    ((envelope, mail),) = kept.mails
    assert envelope.rcpt_tos == ["duty@example.net", "boss@example.net"]
    assert mail["Bcc"] is None
    assert mail["Subject"] == "high: evil Bcc: all@example.net (found)"
    assert "it calls every 60 s" in mail.get_content()
    assert mail["Message-ID"].startswith("<f1.found.")


SYSLOG = re.compile(
    r"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) tidegauge (\d+) (\S+)"
    r" \[tidegauge@32473 ((?:\w+=\"(?:[^\"\\\]]|\\.)*\" ?)+)\]"
    " \ufeff(.*)"
)


def test_syslog_is_of_rfc_5424_by_udp_and_tcp(make_site: Callable[..., Site]) -> None:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    tcp = socket.create_server(("127.0.0.1", 0))
    got: list[bytes] = []

    def taking() -> None:
        with tcp.accept()[0] as one:
            got.append(b"".join(iter(lambda: one.recv(65536), b"")))

    taker = threading.Thread(target=taking)
    taker.start()
    site, outbox, store = queued(
        make_site(), u={"kind": "syslog", "server": "127.0.0.1", "port": udp.getsockname()[1]},
        t={"kind": "syslog", "server": "127.0.0.1", "port": tcp.getsockname()[1], "transport": "tcp"},
    )
    put(outbox, store, Word.of_finding("f1", replace(FINDING, subject='a"]\\b')))
    assert deliver(site, outbox) == (2, [])
    taker.join(10)
    udp.settimeout(5)
    datagram = udp.recv(65536)
    udp.close()
    tcp.close()
    length, _, framed = got[0].partition(b" ")
    assert int(length) == len(framed)
    for line in (datagram, framed):
        match = SYSLOG.fullmatch(line.decode())
        assert match is not None, line
        assert int(match[1]) == 13 * 8 + 3
        assert r'subject="a\"\]\\b"' in match[6]
        assert match[7] == "192.0.2.9 is commanded"


def test_floods_are_held_back_and_said(make_site: Callable[..., Site]) -> None:
    told: Told = []
    with http_server(told) as url:
        site, outbox, store = queued(make_site(), desk={"kind": "webhook", "url": url, "most_an_hour": 5})
        for number in range(30):
            put(outbox, store, Word.of_finding(f"f{number}", FINDING))
        deliver(site, outbox)
        deliver(site, outbox)
    events = [json.loads(body)["event"] for _, body in told]
    assert events == ["found"] * 5 + ["held"]
    assert outbox.states() == {("desk", "sent"): 6, ("desk", "held"): 25}


def test_silences_have_a_reason_and_an_end(make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    told: Told = []
    with http_server(told) as url:
        site, outbox, store = queued(make_site(), desk={"kind": "webhook", "url": url})
        run_json("alert", "silence", "192.0.2.*", "--reason", "a test", "--until", "2099-01-01", site=site)
        put(outbox, store, Word.of_finding("f1", FINDING))
        put(outbox, store, Word.of_finding("f2", replace(FINDING, subject="198.51.100.1")))
        assert deliver(site, outbox) == (1, [])
        (silence,) = Alarms(store).silences()
        assert silence.reason == "a test"
        monkeypatch.setattr("tidegauge.serve.alarms.time.time", lambda: silence.until_s + 1.0)
        put(outbox, store, Word.of_finding("f3", FINDING))
        assert deliver(site, outbox) == (1, [])
    assert [json.loads(body)["about"] for _, body in told] == ["f2", "f3"]


def test_less_than_what_a_channel_wants_is_not_sent(make_site: Callable[..., Site]) -> None:
    channel = {"kind": "webhook", "url": "http://127.0.0.1:1/", "least": "critical"}
    _, outbox, store = queued(make_site(), desk=channel)
    put(outbox, store, Word.of_finding("f1", FINDING))
    assert outbox.due() == []


def test_a_test_message(make_site: Callable[..., Site]) -> None:
    told: Told = []
    site = make_site()
    with http_server(told) as url:
        toml = site.folder / "tidegauge.toml"
        toml.write_text(toml.read_text() + f'\n[alerts.desk]\nkind = "webhook"\nurl = "{url}"\n')
        assert run_json("alert", "test", "desk", site=site) == [{"sent": "desk"}]
    assert json.loads(told[0][1])["event"] == "test"
