"""Hosts of ours that take data in and send them on: for one pair of far ends, or for many as proxies and relays do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.detect.relays import Followed, followed
from tidegauge.hunt.context import Scene, flows_query
from tidegauge.hunt.limits import HuntLimit, quantile
from tidegauge.lake import CAME_AND_WENT, column_sql
from tidegauge.model import Finding, Severity, class_bit, class_names, format_address, format_bytes, format_time

HOME, FAR = column_sql("home"), column_sql("far")
LEAST_BYTES, CLEAR_BYTES = 200_000, 1_000_000
NEIGHBOURS = 12
"""Far ends of a host that give or take most, each side."""
MOST_CANDIDATES = 3000
CLEAR_Z, CLEAR_CORRELATION = 8.0, 0.5
RELAY_PORTS = {
    1080: "SOCKS", 3128: "an HTTP proxy", 8118: "an HTTP proxy", 8080: "an HTTP proxy", 8888: "an HTTP proxy",
    9001: "Tor", 9030: "Tor", 9050: "Tor", 1194: "OpenVPN", 51820: "WireGuard", 500: "IPsec", 4500: "IPsec",
    1723: "PPTP", 1701: "L2TP", 22: "SSH",
}  # fmt: skip
LEAST_RELAYED = 10_000_000
MANY = 10

CANDIDATES = f"""
WITH sums AS (SELECT {HOME} AS home, {FAR} AS far,
  {CAME_AND_WENT},
  min(epoch_us(time_start)) AS first_us, max(epoch_us(time_end)) AS last_us
  FROM chosen_flows WHERE direction IN ('in', 'out') GROUP BY home, far),
 givers AS (SELECT *, row_number() OVER (PARTITION BY home ORDER BY came DESC) AS place FROM sums
  WHERE came >= {LEAST_BYTES} AND came > 2 * went),
 takers AS (SELECT *, row_number() OVER (PARTITION BY home ORDER BY went DESC) AS place FROM sums
  WHERE went >= {LEAST_BYTES} AND went > 2 * came)
SELECT g.home, g.far AS giver, t.far AS taker, g.came, t.went, greatest(g.first_us, t.first_us) AS first_us,
 least(g.last_us, t.last_us) AS last_us
FROM givers g JOIN takers t ON g.home = t.home
WHERE g.place <= {NEIGHBOURS} AND t.place <= {NEIGHBOURS} AND t.went BETWEEN 0.25 * g.came AND 2 * g.came
 AND t.last_us >= g.first_us AND t.first_us <= g.last_us + 3600000000
