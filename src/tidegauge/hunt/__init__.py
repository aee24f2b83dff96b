"""Hunts over a lake: regular callers, scans, outgoing transmission, hosts that pass data on; one ranked list."""

from tidegauge.hunt.beacons import weighed
from tidegauge.hunt.expected import Expected, load_expected
from tidegauge.hunt.ledger import Closed, HuntLedger
from tidegauge.hunt.run import HISTORY_S, KINDS, Hunted, hunt
from tidegauge.hunt.scene import rhythm_of

__all__ = [
    "HISTORY_S", "KINDS", "Closed", "Expected", "HuntLedger", "Hunted", "hunt", "load_expected", "rhythm_of", "weighed",
]  # fmt: skip
