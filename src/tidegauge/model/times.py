"""Times at the edge and inside: RFC 3339 text and relative text in, UTC epoch seconds out, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from tidegauge.model.errors import UsageError

FOREVER_S = 1 << 33
"""Later than any time that is asked about (the year 2242): the end of what has no end."""
EARLIEST_US = 631_152_000_000_000
"""1990: no flow was told of before it."""
LONGEST_FLOW_US = 366 * 86_400_000_000
"""No flow lasts longer than this."""
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
FORMS = "Use YYYY-MM-DD, RFC 3339, epoch seconds or a relative time such as -7d."
DATES_OR_YEARS = re.compile(r"(19|20|21)\d\d((0[1-9]|1[0-2])\d\d)?")
"""Digits that a person means as a day (or a year, which is refused), not as seconds."""


def parse_duration(text: str) -> int:
    """Seconds of a length such as `5m`, `2h`, `28d`.

    >>> parse_duration("2h")
    7200
    """
    match = re.fullmatch(r"(\d+)\s*([smhdw])", text.strip())
    seconds = int(match[1]) * UNITS_S[match[2]] if match and len(match[1]) < 10 else 0
    if seconds <= 0:
        raise UsageError(f"Invalid duration: {text!r}.", hint="Use a number and s, m, h, d or w, such as 5m or 28d.")
    return seconds


def parse_time(text: str, *, now_s: int, option: str = "") -> int:
    """Return the epoch seconds of an RFC 3339 time (UTC where it names no offset), of epoch seconds, or of a time
    relative to `now_s`.

    Args:
        option: where the text was given, for the error.

    >>> parse_time("2014-11-24T08:00Z", now_s=0), parse_time("1416816000", now_s=0)
    (1416816000, 1416816000)
    >>> parse_time("-1d", now_s=100000)
    13600

    Raises:
        UsageError: not a time.
    """
    text, given = text.strip(), f" ({option})" if option else ""
    if text == "now":
        return now_s
    if text.startswith("-"):
        return now_s - parse_duration(text[1:])
    if re.fullmatch(r"\d+(\.\d*)?", text) and not DATES_OR_YEARS.fullmatch(text):
        seconds = float(text)
        if seconds > FOREVER_S:
            raise UsageError(f"Invalid date: {text!r}{given}.", hint="Use epoch seconds, not milliseconds.")
        return int(seconds)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"Invalid date: {text!r}{given}.", hint=FORMS) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def format_time(seconds: float) -> str:
    """RFC 3339 in UTC, to the second.

    >>> format_time(1416816000)
    '2014-11-24T08:00:00Z'
    """
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_duration(seconds: float) -> str:
    """A length of time as a person says it.

    >>> format_duration(5400)
    '90 min'
    """
    for unit, name in ((86400, "day"), (3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            count = int(seconds // unit)
            return f"{count} {name}{'s' if name == 'day' and count != 1 else ''}"
    return f"{seconds:.0f} s"


def without(whole: tuple[int, int], parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What of a half-open interval is in none of others.

    >>> without((0, 10), [(3, 5), (4, 6), (9, 12)])
    [(0, 3), (6, 9)]
    """
    begin, left = whole[0], []
    for start, end in merge_intervals(parts):
        left.append((begin, min(start, whole[1])))
        begin = max(begin, end)
    return [(a, b) for a, b in [*left, (begin, whole[1])] if a < b]


def merge_intervals(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join half-open intervals that touch or overlap.

    >>> merge_intervals([(5, 7), (0, 2), (2, 3)])
    [(0, 3), (5, 7)]
    """
    merged: list[tuple[int, int]] = []
    for start, end in sorted(i for i in intervals if i[1] > i[0]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
