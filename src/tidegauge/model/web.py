"""Asking a server by HTTP, under one policy for all who do.

The web alone (`http`, `https`); no redirection unless it is allowed, and then never from `https` to anything else;
proxies by the environment (`https_proxy`, `no_proxy`), authorities by the system's store (or `SSL_CERT_FILE`); each
answer bounded in bytes and in time.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from tidegauge import __version__

BLOCK = 1 << 20
SCHEMES = ("http", "https")
MOST_SAID = 4096


class WebError(Exception):
    """A server that does not answer, or not as it should.

    Attributes:
        why: as part of a sentence.
        code: the status that it answered with; None where it did not.
        said: the begin of what it wrote then.
        too_much: it sends more than it may, or for longer.
    """

    def __init__(self, why: str, code: int | None = None, said: str = "", *, too_much: bool = False) -> None:
        super().__init__(why)
        self.why, self.code, self.said, self.too_much = why, code, said, too_much


class Answer:
    """What a server sends; use within `asking`."""

    def __init__(self, reply: HTTPResponse, most_bytes: int, ends: float) -> None:
        self._reply, self._most, self._ends = reply, most_bytes, ends
        self.headers: HTTPMessage = reply.headers

    def blocks(self) -> Iterator[bytes]:
        """Yield all of it.

        Raises:
            WebError: it is longer than it may be, takes longer, or breaks off.
        """
        size, announced = 0, self._reply.length
        try:
            while block := self._reply.read1(BLOCK):
                size += len(block)
                if size > self._most:
                    raise WebError(f"larger than {self._most:,} bytes", too_much=True)
                if time.monotonic() > self._ends:
                    raise WebError("it takes too long", too_much=True)
                yield block
        except (OSError, HTTPException, ValueError) as error:
            raise WebError(str(error)) from None
        if announced is not None and size < announced:
            raise WebError(f"the connection ended after {size:,} of {announced:,} bytes")

    def read(self) -> bytes:
        """All of it, as `blocks`."""
        return b"".join(self.blocks())


@contextmanager
def asking(
    url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, *, timeout_s: float,
    most_bytes: int, longest_s: float = 600.0, follow: bool = False,
) -> Iterator[Answer]:
    """Ask a server: `GET`, or `POST` where there is a body.

    Args:
        timeout_s: for which the server may be silent; `longest_s` for which it may answer.
        follow: redirections are followed; else one is an error, since what is meant for one place goes to no other.

    Raises:
        WebError: it does not answer, or with a status that is an error.
    """
    if urlsplit(url).scheme not in SCHEMES:
        raise WebError(f"not a web address: {url[:100]}")
    ends = time.monotonic() + longest_s
    request = urllib.request.Request(url, body, {"User-Agent": f"tidegauge/{__version__}", **(headers or {})})
    try:
        reply = urllib.request.build_opener(_Redirects(follow)).open(request, timeout=timeout_s)
    except HTTPError as error:
        with error:
            said = error.read(MOST_SAID).decode("utf-8", "replace")
        raise WebError(f"the server says {error.code} {error.reason}", error.code, said) from None
    except URLError as error:
        raise WebError(str(error.reason)) from None
    except (OSError, HTTPException, ValueError) as error:
        raise WebError(str(error)) from None
    with reply:
        yield Answer(reply, most_bytes, ends)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, follow: bool) -> None:
        self._follow = follow

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        allowed = ("https",) if urlsplit(req.full_url).scheme == "https" else SCHEMES
        if not self._follow:
            return None
        if urlsplit(newurl).scheme not in allowed:
            raise WebError(f"redirected to {newurl[:100]}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
