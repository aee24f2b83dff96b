"""How far a displayed origin can be believed: rules, each with a sentence, the lowest deciding.

Listed for readers in docs/reference/trust.md.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tidegauge.atlas.evidence import Evidence, Said
from tidegauge.model import V4_MAPPED, format_address, format_time, parse_time, shapes

LEVELS: tuple[shapes.Trust, ...] = ("none", "low", "medium", "high")
DAY_S = 86400
NEAR_S, LONG_S = 31 * DAY_S, 2 * 366 * DAY_S
YOUNG_S = 30 * DAY_S

Judged = tuple[shapes.Trust | None, str]
"""The level above which trust cannot be (None: the sentence is a remark), and the sentence."""


@dataclass(frozen=True)
class Rule:
    """One ground for less trust: its name in the documentation, and what it says of the evidence."""

    name: str
    judge: Callable[[Evidence], Iterator[Judged]]


@dataclass(frozen=True)
class Origin:
    """What an address displays at a time, and how far to believe it.

    Attributes:
        country: from where it was used, as far as that is documented; else what it displays.
    """

    evidence: Evidence
    country: str
    trust: shapes.Trust
    reasons: tuple[str, ...]
    disagreements: tuple[str, ...]

    def to_json(self) -> shapes.Origin:
        """The contract's Origin JSON."""
        e = self.evidence
        return {
            "address": format_address(e.address), "at": format_time(e.at_s), "country": self.country, "as": e.asn,
            "as_name": e.as_name, "prefix": e.prefix, "classes": list(e.classes), "displayed": e.displayed,
            "trust": self.trust, "reasons": list(self.reasons), "sources": [s.to_json() for s in e.said],
            "disagreements": list(self.disagreements),
        }


def judge(evidence: Evidence) -> Origin:
    """Apply all rules."""
    found = [judged for rule in RULES for judged in rule.judge(evidence)]
    trust: shapes.Trust = min((level for level, _ in found if level is not None), key=LEVELS.index, default="high")
    reasons = [sentence for _, sentence in found]
    if trust == "high":
        reasons.insert(0, _agreement(evidence))
    used_by = next((value for _, value in evidence.told("used_by")), None)
    return Origin(evidence, used_by or evidence.displayed, trust, tuple(reasons), tuple(_disagreements(evidence)))


def _agreement(evidence: Evidence) -> str:
    names = list(dict.fromkeys(s.source for s, c in evidence.told("country") if c == evidence.displayed))
    return f"{' and '.join(names)} agree on {evidence.displayed}, and nothing here speaks against it"


def _named(said: Said) -> str:
    return f"{said.source}, edition {said.edition}"


def _special(e: Evidence) -> Iterator[Judged]:
    address = ipaddress.ip_address(e.address[12:] if e.address[:12] == V4_MAPPED else e.address)
    if not address.is_global:
        yield "none", "this is no public address (IANA special-purpose registry): it says nothing of where it was used"
    elif e.displayed == "ZZ":
        yield "none", "no source knows the country of this address"


TEXTS: dict[str, tuple[shapes.Trust | None, str]] = {
    "tor-exit": ("none", "a Tor exit {when} ({source}): whoever sent through it can be anywhere"),
    "tor-relay": ("medium", "a Tor relay {when} ({source}): it can pass on what others send"),
    "vpn": ("none", "an address of a VPN service {when} ({source}): its users can be anywhere"),
    "proxy": ("none", "a proxy {when} ({source}): its users can be anywhere"),
    "hosting": ("low", "rented servers {when} ({source}): who rents one can be anywhere"),
    "cloud": ("low", "a cloud provider's range {when} ({source}): who rents there can be anywhere"),
    "satellite": ("low", "a satellite provider's range {when} ({source}): its terminals can stand in other countries"),
    "anycast": ("low", "an anycast address {when} ({source}): it answers from many countries"),
    "botnet-c2": ("low", "a command server {when} ({source}): who commands it is not who owns it"),
    "sinkhole": ("low", "a sinkhole of researchers {when} ({source}): what it gets was meant for somebody else"),
    "scanner": (None, "a known scanner {when} ({source})"),
}


def _classes(e: Evidence) -> Iterator[Judged]:
    for name, (level, text) in TEXTS.items():
        if name not in e.classes:
            continue
        said = next((s for s, classes in e.told("classes") if name in classes), None)
        if said is None:
            continue
        yield level, text.format(when=_when(said, e.at_s), source=_named(said))


def _when(said: Said, at_s: int) -> str:
    """When the statement held, as part of a sentence."""
    start, end = said.valid_s
    if said.distance_s > DAY_S:
        return f"by the nearest list, {said.distance_s / DAY_S:,.0f} days from then"
    if start > 0 and end - start <= 7 * DAY_S:
        return f"from {format_time(start)} to {format_time(end)}"
    return f"at {format_time(at_s)}"


