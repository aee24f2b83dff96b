"""The demonstration's site with its case, the app over it, and Debian's Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import copied
from tests.service.app import PASSWORD, Running, roles_of
from tidegauge.case import CaseFile
from tidegauge.case.story import tell
from tidegauge.site import load_site

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--force-color-profile=srgb"]


@pytest.fixture(scope="session")
def demonstration(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `tidegauge demo` makes: six weeks, hunted through, with the case `autumn`."""
    folder = copied(demo, tmp_path_factory.mktemp("demonstration") / "site")
    site = load_site(folder)
    files = CaseFile(site, "anna")
    files.new("autumn")
    list(tell(files, "autumn"))
    return folder


@pytest.fixture(scope="session")
def console(demonstration: Path) -> Iterator[Running]:
    with roles_of(demonstration) as running:
        yield running


@dataclass
class Visit:
    """A page in a browser, and what its log said that it should not have."""

    page: object
    base: str
    trouble: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("Debian's chromium is not here: the pages are not looked at")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def visiting(browser: object, console: Running) -> Callable[..., AbstractContextManager[Visit]]:
    """Opens the console as somebody, with a width, language and colours; what the log says is an error."""

    @contextmanager
    def visit(*, role: str = "analyst", width: int = 1440, language: str = "en", dark: bool = False) -> Iterator[Visit]:
        context = browser.new_context(  # type: ignore[attr-defined]
            viewport={"width": width, "height": 900}, locale="zh-TW" if language == "zh-TW" else "en-GB",
            color_scheme="dark" if dark else "light", reduced_motion="reduce", timezone_id="UTC",
            permissions=["clipboard-read", "clipboard-write"],
        )
        page = context.new_page()
        visit, own = Visit(page, console.base), (console.base, "blob:", "data:")
        page.on("console", lambda said: visit.trouble.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: visit.trouble.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(own) else visit.trouble.append(asked.url))
        page.goto(f"{console.base}/login")
        page.fill("input[name=name]", role)
        page.fill("input[name=password]", PASSWORD)
        page.click("button")
        page.wait_for_selector("nav#views", state="attached")
        try:
            yield visit
        finally:
            context.close()
        assert visit.trouble == []

    return visit
