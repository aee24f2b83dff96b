"""Routes of findings of hunts, and of closing them."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from tidegauge.api.access import Analyst, Here, Reader, takes
from tidegauge.api.paging import Closing, Cursor, Limit, Name, moment_s, paged
from tidegauge.hunt import HuntLedger
from tidegauge.model import shapes

router = APIRouter(prefix="/api/v1", tags=["kept"])


@router.get("/findings", **takes("reader", 400, 409, shape=shapes.Findings))
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
    HuntLedger(service.store).close(name, body.reason, moment_s(body.until))
    service.note(person, "close a finding", {"id": name, **body.model_dump()})
    return {"id": name, "closed": True}


@router.post("/findings/{name}/reopen", **takes("analyst", 400, 409))
def reopen_finding(service: Here, person: Analyst, name: Name) -> dict[str, Any]:
    """Take a finding into the list again."""
    HuntLedger(service.store).reopen(name)
    service.note(person, "reopen a finding", {"id": name})
    return {"id": name, "closed": False}
