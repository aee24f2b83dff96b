"""Questions as work for a bounded pool of processes: each has a limit of time and memory, and can be cancelled."""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal

from pebble import ProcessExpired, ProcessPool
from pydantic import BaseModel, ConfigDict, Field

from tidegauge.app.answers import ANSWERS
from tidegauge.context import SiteContext
from tidegauge.model import LakeError, TidegaugeError, UsageError
from tidegauge.site import Site, load_site

QUESTIONS_A_PROCESS = 200
"""After so many a process makes way for a fresh one."""
NICE = 5


class SealQuestion(BaseModel):
    """A question whose answer becomes evidence."""

    model_config = ConfigDict(extra="forbid")

    verb: Literal["ask", "series", "top", "coverage", "hunt", "origin", "origins"]
    question: Annotated[dict[str, Any], Field(max_length=40, examples=[{"from": "KP", "since": "2014-11-24"}])]


class VerifyQuestion(BaseModel):
    """Is a case as it was sealed? Never answered from what was kept: each has a number of its own."""

    name: str
    number: int = Field(default_factory=time.monotonic_ns)


def _seal(here: SiteContext, question: Any, progress: Callable[[str], None]) -> dict[str, Any]:
    from tidegauge.case.evidence import seal

    return seal(here.site, question.verb, question.question)


def _verify(here: SiteContext, question: Any, progress: Callable[[str], None]) -> Mapping[str, Any]:
    from tidegauge.case import Cases, verify

    cases = Cases(here.store, here.site.folder)
    return verify(here.site, cases, cases.get(question.name), progress).to_json()


QUESTIONS = ANSWERS | {"seal": (SealQuestion, _seal), "verify": (VerifyQuestion, _verify)}
"""All that the pool answers: questions of the verbs, and those of cases."""


class BusyError(TidegaugeError):
    """More questions wait than may."""


class TooLongError(TidegaugeError):
    """A question took longer than it may."""


class TooLargeError(TidegaugeError):
    """A question took more memory than it may, or its process died."""


class StoppedError(TidegaugeError):
    """A question was cancelled."""


KINDS: dict[str, type[TidegaugeError]] = {"usage": UsageError, "lake": LakeError, "memory": TooLargeError}


@dataclass(frozen=True)
class Failed:
    """An error of a question, as it comes back from its process; `kind` of `KINDS`, or another."""

    kind: str
    what: str
    where: str
    hint: str


def _begin(memory_mb: int, niceness: int) -> None:
    """What a process of the pool does first."""
    os.nice(niceness)
    if memory_mb:
        limit = memory_mb << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


@lru_cache(maxsize=4)
def _site(folder: Path, changed_ns: int) -> Site:
    return load_site(folder)


def _perform(folder: Path, verb: str, question: Any, steps: str) -> bytes | Failed:
    """Answer a question in this process; its steps go into a file, a line each."""

    def progress(step: str) -> None:
        with open(steps, "a", encoding="utf-8") as file:
            file.write(json.dumps(step) + "\n")

    try:
        site = _site(folder, (folder / "tidegauge.toml").stat().st_mtime_ns)
        told = QUESTIONS[verb][1](SiteContext(site), question, progress)
        return json.dumps(told, ensure_ascii=False).encode()
    except TidegaugeError as error:
        kind = next((name for name, own in KINDS.items() if isinstance(error, own)), "other")
        return Failed(kind, error.what, error.where, error.hint)
    except MemoryError:
        return Failed("memory", "the question took more memory than it may", "", "a shorter time, or a narrower one")


class Task:
    """A question on its way; several may wait for it."""

    def __init__(self, future: Future[Any], steps: Path, limit_s: float) -> None:
        self._future, self._steps, self._limit_s = future, steps, limit_s
        self.waiting = 0

    @property
    def future(self) -> Future[Any]:
        return self._future

    @property
    def done(self) -> bool:
        return bool(self._future.done())

    def steps(self) -> list[str]:
        """What it has done so far."""
        try:
            return [json.loads(line) for line in self._steps.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError):
            return []

    def cancel(self) -> None:
        """Stop it; its process is ended."""
        self._future.cancel()

    def result(self) -> bytes:
        """What it gave.

        Raises:
            TidegaugeError: what went wrong in it, or that it was stopped.
        """
        try:
            found = self._future.result(timeout=0)
        except CancelledError:
            raise StoppedError("the question was cancelled") from None
        except FutureTimeout:
            raise TooLongError(
                f"the question took longer than {self._limit_s:g} s", hint="ask it as a job (Prefer: respond-async)"
            ) from None
        except (ProcessExpired, MemoryError):
            raise TooLargeError(
                "the process that answered died, most likely for want of memory", hint="a shorter time"
            ) from None
        if isinstance(found, Failed):
            raise KINDS.get(found.kind, TidegaugeError)(found.what, where=found.where, hint=found.hint)
        assert isinstance(found, bytes)
        return found


class Work:
    """The pool; a context manager that ends its processes.

    Args:
        workers: questions that are answered at once.
        waiting: how many more may wait.
        memory_mb: what one may take.
    """

    def __init__(self, folder: Path, *, workers: int, waiting: int, memory_mb: int) -> None:
        self._folder, self._memory_mb = folder.resolve(), memory_mb
        self._workers, self._most = workers, workers + waiting
        self._open: set[Task] = set()
        self.counts = {"asked": 0, "answered": 0, "refused": 0, "failed": 0}

    def __enter__(self) -> Work:
        self._scratch = tempfile.TemporaryDirectory(prefix="tidegauge-")
        self._pool = ProcessPool(
            max_workers=self._workers, max_tasks=QUESTIONS_A_PROCESS, context=get_context("spawn"),
            initializer=_begin, initargs=(self._memory_mb, NICE),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
        self._scratch.cleanup()

    def put(self, verb: str, question: Any, limit_s: float) -> Task:
        """Have a question answered.

        Raises:
            BusyError: too many wait.
        """
        if len(self._open) >= self._most:
            self.counts["refused"] += 1
            raise BusyError("too many questions wait", hint="ask again in a few seconds")
        self.counts["asked"] += 1
        handle, steps = tempfile.mkstemp(dir=self._scratch.name)
        os.close(handle)
        future = self._pool.schedule(_perform, args=(self._folder, verb, question, steps), timeout=limit_s)
        task = Task(future, Path(steps), limit_s)
        self._open.add(task)

        def over(done: Future[Any]) -> None:
            self._open.discard(task)
            good = not done.cancelled() and done.exception() is None
            self.counts["answered" if good else "failed"] += 1
            Path(steps).unlink(missing_ok=True)

        future.add_done_callback(over)
        return task

    @property
    def open(self) -> int:
        """Questions that are being answered, or wait."""
        return len(self._open)
