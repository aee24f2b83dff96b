"""What may stand in `tidegauge.toml`: every table and key with its type, bounds and default."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from tidegauge.model import Prefix, TidegaugeError, UsageError, class_bit, format_address, parse_address

EPOCH_DAY = date(1970, 1, 1).toordinal()
TUNNELS = ("vxlan", "geneve", "gre", "ipip", "srv6")


def _prefix(text: str) -> str:
    try:
        Prefix.parse(text)
    except TidegaugeError as error:
        raise ValueError(str(error)) from None
    return text


def _address(text: str) -> str:
    try:
        parse_address(text)
    except TidegaugeError as error:
        raise ValueError(str(error)) from None
    return text


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of `ADDRESS:PORT`.

    >>> parse_listen("[::1]:6343")
    ('::1', 6343)

    Raises:
        UsageError: not an address and port.
    """
    host, _, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise UsageError(f"not an address and port: {text!r}", hint="127.0.0.1:2055 or [::1]:2055")
    return format_address(parse_address(host)), int(port)


def _class(text: str) -> str:
    try:
        class_bit(text)
    except TidegaugeError as error:
        raise ValueError(str(error)) from None
    return text


def _listen(text: str) -> str:
    try:
        parse_listen(text)
    except TidegaugeError as error:
        raise ValueError(str(error)) from None
    return text


def _exporter(text: str) -> str:
    """An exporter's address; or a name, for exporters that have none (captured packets, tables)."""
    if re.fullmatch(r"[0-9a-fA-F.:]*[.:][0-9a-fA-F.:]*", text):
        return _address(text)
    if not re.fullmatch(r"[\w][\w.-]{0,63}", text):
        raise ValueError(f"not an address or a name: {text!r}")
    return text


def _tunnel(text: str) -> str:
    if text not in TUNNELS:
        raise ValueError(f"no such tunnel: {text!r}; one of {', '.join(TUNNELS)}")
    return text


def break_of(text: str) -> tuple[int, int]:
    """The days of a break (since 1970-01-01), half-open, from `FROM/UNTIL`.

    Raises:
        ValueError: it is none.
    """
    first, slash, last = text.partition("/")
    if not slash or date.fromisoformat(first) >= date.fromisoformat(last):
        raise ValueError(f"not a break: {text!r}; for example 2026-12-20/2027-01-06")
    return date.fromisoformat(first).toordinal() - EPOCH_DAY, date.fromisoformat(last).toordinal() - EPOCH_DAY


def _break(text: str) -> str:
    break_of(text)
    return text


def _zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError(f"not a time zone: {text!r}; for example Asia/Taipei")
    return text


