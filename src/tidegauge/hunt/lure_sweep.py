"""From the goals of a lure to the hosts of ours that went there: when, how much came and left, what they did next."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from tidegauge.context import SiteContext
from tidegauge.hunt.run import KINDS, hunt
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import Finding, Severity, TidegaugeError, format_address, format_bytes, format_time, shapes
from tidegauge.site import Site
from tidegauge.watch import Indicator, Watch, watched

MOST_HOSTS = 1000
MOST_NAMED = 20
TYPED_BYTES = 2_000
"""More than this to a host that only shows a page: what a form sends, besides the handshake and requests."""


@dataclass(frozen=True)
class Goal:
    """Where a lure leads: a name or an address, and when it can first have been followed (epoch seconds)."""

    host: str
    from_s: int = 0

    def mark(self, from_s: int = 0, source: str = "") -> Indicator:
        """It as a mark of a watch.

        Raises:
            UsageError: not a name or address that could be looked for.
        """
        kind = "prefix" if self.host.replace(".", "").isdigit() or ":" in self.host else "domain"
        return Indicator.of(kind, self.host, from_s, source=source)


@dataclass
class Visit:
    """One host of ours at the goals of lures. Times in epoch seconds, bytes by direction."""

    host: str
    first_s: int
    last_s: int
    names: set[str] = field(default_factory=set)
    asked: int = 0
    flows: int = 0
    out_bytes: int = 0
    in_bytes: int = 0

    def see(self, first_s: int, last_s: int) -> None:
        self.first_s, self.last_s = min(self.first_s, first_s), max(self.last_s, last_s)


@dataclass
class Swept:
    """Who went to the goals of lures.

    Attributes:
        findings: one a host, kind `lured`; then what hunts found of these hosts from their first visit on.
        examined, skipped: what was looked at and what could not be.
    """

    findings: list[Finding]
    examined: dict[str, int]
    skipped: list[shapes.LeftOut]

    @property
    def hosts(self) -> list[str]:
        """The hosts to call."""
        return list(dict.fromkeys(f.subject for f in self.findings if f.kind == "lured"))

    def to_json(self) -> shapes.Sweep:
        return {"hosts": self.hosts, "findings": [f.to_json() for f in self.findings], "examined": self.examined,
                "skipped": self.skipped}


def sweep(given: Site | SiteContext, goals: list[Goal], until_s: int | None = None) -> Swept:
    """Look for hosts of ours that went to the goals of lures, by names asked for and by flows.

    Flows count from the time on that a goal's lure was sent; a name's addresses only while it pointed to them.
    """
    context = SiteContext.of(given)
    lake, extent = context.lake, context.extent
    goals = _merged(goals)
    if extent is None or not goals:
        why = "no flows here yet" if extent is None else "the lures lead nowhere that could be looked for"
        return Swept([], {"goals": len(goals)}, [{"what": "sweep", "why": why}])
    until_s = extent.until_s if until_s is None else until_s
    visits: dict[str, Visit] = {}
    # Who writes a lure writes its date: one behind the data's end would hide every visit.
    why = "its lure says that it was sent after the last flow here: looked for in all the time that there is"
    skipped: list[shapes.LeftOut] = [{"what": goal.host, "why": why} for goal in goals if goal.from_s >= until_s]
    goals = [replace(goal, from_s=0) if goal.from_s >= until_s else goal for goal in goals]
    names = _asked(lake, goals, extent.first_s, until_s, visits)
    flows = 0
    for goal in goals:
        flows += _went(lake, goal, max(goal.from_s, extent.first_s), until_s, visits, skipped)
    found = [
        _finding(visit, goals)
        for visit in sorted(visits.values(), key=lambda v: (-v.out_bytes, v.first_s))[:MOST_HOSTS]
    ]
    if visits:
        found = _and_then(context, found, min(v.first_s for v in visits.values()), until_s)
    return Swept(found, {"goals": len(goals), "names seen": names, "flows": flows}, skipped)


def _merged(goals: list[Goal]) -> list[Goal]:
    first: dict[str, int] = {}
    for goal in goals:
        first[goal.host] = min(goal.from_s, first.get(goal.host, goal.from_s))
    return [Goal(host, from_s) for host, from_s in first.items()]


def _asked(lake: Lake, goals: list[Goal], since_s: int, until_s: int, visits: dict[str, Visit]) -> int:
    """Hosts of ours that asked for a goal's name, or named it in a handshake."""
    since_s = max(since_s, min(goal.from_s for goal in goals))
    table = lake.names(since_s * 1_000_000, until_s * 1_000_000)
    from_s = {goal.host: goal.from_s for goal in goals}
    columns = (table[name].to_pylist() for name in ("client", "name"))
    for stamp, client, name in zip(table["time"].cast("int64").to_pylist(), *columns, strict=True):
        at_s = stamp // 1_000_000
        if name in from_s and at_s >= from_s[name]:
            host = format_address(client)
            visit = visits.setdefault(host, Visit(host, at_s, at_s))
            visit.see(at_s, at_s)
            visit.names.add(name)
            visit.asked += 1
    return int(table.num_rows)


