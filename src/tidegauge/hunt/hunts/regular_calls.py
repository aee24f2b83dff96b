"""Regular callers in either direction: hosts that call by a clock, as programs do that wait for commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.detect.beacons import RANDOM_MAD, Regularity, clock_of, quick_look, regularity
from tidegauge.hunt.context import (
    DAY_S,
    RARE_CALLERS,
    HuntContext,
    displayed,
    service,
    times,
    where_pair,
    whereabouts,
)
from tidegauge.hunt.hunts.password_guessing import guesses
from tidegauge.hunt.limits import POWER, HuntLimit
from tidegauge.hunt.oddity import C2, COMMON_PORTS, RELAYED, is_new, odd
from tidegauge.lake import Pair
from tidegauge.model import Finding, Severity, format_address, format_bytes, format_duration, format_time

LEAST_CALLS = 8
LOOSE_SPREAD = 0.85
"""Pairs whose intervals spread more than this (random ones: 0.69) are not looked at closely."""
TIGHT_SPREAD = 0.45
"""With fewer than twenty calls intervals must be closer than this: their multiples and spectrum say nothing yet."""
CLOSE_LOOKS = 10_000
"""Pairs that are looked at closely, the most regular first."""
SHOWN = 300
LEAST_SCORE = 0.35
HELD_S = 120.0
"""A flow of the same ports within this time, or without a SYN, goes on with a connection that was cut by a timeout."""
RETRY_S, ATTEMPT_S = 70.0, 130.0
"""A SYN again from the same port, so soon after the one before and after the first of all, is of the same attempt:
systems double the time between them (RFC 6298), Linux up to 64 s."""
LEAST_PRESENCE = 0.25
MEDIUM_SCORE, MEDIUM_CHANCE = 0.55, 1e-3
DEAD_CHANCE = 0.02
"""Who insists on an outside door that is shut, odd and new is telling with less regularity than who is answered."""
FAN = 8
NEVER = 0.02
"""Share of calls in which the client went on, at most, to a door that is shut."""
FINER_S = 1.0
"""Where other pairs have finer times, one whose calls begin at whole minutes keeps these itself."""
FAST_S, SHORTEST_LIFE_S = 2.0, 600.0
"""Calls closer than that count where they went on for so long."""
LIMIT_PERIODS_S, LIMIT_JITTER = (60, 600, 3600), 0.2
LIMIT_CALLS = (8, 10, 12, 16, 20, 24, 32, 48, 72, 100, 150, 250, 400, 700, 1200, 2000, 4000)
SIMULATED, SIMULATED_SEED = 60, 8
CALL_PACKETS = 5
"""Packets of a call's own direction, as far as sampling is concerned."""


@dataclass(frozen=True, kw_only=True)
class Counted(Pair):
    """A pair with its number, and how many hosts call that service."""

    key: int
    callers: int


@dataclass(frozen=True)
class Regular:
    """A regular caller.

    Attributes:
        attempts: calls, where tries of one are one.
        began_s: when it was first seen to call, epoch seconds.
        dead: nothing came of any of its calls, now or before.
        tried: among how many such pairs one as regular was found.
    """

    pair: Counted
    judged: Regularity
    attempts: int
    began_s: float
    dead: bool
    tried: int


def find(context: HuntContext) -> list[Finding]:
    """Regular callers, the most telling first."""
    kept, crowded = context.pairs.regulars(LEAST_CALLS)
    context.examined["pairs with enough calls"] += kept + crowded
    if crowded:
        context.skipped["pair", "calls a service that many others call as often"] += crowded
    chosen: list[tuple[int, Regularity, int]] = []
    # Asked for before the calls: while these come nothing else can be asked.
    rhythm = context.rhythm if context.sampling > 1 else None
    for table in context.pairs.calls():
        share = table.num_rows / max(context.pairs.rows_chosen, 1)
        chosen += _regular(context, table, max(int(CLOSE_LOOKS * share), 100), rhythm)
    context.limits += _limits(context, kept)
    judged = (_finding(context, regular) for regular in _regulars(context, chosen, kept))
    found = _upkeep([finding for finding in judged if finding is not None])
    found.sort(key=lambda f: (f.severity not in ("high", "critical"), f.severity == "info", -f.score))
    if len(found) > SHOWN:
        context.skipped["regular caller", "less telling than the ones listed"] += len(found) - SHOWN
    return sorted(found[:SHOWN], key=lambda f: -f.score)


