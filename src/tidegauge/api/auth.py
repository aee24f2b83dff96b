"""Routes of people: coming in and going, who one is, users and tokens."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from tidegauge.api.access import OPEN, Admin, Here, Reader, takes
from tidegauge.model import console_shapes

router = APIRouter(prefix="/api/v1", tags=["people"])
Name = Annotated[str, Path(max_length=128)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LogIn(_Body):
    name: Annotated[str, Field(max_length=128)]
    password: Annotated[str, Field(max_length=2048)]


class NewUser(_Body):
    name: Annotated[str, Field(max_length=64)] = Field(examples=["hana"])
    role: Literal["reader", "analyst", "admin"]
    password: Annotated[str, Field(max_length=1024)]


class NewToken(_Body):
    name: Annotated[str, Field(max_length=64)] = Field(examples=["nightly report"])
    user: Annotated[str, Field(max_length=64)]
    days: Annotated[int, Field(ge=1, le=3660)] | None = None


@router.post("/login", status_code=204, **takes(OPEN, 403, 409, 429))
def log_in(request: Request, service: Here, body: LogIn) -> Response:
    """Open a session; its secret comes as a cookie."""
    secret = service.log_in(request, body.name, body.password)
    response = Response(status_code=204)
    service.set_cookie(response, secret)
    return response


@router.post("/logout", status_code=204, **takes("reader", 409))
def log_out(request: Request, service: Here, person: Reader) -> Response:
    """End this session."""
    service.people.close_session(request.cookies.get(service.cookie, ""))
    service.note(person, "log out", {})
    response = Response(status_code=204)
    response.delete_cookie(service.cookie, path="/", secure=service.secure, httponly=True, samesite="strict")
    return response


@router.get("/me", **takes("reader", 409, shape=console_shapes.Me))
def me(service: Here, person: Reader) -> dict[str, Any]:
    """Who one is, and the token that changes by a session need in `X-CSRF-Token`."""
    return {"name": person.name, "role": person.role, "by": person.by, "csrf": person.csrf or None}


@router.get("/users", **takes("admin", 409))
def users(service: Here, person: Admin) -> dict[str, Any]:
    """All users."""
    return {"users": service.people.users()}


@router.post("/users", status_code=201, **takes("admin", 400, 409))
def add_user(service: Here, person: Admin, body: NewUser) -> dict[str, Any]:
    """Make a user, or change role and password of one."""
    service.people.add(body.name, body.role, body.password)
    service.note(person, "add a user", {"name": body.name, "role": body.role})
    return {"name": body.name, "role": body.role}


@router.delete("/users/{name}", status_code=204, **takes("admin", 400, 409))
def remove_user(service: Here, person: Admin, name: Name) -> Response:
    """Forget a user with all sessions and tokens."""
    service.people.remove(name)
    service.note(person, "remove a user", {"name": name})
    return Response(status_code=204)


@router.get("/tokens", **takes("admin", 409))
def tokens(service: Here, person: Admin) -> dict[str, Any]:
    """All tokens, without their secrets."""
    return {"tokens": service.people.tokens()}


@router.post("/tokens", status_code=201, **takes("admin", 400, 409))
def add_token(service: Here, person: Admin, body: NewToken) -> dict[str, Any]:
    """A token with a user's role; its secret is shown once."""
    secret = service.people.add_token(body.name, body.user, body.days)
    service.note(person, "add a token", body.model_dump())
    return {"name": body.name, "user": body.user, "token": secret}


@router.delete("/tokens/{name}", status_code=204, **takes("admin", 400, 409))
def remove_token(service: Here, person: Admin, name: Name) -> Response:
    """Forget a token."""
    service.people.remove_token(name)
    service.note(person, "remove a token", {"name": name})
    return Response(status_code=204)
