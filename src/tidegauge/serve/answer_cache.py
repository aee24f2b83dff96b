"""Where questions come in: the same one is answered once, and an answer is kept as long as what it rests on stays."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from tidegauge import __version__
from tidegauge.context import SiteContext
from tidegauge.model import TidegaugeError, parse_duration
from tidegauge.serve.question_pool import StoppedError, Task, Work
from tidegauge.site import FILE_NAME, Site

MOST_KEPT_BYTES, MOST_JOBS, JOB_KEPT_S = 64 << 20, 200, 3600
LAST_SHOWN = 20
STEP_S = 300
"""Answers about time that still goes on are kept for so long at most."""


@dataclass(frozen=True)
class Given:
    """An answer as JSON text; `tag` names it where it is about time that is over."""

    body: bytes
    tag: str | None


@dataclass
class Job:
    """A question that somebody asked and does not wait for."""

    id: str
    owner: str
    verb: str
    begun_s: float
    task: asyncio.Task[Given]
    key: str
    given: Given | None = None
    error: TidegaugeError | None = None

    @property
    def state(self) -> str:
        if not self.task.done():
            return "running"
        return "cancelled" if isinstance(self.error, StoppedError) else "failed" if self.error else "done"


def stands_on(site: Site, verb: str, question: Any) -> tuple[str, bool]:
    """A name for a question and all that its answer rests on; and whether that is over, so that the answer stays.

    Raises:
        UsageError: its times cannot be read.
    """
    here = SiteContext(site)
    since_text, until_text = getattr(question, "since", None), getattr(question, "until", None)
    since_s, until_s, now_s = here.moment_s(since_text), here.moment_s(until_text), here.now_s
    reach_s = parse_duration(question.baseline) if hasattr(question, "baseline") else 0
    begin_us = None if since_s is None else (since_s - reach_s) * 1_000_000
    segments = [
        (s.path, s.atlas) for kind in ("flows", "coverage", "names")
        for s in here.lake.manifest.segments(kind, begin_us, None if until_s is None else until_s * 1_000_000)
    ]
    changed = [here.store.changed(name) for name in ("editions", "watches", "found")]
    moving = any(text is not None and text.strip().startswith(("-", "now")) for text in (since_text, until_text))
    closed = until_s is not None and not moving and until_s <= now_s
    moment = () if closed else ((since_s or 0) // STEP_S, now_s // STEP_S)
    settings = (site.folder / FILE_NAME).stat().st_mtime_ns
    rests = repr((__version__, verb, question.model_dump_json(), changed, moment, settings, segments))
    return hashlib.blake2b(rests.encode(), digest_size=16).hexdigest(), closed


@dataclass
class Desk:
    """Answers, jobs, and what was answered last; used from one event loop."""

    site: Site
    work: Work
    _kept: OrderedDict[str, Given] = field(default_factory=OrderedDict)
    _kept_bytes: int = 0
    _running: dict[str, Task] = field(default_factory=dict)
    jobs: OrderedDict[str, Job] = field(default_factory=OrderedDict)
    last: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=LAST_SHOWN))

    async def answer(self, verb: str, question: Any) -> Given:
        """Answer while somebody waits; who stops waiting calls it off, unless others wait for the same.

        Raises:
            TidegaugeError: what went wrong.
        """
        key, closed = await asyncio.to_thread(stands_on, self.site, verb, question)
        return await self._answer(key, closed, verb, question, self.site.serve.question_s)

    async def _answer(self, key: str, closed: bool, verb: str, question: Any, limit_s: float) -> Given:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = self.work.put(verb, question, limit_s)
            task.future.add_done_callback(lambda done: self._running.pop(key, None))
        task.waiting += 1
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        task.future.add_done_callback(lambda done: loop.call_soon_threadsafe(over.set))
        try:
            await over.wait()
        finally:
            task.waiting -= 1
            if not task.waiting and not task.done:
                task.cancel()
        body = task.result()
        given = Given(body, f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"' if closed else None)
        self._keep(key, given)
        return given

    def _keep(self, key: str, given: Given) -> None:
        if key in self._kept or len(given.body) > MOST_KEPT_BYTES // 8:
            return
        self._kept[key] = given
        self._kept_bytes += len(given.body)
        while self._kept_bytes > MOST_KEPT_BYTES:
            _, old = self._kept.popitem(last=False)
            self._kept_bytes -= len(old.body)

    def note_last(self, who: str, verb: str, question: Any) -> None:
        """Remember what was answered, for the page that shows it."""
        self.last.appendleft({"at_s": int(time.time()), "who": who, "verb": verb, "question": question.told()})

    async def begin(self, verb: str, question: Any, owner: str) -> Job:
        """Answer while nobody waits.

        Raises:
            TidegaugeError: the question cannot be read, or too many wait.
        """
        key, closed = await asyncio.to_thread(stands_on, self.site, verb, question)
        now_s = time.time()
        for name in [n for n, j in self.jobs.items() if j.task.done() and now_s - j.begun_s > JOB_KEPT_S]:
            del self.jobs[name]
        for name in [n for n, j in self.jobs.items() if j.task.done()][: max(len(self.jobs) - MOST_JOBS + 1, 0)]:
            del self.jobs[name]
        running = asyncio.ensure_future(self._answer(key, closed, verb, question, self.site.serve.job_s))
        job = Job(secrets.token_hex(16), owner, verb, now_s, running, key)
        self.jobs[job.id] = job

        def over(done: asyncio.Task[Given]) -> None:
            if done.cancelled():
                job.error = StoppedError("the question was cancelled")
            elif error := done.exception():
                job.error = error if isinstance(error, TidegaugeError) else TidegaugeError("the question failed")
            else:
                job.given = done.result()

        running.add_done_callback(over)
        return job

    def steps(self, job: Job) -> list[str]:
        """What a job has done so far."""
        task = self._running.get(job.key)
        return task.steps() if task else []
