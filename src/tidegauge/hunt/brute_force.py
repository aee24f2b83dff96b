"""Passwords guessed: dozens of short conversations alike, each opened anew, with a service that is not everybody's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tidegauge.hunt.context import MOST_BEFORE, MOST_LISTED, PUBLIC_CLIENTS, Scene, flows_query, service, whereabouts
from tidegauge.model import Finding, Severity, format_address, format_bytes, format_duration

GUESSES = 20
GUESSED = {21: "FTP", 22: "SSH", 23: "telnet", 25: "mail", 110: "mail", 143: "mail", 445: "SMB", 465: "mail",
           587: "mail", 993: "mail", 995: "mail", 1433: "SQL Server", 3306: "MySQL", 3389: "RDP", 5432: "PostgreSQL",
           5900: "VNC"}  # fmt: skip
REQUESTS = (53, 80, 443, 853, 1883, 5222, 5223, 6379, 8000, 8008, 8080, 8081, 8088, 8443, 8883, 8888, 9200)
"""Ports at which requests are short and alike by nature."""
LEAST_PACKETS = 7
"""Of the client in a conversation: a password takes several turns, a request one."""
MOST_UP, MOST_DOWN, MOST_PACKETS = 6000, 12000, 40
"""Bytes out and back, and packets out, of a conversation that ended at a refused password."""
ALIKE = 0.4
"""The middle half of the conversations differ in size by at most this share of the median."""
SHORT_S = 60.0
A_MINUTE = 1.0
"""Conversations a minute, from which on so few are told from a program's at a port that is not known for passwords,
and are serious at one that is."""
STEADY_S = 6 * 3600
"""What goes on longer than that, or went on before, is how two programs talk."""

SPRAYED, SPRAYED_AT = 60, 5
"""So many conversations with so many servers together, a few with each, are one guess at the names of all."""

SPRAYS = (
    "SELECT client, port, way, count(*) AS servers, sum(held)::BIGINT AS held, sum(calls)::BIGINT AS calls,"
    " sum(up_bytes) AS up_bytes, sum(down_bytes) AS down_bytes, list(server ORDER BY first_us) AS asked,"
    " min(first_us) AS first_us, max(last_us) AS last_us, any_value(far_country) AS far_country,"
    " any_value(far_as) AS far_as, max(far_class) AS far_class FROM pairs"
    f" WHERE proto = 6 AND port IN ({{ports}}) AND held BETWEEN 2 AND {GUESSES - 1} AND held >= 0.8 * calls"
    f" AND up_bytes < {MOST_UP} * calls AND coalesce(down_bytes, 0) BETWEEN 1 AND {MOST_DOWN} * calls"
    f" AND up_packets < {MOST_PACKETS} * calls"
    f" AND (sampling > 1 OR up_packets >= {LEAST_PACKETS} * calls) GROUP BY client, port, way"
    f" HAVING servers >= {SPRAYED_AT} AND held >= {SPRAYED} ORDER BY held DESC, client LIMIT {MOST_LISTED}"
)
"""Clients that have a few short conversations each with many servers of one service that asks for passwords."""

SHAPES = (
    "SELECT client, server, port, proto, way, count(*) AS shaped, count(DISTINCT cport) AS ports,"
    " quantile_cont(bytes, [0.25, 0.5, 0.75]) AS sizes,"
    " quantile_cont(epoch_us(time_end) - epoch_us(time_start), 0.9) AS lasted_us FROM oriented"
    " JOIN wanted USING (client, server, port, proto, way) WHERE fwd GROUP BY ALL"
)


def guesses(row: dict[str, Any]) -> bool:
    """Whether a pair looks like somebody who guesses passwords of a service that asks for one."""
    turns = row["sampling"] > 1 or row["up_packets"] >= LEAST_PACKETS * row["calls"]
    return row["port"] in GUESSED and turns and _many_short(row, a_minute=2 / 60)


def _many_short(row: dict[str, Any], a_minute: float) -> bool:
    minutes = max((row["last_us"] - row["first_us"]) / 6e7, 1e-9)
    return bool(
        row["proto"] == 6 and row["held"] >= GUESSES and row["calls"] > a_minute * minutes
        and row["up_bytes"] < MOST_UP * row["calls"] and (row["down_bytes"] or 0) < MOST_DOWN * row["calls"]
        and row["up_packets"] < MOST_PACKETS * row["calls"]
    )  # fmt: skip


def guessing(scene: Scene) -> Iterator[Finding]:
    """Many short conversations of one size with a service that asks for a password, whatever its port."""
    known, others = ", ".join(str(p) for p in GUESSED), ", ".join(str(p) for p in (*GUESSED, *REQUESTS))
    table = scene.pairs.sql(
        f"SELECT * FROM pairs WHERE proto = 6 AND port IN ({known}) AND held >= {GUESSES}"
        " ORDER BY held DESC LIMIT 2000"
    )
    listed = [row for row in table.to_pylist() if guesses(row) and not _steady(scene, row)]
    yield from (f for row in listed[:MOST_LISTED] if (f := _finding(scene, row)) is not None)
    scene.pairs.make(
        "shaped",
        "WITH crowds AS (SELECT server, port, count(DISTINCT client) AS clients FROM pairs WHERE proto = 6"
        " GROUP BY ALL) SELECT pairs.* FROM pairs JOIN crowds USING (server, port) WHERE proto = 6"
        f" AND port NOT IN ({others}) AND held >= {GUESSES} AND held >= 0.8 * calls AND clients < {PUBLIC_CLIENTS}"
        f" AND sampling = 1 AND up_packets >= {LEAST_PACKETS} * calls AND down_bytes > 0 ORDER BY held DESC LIMIT 2000",
    )
    rows = [row for row in scene.pairs.sql("SELECT * FROM shaped").to_pylist() if _many_short(row, A_MINUTE)]
    if not rows:
        return
    wanted = scene.pairs.sql("SELECT client, server, port, proto, way FROM shaped")
    shapes = {
        (s["client"], s["server"], s["port"]): s for s in scene.pairs.joined(SHAPES, wanted).to_pylist()
    }  # fmt: skip
    shaped = [row for row in rows if _alike(shapes[row["client"], row["server"], row["port"]], row)]
    for row in [row for row in shaped if not _steady(scene, row, always=True)][:MOST_LISTED]:
        if (finding := _finding(scene, row)) is not None:
            yield finding


def spraying(scene: Scene) -> Iterator[Finding]:
    """A few short conversations each with many servers of one service: one password tried everywhere.

    Who worked with these servers before, or goes on for long, is no guesser; nor is mail between servers.
    """
    ports = ", ".join(str(port) for port, name in GUESSED.items() if name != "mail")
    rows = scene.pairs.sql(SPRAYS.format(ports=ports)).to_pylist()
    rows = [row for row in rows if row["held"] >= A_MINUTE * (row["last_us"] - row["first_us"]) / 6e7]
    known = scene.asked_before([(row["client"], 6, row["port"]) for row in rows if row["way"] != "in"])
    for row in rows:
        before = known.get((row["client"], 6, row["port"]), set())
        if len(before.intersection(row["asked"])) >= MOST_BEFORE * row["servers"]:
            scene.skipped["client of many", "worked with most of them before"] += 1
        elif row["last_us"] - row["first_us"] < STEADY_S * 1_000_000:
            yield _spray(row)


def _spray(row: dict[str, Any]) -> Finding:
    who, name = format_address(row["client"]), GUESSED[row["port"]]
    first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
    inward = row["way"] == "in"
    a_minute = row["held"] / max((last - first) / 60, 1)
    reasons = (
        f"{who}{whereabouts(row) if inward else ''} had {row['held']:,} short conversations with"
        f" {service(6, row['port'])} of {row['servers']:,} hosts in {format_duration(round(last - first))}"
        f" ({a_minute:.1f} a minute), {row['held'] / row['servers']:.0f} with each in the mean,"
        f" {format_bytes(row['up_bytes'] / row['calls'])} out and {format_bytes(row['down_bytes'] / row['calls'])} back"
        " in the mean: as if the same few passwords were tried at all of them",
        "so does a program that its owner lets log in to all of them; the history does not show that it did before",
    )
    return Finding(
        "password-guessing", f"{who} guesses passwords of {name} at {row['servers']:,} hosts", int(first),
        int(last) + 1, who, float(np.clip(0.3 + 0.12 * np.log10(row["held"]) + 0.05 * min(a_minute, 4), 0, 0.9)),
        "low" if inward else "medium", reasons,
        flows_query(f"src = '{who}' AND dst_port = {row['port']}", first, last), (),
        {"service": name, "conversations": row["held"], "servers": row["servers"], "a_minute": round(a_minute, 2),
         "way": row["way"], "country": row["far_country"], "as": row["far_as"]},
    )  # fmt: skip


def _alike(shape: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether conversations are short, of one size, and each opened anew."""
    low, middle, high = shape["sizes"]
    return bool(
        shape["ports"] >= 0.8 * row["calls"] and shape["lasted_us"] <= SHORT_S * 1e6 and high - low <= ALIKE * middle
    )  # fmt: skip


