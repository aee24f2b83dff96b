"""Watches: named assets with their indicators and the times for which these hold, and which flows touch them.

A domain counts through the names that were seen: an address only for the time in which the name pointed to it.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from tidegauge.lake import Lake, column_sql
from tidegauge.model import (
    FOREVER_S,
    InputError,
    Prefix,
    TidegaugeError,
    UsageError,
    format_address,
    format_time,
    parse_address,
    parse_time,
)
from tidegauge.store import Store, note_change, put
from tidegauge.store.tables import indicators as marks_table
from tidegauge.store.tables import watches as watches_table

KINDS = ("prefix", "as", "domain", "port")
LAST_ANSWER_S = 86400
"""How long the last answer for a name is held to point where it did, where its time to live is shorter."""
MOST_INTERVALS, MOST_SHOWN = 20_000, 50
MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Indicator:
    """One mark of an asset: `kind` of `KINDS`, its value as text, and the time for which it holds."""

    kind: str
    value: str
    from_s: int = 0
    until_s: int = FOREVER_S
    source: str = ""

    @classmethod
    def of(cls, kind: str, value: str, from_s: int = 0, until_s: int = FOREVER_S, source: str = "") -> Indicator:
        """A checked one.

        Raises:
            UsageError: not a value of that kind, or an empty time.
        """
        value = value.strip()
        if kind == "prefix":
            value = str(Prefix.parse(value))
        elif kind == "as":
            value = value.upper().removeprefix("AS")
            if not (value.isascii() and value.isdigit() and 0 < int(value) < 1 << 32):
                raise UsageError(f"not an AS number: {value!r}")
        elif kind == "port":
            if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
                raise UsageError(f"not a port: {value!r}")
        elif kind == "domain":
            value = value.lower().strip(".")
            if not re.fullmatch(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)+", value):
                raise UsageError(f"not a domain: {value!r}")
        else:
            raise UsageError(f"no such kind of indicator: {kind!r}", hint=", ".join(KINDS))
        if from_s >= until_s:
            raise UsageError(f"{value} holds for no time", hint="--valid FROM/UNTIL")
        return cls(kind, value, from_s, until_s, source)

    def to_json(self) -> dict[str, Any]:
        start = format_time(self.from_s) if self.from_s else None
        end = format_time(self.until_s) if self.until_s < FOREVER_S else None
        return {"kind": self.kind, "value": self.value, "from": start, "until": end, "source": self.source}


@dataclass(frozen=True)
class Watch:
    """A named asset; `sizes` are known sizes of the loot, in bytes."""

    name: str
    note: str = ""
    sizes: tuple[int, ...] = ()
    indicators: tuple[Indicator, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "note": self.note, "sizes": list(self.sizes),
                "indicators": [i.to_json() for i in self.indicators]}  # fmt: skip


class Watches:
    """The watches of a site, in its database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, name: str, indicators: list[Indicator], *, note: str = "", sizes: tuple[int, ...] = ()) -> Watch:
        """Make a watch, or add to one.

        Raises:
            UsageError: a name that is none, or no indicators.
        """
        if not re.fullmatch(r"[\w.-]{1,64}", name):
            raise UsageError(f"not a name for a watch: {name!r}", hint="letters, digits, - . _")
        if not indicators:
            raise UsageError("a watch needs indicators", hint="--prefix, --as, --domain or --port")
        with self._store.changing() as session:
            before = session.execute(
                select(watches_table.c.note, watches_table.c.sizes).where(watches_table.c.name == name)
            ).first()
            old_note, old_sizes = (before[0], json.loads(before[1])) if before else ("", [])
            known = json.dumps(sorted({*old_sizes, *sizes}))
            put(session, watches_table, {"name": name, "note": note or old_note, "sizes": known})
            put(
                session, marks_table, [{"watch": name, **asdict(mark)} for mark in indicators],
                keys=("watch", "kind", "value", "from_s", "until_s"), fresh=True,
            )  # fmt: skip
            note_change(session, "watches")
        return self.get(name)

    def get(self, name: str) -> Watch:
        """One watch.

        Raises:
            UsageError: there is none of that name.
        """
        found = next((w for w in self.all() if w.name == name), None)
        if found is None:
            raise UsageError(f"no such watch: {name!r}", hint="tidegauge watch list")
        return found

    def all(self) -> list[Watch]:
        """All watches, by name."""
        if not self._store.there:
            return []
        marks: dict[str, list[Indicator]] = defaultdict(list)
        with self._store.reading() as session:
            rows = session.execute(select(watches_table).order_by(watches_table.c.name)).all()
            for _, watch, *values in session.execute(select(marks_table).order_by(marks_table.c.id)):
                marks[watch].append(Indicator(*values))
        return [Watch(name, note, tuple(json.loads(sizes)), tuple(marks[name])) for name, note, sizes in rows]

    def remove(self, name: str) -> None:
        """Forget a watch.

        Raises:
            UsageError: there is none of that name.
        """
        self.get(name)
        with self._store.changing() as session:
            session.execute(delete(watches_table).where(watches_table.c.name == name))
            session.execute(delete(marks_table).where(marks_table.c.watch == name))
            note_change(session, "watches")