def _leased(e: Evidence) -> Iterator[Judged]:
    for said, country in e.told("used_by"):
        if country != said.says.get("country"):
            note = f" ({said.says['note']})" if said.says.get("note") else ""
            yield (
                "low",
                (
                    f"{said.says['prefix']} displays {e.displayed} but was leased to and used from {country} at that"
                    f" time{note}"
                ),
            )
    if "leased" in e.classes:
        for said, classes in e.told("classes"):
            if "leased" in classes and not said.says.get("used_by"):
                name = f", {said.says['name']}" if said.says.get("name") else ""
                yield "low", f"listed as leased or hijacked ({_named(said)}{name}): the registered user is not the user"


def _registered_elsewhere(e: Evidence) -> Iterator[Judged]:
    registered = next(((s, c) for s, c in e.told("country") if s.kind == "registry"), None)
    registered = registered or next(((s, c) for s, c in e.told("country") if s.kind == "embedded"), None)
    if registered and e.as_country and registered[1] != e.as_country:
        yield (
            "low",
            (
                f"registered in {registered[1]} ({_named(registered[0])}) and announced by AS{e.asn}"
                f" {e.as_name or ''} of {e.as_country}: leased, or used from elsewhere".replace("  ", " ")
            ),
        )


def _upstreams(e: Evidence) -> Iterator[Judged]:
    if len(e.upstreams) == 1:
        ((number, country),) = e.upstreams.items()
        if country and e.as_country and country != e.as_country:
            yield (
                None,
                (
                    f"all routes of AS{e.asn} went over AS{number} of {country} at that time: traffic of"
                    f" {e.as_country} can also come under that network's own addresses (origin --of {e.as_country}"
                    " names them)"
                ),
            )


def _two_origins(e: Evidence) -> Iterator[Judged]:
    for said, others in e.told("others"):
        names = ", ".join(f"AS{n}" for n in others)
        yield (
            "low",
            (f"announced by AS{said.says.get('as')} and by {names} at once ({_named(said)}): multihoming, or a hijack"),
        )


def _young(e: Evidence) -> Iterator[Judged]:
    for said, since in e.told("since"):
        age = e.at_s - parse_time(since, now_s=0)
        if said.kind in ("routing", "updates") and 0 <= age < YOUNG_S:
            yield "medium", f"its route has stood unchanged only since {since} ({_named(said)}): it may be used newly"


def _own_findings(e: Evidence) -> Iterator[Judged]:
    for sentence in e.found_here:
        yield "low", f"our own findings: {sentence}"


def _disagree(e: Evidence) -> Iterator[Judged]:
    near = [(s, c) for s, c in e.told("country") if s.distance_s <= NEAR_S]
    if len({c for _, c in near}) > 1:
        told = ", ".join(f"{c} ({_named(s)})" for s, c in near)
        yield "low", f"sources of about that time disagree on the country: {told}"


def _old(e: Evidence) -> Iterator[Judged]:
    told = [s for s, c in e.told("country") if c == e.displayed]
    if told and (nearest := min(s.distance_s for s in told)) > NEAR_S:
        level: shapes.Trust = "low" if nearest > LONG_S else "medium"
        yield level, f"the nearest edition that gives the country is {nearest / DAY_S:,.0f} days from that time"


def _one_source(e: Evidence) -> Iterator[Judged]:
    told = {s.source for s, c in e.told("country") if c == e.displayed}
    if len(told) == 1:
        yield "medium", f"only one source gives the country ({told.pop()})"


def _unlisted(e: Evidence) -> Iterator[Judged]:
    missing = [name for name in e.unlisted if name not in e.classes]
    if missing:
        named = ", ".join(missing)
        yield None, f"no list of {named} addresses is loaded for that time: whether it was one is not known"


RULES = (
    Rule("special", _special), Rule("class", _classes), Rule("leased", _leased),
    Rule("registered-elsewhere", _registered_elsewhere), Rule("one-foreign-upstream", _upstreams),
    Rule("two-origins", _two_origins), Rule("young-route", _young), Rule("own-findings", _own_findings),
    Rule("disagree", _disagree), Rule("old", _old), Rule("one-source", _one_source), Rule("no-list", _unlisted),
)


def _disagreements(e: Evidence) -> Iterator[str]:
    """Where sources differ, whatever their age, on country or AS."""
    for key, shown in (("country", "{}"), ("as", "AS{}")):
        values: dict[Any, list[str]] = {}
        for said, value in e.told(key):
            if said.kind != "list":
                values.setdefault(value, []).append(_named(said))
        if len(values) > 1:
            yield f"{key}: " + "; ".join(f"{shown.format(v)} ({' and '.join(names)})" for v, names in values.items())
