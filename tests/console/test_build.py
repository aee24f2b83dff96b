"""The built console in the package: what its sources give, what the API says of itself, and how much it weighs."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from tidegauge.api.app import create_app
from tidegauge.site import init_site, load_site

WEB = Path(__file__).parents[2] / "web"
BUILT = Path(str(files("tidegauge.api"))) / "built"
MOST_BYTES = 700_000
LEAST_NODE = (20, 19)


@pytest.fixture(scope="module")
def node() -> str:
    """The folder of the console's tools, where a Node that is new enough has installed them."""
    found = shutil.which("node")
    if found is None or not (WEB / "node_modules").is_dir():
        pytest.skip("no Node with the console's tools here: its bundle is not built anew")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(part) for part in re.findall(r"\d+", told)[:2])
    if version < LEAST_NODE:
        pytest.skip(f"Node {told.strip()} is too old to build the console")
    return str(WEB / "node_modules" / ".bin")


def test_the_bundle_is_what_its_sources_give(node: str, tmp_path: Path) -> None:
    target = tmp_path / "built"
    done = subprocess.run([f"{node}/vite", "build", "--outDir", str(target), "--emptyOutDir"], cwd=WEB,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made, kept = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in (target, BUILT))
    assert sorted(made) == sorted(kept), "build it: cd web && npm run build"
    assert [name for name in made if made[name] != kept[name]] == []


def test_the_client_knows_the_api_as_it_is(tmp_path: Path) -> None:
    init_site(tmp_path / "site", home=["192.0.2.0/24"])
    told = create_app(load_site(tmp_path / "site")).openapi()
    text = json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    assert (WEB / "openapi.json").read_text(encoding="utf-8") == text, "python tools/openapi.py, then npm run types"


def test_the_clients_types_are_those_of_the_api(node: str, tmp_path: Path) -> None:
    target = tmp_path / "schema.ts"
    command = [f"{node}/openapi-typescript", "openapi.json", "--default-non-nullable=false", "-o", str(target)]
    subprocess.run(command, cwd=WEB, check=True, capture_output=True)
    assert (WEB / "src" / "api" / "schema.ts").read_text() == target.read_text()


def test_the_bundle_is_small_and_names_nobody_elsewhere() -> None:
    packed = sum(len(gzip.compress(path.read_bytes(), 9)) for path in BUILT.iterdir())
    assert packed < MOST_BYTES
    page = (BUILT / "index.html").read_text()
    assert re.findall(r'(?:src|href)="(?!/)', page) == []
    # No address is called: names of formats are all that looks like one.
    for path in BUILT.glob("*.js"):
        hosts = set(re.findall(r"https?://([\w.-]+)", path.read_text()))
        assert hosts <= {"www.w3.org", "echarts.apache.org", "github.com", "www.apache.org"}, path.name
