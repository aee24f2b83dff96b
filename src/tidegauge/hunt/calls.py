"""Channels that no rhythm gives away: many calls to one outside service within minutes, few over hours to an odd port.

A short capture shows no period of minutes; what it shows is that one host calls one service far more often than a
person's programs do, and whether that service is like others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import bdtrc

from tidegauge.hunt.context import MOST_LISTED, Scene, flows_query, service, where_pair, whereabouts
from tidegauge.hunt.limits import POWER, HuntLimit
from tidegauge.hunt.oddity import COMMON_PORTS, RARE_CALLERS, is_new, odd
from tidegauge.lake import to_all
from tidegauge.model import Finding, Severity, format_address, format_bytes, format_duration

MANY, WITHIN_S = 40, 600
"""So many calls of one host to one service within so much time are listed."""
DNS_PORT, LONG_QUERY = 53, 90
"""From so many bytes a query on (headers included), in the mean, names are longer than people's."""
FEW, FEW_WITHIN_S, LEAST_LASTED_S = 5, 1200, 1200
"""Few calls: at least so many, no further apart than this in the mean, over so long."""
SMALL_UP, SMALL_DOWN = 8_000, 100_000
"""Bytes a call, at most, of a channel that carries commands."""
PEERS = 8
"""Who calls so many services at odd ports shares files, or plays."""
CALL_PACKETS = 5

CALLERS = (
    "SELECT server, port, proto, count(DISTINCT client) AS callers FROM pairs WHERE way = 'out'"
    f" GROUP BY ALL HAVING callers <= {RARE_CALLERS}"
)
"""Outside services that few hosts call."""
FORWARD_FLOWS = (
    "(SELECT src AS client, dst AS server, dst_port AS port, src_port AS cport, proto, packets, sampling, tcp_flags,"
    " time_start, time_end FROM chosen_flows WHERE direction = 'out')"
)
ATTEMPTS = (
    f"CASE WHEN proto = 17 AND port = {DNS_PORT}"
    f" THEN (sum(packets / sampling * least(1, {WITHIN_S}e6 / greatest(epoch_us(time_end) - epoch_us(time_start), 1))))"
    " ELSE greatest(count(DISTINCT cport), count(*) FILTER (tcp_flags & 18 = 18)) END"
)
"""Tries from one port are one call, unless each was opened (SYN) and gone on with (ACK); queries by DNS may all come
from one."""
MANY_CALLS = (
    "WITH likely AS (SELECT client, server, port, proto FROM pairs SEMI JOIN callers USING (server, port, proto)"
    f" WHERE way = 'out' AND proto IN (6, 17)"
    f" AND (calls >= {MANY} OR proto = 17 AND port = {DNS_PORT} AND up_packets >= {MANY})"
    f" AND NOT {to_all('server')}),"
    f" minutes AS (SELECT client, server, port, proto, epoch_us(time_start) // 60000000 AS minute,"
    f" ({ATTEMPTS})::DOUBLE AS n, count(*) FILTER (tcp_flags & 16 <> 0) AS held_n,"
    " min(epoch_us(time_start)) AS begin_us, max(epoch_us(time_end)) AS end_us"
    f" FROM {FORWARD_FLOWS} SEMI JOIN likely USING (client, server, port, proto)"
    " GROUP BY client, server, port, proto, minute),"
    " wide AS (SELECT *, sum(n) OVER w AS within, sum(held_n) OVER w AS held_then, max(end_us) OVER w AS until_us"
    " FROM minutes WINDOW w AS"
    f" (PARTITION BY client, server, port, proto ORDER BY minute RANGE BETWEEN CURRENT ROW AND {WITHIN_S // 60}"
    " FOLLOWING)),"
    " best AS (SELECT client, server, port, proto, max(within) AS most, arg_max(begin_us, within) AS begin_us,"
    " arg_max(held_then, within)::BIGINT AS held_then,"
    f" arg_max(until_us, within) AS until_us FROM wide GROUP BY ALL HAVING most >= {MANY})"
    " SELECT best.*, pairs.* EXCLUDE (client, server, port, proto), callers,"
    " hash(client, coalesce(same, server), port, proto) AS key FROM best"
    " JOIN pairs USING (client, server, port, proto) JOIN callers USING (server, port, proto)"
    " LEFT JOIN (SELECT server AS other, same FROM aliases) ON server = other"
    " WHERE way = 'out' ORDER BY most DESC, server, client"
    f" LIMIT {MOST_LISTED * 4}"
)
FEW_CALLS = (
    "WITH few AS (SELECT * FROM pairs WHERE way = 'out' AND proto = 6 AND sampling = 1"
    f" AND port NOT IN ({', '.join(str(p) for p in sorted(COMMON_PORTS))}) AND calls BETWEEN {FEW} AND {MANY}"
    f" AND held >= 0.7 * calls AND down_bytes > 0 AND last_us - first_us >= {LEAST_LASTED_S}e6"
    f" AND last_us - first_us <= {FEW_WITHIN_S}e6 * calls"
    f" AND up_bytes <= {SMALL_UP} * calls AND down_bytes <= {SMALL_DOWN} * calls),"
    " doors AS (SELECT client, count(*) AS doors FROM pairs WHERE way = 'out' AND proto IN (6, 17)"
    f" AND port >= 1024 AND port NOT IN ({', '.join(str(p) for p in sorted(COMMON_PORTS))}) GROUP BY client)"
    f" SELECT few.*, callers FROM few JOIN callers USING (server, port, proto) JOIN doors USING (client)"
    f" WHERE doors <= {PEERS} ORDER BY calls DESC, server, client LIMIT {MOST_LISTED}"
)


