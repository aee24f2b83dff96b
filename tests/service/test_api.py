"""The API: the same answers as the command line, for those who may have them."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import httpx
import pytest

from tests.make import run_json
from tests.service.app import Running
from tidegauge.model.pseudonym import Pseudonyms
from tidegauge.site import load_site
from tidegauge.store.keys import site_key

API = "/api/v1"
TIME = {"since": "2014-11-26", "until": "2014-11-28"}


def get(client: httpx.Client, verb: str, **query: Any) -> Any:
    reply = client.get(f"{API}/{verb}", params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.mark.parametrize(
    ("verb", "query", "words"),
    [
        ("ask", {"from": "CN", **TIME}, ["ask", "--from", "CN"]),
        ("ask", {"from": "all", **TIME, "false_discovery": 0.1}, ["ask", "--from", "all", "--false-discovery", "0.1"]),
        ("series", {"from": "CN", "width": "1h", **TIME}, ["series", "--from", "CN", "--width", "1h"]),
        ("top", {"by": ["far_country", "proto"], "n": 5, **TIME}, ["top", "far_country", "proto", "-n", "5"]),
        ("coverage", TIME, ["coverage"]),
    ],
)
def test_the_api_says_what_the_command_line_says(
    running: Running, verb: str, query: dict[str, Any], words: list[str]
) -> None:
    times = ["--since", TIME["since"], "--until", TIME["until"]]
    (told,) = run_json(*words, *times, site=load_site(running.folder))
    with running.client("analyst") as client:
        assert get(client, verb, **query) == told


def test_origins_and_editions(running: Running) -> None:
    site = load_site(running.folder)
    with running.client("reader") as client:
        assert get(client, "origin/175.45.176.1", at="2014-11-24") == run_json(
            "origin", "175.45.176.1", "--at", "2014-11-24", site=site)[0]
        assert get(client, "origins", of="KP", at="2014-11-24") == run_json(
            "origin", "--of", "KP", "--at", "2014-11-24", site=site)[0]
        told = run_json("atlas", "editions", site=site)[0]["editions"]
        assert get(client, "editions")["editions"] == told


def test_pages_of_flows_are_all_flows_once(running: Running) -> None:
    (whole,) = [run_json("flows", *("--since", "2014-11-26T08:00Z", "--until", "2014-11-26T08:20Z"),
                         site=load_site(running.folder))]
    rows, cursor = [], None
    with running.client("analyst") as client:
        while True:
            page = get(client, "flows", since="2014-11-26T08:00Z", until="2014-11-26T08:20Z", limit=7,
                       **({"cursor": cursor} if cursor else {}))
            rows += page["flows"]
            cursor = page["next"]
            if cursor is None:
                break
    assert len(whole) > 20

    def key(row: dict[str, Any]) -> str:
        return json.dumps(row, sort_keys=True)

    assert sorted(map(key, rows)) == sorted(map(key, whole))


def test_an_answer_about_closed_time_has_a_tag_that_holds(running: Running) -> None:
    with running.client("analyst") as client:
        first = client.get(f"{API}/top", params={"by": "far_country", **TIME})
        tag = first.headers["etag"]
        again = client.get(f"{API}/top", params={"by": "far_country", **TIME}, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        still_open = client.get(f"{API}/top", params={"by": "far_country", "since": "-1d"})
        assert "etag" not in still_open.headers


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("ask?from=12", 400, "not an origin"),
        ("ask?since=yesterday", 400, "Invalid date"),
        ("ask?since=2014-11-27&until=2014-11-26", 400, "empty"),
        ("flows?where=1%3BDROP", 400, "one expression"),
        ("flows?cursor=abc", 400, "cursor"),
        ("ask?frm=KP", 422, "frm"),
        ("top", 422, "by"),
        ("top?by=nonsense", 400, "no such flow column"),
        ("ask?from=@/etc/passwd", 403, "command line"),
        ("nothing", 404, "not found"),
    ],
)
def test_problems_say_what_to_do(running: Running, path: str, status: int, words: str) -> None:
    with running.client("admin") as client:
        reply = client.get(f"{API}/{path}")
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    told = reply.json()
    assert told["status"] == status
    assert words in told["title"]


def test_a_long_question_is_a_job_that_tells_its_steps(running: Running) -> None:
    with running.client("analyst") as client:
        begun = client.get(f"{API}/ask", params={"from": "US", **TIME}, headers={"Prefer": "respond-async"})
        assert begun.status_code == 202
        place = begun.headers["location"]
        with client.stream("GET", f"{place}/events") as events:
            told = [line for line in events.iter_lines() if line.startswith("event:")]
        assert told[-1] == "event: done"
        assert client.get(place).json() == get(client, "ask", **{"from": "US", **TIME})
        with running.client("reader") as other:
            assert other.get(place).status_code == 404


def test_a_job_can_be_stopped(running: Running) -> None:
    with running.client("analyst") as client:
        begun = client.get(f"{API}/ask", params={"from": "all", "baseline": "9d", "since": "2014-11-29T00:00Z"},
                           headers={"Prefer": "respond-async"})
        place = begun.headers["location"]
        assert client.delete(place).status_code == 204
        with client.stream("GET", f"{place}/events") as events:
            assert "event: cancelled" in list(events.iter_lines())
        assert client.get(place).json()["state"] == "cancelled"


def test_watches_findings_and_silences_are_written_by_analysts(running: Running) -> None:
    with running.client("analyst") as client, running.client("reader") as reader:
        made = client.post(f"{API}/watches", json={
            "name": "studio", "indicators": [{"kind": "prefix", "value": "203.0.113.0/24", "valid_from": "2014-11-01"}],
        })
        assert made.status_code == 201
        (shown,) = run_json("watch", "show", "studio", site=load_site(running.folder))
        assert shown == made.json()
        assert [w["name"] for w in get(reader, "watches")["watches"]] == ["studio"]
        assert client.delete(f"{API}/watches/studio").status_code == 204
        assert get(reader, "watches")["watches"] == []
        silence = client.post(f"{API}/silences", json={"what": "country KP *", "reason": "test", "until": "2099-01-01"})
        assert silence.status_code == 201
        assert get(reader, "silences")["silences"] == [silence.json()]
        assert client.delete(f"{API}/silences/{silence.json()['id']}").status_code == 204
        hunted = get(client, "hunt")
        kept = {row["id"] for row in get(reader, "findings", limit=1000, closed=True)["findings"]}
        assert {row["id"] for row in hunted["findings"]} <= kept
        if hunted["findings"]:
            name = hunted["findings"][0]["id"]
            body = {"reason": "known", "until": "2099-01-01"}
            assert client.post(f"{API}/findings/{name}/close", json=body).status_code == 200
            assert name not in {row["id"] for row in get(reader, "findings", limit=1000)["findings"]}
            assert client.post(f"{API}/findings/{name}/reopen").status_code == 200


def test_readers_see_pseudonyms_for_addresses_that_are_ours(running: Running) -> None:
    query = {"by": ["home", "far"], "n": 50, **TIME}
    with running.client("analyst") as analyst, running.client("reader") as reader:
        plain, hidden = get(analyst, "top", **query)["rows"], get(reader, "top", **query)["rows"]
        assert [(r["far"], r["bytes"]) for r in plain] == [(r["far"], r["bytes"]) for r in hidden]
        # Under a random key a pseudonym may share an octet with the address; under this site's key it is told which.
        names = Pseudonyms(site_key(running.folder, "pseudonyms"))
        told = [str(one) for one in names.of([ip_address(r["home"]) for r in plain])]
        assert [r["home"] for r in hidden] == told
        assert told != [r["home"] for r in plain]
        refused = reader.get(f"{API}/flows", params={"where": "home = '198.18.0.9'"})
        assert refused.status_code == 403
        assert reader.get(f"{API}/origin/198.18.0.9").status_code == 403
        assert reader.get(f"{API}/flows", params={"where": "far = '192.0.2.9'"}).status_code == 200


def test_pages_come_without_code_of_their_own(running: Running) -> None:
    with running.session("analyst") as client:
        page = client.get("/plain")
        assert page.status_code == 200
        assert "State" in page.text
        policy = page.headers["content-security-policy"]
        assert "'unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "<script" not in page.text
        assert "style=" not in page.text
        assert client.get("/docs").status_code == 200
        assert client.get("/static/plain.css").headers["content-type"].startswith("text/css")
        assert client.get("/healthz").text == "ok\n"
        assert client.get("/metrics").status_code == 404
