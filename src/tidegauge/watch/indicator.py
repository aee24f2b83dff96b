"""One indicator of a watched asset: a prefix, AS, name or port, with the ports and the time that belong to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import idna

from tidegauge.model import FOREVER_S, Prefix, UsageError, format_time

KINDS = ("prefix", "as", "domain", "port")


@dataclass(frozen=True)
class Indicator:
    """One indicator of an asset.

    Attributes:
        kind: one of `KINDS`.
        value: as text, in its canonical form.
        from_s, until_s: the time for which it holds, half-open, epoch seconds.
        source: the file that it was read from, empty where it was given by hand.
        far_port: the only port of the asset's own end for which it holds; 0 for every port.
        home_port: the only port of our end for which it holds; 0 for every port.
    """

    kind: str
    value: str
    from_s: int = 0
    until_s: int = FOREVER_S
    source: str = ""
    far_port: int = 0
    home_port: int = 0

    @classmethod
    def of(
        cls, kind: str, value: str, from_s: int = 0, until_s: int = FOREVER_S, source: str = "", *,
        far_port: str | int = 0, home_port: str | int = 0,
    ) -> Indicator:
        """Return a checked indicator.

        >>> Indicator.of("prefix", "192.0.2.77", far_port=4444).text
        'prefix 192.0.2.77/32 port 4444'

        Raises:
            UsageError: not a value of that kind, not a port, or an empty time.
        """
        value = value.strip()
        if kind == "prefix":
            value = str(Prefix.parse(value))
        elif kind == "as":
            value = value.upper().removeprefix("AS").strip()
            if not (value.isascii() and value.isdigit() and len(value) <= 10 and 0 < int(value) < 1 << 32):
                raise UsageError(f"not an AS number: {value[:60]!r}")
        elif kind == "port":
            value = str(port_of(value))
        elif kind == "domain":
            value = _domain(value)
        else:
            raise UsageError(f"no such kind of indicator: {kind!r}", hint=", ".join(KINDS))
        if from_s >= until_s:
            raise UsageError(f"{value} holds for no time", hint="--valid FROM/UNTIL")
        ports = (port_of(far_port) if far_port else 0, port_of(home_port) if home_port else 0)
        if kind == "port" and any(ports):
            raise UsageError("a port has no ports of its own")
        return cls(kind, value, from_s, until_s, source, *ports)

    @classmethod
    def from_text(cls, text: str, source: str = "") -> Indicator:
        """Read what `text` wrote.

        Raises:
            UsageError: not of that form.
        """
        words = text.split(" ")
        ports = dict(zip(words[2::2], words[3::2], strict=False))
        if len(words) % 2 or not ports.keys() <= {"port", "home_port"}:
            raise UsageError(f"not an indicator: {text[:80]!r}")
        far_port, home_port = ports.get("port", 0), ports.get("home_port", 0)
        return cls.of(words[0], words[1], source=source, far_port=far_port, home_port=home_port)

    @property
    def text(self) -> str:
        """The indicator in one line, without its time."""
        ports = (("port", self.far_port), ("home_port", self.home_port))
        return " ".join((self.kind, self.value, *(f"{name} {port}" for name, port in ports if port)))

    def at_port(self, port: str | int) -> Indicator:
        """Return the same indicator for one port of the asset alone.

        Raises:
            UsageError: not a port.
        """
        return replace(self, far_port=port_of(port))

    def to_json(self) -> dict[str, Any]:
        start = format_time(self.from_s) if self.from_s else None
        end = format_time(self.until_s) if self.until_s < FOREVER_S else None
        return {"kind": self.kind, "value": self.value, "port": self.far_port or None,
                "home_port": self.home_port or None, "from": start, "until": end, "source": self.source}


def port_of(value: str | int) -> int:
    """Return a port number.

    Raises:
        UsageError: not a port.
    """
    text = str(value).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise UsageError(f"not a port: {text[:20]!r}")
    return int(text)


def _domain(value: str) -> str:
    value = value.lower().strip(".")
    try:
        value = value if value.isascii() else idna.encode(value, uts46=True).decode()
    except idna.IDNAError:
        raise UsageError(f"not a domain: {value[:60]!r}") from None
    if not re.fullmatch(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*\.(?!\d)[a-z0-9_-]+", value):
        raise UsageError(f"not a domain: {value[:60]!r}")
    return value