ORDER BY least(g.came, t.went) DESC LIMIT {MOST_CANDIDATES}"""


def passthrough(scene: Scene) -> Iterator[Finding]:
    """Everything of this kind, one finding for a host and its best pair of far ends."""
    scene.limits += _limits(scene)
    best: dict[bytes, tuple[float, dict[str, Any], Followed]] = {}
    candidates = scene.pairs.sql(CANDIDATES).to_pylist()
    scene.examined["pairs of far ends with like volumes"] += len(candidates)
    flows = _flows_of(scene, candidates)
    for row in candidates:
        came = flows.get((row["home"], row["giver"], "in"))
        went = flows.get((row["home"], row["taker"], "out"))
        if came is None or went is None:
            continue
        follow = followed(*came, *went)
        if follow is None or follow.correlation < 0.25 or follow.z < 5 or follow.rank > 0.002 * follow.shifts:
            continue
        strength = follow.correlation * min(follow.z / CLEAR_Z, 2) * _like(follow.ratio)
        if row["home"] not in best or strength > best[row["home"]][0]:
            best[row["home"]] = (strength, row, follow)
    relays = dict(_relays(scene))
    for home, (_, row, follow) in best.items():
        if home not in relays:  # who relays for many also does for two
            yield _pair_finding(scene, row, follow, len(candidates))
    yield from relays.values()


def _limits(scene: Scene) -> list[HuntLimit]:
    """How much a host must take from one outside and send on to another, in a dozen pieces or more within minutes, to
    be among the far ends that are compared, and to be more than a weak finding."""
    table = scene.pairs.sql(
        f"WITH sums AS (SELECT {HOME} AS home, {FAR} AS far, {CAME_AND_WENT} FROM chosen_flows"
        " WHERE direction IN ('in', 'out') GROUP BY home, far),"
        " gives AS (SELECT home, came AS amount, row_number() OVER (PARTITION BY home ORDER BY came DESC) AS place"
        " FROM sums WHERE came > 2 * went),"
        " takes AS (SELECT home, went AS amount, row_number() OVER (PARTITION BY home ORDER BY went DESC) AS place"
        " FROM sums WHERE went > 2 * came)"
        " SELECT home, coalesce(max(amount), 0)::DOUBLE AS amount FROM (SELECT DISTINCT home FROM sums) LEFT JOIN"
        f" (SELECT * FROM gives WHERE place = {NEIGHBOURS} UNION ALL SELECT * FROM takes WHERE place = {NEIGHBOURS})"
        " USING (home) GROUP BY home"
    )
    needed = np.maximum(table["amount"].to_numpy(), max(LEAST_BYTES, CLEAR_BYTES))
    what = "taken from one outside host and sent on to another within minutes, in a dozen pieces or more"
    return [HuntLimit("passthrough", "site", what, quantile(needed, scene.covered), "bytes")]


def _flows_of(
    scene: Scene, candidates: list[dict[str, Any]]
) -> dict[tuple[bytes, bytes, str], tuple[NDArray[np.float64], ...]]:
    """Starts, ends (seconds) and bytes of the flows of all candidates, by host, far end and direction; one query."""
    if not candidates:
        return {}
    wanted = {(r["home"], r["giver"], "in") for r in candidates} | {(r["home"], r["taker"], "out") for r in candidates}
    ordered = sorted(wanted)
    keys = pa.table({
        "home": pa.array([w[0] for w in ordered], pa.binary()), "far": pa.array([w[1] for w in ordered], pa.binary()),
        "way": [w[2] for w in ordered], "place": np.arange(len(ordered)),
    })  # fmt: skip
    table = scene.pairs.joined(
        "SELECT place, epoch_us(time_start) AS s, epoch_us(time_end) AS e, bytes FROM chosen_flows JOIN wanted ON"
        f" direction = wanted.way AND ({HOME}) = wanted.home AND ({FAR}) = wanted.far ORDER BY place, s",
        keys,
    )
    places = table["place"].to_numpy()
    columns = [table[n].to_numpy().astype(np.float64) / scale for n, scale in (("s", 1e6), ("e", 1e6), ("bytes", 1.0))]
    edges = np.searchsorted(places, np.arange(len(ordered) + 1))
    return {
        key: tuple(column[edges[place] : edges[place + 1]] for column in columns)
        for place, key in enumerate(ordered)
        if edges[place + 1] > edges[place]
    }


def _like(ratio: float) -> float:
    """1 for what went on unchanged, less for compressed or padded data."""
    return float(np.clip(1 - abs(np.log(max(ratio, 1e-6))) / 2, 0.2, 1))


def _pair_finding(scene: Scene, row: dict[str, Any], follow: Followed, tried: int) -> Finding:
    home, giver, taker = (format_address(row[k]) for k in ("home", "giver", "taker"))
    followed_well = follow.matched >= 12 and 2 * follow.matched >= follow.active
    clear = (
        follow.z >= CLEAR_Z and follow.correlation >= CLEAR_CORRELATION and follow.rank == 0
        and 0.6 <= follow.ratio <= 1.6 and followed_well and row["came"] >= CLEAR_BYTES
    )  # fmt: skip
    score = float(np.clip(follow.correlation * min(1.0, follow.z / 12) * _like(follow.ratio), 0, 0.98))
    likely = follow.z >= CLEAR_Z and follow.rank == 0 and follow.matched >= 8 and score >= 0.3
    severity: Severity = "high" if clear else "medium" if likely else "low"
    first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
    reasons = [
        f"{home} took {format_bytes(row['came'])} from {giver} and sent {format_bytes(row['went'])} to {taker}"
        f" ({follow.ratio:.2f} of it), between {format_time(first)} and {format_time(last)}",
        f"what went out followed what came in after {follow.lag_s:.0f} s: correlation {follow.correlation:.2f} in bins"
        f" of {follow.width_s:.0f} s, {follow.z:.0f} standard deviations above other shifts of time;"
        f" {follow.rank:,} of {follow.shifts:,} shifts do as well",
        f"it is the best of {tried:,} pairs of far ends looked at; an ordinary server of that volume answers those who"
        " call it, and sends nothing of like size to a third",
    ]
    where = f"(src = '{giver}' AND dst = '{home}') OR (src = '{home}' AND dst = '{taker}')"
    return Finding(
        "passthrough", f"{home} passes data of {giver} on to {taker}", int(first), int(last) + 1, home, score, severity,
        tuple(reasons), flows_query(where, first, last), (giver, taker),
        {"bytes_in": int(row["came"]), "bytes_out": int(row["went"]), "ratio": round(follow.ratio, 3),
         "lag_s": round(follow.lag_s, 1), "correlation": round(follow.correlation, 3), "z": round(follow.z, 1),
         "rank": follow.rank, "shifts": follow.shifts, "relay": "of one pair"},
    )  # fmt: skip


BALANCED = f"""
WITH bins AS (SELECT {HOME} AS home,
  epoch_us(time_start) // {{width}} AS bin, coalesce(sum(bytes) FILTER (direction = 'in'), 0)::DOUBLE AS came,
  coalesce(sum(bytes) FILTER (direction = 'out'), 0)::DOUBLE AS went
  FROM chosen_flows WHERE direction IN ('in', 'out') GROUP BY home, bin),
 hosts AS (SELECT home, sum(came) AS came, sum(went) AS went, count(*) AS bins,
  corr(sqrt(came), sqrt(went)) AS correlation FROM bins GROUP BY home
  HAVING least(sum(came), sum(went)) >= {LEAST_RELAYED} AND count(*) >= 12
   AND least(sum(came), sum(went)) > 0.6 * greatest(sum(came), sum(went))),
 calls AS (SELECT CASE way WHEN 'out' THEN client ELSE server END AS home,
  count(DISTINCT client) FILTER (way = 'in' AND down_packets > 0) AS clients,
  count(DISTINCT server) FILTER (way = 'out' AND down_packets > 0) AS servers,
  mode(port) FILTER (way = 'in' AND down_packets > 0) AS port, mode(port) FILTER (way = 'out') AS out_port,
  coalesce(sum(up_bytes) FILTER (way = 'in'), 0)::DOUBLE AS from_clients,
  coalesce(sum(down_bytes) FILTER (way = 'in'), 0)::DOUBLE AS to_clients,
  coalesce(sum(up_bytes) FILTER (way = 'out'), 0)::DOUBLE AS to_servers,
  coalesce(sum(down_bytes) FILTER (way = 'out'), 0)::DOUBLE AS from_servers,
  min(first_us) AS first_us, max(last_us) AS last_us FROM pairs WHERE way IN ('in', 'out') GROUP BY home)