@dataclass(frozen=True)
class Selection:
    """The flows of a watch as SQL, and as `--where` takes it (of very many intervals only the first)."""

    name: str
    sql: str
    where: str


def watched(watch: Watch, lake: Lake, since_s: int, until_s: int) -> Selection:
    """The flows whose far end is the asset at their time; ports narrow the others where there are any.

    Raises:
        UsageError: the watch has only domains, and no name that was seen points to an address.
    """
    far, asn, port = column_sql("far"), column_sql("far_as"), column_sql("far_port")
    sql, where = [], []
    for mark in watch.indicators:
        if mark.kind == "prefix":
            prefix = Prefix.parse(mark.value)
            between = f"{far} BETWEEN unhex('{prefix.first.hex()}') AND unhex('{prefix.last.hex()}')"
            sql.append(f"({between}{_when(mark.from_s, mark.until_s)})")
            where.append(f"(inside(far, '{mark.value}'){_when_text(mark.from_s, mark.until_s)})")
        elif mark.kind == "as":
            sql.append(f"({asn} = {int(mark.value)}{_when(mark.from_s, mark.until_s)})")
            where.append(f"(far_as = {int(mark.value)}{_when_text(mark.from_s, mark.until_s)})")
        elif mark.kind == "domain":
            for address, start, end in pointed(lake, mark, since_s, until_s):
                sql.append(f"({far} = unhex('{address.hex()}'){_when(start, end)})")
                where.append(f"(far = '{format_address(address)}'{_when_text(start, end)})")
    ports = sorted({int(m.value) for m in watch.indicators if m.kind == "port"})
    if not sql and any(m.kind == "domain" for m in watch.indicators):
        raise UsageError(
            f"no name that was seen in that time points to an address of {watch.name}",
            hint="names come from Zeek's dns.log or ssl.log and Suricata's events; add --prefix",
        )
    chosen, shown = " OR ".join(sql) or "true", " OR ".join(where[:MOST_SHOWN])
    text = [f"({shown})"] if shown else []
    if ports:
        listed = ", ".join(map(str, ports))
        chosen = f"({chosen}) AND {port} IN ({listed})"
        text.append(f"far_port IN ({listed})")
    return Selection(watch.name, f"(direction IN ('in', 'out') AND ({chosen}))", " AND ".join(text))


def _when_text(from_s: int, until_s: int) -> str:
    text = f" AND time_start >= '{format_time(from_s)}'" if from_s > 0 else ""
    return text + (f" AND time_start < '{format_time(until_s)}'" if until_s < FOREVER_S else "")


def _when(from_s: int, until_s: int) -> str:
    text = f" AND time_start >= make_timestamptz({from_s * 1_000_000})" if from_s > 0 else ""
    return text + (f" AND time_start < make_timestamptz({until_s * 1_000_000})" if until_s < FOREVER_S else "")


