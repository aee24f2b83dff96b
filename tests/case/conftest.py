"""A simulated site with a case in it: made once, copied for each test that changes it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tidegauge.case import CaseFile
from tidegauge.cli import program
from tidegauge.cli.show import make_site, write_scenario
from tidegauge.ingest import Ingest
from tidegauge.simulate import autumn_2014
from tidegauge.site import load_site

SINCE = "2014-11-24"


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten simulated days, and the case `autumn` with a claim and three pieces of evidence."""
    folder = make_site(tmp_path_factory.mktemp("cases"))
    path = write_scenario(autumn_2014(days=10, seed=14, surges=[]), folder)
    Ingest(load_site(folder)).run([str(path)])
    path.unlink()
    files = CaseFile(load_site(folder), "anna")
    files.new("autumn", "What was claimed", None)
    files.claim("autumn", "An agency", "It came through your network.", "2014-12-19", "B3")
    files.evidence("autumn", "ask", {"from": "KP", "since": "2014-11-28", "baseline": "5d"})
    files.evidence("autumn", "coverage", {"since": "2014-11-28"})
    files.evidence("autumn", "origin", {"address": "210.52.109.9", "at": SINCE})
    return folder


@pytest.fixture
def site(original: Path, tmp_path: Path) -> Path:
    """A copy of that site."""
    folder = tmp_path / "site"
    shutil.copytree(original, folder)
    return folder


@pytest.fixture
def run() -> Callable[..., tuple[int, Any]]:
    """Run a verb of `case` on a site; its exit status and what it gives as JSON (as text without --json)."""

    def go(folder: Path | None, *arguments: str, as_json: bool = True) -> tuple[int, Any]:
        given = list(arguments)
        more = [*(["--site", str(folder)] if folder else []), *(["--json"] if as_json else [])]
        at = given.index("--") if "--" in given else len(given)
        done = CliRunner().invoke(program, ["case", *given[:at], *more, *given[at:]])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, json.loads(done.stdout) if as_json and done.stdout else done.stdout

    return go
