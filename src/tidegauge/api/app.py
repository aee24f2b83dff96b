"""The app: routes, guards and errors put together. No logic here: questions are answered by `verbs` and `serve`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tidegauge import __version__
from tidegauge.api import (
    alarms,
    audit,
    auth,
    cases,
    console,
    editions,
    findings,
    jobs,
    openid,
    plain_pages,
    problems,
    questions,
    watches,
)
from tidegauge.api.access import Service, roles
from tidegauge.api.middleware import LOOPBACK, Guard
from tidegauge.serve.answer_cache import Desk
from tidegauge.serve.question_pool import Work
from tidegauge.settings import parse_listen
from tidegauge.site import Site

PARTS = (
    questions, jobs, editions, watches, findings, alarms, audit, cases, console, auth, openid, plain_pages,
)
ROUTERS = (*(part.router for part in PARTS), console.pages)
ABOUT = (
    "Was there a surge of traffic from a country, an AS, a prefix? What would have been seen? When were we blind?"
    " The same answers as the command line's, with what they rest on."
)


def create_app(site: Site, *, secure: bool = False) -> FastAPI:
    """The API and plain pages of a site.

    Args:
        secure: whether it is reached by TLS.
    """

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        wanted = site.serve
        with Work(
            site.folder, workers=wanted.workers, waiting=wanted.waiting, memory_mb=wanted.question_mb
        ) as work:
            app.state.service = Service(site, Desk(site, work), secure)
            yield

    app = FastAPI(
        title="tidegauge", version=__version__, description=ABOUT, lifespan=living, openapi_url="/api/v1/openapi.json",
        docs_url=None, redoc_url=None,
    )
    roles(ROUTERS)
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    app.add_middleware(Guard, hosts=_hosts(site), secure=secure)
    app.openapi = _openapi(app)  # type: ignore[method-assign]
    return app


def _hosts(site: Site) -> frozenset[str]:
    host, _ = parse_listen(site.serve.http)
    names = {host.lower(), *(name.lower() for name in site.serve.hosts)}
    if ip_address(host).is_loopback or ip_address(host).is_unspecified:
        names |= LOOPBACK
    return frozenset(names)


def _openapi(app: FastAPI) -> Callable[[], dict[str, Any]]:
    def told() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            components = made.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = problems.Problem.model_json_schema()
            components["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "tidegauge"},
            }
            made["security"] = [{"token": []}, {"session": []}]
            for methods in made["paths"].values():
                for route in methods.values():
                    # Problems stand for the framework's own form of errors, which is never sent.
                    wrong = route["responses"].get("422", {}).get("content", {})
                    wrong.pop("application/json", None)
            for name in ("HTTPValidationError", "ValidationError"):
                components["schemas"].pop(name, None)
            app.openapi_schema = made
        return app.openapi_schema

    return told