def _regulars(context: HuntContext, chosen: list[tuple[int, Regularity, int]], kept: int) -> list[Regular]:
    """What is known of the pairs that were chosen: of those that are never answered besides how many there are."""
    if not chosen:
        return []
    rows = {row.key: row for row in context.pairs.ends(Counted, [key for key, _, _ in chosen])}
    before = context.pairs.first_seen(list(rows), context.history_s, context.since_s)
    shut = {key for key, row in rows.items() if _is_shut(row)}
    opened = context.pairs.first_seen(list(shut), context.history_s, context.since_s, went_on=True)
    doors = int(context.value("shut_doors", least=LEAST_CALLS, never=NEVER)) if shut else 0
    return [
        Regular(rows[key], judged, attempts, before.get(key, rows[key].first_us) / 1e6, dead,
                max(doors, 1) if dead else kept)
        for key, judged, attempts in chosen for dead in (key in shut and key not in opened,)
    ]


def _upkeep(found: list[Finding]) -> list[Finding]:
    """The same with those of ours that call the same service of many of ours by the clock, and are answered, at most
    low: health checks, monitoring."""
    fans = Counter(
        (f.subject, f.evidence["service"]) for f in found if f.evidence["way"] == "internal" and f.evidence["answered"]
    )
    out = []
    for f in found:
        others = fans.get((f.subject, f.evidence["service"]), 0) - 1
        if f.evidence["way"] == "internal" and others >= FAN and f.severity in ("medium", "high"):
            reason = f"it calls {others} more hosts of ours in the same way, as health checks and monitoring do"
            f = replace(f, severity="low", reasons=(*f.reasons, reason))
        out.append(f)
    return out


def _regular(
    context: HuntContext, table: pa.Table, most: int, rhythm: NDArray[np.float64] | None
) -> list[tuple[int, Regularity, int]]:
    """Pairs of a part that are regular, each with its judgement and its number of attempts; at most so many are looked
    at closely."""
    if not table.num_rows:
        return []
    keys = table["key"].to_numpy()
    starts = table["start_us"].to_numpy() / 1e6
    ends = table["end_us"].to_numpy() / 1e6
    sizes = table["bytes"].to_numpy().astype(np.float64)
    begun = _new_calls(keys, starts, ends, table["cport"].to_numpy(), table["flags"].to_numpy())
    sampled = table["sampling"].to_numpy()[begun] > 1
    keys, starts, sizes = keys[begun], starts[begun], np.add.reduceat(sizes, np.flatnonzero(begun))
    groups = np.cumsum(np.r_[False, keys[1:] != keys[:-1]]).astype(np.int64)
    edges = np.flatnonzero(np.r_[True, np.diff(groups) != 0, True])
    clock_s = clock_of(starts)
    found, spread, calls = quick_look(groups, starts)
    close = (calls >= LEAST_CALLS) & ((spread < TIGHT_SPREAD) | (spread < LOOSE_SPREAD) & (calls >= 20))
    found, spread, calls = found[close], spread[close], calls[close]
    if len(found) > most:
        context.skipped["pair", "less regular than the ones looked at closely"] += len(found) - most
        found = found[np.argsort((spread - RANDOM_MAD) * np.sqrt(calls), kind="stable")[:most]]
    out = []
    for group in found.tolist():
        part = slice(edges[group], edges[group + 1])
        own_clock_s = clock_s or min(clock_of(starts[part]), FINER_S)
        regular = regularity(starts[part], sizes[part], rhythm if sampled[part].any() else None, own_clock_s)
        if regular.score >= LEAST_SCORE:
            out.append((int(keys[edges[group]]), regular, int(edges[group + 1] - edges[group])))
    return out


