"""Secret keys of a site: in a folder beside the data, one file each, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from tidegauge.model import LakeError

KEY_BYTES = 32


def site_key(folder: Path, name: str) -> bytes:
    """The key of a name; made when it is first wanted. Two processes that want it at once get the same one.

    Raises:
        LakeError: it cannot be read or made.
    """
    path = folder / "keys" / f"{name}.key"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            staged = path.with_name(f".{name}.{secrets.token_hex(8)}")
            handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(staged, path)  # fails where another process was first
            except FileExistsError:
                pass
            finally:
                staged.unlink()
        key = path.read_bytes()
    except OSError as error:
        raise LakeError(f"a key cannot be used: {error.strerror or error}", where=str(path)) from None
    if len(key) != KEY_BYTES:
        raise LakeError(f"not a key of {KEY_BYTES} bytes", where=str(path), hint="restore it from a backup")
    return key
