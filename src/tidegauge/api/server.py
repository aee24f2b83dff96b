"""The app on uvicorn: where it listens, by TLS or not, and how long it waits for those who send slowly."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tidegauge.api.app import create_app
from tidegauge.model import SiteError, UsageError
from tidegauge.settings import parse_listen
from tidegauge.site import Site
from tidegauge.store import Store
from tidegauge.store.people import People

HEADERS_S, IDLE_S, END_S = 10.0, 15, 3
MOST_CONNECTIONS, MOST_HEADER_BYTES = 1000, 32 << 10
MOST_FROM_ONE, BACKLOG = 400, 512


class Patient(H11Protocol):
    """HTTP/1.1 whose clients have so long to send the head of a request, and so many connections each."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        # The address is kept so that closing takes the same one off, whatever the transport then says.
        self._peer = peer
        _FROM[peer] = _FROM.get(peer, 0) + 1
        if _FROM[peer] > MOST_FROM_ONE:
            transport.abort()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._no_wait()
        _FROM[self._peer] -= 1
        if not _FROM[self._peer]:
            del _FROM[self._peer]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        begun, _ = self.conn.trailing_data
        if self.conn.their_state is h11.IDLE and begun:
            if self._late is None:
                self._wait()
        else:
            self._no_wait()

    def _wait(self) -> None:
        self._late = self.loop.call_later(HEADERS_S, self.transport.abort)

    def _no_wait(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


_FROM: dict[str, int] = {}


def address_of(site: Site) -> tuple[str, int]:
    """Where the service answers.

    Raises:
        SiteError: it is open to others and has no users, or only half of what TLS needs.
    """
    host, port = parse_listen(site.serve.http)
    if bool(site.serve.certificate) != bool(site.serve.key):
        raise SiteError("TLS needs both certificate and key", where="[serve]")
    if not ip_address(host).is_loopback and not site.openid and not People(Store.of(site)).users():
        raise SiteError(
            f"{host} can be reached by others, and this site has no users", where="[serve] http",
            hint="tidegauge user add NAME --role admin, or listen on 127.0.0.1",
        )
    return host, port


def bound(site: Site) -> socket.socket:
    """A socket that listens where the service answers.

    Raises:
        SiteError: as `address_of`.
        UsageError: the address cannot be used.
    """
    return listening_at(*address_of(site))


def listening_at(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        UsageError: the address cannot be used.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise UsageError(f"cannot answer at {host} port {port}: {error.strerror}",
                         hint="--http ADDRESS:PORT names another") from None
    return listening


def config_of(site: Site) -> uvicorn.Config:
    """How the app is served.

    Raises:
        SiteError: the files of TLS cannot be read.
    """
    secure = site.serve.certificate is not None
    files = [None if name is None else site.folder / name for name in (site.serve.certificate, site.serve.key)]
    for path in files:
        if path is not None and not path.is_file():
            raise SiteError("no such file", where=str(path), hint="[serve] certificate and key")
    return uvicorn.Config(
        create_app(site, secure=secure), http=Patient, ws="none", lifespan="on", log_config=None, access_log=False,
        server_header=False, limit_concurrency=MOST_CONNECTIONS, timeout_keep_alive=IDLE_S, proxy_headers=False,
        timeout_graceful_shutdown=END_S, h11_max_incomplete_event_size=MOST_HEADER_BYTES,
        ssl_certfile=files[0], ssl_keyfile=files[1],
    )


def serve_http(site: Site, listening: socket.socket) -> None:
    """Answer until SIGTERM.

    Raises:
        SiteError: the files of TLS cannot be read.
    """
    uvicorn.Server(config_of(site)).run(sockets=[listening])
