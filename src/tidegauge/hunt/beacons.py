"""Regular callers in either direction, connections that are held for hours, and names that carry data or are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.detect.beacons import RANDOM_MAD, Regularity, quick_look, regularity
from tidegauge.hunt.brute_force import guesses
from tidegauge.hunt.context import DAY_S, Scene, flows_query, service, where_pair, whereabouts
from tidegauge.hunt.limits import POWER, HuntLimit
from tidegauge.hunt.oddity import C2, COMMON_PORTS, RARE_CALLERS, RELAYED, is_new, odd
from tidegauge.lake import FAR_END
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
LONG_S = 3600.0
LEAST_PRESENCE = 0.25
MEDIUM_SCORE, MEDIUM_CHANCE = 0.55, 1e-3
DEAD_CHANCE = 0.02
"""Who insists on an outside door that is shut, odd and new is telling with less regularity than who is answered."""
FAN = 8
NEVER = 0.02
"""Share of calls in which the client went on, at most, to a door that is shut."""
SHUT_DOORS = (
    f"SELECT count(*) AS n FROM pairs WHERE way <> 'in' AND proto = 6 AND sampling = 1 AND calls >= {LEAST_CALLS}"
    f" AND held <= {NEVER} * calls"
)
"""Pairs of which nothing came: who insists is one among these, not among all that call."""
FAST_S, SHORTEST_LIFE_S = 2.0, 600.0
"""Calls closer than that count where they went on for so long."""
LIMIT_PERIODS_S, LIMIT_JITTER = (60, 600, 3600), 0.2
LIMIT_CALLS = (8, 10, 12, 16, 20, 24, 32, 48, 72, 100, 150, 250, 400, 700, 1200, 2000, 4000)
SIMULATED, SIMULATED_SEED = 60, 8
CALL_PACKETS = 5
"""Packets of a call's own direction, as far as sampling is concerned."""


def beacons(scene: Scene) -> Iterator[Finding]:
    """Regular callers, the most telling first."""
    kept, crowded = scene.pairs.regulars(LEAST_CALLS)
    scene.examined["pairs with enough calls"] += kept + crowded
    if crowded:
        scene.skipped["pair", "calls a service that many others call as often"] += crowded
    chosen: list[tuple[int, Regularity, int]] = []
    # Asked for before the calls: while these come nothing else can be asked.
    rhythm = scene.rhythm if scene.sampling > 1 else None
    for table in scene.pairs.calls():
        share = table.num_rows / max(scene.pairs.rows, 1)
        chosen += _regular(scene, table, max(int(CLOSE_LOOKS * share), 100), rhythm)
    scene.limits += _limits(scene, kept)
    if not chosen:
        return
    rows = {row["key"]: row for row in scene.pairs.ends([key for key, _, _ in chosen]).to_pylist()}
    before = scene.pairs.first_seen(list(rows), scene.history_s, scene.since_s)
    shut = {key for key, row in rows.items() if _is_shut(row)}
    opened = scene.pairs.first_seen(list(shut), scene.history_s, scene.since_s, "tcp_flags & 16 <> 0")
    doors = scene.pairs.sql(SHUT_DOORS)["n"][0].as_py() if shut else 0
    for key, row in rows.items():
        row["began_us"] = before.get(key, row["first_us"])
        row["dead"] = key in shut and key not in opened
    found = [
        finding for key, regular, attempts in chosen
        if (finding := _finding(scene, {**rows[key], "attempts": attempts}, regular,
                                max(doors, 1) if rows[key]["dead"] else kept))
    ]  # fmt: skip
    found = _upkeep(found)
    found.sort(key=lambda f: (f.severity not in ("high", "critical"), f.severity == "info", -f.score))
    if len(found) > SHOWN:
        scene.skipped["regular caller", "less telling than the ones listed"] += len(found) - SHOWN
    yield from sorted(found[:SHOWN], key=lambda f: -f.score)


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
    scene: Scene, table: pa.Table, most: int, rhythm: NDArray[np.float64] | None
) -> list[tuple[int, Regularity, int]]:  # fmt: skip
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
    found, spread, calls = quick_look(groups, starts)
    close = (calls >= LEAST_CALLS) & ((spread < TIGHT_SPREAD) | (spread < LOOSE_SPREAD) & (calls >= 20))
    found, spread, calls = found[close], spread[close], calls[close]
    if len(found) > most:
        scene.skipped["pair", "less regular than the ones looked at closely"] += len(found) - most
        found = found[np.argsort((spread - RANDOM_MAD) * np.sqrt(calls), kind="stable")[:most]]
    out = []
    for group in found.tolist():
        part = slice(edges[group], edges[group + 1])
        regular = regularity(starts[part], sizes[part], rhythm if sampled[part].any() else None)
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