SELECT * FROM hosts JOIN calls USING (home) WHERE clients >= {MANY} AND servers >= {MANY} AND correlation > 0.6
ORDER BY came + went DESC LIMIT 200"""


def _relays(scene: Scene) -> Iterator[tuple[bytes, Finding]]:
    """Hosts that take from many and send to many in balance: proxies, VPN and Tor relays, mail relays."""
    classes = class_bit("tor-exit") | class_bit("tor-relay")
    listed = {
        row["home"]: int(row["classes"])
        for row in scene.pairs.sql(
            f"SELECT {HOME} AS home,"
            " bit_or(CASE direction WHEN 'in' THEN dst_class ELSE src_class END) AS classes FROM chosen_flows"
            f" WHERE direction IN ('in', 'out') GROUP BY home HAVING classes & {classes} <> 0"
        ).to_pylist()
    }
    seen = set()
    sampled = int(scene.pairs.sql("SELECT coalesce(max(sampling), 1) AS n FROM chosen_flows")["n"][0].as_py()) > 1
    width_s = 3600 if sampled else 300  # a sampled flow tells little of five minutes
    for row in scene.pairs.sql(BALANCED.replace("{width}", str(width_s * 1_000_000))).to_pylist():
        forward = min(row["from_clients"], row["to_servers"]) / max(row["from_clients"], row["to_servers"], 1)
        back = min(row["to_clients"], row["from_servers"]) / max(row["to_clients"], row["from_servers"], 1)
        if back < 0.5 or forward < 0.2:
            continue
        seen.add(row["home"])
        yield row["home"], _relay_finding(row, listed.get(row["home"], 0), forward, back, width_s)
    for home, bits in listed.items():
        if home not in seen:
            who = format_address(home)
            yield home, Finding(
                "passthrough", f"{who} is listed as a Tor relay", scene.since_s, scene.until_s, who, 0.6, "medium",
                (f"a Tor consensus of that time lists {who} as {' and '.join(class_names(bits))}: traffic that shows"
                 " our address can be somebody else's",),
                flows_query(f"src = '{who}' OR dst = '{who}'", scene.since_s, scene.until_s), (),
                {"relay": "tor", "classes": class_names(bits)},
            )  # fmt: skip


def _relay_finding(row: dict[str, Any], bits: int, forward: float, back: float, width_s: int) -> Finding:
    who = format_address(row["home"])
    first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
    kind = RELAY_PORTS.get(row["port"], "")
    mail = row["port"] == 25 and row["out_port"] == 25
    if mail:
        kind = "a mail relay"
    elif bits:
        kind = "Tor"
    balance = min(row["came"], row["went"]) / max(row["came"], row["went"])
    score = float(np.clip(balance * row["correlation"] * (0.4 if mail else 0.95), 0, 0.98))
    reasons = [
        f"{row['clients']:,} outside hosts called {who}, mostly on port {row['port']}"
        f"{f' (as for {kind})' if kind else ''}, and it called {row['servers']:,} others",
        f"{format_bytes(row['came'])} came in and {format_bytes(row['went'])} went out, in step"
        f" (correlation {row['correlation']:.2f} in bins of {width_s // 60} min): {forward:.0%} of what clients sent"
        f" went on, {back:.0%} came"
        " back; an ordinary server sends far more than it gets, an ordinary client gets far more than it sends",
    ]
    if bits:
        reasons.append(f"a Tor consensus of that time lists it as {' and '.join(class_names(bits))}")
    if mail:
        reasons.append("mail servers hand on what they get: expected where it is one")
    severity: Severity = "low" if mail else "high" if score > 0.6 and balance > 0.75 else "medium"
    return Finding(
        "passthrough", f"{who} relays for {row['clients']:,} outside hosts", int(first), int(last) + 1, who, score,
        severity, tuple(reasons), flows_query(f"src = '{who}' OR dst = '{who}'", first, last), (),
        {"bytes_in": int(row["came"]), "bytes_out": int(row["went"]), "clients": row["clients"],
         "servers": row["servers"], "port": row["port"], "correlation": round(row["correlation"], 3),
         "relay": kind or "unknown"},
    )  # fmt: skip
