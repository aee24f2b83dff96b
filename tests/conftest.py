"""Where the captures lie, a site to take them into, and the demonstration, made once in a run."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tidegauge.cli import program
from tidegauge.site import Site, init_site, load_site

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the captures of ../shared/data are not here")
    return SHARED


@pytest.fixture
def make_site(tmp_path: Path) -> Callable[..., Site]:
    def make(*home: str, name: str = "site") -> Site:
        folder = tmp_path / name
        init_site(folder, home=list(home or ["192.0.2.0/24"]))
        return load_site(folder)

    return make


def of_run(factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes of a run share."""
    base = factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that one process of the run makes, and none changes."""
    folder = of_run(factory) / name
    with (of_run(factory) / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(folder.with_suffix(".part"))
            folder.with_suffix(".part").rename(folder)
    return folder


def copied(folder: Path, target: Path) -> Path:
    """A copy to work with; segments and captures, which nobody writes to, are linked."""
    def one(source: str, copy: str) -> None:
        (os.link if source.endswith((".parquet", ".pcap")) else shutil.copy2)(source, copy)

    shutil.copytree(folder, target, copy_function=one)
    return target


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `tidegauge demo` makes; not to be changed."""
    def make(folder: Path) -> None:
        found = CliRunner().invoke(program, ["demo", "--dir", str(folder)])
        assert found.exit_code == 0, found.output

    return made_once(tmp_path_factory, "demo", make)


BROWSER = ("console/test_pages.py",)
NET = ("collect/", "service/", "console/", "case/test_taxii.py", "case/test_stamp.py", "wire/test_peers.py")
SLOW = (
    "case/test_case.py", "case/test_exchange.py", "case/test_kill.py", "case/test_retention.py",
    "case/test_statement.py", "case/test_tutorial.py", "leak/", "lure/", "test_bursts.py", "test_chatter.py",
    "test_cli.py", "test_context.py", "test_detect.py", "test_edge.py", "test_grounds.py", "test_hunt.py",
    "test_hunt_limits.py", "test_indicators.py", "test_install.py", "test_json.py", "test_judgement.py",
    "test_provenance.py", "test_rollups.py", "test_scenes.py", "test_sources.py", "test_tails.py", "test_trust.py",
    "wire/test_captures.py", "wire/test_hostile.py",
)
"""Files and folders whose tests take more than some seconds together, by `--durations`; `make quick` leaves all of
these out, besides those that need a browser, or open sockets."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = Path(__file__).parent
    for item in items:
        place = item.path.relative_to(root).as_posix() if item.path.is_relative_to(root) else ""
        for name, places in (("browser", BROWSER), ("net", NET), ("slow", SLOW)):
            if place and place.startswith(places):
                item.add_marker(name)
