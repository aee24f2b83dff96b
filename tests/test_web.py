"""All who ask servers by HTTP do so under one policy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tidegauge.model.web import WebError, asking

BOUNDS = {"timeout_s": 5.0, "most_bytes": 1000, "longest_s": 5.0}


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        size = {"/long": 5000, "/short": 10, "/broken": 10}.get(self.path, 0)
        self.send_response({"/away": 302, "/out": 302, "/none": 404}.get(self.path, 200))
        if self.path == "/away":
            self.send_header("Location", "/short")
        if self.path == "/out":
            self.send_header("Location", "file:///etc/hostname")
        self.send_header("Content-Length", str(size * (2 if self.path == "/broken" else 1)))
        self.end_headers()
        self.wfile.write(b"x" * size)

    def log_message(self, *arguments: object) -> None:
        """Nothing is logged."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def test_an_answer_is_read_and_a_redirection_followed_only_where_that_is_allowed(server: str) -> None:
    with asking(f"{server}/short", **BOUNDS) as answer:
        assert answer.read() == b"x" * 10
    with asking(f"{server}/away", follow=True, **BOUNDS) as answer:
        assert answer.read() == b"x" * 10
    with pytest.raises(WebError, match="302") as refused, asking(f"{server}/away", **BOUNDS):
        pass
    assert refused.value.code == 302


@pytest.mark.parametrize(("path", "follow", "why"), [
    ("/out", True, "redirected to file:|is not allowed"), ("/none", False, "the server says 404"),
    ("/long", False, "larger than"),
    ("/broken", False, "ended after 10 of 20|IncompleteRead"),
])
def test_what_is_not_as_it_should_be_is_one_error(server: str, path: str, follow: bool, why: str) -> None:
    with pytest.raises(WebError, match=why), asking(f"{server}{path}", follow=follow, **BOUNDS) as answer:
        answer.read()


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://192.0.2.1/a", "data:,x", "nothing"])
def test_only_the_web_is_asked(url: str) -> None:
    with pytest.raises(WebError, match="not a web address"), asking(url, **BOUNDS):
        pass


def test_a_server_that_is_not_there_is_one_error() -> None:
    with pytest.raises(WebError), asking("http://127.0.0.1:1/", **BOUNDS):
        pass
