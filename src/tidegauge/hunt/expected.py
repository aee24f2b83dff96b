"""Regular traffic that is expected, with reasons: an editable list, applied when findings are ranked, never before."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidegauge.model import Prefix, SiteError, TidegaugeError

FILE_NAME = "expected.toml"


class Entry(BaseModel):
    """One kind of expected traffic; what is given must match, what is not matches all."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    reason: str = Field(min_length=1)
    proto: Annotated[int, Field(ge=0, le=255)] | None = None
    ports: list[Annotated[int, Field(ge=0, le=65535)]] = []
    prefixes: list[str] = []
    ases: list[int] = []
    domains: list[str] = []
    way: Literal["in", "out"] | None = None

    def matches(self, *, proto: int, port: int, far: bytes, asn: int, name: str, way: str) -> bool:
        return (
            self.proto in (None, proto)
            and (not self.ports or port in self.ports)
            and (not self.prefixes or any(far in Prefix.parse(p) for p in self.prefixes))
            and (not self.ases or asn in self.ases)
            and (not self.domains or any(name == d or name.endswith("." + d) for d in self.domains))
            and self.way in (None, way)
        )


@dataclass(frozen=True)
class Expected:
    """The entries of a site by name."""

    entries: dict[str, Entry]

    def reason(self, *, proto: int, port: int, far: bytes, asn: int, name: str, way: str) -> str | None:
        """Why traffic is expected; None where it is not."""
        for entry in self.entries.values():
            if entry.matches(proto=proto, port=port, far=far, asn=asn, name=name, way=way):
                return entry.reason
        return None


def load_expected(folder: Path | None) -> Expected:
    """The list that comes with the program, with the site's own on top.

    Raises:
        SiteError: the site's list is wrong; with file and what was expected.
    """
    built_in = tomllib.loads((files("tidegauge.hunt") / FILE_NAME).read_text(encoding="utf-8"))
    entries = {name: Entry.model_validate(value) for name, value in built_in.items()}
    path = None if folder is None else folder / FILE_NAME
    if path is not None and path.exists():
        try:
            for name, value in tomllib.loads(path.read_text(encoding="utf-8")).items():
                entries[name] = Entry.model_validate(value)
                for prefix in entries[name].prefixes:
                    Prefix.parse(prefix)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise SiteError(f"not valid TOML: {error}", where=str(path)) from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in (name, *first["loc"]))
            raise SiteError(f"`{place}`: {first['msg'].lower()}", where=str(path)) from None
        except TidegaugeError as error:
            raise SiteError(f"`{name}`: {error}", where=str(path)) from None
    return Expected(entries)
