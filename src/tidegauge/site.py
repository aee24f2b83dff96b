"""One deployment: reads `tidegauge.toml` into a `Site`, and says file, line and expectation when it is wrong."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tidegauge.model import Prefix, SiteError, UsageError, format_address, parse_address
from tidegauge.settings import (
    EPOCH_DAY,
    AlertSettings,
    AtlasSourceSettings,
    CaseSettings,
    CollectSettings,
    LureSettings,
    OpenIdSettings,
    ServeSettings,
    SiteFile,
    SnmpSettings,
    break_of,
    parse_listen,
)

FILE_NAME = "tidegauge.toml"


@dataclass(frozen=True)
class Collecting:
    """How live datagrams are taken in; `allow` empty: from every sender."""

    listen: tuple[tuple[str, int], ...]
    allow: tuple[Prefix, ...]
    sockets_each: int
    receive_buffer_bytes: int
    spool_bytes: int
    sync_s: float
    commit_s: float
    metrics: tuple[str, int] | None
    back_s: float
    ahead_s: float
    """Flow times hold from so long before their arrival to so long after it."""
    speed_bps: float
    """What an interface carries at most, where an exporter's own speed is not given."""
    most_exporters: int
    quarantine_bytes: int


@dataclass(frozen=True)
class AtlasSource:
    """Where a source of the atlas is fetched from: a URL, or a file or folder (a mirror)."""

    name: str
    url: str
    format: str | None = None
    classes: tuple[str, ...] = ()
    licence: str | None = None
    most_bytes: int = 2048 << 20
    sha256: str | None = None
    checksum: str | None = None

    @property
    def is_web(self) -> bool:
        return self.url.startswith(("http://", "https://"))


@dataclass(frozen=True)
class Site:
    """A deployment as the stages use it."""

    folder: Path
    name: str
    home: tuple[Prefix, ...]
    home_as: tuple[int, ...]
    transit: bool
    """Traffic that neither begins nor ends here is expected: it does not speak against the home prefixes."""
    simulated: bool
    data: Path
    memory_mb: int
    exporter_names: dict[str, str]
    external: dict[str, tuple[int, ...]]
    """Exporter (by the name that flows carry) to its external interfaces; not listed: all flows count."""
    sampling: dict[str, int]
    relays: dict[str, tuple[Prefix, ...]]
    """Exporter to the sFlow agents that it may relay."""
    decapsulate: dict[str, tuple[str, ...]]
    """Exporter to the tunnels that are taken off its packets."""
    count: dict[str, str]
    """Exporter to the flow direction whose records count (`ingress`, `egress`), or `both`."""
    out_bytes: dict[str, str]
    """Exporter to what its second pair of counters is: `reverse`, the way back, or `same`."""
    speeds_bps: dict[str, float]
    collect: Collecting
    snmp: SnmpSettings
    holidays: tuple[int, ...]
    """Days since 1970-01-01 (UTC) that are like Sundays; `one_off_days` are like no others."""
    one_off_days: tuple[int, ...]
    breaks: tuple[tuple[int, int], ...] = ()
    """Days of breaks, half-open."""
    holidays_of: str | None = None
    """The country whose public holidays count; None: that of the zone."""
    atlas_sources: tuple[AtlasSource, ...] = ()
    zone: str = "UTC"
    """In which people here tell the time; all that is kept and computed is in UTC."""
    keep_days: int | None = None
    """For so many days flows are kept; for ever where None."""
    store_url: str | None = None
    """Where what people write is kept, instead of SQLite in the data folder."""
    serve: ServeSettings = field(default_factory=ServeSettings)
    lure: LureSettings = field(default_factory=LureSettings)
    case: CaseSettings = field(default_factory=CaseSettings)
    openid: OpenIdSettings | None = None
    alerts: dict[str, AlertSettings] = field(default_factory=dict)


