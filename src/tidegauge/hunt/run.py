"""All hunts in one list: ranked by how much they matter, those of one host told as one story, none shown twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tidegauge.context import SiteContext
from tidegauge.hunt.context import HuntContext, aliases, names_of
from tidegauge.hunt.expected import load_expected
from tidegauge.hunt.finding_store import Closed, HuntLedger, finding_id
from tidegauge.hunt.hunts import (
    backscatter,
    dns_tunnels,
    egress_slow,
    egress_unusual,
    egress_watched,
    few_calls,
    floods,
    generated_names,
    knocking,
    long_connections,
    many_calls,
    passthrough,
    password_guessing,
    password_spraying,
    regular_calls,
    relays,
    scans,
    sweeps,
    together,
)
from tidegauge.hunt.hunts.passthrough import ONE_PAIR
from tidegauge.hunt.limits import HuntLimit
from tidegauge.lake import FlowFilter, Lake, Pairs
from tidegauge.model import RELAYS, Finding, UsageError, format_time, shapes
from tidegauge.series import homes_of, mostly_passing, unlisted, ways_of
from tidegauge.site import Site
from tidegauge.watch import Watches, unmatched, watched as select_watch

SEVERITIES = ("info", "low", "medium", "high", "critical")
HISTORY_S = 28 * 86400


Hunt = Callable[[HuntContext], list[Finding]]
KINDS: dict[str, tuple[Hunt, ...]] = {
    "egress": (egress_unusual.find, egress_slow.find, egress_watched.find),
    "passthrough": (passthrough.find, relays.find),
    "beacons": (
        regular_calls.find, many_calls.find, few_calls.find, long_connections.find, dns_tunnels.find,
        generated_names.find,
    ),
    "scans": (
        scans.find, sweeps.find, knocking.find, password_guessing.find, password_spraying.find, floods.find,
        backscatter.find, together.find,
    ),
}


@dataclass(frozen=True)
class Story:
    """All findings of one host: the most serious first, and what happened in order of time."""

    subject: str
    findings: tuple[Finding, ...]

    def timeline(self) -> list[str]:
        """One line a finding, in order of time."""
        ordered = sorted(self.findings, key=lambda f: (f.start_s, f.end_s))
        return [f"{format_time(f.start_s)} to {format_time(f.end_s)}: {f.title}" for f in ordered]


@dataclass
class Hunted:
    """The reply to `hunt`."""

    since_s: int
    until_s: int
    findings: list[Finding]
    closed: list[tuple[Finding, Closed]] = field(default_factory=list)
    examined: dict[str, int] = field(default_factory=dict)
    skipped: list[shapes.LeftOut] = field(default_factory=list)
    limits: list[HuntLimit] = field(default_factory=list)
    grounds: list[str] = field(default_factory=list)
    """Why it says nothing that nothing was found: then there are no limits of it."""
    fresh: frozenset[str] = frozenset()
    """Names of findings that no hunt noted before."""

    def stories(self) -> list[Story]:
        """Findings by host, in the order of the most serious of each."""
        hosts: dict[str, list[Finding]] = {}
        for finding in self.findings:
            hosts.setdefault(finding.subject, []).append(finding)
        return [Story(subject, tuple(found)) for subject, found in hosts.items()]

    def to_json(self) -> shapes.Hunted:
        stories: list[shapes.Story] = [
            {"subject": s.subject, "severity": s.findings[0].severity, "timeline": s.timeline(),
             "findings": [finding_id(f) for f in s.findings]}
            for s in self.stories() if len(s.findings) > 1
        ]
        return {
            "since": format_time(self.since_s), "until": format_time(self.until_s),
            "findings": [{**f.to_json(), "id": finding_id(f)} for f in self.findings],
            "stories": stories,
            "closed": [{**f.to_json(), "id": c.id, "reason": c.reason, "closed_until": format_time(c.until_s)}
                       for f, c in self.closed],
            "limits": [limit.to_json() for limit in self.limits], "grounds": self.grounds,
            "examined": self.examined, "skipped": self.skipped,
        }


def hunt(
    given: Site | SiteContext, kinds: tuple[str, ...], *, since_s: int | None, until_s: int | None,
    watch: str | None = None, progress: Callable[[str], None] = lambda kind: None,
) -> Hunted:
    """Run hunts over a time of a site's flows (all that there is where none is given).

    Raises:
        LakeError: there are no flows.
        UsageError: the time is empty, or there is no such watch.
    """
    context = SiteContext.of(given)
    site, lake, extent = context.site, context.lake, context.extent_or_fail()
    data_from_s = extent.first_s
    since_s = data_from_s if since_s is None else since_s
    until_s = extent.until_s if until_s is None else until_s
    if since_s >= until_s:
        raise UsageError(f"the time is empty: since {format_time(since_s)}, until {format_time(until_s)}")
    grounds = list(_grounds(site, lake, data_from_s, since_s, until_s))
    unlinked: list[str] = []
    watched, watch_name = "false", ""
    if watch is not None:
        selected = select_watch(Watches(context.store).get(watch), lake, since_s, until_s)
        watched, watch_name = selected.sql, selected.name
        unlinked = list(unmatched(selected, site.home, since_s, until_s))
    found: list[Finding] = []
    chosen = FlowFilter(since_s * 1_000_000, until_s * 1_000_000)
    names_seen = lake.names(since_s * 1_000_000, until_s * 1_000_000)
    pointed = names_of(names_seen)
    same = aliases(pointed)
    with Pairs(lake, chosen, same, watched) as pairs:
        hunted = HuntContext(
            site, lake, pairs, context.atlas, load_expected(site.folder), since_s, until_s,
            max(data_from_s, since_s - HISTORY_S) if since_s > data_from_s else data_from_s, watch_name,
            names_seen, pointed, same,
        )
        hunted.examined["flows"] = int(hunted.value("flows"))
        for name in unlisted(lake, hunted.atlas, ("botnet-c2", *RELAYS), since_s, until_s):
            hunted.skipped[f"far ends that are {name}", "no list of such addresses is loaded for this time"] = 1
        for kind in kinds:
            progress(kind)
            for find in KINDS[kind]:
                found += find(hunted)
    found = ranked(_once(found))
    ledger = HuntLedger(context.store)
    fresh = frozenset(ledger.note(found))
    closed = {name: c for name, c in ledger.closed().items() if c.until_s > time.time()}
    return Hunted(
        since_s, until_s, [f for f in found if finding_id(f) not in closed],
        [(f, closed[finding_id(f)]) for f in found if finding_id(f) in closed], dict(hunted.examined),
        [{"what": what, "why": why, "count": count} for (what, why), count in sorted(hunted.skipped.items())],
        [] if grounds else [limit for limit in hunted.limits if limit.scope == "site" or not unlinked],
        [*grounds, *unlinked], fresh,
    )


def _grounds(site: Site, lake: Lake, data_from_s: int, since_s: int, until_s: int) -> Iterator[str]:
    """Yield why hosts of ours cannot be found in these flows: the home prefixes do not fit them."""
    ways = ways_of(lake, data_from_s, since_s, until_s)
    octets = ways.bytes()
    if octets["in"] + octets["out"] > octets["transit"] + octets["internal"]:
        return
    homes = homes_of(lake, site, ways, data_from_s, until_s)
    reasons = [reason for way in ("out", "in") if (reason := mostly_passing(site, homes, way))]
    if len(reasons) == 2:
        yield from dict.fromkeys(reasons)


def _once(findings: list[Finding]) -> list[Finding]:
    """Of findings about one host at one service that tell of its calls the most serious, a beacon before others."""
    # Who relays for many also does for two.
    relaying = {f.subject for f in findings if f.kind == "passthrough" and f.evidence["relay"] != ONE_PAIR}
    findings = [f for f in findings if f.evidence.get("relay") != ONE_PAIR or f.subject not in relaying]
    best: dict[tuple[str, ...], Finding] = {}
    for finding in findings:
        if (key := _door(finding)) is None:
            continue
        if key not in best or _rank(finding) > _rank(best[key]):
            best[key] = finding
    return [f for f in findings if (key := _door(f)) is None or best[key] is f]


def _door(finding: Finding) -> tuple[str, ...] | None:
    """Who calls what, for findings that tell of calls to one service; None for others."""
    service = finding.evidence["service"] if finding.kind == "beacon" else finding.evidence.get("door")
    return None if service is None else (finding.subject, *finding.peers[:1], str(service))


def _rank(finding: Finding) -> tuple[int, bool, float]:
    return SEVERITIES.index(finding.severity), finding.kind == "beacon", finding.score


def ranked(findings: list[Finding]) -> list[Finding]:
    """The most serious first; what is the same thing seen twice once, with the reasons of both."""
    kept: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda f: (-SEVERITIES.index(f.severity), -f.score, f.start_s)):
        name = finding_id(finding)
        if name not in kept:
            kept[name] = finding
            continue
        first = kept[name]
        reasons = tuple(dict.fromkeys((*first.reasons, *finding.reasons)))
        kept[name] = replace(first, start_s=min(first.start_s, finding.start_s), end_s=max(first.end_s, finding.end_s),
                             reasons=reasons)
    return list(kept.values())
