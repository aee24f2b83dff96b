"""IPFIX over TCP, live: messages from connections as if they were datagrams of their senders."""

from __future__ import annotations

import selectors
import socket
from dataclasses import dataclass, field

import numpy as np

from tidegauge.collect.log import log_event
from tidegauge.collect.mmsg import BATCH, ENTRY, Batch
from tidegauge.wire.tcpexport import take_messages

MOST_CONNECTIONS = 512
READ_BYTES = 1 << 16
WAIT_S = 0.2


@dataclass
class _Connection:
    """Who is at the other end, and what of its next message has come."""

    sender: bytes
    port: int
    shown: str
    data: bytearray = field(default_factory=bytearray)


class TcpReceiver:
    """Receives from all connections to one listening socket; who does not speak IPFIX is cut off."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._listening.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listening, selectors.EVENT_READ)
        self._connections: dict[socket.socket, _Connection] = {}

    def receive(self) -> Batch | None:
        """Wait a moment for messages; None when none came."""
        messages: list[tuple[_Connection, bytes]] = []
        for key, _ in self._selector.select(WAIT_S):
            if key.fileobj is self._listening:
                self._accept()
            elif isinstance(key.fileobj, socket.socket):
                messages += self._read(key.fileobj)
            if len(messages) >= BATCH:
                break
        if not messages:
            return None
        entries = np.zeros(len(messages), dtype=ENTRY)
        entries["sender"] = np.frombuffer(b"".join(one.sender for one, _ in messages), np.uint8).reshape(-1, 16)
        entries["port"] = [one.port for one, _ in messages]
        entries["length"] = [len(message) for _, message in messages]
        return Batch(entries, b"".join(message for _, message in messages))

    def _accept(self) -> None:
        try:
            connected, address = self._listening.accept()
        except OSError:
            return  # it went away before it was taken
        shown = f"{address[0]}:{address[1]}"
        if len(self._connections) >= MOST_CONNECTIONS:
            log_event("tcp_refused", address=shown, why=f"more than {MOST_CONNECTIONS} connections")
            connected.close()
            return
        connected.setblocking(False)
        packed = socket.inet_pton(self._listening.family, address[0].split("%")[0])
        sender = packed if len(packed) == 16 else bytes(10) + b"\xff\xff" + packed
        self._connections[connected] = _Connection(sender, address[1], shown)
        self._selector.register(connected, selectors.EVENT_READ)

    def _read(self, connected: socket.socket) -> list[tuple[_Connection, bytes]]:
        one = self._connections[connected]
        try:
            data = connected.recv(READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        one.data += data
        found, good = take_messages(one.data)
        if not good:
            log_event("tcp_closed", address=one.shown, why="what it sent is no IPFIX message")
        if not good or not data:
            self._end(connected)
        return [(one, message) for message in found]

    def _end(self, connected: socket.socket) -> None:
        one = self._connections.pop(connected)
        if one.data:
            log_event("tcp_cut", address=one.shown, why=f"{len(one.data):,} bytes of a message that did not end")
        self._selector.unregister(connected)
        connected.close()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket at the port of a UDP one.

    Raises:
        OSError: the port is taken by another program.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind((host, port))
        listening.listen(64)
    except OSError:
        listening.close()
        raise
    return listening
