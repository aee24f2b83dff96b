"""Errors as problem details (RFC 9457), with what to do about them in `hint`."""

from __future__ import annotations

import json
import logging
import secrets
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from tidegauge.case import ConflictError, UnfoundedError
from tidegauge.model import LakeError, TidegaugeError, UsageError
from tidegauge.serve.question_pool import BusyError, StoppedError, TooLargeError, TooLongError
from tidegauge.store.people import RefusedError, TooManyError

KIND = "application/problem+json"


class Problem(BaseModel):
    """RFC 9457; `hint` says what to do."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["not an origin: '12'"])
    status: int = Field(examples=[400])
    detail: str | None = None
    hint: str | None = Field(default=None, examples=["KP, North Korea, AS131279, 175.45.176.0/22 or class:tor-exit"])


class LoginNeededError(RefusedError):
    """Nobody came in."""


class MissingError(TidegaugeError):
    """What was asked for is not there."""


STATUS: tuple[tuple[type[TidegaugeError], int], ...] = (
    (LoginNeededError, 401), (TooManyError, 429), (RefusedError, 403), (MissingError, 404), (UsageError, 400),
    (ConflictError, 409), (UnfoundedError, 409), (BusyError, 503),
    (TooLongError, 504), (TooLargeError, 503), (StoppedError, 409), (LakeError, 409),
    (TidegaugeError, 500),
)
RETRY_S = 5


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route can have, for the OpenAPI."""
    return {status: {"content": {KIND: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                     "description": "a problem, with a hint"} for status in statuses}


def problem(status: int, title: str, *, detail: str = "", hint: str = "", headers: dict[str, str] | None = None) -> Any:
    """A problem as a response."""
    body = {"type": "about:blank", "title": title, "status": status}
    body |= {name: text for name, text in (("detail", detail), ("hint", hint)) if text}
    return JSONResponse(body, status, headers, media_type=KIND)


def of_error(error: TidegaugeError) -> Any:
    """The problem that an error of ours is; where in the file system something lies is not for those outside."""
    status = next(number for kind, number in STATUS if isinstance(error, kind))
    headers = {}
    if isinstance(error, TooManyError):
        headers["Retry-After"] = str(error.wait_s)
    elif status == 503:
        headers["Retry-After"] = str(RETRY_S)
    elif status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="tidegauge"'
    return problem(status, error.what, hint=error.hint, headers=headers)


def install(app: FastAPI) -> None:
    """Have all errors of an app come out as problems."""

    @app.exception_handler(TidegaugeError)
    async def ours(request: Request, error: TidegaugeError) -> Any:
        return of_error(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Any:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(422, f"{where}: {first['msg']}", hint="GET /api/v1/openapi.json says what may be asked")

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Any:
        return problem(error.status_code, str(error.detail).lower(), headers=dict(error.headers or {}))

    @app.exception_handler(json.JSONDecodeError)
    async def not_json(request: Request, error: json.JSONDecodeError) -> Any:
        return problem(422, "not JSON")

    @app.exception_handler(Exception)
    async def ours_to_mend(request: Request, error: Exception) -> Any:
        reference = secrets.token_hex(4)
        logging.getLogger("uvicorn.error").error("internal error, reference %s", reference, exc_info=error)
        return problem(500, f"Internal error (reference {reference}).", hint="the log of the service has the reference")
