"""Files of indicators: CSV, STIX 2.1 and MISP, to checked indicators, and a count of what was left out by reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tidegauge.model import FOREVER_S, InputError, Skipped, TidegaugeError, UsageError, parse_time
from tidegauge.watch.columns import csv_rows, named_row
from tidegauge.watch.indicator import KINDS, Indicator
from tidegauge.watch.misp import is_misp, misp_rows
from tidegauge.watch.rows import MALFORMED, NO_HOST, Left, Row, settled
from tidegauge.watch.stix import is_stix, stix_rows

MOST_BYTES = 64 << 20
WIDE_V4, WIDE_V6 = 8, 16
"""No asset has a shorter prefix: a file that names one, such as 0.0.0.0/0, does not mean it."""
NO_HOSTS = frozenset(("0.0.0.0/32", "127.0.0.1/32", "255.255.255.255/32", "::/128", "::1/128"))


def read_indicators(path: Path, *, now_s: int | None = None) -> tuple[list[Indicator], Skipped]:
    """Return the indicators of a file, CSV (`csv_rows`), STIX 2.1 or MISP, and what was left out.

    Args:
        now_s: indicators that held no longer at that time are left out; None keeps them.

    Raises:
        InputError: not one of these, or nothing in it that can be watched.
    """
    found: dict[tuple[str, int, int], Indicator] = {}
    left = Skipped()
    malformed: dict[str, str] = {}
    for row in _rows(_text(path), path):
        if isinstance(row, Left):
            # Of those that are malformed the first is named, and stands for all.
            why = malformed.setdefault(row.what, row.why) if row.why.startswith(MALFORMED) else row.why
            left.add(row.what, why)
            continue
        for one in settled(row):
            if isinstance(one, Left):
                left.add(one.what, one.why)
                continue
            try:
                mark = _checked(one, path.name)
            except TidegaugeError as error:
                left.add(one.kind if one.kind in KINDS else f"kind {one.kind[:40]}", str(error))
                continue
            if mark.value in NO_HOSTS:
                left.add("prefix", NO_HOST)
            elif mark.kind == "prefix" and _is_wide(mark.value):
                left.add("prefix", f"shorter than /{WIDE_V4} (IPv6: /{WIDE_V6}): it would match too much of the"
                                   " Internet; --prefix takes it all the same")
            elif now_s is not None and mark.until_s <= now_s:
                left.add(one.kind, "expired: its time of validity ended before the data begin")
            else:
                found.setdefault((mark.text, mark.from_s, mark.until_s), mark)
    if not found:
        reasons = "; ".join(f"{count:,} {what}: {why}" for what, why, count in list(left)[:3])
        raise InputError("no indicators in it that can be watched" + (f" ({reasons})" if reasons else ""),
                         where=str(path), hint="addresses, prefixes, ASes, domains or links")
    return list(found.values()), left


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"more than {MOST_BYTES:,} bytes", where=str(path))
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from None


def _rows(text: str, path: Path) -> Iterator[Row | Left]:
    text = text.rstrip("\x00 \r\n")
    if not text.lstrip().startswith(("{", "[")):
        yield from csv_rows(text)
        return
    try:
        yield from _json_rows(_json(text, path))
    except RecursionError:
        raise InputError("nested too deeply", where=str(path)) from None


def _json_rows(document: Any) -> Iterator[Row | Left]:
    """The rows of a document, or of several in a list: STIX objects together, since they refer to one another, MISP
    events, objects with names of columns, and texts."""
    if isinstance(document, dict) and isinstance(document.get("response"), list | dict):
        document = document["response"]
    members = document if isinstance(document, list) else [document]
    typed = any(map(is_stix, members))
    ours = [is_stix(one) or (typed and isinstance(one, dict) and "type" in one and not is_misp(one)) for one in members]
    if typed:
        yield from stix_rows([one for one, stix in zip(members, ours, strict=True) if stix])
    for one in (one for one, stix in zip(members, ours, strict=True) if not stix):
        if isinstance(one, Left):
            yield one
        elif is_misp(one):
            yield from misp_rows(one)
        elif isinstance(one, str):
            yield from csv_rows(one)
        elif isinstance(one, list):
            yield from _json_rows(one)
        elif isinstance(one, dict) and one and all(isinstance(value, list) for value in one.values()):
            yield from (row for value in one.values() for row in _json_rows(value))
        else:
            yield from _flat(one)


def _flat(one: Any) -> Iterator[Row | Left]:
    """The row of an object whose keys are names of columns."""
    if not isinstance(one, dict):
        yield Left("entry", f"no indicator: {str(one)[:40]}")
        return
    cells = [(name, str(value)) for name, value in one.items() if isinstance(value, str | int | float)]
    found = list(named_row(cells))
    if any(isinstance(row, Row) for row in found) or "to-ids" in one or "revoked" in one:
        yield from found
    else:
        yield Left("JSON object", f"of an unknown kind: its keys are {', '.join(map(str, list(one)[:8]))[:120]}")


def _json(text: str, path: Path) -> Any:
    """One document, or one a line."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        found = [_line(line) for line in text.splitlines() if line.strip()]
        if not any(isinstance(one, dict) for one in found):
            raise InputError(f"not JSON: {str(error)[:80]}", where=str(path)) from None
        return found


def _line(text: str) -> Any:
    """One line of JSON, or that it cannot be read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return Left("entry", f"{MALFORMED} JSON: {text[:40]}")


def _is_wide(prefix: str) -> bool:
    return int(prefix.rpartition("/")[2]) < (WIDE_V6 if ":" in prefix else WIDE_V4)


def _checked(row: Row, source: str) -> Indicator:
    for text in (row.start, row.end):
        if text.startswith("-") or text == "now":
            raise UsageError(f"a time in a file cannot be relative: {text[:20]!r}")
    start = parse_time(row.start, now_s=0) if row.start else 0
    end = parse_time(row.end, now_s=0) if row.end else FOREVER_S
    if start == end:
        end = start + 1  # a single sighting
    if row.note:
        source = f"{source}: {row.note}"
    return Indicator.of(
        row.kind, row.value, start, end, source, far_port=row.far_port or 0, home_port=row.home_port or 0
    )