def pointed(lake: Lake, mark: Indicator, since_s: int, until_s: int) -> list[tuple[bytes, int, int]]:
    """Addresses to which a domain (or a name below it) pointed, each with the time: from an answer to the next one
    that lacks it, or as long as its time to live."""
    reach_s = 7 * LAST_ANSWER_S
    table = lake.names((since_s - reach_s) * 1_000_000, until_s * 1_000_000)
    below = "." + mark.value.removeprefix("*.")
    exact = None if mark.value.startswith("*.") else mark.value
    seen: dict[str, list[tuple[int, int, frozenset[bytes]]]] = defaultdict(list)
    columns = (table[n].to_pylist() for n in ("source", "name", "server", "answers", "ttl_s"))
    for stamp, source, name, server, answers, ttl in zip(
        table["time"].cast("int64").to_pylist(), *columns, strict=True
    ):
        if name != exact and not name.endswith(below):
            continue
        found = {server} if source == "tls" else set()
        for answer in answers or []:
            try:
                found.add(parse_address(answer))
            except TidegaugeError:
                continue  # a name on the way to the address
        if found:
            seen[name].append((stamp // 1_000_000, ttl or 0, frozenset(found)))
    out: list[tuple[bytes, int, int]] = []
    for answers_of in seen.values():
        open_since: dict[bytes, tuple[int, int]] = {}
        for when, ttl, held in answers_of:
            for address in [a for a in open_since if a not in held]:
                start, holds = open_since.pop(address)
                out.append((address, start, max(when, holds)))
            for address in held:
                start, _ = open_since.get(address, (when, 0))
                open_since[address] = (start, when + ttl)
        last = answers_of[-1][0]
        out += [(a, start, max(holds, last + LAST_ANSWER_S)) for a, (start, holds) in open_since.items()]
    within = [(a, max(s, mark.from_s), min(e, mark.until_s)) for a, s, e in out]
    return [w for w in within if w[1] < w[2]][:MOST_INTERVALS]


def read_indicators(path: Path) -> tuple[list[Indicator], list[str]]:
    """Indicators from CSV (`kind,value[,from,until]`), a STIX 2.1 bundle or a MISP event; and what was left out.

    Raises:
        InputError: not one of these, or nothing in it that can be watched.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"more than {MOST_BYTES:,} bytes", where=str(path))
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from None
    if text.lstrip().startswith(("{", "[")):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"not JSON: {str(error)[:80]}", where=str(path)) from None
        rows = list(_stix(document)) if _is_stix(document) else list(_misp(document))
    else:
        rows = list(_csv(text))
    found, left = [], []
    for kind, value, start, end in rows:
        try:
            if kind not in KINDS:
                raise UsageError(f"cannot be watched: {kind} {value[:60]}")
            found.append(Indicator.of(kind, value, _time(start, 0), _time(end, FOREVER_S), path.name))
        except TidegaugeError as error:
            left.append(str(error))
    if not found:
        raise InputError("no indicators in it that can be watched", where=str(path),
                         hint="addresses, prefixes, ASes, domains or ports")  # fmt: skip
    return found, left


Row = tuple[str, str, str, str]


def _time(text: str, otherwise: int) -> int:
    return parse_time(text, now_s=0) if text else otherwise


def _csv(text: str) -> Iterator[Row]:
    for row in csv.reader(line for line in text.splitlines() if line.strip() and not line.startswith("#")):
        cells = [cell.strip() for cell in row] + ["", "", ""]
        if cells[0].lower() in ("kind", "type"):
            continue
        kind = _kind(cells[0].lower())
        yield (kind, cells[1], cells[2], cells[3]) if cells[1] else (_guess(cells[0]), cells[0], "", "")


def _kind(name: str) -> str:
    """Our kind of a name used elsewhere."""
    return {
        "ip": "prefix", "ip-src": "prefix", "ip-dst": "prefix", "ipv4": "prefix", "ipv6": "prefix", "cidr": "prefix",
        "ipv4-addr": "prefix", "ipv6-addr": "prefix", "asn": "as", "autonomous-system": "as", "hostname": "domain",
        "domain-name": "domain", "fqdn": "domain", "dst-port": "port", "src-port": "port",
    }.get(name, name)  # fmt: skip


def _guess(value: str) -> str:
    if re.fullmatch(r"[Aa][Ss]\d+", value):
        return "as"
    return "prefix" if re.fullmatch(r"[0-9a-fA-F:.]+(/\d+)?", value) and ("." in value or ":" in value) else "domain"


def _is_stix(document: Any) -> bool:
    return isinstance(document, dict) and document.get("type") == "bundle"


STIX_TERM = re.compile(
    r"(ipv4-addr|ipv6-addr|domain-name|autonomous-system):(?:value|number)\s*(?:=|ISSUBSET)\s*'?([^'\]\s]+)'?"
)
STIX_PORT = re.compile(r"network-traffic:dst_port\s*=\s*(\d+)")


def _stix(document: Any) -> Iterator[Row]:
    """STIX 2.1: patterns of indicators, and observed addresses and names."""
    objects = document.get("objects")
    for entry in objects if isinstance(objects, list) else []:
        if not isinstance(entry, dict):
            continue
        kind, start, end = (
            str(entry.get("type")),
            str(entry.get("valid_from") or ""),
            str(entry.get("valid_until") or ""),
        )
        if kind == "indicator" and isinstance(entry.get("pattern"), str):
            terms = STIX_TERM.findall(entry["pattern"])
            for name, value in terms:
                yield _kind(name), value, start, end
            for port in STIX_PORT.findall(entry["pattern"]):
                yield "port", port, start, end
            if not terms:
                yield "pattern", entry["pattern"], "", ""
        elif kind in ("ipv4-addr", "ipv6-addr", "domain-name") and isinstance(entry.get("value"), str):
            yield _kind(kind), entry["value"], "", ""
        elif kind == "autonomous-system" and entry.get("number"):
            yield "as", str(entry["number"]), "", ""


def _misp(document: Any) -> Iterator[Row]:
    """MISP: attributes of one or more events and of their objects."""
    events = document if isinstance(document, list) else document.get("response", [document])
    for wrapped in events if isinstance(events, list) else [events]:
        event = wrapped.get("Event", wrapped) if isinstance(wrapped, dict) else {}
        parts = event.get("Attribute"), *(o.get("Attribute") for o in event.get("Object") or [] if isinstance(o, dict))
        for attributes in parts:
            for entry in attributes if isinstance(attributes, list) else []:
                if not isinstance(entry, dict) or not isinstance(entry.get("value"), str):
                    continue
                kinds, values = str(entry.get("type")).split("|"), entry["value"].split("|")
                start, end = str(entry.get("first_seen") or ""), str(entry.get("last_seen") or "")
                for kind, value in zip(kinds, values, strict=False):
                    yield _kind(kind.lower()), value, start, end
