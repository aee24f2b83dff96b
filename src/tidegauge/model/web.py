"""What several stages need of HTTP."""

from __future__ import annotations

import urllib.request
from typing import Any


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is meant for one place goes to no other: a redirection is an answer like others, and an error."""

    def redirect_request(self, *arguments: Any, **named: Any) -> None:
        return None
