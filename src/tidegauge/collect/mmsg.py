"""Many datagrams with one system call: `recvmmsg(2)` through ctypes, its structures laid over NumPy arrays.

On systems without it (or with pointers that are not of 64 bits) one datagram is received a call.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BATCH = 256
SLOT = 65_536 + 192
"""Room for the largest datagram; the odd remainder keeps slots from falling onto the same cache lines."""
NAME_BYTES = 28
MSG_WAITFORONE = 0x10000
SO_RCVBUFFORCE = 33
SO_MEMINFO, MEMINFO_DROPS = 55, 8

IOVEC = np.dtype([("base", "<u8"), ("length", "<u8")])
MMSGHDR = np.dtype(
    [
        ("name", "<u8"), ("namelen", "<u4"), ("pad1", "<u4"), ("iov", "<u8"), ("iovlen", "<u8"),
        ("control", "<u8"), ("controllen", "<u8"), ("flags", "<i4"), ("pad2", "<u4"),
        ("length", "<u4"), ("pad3", "<u4"),
    ]
)

ENTRY = np.dtype([("sender", "u1", 16), ("port", "<u2"), ("length", "<u2")])
"""What is known of each datagram: sender (IPv4 as IPv4-mapped), its port, and the payload's length."""


@dataclass(frozen=True)
class Batch:
    """Datagrams in order of arrival: `ENTRY` rows, and their payloads one behind the other."""

    entries: NDArray[np.void]
    payloads: bytes


class BatchReceiver:
    """Receives from one UDP socket, as many datagrams as wait, at most `BATCH` at a time."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self._six = bound.family == socket.AF_INET6
        self._slots = np.empty((BATCH, SLOT), dtype=np.uint8)
        self._views = [slot.data for slot in self._slots]
        self._names = np.zeros((BATCH, NAME_BYTES), dtype=np.uint8)
        self._vectors = np.zeros(BATCH, dtype=IOVEC)
        self._vectors["base"] = self._slots.ctypes.data + np.arange(BATCH, dtype=np.uint64) * SLOT
        self._vectors["length"] = SLOT
        self._heads = np.zeros(BATCH, dtype=MMSGHDR)
        self._heads["name"] = self._names.ctypes.data + np.arange(BATCH, dtype=np.uint64) * NAME_BYTES
        self._heads["iov"] = self._vectors.ctypes.data + np.arange(BATCH, dtype=np.uint64) * IOVEC.itemsize
        self._heads["iovlen"] = 1
        self._call = None
        if sys.platform == "linux" and struct.calcsize("P") == 8 and sys.byteorder == "little":
            self._call = getattr(ctypes.CDLL(None, use_errno=True), "recvmmsg", None)

    def receive(self) -> Batch | None:
        """Wait for datagrams until the socket's timeout; None when none came."""
        if self._call is None:
            return self._receive_one()
        self._heads["namelen"] = NAME_BYTES
        count = self._call(
            self._socket.fileno(), ctypes.c_void_p(self._heads.ctypes.data), BATCH, MSG_WAITFORONE, None
        )
        if count < 0:
            code = ctypes.get_errno()
            if code in (errno.EAGAIN, errno.EINTR):
                return None
            raise OSError(code, os.strerror(code))
        lengths = self._heads["length"][:count]
        entries = np.zeros(count, dtype=ENTRY)
        entries["length"] = lengths
        names = self._names[:count]
        entries["port"] = names[:, 2].astype(np.uint16) << 8 | names[:, 3]
        if self._six:
            entries["sender"] = names[:, 8:24]
        else:
            entries["sender"][:, 10:12] = 0xFF
            entries["sender"][:, 12:] = names[:, 4:8]
        payloads = b"".join([view[:length] for view, length in zip(self._views, lengths.tolist(), strict=False)])
        return Batch(entries, payloads)

    def _receive_one(self) -> Batch | None:
        try:
            payload, address = self._socket.recvfrom(SLOT)
        except (TimeoutError, BlockingIOError):
            return None
        entries = np.zeros(1, dtype=ENTRY)
        entries["length"], entries["port"] = len(payload), address[1]
        packed = socket.inet_pton(self._socket.family, address[0].split("%")[0])
        entries["sender"][0] = np.frombuffer(packed if self._six else bytes(10) + b"\xff\xff" + packed, dtype=np.uint8)
        return Batch(entries, payload)


def bind(host: str, port: int, *, buffer_bytes: int, shared: bool, timeout_s: float = 0.2) -> socket.socket:
    """A UDP socket with as large a receive buffer as the system gives.

    Args:
        shared: several sockets of this port receive (`SO_REUSEPORT`).

    Raises:
        OSError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        try:
            bound.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer_bytes)
        except OSError:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
        # A timeout of the kernel's, not of Python's: the call must block in `recvmmsg`.
        bound.setblocking(True)
        seconds = int(timeout_s)
        timeout = struct.pack("ll", seconds, int((timeout_s - seconds) * 1e6))
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
    except OSError:
        bound.close()
        raise
    return bound


def kernel_drops(bound: socket.socket) -> int:
    """Datagrams that this socket has lost for want of room, since it was made; 0 where the system does not tell."""
    try:
        raw = bound.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 64)
    except OSError:
        return 0
    words = struct.unpack(f"{len(raw) // 4}I", raw)
    return words[MEMINFO_DROPS] if len(words) > MEMINFO_DROPS else 0
