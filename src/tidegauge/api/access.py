"""Who asks, and whether they may: sessions by cookie, tokens by header, a role for every route."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from tidegauge.api.problems import LoginNeededError, described
from tidegauge.model import Prefix, parse_address
from tidegauge.model.pseudonym import Pseudonyms
from tidegauge.serve.alarms import Alarms
from tidegauge.serve.answer_cache import Desk
from tidegauge.site import Site
from tidegauge.store import Store, site_key
from tidegauge.store.audit import Audit
from tidegauge.store.people import People, Person, RefusedError, Role

SAFE = ("GET", "HEAD", "OPTIONS")
OPEN = "open"
"""The role of routes that nobody has to come in for."""


@dataclass
class Service:
    """What routes work with."""

    site: Site
    desk: Desk
    secure: bool
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store.of(self.site)
        self.people, self.alarms = People(self.store), Alarms(self.store)
        self.audit = Audit(self.store, self.site.folder)

    @property
    def cookie(self) -> str:
        return "__Host-tidegauge" if self.secure else "tidegauge"

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        return Pseudonyms(site_key(self.site.folder, "pseudonyms"))

    def note(self, person: Person, what: str, detail: dict[str, Any]) -> None:
        """Into the audit log."""
        self.audit.note(person.name, what, detail)

    def log_in(self, request: Request, name: str, password: str) -> str:
        """Check a password and open a session; its secret.

        Raises:
            RefusedError: not from a page of ours, not their password, or too many tries.
        """
        self.same_site(request)
        address = request.client.host if request.client else ""
        try:
            secret = self.people.log_in(name, password, address)
        except RefusedError as error:
            self.audit.note(name[:64], "log in refused", {"from": address, "why": error.what})
            raise
        self.audit.note(name[:64], "log in", {"from": address})
        return secret

    def same_site(self, request: Request) -> None:
        """Where a browser says from which page a request comes, it must be one of ours.

        Raises:
            RefusedError: it is another's.
        """
        origin = request.headers.get("origin")
        own = f"{'https' if self.secure else 'http'}://{request.headers.get('host', '')}"
        fetched = request.headers.get("sec-fetch-site")
        # Our pages send no referrer, so browsers tell the origin of their forms as `null`.
        ours = (None, own, "null") if fetched == "same-origin" else (None, own)
        if origin not in ours or fetched not in (None, "same-origin", "none"):
            raise RefusedError("Cross-site request refused.")

    def ours_packed(self, packed: bytes) -> bool:
        """Whether an address, 16 bytes, is home."""
        return any(packed in prefix for prefix in self.site.home)

    def ours(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether an address is home."""
        return self.ours_packed(Prefix.parse(str(address)).first)

    def shown(self, person: Person, told: Any) -> Any:
        """What a person may see of a JSON value: readers have pseudonyms for the addresses that are ours."""
        return told if person.may("analyst") else self.pseudonyms.hidden(told, self.ours)

    def set_cookie(self, response: Response, secret: str) -> None:
        response.set_cookie(
            self.cookie, secret, httponly=True, samesite="strict", secure=self.secure, path="/"
        )


def service_of(request: Request) -> Service:
    found = request.app.state.service
    assert isinstance(found, Service)
    return found


def person_of(request: Request) -> Person | None:
    """Who asks; a token counts before a session. None: nobody.

    Raises:
        LoginNeededError: a token that is none, or has ended.
    """
    service = service_of(request)
    given = request.headers.get("authorization")
    if given is not None:
        kind, _, secret = given.partition(" ")
        person = service.people.token(secret.strip()) if kind.lower() == "bearer" else None
        if person is None:
            raise LoginNeededError("The token is not valid, or it has expired.")
        return person
    secret = request.cookies.get(service.cookie, "")
    return service.people.session(secret) if secret else None


def _needs(role: Role) -> Callable[[Request], Person]:
    def check(request: Request) -> Person:
        person = person_of(request)
        if person is None:
            raise LoginNeededError("Authentication required.", hint="log in, or send Authorization: Bearer TOKEN")
        if request.method not in SAFE and person.by == "session":
            given = request.headers.get("x-csrf-token", "")
            if not hmac.compare_digest(given.encode(), person.csrf.encode()):
                hint = "send the X-CSRF-Token that GET /api/v1/me tells"
                raise RefusedError("Cross-site request refused.", hint=hint)
        if not person.may(role):
            raise RefusedError(f"this takes the role {role}", hint="ask an admin of this site")
        return person

    return check


Reader = Annotated[Person, Depends(_needs("reader"))]
Analyst = Annotated[Person, Depends(_needs("analyst"))]
Admin = Annotated[Person, Depends(_needs("admin"))]
Here = Annotated[Service, Depends(service_of)]


def takes(role: str, *statuses: int, shape: Any = None) -> dict[str, Any]:
    """How a route says who may: keywords for its declaration, of which the OpenAPI tells too.

    Args:
        shape: of the answer, one of `shapes`; it is told and not checked.
    """
    refused = () if role == OPEN else (401, 403)
    responses = described(*sorted({*refused, *statuses, 422}))
    if shape is None:
        return {"openapi_extra": {"x-role": role}, "responses": responses}
    told: dict[int | str, Any] = {200: {"model": shape, "description": "the answer"}}
    return {"openapi_extra": {"x-role": role}, "responses": {**responses, **told}, "response_model": None}


def roles(routers: Sequence[APIRouter]) -> dict[tuple[str, str], str]:
    """Method and path of every route, and who may.

    Raises:
        RuntimeError: a route does not say, or does not ask, which is ours to mend.
    """
    asks = {"reader": _reader, "analyst": _analyst, "admin": _admin}
    found: dict[tuple[str, str], str] = {}
    for route in [route for router in routers for route in router.routes]:
        assert isinstance(route, APIRoute)
        role = (route.openapi_extra or {}).get("x-role")
        called = {dependency.call for dependency in route.dependant.dependencies}
        if role is None or (role != OPEN and asks[role] not in called):
            raise RuntimeError(f"{route.path} does not ask for its role")
        found |= {(method, route.path): role for method in route.methods or ()}
    return found


def without_our_addresses(person: Person, where: str | None) -> None:
    """Readers choose by everything but our own addresses, which they are not shown.

    Raises:
        RefusedError: the expression names them.
    """
    if person.may("analyst") or where is None:
        return
    try:
        named = {column.name.lower() for column in parse_one(where, read="duckdb").find_all(exp.Column)}
    except (SqlglotError, RecursionError):
        return  # it is refused where it is read
    if named & {"src", "dst", "home"}:
        raise RefusedError("readers choose no flows by our own addresses", hint="far stands for the other end")


def not_our_address(service: Service, person: Person, address: str) -> None:
    """Readers ask about single addresses only where these are not ours.

    Raises:
        RefusedError: it is ours.
        UsageError: not an address.
    """
    if not person.may("analyst") and service.ours_packed(parse_address(address)):
        raise RefusedError("readers ask about addresses that are not ours")


_reader, _analyst, _admin = (
    annotated.__metadata__[0].dependency for annotated in (Reader, Analyst, Admin)  # type: ignore[attr-defined]
)
