"""Where the captures lie, and a site to take them into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

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