def _finding(scene: Scene, row: dict[str, Any], regular: Regularity, tried: int) -> Finding | None:
    ours, far = (row["client"], row["server"]) if row["way"] != "in" else (row["server"], row["client"])
    answered = ((row["down_packets"] or 0) > 0 or row["way"] in scene.one_sided() or row["sampling"] > 1) and (
        row["proto"] != 6 or row["held"] >= 0.3 * row["calls"]
    )
    if row["way"] == "in" and (not answered or guesses(row)):
        return None  # somebody knocks at a closed door, or guesses passwords, by the clock: the scans have it
    first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
    name = scene.name_of(far)
    expected = scene.expects(row)
    callers = int(row["callers"])
    if regular.period_s < FAST_S and last - first < SHORTEST_LIFE_S:
        return None  # a burst, however even
    dead = row["dead"]
    score = weighed(regular, callers if row["way"] != "in" else 1)
    chance = min(1.0, regular.p_value * tried)
    if chance > 1e-3:
        score *= 0.6
    if expected:
        score *= 0.35
    score = float(np.clip(score, 0, 1))
    lasted = last - first
    strange = odd(scene, row, name)
    new = is_new(scene, row["began_us"] / 1e6)
    severity = _severity(
        score, callers, row, expected is not None, chance, lasted, regular, bool(strange) and (answered or dead), new
    )
    insists = chance < (DEAD_CHANCE if strange and row["way"] == "out" and new is not False else MEDIUM_CHANCE)
    if dead and severity == "low" and insists and callers <= RARE_CALLERS:
        severity = "medium"
    if dead and severity == "medium" and strange and new and regular.calls >= 24:
        severity = "high"
    if row["way"] != "in" and row["proto"] == 6 and not (dead or answered) and severity in ("medium", "high"):
        severity = "low"  # it was answered at other times: the other end is down
    everybodys = row["way"] == "out" and row["port"] in COMMON_PORTS and callers >= scene.most_hosts
    if everybodys and severity in ("medium", "high") and not int(row["far_class"] or 0) & C2:
        severity = "low"
    who = format_address(row["client"])
    whom = f"{format_address(row['server'])}{f' ({name})' if name and row['way'] == 'out' else ''}"
    period = _period(regular.period_s)
    role = {
        "out": "a host that connects out at fixed intervals may be controlled remotely (command and control)",
        "in": "an outside host that connects in at fixed intervals may control this host, or fetch data from it",
    }.get(row["way"], "two hosts of ours: one may pass commands to the other")
    reasons = [
        f"{who} called {whom} on {service(row['proto'], row['port'])} {row['attempts']:,} times, about every {period}:"
        f" intervals spread by {regular.spread:.0%} of the median (calls at random: 69 %)",
        f"among {tried:,} {'pairs that came to nothing' if dead else 'pairs'}, one this regular would occur by chance"
        f" with probability {_chance(chance)}",
        *(["its calls, as far as they were sampled, come evenly at all hours, and others of this site do not"]
          if regular.steady >= regular.score else []),
        f"it called in {regular.presence:.0%} of the {'hours' if regular.period_s < 1200 else 'steps'} between"
        f" {format_time(first)} and {format_time(last)}",
        f"sizes are {'all alike' if regular.size_score > 0.9 else 'alike' if regular.size_score > 0.5 else 'mixed'}:"
        f" {format_bytes(row['up_bytes'] / max(row['calls'], 1))} a call out and"
        f" {format_bytes((row['down_bytes'] or 0) / max(row['calls'], 1))} back",
        f"{callers:,} {'host calls' if callers == 1 else 'hosts call'} that service"
        + (", most of those that call out at all: a program that all have" if everybodys else ""),
        role,
    ]
    if new is not None:
        reasons.append(
            f"it began {format_time(row['began_us'] / 1e6)}: it is new here"
            if new
            else "it called so as far back as the data reach"
        )
    if strange and row["way"] == "out":
        reasons.append(strange)
    if dead:
        reasons.append(
            f"{'it was refused' if (row['down_packets'] or 0) > 0 else 'nothing answered'} each time, and nothing came"
            " of it before: a program of ours insists on a server that is gone, or blocked"
        )
    elif not answered:
        reasons.append("it got few answers, or none, in that time")
    if int(row["far_class"] or 0) & C2:
        reasons.append("the far end is on a list of command servers")
    elif int(row["far_class"] or 0) & RELAYED:
        reasons.append(f"the far end is a relay{whereabouts(row)}: who is behind it is not known")
    if expected:
        reasons.append(f"ranked below, since it is expected: {expected}")
    addresses = [format_address(a) for a, same in scene.aliases.items() if same == row["server"]]
    if addresses and row["way"] == "out":
        reasons.append(f"the name pointed to {len(addresses)} addresses, which are taken together")
    evidence = {
        "service": service(row["proto"], row["port"]), "calls": row["attempts"], "period_s": round(regular.period_s, 3),
        "spread": round(regular.spread, 4), "skew": round(regular.skew, 4), "even": round(regular.even, 4),
        "comb": round(regular.comb, 4), "spectral": round(regular.spectral, 4), "common": round(regular.common, 4),
        "steady": round(regular.steady, 4),
        "size_score": round(regular.size_score, 4), "presence": round(regular.presence, 4), "callers": callers,
        "chance": chance, "bytes_out": row["up_bytes"], "bytes_back": row["down_bytes"] or 0,
        "country": row["far_country"], "as": row["far_as"], "name": name, "way": row["way"], "answered": answered,
        "addresses": addresses,
        "expected": expected,
    }  # fmt: skip
    query = flows_query(where_pair(row, scene.aliases), first, last)
    return Finding(
        "beacon", f"{who} calls {whom} every {period}", int(first), int(last) + 1, format_address(ours), score,
        severity, tuple(reasons), query, (format_address(far),), evidence,
    )  # fmt: skip


