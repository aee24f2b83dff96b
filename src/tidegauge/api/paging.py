"""Lists by pages, and what the bodies and paths of several resources share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from tidegauge.model import UsageError, parse_time

Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=200)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Name = Annotated[str, Path(max_length=64)]
Moment = Annotated[str | None, Query(max_length=64)]
Time = Annotated[str, Field(max_length=64)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Closing(Body):
    reason: Text
    until: Time = Field(examples=["2027-01-01"])


def paged(name: str, rows: Sequence[Any], limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of a list, whose rows have names of their own (`id`, or what `key` gives)."""
    keys = [_key(row) for row in rows]
    begin = 0
    if cursor is not None:
        if cursor not in keys:
            raise UsageError("not a cursor of this list", hint="take `next` of the page before; it may have changed")
        begin = keys.index(cursor) + 1
    page = list(rows[begin : begin + limit])
    more = begin + limit < len(rows)
    return {name: page, "next": _key(page[-1]) if more and page else None}


def _key(row: Any) -> str:
    return str(row.get("id") or row.get("name") or row.get("number") or f"{row.get('source')} {row.get('edition')}")


def moment_s(text: str) -> int:
    """A time as it was written, in epoch seconds."""
    return parse_time(text, now_s=int(time.time()))