def calls(scene: Scene) -> Iterator[Finding]:
    """Everything of this kind."""
    scene.limits.append(_limit(scene))
    scene.pairs.make("callers", CALLERS)
    rows = scene.pairs.sql(MANY_CALLS).to_pylist()
    keys = [row["key"] for row in rows]
    before = scene.pairs.first_seen(keys, scene.history_s, scene.since_s)
    silent = [row["key"] for row in rows if row["proto"] == 6 and not row["held_then"]]
    opened = scene.pairs.first_seen(silent, scene.history_s, scene.since_s, "tcp_flags & 16 <> 0")
    for row in rows:
        row["down"] = row["key"] in silent and (row["held"] > 0 or row["key"] in opened)
    listed = [_many(scene, row, before.get(row["key"], row["first_us"]) / 1e6) for row in rows]
    if len(listed) > MOST_LISTED:
        scene.skipped["caller of one service", "calls it less often than the ones listed"] += len(listed) - MOST_LISTED
    yield from listed[:MOST_LISTED]
    for row in scene.pairs.sql(FEW_CALLS).to_pylist():
        if (finding := _few(scene, row)) is not None:
            yield finding


def _many(scene: Scene, row: dict[str, Any], began_s: float) -> Finding:
    """One host that calls one service many times within minutes; when it was first seen to."""
    dns = row["port"] == DNS_PORT
    count = max(row["up_packets"] / row["sampling"] if dns and row["proto"] == 17 else row["calls"], 1)
    up, down = row["up_bytes"] / count, (row["down_bytes"] or 0) / count
    long_names = dns and up >= LONG_QUERY
    expected = None if long_names else scene.expects(row)
    name = scene.name_of(row["server"])
    strange = odd(scene, row, name)
    new = is_new(scene, began_s)
    answered = (row["down_packets"] or 0) > 0 and (row["proto"] != 6 or row["held"] > 0)
    small = up <= SMALL_UP and down <= SMALL_DOWN
    severity: Severity = "info" if expected else "low"
    if strange and small and new is not False and not expected and not row["down"]:
        severity = "medium"
    most = round(row["most"])
    score = float(np.clip(0.35 + 0.2 * np.log10(most / MANY) + (0.15 if strange else 0), 0, 0.85))
    who, whom = format_address(row["client"]), format_address(row["server"])
    first, last = row["begin_us"] / 1e6, row["until_us"] / 1e6
    spent = format_duration(max(round(last - first), 1))
    what = service(row["proto"], row["port"])
    reasons = [
        f"{who} called {what} of {whom}{f' ({name})' if name else ''}{whereabouts(row)} {most:,} times within {spent};"
        f" from {MANY} calls within {format_duration(WITHIN_S)} on, a service that few hosts call is listed",
        f"{format_bytes(up)} out and {format_bytes(down)} back a call in the mean;"
        f" {'only this host calls' if row['callers'] == 1 else str(row['callers']) + ' hosts call'} that service",
    ]
    if long_names:
        reasons.append("its DNS queries are longer than names that people look up: they may carry data")
    if strange:
        reasons.append(strange)
    if new:
        reasons.append("it is new here: the history before does not show it")
    if row["down"]:
        reasons.append("nothing came of its calls then, though it was answered at other times: the other end was down")
    elif not answered:
        reasons.append("nothing came of its calls: a program insists on a server that is gone, or blocked")
    if expected:
        reasons.append(f"ranked below, since it is expected: {expected}")
    return Finding(
        "many-calls", f"{who} called {whom} on {what} {most:,} times within {spent}", int(first), int(last) + 1, who,
        score * (0.35 if expected else 1), severity, tuple(reasons), flows_query(where_pair(row, {}), first, last),
        (whom,),
        {"service": what, "door": what, "calls": most, "within_s": max(round(last - first), 1), "bytes_out": round(up),
         "bytes_back": round(down), "callers": row["callers"], "answered": answered, "way": row["way"],
         "name": name, "country": row["far_country"], "as": row["far_as"]},
    )  # fmt: skip


