"""What stands before the app: which host was meant, how large and how slow a request may be, and the headers of every
response."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES, MOST_QUERY_BYTES = 1 << 20, 64 << 10
LARGE_BODIES = {"/api/v1/lure": 44 << 20, "/api/v1/leak": 64 << 20}
"""Routes that take files."""
MOST_HEAD_BYTES = 32 << 10
BODY_S = 20.0
HOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::\d{1,5})?")
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", CSP.encode()), (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"), (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"), (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
HSTS = (b"strict-transport-security", b"max-age=31536000")


class Guard:
    """An ASGI app around another.

    Args:
        hosts: names, without port, under which requests are answered: a page elsewhere that has its own name point
            here (DNS rebinding) is not.
        secure: whether it is reached by TLS.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], secure: bool) -> None:
        self._app, self._hosts = app, hosts
        self._headers = [*HEADERS, *([HSTS] if secure else [])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused: tuple[int, str, str] | None = None
        begun = over = False

        async def sending(message: Message) -> None:
            nonlocal begun, over
            if over:
                return  # what the app says of a request that was cut short
            if message["type"] == "http.response.start":
                if refused is not None and not begun:
                    over = True
                    await _refuse(send, *refused)
                    return
                begun = True
                own = {name for name, _ in message["headers"]}
                added = [(name, value) for name, value in self._headers if name not in own]
                kept = [] if b"cache-control" in own else [(b"cache-control", b"no-store")]
                message = {**message, "headers": [*message["headers"], *added, *kept]}
            await send(message)

        headers = dict(scope["headers"])
        if _host(headers.get(b"host", b"").decode("latin-1")) not in self._hosts:
            await _refuse(sending, 421, "not the name of this service", "name it under [serve] hosts")
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEAD_BYTES:
            await _refuse(sending, 431, "the head is too large", f"at most {MOST_HEAD_BYTES:,} bytes")
            return
        if len(scope.get("query_string", b"")) > MOST_QUERY_BYTES:
            await _refuse(sending, 414, "the question is too long", f"at most {MOST_QUERY_BYTES:,} bytes")
            return
        length = headers.get(b"content-length", b"0")
        most = LARGE_BODIES.get(scope["path"], MOST_BODY_BYTES)
        if not length.isdigit() or int(length) > most:
            await _refuse(sending, 413, "the body is too large", f"at most {most:,} bytes")
            return
        taken, deadline, whole = 0, asyncio.get_running_loop().time() + BODY_S, False

        async def receiving() -> Message:
            nonlocal taken, refused, whole
            if whole:
                return await receive()  # nothing more comes but word that the client is gone
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                refused = 408, "the body came too slowly", f"within {BODY_S:g} s"
                return {"type": "http.disconnect"}
            taken += len(message.get("body", b""))
            whole = message["type"] != "http.request" or not message.get("more_body", False)
            if taken > most:
                refused = 413, "the body is too large", f"at most {most:,} bytes"
                return {"type": "http.disconnect"}
            return message

        try:
            await self._app(scope, receiving, sending)
        except Exception:
            if begun or over or refused is None:
                raise
            await _refuse(send, *refused)


def _host(text: str) -> str | None:
    """The name of a Host header, without its port; None where it is not of that form."""
    match = HOST.fullmatch(text)
    return (match[1] or match[2]).lower() if match else None


async def _refuse(send: Send, status: int, title: str, hint: str) -> None:
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "hint": hint}
    text = json.dumps(body).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(text)).encode()),
               (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