def find_site(given: Path | None) -> Path:
    """The site's folder: the one given, else `$TIDEGAUGE_SITE`, else the nearest above that has the file."""
    if given is None and os.environ.get("TIDEGAUGE_SITE"):
        given = Path(os.environ["TIDEGAUGE_SITE"])
    if given is not None:
        return given
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise SiteError(
        f"no {FILE_NAME} here or in any folder above",
        where=str(here),
        hint="make one with `tidegauge init --home PREFIX`, or name its folder with --site",
    )


def load_site(folder: Path) -> Site:
    """Read and check the site file.

    Raises:
        SiteError: with file, line and what was expected.
    """
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SiteError(
            f"cannot read the site file: {error.strerror}",
            where=str(path),
            hint="make one with `tidegauge init`",
        ) from None
    except UnicodeDecodeError as error:
        raise SiteError("not UTF-8 text", where=f"{path}, byte {error.start}") from None
    try:
        file = SiteFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SiteError(f"not valid TOML: {error}", where=str(path)) from None
    except ValidationError as error:
        first = error.errors()[0]
        line = _line_of(text, first["loc"], first["input"])
        raise SiteError(_expectation(first), where=f"{path}, line {line}") from None
    names = {_canonical(a): s.name or _canonical(a) for a, s in file.exporters.items()}
    by_name = {names[_canonical(a)]: s for a, s in file.exporters.items()}
    return Site(
        folder=folder,
        name=file.site.name,
        home=tuple(Prefix.parse(p) for p in file.site.home),
        home_as=tuple(file.site.home_as),
        transit=file.site.transit,
        simulated=file.site.simulated,
        data=folder / file.lake.data,
        memory_mb=file.lake.memory_mb,
        zone=file.site.zone,
        keep_days=file.lake.keep_days,
        exporter_names=names,
        external={n: tuple(s.external) for n, s in by_name.items() if s.external},
        sampling={n: s.sampling for n, s in by_name.items() if s.sampling is not None},
        relays={n: tuple(Prefix.parse(p) for p in s.relays) for n, s in by_name.items() if s.relays},
        decapsulate={n: tuple(s.decapsulate) for n, s in by_name.items() if s.decapsulate},
        count={n: s.count for n, s in by_name.items() if s.count is not None},
        out_bytes={n: s.out_bytes for n, s in by_name.items() if s.out_bytes != "auto"},
        speeds_bps={n: s.speed_mbps * 1e6 for n, s in by_name.items() if s.speed_mbps is not None},
        collect=_collecting(file.collect),
        snmp=file.snmp,
        holidays=tuple(d.toordinal() - EPOCH_DAY for d in file.calendar.holidays),
        one_off_days=tuple(d.toordinal() - EPOCH_DAY for d in file.calendar.one_off),
        breaks=tuple(break_of(text) for text in file.calendar.breaks),
        holidays_of=file.calendar.country,
        atlas_sources=tuple(_atlas_source(folder, n, s) for n, s in file.atlas.sources.items()),
        store_url=file.store.url,
        serve=file.serve,
        lure=file.lure,
        case=file.case,
        openid=file.openid,
        alerts=file.alerts,
    )


def _collecting(settings: CollectSettings) -> Collecting:
    return Collecting(
        listen=tuple(parse_listen(text) for text in settings.listen),
        allow=tuple(Prefix.parse(text) for text in settings.allow),
        sockets_each=settings.sockets_each,
        receive_buffer_bytes=settings.receive_buffer_mb << 20,
        spool_bytes=settings.spool_mb << 20,
        sync_s=settings.sync_s,
        commit_s=settings.commit_s,
        metrics=None if settings.metrics is None else parse_listen(settings.metrics),
        back_s=settings.back_s,
        ahead_s=settings.ahead_s,
        speed_bps=settings.speed_mbps * 1e6,
        most_exporters=settings.most_exporters,
        quarantine_bytes=settings.quarantine_mb << 20,
    )


def _atlas_source(folder: Path, name: str, settings: AtlasSourceSettings) -> AtlasSource:
    url = settings.url
    if "://" not in url:
        url = str(folder / url)
    return AtlasSource(
        name, url, settings.format, tuple(settings.classes), settings.licence, settings.max_mb << 20, settings.sha256,
        settings.checksum,
    )


