"""Routes of what is kept: editions, watches, findings, alarms, silences and the audit log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from tidegauge.api import schemas
from tidegauge.api.access import Admin, Analyst, Here, Reader, takes
from tidegauge.api.problems import MissingError
from tidegauge.app import editions_json
from tidegauge.atlas import Atlas
from tidegauge.hunt import HuntLedger
from tidegauge.model import FOREVER_S, UsageError, parse_time
from tidegauge.watch import Indicator, Watches

router = APIRouter(prefix="/api/v1", tags=["kept"])
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=200)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Name = Annotated[str, Path(max_length=64)]
Moment = Annotated[str | None, Query(max_length=64)]
Time = Annotated[str, Field(max_length=64)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewIndicator(_Body):
    kind: Literal["prefix", "as", "domain", "port"] = Field(examples=["prefix"])
    value: Annotated[str, Field(max_length=300)] = Field(examples=["203.0.113.0/24"])
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(default=None, description="Only this port of it.")
    home_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(default=None, description="Only this port of ours.")
    valid_from: Time | None = None
    valid_until: Time | None = None


class NewWatch(_Body):
    name: Annotated[str, Field(max_length=64)] = Field(examples=["studio"])
    note: Annotated[str, Field(max_length=2000)] = ""
    sizes: list[Annotated[int, Field(ge=1, le=1 << 62)]] = Field(default=[], max_length=1000)
    indicators: list[NewIndicator] = Field(min_length=1, max_length=10_000)


class Closing(_Body):
    reason: Text
    until: Time = Field(examples=["2027-01-01"])


class NewSilence(Closing):
    what: Annotated[str, Field(min_length=1, max_length=300)] = Field(examples=["country KP *"])


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


def _time(text: str) -> int:
    return parse_time(text, now_s=int(time.time()))


@router.get("/editions", **takes("reader", 400, 409))
def editions(service: Here, person: Reader, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The editions of the atlas."""
    return paged("editions", editions_json(Atlas.of(service.site)), limit, cursor)


