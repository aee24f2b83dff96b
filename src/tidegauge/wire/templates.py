"""Templates of NetFlow v9 (RFC 3954) and IPFIX (RFC 7011): parsed, compiled, and kept with their history."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from tidegauge.model import Skipped

VARIABLE = 65535
REVERSE_PEN = 29305
SCOPE_V9 = -1
"""Stands for an enterprise number on scope fields of NetFlow v9, whose types are no information elements."""
MOST_FIELDS = 1024
ORDINARY_SET = 1500
"""Bytes of a set of templates up to which it is remembered as read: what fits into one frame."""
MOST_TEMPLATES = 4096
"""Templates kept for one exporter; the oldest goes when a hostile one sends more."""
MOST_FIELDS_KEPT = 1 << 16
"""Fields of all the templates kept for one exporter, likewise."""
MOST_FIELDS_IN_ALL = 1 << 20

Key = tuple[int, int, int]
"""Exporter (position), observation domain, template id."""
Definitions = tuple[tuple[int, "Template | None"], ...]
"""Template ids with what they stand for from here on; None: withdrawn."""


@dataclass(frozen=True)
class Field:
    """One field specifier: information element, length in bytes (65535: variable), enterprise number (0: IANA)."""

    element: int
    length: int
    enterprise: int = 0


@dataclass(frozen=True)
class Template:
    """A template or options template."""

    fields: tuple[Field, ...]
    options: bool = False

    @cached_property
    def variable(self) -> bool:
        return any(f.length == VARIABLE for f in self.fields)

    @cached_property
    def size(self) -> int:
        """Bytes of a record; the least where fields are of variable length."""
        return sum(1 if f.length == VARIABLE else f.length for f in self.fields)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The record as a structured dtype, fields named by position; not for variable length."""
        kinds = {1: "u1", 2: ">u2", 4: ">u4", 8: ">u8"}
        return np.dtype([(str(i), kinds.get(f.length, f"V{f.length}")) for i, f in enumerate(self.fields) if f.length])

    @cached_property
    def position(self) -> dict[tuple[int, int], int]:
        """Where each (element, enterprise) stands; the first of equal ones."""
        found: dict[tuple[int, int], int] = {}
        for i, spec in enumerate(self.fields):
            if spec.length:
                found.setdefault((spec.element, spec.enterprise), i)
        return found

    def has(self, element: int, enterprise: int = 0) -> bool:
        return (element, enterprise) in self.position


@dataclass
class TemplateStore:
    """Every template in force, and within the block being decoded also those before it.

    A history is a list of (order, template): `order` numbers the sets of the whole run; None means that the
    templates before it no longer hold (withdrawn, or the exporter restarted).
    """

    histories: dict[Key, list[tuple[float, Template | None]]] = field(default_factory=dict)
    expired: dict[Key, Template] = field(default_factory=dict)
    sizes: dict[int, dict[Key, int]] = field(default_factory=dict)
    """Fields of each exporter's templates, oldest first."""
    totals: Counter[int] = field(default_factory=Counter)
    """Fields kept for each exporter."""

    def put(self, key: Key, order: float, template: Template, skipped: Skipped) -> None:
        history = self.histories.get(key)
        if history is not None and history[-1][1] == template:
            return
        own = self.sizes.setdefault(key[0], {})
        self.totals[key[0]] += len(template.fields) - own.get(key, 0)
        own[key] = len(template.fields)
        if history is None:
            self.histories[key] = [(order, template)]
        else:
            if history[-1][1] is not None and any(earlier == template for _, earlier in history):
                why = "its layout goes back and forth: two senders may share an address, port and domain"
                skipped.add("template", why)
            history.append((order, template))
        while len(own) > MOST_TEMPLATES or self.totals[key[0]] > MOST_FIELDS_KEPT:
            self._drop(key[0])
            skipped.add("template", "its exporter has too many, the oldest was dropped")
        while self.totals.total() > MOST_FIELDS_IN_ALL:
            self._drop(max(self.totals, key=self.totals.__getitem__))
            skipped.add("template", "all exporters together have too many, the oldest of the largest was dropped")

    def _drop(self, exporter: int) -> None:
        own = self.sizes[exporter]
        oldest = next(iter(own))
        self.totals[exporter] -= own.pop(oldest)
        del self.histories[oldest]
        self.expired.pop(oldest, None)
        if not own:
            del self.sizes[exporter], self.totals[exporter]

    def forget(self, exporter: int) -> None:
        while exporter in self.sizes:
            self._drop(exporter)

    def expire(self, key: Key, order: float) -> None:
        history = self.histories.get(key)
        if history and (last := history[-1][1]) is not None:
            self.expired[key] = last
            history.append((order, None))

    def expire_stream(self, exporter: int, domain: int, order: float) -> None:
        for key in [k for k in self.sizes.get(exporter, ()) if k[1] == domain]:
            self.expire(key, order)

    def at(self, key: Key, order: float) -> Template | None:
        """The template for a set: the one in force, else the first that arrives after it, else None."""
        history = self.histories.get(key)
        if not history:
            return None
        place = bisect_right(history, order, key=lambda entry: entry[0]) - 1
        if place >= 0 and history[place][1] is not None:
            return history[place][1]
        return next((template for _, template in history[place + 1 :] if template is not None), None)

    def forget_past(self) -> None:
        """Keep only what is in force, at the end of a block."""
        for key, history in self.histories.items():
            if len(history) > 1:
                self.histories[key] = history[-1:]