def _new_calls(
    keys: NDArray[Any], starts: NDArray[np.float64], ends: NDArray[np.float64], ports: NDArray[Any], flags: NDArray[Any]
) -> NDArray[np.bool_]:
    """Which flows begin a call; others go on with the one before (exporters cut long connections)."""
    same = np.r_[False, (keys[1:] == keys[:-1]) & (ports[1:] == ports[:-1]) & (ports[1:] != 0)]
    gap = starts - np.r_[0.0, ends[:-1]]
    opens = (flags & 2) != 0
    unopened = (flags != 0) & ~opens
    # Tries of one attempt: opened again from the same port, since nothing came of the one before.
    again = same & opens & np.r_[False, opens[:-1] & (flags[:-1] & 16 == 0)] & (gap < RETRY_S)
    goes_on = same & ((gap < HELD_S) & (gap > -HELD_S) & ~opens | unopened)
    begun = ~(goes_on | again)
    while True:
        since = starts - starts[np.maximum.accumulate(np.where(begun, np.arange(len(starts)), 0))]
        # Of the tries that come too late the first of each call begins another one.
        late = again & ~begun & (since > ATTEMPT_S)
        first = late & ~np.r_[False, late[:-1]]
        if not first.any():
            return np.asarray(begun)
        begun |= first


def _is_shut(pair: Pair) -> bool:
    """Whether a caller of ours insists on a door that did not open in the hunted time."""
    return pair.way != "in" and pair.proto == 6 and pair.sampling == 1 and pair.held <= NEVER * pair.calls


class Facts:
    """What decides how serious a regular caller is."""

    def __init__(self, context: HuntContext, regular: Regular) -> None:
        self.context, self.regular = context, regular
        self.pair, self.judged, self.dead = regular.pair, regular.judged, regular.dead
        pair = self.pair
        self.callers = pair.callers
        self.answered = (
            pair.down_packets > 0 or pair.way in context.one_sided or pair.sampling > 1
        ) and (pair.proto != 6 or pair.held >= 0.3 * pair.calls)
        self.name = context.name_of(pair.far)
        self.expected = context.expects(pair)
        self.chance = min(1.0, self.judged.p_value * regular.tried)
        score = weighed(self.judged, self.callers if pair.way != "in" else 1)
        score *= 0.6 if self.chance > 1e-3 else 1.0
        score *= 0.35 if self.expected else 1.0
        self.score = float(np.clip(score, 0, 1))
        self.strange = odd(context, pair, self.name)
        self.new = is_new(context, regular.began_s)
        """None where there are too few data to say."""
        self.listed = bool(int(pair.far_class or 0) & C2)

    @cached_property
    def everybodys(self) -> bool:
        """Whether it is a program that all have."""
        common = self.pair.way == "out" and self.pair.port in COMMON_PORTS
        return common and self.callers >= self.context.most_hosts

    @property
    def rare(self) -> bool:
        return self.callers <= RARE_CALLERS

    @property
    def clear(self) -> bool:
        """Regular beyond doubt, for hours."""
        lasting = self.judged.calls >= 24 and self.pair.lasted_s >= 4 * 3600 and self.judged.presence >= LEAST_PRESENCE
        return lasting and self.score >= 0.75 and self.chance < 1e-6

    @property
    def telling(self) -> bool:
        """Within a site most that calls by the clock is its own upkeep: only what is odd and new is more."""
        odd_door = bool(self.strange) and (self.answered or self.dead)
        if self.pair.way == "internal":
            return odd_door and bool(self.new)
        return odd_door or self.new is not False

    @property
    def insists(self) -> bool:
        """Whether its calls are too regular for chance, with less where the door is odd."""
        odd_door = self.strange and self.pair.way == "out" and self.new is not False
        return self.chance < (DEAD_CHANCE if odd_door else MEDIUM_CHANCE)

    @property
    def down(self) -> bool:
        """Whether it was answered at other times: the other end is down."""
        return self.pair.way != "in" and self.pair.proto == 6 and not (self.dead or self.answered)


def _way(way: str) -> Callable[[Facts], bool]:
    return lambda facts: facts.pair.way == way


