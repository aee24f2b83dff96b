"""Coming in by a real OpenID Connect provider, and what is refused on the way."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.service.app import roles_of
from tidegauge.site import init_site, load_site
from tidegauge.store import Store
from tidegauge.store.people import People

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    oidc = pytest.importorskip("oidc_provider_mock")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with oidc.run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def site(provider: str, tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    init_site(folder, home=["192.0.2.0/24"])
    (folder / "openid.secret").write_text("secret")
    toml = folder / "tidegauge.toml"
    toml.write_text(
        toml.read_text() + f'\n[openid]\nissuer = "{provider}"\nclient = "tidegauge"\nsecret_file = "openid.secret"\n'
        'default_role = "reader"\n'
    )
    return folder


def came_back(client: httpx.Client, who: str) -> str:
    """Where the provider sends the browser, once somebody said there who they are."""
    begun = client.get("/login/openid")
    assert begun.status_code == 303
    return httpx.post(begun.headers["location"], data={"sub": who}).headers["location"]


def test_somebody_comes_in_by_the_provider(site: Path) -> None:
    with roles_of(site) as running, running.client() as client:
        assert "/login/openid" in client.get("/login").text
        end = client.get(came_back(client, "hana"))
        assert end.status_code == 200
        assert 'content="0; url=/"' in end.text
        me = client.get("/api/v1/me").json()
        assert me["role"] == "reader"
        assert me["name"].startswith("hana+")
        assert "strict" in end.headers["set-cookie"].lower()


def test_a_user_that_was_named_has_the_role_of_that_user(site: Path) -> None:
    with roles_of(site) as running, running.client() as client:
        People(Store.of(load_site(site))).add("boss", "admin", None, subject="u-1")
        assert client.get(came_back(client, "u-1")).status_code == 200
        me = client.get("/api/v1/me").json()
        assert (me["name"], me["role"]) == ("boss", "admin")


@pytest.mark.parametrize("trick", ["state", "code", "cookie", "nothing", "error"])
def test_tricks_on_the_way_back_open_nothing(site: Path, trick: str) -> None:
    with roles_of(site) as running, running.client() as client:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(came_back(client, "mallory")).query).items()}
        if trick in ("state", "code"):
            asked[trick] = ("y" if asked[trick][0] == "x" else "x") + asked[trick][1:]
        elif trick == "cookie":
            client.cookies.clear()
        elif trick == "nothing":
            asked = {}
        else:
            asked = {"error": "access_denied<script>"}
        end = client.get("/login/openid/callback", params=asked)
        assert end.status_code == 403
        assert "<script>" not in end.text
        assert client.get("/api/v1/me").status_code == 401


def test_a_code_works_once(site: Path) -> None:
    with roles_of(site) as running, running.client() as client:
        back = came_back(client, "hana")
        assert client.get(back).status_code == 200
        with running.client() as third:
            assert third.get(back).status_code == 403
