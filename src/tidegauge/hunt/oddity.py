"""What is out of the ordinary about a service that a host calls: its port, its name, who is behind it, its age."""

from __future__ import annotations

from tidegauge.hunt.context import HuntContext, service, whereabouts
from tidegauge.lake import Pair
from tidegauge.model import class_bit, format_address
from tidegauge.model.domains import split_name
from tidegauge.model.generated import looks_generated

COMMON_PORTS = frozenset({21, 22, 25, 53, 80, 110, 123, 143, 443, 465, 587, 853, 993, 995, 8080})
C2 = class_bit("botnet-c2")
RELAYED = class_bit("tor-exit") | class_bit("tor-relay") | class_bit("vpn") | class_bit("proxy")
NEW_AFTER_S = 3 * 86400
"""What was not seen for so long since the data begin, and then is, is new."""


def is_new(context: HuntContext, began_s: float) -> bool | None:
    """Whether a pair began well after the data did; None where there are too few data to say."""
    quiet = began_s - context.history_s
    if quiet >= max(NEW_AFTER_S, 0.1 * (context.until_s - context.history_s)):
        return True
    return False if context.until_s - context.history_s >= 2 * NEW_AFTER_S else None


def odd(context: HuntContext, pair: Pair, name: str) -> str:
    """What is unlike ordinary polling of a maker's service; empty where nothing is.

    A service that was found by an ordinary name is somebody's known service; a computer program that calls an address
    nobody looked up, or a port that no service has, is not.
    """
    if int(pair.far_class or 0) & (C2 | RELAYED):
        return f"the far end is of a kind that hides who is behind it{whereabouts(pair)}"
    if name:
        made = looks_generated(split_name(name)[0])
        return f"its name, {name}, looks as if a program had made it" if made > 0.6 else ""
    if pair.port not in COMMON_PORTS:
        return f"{service(pair.proto, pair.port)} is not the port of a common service"
    if pair.client in context.askers:
        return f"nobody asked for a name of {format_address(pair.server)}: it is called by its bare address"
    return ""
