"""Registries: the RIRs' delegated files, and RIPE-style dumps of `inetnum`, `inet6num`, `route` and `route6` objects.

Formats: "RIR statistics exchange format" (NRO); RPSL (RFC 2622). An edition holds for the date in its header; dumps
state none. Licence: the NRO's statistics may be used freely with attribution; RIPE's dumps under its database terms.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from tidegauge.atlas.statements import (
    LONGEST_NAME,
    Parsed,
    as_rows,
    country_code,
    joined,
    prefix_rows,
    range_of,
    too_many,
)
from tidegauge.model import V4_MAPPED, InputError, Skipped
from tidegauge.wire import Stream

EPOCH_DAY = date(1970, 1, 1).toordinal()


def day_s(text: str) -> int:
    """Epoch seconds of a day written `20141124`; 0 where it is none.

    >>> day_s("20141124")
    1416787200
    """
    try:
        return (date(int(text[:4]), int(text[4:6]), int(text[6:8])).toordinal() - EPOCH_DAY) * 86400
    except ValueError:
        return 0


def read_delegated(stream: Stream) -> Parsed:
    """`registry|cc|type|start|value|date|status[|...]`, of any RIR and date.

    Raises:
        InputError: no header, or fewer records than it announces (the file is cut).
    """
    skipped = Skipped()
    firsts: list[bytes] = []
    lasts: list[bytes] = []
    countries: list[str | None] = []
    since: list[int] = []
    names: list[str] = []
    ases: list[tuple[int, int, str | None, int]] = []
    announced, records, date_s = -1, 0, None
    for block in stream.lines():
        for line in block.decode("utf-8", "replace").splitlines():
            fields = line.split("|")
            if not line or line.startswith("#"):
                continue
            if announced < 0:
                if len(fields) < 6 or not fields[3].strip().isdigit():
                    raise InputError("no header of a delegated file", where=f"{stream.name}, offset 0")
                announced = int(fields[3])
                date_s = day_s(fields[2]) or day_s(fields[5]) or None
                continue
            if len(fields) >= 6 and fields[5].strip() == "summary":
                continue
            records += 1
            too_many(records, stream.name)
            if len(fields) < 7:
                skipped.add("record", "has fewer than 7 fields")
                continue
            registry, country, kind, start, value, registered, status = (f.strip() for f in fields[:7])
            if status not in ("allocated", "assigned"):
                continue
            try:
                if kind == "asn":
                    ases.append((int(start), int(start) + int(value) - 1, country_code(country), day_s(registered)))
                    if not 0 <= ases[-1][0] <= ases[-1][1] < 1 << 32:
                        del ases[-1]
                        raise ValueError
                    continue
                found = _delegated_range(kind, start, int(value))
            except (ValueError, OverflowError):
                skipped.add("record", f"not a range of {kind[:10]!r}")
                continue
            firsts.append(found[0])
            lasts.append(found[1])
            countries.append(country_code(country))
            since.append(day_s(registered))
            names.append(registry[:LONGEST_NAME])
    if announced < 0:
        raise InputError("empty", where=stream.name)
    if records < announced:
        raise InputError(
            f"its header announces {announced:,} records, it holds {records:,}: it is cut",
            where=f"{stream.name}, offset {stream.offset}", hint="fetch it again",
        )
    prefixes = prefix_rows(joined(firsts), joined(lasts), country=countries, since_s=since, name=names)
    table = as_rows(
        [a[0] for a in ases], [a[1] for a in ases], country=[a[2] for a in ases], since_s=[a[3] for a in ases]
    )
    return Parsed(prefixes, table, date_s, skipped)


def _delegated_range(kind: str, start: str, value: int) -> tuple[bytes, bytes]:
    """Addresses of a record: IPv4 counts addresses, IPv6 gives a prefix length."""
    first = _packed(start)
    low = int.from_bytes(first)
    if kind == "ipv4" and first[:12] == V4_MAPPED and 0 < value <= 1 << 32:
        last = (low + value - 1).to_bytes(16)
        if last[:12] == V4_MAPPED:
            return first, last
    if kind == "ipv6" and first[:12] != V4_MAPPED and 0 <= value <= 128:
        return first, (low | ((1 << (128 - value)) - 1)).to_bytes(16)
    raise ValueError


def _packed(text: str) -> bytes:
    found = range_of(text) if "/" not in text and "-" not in text else None
    if found is None:
        raise ValueError
    return found[0]


KEPT = ("inetnum", "inet6num", "route", "route6", "aut-num", "origin", "country", "netname", "as-name", "created",
        "last-modified")
FIELD = re.compile(rf"(?m)^({'|'.join(KEPT)}):[ \t]*([^\n#]*)|^[ \t]*$")
MOST_FIELDS = 40


def read_rpsl(stream: Stream) -> Parsed:
    """Objects of a registry's database: where ranges are used, and which AS may announce them.

    An object without a range or a country says nothing and is counted.
    """
    rows: list[tuple[bytes, bytes, str | None, int, int, str]] = []
    ases: list[tuple[int, str]] = []
    skipped = Skipped()
    current: dict[str, str] = {}

    def done() -> None:
        kind = next((k for k in KEPT[:5] if k in current), None)
        if kind is None:
            return
        text = current[kind]
        if kind == "aut-num":
            number = text.upper().removeprefix("AS")
            if number.isdigit() and int(number) < 1 << 32:
                ases.append((int(number), current.get("as-name", "")[:LONGEST_NAME]))
            return
        found = range_of(text)
        country = country_code(current.get("country", ""))
        origin = current.get("origin", "").upper().removeprefix("AS")
        if found is None:
            skipped.add(kind, "not a range")
        elif kind.startswith("inet") and country is None:
            skipped.add(kind, "no country")
        elif kind.startswith("route") and not (origin.isdigit() and int(origin) < 1 << 32):
            skipped.add(kind, "no origin")
        else:
            announced = int(origin) if kind.startswith("route") else 0
            rows.append((*found, None if announced else country, announced, _moment(current.get("created", "")),
                         current.get("netname", "")[:LONGEST_NAME]))
            too_many(len(rows), stream.name)

    for block in stream.lines():
        for match in FIELD.finditer(block.decode("utf-8", "replace")):
            name = match[1]
            if name is None:
                done()
                current = {}
            elif len(current) < MOST_FIELDS:
                if name in KEPT[:5] and any(k in current for k in KEPT[:5]):
                    done()
                    current = {}
                current.setdefault(name, match[2].strip())
    done()
    if not rows and not ases:
        raise InputError("no inetnum, route or aut-num object", where=f"{stream.name}, offset {stream.offset}")
    prefixes = prefix_rows(
        joined(r[0] for r in rows), joined(r[1] for r in rows), country=[r[2] for r in rows],
        **{"as": [r[3] for r in rows]}, since_s=[r[4] for r in rows], name=[r[5] or None for r in rows],
    )
    numbers = [a[0] for a in ases]
    return Parsed(prefixes, as_rows(numbers, numbers, name=[a[1] or None for a in ases]), None, skipped)


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return max(int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()), 0)
