"""nfcapd files, read by the `nfdump` program where it is installed; its output is read as a table."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from tidegauge.model import InputError
from tidegauge.wire.stream import Stream

MAGIC = b"\x0c\xa5"
COLUMNS = (
    ("time_start", "%tsr"), ("duration", "%td"), ("src", "%sa"), ("dst", "%da"), ("sp", "%sp"), ("dp", "%dp"),
    ("pr", "%pr"), ("flg", "%flg"), ("tos", "%tos"), ("packets", "%ipkt"), ("bytes", "%ibyt"), ("opkt", "%opkt"),
    ("obyt", "%obyt"), ("in", "%in"), ("out", "%out"), ("sas", "%sas"), ("das", "%das"), ("ra", "%ra"),
)
"""Our names or names that the table reader knows, and nfdump's format for each."""


def is_nfcapd(head: bytes) -> bool:
    return head[:2] == MAGIC


@contextmanager
def nfdump_table(path: str) -> Iterator[Stream]:
    """The flows of a file as CSV with a header.

    Raises:
        InputError: nfdump is not installed, or cannot read the file.
    """
    program = shutil.which("nfdump")
    if program is None:
        raise InputError("an nfcapd file, which needs the program nfdump", where=path, hint="apt install nfdump")
    wanted = "fmt:" + ",".join(code for _, code in COLUMNS)
    with subprocess.Popen(
        [program, "-r", path, "-q", "-N", "-6", "-o", wanted], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        header = ",".join(name for name, _ in COLUMNS) + "\n"
        yield Stream(cast(IO[bytes], _Prefixed(header.encode(), process.stdout)), path)
        said = process.stderr.read(2000).decode("utf-8", "replace").strip()
    if process.returncode:
        raise InputError(f"nfdump cannot read it: {said.splitlines()[0] if said else process.returncode}", where=path)


class _Prefixed:
    """A reader that gives some bytes before those of another."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        self._first, self._rest = first, rest

    def read(self, size: int = -1) -> bytes:
        if self._first:
            taken, self._first = self._first, b""
            return taken
        return self._rest.read(size)
