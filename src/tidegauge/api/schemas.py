"""The shapes of answers as the OpenAPI tells them: the JSON contracts of the verbs, for those who write clients.

They describe and do not check: answers are made by the verbs. Further keys may come; those named here stay.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tidegauge.case.log import Kind

Verdict = Literal["surge", "no_surge", "cannot_say"]
Severity = Literal["info", "low", "medium", "high", "critical"]
Trust = Literal["high", "medium", "low", "none"]
Span = tuple[str | None, str | None]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow")


class Numbers(_Shape):
    """Amounts by the name of their metric."""

    __pydantic_extra__: dict[str, float | None] = Field(init=False)


class Limit(Numbers):
    """The smallest amount over a duration that would have been called a surge with the stated power."""

    duration_s: int


class Carrier(_Shape):
    by: str
    value: str
    amount: float
    usual: float
    share: float


class Excess(_Shape):
    start: str
    end: str
    window_s: int
    observed: float
    expected: float
    excess: float
    p_value: float
    shape: Literal["burst", "step"] | None = None
    carried_by: list[Carrier] = []


class Blind(_Shape):
    start: str
    end: str
    why: str


class Curve(_Shape):
    duration_s: int
    probability: list[float]
    amount: list[float | None]


class Chart(_Shape):
    width_s: int
    start_s: list[int]
    value: list[float]
    coverage: list[float]
    expected: list[float] = []
    high: list[float] = []
    low: list[float] = []
    critical: list[float] = []
    would: list[Curve]


class Asked(_Shape):
    selection: str
    direction: str
    metric: str
    width_s: int
    since: str
    until: str


class AskedWithHistory(Asked):
    baseline: tuple[str, str]


class Share(_Shape):
    share: float


class Seen(Share):
    blind: list[Blind]


class Relay(_Shape):
    class_: str = Field(alias="class")
    verdict: Verdict


class EditionName(_Shape):
    source: str
    edition: str


class Trusted(_Shape):
    relay_share: float
    relays: list[Relay]
    editions: list[EditionName]


class Answer(_Shape):
    question: AskedWithHistory
    verdict: Verdict
    false_alarm: float
    power: float
    surges: list[Excess]
    largest: Excess | None
    detection_limit: list[Limit]
    coverage: Seen
    trust: Trusted
    caveats: list[str]
    method: str
    version: str
    chart: Chart | None = None


class Ranked(_Shape):
    origin: str
    verdict: Verdict
    surges: list[Excess]
    largest: Excess | None
    detection_limit: list[Limit]


class Ranking(_Shape):
    """The answer about all origins at once."""

    question: Asked
    verdict: Verdict
    false_alarm: float | None
    false_discovery: float | None
    coverage: Share
    origins: list[Ranked]
    caveats: list[str]


class Series(_Shape):
    selection: str
    direction: str
    metric: str
    width_s: int
    start_s: list[int]
    value: list[float]
    coverage: list[float]
    caveats: list[str]


class Top(_Shape):
    by: list[str]
    metric: str
    rows: list[dict[str, str | float | None]]
    caveats: list[str]


class Exporter(_Shape):
    exporter: str
    agent: str
    domain: int
    standing: str
    share: float
    datagrams: int
    records: int
    lost: int
    sampling: list[int]
    skew_s: float
    blind: list[Blind]


class Coverage(_Shape):
    share: float
    since: str
    until: str
    exporters: list[Exporter]
    caveats: list[str]


class Flows(_Shape):
    flows: list[dict[str, str | float | None]]
    next: str | None
    caveats: list[str]


class LeftOut(_Shape):
    what: str
    why: str


class Finding(_Shape):
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
    verdict: Literal["phishing", "suspicious", "unremarkable"] | None = None


class KeptFinding(Finding):
    id: str
    closed: bool


class Hunted(_Shape):
    findings: list[Finding]
    skipped: list[LeftOut]


class Findings(_Shape):
    findings: list[KeptFinding]
    next: str | None


class Sweep(_Shape):
    hosts: list[str]
    findings: list[Finding]


class Lures(Hunted):
    sweep: Sweep | None = None


class Persons(_Shape):
    persons: int
    by_kind: dict[str, int]
    by_domain: dict[str, int]


class Leaks(Hunted):
    summary: Persons


class Showing(_Shape):
    prefix: str
    as_: int = Field(alias="as")
    displayed: str
    trust: Trust
    reasons: list[str]
    source: str


class Showings(_Shape):
    of: str
    at: str
    prefixes: list[Showing]


class Source(_Shape):
    source: str
    edition: str
    valid: Span
    says: dict[str, Any]


class Origin(_Shape):
    address: str
    at: str
    country: str
    as_: int = Field(alias="as")
    as_name: str
    prefix: str
    classes: list[str]
    displayed: str
    trust: Trust
    reasons: list[str]
    sources: list[Source]
    disagreements: list[str]


class Upstream(_Shape):
    as_: int = Field(alias="as")
    as_name: str
    country: str | None
    valid: Span
    source: str
    at_that_time: bool


class Reached(_Shape):
    as_: int = Field(alias="as")
    as_name: str
    prefixes: int
    upstreams: list[Upstream]


class Reach(_Shape):
    of: str
    at: str
    ases: list[Reached]


class CountryFrames(_Shape):
    country: str
    value: list[float]
    expected: list[float] | None


class World(_Shape):
    direction: str
    metric: str
    width_s: int
    start_s: list[int]
    coverage: list[float]
    countries: list[CountryFrames]


class NameSeen(_Shape):
    name: str
    relation: Literal["asked", "led to it"]
    count: int
    first: str
    last: str


class Names(_Shape):
    address: str
    names: list[NameSeen]
    left_out: int


class Data(_Shape):
    since: str
    until: str
    now: str
    live: bool
    note: str | None


class SiteTold(_Shape):
    name: str
    simulated: bool
    zone: str
    version: str
    home: list[str]
    data: Data | None
    columns: list[str]
    classes: list[str]
    alarms: str


class Check(_Shape):
    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    advice: str


class Health(_Shape):
    checks: list[Check]


class Place(_Shape):
    code: str
    number: str
    en: str
    zh: str = Field(alias="zh-TW")


class Places(_Shape):
    countries: list[Place]


class Meant(_Shape):
    kind: Literal["country", "as", "class", "watch"]
    value: str
    name: str


class Completed(_Shape):
    found: list[Meant]


class Me(_Shape):
    name: str
    role: Literal["reader", "analyst", "admin"]
    by: str
    csrf: str | None


class Alarm(_Shape):
    id: str
    series: str
    state: Literal["open", "ended"]
    start: str
    end: str | None
    title: str
    severity: Severity


class Alarms(_Shape):
    alarms: list[Alarm]
    next: str | None


class Entry(_Shape):
    """An entry of a case; what else is in it its kind decides."""

    number: int
    at: str
    who: str
    kind: Kind
    id: str
    about: str


class CaseTold(_Shape):
    name: str
    title: str
    created: str
    mark: str
    revision: int
    entries: list[Entry]


class View(_Shape):
    value: str
    weight: str
    reason: str
    who: str


class Cell(_Shape):
    suggested: View
    decided: list[View]
    inconsistency: float
    disagreement: bool


class Likely(_Shape):
    who: str
    word: str
    confidence: str


class Hypothesis(_Shape):
    id: str
    text: str
    inconsistency: float
    rank: int
    consistent: int
    likelihood: list[Likely]


class MatrixRow(_Shape):
    evidence: str
    what: str
    cells: dict[str, Cell]


class Without(_Shape):
    without: list[str]
    leading: list[str]


class Next(_Shape):
    command: str
    why: str


class Weighed(_Shape):
    hypotheses: list[Hypothesis]
    leading: list[str]
    matrix: list[MatrixRow]
    sensitivity: list[Without]
    next: list[Next]
    undecided: int


class VerifiedItem(_Shape):
    id: str
    status: str
    why: str


class Verified(_Shape):
    status: Literal["same", "changed", "tampered", "gone"]
    items: list[VerifiedItem]
    chain: Literal["whole", "broken"]
