"""Routes of the editions of the atlas."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from tidegauge.api.access import Here, Reader, takes
from tidegauge.api.paging import Cursor, Limit, paged
from tidegauge.app import editions_json
from tidegauge.atlas import Atlas

router = APIRouter(prefix="/api/v1", tags=["kept"])


@router.get("/editions", **takes("reader", 400, 409))
def editions(service: Here, person: Reader, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The editions of the atlas."""
    return paged("editions", editions_json(Atlas.of(service.site)), limit, cursor)
