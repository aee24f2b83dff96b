"""The files that are meant by paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tidegauge.model import UsageError

SKIPPED_NAMES = (".tmp", ".part", ".swp")


@dataclass(frozen=True)
class Found:
    """A file to take in: `named` by the user, or found in a directory, where other files may lie too."""

    path: str
    named: bool


def find_files(paths: list[str], besides: Path | None = None) -> list[Found]:
    """The files meant by paths: directories are searched, in order of name; hidden and temporary files left out, and
    what lies in the folder `besides`: a site's own data are no input.

    Raises:
        UsageError: a path does not exist.
    """
    found: dict[str, Found] = {}
    for path in paths:
        place = Path(path)
        if path == "-" or place.is_file() or place.is_fifo():
            found[path] = Found(path, named=True)
        elif place.is_dir():
            for inside in sorted(p for p in place.rglob("*") if p.is_file()):
                hidden = any(part.startswith(".") for part in inside.relative_to(place).parts)
                own = besides is not None and inside.resolve().is_relative_to(besides.resolve())
                if not hidden and not own and inside.suffix not in SKIPPED_NAMES:
                    found.setdefault(str(inside), Found(str(inside), named=False))
        else:
            raise UsageError("no such file or directory", where=path)
    return list(found.values())
