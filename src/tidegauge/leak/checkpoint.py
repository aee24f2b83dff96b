"""Results of a long look through many files, kept file by file so that it can go on where it was ended.

An SQLite file that only its owner can read; it holds findings (masked) and keyed hashes of values, never a value. The
key lies beside it and goes with the hashes once everything was looked at: then only findings and counts are left.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

from tidegauge.leak.people import State
from tidegauge.model import InputError, shapes

VERSION = "1"
KEY_BYTES = 16


@dataclass
class Looked:
    """What one file came to.

    Attributes:
        findings: as JSON (`docs/reference/json.md`).
        state: its values as hashes, and what ties them to persons.
        skipped: what in it was left out, and why.
        matched: keyed hashes of an organisation's own values that are in it, by kind.
    """

    findings: list[shapes.Finding]
    state: State
    skipped: list[shapes.LeftOut]
    texts: int = 0
    size: int = 0
    samples: Counter[str] = field(default_factory=Counter)
    exchanges: Counter[tuple[str, str]] = field(default_factory=Counter)
    newest: str = ""
    oldest: str = ""
    matched: dict[str, set[str]] = field(default_factory=dict)

    def packed(self) -> tuple[str, bytes]:
        """As text and arrays."""
        kinds, ties, held, homes, names = self.state
        arrays = {"ties": ties, "held": held, "homes": homes} | {f"kind {kind}": marks for kind, marks in kinds.items()}
        out = io.BytesIO()
        np.savez(out, **arrays)  # type: ignore[arg-type]
        told = {
            "findings": self.findings, "skipped": self.skipped, "texts": self.texts, "bytes": self.size,
            "samples": self.samples, "newest": self.newest, "oldest": self.oldest, "names": names,
            "exchanges": [[*pair, count] for pair, count in self.exchanges.items()],
            "matched": {kind: sorted(found) for kind, found in self.matched.items()},
        }
        return json.dumps(told, ensure_ascii=False), out.getvalue()

    @classmethod
    def unpacked(cls, text: str, data: bytes) -> Looked:
        told = json.loads(text)
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            kinds = {name[5:]: arrays[name] for name in arrays.files if name.startswith("kind ")}
            state = kinds, arrays["ties"], arrays["held"], arrays["homes"], list(told["names"])
        return cls(
            told["findings"], state, told["skipped"], told["texts"], told["bytes"], Counter(told["samples"]),
            Counter({(a, b): count for a, b, count in told["exchanges"]}), told["newest"], told["oldest"],
            {kind: set(found) for kind, found in told["matched"].items()},
        )


class Kept:
    """A context manager over the file; `key` is that of the hashes in it.

    Raises:
        InputError: it cannot be opened, or is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._key_path = path, path.with_name(path.name + ".key")
        self.key = b""
        self._link: sqlite3.Connection | None = None

    def __enter__(self) -> Kept:
        try:
            if not self._path.exists():
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
            self._link = sqlite3.connect(self._path)
            self._link.execute("PRAGMA secure_delete = ON")
            self._link.execute(
                "CREATE TABLE IF NOT EXISTS looked"
                " (path TEXT PRIMARY KEY, size INT, changed_ns INT, told TEXT, marks BLOB)"
            )
            self._link.execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT)")
            version = self._about("version")
            if version not in (None, VERSION):
                raise InputError(f"made by another version ({version})", where=str(self._path))
            self._link.execute("INSERT OR REPLACE INTO about VALUES ('version', ?)", (VERSION,))
            if not self._key_path.exists():
                # Without their key the hashes of an earlier run say nothing: it begins anew.
                self._link.execute("DELETE FROM looked")
                handle = os.open(self._key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                with os.fdopen(handle, "wb") as file:
                    file.write(secrets.token_bytes(KEY_BYTES))
            self._link.commit()
            self.key = self._key_path.read_bytes()
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"results cannot be kept there: {error}", where=str(self._path)) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _about(self, name: str) -> str | None:
        assert self._link is not None
        row = self._link.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def known(self, path: Path) -> Looked | None:
        """What a file came to, where it was looked at and has not changed since."""
        assert self._link is not None
        row = self._link.execute(
            "SELECT told, marks, size, changed_ns FROM looked WHERE path = ?", (str(path.absolute()),)
        ).fetchone()
        if row is None or (row[2], row[3]) != _state_of(path):
            return None
        return Looked.unpacked(row[0], row[1])

    def keep(self, path: Path, looked: Looked) -> None:
        """Keep what a file came to."""
        assert self._link is not None
        row = (str(path.absolute()), *_state_of(path), *looked.packed())
        self._link.execute("INSERT OR REPLACE INTO looked VALUES (?, ?, ?, ?, ?)", row)
        self._link.commit()

    def finish(self, reply: shapes.Leaks) -> None:
        """Everything was looked at: the reply stays, hashes and their key go."""
        assert self._link is not None
        self._link.execute("DELETE FROM looked")
        told = json.dumps(reply, ensure_ascii=False)
        self._link.execute("INSERT OR REPLACE INTO about VALUES ('reply', ?)", (told,))
        self._link.commit()
        self._link.execute("VACUUM")
        self._key_path.unlink(missing_ok=True)


def _state_of(path: Path) -> tuple[int, int]:
    try:
        told = path.stat()
    except OSError:
        return -1, -1
    return told.st_size, told.st_mtime_ns