def _steady(scene: Scene, row: dict[str, Any], *, always: bool = False) -> bool:
    """Whether two hosts of ours (or any two, with `always`) talk so for long, or did before: two programs."""
    if row["way"] != "internal" and not always:
        return False
    if row["last_us"] - row["first_us"] >= STEADY_S * 1_000_000:
        return True
    return row["first_us"] / 1e6 - scene.since_s < 60 and scene.seen_before(row)


def _finding(scene: Scene, row: dict[str, Any]) -> Finding | None:
    who, whom = format_address(row["client"]), format_address(row["server"])
    name = GUESSED.get(row["port"], f"the service at {service(6, row['port'])}")
    mail = name == "mail"
    if mail and (row["way"] != "in" or row["held"] < 5 * GUESSES):
        return None  # mail programs and servers talk like that
    if scene.expects(row) and not mail:
        return None
    first, last = row["first_us"] / 1e6, row["last_us"] / 1e6
    a_minute = row["held"] / max((last - first) / 60, 1)
    score = float(np.clip(0.3 + 0.12 * np.log10(row["held"]) + 0.05 * min(a_minute, 4), 0, 0.9))
    slow = a_minute < A_MINUTE and row["held"] < 5 * GUESSES
    severity: Severity = "low" if row["way"] == "in" or slow else "medium"
    if severity == "medium" and row["held"] >= 200 and a_minute > 2:
        severity = "high"
    reasons = [
        f"{who}{whereabouts(row) if row['way'] == 'in' else ''} had {row['held']:,} short conversations with"
        f" {service(6, row['port'])} of {whom} in {format_duration(round(last - first))}"
        f" ({a_minute:.1f} a minute), {format_bytes(row['up_bytes'] / max(row['calls'], 1))} out and"
        f" {format_bytes((row['down_bytes'] or 0) / max(row['calls'], 1))} back in the mean: as if each ended at a"
        " refused password"
    ]
    if slow:
        reasons.append("few, and far between: programs that work with the service can look like that")
    if row["port"] not in GUESSED:
        reasons.append(
            "its port is that of no service known to ask for passwords: they are told by their shape, short, of one"
            " size, and each opened anew"
        )
    return Finding(
        "password-guessing", f"{who} guesses passwords of {name} at {whom}", int(first), int(last) + 1, who, score,
        severity, tuple(reasons),
        flows_query(f"src = '{who}' AND dst = '{whom}' AND dst_port = {row['port']}", first, last), (whom,),
        {"service": GUESSED.get(row["port"], service(6, row["port"])), "conversations": row["held"],
         "a_minute": round(a_minute, 2), "way": row["way"], "country": row["far_country"], "as": row["far_as"]},
    )  # fmt: skip