def _limits(scene: Scene, tried: int) -> list[HuntLimit]:
    """For how long a host must call one new outside address, with each interval off by up to a fifth, to be found."""
    sampling = scene.sampling
    random = np.random.default_rng(SIMULATED_SEED)
    seen = 1 - (1 - 1 / sampling) ** CALL_PACKETS
    longest_s = scene.until_s - scene.since_s
    out = []
    for period_s in LIMIT_PERIODS_S:
        lasted_s = None
        for count in LIMIT_CALLS:
            if count * period_s > longest_s:
                break
            if _share_found(scene, random, period_s, count, seen, tried) >= POWER:
                lasted_s = count * period_s
                break
        lasted_s = lasted_s if scene.covered >= POWER else None
        what = f"of calls about every {format_duration(period_s)} by one host to one new outside address"
        out.append(HuntLimit("beacons", "site", what, lasted_s, "seconds"))
    return out


def _share_found(
    scene: Scene, random: np.random.Generator, period_s: int, count: int, seen: float, tried: int
) -> float:
    """The share of so many simulated callers that would be a finding of severity medium, sampled as the site is."""
    hits = 0
    for _ in range(SIMULATED):
        times = np.cumsum(period_s * (1 + random.uniform(-LIMIT_JITTER, LIMIT_JITTER, count)))
        times = times[random.random(count) < seen] + random.random() * DAY_S
        if len(times) < max(LEAST_CALLS, 5):
            continue
        regular = regularity(times, np.full(len(times), 500.0), scene.rhythm if seen < 1 else None)
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


def _is_shut(row: dict[str, Any]) -> bool:
    """Whether a caller of ours insists on a door that did not open in the hunted time."""
    return bool(
        row["way"] != "in" and row["proto"] == 6 and row["sampling"] == 1 and row["held"] <= NEVER * row["calls"]
    )  # fmt: skip


