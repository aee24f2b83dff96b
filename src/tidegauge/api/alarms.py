"""Routes of alarms, and of silences about them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from tidegauge.api.access import Analyst, Here, Reader, takes
from tidegauge.api.paging import Closing, Cursor, Limit, Moment, Name, moment_s, paged
from tidegauge.api.problems import MissingError
from tidegauge.model import FOREVER_S, UsageError, shapes

router = APIRouter(prefix="/api/v1", tags=["kept"])


class NewSilence(Closing):
    what: Annotated[str, Field(min_length=1, max_length=300)] = Field(examples=["country KP *"])


@router.get("/alarms", **takes("reader", 400, 409, shape=shapes.Alarms))
def alarms(
    service: Here, person: Reader, state: Literal["open", "ended"] | None = None,
    since: Moment = None, until: Moment = None, limit: Limit = 100, cursor: Cursor = None,
) -> dict[str, Any]:
    """Alarms of live judgement, the newest first."""
    since_s, until_s = moment_s(since) if since else 0, moment_s(until) if until else FOREVER_S
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
    made = service.alarms.silence(body.what, body.reason, person.name, moment_s(body.until))
    service.note(person, "silence", made.to_json())
    return made.to_json()


@router.delete("/silences/{name}", status_code=204, **takes("analyst", 400, 409))
def unsilence(service: Here, person: Analyst, name: Name) -> Response:
    """End a silence."""
    service.alarms.unsilence(name)
    service.note(person, "end a silence", {"id": name})
    return Response(status_code=204)
