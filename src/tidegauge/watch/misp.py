"""MISP events to rows: attributes of events and of their objects, as "MISP core format" writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tidegauge.watch.rows import LONELY_PORT, NO_PORT, NOT_SHOWN, PROPOSED, Left, Row

KIND_OF = {
    "ip": "prefix", "ip-src": "prefix", "ip-dst": "prefix", "hostname": "domain", "domain": "domain", "url": "url",
    "as": "as", "uri": "url", "link": "url",
}
"""Types of attributes that flows can show, and our kinds. Composite types name two of them."""
PORTS = ("port", "src-port", "dst-port")


def is_misp(one: Any) -> bool:
    """Whether JSON is an event, what holds one, or an attribute or object by itself."""
    return isinstance(one, dict) and (
        any(isinstance(one.get(key), list | dict) for key in ("Event", "Attribute", "Object"))
        or ("value" in one and "type" in one)
    )


def misp_rows(document: dict[str, Any]) -> Iterator[Row | Left]:
    """Yield the network indicators of an event, of what holds events, attributes or objects, or of one attribute."""
    if "value" in document and "type" in document:  # an attribute by itself, which may carry its event as context
        yield from _event({"Attribute": [document]})
        return
    if "Event" not in document:
        yield from _event(document)
    for event in _listed(document.get("Event")):
        yield from _event(event)


def _event(event: dict[str, Any]) -> Iterator[Row | Left]:
    if _true(event.get("deleted")):
        yield Left("MISP event", "deleted")
        return
    yield from _proposals(event)
    yield from _odd(event, "Attribute")
    for entry in _listed(event.get("Attribute")):
        yield from _proposals(entry)
        yield from _attribute(entry)
    yield from _objects(event)


def _objects(holder: dict[str, Any]) -> Iterator[Row | Left]:
    """The objects that an event or another object holds."""
    yield from _odd(holder, "Object")
    for one in _listed(holder.get("Object")):
        if _true(one.get("deleted")):
            yield Left(f"MISP object {str(one.get('name'))[:40]}", "deleted")
        else:
            yield from _proposals(one)
            yield from _object(one)
            yield from _objects(one)


def _proposals(holder: dict[str, Any]) -> Iterator[Left]:
    yield from [Left("MISP proposal", PROPOSED)] * len(_listed(holder.get("ShadowAttribute")))


def _odd(holder: dict[str, Any], key: str) -> Iterator[Left]:
    """What stands where attributes or objects should, and is none."""
    value = holder.get(key)
    odd = sum(not isinstance(one, dict) for one in value) if isinstance(value, list) else 0
    yield from [Left(f"MISP {key.lower()}", "not of the form of one")] * odd


def _listed(value: Any) -> list[dict[str, Any]]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _true(value: Any) -> bool:
    return value in (True, 1, "1", "true", "True")


def _refused(entry: dict[str, Any]) -> str | None:
    """Why an attribute is no indicator, whatever its value."""
    if _true(entry.get("deleted")):
        return "deleted"
    if "to_ids" in entry and not _true(entry["to_ids"]):
        return "to_ids is false: the sender does not mean it for detection"
    return None


def _attribute(entry: dict[str, Any]) -> Iterator[Row | Left]:
    """An attribute that stands by itself."""
    name, value = str(entry.get("type") or "").lower(), _text(entry)
    if value is None:
        yield Left(f"MISP {name[:40]}", "it has no value")
        return
    if why := _refused(entry):
        yield Left(f"MISP {name[:40]}", why)
    elif name in PORTS:
        yield Left(f"MISP {name}", LONELY_PORT)
    else:
        yield from _typed(name, value, _port(entry, name, value), "", _first_seen(entry))


def _typed(name: str, value: str, far_port: str, home_port: str, start: str) -> Iterator[Row | Left]:
    """The rows of one type: of a composite one its parts, each for itself, but for a port."""
    kinds, values = name.split("|"), value.split("|")
    if kinds[-1] == "port":
        kinds, values = kinds[:1], [_without_port(value) or value]
    if name.endswith("|port") and not far_port and not home_port:
        yield Left(f"MISP {name[:40]}", NO_PORT)
    known = [(KIND_OF[kind], text) for kind, text in zip(kinds, values, strict=False) if kind in KIND_OF]
    for kind, text in known:
        yield Row(kind, text, start, "", far_port, home_port)
    if not known:
        yield Left(f"MISP {name[:40]}", NOT_SHOWN)


def _port(entry: dict[str, Any], name: str, value: str) -> str:
    """The port of a composite type: `ADDRESS|PORT`, or `ADDRESS:PORT` as older senders write it."""
    if not name.endswith("|port"):
        return ""
    found = value.rpartition("|" if "|" in value else ":")[2] if _without_port(value) else ""
    return found if found.isdigit() and 0 < int(found) < 65536 else ""


def _text(entry: dict[str, Any]) -> str | None:
    """The value of an attribute as text; None where it has none."""
    value = entry.get("value")
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _first_seen(*entries: dict[str, Any]) -> str:
    """From when on something holds; `last_seen` says when it was observed last, not when it ends."""
    return next((str(entry["first_seen"]) for entry in entries if entry.get("first_seen")), "")


def _without_port(value: str) -> str:
    if "|" not in value and value.count(":") > 1 and "]" not in value:
        return ""  # an IPv6 address by itself
    return value.rpartition("|" if "|" in value else ":")[0].strip("[]")


@dataclass
class _Parts:
    """What an object holds: attributes to watch as (entry, type, end, value), and ports as (end, number)."""

    kept: list[tuple[dict[str, Any], str, str, str]] = field(default_factory=list)
    ports: list[tuple[str, str]] = field(default_factory=list)

    @property
    def ends(self) -> set[str]:
        """Ends of the connection whose addresses or names it has; an empty one says nothing of ends."""
        return {end for _, name, end, _ in self.kept if name.split("|")[0] in KIND_OF}

    def ports_of(self, end: str) -> list[tuple[str, str]]:
        """For an address of an end: its ports, else those of the other end that has no address; as (far, home)."""
        far = [(port, "") for place, port in self.ports if _same(place, end, self.ends)]
        home = [("", port) for place, port in self.ports if (place, end) == ("dst", "src") and place not in self.ends]
        return far or home or [("", "")]


def _object(one: dict[str, Any]) -> Iterator[Row | Left]:
    """An object: its ports belong to its addresses and names, each to that of its own end."""
    parts = _Parts()
    yield from _odd(one, "Attribute")
    for entry in _listed(one.get("Attribute")):
        yield from _proposals(entry)
        if (left := _sort_in(entry, parts, connection=one.get("name") == "network-connection")) is not None:
            yield left
    ends, ports = parts.ends, parts.ports
    taken = False
    for entry, name, end, value in parts.kept:
        for far_port, home_port in parts.ports_of(end):
            far_port = far_port or _port(entry, name, value)
            for row in _typed(name, value, far_port, home_port, _first_seen(entry, one)):
                taken |= isinstance(row, Row)
                yield row
    if any(end == "src" for end, _ in ports) and not ends.isdisjoint({"dst", ""}) and "src" not in ends:
        yield Left("MISP src-port", "the port of our end is another one each time")
    if ports and not taken:
        yield Left(f"MISP object {str(one.get('name'))[:40]}", LONELY_PORT)


def _sort_in(entry: dict[str, Any], parts: _Parts, *, connection: bool) -> Left | None:
    """Sort an attribute of an object in; what is left out of it."""
    value, name = _text(entry), str(entry.get("type") or "").lower()
    if value is None:
        return Left(f"MISP {name[:40]}", "it has no value")
    end = _end(str(entry.get("object_relation") or name).lower())
    why = _refused(entry)
    # A port goes with its address: objects mark ports as context.
    if why and (name not in PORTS or why == "deleted"):
        return Left(f"MISP {name[:40]}", why)
    if name not in PORTS:
        parts.kept.append((entry, name, end, value))
        return None
    if end == "src" and connection:
        return Left("MISP src-port", "the source port of a connection is another one each time")
    number = re.match(r"\s*(\d{1,5})\s*(?:/\s*(?:tcp|udp))?\s*$", value, re.IGNORECASE)
    if number is None or not 0 < int(number[1]) < 65536:
        return Left(f"MISP {name}", NO_PORT)
    parts.ports.append((end, number[1]))
    return None


def _end(name: str) -> str:
    """Which end of a connection a type or relation names."""
    return "src" if "src" in name else "dst" if "dst" in name else ""


def _same(place: str, end: str, ends: set[str]) -> bool:
    """Whether a port belongs to an address: of the same end, or of one that says nothing of ends where no other
    does."""
    return place == end or not place or (not end and place not in ends)
