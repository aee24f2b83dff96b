"""Plain pages: state, open alarms, last answers and the API's documentation; log-in; health and counters."""

from __future__ import annotations

import time
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from tidegauge import __version__
from tidegauge.api.access import OPEN, Here, Reader, Service, person_of, takes
from tidegauge.api.console import shell
from tidegauge.api.problems import LoginNeededError, MissingError
from tidegauge.collect import exposition
from tidegauge.health import check_site
from tidegauge.model import format_time
from tidegauge.model.sentences import worded
from tidegauge.store.people import Person, RefusedError, TooManyError

router = APIRouter(include_in_schema=False)
PAGES = Environment(loader=PackageLoader("tidegauge.api", "pages"), autoescape=True, undefined=StrictUndefined)
PAGES.filters["moment"] = format_time
SHOWN = 20


def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
    return HTMLResponse(PAGES.get_template(f"{name}.html").render(version=__version__, **values), status)


LOG_IN = {
    "en": {"title": "Log in", "name": "Name", "password": "Password", "openid": "Log in at your organisation"},
    "zh-TW": {"title": "登入", "name": "名稱", "password": "密碼", "openid": "以所屬機構登入"},
}


def log_in_form(
    request: Request, service: Service, status: int = 200, error: RefusedError | None = None
) -> HTMLResponse:
    """The form, in the language that the browser asks for first, and why one could not come in."""
    first = (request.headers.get("accept-language") or "").strip().lower()
    language = "zh-TW" if first.startswith("zh") else "en"
    told = [part for part in (error.what, error.hint) if part] if error else []
    why = ": ".join(worded(part, language) for part in told)
    return page("login", status, why=why, openid=service.site.openid is not None, language=language,
                words=LOG_IN[language])


def _person(request: Request) -> Person | None:
    try:
        return person_of(request)
    except LoginNeededError:
        return None


@router.get("/", **takes(OPEN))
def start(request: Request, service: Here, token: Annotated[str | None, Query(max_length=200)] = None) -> Response:
    """The console; with a one-time token a session, and then the same without the token."""
    if token is not None:
        try:
            secret = service.people.use_link(token)
        except RefusedError as error:
            return log_in_form(request, service, 403, error)
        service.audit.note("local", "log in by link", {})
        response = RedirectResponse("/", 303)
        service.set_cookie(response, secret)
        return response
    if _person(request) is None:
        return RedirectResponse("/login", 303)
    return shell(request)


@router.get("/plain", **takes("reader"))
def plain_start(service: Here, person: Reader) -> Response:
    """State, open alarms and last answers without the console: no script is needed."""
    alarms = [service.shown(person, one.to_json()) for one in service.alarms.listed(state="open")[:SHOWN]]
    own = [one for one in service.desk.last if person.may("analyst") or one["who"] == person.name]
    last = [service.shown(person, one) for one in own]
    checks = [service.shown(person, vars(check)) for check in check_site(service.site)]
    return page("start", site=service.site.name, simulated=service.site.simulated, person=person, checks=checks,
                alarms=alarms, last=last)


@router.get("/login", **takes(OPEN))
def log_in_page(request: Request, service: Here) -> Response:
    """The form."""
    return log_in_form(request, service)


@router.post("/login", **takes(OPEN))
def log_in(
    request: Request, service: Here, name: Annotated[str, Form(max_length=128)],
    password: Annotated[str, Form(max_length=2048)],
) -> Response:
    """Open a session and go to the first page."""
    try:
        secret = service.log_in(request, name, password)
    except TooManyError as error:
        return log_in_form(request, service, 429, error)
    except RefusedError as error:
        return log_in_form(request, service, 403, error)
    response = RedirectResponse("/", 303)
    service.set_cookie(response, secret)
    return response


@router.post("/logout", **takes(OPEN))
def log_out(request: Request, service: Here, csrf: Annotated[str, Form(max_length=200)]) -> Response:
    """End the session and go to the form."""
    person = _person(request)
    if person is not None and csrf == person.csrf:
        service.people.close_session(request.cookies.get(service.cookie, ""))
        service.note(person, "log out", {})
    return RedirectResponse("/login", 303)


@router.get("/docs", **takes("reader"))
def documentation(request: Request, person: Reader) -> Response:
    """What the API can do, by its own OpenAPI."""
    routes = [
        {"method": method.upper(), "path": path, "what": told.get("summary", ""), "more": told.get("description", ""),
         "role": told.get("x-role", ""), "parameters": told.get("parameters", [])}
        for path, methods in request.app.openapi()["paths"].items() for method, told in methods.items()
    ]
    return page("docs", routes=routes)


@router.get("/static/{name}", **takes(OPEN))
def static(name: str) -> Response:
    """The style of plain pages."""
    if name != "plain.css":
        raise MissingError("no such file")
    text = (files("tidegauge.api") / "pages" / "plain.css").read_text(encoding="utf-8")
    return Response(text, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})


@router.get("/healthz", **takes(OPEN))
async def health() -> Response:
    """Says that this process answers, and no more."""
    return PlainTextResponse("ok\n")


@router.get("/metrics", **takes(OPEN))
def metrics(service: Here) -> Response:
    """Counters for Prometheus, where the site allows."""
    if not service.site.serve.metrics:
        raise MissingError("not shown here", hint="[serve] metrics = true")
    return PlainTextResponse(
        exposition(service.site.data / "collect") + _own(service), media_type="text/plain; version=0.0.4"
    )


def _own(service: Service) -> str:
    work = service.desk.work
    lines = [f"# TYPE tidegauge_questions_{name}_total counter\ntidegauge_questions_{name}_total {count}"
             for name, count in work.counts.items()]
    opened = len(service.alarms.listed(state="open"))
    lines += [f"# TYPE tidegauge_questions_open gauge\ntidegauge_questions_open {work.open}",
              f"# TYPE tidegauge_alarms_open gauge\ntidegauge_alarms_open {opened}",
              f"# TYPE tidegauge_time_seconds gauge\ntidegauge_time_seconds {int(time.time())}"]
    return "\n".join(lines) + "\n"
