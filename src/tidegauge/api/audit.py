"""Routes of the audit log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from tidegauge.api.access import Admin, Here, takes
from tidegauge.api.paging import Limit

router = APIRouter(prefix="/api/v1", tags=["kept"])


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
