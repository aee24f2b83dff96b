"""The service as one group of processes: each part is started again when it dies, with back-off, and all end together.

A task a part waits for its process (asyncio); what each part is and how often it died stands in a status file that
`doctor` reads. Parts end by themselves when this process is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tidegauge.collect import log_event, write_status
from tidegauge.model import LakeError

FIRST_WAIT_S, LONGEST_WAIT_S, STEADY_S = 0.5, 30.0, 60.0
STOP_S = 9.0
"""After so long what has not ended is killed: what it was doing is taken up at the next start."""
GROUP = "group"
PR_SET_PDEATHSIG = 1
STATUS_S = 1.0


@dataclass
class Part:
    """One process of the group, as its status tells it."""

    name: str
    command: list[str]
    pid: int = 0
    state: str = "starting"
    deaths: int = 0
    last_exit: int | None = None
    since_s: float = 0.0


class Group:
    """Runs parts until it is told to stop.

    Args:
        folder: where the status is kept.
        commands: what each part is started with.
        handed: file descriptors that parts take over: a socket that stays open while a part is started again.
    """

    def __init__(self, folder: Path, commands: dict[str, list[str]], *, handed: tuple[int, ...] = ()) -> None:
        self._folder, self._handed = folder, handed
        self.parts = [Part(name, command) for name, command in commands.items()]
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start all, keep them running, and end them at SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        async with asyncio.TaskGroup() as tasks:
            for part in self.parts:
                tasks.create_task(self._keep(part))
            tasks.create_task(self._tell())

    async def _keep(self, part: Part) -> None:
        loop, wait_s = asyncio.get_running_loop(), FIRST_WAIT_S
        while not self._stopping.is_set():
            process = await asyncio.create_subprocess_exec(
                *part.command, env={**os.environ, "TIDEGAUGE_GROUP": str(os.getpid())}, start_new_session=True,
                pass_fds=self._handed,
            )
            part.pid, part.state, part.since_s = process.pid, "running", time.time()
            log_event("part_started", part=part.name, pid=process.pid)
            ended = asyncio.create_task(process.wait())
            stopped = asyncio.create_task(self._stopping.wait())
            await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if self._stopping.is_set():
                await self._end(part, process, ended)
                return
            part.last_exit, part.deaths, part.state = process.returncode, part.deaths + 1, "died"
            # What it started may still have something to bring to an end (a receiver's queue).
            _signal_session(process.pid, signal.SIGTERM)
            loop.call_later(STOP_S, _signal_session, process.pid, signal.SIGKILL)
            if time.time() - part.since_s > STEADY_S:
                wait_s = FIRST_WAIT_S
            log_event("part_died", part=part.name, exit=process.returncode, again_in_s=wait_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def _end(self, part: Part, process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
        part.state = "ending"
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(ended), STOP_S)
        except TimeoutError:
            log_event("part_killed", part=part.name, why=f"it did not end within {STOP_S:g} s")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await ended
        _signal_session(process.pid, signal.SIGKILL)
        part.state, part.last_exit = "ended", process.returncode

    async def _tell(self) -> None:
        while True:
            write_status(self._folder, GROUP, {"parts": [asdict(part) for part in self.parts]})
            if self._stopping.is_set() and all(part.state in ("ended", "died", "starting") for part in self.parts):
                return
            await asyncio.sleep(STATUS_S if not self._stopping.is_set() else 0.1)


def _signal_session(leader: int, number: signal.Signals) -> None:
    """To what a part left behind; each is the leader of a session of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def end_with_group() -> None:
    """Have this process end when the group's is gone; for parts, at their start."""
    parent = os.environ.get("TIDEGAUGE_GROUP")
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit(1)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One service a site.

    Raises:
        LakeError: another one runs here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LakeError("another service runs here", where=str(folder), hint="stop it first") from None
        yield
