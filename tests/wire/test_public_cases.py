"""Small inputs after public bug reports of other collectors, with what is right; they lie beside the project."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.conftest import SHARED
from tests.make import run_json
from tidegauge.cli import program
from tidegauge.site import Site, load_site

CASES = SHARED.parent / "cases" / "flows"
FOLDERS = sorted(p.parent for p in CASES.glob("*/expected.json")) if CASES.is_dir() else []


@pytest.mark.skipif(not FOLDERS, reason="the cases of ../shared/cases/flows are not here")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_a_case_is_right(folder: Path, make_site: Callable[..., Site]) -> None:
    case = json.loads((folder / "expected.json").read_text())
    site = make_site(case.get("home", "192.0.2.0/24"))
    if "toml" in case:
        with (site.folder / "tidegauge.toml").open("a") as file:
            file.write("\n" + case["toml"] + "\n")
        site = load_site(site.folder)
    taken = CliRunner().invoke(
        program,
        ["ingest", "--site", str(site.folder), "--json", *case.get("ingest_args", []),
         *(str(folder / name) for name in case["files"])],
    )
    if taken.exit_code and not taken.stdout.startswith("{"):
        flows, coverage, report = [], {}, {}
    else:
        report = json.loads(taken.stdout)
        flows = run_json("flows", "--limit", "1000000", site=site)
        coverage = run_json("coverage", site=site)[0] if flows else {}

    def volume(src: str | None = None, dst: str | None = None, k: str = "bytes") -> int:
        return sum(f[k] for f in flows if src in (None, f["src"]) and dst in (None, f["dst"]))

    known: dict[str, Any] = {
        "flows": flows, "cov": coverage, "ingest": report, "b": volume, "rc": taken.exit_code, "err": taken.stderr,
        "json": json,
    }
    for check in case["checks"]:
        found = eval(check["expr"], known)
        if "right" in check:
            assert json.loads(json.dumps(found)) == check["right"], check
        else:
            assert found, check