ListenText = Annotated[str, AfterValidator(_listen)]
PrefixText = Annotated[str, AfterValidator(_prefix)]
ExporterText = Annotated[str, AfterValidator(_exporter)]
TunnelText = Annotated[str, AfterValidator(_tunnel)]
Uint32 = Annotated[int, Field(ge=0, le=2**32 - 1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ExporterSettings(_Strict):
    """One `[exporters."ADDRESS"]` table; the key is a name for exporters without an address."""

    name: str | None = Field(default=None, min_length=1)
    external: list[Uint32] = []
    sampling: Annotated[int, Field(ge=1, le=2**32 - 1)] | None = None
    relays: list[PrefixText] = []
    decapsulate: list[TunnelText] = []
    count: Literal["ingress", "egress", "both"] | None = None
    out_bytes: Literal["reverse", "same", "auto"] = "auto"
    speed_mbps: Annotated[float, Field(gt=0, strict=False)] | None = None


class SiteSettings(_Strict):
    """The `[site]` table."""

    name: str = "site"
    home: list[PrefixText] = Field(min_length=1)
    home_as: list[Uint32] = []
    transit: bool = False
    simulated: bool = False
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"


class LakeSettings(_Strict):
    """The `[lake]` table."""

    data: str = "data"
    memory_mb: Annotated[int, Field(ge=128)] = 384
    keep_days: Annotated[int, Field(ge=1, le=36_500)] | None = None


class StoreSettings(_Strict):
    """The `[store]` table."""

    url: str | None = Field(default=None, pattern=r"^(sqlite|postgresql)(\+\w+)?://")


class SnmpSettings(_Strict):
    """The `[snmp]` table: a community (v2c), or a user with keys (v3)."""

    community: str | None = None
    user: str | None = None
    auth_key: str | None = None
    privacy_key: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 161


class CollectSettings(_Strict):
    """The `[collect]` table."""

    listen: list[ListenText] = ["[::]:2055", "[::]:4739", "[::]:6343"]
    allow: list[PrefixText] = []
    sockets_each: Annotated[int, Field(ge=1, le=16)] = 1
    receive_buffer_mb: Annotated[int, Field(ge=1, le=1024)] = 64
    spool_mb: Annotated[int, Field(ge=128)] = 4096
    sync_s: Annotated[float, Field(gt=0, le=60, strict=False)] = 1.0
    commit_s: Annotated[float, Field(gt=0, le=3600, strict=False)] = 30.0
    metrics: ListenText | None = None
    back_s: Annotated[float, Field(gt=0, le=366 * 86400, strict=False)] = 86_400.0
    ahead_s: Annotated[float, Field(gt=0, le=86_400, strict=False)] = 300.0
    speed_mbps: Annotated[float, Field(gt=0, strict=False)] = 800_000.0
    most_exporters: Annotated[int, Field(ge=1, le=10_000)] = 64
    quarantine_mb: Annotated[int, Field(ge=0, le=65_536)] = 64


def _day(value: Any) -> Any:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value


DayText = Annotated[date, BeforeValidator(_day)]


class CalendarSettings(_Strict):
    """The `[calendar]` table."""

    holidays: list[DayText] = []
    one_off: list[DayText] = []
    breaks: list[Annotated[str, AfterValidator(_break)]] = []
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None


ClassText = Annotated[str, AfterValidator(_class)]


class AtlasSourceSettings(_Strict):
    """One `[atlas.sources.NAME]` table."""

    url: str = Field(min_length=1)
    format: str | None = None
    classes: list[ClassText] = []
    licence: str | None = None
    max_mb: Annotated[int, Field(ge=1, le=1 << 20)] = 2048
    sha256: str | None = Field(default=None, pattern="^[0-9a-fA-F]{64}$")
    checksum: str | None = None


class AtlasSettings(_Strict):
    """The `[atlas]` table."""

    sources: dict[str, AtlasSourceSettings] = {}


class ServeSettings(_Strict):
    """The `[serve]` table."""

    http: ListenText = "127.0.0.1:8014"
    hosts: list[Annotated[str, Field(min_length=1, max_length=253)]] = []
    certificate: str | None = None
    key: str | None = None
    metrics: bool = False
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    waiting: Annotated[int, Field(ge=1, le=10_000)] = 100
    question_s: Annotated[float, Field(gt=0, le=86_400, strict=False)] = 60.0
    job_s: Annotated[float, Field(gt=0, le=7 * 86_400, strict=False)] = 3600.0
    question_mb: Annotated[int, Field(ge=512)] = 4096
    collect: bool = True
    alarms: str = "1/month"
    origins: list[str] = []
    hunt_every_h: Annotated[float, Field(ge=0, le=24 * 31, strict=False)] = 24.0


class OpenIdSettings(_Strict):
    """The `[openid]` table: a provider that tells who somebody is."""

    issuer: str = Field(pattern=r"^https?://")
    client: str
    secret_file: str
    role_claim: str = "roles"
    default_role: Literal["reader", "analyst", "admin"] | None = None


class LureSettings(_Strict):
    """The `[lure]` table."""

    authentication_hosts: list[Annotated[str, Field(min_length=1, max_length=253)]] = []
    known_senders: list[Annotated[str, Field(min_length=3, max_length=320)]] = []
    known_domains: list[Annotated[str, Field(min_length=3, max_length=253)]] = []
    brands: str | None = None
    dkim_keys: str | None = None
    young_domains: str | None = None
    mailbox: str | None = None
    password_file: str | None = None
    every_s: Annotated[float, Field(gt=0, le=86_400, strict=False)] = 60.0


class TaxiiSettings(_Strict):
    """One `[case.taxii.NAME]` table: a collection of a TAXII 2.1 server."""

    url: str = Field(pattern=r"^https?://")
    user: str | None = None
    password_file: str | None = None


class CaseSettings(_Strict):
    """The `[case]` table."""

    timestamp: str | None = Field(default=None, pattern=r"^https?://")
    timestamp_root: str | None = None
    sign_key: str | None = None
    taxii: dict[Annotated[str, Field(pattern=r"^[\w-]{1,64}$")], TaxiiSettings] = {}


class AlertSettings(_Strict):
    """One `[alerts.NAME]` table; which keys count is for the kind to say."""

    kind: Literal["webhook", "mail", "syslog"]
    url: str | None = Field(default=None, pattern=r"^https?://")
    secret_file: str | None = None
    server: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    transport: Literal["udp", "tcp", "tls"] = "udp"
    tls: Literal["none", "starttls", "tls"] = "starttls"
    user: str | None = None
    password_file: str | None = None
    sender: str | None = None
    to: list[str] = []
    least: Literal["info", "low", "medium", "high", "critical"] = "high"
    most_an_hour: Annotated[int, Field(ge=1, le=10_000)] = 60


class SiteFile(_Strict):
    """All of `tidegauge.toml`."""

    site: SiteSettings
    lake: LakeSettings = LakeSettings()
    store: StoreSettings = StoreSettings()
    collect: CollectSettings = CollectSettings()
    snmp: SnmpSettings = SnmpSettings()
    calendar: CalendarSettings = CalendarSettings()
    atlas: AtlasSettings = AtlasSettings()
    serve: ServeSettings = ServeSettings()
    lure: LureSettings = LureSettings()
    case: CaseSettings = CaseSettings()
    openid: OpenIdSettings | None = None
    alerts: dict[Annotated[str, Field(pattern=r"^[\w-]{1,64}$")], AlertSettings] = {}
    exporters: dict[ExporterText, ExporterSettings] = {}
