"""The collector as a whole: the receiving process beside the decoding one, started and stopped together."""

from __future__ import annotations

import fcntl
import math
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tidegauge.collect.decoding import Consumer
from tidegauge.collect.log import log_event
from tidegauge.collect.metrics import serve_metrics
from tidegauge.collect.receiver import ReceiverSettings, receive
from tidegauge.collect.status import RECEIVER, read_status
from tidegauge.model import LakeError
from tidegauge.site import Site

STOP_PATIENCE_S = 30
DECODER_NICE = 10


class _Flag:
    """Something to stop by that a signal handler may set: it takes no lock, so a second signal does not stop it."""

    raised = False

    def set(self, *arguments: object) -> None:
        self.raised = True


def collect(
    site: Site, *, listen: tuple[tuple[str, int], ...] = (), metrics: tuple[str, int] | None = None,
    patience_s: float = math.inf,
) -> Any:
    """Collect until SIGTERM or SIGINT; everything received by then is in the lake when it returns.

    Args:
        listen: addresses and ports instead of the site's.
        patience_s: for how long what was received is decoded at the end; the rest waits in the spool.
    Returns:
        Counters of both processes.

    Raises:
        LakeError: the data folder cannot be used, or another collector uses it.
    """
    wanted = replace(site.collect, listen=listen or site.collect.listen, metrics=metrics or site.collect.metrics)
    folder = site.data / "collect"
    folder.mkdir(parents=True, exist_ok=True)
    stopping = _Flag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopping.set)
    settings = ReceiverSettings(
        folder, wanted.listen, wanted.sockets_each, wanted.receive_buffer_bytes, wanted.spool_bytes, wanted.sync_s
    )
    with _alone(folder), serve_metrics(wanted.metrics, folder), _receiving(settings, stopping) as receiver:
        # Decoding may fall behind, reception may not.
        os.nice(DECODER_NICE)
        consumer = Consumer(site, commit_s=wanted.commit_s)

        def done() -> bool:
            if not receiver.is_alive():
                stopping.set()
            if stopping.raised:
                _stop(receiver)
            return stopping.raised

        consumer.run(done, patience_s=patience_s)
        failed = receiver.exitcode not in (0, None)
    if failed:
        raise LakeError("the receiving process failed", where=str(folder), hint="its log lines say why")
    status = read_status(folder, RECEIVER) or {}
    return {
        "received": status.get("counts", {}),
        "decoded": dict(consumer.counts),
        "skipped": consumer.skipped.to_json(),
    }


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One collector a data folder: the spool has one reader."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LakeError(
                "another collector runs here", where=str(folder), hint="give each collector a site of its own"
            ) from None
        yield


@contextmanager
def _receiving(settings: ReceiverSettings, stopping: _Flag) -> Iterator[Any]:
    """The receiving process; a fresh interpreter, so that it shares nothing with this one."""
    process = multiprocessing.get_context("spawn").Process(
        target=receive, args=(settings, os.getpid()), name="tidegauge-receiver"
    )
    process.start()
    try:
        yield process
    finally:
        stopping.set()
        _stop(process)


def _stop(process: Any) -> None:
    if process.is_alive():
        process.terminate()
        process.join(STOP_PATIENCE_S)
        if process.is_alive():
            log_event("receiver_killed", why="it did not stop when it was told to")
            process.kill()
            process.join()
