"""What the OpenAPI says of answers is what they are: every shape holds real answers of the demonstration's site."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.service.app import Running
from tidegauge.api import schemas

SINCE = {"since": "2014-11-24"}
ANSWERS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "ask": (schemas.Answer, "ask", {**SINCE, "from": "KP", "chart": True}),
    "ask, a surge": (schemas.Answer, "ask", {"since": "2014-11-20", "from": "TH"}),
    "ask, no answer": (schemas.Answer, "ask", {"since": "2014-10-20T04:00Z", "until": "2014-10-21", "chart": True}),
    "ask all": (schemas.Ranking, "ask", {"since": "2014-11-29", "from": "all"}),
    "series": (schemas.Series, "series", {**SINCE, "from": "KP", "width": "1h"}),
    "top": (schemas.Top, "top", {**SINCE, "by": ["far_country", "proto"]}),
    "coverage": (schemas.Coverage, "coverage", SINCE),
    "flows": (schemas.Flows, "flows", {**SINCE, "limit": 50}),
    "hunt": (schemas.Hunted, "hunt", {**SINCE, "kind": ["egress", "passthrough"]}),
    "origins": (schemas.Showings, "origins", {"of": "KP", "at": "2014-11-24"}),
    "origin": (schemas.Origin, "origin/210.52.109.9", {"at": "2014-11-24"}),
    "world": (schemas.World, "world", SINCE),
    "names": (schemas.Names, "names", {"address": "203.0.113.9"}),
    "reach": (schemas.Reach, "reach", {"of": "KP", "at": "2014-11-24"}),
    "site": (schemas.SiteTold, "site", {}),
    "health": (schemas.Health, "health", {}),
    "places": (schemas.Places, "places", {}),
    "complete": (schemas.Completed, "complete", {"text": "kor"}),
    "me": (schemas.Me, "me", {}),
    "findings": (schemas.Findings, "findings", {"limit": 1000}),
    "alarms": (schemas.Alarms, "alarms", {}),
    "case": (schemas.CaseTold, "cases/autumn", {}),
    "weigh": (schemas.Weighed, "cases/autumn/weigh", {}),
    "verify": (schemas.Verified, "cases/autumn/verify", {}),
}


@pytest.mark.parametrize("name", list(ANSWERS))
def test_an_answer_has_the_shape_that_the_openapi_tells(console: Running, name: str) -> None:
    shape, path, query = ANSWERS[name]
    with console.client("analyst") as client:
        reply = client.get(f"/api/v1/{path}", params=query)
        assert reply.status_code == 200, reply.text
        TypeAdapter(shape).validate_json(reply.content, strict=True)


def test_judged_mails_and_files_have_theirs(console: Running) -> None:
    with console.client("analyst") as client:
        lure = client.post("/api/v1/lure", json={"text": "You have won! https://gift.example.top/claim", "sweep": True})
        TypeAdapter(schemas.Lures).validate_json(lure.content, strict=True)
        leak = client.post("/api/v1/leak", content=b"ssn: 078-05-1121\n")
        TypeAdapter(schemas.Leaks).validate_json(leak.content, strict=True)