SEVERITIES: tuple[tuple[Severity, Callable[[Facts], bool]], ...] = (
    ("critical", lambda f: f.listed and f.score > 0.3),
    ("info", lambda f: f.expected is not None),
    # Watchers of services call in by the clock too.
    ("medium", lambda f: _way("in")(f) and f.clear and f.pair.lasted_s >= DAY_S and f.new is not False),
    ("low", _way("in")),
    ("high", lambda f: _way("out")(f) and f.clear and f.rare and bool(f.strange and f.new) and (f.answered or f.dead)),
    ("medium", lambda f: f.score >= MEDIUM_SCORE and f.chance < MEDIUM_CHANCE and f.callers <= 10 * RARE_CALLERS
               and f.telling),
    ("low", lambda f: f.callers <= 10 * RARE_CALLERS),
    ("info", lambda f: True),
)
"""The first that holds decides."""
CORRECTIONS: tuple[tuple[frozenset[Severity], Severity, Callable[[Facts], bool]], ...] = (
    (frozenset({"low"}), "medium", lambda f: f.dead and f.insists and f.rare),
    (frozenset({"medium"}), "high", lambda f: f.dead and bool(f.strange and f.new) and f.judged.calls >= 24),
    (frozenset({"medium", "high"}), "low", lambda f: f.down),
    (frozenset({"medium", "high"}), "low", lambda f: f.everybodys and not f.listed),
)
"""Applied after that, one by one: from which severities, to which, and when."""


def severity_of(facts: Facts) -> Severity:
    """How serious a regular caller is: high only for a clear, lasting, rare and new caller out of ours, to somewhere
    odd."""
    severity = next(severity for severity, holds in SEVERITIES if holds(facts))
    for given, corrected, holds in CORRECTIONS:
        if severity in given and holds(facts):
            severity = corrected
    return severity


def _finding(context: HuntContext, regular: Regular) -> Finding | None:
    pair, judged = regular.pair, regular.judged
    if judged.period_s < FAST_S and pair.lasted_s < SHORTEST_LIFE_S:
        return None  # a burst, however even
    facts = Facts(context, regular)
    if pair.way == "in" and (not facts.answered or guesses(pair)):
        return None  # somebody knocks at a closed door, or guesses passwords, by the clock: others have it
    who, name = format_address(pair.client), facts.name
    whom = f"{format_address(pair.server)}{f' ({name})' if name and pair.way == 'out' else ''}"
    period = _period(judged.period_s)
    addresses = [format_address(a) for a, same in context.aliases.items() if same == pair.server]
    evidence = {
        "service": service(pair.proto, pair.port), "calls": regular.attempts, "period_s": round(judged.period_s, 3),
        "spread": round(judged.spread, 4), "skew": round(judged.skew, 4), "even": round(judged.even, 4),
        "comb": round(judged.comb, 4), "spectral": round(judged.spectral, 4), "common": round(judged.common, 4),
        "steady": round(judged.steady, 4),
        "size_score": round(judged.size_score, 4), "presence": round(judged.presence, 4), "callers": pair.callers,
        "chance": facts.chance, "bytes_out": pair.up_bytes, "bytes_back": pair.down_bytes,
        **displayed(pair), "name": name, "way": pair.way, "answered": facts.answered, "addresses": addresses,
        "expected": facts.expected,
    }
    return Finding(
        kind="beacon",
        title=f"{who} calls {whom} every {period}",
        **times(pair),
        subject=format_address(pair.ours),
        score=facts.score,
        severity=severity_of(facts),
        reasons=tuple(_reasons(facts, who, whom, period, addresses)),
        where=where_pair(pair, context.aliases),
        peers=(format_address(pair.far),),
        evidence=evidence,
    )


ROLES = {
    "out": "a host that connects out at fixed intervals may be controlled remotely (command and control)",
    "in": "an outside host that connects in at fixed intervals may control this host, or fetch data from it",
    "internal": "two hosts of ours: one may pass commands to the other",
}


