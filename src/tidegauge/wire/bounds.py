"""What a flow that comes in live may claim: a time around its arrival, and bytes that its packets and wire carry."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import FlowBatch

LARGEST_PACKET = 65_535 + 40
"""Bytes of the largest IP packet without jumbograms: an IPv6 payload and its header (RFC 8200)."""
LEAST_LASTED_S, UNSTATED_LASTED_S = 1.0, 60.0
"""A flow is taken to have lasted at least the first; the second where it states no duration at all."""
REASONS = (
    "",
    "its time lies before the window around its arrival",
    "its time lies after the window around its arrival",
    "more bytes than its packets can hold",
    "more bytes than its interface can carry in its time",
)
"""By code; 0: it holds."""
EARLY, LATE, TOO_LARGE, TOO_FAST = 1, 2, 3, 4


@dataclass(frozen=True)
class Bounds:
    """The window around arrival, and speeds in bits per second: of exporters by name, and of all others."""

    back_s: float
    ahead_s: float
    speed_bps: float
    speeds_bps: dict[str, float] = field(default_factory=dict)

    def check(self, flows: FlowBatch, names: list[str], arrived_us: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Code of the first bound that each flow breaks; shape (n,).

        Args:
            names: exporters by position.
            arrived_us: when each flow's datagram came; 0 where that is not known, then its times are not looked at.
        """
        starts, ends = flows["time_start"], flows["time_end"]
        known = arrived_us > 0
        codes = np.zeros(len(flows), dtype=np.uint8)
        codes[known & (starts < arrived_us - int(self.back_s * 1e6))] = EARLY
        codes[known & (ends > arrived_us + int(self.ahead_s * 1e6))] = LATE
        octets, packets = flows["bytes"].astype(np.float64), flows["packets"].astype(np.float64)
        codes[(codes == 0) & (packets > 0) & (octets > packets * LARGEST_PACKET)] = TOO_LARGE
        lasted = (ends - starts) / 1e6
        lasted = np.where(lasted > 0, np.maximum(lasted, LEAST_LASTED_S), UNSTATED_LASTED_S)
        # A sampled packet stands for many: what the exporter itself saw is what its interface carried.
        seen_bits = octets * 8 / np.maximum(flows["sampling"], 1)
        codes[(codes == 0) & (seen_bits > lasted * self._speeds(flows, names))] = TOO_FAST
        return codes

    def _speeds(self, flows: FlowBatch, names: list[str]) -> NDArray[np.float64] | float:
        if not self.speeds_bps:
            return self.speed_bps
        by_position = np.array([self.speeds_bps.get(name, self.speed_bps) for name in names])
        return np.asarray(by_position[flows["exporter"]])
