"""What the OpenAPI says is what the app does: schemathesis asks every route as it pleases."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.service.app import Running
from tidegauge.api.access import roles
from tidegauge.api.app import ROUTERS

ROUTES = sorted(route for route in roles(ROUTERS) if route[1].startswith("/api/"))
SPARED = {("DELETE", "/api/v1/users/{name}"), ("DELETE", "/api/v1/tokens/{name}"), ("POST", "/api/v1/logout"),
          ("GET", "/api/v1/jobs/{name}/events")}
"""They would take away what the other tests come in by; and a stream."""

SLOW = {"/api/v1/hunt"}
"""Each answer takes seconds."""

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize("route", [route for route in ROUTES if route not in SPARED], ids=" ".join)
def test_every_route_answers_as_it_says(running: Running, route: tuple[str, str]) -> None:
    headers = {"Authorization": f"Bearer {running.tokens['admin']}"}
    schema = schemathesis.openapi.from_url(f"{running.base}/api/v1/openapi.json", headers=headers)
    operation = schema[route[1]][route[0]]

    @settings(max_examples=2 if route[1] in SLOW else 10, deadline=None, phases=[Phase.generate], derandomize=True,
              suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy())
    def ask(case: schemathesis.Case) -> None:
        reply = case.call(headers=headers, timeout=60)
        case.validate_response(reply, checks=CHECKS)

    ask()
