"""Routes of everything that is asked: each hands its question to the desk."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser

from tidegauge.api.access import Analyst, Here, Reader, Service, not_our_address, takes, without_our_addresses
from tidegauge.api.middleware import LARGE_BODIES
from tidegauge.app import (
    LeakQuestion,
    LureQuestion,
    OriginQuestion,
)
from tidegauge.app.answers import ANSWERS
from tidegauge.model import UsageError, shapes
from tidegauge.serve.answer_cache import Given
from tidegauge.serve.question_pool import StoppedError
from tidegauge.store.people import Person, RefusedError

router = APIRouter(prefix="/api/v1", tags=["questions"])
LOOK_S = 0.5
# Files that are handed in stay in memory, up to what a body may hold: none is spooled to disk.
MultiPartParser.spool_max_size = max(LARGE_BODIES.values())
STATUSES = (400, 409, 503, 504)
Prefer = Annotated[str | None, Header(description="`respond-async` begins a job")]
Address = Annotated[str, Path(max_length=64, examples=["192.0.2.1"])]


def example(told: Any) -> dict[int | str, Any]:
    """The 200 of a question in the OpenAPI, with an example, and the 202 of a job."""
    return {
        200: {"description": "the answer", "content": {"application/json": {"example": told}}},
        202: {"description": "a job was begun", "headers": {"Location": {"schema": {"type": "string"}}}},
        304: {"description": "the answer is the one that you have"},
    }


def asks(told: Any, shape: Any, role: str = "reader") -> dict[str, Any]:
    said = takes(role, *STATUSES)
    answers = example(told)
    answers[200]["model"] = shape
    return {**said, "responses": {**said["responses"], **answers}}


async def answered(request: Request, service: Service, person: Person, verb: str, question: Any) -> Response:
    """Answer, or begin a job where that is preferred; noted in the audit log."""
    where: str | None = getattr(question, "where", None)
    origin = str(getattr(question, "from_", None) or getattr(question, "of", ""))
    without_our_addresses(person, where)
    if any(part.strip().startswith("@") for part in origin.split(",")):
        raise RefusedError("list files are for the command line", hint="name the origins, joined by commas")
    await asyncio.to_thread(service.note, person, f"ask {verb}", question.told())
    if "respond-async" in (request.headers.get("prefer") or ""):
        job = await service.desk.begin(verb, question, person.name)
        place = f"/api/v1/jobs/{job.id}"
        return JSONResponse(
            {"id": job.id, "state": job.state}, 202, {"Location": place, "Preference-Applied": "respond-async"}
        )
    given = await _while_connected(request, service.desk.answer(verb, question))
    service.desk.note_last(person.name, verb, question)
    return await asyncio.to_thread(sent, request, service, person, given)


async def _while_connected(request: Request, asked: Coroutine[Any, Any, Given]) -> Given:
    """What is asked, called off when the client goes away: nobody would read the answer.

    Raises:
        StoppedError: the client is gone.
    """
    answering = asyncio.ensure_future(asked)
    try:
        while not answering.done():
            await asyncio.wait({answering}, timeout=LOOK_S)
            if not answering.done() and await request.is_disconnected():
                raise StoppedError("nobody waits for the answer any more")
        return answering.result()
    finally:
        answering.cancel()


def sent(request: Request, service: Service, person: Person, given: Given) -> Response:
    """An answer as this person may see it; 304 where they have it already."""
    headers = {"Vary": "Cookie, Authorization"}
    if given.tag is not None:
        # Readers get another text, so another tag.
        tag = given.tag if person.may("analyst") else f'{given.tag[:-1]}-r"'
        headers |= {"ETag": tag, "Cache-Control": "private, no-cache"}
        if tag in [t.strip().removeprefix("W/") for t in (request.headers.get("if-none-match") or "").split(",")]:
            return Response(status_code=304, headers=headers)
    body = given.body
    if not person.may("analyst"):
        body = json.dumps(service.shown(person, json.loads(body)), ensure_ascii=False).encode()
    return Response(body, headers=headers, media_type="application/json")


@dataclass(frozen=True)
class Asked:
    """One question that is put in a URL's query: what it is answered with, an example of that, and what it is about.

    Attributes:
        of_ours: the field that may hold an address of ours, which not everybody may ask about; empty where none does.
    """

    verb: str
    answer: Any
    example: dict[str, Any]
    says: str
    of_ours: str = ""


QUESTIONS = (
    Asked("ask", shapes.Answer | shapes.Ranking,
          {"verdict": "no_surge", "detection_limit": [{"duration_s": 3600, "bytes": 38_000_000}]},
          "Was there a surge? A verdict, what would have been seen, when we were blind, and the caveats."),
    Asked("series", shapes.Series, {"selection": "KP", "width_s": 300, "start_s": [1_416_816_000], "value": [0]},
          "An amount over time."),
    Asked("top", shapes.Top, {"by": ["far_country"], "metric": "bytes", "rows": [{"far_country": "KP", "bytes": 1}]},
          "The groups with the largest sums."),
    Asked("coverage", shapes.Coverage, {"share": 0.997, "exporters": []},
          "What was seen of a time, by exporter, and when we were blind."),
    Asked("flows", shapes.Flows, {"flows": [{"src": "192.0.2.1", "bytes": 100}], "next": None},
          "A page of flows by start time; `next` is the cursor of the page behind it."),
    Asked("hunt", shapes.Hunted, {"findings": [], "limits": [], "examined": {"flows": 0}, "skipped": []},
          "Look for hosts that send out, pass on, are commanded, or scan."),
    Asked("origins", shapes.Showings, {"of": "KP", "prefixes": [{"prefix": "175.45.176.0/22", "displayed": "KP"}]},
          "Every prefix by which an origin can show itself."),
)
CONSOLE_QUESTIONS = (
    Asked("world", shapes.World,
          {"width_s": 86400, "start_s": [0], "countries": [{"country": "KP", "value": [1]}]},
          "Every country's amount over time, beside what its own history lets expect."),
    Asked("names", shapes.Names, {"address": "192.0.2.1", "names": [], "left_out": 0},
          "Names that a host asked for, and that led to it.", of_ours="address"),
    Asked("reach", shapes.Reach, {"of": "KP", "at": "2014-11-24T00:00:00Z", "ases": []},
          "Over which upstreams a country or AS was reached."),
)


def routes(to: APIRouter, questions: tuple[Asked, ...]) -> None:
    """Make the route of each question; its form is the one of `ANSWERS`."""
    for asked in questions:
        to.get(f"/{asked.verb}", **asks(asked.example, asked.answer))(_route(asked))


def _route(asked: Asked) -> Callable[..., Coroutine[Any, Any, Response]]:
    async def route(
        request: Request, service: Here, person: Reader, question: Any, prefer: Prefer = None
    ) -> Response:
        if asked.of_ours:
            not_our_address(service, person, getattr(question, asked.of_ours))
        return await answered(request, service, person, asked.verb, question)

    form, _ = ANSWERS[asked.verb]
    route.__annotations__["question"] = Annotated[form, Query()]
    route.__name__, route.__doc__ = asked.verb, asked.says
    return route


routes(router, QUESTIONS)


@router.get(
    "/origin/{address}",
    **asks({"address": "192.0.2.1", "displayed": "ZZ", "trust": "low", "reasons": []}, shapes.Origin),
)
async def origin(
    request: Request, service: Here, person: Reader, address: Address, at: str | None = Query(None, max_length=64),
    prefer: Prefer = None,
) -> Response:
    """What an address displays at a time, and how far to believe it."""
    not_our_address(service, person, address)
    return await answered(request, service, person, "origin", OriginQuestion(address=address, at=at))


LURE_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": LureQuestion.model_json_schema(), "example": {"text": "You have won! https://gift.example.top/claim"},
        },
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}, "text": {"type": "string"},
                               "url": {"type": "string"}, "sweep": {"type": "boolean"}},
            }
        },
        "message/rfc822": {"schema": {"type": "string", "format": "binary"}},
    },
}


def posts(told: Any, shape: Any, body: dict[str, Any], role: str = "reader") -> dict[str, Any]:
    said = asks(told, shape, role)
    return {**said, "openapi_extra": {**said["openapi_extra"], "requestBody": body}}


@router.post(
    "/lure", **posts({"findings": [{"kind": "lure", "verdict": "phishing"}], "skipped": []}, shapes.Lures, LURE_BODY)
)
async def lure(request: Request, service: Here, person: Reader, prefer: Prefer = None) -> Response:
    """Judge a mail (.eml or .msg), a message or a link; with `sweep`, who of ours went where it leads."""
    return await answered(request, service, person, "lure", await _lure_of(request))


LEAK_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": LeakQuestion.model_json_schema(), "example": {"content": "c3NuOiAuLi4=", "name": "a.txt"},
        },
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
        },
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}


@router.post(
    "/leak", **posts({"findings": [], "summary": {"persons": 0, "by_kind": {}}}, shapes.Leaks, LEAK_BODY, "analyst")
)
async def leak(request: Request, service: Here, person: Analyst, prefer: Prefer = None) -> Response:
    """Whose data lie in a file: counts, places and masked samples. Nothing of it is kept."""
    return await answered(request, service, person, "leak", await _leak_of(request))


async def _leak_of(request: Request) -> LeakQuestion:
    """The question of a JSON body, a form, or a file as it is.

    Raises:
        UsageError: none of these.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            return LeakQuestion.model_validate_json(await request.body())
        if kind != "multipart/form-data":
            return LeakQuestion(content=base64.b64encode(await request.body()).decode())
        async with request.form(max_files=1, max_fields=1) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise UsageError("no file in the form", hint="-F file=@PATH")
            content = base64.b64encode(await file.read()).decode()
            return LeakQuestion(content=content, name=(file.filename or "it")[:255])
    except (ValidationError, HTTPException, UnicodeDecodeError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "the form can't be read"
        raise UsageError(f"not a question: {why}", hint="a file, or {\"content\": base64}") from None


async def _lure_of(request: Request) -> LureQuestion:
    """The question of a JSON body, a form, or a mail as it is.

    Raises:
        UsageError: none of these.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            return LureQuestion.model_validate_json(await request.body())
        if kind != "multipart/form-data":
            return LureQuestion(mail=base64.b64encode(await request.body()).decode(), name="mail")
        async with request.form(max_files=1, max_fields=5) as form:
            told: dict[str, Any] = {name: form[name] for name in ("text", "url", "sweep") if form.get(name)}
            file = form.get("file")
            if isinstance(file, UploadFile):
                told |= {"mail": base64.b64encode(await file.read()).decode(), "name": (file.filename or "mail")[:255]}
        return LureQuestion.model_validate(told)
    except (ValidationError, HTTPException, UnicodeDecodeError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "the form can't be read"
        raise UsageError(f"not a question: {why}", hint='a mail, or {"text": "..."}') from None
