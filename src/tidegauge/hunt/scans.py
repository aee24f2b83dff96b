"""Scans in either direction and within, knocking at closed doors, floods, and hosts that begin the same thing together.

Scans by the threshold random walk over first contacts (Jung, Paxson, Berger, Balakrishnan, "Fast portscan detection
using sequential hypothesis testing", IEEE S&P 2004): a host whose first contacts fail is a scanner, one whose succeed
is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb, exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.hunt.brute_force import guessing, spraying
from tidegauge.hunt.context import MOST_LISTED, Scene, flows_query, service, whereabouts
from tidegauge.hunt.limits import HuntLimit, quantile
from tidegauge.hunt.oddity import C2, COMMON_PORTS
from tidegauge.hunt.sweeps import breadth
from tidegauge.lake import to_all
from tidegauge.model import Finding, Severity, format_address, format_bytes, format_duration, format_time

Floats = NDArray[np.float64]

BENIGN, SCANNER = 0.8, 0.2
"""Probability that a first contact succeeds, of a host that does not scan and of one that does."""
FALSE, POWER = 1e-5, 0.99
LEAST_TARGETS = 8
WIDE = 5
"""Servers on one port from which on the port is judged by itself."""
OFTEN = 0.3
AGAIN, AGAIN_US = 3, 120_000_000
"""Who calls in so many times over so long comes back."""
WATCHED = 0.5
"""Share of its first contacts with one service to which a host comes back, and share that answers, from which on it
watches them: monitoring goes on asking for what is away."""
RARELY_FAILS = 0.05
"""Share of first contacts with one service that fail, at most, of a host that means to be served."""
KNOCKS = 100
MOST_TRIED = 4000
TOGETHER_S = 600
TOGETHER_HOSTS = 4
FLOOD_PACKETS = 100_000

FAILED = (
    "(CASE WHEN proto = 6 THEN held < 0.5 * calls OR coalesce(down_packets, 0) = 0 AND up_flags & 16 = 0"
    " ELSE coalesce(down_packets, 0) = 0 END)"
)
"""A contact that came to nothing: TCP in which the client did not go on, anything else that got no answer."""
NBSTAT = 137
NAME_QUERIES = (
    f"WITH asked AS (SELECT DISTINCT client, server FROM pairs WHERE proto = 17 AND port = {NBSTAT}),"
    f" talked AS (SELECT client, server FROM pairs WHERE port <> {NBSTAT} AND coalesce(down_packets, 0) > 0"
    " AND client IN (SELECT client FROM asked) UNION SELECT server, client FROM pairs"
    f" WHERE port <> {NBSTAT} AND coalesce(down_packets, 0) > 0 AND server IN (SELECT client FROM asked))"
    " SELECT client, server FROM asked SEMI JOIN talked USING (client, server)"
)
"""Windows asks hosts with which it talks for their NetBIOS name, wherever they are: no first contact."""
SELDOM = "(up_packets <= 8 * sampling * greatest(calls, 1))"


def scans(scene: Scene) -> Iterator[Finding]:
    """Everything of this kind."""
    yield from _walks(scene)
    yield from breadth(scene)
    yield from _knocks(scene)
    yield from guessing(scene)
    yield from spraying(scene)
    yield from _floods(scene)
    yield from _backscatter(scene)
    yield from _together(scene)


def threshold() -> float:
    """Above this a host is called a scanner: wrong for one in 1/`FALSE` that is none, right for `POWER` of scanners.

    >>> round(threshold(), 1)
    11.5
    """
    return log(POWER / FALSE)


def _walks(scene: Scene) -> Iterator[Finding]:
    """Scanners by their first contacts: with many hosts, with many ports of one, or both.

    A port with several servers counts by itself, so that a browser's successes do not hide a scan; there it is also
    enough to fail far more often than anybody who means to be served (`RARELY_FAILS`). All others count together.
    """
    blind = _blind(scene)
    scene.pairs.make("name_queries", NAME_QUERIES)
    scene.pairs.make(
        "contacts",
        f"SELECT *, {FAILED} AND {SELDOM} AS failed, calls >= {AGAIN} AND last_us - first_us >= {AGAIN_US} AS again"
        f" FROM pairs WHERE proto IN (6, 17) AND NOT ({blind})"
        f" AND NOT (coalesce(down_packets, 0) = 0 AND {to_all('server')})"
        f" AND NOT (proto = 17 AND port = {NBSTAT} AND (client, server) IN (SELECT (client, server) FROM name_queries))"
        " AND (proto = 17 AND (sampling = 1 OR coalesce(down_packets, 0) > 0)"
        " OR proto = 6 AND up_packets > 0 AND (up_flags = 0 OR up_flags & 2 <> 0))",
    )
    scene.pairs.make(
        "judged",
        f"WITH wide AS (SELECT client, way, proto, port, count(*) >= {WIDE} AS own FROM contacts GROUP BY ALL),"
        " sums AS (SELECT client, way, CASE WHEN own THEN port ELSE -1 END AS lump, count(*) FILTER (failed) AS f,"
        " count(*) FILTER (NOT failed) AS s, count(*) FILTER (again) AS again"
        " FROM contacts JOIN wide USING (client, way, proto, port) GROUP BY ALL)"
        f" SELECT *, CASE WHEN f >= {LEAST_TARGETS}"
        f" AND NOT (lump >= 0 AND least(again, s) >= {WATCHED} * (f + s))"
        f" THEN greatest({log((1 - SCANNER) / (1 - BENIGN))} * (f - s),"
        f" CASE WHEN lump >= 0 AND f >= {OFTEN} * (f + s) THEN f * ln(f / (f + s) / {RARELY_FAILS})"
        f" + CASE WHEN s > 0 THEN s * ln(s / (f + s) / {1 - RARELY_FAILS}) ELSE 0 END ELSE 0 END) ELSE 0 END AS ratio"
        " FROM sums",
    )
    table = scene.pairs.sql(
        f"WITH hosts AS (SELECT client, way, sum(f) AS failed, sum(s) AS succeeded, max(ratio) AS ratio,"
        f" list(lump) AS lumps FROM judged WHERE ratio >= {threshold()} GROUP BY client, way),"
        " meant AS (SELECT h.client, h.way, h.failed AS host_failed, h.succeeded, h.ratio,"
        " c.* EXCLUDE (client, way, failed)"
        " FROM hosts h JOIN contacts c ON c.client = h.client AND c.way = h.way AND c.failed"
        " AND (list_contains(h.lumps, c.port) OR list_contains(h.lumps, -1)))"
        " SELECT client, way, any_value(host_failed) AS failed, any_value(succeeded) AS succeeded,"
        " any_value(ratio) AS ratio, count(DISTINCT server) AS servers, count(DISTINCT port) AS ports,"
        " mode(port) AS port, mode(proto) AS proto, mode(server) AS server, sum(calls) AS calls,"
        " min(first_us) AS first_us, max(last_us) AS last_us, any_value(far_country) AS far_country,"
        " any_value(far_as) AS far_as, max(far_class) AS far_class FROM meant GROUP BY client, way"
        f" ORDER BY failed DESC LIMIT {MOST_LISTED * 4}"
    )
    scene.examined["hosts that called"] += int(
        scene.pairs.sql("SELECT count(DISTINCT client) AS n FROM pairs")["n"][0].as_py()
    )
    for row in table.to_pylist()[:MOST_LISTED]:
        yield _walk_finding(row, float(row["ratio"]))
    scene.limits += _limits(scene)
    if table.num_rows > MOST_LISTED:
        scene.skipped["scanner", "quieter than the ones listed"] += table.num_rows - MOST_LISTED


def _limits(scene: Scene) -> list[HuntLimit]:
    """With how many others that do not answer one of ours must try: at a port that it does not use otherwise, and at
    the one that most use, among its own calls there."""
    table = scene.pairs.sql(
        "WITH own AS (SELECT client, port, count(*) FILTER (NOT failed) AS s, count(*) FILTER (failed) AS f"
        " FROM contacts WHERE way = 'out' AND proto = 6 GROUP BY ALL),"
        " most AS (SELECT port FROM own GROUP BY port ORDER BY count(*) DESC LIMIT 1)"
        " SELECT port, s, f FROM own WHERE port = (SELECT port FROM most)"
    )
    tries = np.arange(LEAST_TARGETS, MOST_TRIED)
    quiet = _needed(np.zeros(1), np.zeros(1), tries)
    used = _needed(table["s"].to_numpy().astype(np.float64), table["f"].to_numpy().astype(np.float64), tries)
    covered = scene.covered if scene.sampling == 1 else 0.0
    what = "tried by a host of ours that do not answer, at a port that it does not use otherwise"
    out = [HuntLimit("scans", "site", what, quantile(quiet, covered), "hosts")]
    if table.num_rows:
        port = int(table["port"][0].as_py())
        what = f"tried by a host of ours that do not answer, among its own calls to tcp/{port}"
        out.append(HuntLimit("scans", "site", what, quantile(used, covered), "hosts"))
    return out


def _needed(succeeded: Floats, failed: Floats, tries: NDArray[np.int64]) -> Floats:
    """How many more failed first contacts make each host a scanner, by the same ratio as `_walks`; infinite where none
    of the tried numbers does. Shape (n,)."""
    f, s = failed[:, None] + tries[None], np.broadcast_to(succeeded[:, None], (len(failed), len(tries)))
    walk = log((1 - SCANNER) / (1 - BENIGN)) * (f - s)
    share = f / (f + s)
    kept = np.where(s > 0, s * np.log(np.maximum(1 - share, 1e-12) / (1 - RARELY_FAILS)), 0.0)
    often = np.where(share >= OFTEN, f * np.log(share / RARELY_FAILS) + kept, 0.0)
    called = np.maximum(walk, often) >= threshold()
    return np.where(called.any(axis=1), tries[called.argmax(axis=1)], np.inf)


def _blind(scene: Scene) -> str:
    """SQL condition of pairs about whose silence nothing can be said."""
    return " OR ".join(f"way = '{way}' AND proto = 17" for way in scene.one_sided()) or "false"


def _walk_finding(row: dict[str, Any], ratio: float) -> Finding:
    who = format_address(row["client"])
    first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
    servers, ports = row["servers"], row["ports"]
    if servers >= 5 and ports >= 5 and min(servers, ports) > 0.1 * max(servers, ports):
        shape, what = "block", f"{servers:,} hosts on {ports:,} ports"
    elif servers >= ports:
        shape, what = (
            "horizontal",
            f"{servers:,} hosts on {service(row['proto'], row['port'])}"
            + (f" and {ports - 1} more" if ports > 1 else ""),
        )
    else:
        shape, what = (
            "vertical",
            f"{ports:,} ports of {format_address(row['server'])}" + (f" and {servers - 1} more" if servers > 1 else ""),
        )
    inward = row["way"] == "in"
    loud = float(np.clip(np.log10(max(row["failed"], 1)) / 5, 0, 1))
    score = float(np.clip(0.3 + 0.5 * loud, 0, 0.95)) if inward else float(np.clip(0.6 + 0.35 * loud, 0, 0.98))
    severity: Severity = "low" if inward else "medium"
    if row["way"] == "out" and row["failed"] >= 50 and shape != "block":
        severity = "high"
    reasons = [
        f"{who}{whereabouts(row) if inward else ''} tried {what} between {format_time(first)} and {format_time(last)}:"
        f" {row['failed']:,} first contacts failed, {row['succeeded']:,} came to something",
        f"log likelihood ratio of a scanner: {ratio:.0f}, above {threshold():.1f}; that takes a host that does not"
        f" scan for a scanner once in {1 / FALSE:,.0f} times",
    ]
    if not inward:
        reasons.append("a host of ours that scans is often commanded from outside, or used by somebody else")
        if shape == "block":
            reasons.append("programs that share files among peers look for these in the same way")
    evidence = {
        "shape": shape, "servers": servers, "ports": ports, "failed": row["failed"], "succeeded": row["succeeded"],
        "calls": row["calls"], "ratio": round(ratio, 1), "country": row["far_country"], "as": row["far_as"],
        "way": row["way"],
    }  # fmt: skip
    where = f"src = '{who}'" + (f" AND dst_port = {row['port']}" if shape == "horizontal" and ports == 1 else "")
    return Finding(
        "scan", f"{shape} scan by {who}: {what}", int(first), int(last) + 1, who, score, severity, tuple(reasons),
        flows_query(where, first, last), (format_address(row["server"]),) if servers == 1 else (), evidence,
    )  # fmt: skip


def _knocks(scene: Scene) -> Iterator[Finding]:
    """Callers that come to nothing at one door again and again."""
    table = scene.pairs.sql(
        f"SELECT * FROM pairs WHERE proto IN (6, 17) AND NOT ({_blind(scene)}) AND NOT {to_all('server')}"
        f" AND {FAILED} AND calls >= {KNOCKS}"
        f" AND held < 0.05 * calls ORDER BY calls DESC LIMIT {MOST_LISTED}"
    )
    for row in table.to_pylist():
        who, whom = format_address(row["client"]), format_address(row["server"])
        if scene.expects(row):
            continue
        first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
        loud = float(np.clip(np.log10(row["calls"]) / 5, 0, 1))
        answer = f"{'refused' if (row['down_packets'] or 0) > 0 else 'not answered'} each time"
        answer += f" but {row['held']:,}" if row["held"] else ""
        yield Finding(
            "scan", f"{who} knocks at {whom} on {service(row['proto'], row['port'])}: {row['calls']:,} times",
            int(first), int(last) + 1, who, 0.3 + 0.5 * loud, "low",
            (f"{who}{whereabouts(row) if row['way'] == 'in' else ''} tried {service(row['proto'], row['port'])} of"
             f" {whom} {row['calls']:,} times in {format_duration(round(last - first))}, {answer}",),
            flows_query(f"src = '{who}' AND dst = '{whom}' AND dst_port = {row['port']}", first, last), (whom,),
            {"shape": "knocking", "door": service(row["proto"], row["port"]), "calls": row["calls"],
             "port": row["port"], "held": row["held"], "way": row["way"],
             "country": row["far_country"], "as": row["far_as"]},
        )  # fmt: skip


def _floods(scene: Scene) -> Iterator[Finding]:
    """Hosts of ours that send very many packets to one far end and get next to nothing back; no acknowledged TCP."""
    table = scene.pairs.sql(
        f"SELECT * FROM pairs WHERE way = 'out' AND up_packets >= {FLOOD_PACKETS}"
        " AND (proto <> 6 OR held < 0.1 * calls)"
        " AND coalesce(down_packets, 0) < 0.02 * up_packets AND up_packets > 500 *"
        " greatest((last_us - first_us) / 1e6, 60)"
        f" ORDER BY up_packets DESC LIMIT {MOST_LISTED}"
    )
    for row in table.to_pylist():
        who, whom = format_address(row["client"]), format_address(row["server"])
        first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
        rate = row["up_packets"] / max(last - first, 1)
        yield Finding(
            "flood", f"{who} floods {whom}", int(first), int(last) + 1, who,
            float(np.clip(0.5 + 0.1 * np.log10(rate / 500 + 1), 0, 0.95)), "high" if rate > 5000 else "medium",
            (f"{who} sent {row['up_packets']:,} packets ({format_bytes(row['up_bytes'])}) to"
             f" {whom}{whereabouts(row)} on {service(row['proto'], row['port'])} in"
             f" {format_duration(round(last - first))}, and {row['down_packets'] or 0:,} came back:"
             " one side of a flood, or a stream that nobody acknowledges",),
            flows_query(f"src = '{who}' AND dst = '{whom}'", first, last), (whom,),
            {"packets": row["up_packets"], "back": row["down_packets"] or 0, "packets_per_second": round(rate)},
        )  # fmt: skip


def _backscatter(scene: Scene) -> Iterator[Finding]:
    """Answers to questions that a host of ours never asked: somebody forges its address."""
    if "out" in scene.one_sided():
        return
    table = scene.pairs.sql(
        "SELECT client, count(DISTINCT server) AS servers, sum(answers) AS answers, min(first_us) AS first_us,"
        " max(last_us) AS last_us FROM pairs WHERE way = 'out' AND proto = 6 AND down_flags & 18 = 18 AND held = 0"
        " AND coalesce(up_flags, 0) & 2 = 0 AND (up_flags & 4 <> 0 OR coalesce(up_packets, 0) = 0) AND sampling = 1"
        f" GROUP BY client HAVING servers >= {LEAST_TARGETS} ORDER BY servers DESC LIMIT {MOST_LISTED}"
    )
    for row in table.to_pylist():
        who = format_address(row["client"])
        first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
        yield Finding(
            "backscatter", f"{row['servers']:,} outside hosts answer calls that {who} never made", int(first),
            int(last) + 1, who, 0.3, "low",
            (f"{row['servers']:,} outside hosts accepted {row['answers']:,} calls (SYN and ACK) of {who} of which"
             " none was seen to go out, and which it refused: its address is forged by somebody who floods them",
             "who was flooded sees our address, though nothing came from us"),
            flows_query(f"dst = '{who}' AND tcp_flags = 18", first, last), (),
            {"servers": row["servers"], "answers": row["answers"]},
        )  # fmt: skip


def _together(scene: Scene) -> Iterator[Finding]:
    """Hosts of ours that begin the same new thing within minutes: their common far end first."""
    start_us, end_us = scene.since_s * 1_000_000, scene.until_s * 1_000_000
    table = scene.pairs.sql(
        "WITH begun AS (SELECT server, port, proto, client, min(first_us) AS first_us, sum(calls) AS calls,"
        " any_value(far_country) AS far_country, any_value(far_as) AS far_as, max(far_class) AS far_class"
        " FROM pairs WHERE way = 'out' AND proto IN (6, 17) AND port NOT IN (53, 123)"
        " GROUP BY server, port, proto, client),"
        " groups AS (SELECT server, port, proto, list(first_us ORDER BY first_us) AS times,"
        " list(client ORDER BY first_us) AS clients, count(*) AS hosts, sum(calls) AS calls,"
        " any_value(far_country) AS far_country, any_value(far_as) AS far_as, max(far_class) AS far_class"
        f" FROM begun GROUP BY server, port, proto HAVING hosts BETWEEN {TOGETHER_HOSTS} AND 2000)"
        " SELECT * FROM groups"
    )
    scene.examined["services that several hosts began to call"] += table.num_rows
    total = max(table.num_rows, 1)
    found = []
    for row in table.to_pylist():
        times = np.array(row["times"], dtype=np.int64)
        if times[0] < start_us + 0.1 * (end_us - start_us):
            continue  # it may have begun before the data did
        width = TOGETHER_S * 1_000_000
        within = np.searchsorted(times, times + width, side="right") - np.arange(len(times))
        best = int(np.argmax(within))
        joined = int(within[best])
        if joined < max(TOGETHER_HOSTS, 0.8 * len(times)) or row["calls"] < 2 * len(times):
            continue
        chance = min(1.0, total * _by_chance(len(times), joined, width / max(end_us - times[0], width)))
        if chance > 1e-3:
            continue
        found.append((chance, joined, best, row))
    for chance, joined, best, row in sorted(found, key=lambda f: f[0])[:MOST_LISTED]:
        whom = format_address(row["server"])
        hosts = tuple(format_address(c) for c in row["clients"][best : best + joined])
        first = row["times"][best] / 1e6
        name = scene.name_of(row["server"])
        if scene.expects({**row, "way": "out"}):
            continue
        everybodys = joined >= scene.most_hosts and row["port"] in COMMON_PORTS
        listed = bool(int(row["far_class"] or 0) & C2)
        yield Finding(
            "together", f"{joined} hosts of ours began to call {whom} within {TOGETHER_S // 60} minutes", int(first),
            scene.until_s, whom, float(np.clip(0.4 + 0.05 * joined, 0, 0.85)),
            "low" if everybodys and not listed else "medium",
            (f"{joined} of the {len(row['times'])} hosts that ever called {whom}{f' ({name})' if name else ''} on"
             f" {service(row['proto'], row['port'])}{whereabouts(row)} called it first within"
             f" {TOGETHER_S // 60} minutes; by chance that would be seen with a probability of {chance:.2g}",
             "a botnet's members do so on a command; so do computers after an update by their owner",
             *(["they are most of those that call out at all: a program that all have"] if everybodys else [])),
            flows_query(f"dst = '{whom}' AND dst_port = {row['port']}", first, scene.until_s), hosts,
            {"hosts": joined, "all": len(row["times"]), "chance": chance, "country": row["far_country"],
             "as": row["far_as"]},
        )  # fmt: skip


def _by_chance(count: int, joined: int, share: float) -> float:
    """A bound on the chance that `joined` of `count` first calls fall within one stretch of that share of the time."""
    if share >= 1:
        return 1.0
    log_bound = (
        log(count) + log(float(comb(count - 1, joined - 1)) if count < 200 else 2.0**count) + (joined - 1) * log(share)
    )
    return min(1.0, exp(min(log_bound, 0.0)))