def parse_templates(body: bytes, *, version: int, options: bool, skipped: Skipped) -> Definitions:
    """The templates of one set; None for a withdrawal. What cannot be read ends the set and is counted."""
    # Exporters send the same templates again and again.
    parse = _parse_again if len(body) <= ORDINARY_SET else _parse
    found, faults = parse(body, version, options)
    skipped.merge(faults)
    return found


def _parse(body: bytes, version: int, options: bool) -> tuple[Definitions, Skipped]:
    found: list[tuple[int, Template | None]] = []
    skipped = Skipped()
    position = 0
    kind = "options template" if options else "template"
    while position + 4 <= len(body):
        template_id, count = struct.unpack_from(">HH", body, position)
        if template_id == 0 and count == 0:
            break  # padding
        withdrawal = version == 10 and count == 0
        scopes, position = 0, position + 4
        if options and not withdrawal:
            if position + 2 > len(body):
                skipped.add(kind, "cut short")
                break
            (second,) = struct.unpack_from(">H", body, position)
            position += 2
            # Version 9 has the lengths of scope and option specifiers, in bytes.
            scopes, count = (count // 4, count // 4 + second // 4) if version == 9 else (second, count)
        if template_id < 256 and not (withdrawal and template_id in (2, 3)):
            skipped.add(kind, f"template id below 256 ({template_id})")
            break
        if count > MOST_FIELDS:
            skipped.add(kind, f"more than {MOST_FIELDS} fields")
            break
        if count == 0:
            found.append((template_id, None))
            continue
        fields, position = _fields(body, position, count, version, scopes)
        if len(fields) < count:
            skipped.add(kind, "cut short")
            break
        template = Template(tuple(fields), options)
        if template.size == 0:
            skipped.add(kind, "record of no bytes")
            continue
        found.append((template_id, template))
    return tuple(found), skipped


_parse_again = lru_cache(maxsize=256)(_parse)


def _fields(body: bytes, position: int, count: int, version: int, scopes: int) -> tuple[list[Field], int]:
    """So many field specifiers from a place on, fewer where the set ends before; and the place behind them."""
    fields: list[Field] = []
    while len(fields) < count and position + 4 <= len(body):
        element, length = struct.unpack_from(">HH", body, position)
        position += 4
        enterprise = SCOPE_V9 if version == 9 and len(fields) < scopes else 0
        if version == 10 and element & 0x8000:
            if position + 4 > len(body):
                break
            (enterprise,) = struct.unpack_from(">I", body, position)
            element &= 0x7FFF
            position += 4
        fields.append(Field(element, length, enterprise))
    return fields, position
