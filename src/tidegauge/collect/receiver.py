"""The receiving process: from sockets to the spool, and nothing else.

A thread a socket takes datagrams from the kernel; one thread writes frames, one makes them durable. Between them lies
a queue of bounded size, so that a disk that stalls for a moment costs nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from tidegauge.collect.log import log_event
from tidegauge.collect.mmsg import BATCH, Batch, BatchReceiver, bind, kernel_drops
from tidegauge.collect.spool import DATA, KERNEL_DROPPED, SPOOL_DROPPED, SpoolWriter, batch_parts
from tidegauge.collect.status import RECEIVER, write_status
from tidegauge.collect.tcp import TcpReceiver, listen

QUEUE_BYTES = 256 << 20
BIND_PATIENCE_S = 10
PR_SET_PDEATHSIG = 1
GATHER_S = 0.001
STATUS_S, POLL_S = 1.0, 0.1
DRAIN_S = 3.0
"""How long a stop waits at most for what the kernel holds."""


@dataclass(frozen=True)
class ReceiverSettings:
    """What the receiving process needs to know.

    Attributes:
        listen: addresses and ports.
        sockets_each: sockets on each of them.
        buffer_bytes: receive buffer asked of the kernel, a socket.
        spool_bytes: the most that the spool may take.
        sync_s: how often it is made durable.
    """

    folder: Path
    listen: tuple[tuple[str, int], ...]
    sockets_each: int
    buffer_bytes: int
    spool_bytes: int
    sync_s: float


class Receiver:
    """Owns the sockets, the threads and the spool's writing end while `run` runs."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings
        self._queue: SimpleQueue[tuple[int, int, Batch | int]] = SimpleQueue()
        self._queued = 0
        self._lock = threading.Lock()
        # A plain flag: an Event's lock would be taken again by a signal that interrupts another one's handler.
        self._stopping = False
        self._counts: Counter[str] = Counter()
        self._unspooled = 0
        self._states: dict[str, str] = {}
        self._errors: list[str] = []

    def stop(self, *arguments: object) -> None:
        self._stopping = True

    def run(self) -> int:
        """Receive until `stop`; the exit status."""
        settings = self._settings
        sockets: list[socket.socket] = []
        try:
            for host, port in settings.listen:
                sockets += [self._bind(host, port) for _ in range(settings.sockets_each)]
                sockets += self._listen(host, sockets[-1].getsockname()[1])
        except OSError as error:
            log_event("cannot_listen", address=f"{host}:{port}", why=str(error))
            return 1
        with SpoolWriter(settings.folder / "spool", limit_bytes=settings.spool_bytes) as spool:
            takers = [threading.Thread(target=self._take, args=(s,), daemon=True) for s in sockets]
            writer = threading.Thread(target=self._write, args=(spool,), daemon=True)
            syncer = threading.Thread(target=self._sync, args=(spool,), daemon=True)
            for thread in (*takers, writer, syncer):
                thread.start()
            for bound in sockets:
                event = "listening" if bound.type == socket.SOCK_DGRAM else "tcp_ready"
                log_event(event, address=_shown(bound), buffer_bytes=_buffer(bound))
            drops = dict.fromkeys((s for s in sockets if s.type == socket.SOCK_DGRAM), 0)
            while self._pause(STATUS_S):
                self._note_drops(drops)
                self._status(spool, sockets)
            for taker in takers:
                taker.join()
            self._note_drops(drops)
            self._queue.put((0, 0, 0))
            writer.join()
            syncer.join()
            self._status(spool, sockets)
        for bound in sockets:
            bound.close()
        return 1 if self._errors else 0

    def _pause(self, seconds: float) -> bool:
        """Wait; False as soon as it is time to stop."""
        deadline = time.monotonic() + seconds
        while not self._stopping and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, POLL_S))
        return not self._stopping

    def _bind(self, host: str, port: int) -> socket.socket:
        """Bind, waiting a little for a predecessor that is about to let go of the port."""
        deadline = time.monotonic() + BIND_PATIENCE_S
        shared = self._settings.sockets_each > 1
        while True:
            try:
                return bind(host, port, buffer_bytes=self._settings.buffer_bytes, shared=shared)
            except OSError:
                if time.monotonic() > deadline or self._stopping:
                    raise
                time.sleep(0.1)

    def _listen(self, host: str, port: int) -> list[socket.socket]:
        """Listen for IPFIX over TCP at the port of a UDP socket; none where another program has that port."""
        try:
            return [listen(host, port)]
        except OSError as error:
            log_event("no_tcp", address=f"{host}:{port}", why=str(error))
            return []

    def _take(self, bound: socket.socket) -> None:
        receiver = BatchReceiver(bound) if bound.type == socket.SOCK_DGRAM else TcpReceiver(bound)
        deadline = None
        while True:
            # What the kernel holds when it is time to stop is taken first; who goes on sending does not hold it up.
            if self._stopping and deadline is None:
                deadline = time.monotonic() + DRAIN_S
            if deadline is not None and time.monotonic() > deadline:
                return
            try:
                batch = receiver.receive()
            except OSError as error:
                self._errors.append(str(error))
                log_event("socket_failed", address=_shown(bound), why=str(error))
                self.stop()
                return
            if batch is None:
                if deadline is not None:
                    return
                continue
            count = len(batch.entries)
            with self._lock:
                self._counts["datagrams"] += count
                self._counts["bytes"] += len(batch.payloads)
                if self._queued > QUEUE_BYTES:
                    self._unspooled += count
                    continue
                self._queued += len(batch.payloads)
            self._queue.put((DATA, time.time_ns() // 1000, batch))
            if count < BATCH // 2 and deadline is None:
                # A little later more are there: few large batches cost less than many small ones.
                time.sleep(GATHER_S)

    def _note_drops(self, before: dict[socket.socket, int]) -> None:
        for bound, known in before.items():
            now = kernel_drops(bound)
            if new := (now - known) & 0xFFFFFFFF:
                before[bound] = now
                self._counts["kernel_dropped"] += new
                self._queue.put((KERNEL_DROPPED, time.time_ns() // 1000, new))

    def _write(self, spool: SpoolWriter) -> None:
        while True:
            try:
                kind, arrived_us, batch = self._queue.get(timeout=0.5)
            except Empty:
                continue
            if not kind:
                self._count_unspooled(spool, time.time_ns() // 1000)
                return
            if isinstance(batch, Batch):
                with self._lock:
                    self._queued -= len(batch.payloads)
            count = len(batch.entries) if isinstance(batch, Batch) else batch
            if spool.full:
                self._refuse("spool_full", "the spool has reached its limit", count if kind == DATA else 0)
                continue
            try:
                self._count_unspooled(spool, arrived_us)
                parts = batch_parts(batch) if isinstance(batch, Batch) else ()
                spool.write(kind, count, arrived_us, *parts)
                self._counts["spooled"] += count if kind == DATA else 0
                self._states.clear()
            except OSError as error:
                self._refuse("spool_failed", f"the spool cannot be written: {error.strerror}", count)

    def _count_unspooled(self, spool: SpoolWriter, arrived_us: int) -> None:
        """Tell the decoder how many datagrams found no place, once there is one for that."""
        with self._lock:
            dropped = self._unspooled
        if not dropped:
            return
        try:
            spool.write(SPOOL_DROPPED, dropped, arrived_us)
        except OSError:
            return  # they wait on
        with self._lock:
            self._unspooled -= dropped
        self._counts["spool_dropped"] += dropped

    def _refuse(self, state: str, why: str, count: int) -> None:
        if state not in self._states:
            log_event(state, why=why)
        self._states[state] = why
        with self._lock:
            self._unspooled += count

    def _sync(self, spool: SpoolWriter) -> None:
        while self._pause(self._settings.sync_s):
            try:
                spool.sync()
            except OSError as error:
                self._states["sync_failed"] = f"the spool cannot be made durable: {error.strerror}"

    def _status(self, spool: SpoolWriter, sockets: list[socket.socket]) -> None:
        write_status(
            self._settings.folder,
            RECEIVER,
            {
                "listening": [_shown(s) for s in sockets],
                "buffer_bytes": [_buffer(s) for s in sockets],
                "buffer_wanted": self._settings.buffer_bytes,
                "queued_bytes": self._queued,
                "spool_bytes": spool.total,
                "spool_limit": self._settings.spool_bytes,
                "waiting_to_count": self._unspooled,
                "counts": dict(self._counts),
                "states": self._states,
            },
        )


def _shown(bound: socket.socket) -> str:
    try:
        host, port = bound.getsockname()[:2]
    except OSError:
        return "closed socket"
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return shown if bound.type == socket.SOCK_DGRAM else f"tcp {shown}"


def _buffer(bound: socket.socket) -> int:
    """The buffer as asked for: the kernel doubles it for its own needs and tells the doubled size."""
    return bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def receive(settings: ReceiverSettings, parent: int) -> None:
    """The process: receives until told to stop, or until its parent is gone."""
    receiver = Receiver(settings)
    signal.signal(signal.SIGTERM, receiver.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
    sys.exit(receiver.run())
