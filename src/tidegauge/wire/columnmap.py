"""Which of a table's columns is which of ours: by a map file, or by names that are known."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tidegauge.model import InputError, NoFlowsError, UsageError
from tidegauge.wire.columns import ALIASES, recognised

NEEDED = ("time_start", "src", "dst", "bytes")
UNITS_US = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}


class _MapFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    columns: dict[str, str]
    units: dict[str, str] = {}
    constants: dict[str, int | str] = {}
    delimiter: str | None = None


@dataclass(frozen=True)
class ColumnMap:
    """Which of a table's columns is which of ours, and the unit of numeric times."""

    columns: dict[str, str]
    units: dict[str, str] = field(default_factory=dict)
    constants: dict[str, int | str] = field(default_factory=dict)
    delimiter: str | None = None

    @classmethod
    def load(cls, path: Path) -> ColumnMap:
        """Read a map file.

        Raises:
            UsageError: it is missing or wrong.
        """
        try:
            read = _MapFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise UsageError(f"cannot read the map: {error.strerror}", where=str(path)) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"not valid TOML: {error}", where=str(path)) from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(p) for p in first["loc"])
            raise UsageError(f"`{place}`: {first['msg'].lower()}", where=str(path)) from None
        for name in (*read.columns, *read.units, *read.constants):
            if name not in ALIASES:
                raise UsageError(
                    f"no flow column is called {name!r}", where=str(path), hint="one of " + ", ".join(ALIASES)
                )
        for name, unit in read.units.items():
            if unit not in UNITS_US:
                raise UsageError(f"no unit {unit!r} for {name}", where=str(path), hint="one of s, ms, us, ns")
        return cls(read.columns, read.units, read.constants, read.delimiter)

    @classmethod
    def recognised(cls, header: list[str]) -> ColumnMap:
        """The map of a table whose columns have names that we know."""
        return cls({ours: names[0] for ours, names in recognised(header).items()})

    def complete(self, header: list[str]) -> bool:
        """Whether a table with these columns has all that flows need."""
        return not self._missing() and not self._absent(header)

    def _missing(self) -> list[str]:
        return [n for n in NEEDED if n not in self.columns and n not in self.constants]

    def _absent(self, header: list[str]) -> list[str]:
        return [name for name in self.columns.values() if name not in header]

    def check(self, header: list[str], where: str) -> None:
        if missing := self._missing():
            raise NoFlowsError(
                f"no column for {', '.join(missing)} among {', '.join(header[:12])}",
                where=where,
                hint="name them with --map FILE",
            )
        if absent := self._absent(header):
            raise InputError(f"the map names columns that are not there: {', '.join(absent)}", where=where)
