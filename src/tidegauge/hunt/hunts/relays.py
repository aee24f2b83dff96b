"""Hosts of ours that take from many and send to many in balance: proxies, VPN and Tor relays, mail relays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegauge.hunt.context import HuntContext
from tidegauge.model import Finding, Severity, class_bit, class_names, format_address, format_bytes

RELAY_PORTS = {
    1080: "SOCKS", 3128: "an HTTP proxy", 8118: "an HTTP proxy", 8080: "an HTTP proxy", 8888: "an HTTP proxy",
    9001: "Tor", 9030: "Tor", 9050: "Tor", 1194: "OpenVPN", 51820: "WireGuard", 500: "IPsec", 4500: "IPsec",
    1723: "PPTP", 1701: "L2TP", 22: "SSH",
}
MAIL_PORT = 25
LEAST_RELAYED = 10_000_000
MANY = 10
LEAST_BACK, LEAST_FORWARD = 0.5, 0.2
"""Shares of what servers and clients sent that went on to the other side."""
WIDTH_S, SAMPLED_WIDTH_S = 300, 3600
"""Bins of time; a sampled flow tells little of five minutes."""
TOR = class_bit("tor-exit") | class_bit("tor-relay")


@dataclass(frozen=True, kw_only=True)
class Balanced:
    """A host, what it exchanged with its clients and servers (bytes), and their most frequent ports."""

    home: bytes
    came: float
    went: float
    correlation: float
    clients: int
    servers: int
    port: int
    out_port: int
    from_clients: float
    to_clients: float
    to_servers: float
    from_servers: float
    first_us: int
    last_us: int

    @property
    def forward(self) -> float:
        """How alike what clients sent and what went to servers are."""
        return _alike(self.from_clients, self.to_servers)

    @property
    def back(self) -> float:
        """How alike what servers sent and what went to clients are."""
        return _alike(self.to_clients, self.from_servers)


def _alike(a: float, b: float) -> float:
    return min(a, b) / max(a, b, 1)


def find(context: HuntContext) -> list[Finding]:
    """Those that relay, the most bytes first, then those that a consensus of Tor lists besides."""
    listed = {
        row["home"]: int(row["classes"]) for row in context.table("listed_relays", classes=TOR).to_pylist()
    }
    width_s = SAMPLED_WIDTH_S if int(context.value("greatest_sampling")) > 1 else WIDTH_S
    rows = context.rows(
        Balanced, "balanced", width_us=width_s * 1_000_000, least_relayed=LEAST_RELAYED, many=MANY
    )
    relaying = [row for row in rows if row.back >= LEAST_BACK and row.forward >= LEAST_FORWARD]
    seen = {row.home for row in relaying}
    found = [_finding(row, listed.get(row.home, 0), width_s) for row in relaying]
    return found + [_listed(context, home, bits) for home, bits in listed.items() if home not in seen]


def _listed(context: HuntContext, home: bytes, bits: int) -> Finding:
    who = format_address(home)
    return Finding(
        kind="passthrough",
        title=f"{who} is listed as a Tor relay",
        start_s=context.since_s,
        end_s=context.until_s,
        subject=who,
        score=0.6,
        severity="medium",
        reasons=(
            f"a Tor consensus of that time lists {who} as {' and '.join(class_names(bits))}: traffic that shows our"
            " address can be somebody else's",
        ),
        where=f"src = '{who}' OR dst = '{who}'",
        evidence={"relay": "tor", "classes": class_names(bits)},
    )


def _finding(row: Balanced, bits: int, width_s: int) -> Finding:
    who = format_address(row.home)
    mail = row.port == MAIL_PORT and row.out_port == MAIL_PORT
    kind = "a mail relay" if mail else "Tor" if bits else RELAY_PORTS.get(row.port, "")
    balance = min(row.came, row.went) / max(row.came, row.went)
    score = float(np.clip(balance * row.correlation * (0.4 if mail else 0.95), 0, 0.98))
    severity: Severity = "low" if mail else "high" if score > 0.6 and balance > 0.75 else "medium"
    reasons = [
        f"{row.clients:,} outside hosts called {who}, mostly on port {row.port}"
        f"{f' (as for {kind})' if kind else ''}, and it called {row.servers:,} others",
        f"{format_bytes(row.came)} came in and {format_bytes(row.went)} went out, in step (correlation"
        f" {row.correlation:.2f} in bins of {width_s // 60} min): {row.forward:.0%} of what clients sent went on,"
        f" {row.back:.0%} came back; an ordinary server sends far more than it gets, an ordinary client gets far more"
        " than it sends",
    ]
    if bits:
        reasons.append(f"a Tor consensus of that time lists it as {' and '.join(class_names(bits))}")
    if mail:
        reasons.append("mail servers hand on what they get: expected where it is one")
    return Finding(
        kind="passthrough",
        title=f"{who} relays for {row.clients:,} outside hosts",
        start_s=row.first_us // 1_000_000,
        end_s=row.last_us // 1_000_000 + 1,
        subject=who,
        score=score,
        severity=severity,
        reasons=tuple(reasons),
        where=f"src = '{who}' OR dst = '{who}'",
        evidence={
            "bytes_in": int(row.came), "bytes_out": int(row.went), "clients": row.clients, "servers": row.servers,
            "port": row.port, "correlation": round(row.correlation, 3), "relay": kind or "unknown",
        },
    )
