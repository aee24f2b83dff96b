"""A collection of a TAXII 2.1 server (OASIS, 2021): what other teams put there, and what a case gives them.

The calls are two, so they are made here rather than by a library: those for Python set no time limit and read answers
of any size into memory, and what comes from a server is not to be trusted that far.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tidegauge.model import TidegaugeError, UsageError
from tidegauge.model.web import WebError, asking
from tidegauge.settings import TaxiiSettings
from tidegauge.site import Site

MEDIA = "application/taxii+json;version=2.1"
PAGE, MOST_OBJECTS, MOST_BYTES = 1000, 100_000, 128 << 20
WAIT_S, LONGEST_S, PAUSE_S = 30, 600, 1.0
FEWER = "--since T takes fewer"


@dataclass(frozen=True)
class Sent:
    """What a server said of objects that it was given; those that it refused, each with its reason."""

    taken: int
    pending: int
    refused: tuple[tuple[str, str], ...]


class Collection:
    """One collection, as the site file names it.

    Raises:
        UsageError: the site names none of this name, or a password would go over the network in clear text.
    """

    def __init__(self, site: Site, name: str) -> None:
        settings = site.case.taxii.get(name)
        if settings is None:
            known = ", ".join(sorted(site.case.taxii)) or "none"
            raise UsageError(f"no TAXII collection {name!r}: {known}", hint=f"[case.taxii.{name}] in the site file")
        self.url = settings.url if settings.url.endswith("/") else f"{settings.url}/"
        self._headers = {"Accept": MEDIA, **_authorization(settings, site.folder)}
        self._ends = time.monotonic() + LONGEST_S

    def objects(self, since: str | None = None) -> list[dict[str, Any]]:
        """All objects, or those that were added after a time (RFC 3339).

        Raises:
            TidegaugeError: the server cannot be reached, refuses, sends too much or what is no TAXII.
        """
        found: list[dict[str, Any]] = []
        for page in self._pages(since):
            found += page
            if len(found) > MOST_OBJECTS:
                raise TidegaugeError(f"more than {MOST_OBJECTS:,} objects", where=self.url, hint=FEWER)
        return found

    def _pages(self, since: str | None) -> Iterator[list[dict[str, Any]]]:
        asked, size = {"limit": str(PAGE), **({"added_after": since} if since else {})}, 0
        while True:
            told, headers, octets = self._call(f"{self.url}objects/?{urlencode(asked)}")
            size += octets
            if size > MOST_BYTES:
                raise TidegaugeError(f"more than {MOST_BYTES >> 20} MB", where=self.url, hint=FEWER)
            page = told.get("objects", [])
            if not isinstance(page, list) or not all(isinstance(one, dict) for one in page):
                raise TidegaugeError("not an envelope of TAXII 2.1", where=self.url)
            yield page
            last = headers.get("X-TAXII-Date-Added-Last")
            if not told.get("more") or not page:
                return
            if isinstance(told.get("next"), str):
                asked["next"] = told["next"]
            elif last and last != asked.get("added_after"):
                asked["added_after"] = last
            else:
                raise TidegaugeError("the server says that there is more, and not where", where=self.url)

    def add(self, objects: list[dict[str, Any]]) -> Sent:
        """Put objects into the collection, and wait until the server has looked at them.

        Raises:
            TidegaugeError: the server cannot be reached or refuses.
        """
        body = json.dumps({"objects": objects}, ensure_ascii=False).encode()
        told, _, _ = self._call(f"{self.url}objects/", body)
        status = f"{self.url.split('/collections/')[0]}/status/{told.get('id')}/"
        while told.get("status") != "complete" and time.monotonic() < self._ends:
            time.sleep(PAUSE_S)
            told, _, _ = self._call(status)
        failures = told.get("failures") or ()
        refused = tuple((str(one.get("id")), str(one.get("message", ""))) for one in failures if isinstance(one, dict))
        return Sent(_count(told, "success_count"), _count(told, "pending_count"), refused)

    def _call(self, url: str, body: bytes | None = None) -> tuple[dict[str, Any], HTTPMessage, int]:
        if time.monotonic() > self._ends:
            raise TidegaugeError(f"the server took longer than {LONGEST_S} s", where=self.url)
        headers = {**self._headers, **({"Content-Type": MEDIA} if body is not None else {})}
        try:
            left_s = self._ends - time.monotonic()
            with asking(url, body, headers, timeout_s=WAIT_S, most_bytes=MOST_BYTES, longest_s=left_s) as reply:
                data = reply.read()
                told = json.loads(data)
                if not isinstance(told, dict):
                    raise ValueError("not an object")
                return told, reply.headers, len(data)
        except WebError as error:
            if error.code is not None:
                why = f"the server refuses ({error.code}): {_said(error.said)}"
                raise TidegaugeError(why, where=self.url) from None
            if error.too_much:
                raise TidegaugeError(f"more than {MOST_BYTES >> 20} MB or {LONGEST_S} s", where=self.url) from None
            raise TidegaugeError(f"the server does not answer: {error}", where=self.url) from None
        except (ValueError, RecursionError) as error:
            raise TidegaugeError(f"not TAXII 2.1: {str(error)[:120]}", where=self.url) from None


def _authorization(settings: TaxiiSettings, folder: Path) -> dict[str, str]:
    if settings.user is None or settings.password_file is None:
        return {}
    host = urlsplit(settings.url)
    if host.scheme != "https" and not _is_loopback(host.hostname or ""):
        raise UsageError("a password does not go out over plain http", hint=f"{settings.url}: https")
    path = folder / settings.password_file
    try:
        password = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the password cannot be read: {error}", hint=str(path)) from None
    told = base64.b64encode(f"{settings.user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {told}"}


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _said(text: str) -> str:
    try:
        told = json.loads(text)
        return str(told.get("description") or told.get("title"))[:200]
    except (ValueError, AttributeError):
        return text[:200]


def _count(told: dict[str, Any], name: str) -> int:
    return told[name] if isinstance(told.get(name), int) else 0
