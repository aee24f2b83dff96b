"""Scans in either direction and within, by the threshold random walk over first contacts.

Jung, Paxson, Berger, Balakrishnan, "Fast portscan detection using sequential hypothesis testing" (IEEE S&P 2004): a
host whose first contacts fail is a scanner, one whose succeed is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidegauge.hunt.context import MOST_LISTED, HuntContext, displayed, service, times, whereabouts
from tidegauge.hunt.hunts.password_guessing import GUESSED
from tidegauge.hunt.limits import HuntLimit, quantile
from tidegauge.lake import Caller
from tidegauge.model import Finding, Severity, format_address, format_time

Floats = NDArray[np.float64]

BENIGN, SCANNER = 0.8, 0.2
"""Probability that a first contact succeeds, of a host that does not scan and of one that does."""
STEP = log((1 - SCANNER) / (1 - BENIGN))
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
NBSTAT = 137
ALIKE = 0.8
"""Share of the hosts tried that try others at the same port, from which on they look for one another."""
MOST_TRIED = 4000


@dataclass(frozen=True, kw_only=True)
class Scanner(Caller):
    """What a scanner tried in vain; `port`, `proto` and `server` are the most frequent.

    Attributes:
        failed, succeeded: first contacts.
        ratio: log likelihood.
    """

    server: bytes
    servers: int
    ports: int
    failed: int
    succeeded: int
    calls: int
    ratio: float


def threshold() -> float:
    """Above this a host is called a scanner: wrong for one in 1/`FALSE` that is none, right for `POWER` of scanners.

    >>> round(threshold(), 1)
    11.5
    """
    return log(POWER / FALSE)


def find(context: HuntContext) -> list[Finding]:
    """Scanners, those with the most failed first contacts first."""
    unanswered_ways = context.one_sided
    context.make("name_queries", nbstat=NBSTAT)
    context.make("contacts", nbstat=NBSTAT, again=AGAIN, again_us=AGAIN_US, unanswered_ways=unanswered_ways)
    context.make("judged", wide=WIDE, often=OFTEN, least_targets=LEAST_TARGETS, watched=WATCHED, step=STEP,
                 rarely_fails=RARELY_FAILS)
    rows = context.rows(Scanner, "scanners", threshold=threshold(), listed=4 * MOST_LISTED)
    context.examined["hosts that called"] += int(context.value("clients"))
    context.limits += _limits(context)
    if len(rows) > MOST_LISTED:
        context.skipped["scanner", "quieter than the ones listed"] += len(rows) - MOST_LISTED
    neighbours = _neighbours(context) if any(row.way == "internal" for row in rows) else set()
    return [_finding(row, (row.client, row.port, row.proto) in neighbours) for row in rows[:MOST_LISTED]]


def _neighbours(context: HuntContext) -> set[tuple[bytes, int, int]]:
    """Client, port and protocol where most of the hosts within that it tried try others there too, but for services
    that guessing and worms are after."""
    rows = context.table("neighbours").to_pylist()
    return {
        (r["client"], r["port"], r["proto"]) for r in rows
        if r["port"] >= 1024 and r["port"] not in GUESSED and r["alike"] >= ALIKE * r["servers"]
    }


def _limits(context: HuntContext) -> list[HuntLimit]:
    """With how many others that do not answer one of ours must try: at a port that it does not use otherwise, and at
    the one that most use, among its own calls there."""
    table = context.table("own_contacts")
    tries = np.arange(LEAST_TARGETS, MOST_TRIED)
    quiet = _needed(np.zeros(1), np.zeros(1), tries)
    used = _needed(table["s"].to_numpy().astype(np.float64), table["f"].to_numpy().astype(np.float64), tries)
    covered = context.covered if context.sampling == 1 else 0.0
    what = "tried by a host of ours that do not answer, at a port that it does not use otherwise"
    out = [HuntLimit("scans", "site", what, quantile(quiet, covered), "hosts")]
    if table.num_rows:
        port = int(table["port"][0].as_py())
        what = f"tried by a host of ours that do not answer, among its own calls to tcp/{port}"
        out.append(HuntLimit("scans", "site", what, quantile(used, covered), "hosts"))
    return out


def _needed(succeeded: Floats, failed: Floats, tries: NDArray[np.int64]) -> Floats:
    """How many more failed first contacts make each host a scanner, by the same ratio as `sql/judged.sql`; infinite
    where none of the tried numbers does. Shape (n,)."""
    f, s = failed[:, None] + tries[None], np.broadcast_to(succeeded[:, None], (len(failed), len(tries)))
    share = f / (f + s)
    kept = np.where(s > 0, s * np.log(np.maximum(1 - share, 1e-12) / (1 - RARELY_FAILS)), 0.0)
    often = np.where(share >= OFTEN, f * np.log(share / RARELY_FAILS) + kept, 0.0)
    called = np.maximum(STEP * (f - s), often) >= threshold()
    return np.where(called.any(axis=1), tries[called.argmax(axis=1)], np.inf)


class Shape(NamedTuple):
    """Whether a scan is of many hosts, of many ports or of both, and of what, as part of a sentence."""

    name: str
    what: str


def _shape(scanner: Scanner) -> Shape:
    servers, ports = scanner.servers, scanner.ports
    if servers >= 5 and ports >= 5 and min(servers, ports) > 0.1 * max(servers, ports):
        return Shape("block", f"{servers:,} hosts on {ports:,} ports")
    if servers >= ports:
        others = f" and {ports - 1} more" if ports > 1 else ""
        return Shape("horizontal", f"{servers:,} hosts on {service(scanner.proto, scanner.port)}{others}")
    others = f" and {servers - 1} more" if servers > 1 else ""
    return Shape("vertical", f"{ports:,} ports of {format_address(scanner.server)}{others}")


def _finding(scanner: Scanner, among_neighbours: bool) -> Finding:
    who, inward = format_address(scanner.client), scanner.way == "in"
    shape, what = _shape(scanner)
    loud = float(np.clip(np.log10(max(scanner.failed, 1)) / 5, 0, 1))
    score = float(np.clip(0.3 + 0.5 * loud, 0, 0.95)) if inward else float(np.clip(0.6 + 0.35 * loud, 0, 0.98))
    severity: Severity = "low" if inward else "medium"
    one_port = shape == "horizontal" and scanner.ports == 1
    if scanner.way == "out" and scanner.failed >= 50 and shape != "block":
        severity = "high"
    elif among_neighbours and one_port and scanner.way == "internal":
        severity, score = "low", score / 2
    reasons = [
        f"{who}{whereabouts(scanner) if inward else ''} tried {what} between {format_time(scanner.first_s)} and"
        f" {format_time(scanner.last_s)}: {scanner.failed:,} first contacts failed, {scanner.succeeded:,} came to"
        " something",
        f"log likelihood ratio of a scanner: {scanner.ratio:.0f}, above {threshold():.1f}; that takes a host that does"
        f" not scan for a scanner once in {1 / FALSE:,.0f} times",
    ]
    told = {
        "a host of ours that scans is often commanded from outside, or used by somebody else": not inward,
        "programs that share files among peers look for these in the same way": not inward and shape == "block",
        "most of these hosts try others at this port too, as programs do that share among neighbours":
            severity == "low" and not inward,
    }
    reasons += [reason for reason, holds in told.items() if holds]
    return Finding(
        kind="scan",
        title=f"{shape} scan by {who}: {what}",
        **times(scanner),
        subject=who,
        score=score,
        severity=severity,
        reasons=tuple(reasons),
        where=f"src = '{who}'" + (f" AND dst_port = {scanner.port}" if one_port else ""),
        peers=(format_address(scanner.server),) if scanner.servers == 1 else (),
        evidence={
            "shape": shape, "servers": scanner.servers, "ports": scanner.ports, "failed": scanner.failed,
            "succeeded": scanner.succeeded, "calls": scanner.calls, "ratio": round(scanner.ratio, 1),
            **displayed(scanner), "way": scanner.way,
        },
    )
