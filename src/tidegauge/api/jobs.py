"""Routes of jobs: questions that nobody waits for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from sse_starlette import EventSourceResponse

from tidegauge.api.access import Here, Reader, Service, takes
from tidegauge.api.problems import MissingError, of_error
from tidegauge.api.questions import sent
from tidegauge.serve.answer_cache import Job
from tidegauge.store.people import Person

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])
LOOK_S = 0.2
Name = Annotated[str, Path(max_length=64)]


def _own(service: Service, person: Person, name: str) -> Job:
    """A job of this person's, or any where an admin asks.

    Raises:
        MissingError: there is none of that name, which is also what others are told.
    """
    job = service.desk.jobs.get(name)
    if job is None or not (job.owner == person.name or person.may("admin")):
        raise MissingError("no such job", hint="it is kept for an hour, and not over a restart: ask again")
    return job


@router.get("/{name}", **takes("reader", 400, 404, 409, 503, 504))
async def job(request: Request, service: Here, person: Reader, name: Name) -> Any:
    """The state of a job, and its answer or error once it is done."""
    found = _own(service, person, name)
    if found.error is not None and found.state == "failed":
        return of_error(found.error)
    if found.given is not None:
        return sent(request, service, person, found.given)
    return {"id": found.id, "state": found.state, "steps": service.desk.steps(found)}


@router.get("/{name}/events", **takes("reader", 404))
async def events(request: Request, service: Here, person: Reader, name: Name) -> Response:
    """Steps of a job as server-sent events: `step`, then one of `done`, `failed`, `cancelled`."""
    found = _own(service, person, name)

    async def told() -> AsyncIterator[dict[str, str]]:
        shown = 0
        while True:
            steps = service.desk.steps(found)
            for step in steps[shown:]:
                yield {"event": "step", "data": json.dumps(step)}
            shown = max(shown, len(steps))
            if found.state != "running":
                why = {} if found.error is None else {"title": found.error.what, "hint": found.error.hint}
                yield {"event": found.state, "data": json.dumps({"id": found.id, **why})}
                return
            await asyncio.sleep(LOOK_S)

    return EventSourceResponse(told())


@router.delete("/{name}", status_code=204, **takes("reader", 404))
async def cancel(service: Here, person: Reader, name: Name) -> Response:
    """Stop a job."""
    found = _own(service, person, name)
    found.task.cancel()
    service.note(person, "cancel a job", {"id": found.id, "verb": found.verb})
    return Response(status_code=204)
