"""The JSON of answers, declared once: what makes an answer is checked against it, and the OpenAPI tells it.

Further keys may come in later versions; those named here stay. Amounts stand under the name of their metric.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

Metric = Literal["bytes", "packets", "flows", "hosts"]
Verdict = Literal["surge", "no_surge", "cannot_say"]
LureVerdict = Literal["phishing", "suspicious", "unremarkable"]
Severity = Literal["info", "low", "medium", "high", "critical"]
Trust = Literal["high", "medium", "low", "none"]
Relation = Literal["asked", "led to it"]
Span = list[str | None]
"""Begin and end; None where it has none."""
Row = dict[str, str | float | None]
"""A row of a table, by column."""


class Limit(TypedDict):
    """The smallest amount over a duration that would have been called a surge with the stated power."""

    duration_s: int
    bytes: NotRequired[float]
    packets: NotRequired[float]
    flows: NotRequired[float]
    hosts: NotRequired[float]
    bits_per_second: NotRequired[float]


class WouldHaveSeen(TypedDict):
    """The chance with which an addition of an amount over a duration would have been called a surge."""

    duration_s: int
    bytes: NotRequired[float]
    packets: NotRequired[float]
    flows: NotRequired[float]
    hosts: NotRequired[float]
    probability: float | None


class Carrier(TypedDict):
    by: str
    value: str
    amount: float
    usual: float
    share: float


class Excess(TypedDict):
    start: str
    end: str
    window_s: int
    observed: float
    expected: float
    excess: float
    p_value: float
    shape: NotRequired[Literal["burst", "step"]]
    metric: NotRequired[str]
    carried_by: NotRequired[list[Carrier]]
    query: NotRequired[str]


class Blind(TypedDict):
    start: str
    end: str
    why: str


class Curve(TypedDict):
    duration_s: int
    probability: list[float]
    amount: list[float | None]


class Chart(TypedDict):
    width_s: int
    start_s: list[int]
    value: list[float]
    coverage: list[float]
    expected: NotRequired[list[float]]
    high: NotRequired[list[float]]
    low: NotRequired[list[float]]
    critical: NotRequired[list[float]]
    would: list[Curve]


class Asked(TypedDict):
    selection: str
    direction: str
    metric: str
    width_s: int
    since: str
    until: str


class AskedWithHistory(Asked):
    baseline: tuple[str, str]


class Share(TypedDict):
    share: float


class Seen(Share):
    blind: list[Blind]


Relay = TypedDict("Relay", {"class": str, "verdict": Verdict, "detection_limit": list[Limit]})


class EditionName(TypedDict):
    source: str
    edition: str


class Trusted(TypedDict):
    relay_share: float
    relays: list[Relay]
    editions: list[EditionName]


class Answer(TypedDict):
    question: AskedWithHistory
    verdict: Verdict
    false_alarm: float
    power: float
    surges: list[Excess]
    largest: Excess | None
    detection_limit: list[Limit]
    would_have_seen: NotRequired[list[WouldHaveSeen]]
    coverage: Seen
    trust: Trusted
    caveats: list[str]
    method: str
    version: str
    chart: NotRequired[Chart]
    reads: NotRequired[dict[str, int]]


class Ranked(TypedDict):
    origin: str
    verdict: Verdict
    bytes: NotRequired[int]
    packets: NotRequired[int]
    flows: NotRequired[int]
    hosts: NotRequired[int]
    surges: list[Excess]
    largest: Excess | None
    detection_limit: list[Limit]


class Pooled(TypedDict):
    """How many thin series, and others, the shape of the tails rests on."""

    thin: int
    others: int


class Ranking(TypedDict):
    """The answer about all origins at once."""

    question: Asked
    verdict: Verdict
    false_alarm: float | None
    false_discovery: float | None
    pooled: Pooled
    coverage: Share
    origins: list[Ranked]
    caveats: list[str]
    version: str
    reads: NotRequired[dict[str, int]]


class Series(TypedDict):
    selection: str
    direction: str
    metric: str
    width_s: int
    start_s: list[int]
    value: list[float]
    coverage: list[float]
    caveats: list[str]
    reads: NotRequired[dict[str, int]]


class Top(TypedDict):
    by: list[str]
    metric: str
    rows: list[Row]
    caveats: list[str]
    reads: NotRequired[dict[str, int]]


class Exporter(TypedDict):
    exporter: str
    agent: str
    domain: int
    standing: str
    share: float
    datagrams: int
    records: int
    lost: int
    waiting: int
    sampling: list[int]
    skew_s: float
    dropped: int
    duplicates: int
    overtaken: int
    restarts: int
    misses: int
    unsampled: int
    loss: Literal["known", "not_knowable"]
    sequence: str
    apart: int
    held: int
    delay_s: float
    blind: list[Blind]


class Coverage(TypedDict):
    share: float
    since: str
    until: str
    exporters: list[Exporter]
    caveats: list[str]


class Flows(TypedDict):
    flows: list[Row]
    next: str | None
    caveats: list[str]


class LeftOut(TypedDict):
    what: str
    why: str
    count: NotRequired[int]


class Finding(TypedDict):
    kind: str
    title: str
    start: str
    end: str
    subject: str
    peers: list[str]
    score: float
    severity: Severity
    evidence: dict[str, Any]
    reasons: list[str]
    query: str


class NamedFinding(Finding):
    id: str


class KeptFinding(NamedFinding):
    closed: bool


class ClosedFinding(NamedFinding):
    reason: str
    closed_until: str


class Story(TypedDict):
    """All findings of one host, in order of time."""

    subject: str
    severity: Severity
    timeline: list[str]
    findings: list[str]


class HuntLimit(TypedDict):
    """What a hunt would have found with the stated power; None: no amount."""

    kind: str
    scope: str
    what: str
    value: int | None
    unit: str
    power: float


class Hunted(TypedDict):
    since: str
    until: str
    findings: list[NamedFinding]
    stories: list[Story]
    closed: list[ClosedFinding]
    limits: list[HuntLimit]
    grounds: list[str]
    examined: dict[str, int]
    skipped: list[LeftOut]


class Findings(TypedDict):
    findings: list[KeptFinding]
    next: str | None


class LureFinding(Finding):
    verdict: LureVerdict


class Sweep(TypedDict):
    hosts: list[str]
    findings: list[Finding]
    examined: dict[str, int]
    skipped: list[LeftOut]


class Lures(TypedDict):
    findings: list[LureFinding]
    examined: dict[str, int]
    skipped: list[LeftOut]
    sweep: NotRequired[Sweep]


Exchanged = TypedDict("Exchanged", {"from": str, "to": str, "mails": int})


class Persons(TypedDict):
    """Distinct values, and the persons that they belong to."""

    persons: int
    by_kind: dict[str, int]
    by_domain: dict[str, int]
    combinations: NotRequired[dict[str, int]]
    by_country: NotRequired[dict[str, int]]
    samples: NotRequired[dict[str, int]]
    mail_exchanges: NotRequired[list[Exchanged]]
    oldest: NotRequired[str]
    newest: NotRequired[str]


class Compared(TypedDict):
    """Hashes of one's own values, and how many of them were found."""

    own: int
    matched: int
    by_kind: dict[str, int]