def _canonical(exporter: str) -> str:
    """An address as it is written everywhere; a name as it is."""
    try:
        return format_address(parse_address(exporter))
    except UsageError:
        return exporter


def _expectation(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    if problem["type"] == "extra_forbidden":
        return f"unknown key `{where}`"
    if problem["type"] == "missing":
        return f"`{where}` is missing"
    message = problem["msg"].removeprefix("Value error, ")
    return f"`{where}`: {message[0].lower()}{message[1:]}, found {problem['input']!r}"


def _line_of(text: str, location: tuple[int | str, ...], found: Any) -> int:
    """The line on which a setting stands: TOML parsers keep no line numbers, so the text is searched."""
    wanted = [str(part) for part in location if isinstance(part, str) and part != "[key]"]
    inside_array = any(isinstance(part, int) for part in location)
    table: list[str] = []
    best, in_key = 1, False
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.split("#", 1)[0].strip()
        if header := re.fullmatch(r"\[+\s*(.+?)\s*\]+", bare):
            table, in_key = _names_of(header[1]), False
            best = number if wanted[: len(table)] == table else best
        elif key := re.match(r'("[^"]*"|[\w-]+)\s*=', bare):
            in_key = [*table, key[1].strip('"')] == wanted[: len(table) + 1]
            best = number if in_key else best
        if in_key and (not inside_array or (isinstance(found, str | int) and str(found) in bare)):
            return number
    return best


def _names_of(header: str) -> list[str]:
    """The names in the header of a table, which stand between points."""
    return [part.strip("\"' ") for part in re.findall(r'"[^"]*"|[^.\s]+', header)]


TEMPLATE = """\
# tidegauge site file. Every key that is commented out shows its default or an example.

[site]
name = {name}
# The prefixes that are ours: traffic into them is `in`, out of them `out`.
home = {home}
# Our autonomous systems, for flows whose exporter states them and whose prefixes are not listed above.
# home_as = [64500]

[lake]
# Where flows, coverage and the manifest are kept, relative to this file.
data = "data"
# Memory that a query may take before it spills to disk, in MiB.
# memory_mb = 384

[serve]
# Where `tidegauge serve` answers. Beyond loopback it needs users (`tidegauge user add`) and should have TLS.
# http = "127.0.0.1:8014"
# Names under which it is reached, besides its address and localhost.
# hosts = ["tidegauge.example.net"]
# certificate = "tls/fullchain.pem"
# key = "tls/privkey.pem"
# Show /metrics to Prometheus, without log-in.
# metrics = false
# Questions that are answered at once and that may wait, and how long one may take: while somebody waits, and as a job.
# workers = 2
# waiting = 100
# question_s = 60
# job_s = 3600
# Memory that one question may take, in MiB.
# question_mb = 4096
# Receive flows in the same group of processes; false where a collector runs by itself.
# collect = true
# False alarms that are borne, over all that is watched together: countries, exporters, watches, and these origins.
# alarms = "1/month"
# origins = ["AS131279", "class:tor-exit"]
# How often hunts run, in hours; 0: never.
# hunt_every_h = 24

# Who comes in by an OpenID Connect provider; their role by a claim, or by `tidegauge user add NAME --openid SUBJECT`.
# [openid]
# issuer = "https://login.example.net"
# client = "tidegauge"
# secret_file = "keys/openid.secret"
# role_claim = "roles"
# default_role = "reader"

# Who is told of alarms and serious findings; `tidegauge alert test NAME` tries one.
# [alerts.desk]
# kind = "webhook"
# url = "https://desk.example.net/hooks/tidegauge"
# secret_file = "keys/desk.secret"
# [alerts.duty]
# kind = "mail"
# server = "mail.example.net"
# sender = "tidegauge@example.net"
# to = ["duty@example.net"]
# [alerts.siem]
# kind = "syslog"
# server = "192.0.2.9"
# transport = "tcp"

[store]
# What people write (watches, users, closed findings, the audit log) and alarms are kept in SQLite in the data folder,
# or in PostgreSQL: an SQLAlchemy URL.
# url = "postgresql+psycopg://tidegauge@127.0.0.1/tidegauge"

[collect]
# Where `tidegauge collect` and `tidegauge serve` take NetFlow, IPFIX and sFlow, recognised by content.
# listen = ["[::]:2055", "[::]:4739", "[::]:6343"]
# Who may send; without it every sender is taken, and UDP senders can be forged.
# allow = ["192.0.2.0/24"]
# Sockets on each address; more than one where one core does not keep up.
# sockets_each = 1
# Receive buffer asked of the kernel for each socket, and the most that waiting datagrams may take on disk, in MiB.
# receive_buffer_mb = 64
# spool_mb = 4096
# How often the spool is made durable (what a crash of the machine can lose) and how often flows become visible, in
# seconds.
# sync_s = 1.0
# commit_s = 30.0
# Senders that are not named below come in by themselves, up to so many.
# most_exporters = 64
# Flows hold whose times lie so long before their arrival, or so long after it, in seconds (once an exporter's clock has
# been set right), and that an interface of this speed can have carried. Others are kept apart, up to so much of them.
# back_s = 86400
# ahead_s = 300
# speed_mbps = 800000
# quarantine_mb = 64
# Where counters are shown to Prometheus.
# metrics = "127.0.0.1:9464"

# Days that are not like others: holidays are like Sundays, one-off days teach nothing of what is usual.
# [calendar]
# holidays = [2026-12-25]
# one_off = [2026-11-03]
# Breaks teach nothing, and the first days after one are compared with other first days after breaks.
# breaks = ["2026-12-20/2027-01-06"]
# Public holidays are those of the zone's country ([site] zone), or of another one.
# country = "TW"

# Sources of the atlas: `tidegauge atlas update` takes what is new from a URL, or from a file or folder (a mirror).
# [atlas.sources.cloud]
# url = "https://www.gstatic.com/ipranges/cloud.json"
# [atlas.sources.vpn]
# url = "mirror/vpn-*.txt"
# format = "list"
# classes = ["vpn"]
# Largest file taken, in MiB; sha256, or checksum = "https://..." of a file that holds it.
# max_mb = 100

# Names of exporters and interfaces are asked by SNMP where one of these is set.
# [snmp]
# community = "public"
# user = "tidegauge"

# One table for each exporter that needs one; the key is the address it sends from (or a name such as "pcap", for
# packets and tables that are taken in without one).
# [exporters."192.0.2.1"]
# name = "router-a"
# Where given, only flows that cross one of these interfaces (SNMP ifIndex) count as `in` or `out`,
# so that a flow seen by two routers is counted once.
# external = [1, 2]
# Use this sampling interval whatever the exporter says (1 = unsampled).
# sampling = 1000
# The speed of its fastest interface, in Mbit/s.
# speed_mbps = 10000
# It passes on the datagrams of these sFlow agents: they are exporters of their own.
# relays = ["192.0.2.16/28"]
# Of sampled or captured packets inside these tunnels the inner packet counts.
# decapsulate = ["vxlan", "geneve", "gre", "ipip", "srv6"]
"""


def init_site(folder: Path, *, home: list[str], name: str | None = None, simulated: bool = False) -> Path:
    """Write a commented site file and return its path.

    Raises:
        SiteError: one is there already.
        UsageError: a prefix is wrong.
    """
    if not home:
        raise UsageError("--home PREFIX is required: list the prefixes of your own network.")
    for prefix in home:
        Prefix.parse(prefix)
    path = folder / FILE_NAME
    if path.exists():
        raise SiteError("there is a site here already", where=str(path), hint="edit that file")
    folder.mkdir(parents=True, exist_ok=True)
    shown_name = (name or folder.resolve().name).replace("\\", "\\\\").replace('"', '\\"')
    shown_home = "[" + ", ".join(f'"{p.strip()}"' for p in home) + "]"
    text = TEMPLATE.format(name=f'"{shown_name}"', home=shown_home)
    if simulated:
        text = text.replace("[lake]", "# All data of this site are simulated.\nsimulated = true\n\n[lake]", 1)
    path.write_text(text, encoding="utf-8")
    return path
