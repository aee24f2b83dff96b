"""Lists: plain lists of prefixes or ASes with a class, cloud providers' JSON, and lists of command servers.

Formats: a prefix, address, range or AS a line; AWS `ip-ranges.json`, Google `cloud.json`, Azure service tags, Oracle
`public_ip_ranges.json`; abuse.ch Feodo Tracker and ThreatFox CSV; Spamhaus DROP (text, JSON lines). Licences: abuse.ch
CC0; Spamhaus DROP free of charge under its terms; the providers' own for their ranges.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tidegauge.atlas.statements import LONGEST_NAME, Parsed, as_rows, joined, prefix_rows, range_of, too_many
from tidegauge.model import InputError, Skipped, class_bit
from tidegauge.wire import Stream

JSON_MOST_BYTES = 256 << 20
CLOUD, C2, LEASED = class_bit("cloud"), class_bit("botnet-c2"), class_bit("leased")


def read_list(stream: Stream, classes: int) -> Parsed:
    """A prefix, address, range or AS number a line, with a comment behind `#` or `;`; of CSV the first column."""
    rows: list[tuple[bytes, bytes, str | None]] = []
    ases: list[tuple[int, str | None]] = []
    skipped = Skipped()
    for line in _lines(stream):
        text, comment = _cut(line)
        if not text:
            continue
        text = text.split(",")[0].strip().strip("\"'")
        number = re.fullmatch(r"[Aa][Ss](\d{1,10})", text)
        found = None if number else range_of(text)
        if number and int(number[1]) < 1 << 32:
            ases.append((int(number[1]), comment))
        elif found:
            rows.append((*found, comment))
        else:
            skipped.add("line", "no prefix, address, range or AS")
        too_many(len(rows), stream.name)
    bad, good = skipped.total, len(rows) + len(ases)
    if bad > good or not good:
        raise InputError(
            f"{bad:,} of {bad + good:,} lines hold no prefix, address, range or AS",
            where=f"{stream.name}, before offset {stream.offset}",
        )
    numbers = [a[0] for a in ases]
    return Parsed(
        prefix_rows(joined(r[0] for r in rows), joined(r[1] for r in rows), classes=classes, name=[r[2] for r in rows]),
        as_rows(numbers, numbers, classes=classes, name=[a[1] for a in ases]), None, skipped,
    )


def _cut(line: str) -> tuple[str, str | None]:
    text, _, comment = re.sub("[;#]", "#", line, count=1).partition("#")
    return text.strip(), comment.strip()[:LONGEST_NAME] or None


def _lines(stream: Stream) -> Iterator[str]:
    for block in stream.lines():
        yield from block.decode("utf-8-sig", "replace").splitlines()


def read_cloud(stream: Stream) -> Parsed:
    """The ranges of one cloud provider: AWS, Google, Azure or Oracle, told by their keys."""
    document = _json(stream)
    rows: list[tuple[str, str]] = []
    date_s: int | None = None
    for entry in _list(document, "prefixes"):  # AWS and Google
        for key in ("ip_prefix", "ipv4Prefix", "ipv6Prefix"):
            if isinstance(entry.get(key), str):
                rows.append((entry[key], _words(entry, "service", "region", "scope")))
    for entry in _list(document, "ipv6_prefixes"):
        if isinstance(entry.get("ipv6_prefix"), str):
            rows.append((entry["ipv6_prefix"], _words(entry, "service", "region")))
    for entry in _list(document, "values"):  # Azure
        properties = entry.get("properties")
        listed = properties.get("addressPrefixes", []) if isinstance(properties, dict) else []
        rows += [(p, str(entry.get("name", ""))) for p in listed if isinstance(p, str)]
    for region in _list(document, "regions"):  # Oracle
        rows += [
            (c["cidr"], str(region.get("region", ""))) for c in _list(region, "cidrs") if isinstance(c.get("cidr"), str)
        ]
    for key in ("createDate", "creationTime", "last_updated_timestamp"):
        if isinstance(document.get(key), str):
            date_s = _cloud_time(document[key])
    return _of_texts(rows, CLOUD, stream, date_s)


def _words(entry: dict[str, Any], *keys: str) -> str:
    return " ".join(str(entry[key]) for key in keys if isinstance(entry.get(key), str))


def _list(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = document.get(key)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _cloud_time(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        parts = re.fullmatch(r"(\d{4}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)", text)
        if parts is None:
            return None
        moment = datetime.fromisoformat(f"{parts[1]}T{parts[2]}:{parts[3]}:{parts[4]}")
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _json(stream: Stream) -> dict[str, Any]:
    data = stream.read(JSON_MOST_BYTES + 1)
    if len(data) > JSON_MOST_BYTES:
        raise InputError(f"more than {JSON_MOST_BYTES:,} bytes of JSON", where=stream.name)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        place = getattr(error, "pos", 0)
        raise InputError(f"not JSON: {str(error)[:80]}", where=f"{stream.name}, offset {place}") from None
    if not isinstance(document, dict):
        raise InputError("not a provider's list of ranges", where=f"{stream.name}, offset 0")
    return document


def _of_texts(rows: list[tuple[str, str]], bits: int, stream: Stream, date_s: int | None) -> Parsed:
    """Statements of prefixes as text, each with a name."""
    skipped = Skipped()
    good = []
    for text, name in rows:
        found = range_of(text)
        if found is None:
            skipped.add("entry", "not a prefix")
        else:
            good.append((*found, name[:LONGEST_NAME] or None))
        too_many(len(good), stream.name)
    if not good or len(rows) > 2 * len(good):
        raise InputError(f"{len(rows) - len(good):,} of {len(rows):,} entries are no prefixes", where=stream.name,
                         hint="is this file what it claims to be?")
    table = prefix_rows(
        joined(g[0] for g in good), joined(g[1] for g in good), classes=bits, name=[g[2] for g in good]
    )
    return Parsed(table, date_s=date_s, skipped=skipped)


def read_drop(stream: Stream) -> Parsed:
    """Spamhaus DROP: networks hijacked or leased by professional spam or cyber-crime operations."""
    rows: list[tuple[str, str]] = []
    date_s: int | None = None
    for line in _lines(stream):
        if line.startswith("{"):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                rows.append(("", ""))
                continue
            if isinstance(entry.get("timestamp"), int):
                date_s = entry["timestamp"]
            if isinstance(entry.get("cidr"), str):
                rows.append((entry["cidr"], str(entry.get("sblid", ""))))
        elif line.startswith("; Last-Modified:"):
            date_s = _http_date(line.partition(":")[2])
        elif line.strip() and not line.startswith(";"):
            text, comment = _cut(line)
            rows.append((text, comment or ""))
    return _of_texts([(t, f"Spamhaus DROP {n}".strip()) for t, n in rows], LEASED, stream, date_s)


def _http_date(text: str) -> int | None:
    try:
        return int(datetime.strptime(text.strip(), "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def read_c2(stream: Stream) -> Parsed:
    """abuse.ch Feodo Tracker and ThreatFox CSV: addresses of command servers, from when each was first seen.

    Only indicators that are addresses say anything here; names and hashes are counted.
    """
    skipped = Skipped()
    rows: list[tuple[bytes, int, str]] = []
    header: list[str] = []
    date_s: int | None = None
    for line in _lines(stream):
        if line.startswith("#"):
            if match := re.search(r"Last updated: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", line):
                date_s = _cloud_time(match[1])
            names = _cells(line.lstrip("# "))
            if {"dst_ip", "ioc_value", "ip_address"} & set(names):
                header = names
            continue
        if not line.strip():
            continue
        cells = _cells(line)
        if {"dst_ip", "ioc_value", "ip_address"} & set(cells):
            header = cells
            continue
        row = dict(zip(header, cells, strict=False))
        value = row.get("dst_ip") or row.get("ip_address") or row.get("ioc_value", "")
        if row.get("ioc_type", "ip:port") not in ("ip:port", "ip"):
            skipped.add("indicator", f"not an address but {row['ioc_type'][:20]}")
            continue
        found = range_of(_without_port(value))
        if found is None or found[0] != found[1]:
            skipped.add("indicator", "no address")
            continue
        since = _cloud_time(row.get("first_seen_utc") or row.get("first_seen") or "")
        if since is None or since <= 0:
            skipped.add("indicator", "no time at which it was first seen")
            continue
        name = row.get("malware_printable") or row.get("malware") or ""
        rows.append((found[0], since, f"command server ({name})"[:LONGEST_NAME]))
        too_many(len(rows), stream.name)
    if not rows:
        raise InputError("no addresses of command servers in it", where=f"{stream.name}, offset {stream.offset}",
                         hint="a header with dst_ip or ioc_value")
    addresses = joined(r[0] for r in rows)
    table = prefix_rows(addresses, addresses, classes=C2, from_s=[r[1] for r in rows], since_s=[r[1] for r in rows],
                        name=[r[2] for r in rows])
    return Parsed(table, date_s=date_s, skipped=skipped)


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip().strip('"') for row in csv.reader([line], skipinitialspace=True) for cell in row]
    except csv.Error:
        return []


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
