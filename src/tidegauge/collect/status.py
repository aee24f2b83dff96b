"""What the collector's processes say of themselves, in small files that `doctor` and `/metrics` read."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

RECEIVER, DECODER = "receiver", "decoder"
STALE_S = 10
"""A status older than this is of a process that does not run any more."""


def write_status(folder: Path, name: str, values: dict[str, Any]) -> None:
    """Replace a status at once; a full disk is no reason to stop."""
    path = folder / f"{name}.json"
    staged = path.with_suffix(".part")
    try:
        staged.write_text(json.dumps({"time_s": time.time(), "pid": os.getpid(), **values}), encoding="utf-8")
        os.replace(staged, path)
    except OSError:
        staged.unlink(missing_ok=True)


def read_status(folder: Path, name: str) -> dict[str, Any] | None:
    """The last status; None where there never was one."""
    try:
        read = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) else None
