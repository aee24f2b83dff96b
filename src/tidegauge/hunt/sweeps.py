"""Many asked at once: ping sweeps, and one service of dozens of hosts asked for within seconds, answered or not.

A scan that is answered has no failed contacts; what tells it is its breadth in time. Whoever asks the same hosts again
and again (monitoring, a load balancer's health checks) is no scanner, and services that everybody asks (resolvers, web
and mail servers) are not its victims.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tidegauge.hunt.context import MOST_BEFORE, MOST_LISTED, PUBLIC_CLIENTS, Scene, flows_query, service, whereabouts
from tidegauge.lake import FAR_END, to_all
from tidegauge.model import Finding, Severity, format_address, format_duration

LEAST_SWEPT, SWEPT_S = 16, 30
LEAST_ASKED, ASKED_S = 20, 10
ROUNDS, ROUNDS_S = 3, 3600
"""Who comes back to its targets in so many minutes, for so long, watches them."""
ANSWERED = 0.5
"""Or who gets answers from so many of those to whom it comes back: what somebody set up to be watched is mostly there,
what a scanner tries mostly is not."""
GUARDED = (21, 22, 23, 135, 139, 445, 1433, 3306, 3389, 5432, 5900, 5985, 5986)
"""Of outside hosts only these services count as asked for in breadth: a browser asks dozens of others in seconds."""
ECHO = "(biflow_direction = 1 OR proto = 1 AND dst_port = 2048 OR proto = 58 AND dst_port = 32768)"

FIRST_CONTACTS = (
    "SELECT client, way, proto, {port} AS port, server, min(epoch_us(time_start)) FILTER (fwd) AS first_us,"
    " max(epoch_us(time_end)) AS last_us, (count(DISTINCT epoch_us(time_start) // 60000000)"
    " FILTER (fwd) + max((epoch_us(time_end) - epoch_us(time_start)) // 60000000) FILTER (fwd)) AS minutes,"
    " coalesce(bool_or(NOT fwd), false) AS answered, max(sampling) AS sampling, " + FAR_END + " FROM oriented"
    " WHERE {condition} GROUP BY ALL HAVING first_us IS NOT NULL"
)


def breadth(scene: Scene) -> Iterator[Finding]:
    """Everything of this kind."""
    sweeps = FIRST_CONTACTS.format(
        port="0", condition=f"proto IN (1, 58) AND way <> 'transit' AND (NOT fwd OR {ECHO})"
    )  # fmt: skip
    yield from _found(scene, sweeps, LEAST_SWEPT, SWEPT_S)
    ports = ", ".join(str(port) for port in GUARDED)
    asked = FIRST_CONTACTS.format(
        port="port",
        condition=f"proto IN (6, 17) AND NOT {to_all('server')}"
        f" AND (way IN ('in', 'internal') OR way = 'out' AND port IN ({ports}))",
    )
    public = (
        f"SELECT server, proto, port FROM first GROUP BY ALL HAVING count(DISTINCT client) >= {PUBLIC_CLIENTS}"
    )
    yield from _found(
        scene, f"WITH first AS ({asked}) SELECT * FROM first WHERE (server, proto, port) NOT IN ({public})",
        LEAST_ASKED, ASKED_S,
    )  # fmt: skip


def _found(scene: Scene, contacts: str, least: int, within_s: int) -> Iterator[Finding]:
    """Clients whose first contacts with so many hosts fall within so many seconds."""
    width = within_s * 1_000_000
    table = scene.pairs.sql(
        f"WITH contacts AS ({contacts}),"
        " wide AS (SELECT *, count(*) OVER (PARTITION BY client, way, proto, port ORDER BY first_us"
        f" RANGE BETWEEN CURRENT ROW AND {width} FOLLOWING) AS within FROM contacts),"
        " best AS (SELECT client, way, proto, port, max(within) AS most, arg_max(first_us, within) AS begin_us"
        f" FROM wide GROUP BY ALL HAVING most >= {least})"
        " SELECT client, way, proto, port, most, count(*) AS servers, begin_us, max(c.last_us) AS last_us,"
        " median(minutes) AS minutes, avg(answered::DOUBLE) AS answered, min(server) AS low, max(server) AS high,"
        " max(c.first_us) AS end_us, max(sampling) AS sampling, any_value(far_country) AS far_country,"
        " any_value(far_as) AS far_as, max(far_class) AS far_class"
        " FROM best JOIN contacts c USING (client, way, proto, port)"
        f" WHERE c.first_us BETWEEN begin_us AND begin_us + {width} GROUP BY ALL ORDER BY most DESC"
        f" LIMIT {MOST_LISTED * 4}"
    )
    rows = table.to_pylist()
    watching = [row for row in rows if _watches(row)]
    if watching:
        scene.skipped["client of many", "comes back to them again and again: it watches them"] += len(watching)
    others = [row for row in rows if not _watches(row)]
    known = scene.asked_before([_door(row) for row in others if row["way"] != "in"])
    for row in others[:MOST_LISTED]:
        before = {server for server in known.get(_door(row), ()) if row["low"] <= server <= row["high"]}
        if len(before) >= MOST_BEFORE * row["most"]:
            scene.skipped["client of many", "asked most of them before: it works with them"] += 1
        else:
            yield _finding(scene, row)


def _door(row: dict[str, Any]) -> tuple[bytes, int, int]:
    return row["client"], row["proto"], row["port"]


def _watches(row: dict[str, Any]) -> bool:
    """Whether a client comes back to those whom it asked, for long or with answers from nearly all."""
    lasted = (row["last_us"] - row["begin_us"]) / 1e6
    return bool(row["minutes"] >= ROUNDS and (lasted >= ROUNDS_S or row["answered"] >= ANSWERED))


def _finding(scene: Scene, row: dict[str, Any]) -> Finding:
    who = format_address(row["client"])
    ping = row["proto"] in (1, 58)
    what = "ping" if ping else service(row["proto"], row["port"])
    first, last = row["begin_us"] / 1e6, row["end_us"] / 1e6
    spent = max(round(last - first), 1)
    inward = row["way"] == "in"
    loud = float(np.clip(np.log10(row["most"]) / 4, 0, 1))
    ours = row["way"] == "out"
    severity: Severity = "low" if inward else "medium"
    reasons = [
        f"{who}{whereabouts(row) if inward else ''} {'pinged' if ping else f'asked for {what} of'} {row['most']:,}"
        f" {'outside hosts' if ours else 'hosts of ours'} within {format_duration(spent)}, from"
        f" {format_address(row['low'])} to {format_address(row['high'])}; {row['answered']:.0%} answered",
        "it had not asked most of them before, and does not come back to them as monitoring does",
    ]
    if not ping:
        reasons.append(f"none of these is a service that {PUBLIC_CLIENTS} or more clients ask")
    if not inward:
        reasons.append("a host of ours that looks for others is often commanded from outside, or used by somebody else")
    shape = "ping sweep" if ping else "horizontal"
    where = f"src = '{who}' AND " + (f"proto = {row['proto']}" if ping else f"dst_port = {row['port']}")
    return Finding(
        "scan", f"{'ping sweep' if ping else 'horizontal scan'} by {who}: {row['most']:,} hosts on {what}", int(first),
        int(row["last_us"] / 1e6) + 1, who, (0.35 if inward else 0.6) + 0.35 * loud, severity, tuple(reasons),
        flows_query(where, first, last), (),
        {"shape": shape, "servers": row["most"], "within_s": spent, "answered": round(row["answered"], 3),
         "ports": 1, "way": row["way"], "country": row["far_country"], "as": row["far_as"]},
    )  # fmt: skip
