"""Routes of watches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from tidegauge.api.access import Analyst, Here, Reader, takes
from tidegauge.api.paging import Body, Cursor, Limit, Name, Time, moment_s, paged
from tidegauge.model import FOREVER_S
from tidegauge.watch import Indicator, Watches

router = APIRouter(prefix="/api/v1", tags=["kept"])


class NewIndicator(Body):
    kind: Literal["prefix", "as", "domain", "port"] = Field(examples=["prefix"])
    value: Annotated[str, Field(max_length=300)] = Field(examples=["203.0.113.0/24"])
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(default=None, description="Only this port of it.")
    home_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(default=None, description="Only this port of ours.")
    valid_from: Time | None = None
    valid_until: Time | None = None


class NewWatch(Body):
    name: Annotated[str, Field(max_length=64)] = Field(examples=["studio"])
    note: Annotated[str, Field(max_length=2000)] = ""
    sizes: list[Annotated[int, Field(ge=1, le=1 << 62)]] = Field(default=[], max_length=1000)
    indicators: list[NewIndicator] = Field(min_length=1, max_length=10_000)


@router.get("/watches", **takes("reader", 400, 409))
def watches(service: Here, person: Reader, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """Named assets with their indicators."""
    rows = [watch.to_json() for watch in Watches(service.store).all()]
    return service.shown(person, paged("watches", rows, limit, cursor))  # type: ignore[no-any-return]


@router.post("/watches", status_code=201, **takes("analyst", 400, 409))
def add_watch(service: Here, person: Analyst, body: NewWatch) -> dict[str, Any]:
    """Make a watch, or add to one."""
    marks = [
        Indicator.of(one.kind, one.value, moment_s(one.valid_from) if one.valid_from else 0,
                     moment_s(one.valid_until) if one.valid_until else FOREVER_S, far_port=one.port or 0,
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
