"""Hostile content is opened in a process of its own, with a limit of time and memory; if that dies, only it dies."""

from __future__ import annotations

import resource
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from tidegauge.content.attachments import Inside, look_inside

T = TypeVar("T")
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
        limit_s: what one may take, seconds; `LIMIT_S` where nothing is said.
    """

    def __init__(self, *, here: bool = False, limit_s: float | None = None) -> None:
        self._here, self._limit_s = here, limit_s
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
        if kind in AT_ONCE:
            return look_inside(data, kind, name)
        found = self.run(look_inside, data, kind, name)
        return Inside(troubles=[found]) if isinstance(found, str) else found

    def run(self, reader: Callable[..., T], *arguments: Any) -> T | str:
        """What a reader makes of its arguments, or in one line why it could not."""
        try:
            if self._here:
                return reader(*arguments)
            if self._pool is None:
                self._pool = ProcessPool(max_workers=1, max_tasks=500, context=get_context("spawn"), initializer=_begin)
            return self._pool.schedule(reader, args=arguments, timeout=self._limit_s or LIMIT_S).result()
        except FutureTimeout:
            return f"not opened within {self._limit_s or LIMIT_S:g} s"
        except BrokenProcessPool:
            self.__exit__(None, None, None)
            return "no process could be started to open it in"
        except (ProcessExpired, MemoryError):
            return "its reader died at it, most likely for want of memory"
        except Exception as error:  # Libraries raise anything at hostile bytes; the reason is kept.
            return f"can't be read: {type(error).__name__} {str(error)[:80]}".rstrip()