@router.get("/watches", **takes("reader", 400, 409))
def watches(service: Here, person: Reader, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """Named assets with their indicators."""
    rows = [watch.to_json() for watch in Watches(service.store).all()]
    return service.shown(person, paged("watches", rows, limit, cursor))  # type: ignore[no-any-return]


@router.post("/watches", status_code=201, **takes("analyst", 400, 409))
def add_watch(service: Here, person: Analyst, body: NewWatch) -> dict[str, Any]:
    """Make a watch, or add to one."""
    marks = [
        Indicator.of(one.kind, one.value, _time(one.valid_from) if one.valid_from else 0,
                     _time(one.valid_until) if one.valid_until else FOREVER_S, far_port=one.port or 0,
                     home_port=one.home_port or 0) for one in body.indicators
    ]
    made = Watches(service.store).add(body.name, marks, note=body.note, sizes=tuple(body.sizes))
    service.note(person, "add a watch", body.model_dump())
    return made.to_json()


@router.delete("/watches/{name}", status_code=204, **takes("analyst", 400, 409))
def remove_watch(service: Here, person: Analyst, name: Name) -> Response:
    """Forget a watch."""
    Watches(service.store).remove(name)
    service.note(person, "remove a watch", {"name": name})
    return Response(status_code=204)


@router.get("/findings", **takes("reader", 400, 409, shape=schemas.Findings))
def findings(
    service: Here, person: Reader, kind: Annotated[str | None, Query(max_length=32)] = None,
    severity: Annotated[list[Literal["info", "low", "medium", "high", "critical"]], Query(max_length=5)] = [],  # noqa: B006
    subject: Annotated[str | None, Query(max_length=64)] = None, closed: bool = False, limit: Limit = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """What hunts found, the newest first; with `closed` also what people closed as expected."""
    ledger = HuntLedger(service.store)
    over = {name: one for name, one in ledger.closed().items() if one.until_s > time.time()}
    rows = [
        {**row, "closed": row["id"] in over} for row in ledger.kept()
        if (kind is None or row["kind"] == kind) and (not severity or row["severity"] in severity)
        and (subject is None or row["subject"] == subject) and (closed or row["id"] not in over)
    ]
    return service.shown(person, paged("findings", rows, limit, cursor))  # type: ignore[no-any-return]


@router.post("/findings/{name}/close", **takes("analyst", 400, 409))
def close_finding(service: Here, person: Analyst, name: Name, body: Closing) -> dict[str, Any]:
    """Keep a finding out of the list until a time, with a reason."""
    HuntLedger(service.store).close(name, body.reason, _time(body.until))
    service.note(person, "close a finding", {"id": name, **body.model_dump()})
    return {"id": name, "closed": True}


@router.post("/findings/{name}/reopen", **takes("analyst", 400, 409))
def reopen_finding(service: Here, person: Analyst, name: Name) -> dict[str, Any]:
    """Take a finding into the list again."""
    HuntLedger(service.store).reopen(name)
    service.note(person, "reopen a finding", {"id": name})
    return {"id": name, "closed": False}


@router.get("/alarms", **takes("reader", 400, 409, shape=schemas.Alarms))
def alarms(
    service: Here, person: Reader, state: Literal["open", "ended"] | None = None,
    since: Moment = None, until: Moment = None, limit: Limit = 100, cursor: Cursor = None,
) -> dict[str, Any]:
    """Alarms of live judgement, the newest first."""
    since_s, until_s = _time(since) if since else 0, _time(until) if until else FOREVER_S
    rows = [one.to_json() for one in service.alarms.listed(state=state, since_s=since_s, until_s=until_s)]
    return service.shown(person, paged("alarms", rows, limit, cursor))  # type: ignore[no-any-return]


@router.get("/alarms/{name}", **takes("reader", 404, 409))
def alarm(service: Here, person: Reader, name: Name) -> Any:
    """One alarm with the answer behind it."""
    try:
        return service.shown(person, service.alarms.get(name).to_json())
    except UsageError as error:
        raise MissingError(error.what, hint=error.hint) from None


@router.get("/silences", **takes("reader", 400, 409))
def silences(service: Here, person: Reader, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """What is not sent for now, and why."""
    return paged("silences", [one.to_json() for one in service.alarms.silences()], limit, cursor)


@router.post("/silences", status_code=201, **takes("analyst", 400, 409))
def silence(service: Here, person: Analyst, body: NewSilence) -> dict[str, Any]:
    """Send nothing about what matches a pattern until a time."""
    made = service.alarms.silence(body.what, body.reason, person.name, _time(body.until))
    service.note(person, "silence", made.to_json())
    return made.to_json()


@router.delete("/silences/{name}", status_code=204, **takes("analyst", 400, 409))
def unsilence(service: Here, person: Analyst, name: Name) -> Response:
    """End a silence."""
    service.alarms.unsilence(name)
    service.note(person, "end a silence", {"id": name})
    return Response(status_code=204)


@router.get("/audit", **takes("admin", 400, 409))
def audit(
    service: Here, person: Admin, limit: Limit = 100, cursor: Annotated[int, Query(ge=0, le=1 << 53)] = 0
) -> dict[str, Any]:
    """Who asked and changed what, by number; the cursor is the last number that was seen."""
    rows = service.audit.entries(after=cursor, most=limit)
    return {"entries": [r.to_json() for r in rows], "next": str(rows[-1].number) if len(rows) == limit else None}


@router.get("/audit/verify", **takes("admin", 409))
def audit_verify(service: Here, person: Admin) -> dict[str, Any]:
    """Whether the chain of the audit log is whole."""
    found = service.audit.verify()
    return {"rows": found.rows, "chain": "whole" if found.broken is None else "broken", "why": found.why}
