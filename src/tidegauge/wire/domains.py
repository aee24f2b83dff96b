"""Parts of an exporter (agents, observation domains, sub-agents): told apart up to a bound, counted together beyond."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import OTHER_PARTS

MOST_PARTS = 256
"""Parts of one exporter that are told apart. One that was silent gives up its place when a new one comes."""
SILENT_US = 3_600_000_000
AGENT_SHIFT = 32
MOST_AGENTS = 1 << 10


@dataclass
class Parts:
    """Which parts of which exporters are told apart.

    A part is a number: the observation domain (or sub-agent), and above it the place of its agent in `agents`.

    Attributes:
        agents: sFlow agents that are not the sender itself; the first stands for none.
        heard_us: by exporter, parts and when each was heard last.
    """

    agents: list[str] = field(default_factory=lambda: [""])
    heard_us: dict[int, dict[int, int]] = field(default_factory=dict)

    def agent(self, name: str) -> int:
        """The place of an agent; that of all others where there are too many."""
        if name in self.agents:
            return self.agents.index(name)
        if len(self.agents) >= MOST_AGENTS - 1:
            self.agents = [*self.agents[: MOST_AGENTS - 1], "other agents"]
            return MOST_AGENTS - 1
        self.agents.append(name)
        return len(self.agents) - 1

    def known(
        self, exporters: NDArray[np.int32], parts: NDArray[np.int64], arrived_us: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which datagrams are of a part that is told apart; all of shape (n,)."""
        found = np.ones(len(parts), dtype=bool)
        if not len(parts):
            return found
        now_us = int(arrived_us.max())
        if (parts == parts[0]).all() and (exporters == exporters[0]).all():
            found[:] = self._place(int(exporters[0]), int(parts[0]), now_us)
            return found
        _, first, inverse = np.unique(
            (parts << np.int64(20)) | exporters, return_index=True, return_inverse=True
        )
        kept = [self._place(int(exporters[i]), int(parts[i]), now_us) for i in first.tolist()]
        return np.array(kept)[inverse]

    def _place(self, exporter: int, part: int, now_us: int) -> bool:
        own = self.heard_us.setdefault(exporter, {})
        if part not in own and len(own) >= MOST_PARTS:
            oldest = min(own, key=own.__getitem__)
            if now_us - own[oldest] < SILENT_US:
                return False
            del own[oldest]
        own[part] = now_us
        return True

    def name(self, part: int) -> str:
        """The agent of a part; empty where it is the sender itself."""
        return self.agents[part >> AGENT_SHIFT]


def domains_of(parts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The observation domain or sub-agent of parts."""
    return parts & OTHER_PARTS
