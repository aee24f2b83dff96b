"""What is out of the ordinary about a service that a host calls: its port, its name, who is behind it, its age."""

from __future__ import annotations

from typing import Any

from tidegauge.hunt.context import Scene, service, whereabouts
from tidegauge.hunt.names import split_name
from tidegauge.model import class_bit, format_address
from tidegauge.model.generated import looks_generated

COMMON_PORTS = frozenset({21, 22, 25, 53, 80, 110, 123, 143, 443, 465, 587, 853, 993, 995, 8080})
C2 = class_bit("botnet-c2")
RELAYED = class_bit("tor-exit") | class_bit("tor-relay") | class_bit("vpn") | class_bit("proxy")
RARE_CALLERS = 3
NEW_AFTER_S = 3 * 86400
"""What was not seen for so long since the data begin, and then is, is new."""


def is_new(scene: Scene, began_s: float) -> bool | None:
    """Whether a pair began well after the data did; None where there are too few data to say."""
    quiet = began_s - scene.history_s
    if quiet >= max(NEW_AFTER_S, 0.1 * (scene.until_s - scene.history_s)):
        return True
    return False if scene.until_s - scene.history_s >= 2 * NEW_AFTER_S else None


def odd(scene: Scene, row: dict[str, Any], name: str) -> str:
    """What is unlike ordinary polling of a maker's service; empty where nothing is.

    A service that was found by an ordinary name is somebody's known service; a computer program that calls an address
    nobody looked up, or a port that no service has, is not.
    """
    if int(row["far_class"] or 0) & (C2 | RELAYED):
        return f"the far end is of a kind that hides who is behind it{whereabouts(row)}"
    if name:
        made = looks_generated(split_name(name)[0])
        return f"its name, {name}, looks as if a program had made it" if made > 0.6 else ""
    if row["port"] not in COMMON_PORTS:
        return f"{service(row['proto'], row['port'])} is not the port of a common service"
    if row["client"] in scene.askers:
        return f"nobody asked for a name of {format_address(row['server'])}: it is called by its bare address"
    return ""
