"""A folder without a site file: what stands there until there is one, which says how to make it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from tidegauge.api import plain_pages
from tidegauge.api.middleware import LOOPBACK, Guard
from tidegauge.api.problems import problem
from tidegauge.site import FILE_NAME

LOOK_S = 1.0
HINT = "tidegauge init --home PREFIX, once for each prefix that is yours"


def wait_for_site(folder: Path, listening: socket.socket) -> bool:
    """Answer on a socket until the folder has a site file (true), or until SIGTERM (false)."""
    found = False

    async def look(server: uvicorn.Server) -> None:
        nonlocal found
        while not server.should_exit:
            found = (folder / FILE_NAME).exists()
            server.should_exit = server.should_exit or found
            await asyncio.sleep(LOOK_S)

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(look(server))
        yield
        looking.cancel()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=living)

    @app.get("/healthz")
    async def health() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        return plain_pages.static(name)

    @app.get("/{path:path}")
    async def say(request: Request, path: str) -> Response:
        if path.startswith("api/"):
            return problem(409, "there is no site here yet", hint=HINT)  # type: ignore[no-any-return]
        return plain_pages.page("setup", folder=str(folder.resolve()), hint=HINT)

    app.add_middleware(Guard, hosts=LOOPBACK, secure=False)
    server = uvicorn.Server(uvicorn.Config(app, ws="none", log_config=None, access_log=False, server_header=False))
    server.run(sockets=[listening])
    return found