class Leaks(TypedDict):
    findings: list[Finding]
    summary: Persons
    examined: dict[str, int]
    skipped: list[LeftOut]
    hashes: NotRequired[Compared]
    seen_in: NotRequired[dict[str, Any]]


Showing = TypedDict("Showing", {
    "prefix": str, "as": int, "displayed": str, "trust": Trust, "reasons": list[str], "source": str, "valid": Span,
})
Further = TypedDict("Further", {
    "as": int, "as_name": str, "country": str | None, "upstream_of": int, "prefixes": list[str], "prefix_count": int,
})


class Showings(TypedDict):
    of: str
    at: str
    prefixes: list[Showing]
    further: list[Further]


class Source(TypedDict):
    source: str
    edition: str
    valid: Span
    says: dict[str, Any]


Origin = TypedDict("Origin", {
    "address": str, "at": str, "country": str, "as": int, "as_name": str, "prefix": str, "classes": list[str],
    "displayed": str, "trust": Trust, "reasons": list[str], "sources": list[Source], "disagreements": list[str],
})
Upstream = TypedDict("Upstream", {
    "as": int, "as_name": str, "country": str | None, "valid": Span, "source": str, "at_that_time": bool,
})
Reached = TypedDict("Reached", {"as": int, "as_name": str, "prefixes": int, "upstreams": list[Upstream]})


class Reach(TypedDict):
    of: str
    at: str
    ases: list[Reached]


class CountryFrames(TypedDict):
    country: str
    value: list[float]
    expected: list[float] | None


class World(TypedDict):
    direction: str
    metric: str
    width_s: int
    start_s: list[int]
    coverage: list[float]
    countries: list[CountryFrames]


class NameSeen(TypedDict):
    name: str
    relation: Relation
    count: int
    first: str
    last: str


class Names(TypedDict):
    address: str
    names: list[NameSeen]
    left_out: int


class AlarmBody(TypedDict):
    """What an alarm says; what else is in it is the answer behind it."""

    title: str
    severity: Severity


class Alarm(AlarmBody):
    id: str
    series: str
    state: Literal["open", "ended"]
    start: str
    end: str
    opened: str
    updated: str
    ended: str | None


class Alarms(TypedDict):
    alarms: list[Alarm]
    next: str | None
