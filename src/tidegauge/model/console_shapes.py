"""The JSON of what the console asks besides questions, declared once, as that of answers is in `shapes`."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict


class Data(TypedDict):
    since: str
    until: str
    now: str
    live: bool
    note: str | None


class SiteTold(TypedDict):
    name: str
    simulated: bool
    zone: str
    version: str
    home: list[str]
    data: Data | None
    columns: list[str]
    classes: list[str]
    alarms: str


class Check(TypedDict):
    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    advice: str


class Health(TypedDict):
    checks: list[Check]


Place = TypedDict("Place", {"code": str, "number": str, "en": str, "zh-TW": str})


class Places(TypedDict):
    countries: list[Place]


class Meant(TypedDict):
    kind: Literal["country", "as", "class", "watch"]
    value: str
    name: str


class Completed(TypedDict):
    found: list[Meant]


class Me(TypedDict):
    name: str
    role: Literal["reader", "analyst", "admin"]
    by: str
    csrf: str | None
