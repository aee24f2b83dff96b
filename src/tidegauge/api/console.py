"""The console: its pages and files, and the routes that only it needs."""

from __future__ import annotations

import asyncio
import gzip
import mimetypes
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from tidegauge import __version__
from tidegauge.api.access import OPEN, Here, Reader, takes
from tidegauge.api.problems import MissingError
from tidegauge.api.questions import CONSOLE_QUESTIONS, routes
from tidegauge.app.completing import MOST, complete
from tidegauge.health import check_site
from tidegauge.lake import COLUMNS, Lake
from tidegauge.model import CLASSES, console_shapes, countries, format_time
from tidegauge.watch import Watches

router = APIRouter(prefix="/api/v1", tags=["console"])
pages = APIRouter(include_in_schema=False)
VIEWS = ("ask", "world", "now", "findings", "host", "origin", "coverage", "flows", "lures", "leaks", "cases")
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
PACKED = (".js", ".css", ".html", ".json", ".svg")


@router.get("/site", **takes("reader", 409, shape=console_shapes.SiteTold))
def site(service: Here, person: Reader) -> dict[str, Any]:
    """What this site is, from when to when it has data, and what questions can name."""
    here = service.site
    extent = Lake(here.data, memory_mb=here.memory_mb).extent()
    told = None if extent is None else {
        "since": format_time(extent.first_s), "until": format_time(extent.until_s), "now": format_time(extent.now_s),
        "live": extent.live, "note": extent.note(),
    }
    return {
        "name": here.name, "simulated": here.simulated, "zone": here.zone, "version": __version__,
        "home": [str(prefix) for prefix in here.home] if person.may("analyst") else [], "data": told,
        "columns": sorted(COLUMNS), "classes": list(CLASSES), "alarms": here.serve.alarms,
    }


@router.get("/health", **takes("reader", 409, shape=console_shapes.Health))
def health(service: Here, person: Reader) -> dict[str, Any]:
    """Whether this site is healthy, a line a check, as `doctor` says it."""
    return {"checks": [service.shown(person, asdict(check)) for check in check_site(service.site)]}


@router.get("/places", **takes("reader", 409, shape=console_shapes.Places))
def places(service: Here, person: Reader) -> dict[str, Any]:
    """Countries: code, ISO's number, and name in each language."""
    return {"countries": list(countries())}


@router.get("/complete", **takes("reader", 409, shape=console_shapes.Completed))
def completing(
    service: Here, person: Reader, text: Annotated[str, Query(max_length=100)],
    limit: Annotated[int, Query(ge=1, le=50)] = MOST,
) -> dict[str, Any]:
    """What may be meant by the beginning of an origin or a watch."""
    return {"found": complete(text, [watch.name for watch in Watches(service.store).all()], limit)}


routes(router, CONSOLE_QUESTIONS)


@cache
def _bundle() -> dict[str, tuple[bytes, bytes, str]]:
    """The files of the built console by name: each as it is, packed (empty where that saves nothing), and its kind."""
    found = {}
    for file in (files("tidegauge.api") / "built").iterdir():
        data, kind = file.read_bytes(), mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        packed = gzip.compress(data, 9, mtime=0) if file.name.endswith(PACKED) else b""
        found[file.name] = data, packed, kind if kind.startswith("image/") else f"{kind}; charset=utf-8"
    return found


def built(request: Request, name: str, headers: dict[str, str]) -> Response:
    """A file of the console, packed where the browser takes that.

    Raises:
        MissingError: there is none of this name.
    """
    found = _bundle().get(name)
    if found is None:
        raise MissingError("no such file")
    data, packed, kind = found
    if packed and "gzip" in (request.headers.get("accept-encoding") or ""):
        return Response(packed, media_type=kind,
                        headers={**headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
    return Response(data, media_type=kind, headers=headers)


def shell(request: Request) -> Response:
    """The one page of the console; what it shows, its address says."""
    return built(request, "index.html", {"Cache-Control": "no-cache"})


async def view(request: Request) -> Response:
    """A view of the console. The page is the same for all, and holds nothing: it asks the API as who one is."""
    return await asyncio.to_thread(shell, request)


for _name in VIEWS:
    pages.add_api_route(f"/{_name}", view, methods=["GET"], **takes(OPEN))
for _name in ("host/{address:path}", "origin/{address:path}", "cases/{name:path}"):
    pages.add_api_route(f"/{_name}", view, methods=["GET"], **takes(OPEN))


@pages.get("/assets/{name}", **takes(OPEN))
def asset(request: Request, name: Annotated[str, Path(max_length=100)]) -> Response:
    """A file of the console; its name changes with what is in it."""
    return built(request, name, FOREVER)
