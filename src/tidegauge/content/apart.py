"""Hostile content is opened in a process of its own, with a limit of time and memory; if that dies, only it dies."""

from __future__ import annotations

import resource
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType

from pebble import ProcessExpired, ProcessPool

from tidegauge.content.inside import Inside, look_inside

LIMIT_S = 10.0
MEMORY_MB = 1024
AT_ONCE = frozenset({"text", "html"})
"""Kinds that our own bounded readers take: they need no other process."""


def _begin() -> None:
    limit = MEMORY_MB << 20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Apart:
    """Opens attachments; a context manager that ends its process.

    Args:
        here: open them in this process, where that is one that may die (a worker of the service).
    """

    def __init__(self, *, here: bool = False) -> None:
        self._here = here
        self._pool: ProcessPool | None = None

    def __enter__(self) -> Apart:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
            self._pool = None

    def open(self, data: bytes, kind: str, name: str) -> Inside:
        """What lies in an attachment; that it took too long or broke its reader stands in `troubles`."""
        if self._here or kind in AT_ONCE:
            return look_inside(data, kind, name)
        if self._pool is None:
            self._pool = ProcessPool(max_workers=1, max_tasks=500, context=get_context("spawn"), initializer=_begin)
        try:
            found = self._pool.schedule(look_inside, args=(data, kind, name), timeout=LIMIT_S).result()
        except FutureTimeout:
            return Inside(troubles=[f"not opened within {LIMIT_S:g} s"])
        except BrokenProcessPool:
            self.__exit__(None, None, None)
            return Inside(troubles=["no process could be started to open it in"])
        except (ProcessExpired, MemoryError):
            return Inside(troubles=["its reader died at it, most likely for want of memory"])
        assert isinstance(found, Inside)
        return found