def _reasons(facts: Facts, who: str, whom: str, period: str, addresses: list[str]) -> list[str]:
    pair, judged, regular = facts.pair, facts.judged, facts.regular
    alike = "all alike" if judged.size_score > 0.9 else "alike" if judged.size_score > 0.5 else "mixed"
    calls = max(pair.calls, 1)
    reasons = [
        f"{who} called {whom} on {service(pair.proto, pair.port)} {regular.attempts:,} times, about every {period}:"
        f" intervals spread by {judged.spread:.0%} of the median (calls at random: 69 %)",
        f"among {regular.tried:,} {'pairs that came to nothing' if facts.dead else 'pairs'}, one this regular would"
        f" occur by chance with probability {_chance(facts.chance)}",
        *(["its calls, as far as they were sampled, come evenly at all hours, and others of this site do not"]
          if judged.steady >= judged.score else []),
        f"it called in {judged.presence:.0%} of the {'hours' if judged.period_s < 1200 else 'steps'} between"
        f" {format_time(pair.first_s)} and {format_time(pair.last_s)}",
        f"sizes are {alike}: {format_bytes(pair.up_bytes / calls)} a call out and"
        f" {format_bytes(pair.down_bytes / calls)} back",
        f"{pair.callers:,} {'host calls' if pair.callers == 1 else 'hosts call'} that service"
        + (", most of those that call out at all: a program that all have" if facts.everybodys else ""),
        ROLES.get(pair.way, ROLES["internal"]),
    ]
    if facts.new is not None:
        began = f"it began {format_time(regular.began_s)}: it is new here"
        reasons.append(began if facts.new else "it called so as far back as the data reach")
    if facts.strange and pair.way == "out":
        reasons.append(facts.strange)
    if facts.dead:
        reasons.append(
            f"{'it was refused' if pair.down_packets > 0 else 'nothing answered'} each time, and nothing came of it"
            " before: a program of ours insists on a server that is gone, or blocked"
        )
    elif not facts.answered:
        reasons.append("it got few answers, or none, in that time")
    if facts.listed:
        reasons.append("the far end is on a list of command servers")
    elif int(pair.far_class or 0) & RELAYED:
        reasons.append(f"the far end is a relay{whereabouts(pair)}: who is behind it is not known")
    if facts.expected:
        reasons.append(f"ranked below, since it is expected: {facts.expected}")
    if addresses and pair.way == "out":
        reasons.append(f"the name pointed to {len(addresses)} addresses, which are taken together")
    return reasons


def _limits(context: HuntContext, tried: int) -> list[HuntLimit]:
    """For how long a host must call one new outside address, with each interval off by up to a fifth, to be found."""
    random = np.random.default_rng(SIMULATED_SEED)
    seen = 1 - (1 - 1 / context.sampling) ** CALL_PACKETS
    longest_s = context.until_s - context.since_s
    out = []
    for period_s in LIMIT_PERIODS_S:
        lasted_s = None
        for count in LIMIT_CALLS:
            if count * period_s > longest_s:
                break
            if _share_found(context, random, period_s, count, seen, tried) >= POWER:
                lasted_s = count * period_s
                break
        lasted_s = lasted_s if context.covered >= POWER else None
        what = f"of calls about every {format_duration(period_s)} by one host to one new outside address"
        out.append(HuntLimit("beacons", "site", what, lasted_s, "seconds"))
    return out


def _share_found(
    context: HuntContext, random: np.random.Generator, period_s: int, count: int, seen: float, tried: int
) -> float:
    """The share of so many simulated callers that would be a finding of severity medium, sampled as the site is."""
    hits = 0
    for _ in range(SIMULATED):
        times = np.cumsum(period_s * (1 + random.uniform(-LIMIT_JITTER, LIMIT_JITTER, count)))
        times = times[random.random(count) < seen] + random.random() * DAY_S
        if len(times) < max(LEAST_CALLS, 5):
            continue
        regular = regularity(times, np.full(len(times), 500.0), context.rhythm if seen < 1 else None)
        score = weighed(regular, 1)
        close = regular.spread < (TIGHT_SPREAD if len(times) < 20 else LOOSE_SPREAD)
        hits += score >= MEDIUM_SCORE and regular.p_value * (tried + 1) < MEDIUM_CHANCE and close
    return hits / SIMULATED


def weighed(regular: Regularity, callers: int) -> float:
    """How telling regular calls are: less where sizes differ, where there are gaps in them, and where many hosts call
    that service in the same way."""
    rarity = min(1.0, RARE_CALLERS / callers) ** 0.5
    weight = 0.4 + 0.15 * regular.size_score + 0.15 * regular.presence + 0.3 * rarity
    return float(regular.score * weight * regular.calls / (regular.calls + 5))


def _period(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _chance(value: float) -> str:
    return "below 1 in 1,000,000" if value < 1e-6 else f"{value:.2g}"