def _severity(
    score: float, callers: int, row: dict[str, Any], expected: bool, chance: float, lasted: float,
    regular: Regularity, strange: bool, new: bool | None,
) -> Severity:  # fmt: skip
    """High only for a clear, lasting, rare and new caller out of ours, to somewhere odd."""
    if int(row["far_class"] or 0) & C2 and score > 0.3:
        return "critical"
    if expected:
        return "info"
    clear = score >= 0.75 and chance < 1e-6 and regular.calls >= 24 and lasted >= 4 * 3600
    clear = clear and regular.presence >= LEAST_PRESENCE
    if row["way"] == "in":  # watchers of services call so too
        return "medium" if clear and lasted >= 86400 and new is not False else "low"
    if row["way"] == "out" and clear and callers <= RARE_CALLERS and strange and new:
        return "high"
    # Within a site most that calls by the clock is its own upkeep: only what is odd and new is more.
    telling = strange and new if row["way"] == "internal" else strange or new is not False
    if score >= MEDIUM_SCORE and chance < MEDIUM_CHANCE and callers <= 10 * RARE_CALLERS and telling:
        return "medium"
    return "low" if callers <= 10 * RARE_CALLERS else "info"


def _period(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _chance(value: float) -> str:
    return "below 1 in 1,000,000" if value < 1e-6 else f"{value:.2g}"


def long_connections(scene: Scene) -> Iterator[Finding]:
    """Connections that were held for more than an hour, whole or as the flows into which an exporter cut them."""
    table = scene.pairs.sql(
        "WITH one AS (SELECT client, server, port, cport, proto, way, min(epoch_us(time_start)) AS first_us,"
        " max(epoch_us(time_end)) AS last_us, count(*) FILTER (fwd) AS flows,"
        " (sum(bytes) FILTER (fwd))::DOUBLE AS up_bytes,"
        " (sum(bytes) FILTER (NOT fwd))::DOUBLE AS down_bytes, count(*) FILTER (fwd AND tcp_flags & 2 <> 0) AS opened,"
        f" {FAR_END},"
        " sum(epoch_us(time_end) - epoch_us(time_start)) FILTER (fwd) AS lasted_us FROM oriented"
        " WHERE way IN ('in', 'out') AND proto IN (6, 17) GROUP BY client, server, port, cport, proto, way"
        f" HAVING last_us - first_us >= {int(LONG_S * 1e6)})"
        " SELECT * FROM one WHERE opened <= 1 AND (lasted_us >= 0.5 * (last_us - first_us)"
        f" OR flows >= (last_us - first_us) / {int(30 * 60 * 1e6)}) AND coalesce(down_bytes, 0) > 0"
        " ORDER BY last_us - first_us DESC LIMIT 100"
    )
    for row in table.to_pylist():
        first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
        ours, far = (row["client"], row["server"]) if row["way"] == "out" else (row["server"], row["client"])
        expected = scene.expects(row)
        lasted = last - first
        score = float(np.clip(np.log2(lasted / LONG_S) / 8 + 0.2, 0, 0.8)) * (0.35 if expected else 1.0)
        severity: Severity = "critical" if int(row["far_class"] or 0) & C2 else "info" if expected else "low"
        if severity == "low" and lasted >= 12 * 3600:
            severity = "medium"
        who, whom = format_address(row["client"]), format_address(row["server"])
        reasons = [
            f"{who} held one connection to {whom} on {service(row['proto'], row['port'])} for"
            f" {format_duration(round(lasted))}, {format_bytes(row['up_bytes'] or 0)} out and"
            f" {format_bytes(row['down_bytes'] or 0)} back{whereabouts(row)}"
        ]
        if expected:
            reasons.append(f"ranked below, since it is expected: {expected}")
        yield Finding(
            "long-connection", f"{who} held a connection to {whom} for {format_duration(round(lasted))}", int(first),
            int(last) + 1, format_address(ours), score, severity, tuple(reasons),
            flows_query(where_pair(row, {}), first, last), (format_address(far),),
            {"service": service(row["proto"], row["port"]), "duration_s": round(lasted), "bytes_out": row["up_bytes"],
             "bytes_back": row["down_bytes"], "country": row["far_country"], "as": row["far_as"], "way": row["way"]},
        )  # fmt: skip
