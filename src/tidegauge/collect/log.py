"""Structured logs: one JSON object a line on standard error."""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

AT_MOST_EVERY_S = 10.0
_last: dict[str, tuple[float, int]] = {}
_lock = threading.Lock()


def log_event(event: str, *, limited: bool = False, **values: Any) -> None:
    """Write a line. A limited event is written at most every ten seconds, with how many were held back."""
    with _lock:
        if limited:
            at, held = _last.get(event, (float("-inf"), 0))
            if time.monotonic() - at < AT_MOST_EVERY_S:
                _last[event] = (at, held + 1)
                return
            _last[event] = (time.monotonic(), 0)
            if held:
                values["held_back"] = held
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        sys.stderr.write(json.dumps({"time": moment, "event": event, **values}) + "\n")
        sys.stderr.flush()