def _went(
    lake: Lake, goal: Goal, since_s: int, until_s: int, visits: dict[str, Visit], skipped: list[shapes.LeftOut]
) -> int:
    """Flows of hosts of ours with a goal's addresses; how many."""
    try:
        mark = goal.mark()
    except TidegaugeError:
        skipped.append({"what": goal.host[:100], "why": "not a name that could be looked for"})
        return 0
    selection = watched(Watch("lure", indicators=(mark,)), lake, since_s, until_s)
    if not selection.terms:
        skipped.append(
            {"what": goal.host, "why": "no name that was seen pointed to an address of it: flows can't tell"}
        )
        return 0
    chosen = FlowFilter(since_s * 1_000_000, until_s * 1_000_000, (selection.sql,))
    count = 0
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 1 << 62, 0])
    for batch in lake.flows(chosen, limit=1_000_000):
        columns = (batch.column(name).to_pylist() for name in ("src", "dst", "direction", "bytes"))
        times = (batch.column(name).cast("int64").to_pylist() for name in ("time_start", "time_end"))
        for start, end, src, dst, direction, size in zip(*times, *columns, strict=True):
            host = format_address(src if direction == "out" else dst)
            row = sums[host]
            row[0 if direction == "out" else 1] += size
            row[2] += 1
            row[3], row[4] = min(row[3], start // 1_000_000), max(row[4], end // 1_000_000)
            count += 1
    for host, (out, into, flows, first_s, last_s) in sums.items():
        visit = visits.setdefault(host, Visit(host, first_s, last_s))
        visit.see(first_s, last_s)
        visit.names.add(goal.host)
        visit.out_bytes, visit.in_bytes, visit.flows = visit.out_bytes + out, visit.in_bytes + into, visit.flows + flows
    return count


def _finding(visit: Visit, goals: list[Goal]) -> Finding:
    named = sorted(visit.names)
    where = named[0] + (f" and {len(named) - 1} more" if len(named) > 1 else "")
    reasons = []
    if visit.flows:
        reasons.append(
            f"{visit.host} exchanged {visit.flows:,} flows with {where} between {format_time(visit.first_s)} and"
            f" {format_time(visit.last_s)}: {format_bytes(visit.out_bytes)} went out,"
            f" {format_bytes(visit.in_bytes)} came in"
        )
    if visit.asked:
        reasons.append(f"it asked for or named it {visit.asked:,} times")
    if not visit.flows:
        reasons.append(
            "no flow with it was seen: the name was asked for, which a mail program or filter may do by itself"
        )
    elif visit.out_bytes > TYPED_BYTES:
        reasons.append(
            f"more than {format_bytes(TYPED_BYTES)} went out, enough for something typed or sent;"
            " what it was, flows do not show"
        )
    severity: Severity = "high" if visit.flows and visit.out_bytes > TYPED_BYTES else "medium" if visit.flows else "low"
    addresses = [name for name in named if ":" in name or name.replace(".", "").isdigit()]
    return Finding(
        kind="lured",
        title=f"{visit.host} went where a lure leads: {where}",
        start_s=visit.first_s,
        end_s=visit.last_s + 1,
        subject=visit.host,
        score=0.9 if visit.flows else 0.5,
        severity=severity,
        reasons=tuple(reasons),
        where=f"src = '{visit.host}' OR dst = '{visit.host}'",
        peers=tuple(named[:MOST_NAMED]),
        evidence={
            "flows": visit.flows, "out_bytes": visit.out_bytes, "in_bytes": visit.in_bytes, "asked": visit.asked,
            "names": named[:MOST_NAMED], "addresses": addresses[:MOST_NAMED],
            "lure_sent": min((g.from_s for g in goals if g.host in visit.names), default=0),
        },
    )


def _and_then(context: SiteContext, found: list[Finding], since_s: int, until_s: int) -> list[Finding]:
    """Findings of hunts about hosts that were lured, from the first visit on, told with it."""
    hosts = {f.subject: f for f in found}
    later = [f for f in hunt(context, tuple(KINDS), since_s=since_s, until_s=until_s).findings
             if f.subject in hosts and f.end_s >= hosts[f.subject].start_s and f.severity != "info"]
    told = []
    for finding in found:
        next_ = [f for f in later if f.subject == finding.subject]
        reasons = tuple(f"afterwards: {f.title}" for f in next_[:MOST_NAMED])
        told.append(
            replace(finding, reasons=finding.reasons + reasons, severity="critical" if next_ else finding.severity,
                    score=0.98 if next_ else finding.score,
                    evidence={**finding.evidence, "afterwards": [f.title for f in next_[:MOST_NAMED]]})
        )
    return told + later