def _few(scene: Scene, row: dict[str, Any]) -> Finding | None:
    """A host that comes back to a service at an odd port a few times an hour."""
    name = scene.name_of(row["server"])
    strange = odd(scene, row, name)
    if not strange or scene.expects(row):
        return None
    who, whom, what = format_address(row["client"]), format_address(row["server"]), service(6, row["port"])
    first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
    an_hour = row["calls"] / max((last - first) / 3600, 1e-9)
    return Finding(
        "few-calls", f"{who} came back to {whom} on {what} {row['calls']:,} times", int(first), int(last) + 1, who,
        float(np.clip(0.25 + 0.01 * row["calls"], 0, 0.5)), "low",
        (f"{who} called {what} of {whom}{whereabouts(row)} {row['calls']:,} times in"
         f" {format_duration(round(last - first))} ({an_hour:.1f} an hour),"
         f" {format_bytes(row['up_bytes'] / row['calls'])} out and"
         f" {format_bytes(row['down_bytes'] / row['calls'])} back a call: too few for a rhythm to show",
         strange, f"{row['callers']:,} {'host calls' if row['callers'] == 1 else 'hosts call'} that service"),
        flows_query(where_pair(row, {}), first, last), (whom,),
        {"service": what, "door": what, "calls": row["calls"], "an_hour": round(an_hour, 2), "callers": row["callers"],
         "way": row["way"], "country": row["far_country"], "as": row["far_as"]},
    )  # fmt: skip


def _limit(scene: Scene) -> HuntLimit:
    """From how many calls on a host that calls one new outside address at an odd port is found."""
    seen = 1 - (1 - 1 / scene.sampling) ** CALL_PACKETS
    needed = next((n for n in range(MANY, 40 * MANY) if _at_least(n, seen) >= POWER), None)
    what = (
        "within ten minutes by one host to one new outside address at a port of no common service, whatever their"
        " rhythm"
    )
    value = float(needed) if needed is not None and scene.covered >= POWER else None
    return HuntLimit("beacons", "site", what, value, "calls")


def _at_least(count: int, seen: float) -> float:
    """The probability that of so many calls, each seen with that probability, enough are seen."""
    return float(bdtrc(MANY - 1, count, seen))
