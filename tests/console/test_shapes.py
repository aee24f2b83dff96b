"""What the OpenAPI says of answers is what they are: every shape holds real answers of the demonstration's site."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.service.app import Running
from tidegauge.model import case_shapes, console_shapes, shapes

SINCE = {"since": "2014-11-24"}
ANSWERS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "ask": (shapes.Answer, "ask", {**SINCE, "from": "KP", "chart": True}),
    "ask, a surge": (shapes.Answer, "ask", {"since": "2014-11-20", "from": "TH"}),
    "ask, no answer": (shapes.Answer, "ask", {"since": "2014-10-20T04:00Z", "until": "2014-10-21", "chart": True}),
    "ask all": (shapes.Ranking, "ask", {"since": "2014-11-29", "from": "all"}),
    "series": (shapes.Series, "series", {**SINCE, "from": "KP", "width": "1h"}),
    "top": (shapes.Top, "top", {**SINCE, "by": ["far_country", "proto"]}),
    "coverage": (shapes.Coverage, "coverage", SINCE),
    "flows": (shapes.Flows, "flows", {**SINCE, "limit": 50}),
    "hunt": (shapes.Hunted, "hunt", {**SINCE, "kind": ["egress", "passthrough"]}),
    "origins": (shapes.Showings, "origins", {"of": "KP", "at": "2014-11-24"}),
    "origin": (shapes.Origin, "origin/210.52.109.9", {"at": "2014-11-24"}),
    "world": (shapes.World, "world", SINCE),
    "names": (shapes.Names, "names", {"address": "203.0.113.9"}),
    "reach": (shapes.Reach, "reach", {"of": "KP", "at": "2014-11-24"}),
    "site": (console_shapes.SiteTold, "site", {}),
    "health": (console_shapes.Health, "health", {}),
    "places": (console_shapes.Places, "places", {}),
    "complete": (console_shapes.Completed, "complete", {"text": "kor"}),
    "me": (console_shapes.Me, "me", {}),
    "findings": (shapes.Findings, "findings", {"limit": 1000}),
    "alarms": (shapes.Alarms, "alarms", {}),
    "case": (case_shapes.CaseTold, "cases/autumn", {}),
    "weigh": (case_shapes.Weighed, "cases/autumn/weigh", {}),
    "verify": (case_shapes.Verified, "cases/autumn/verify", {}),
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
        TypeAdapter(shapes.Lures).validate_json(lure.content, strict=True)
        leak = client.post("/api/v1/leak", content=b"ssn: 078-05-1121\n")
        TypeAdapter(shapes.Leaks).validate_json(leak.content, strict=True)
