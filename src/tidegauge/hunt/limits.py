"""What a hunt would have found: the least of each kind that, planted into the site's own data, becomes a finding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import format_bytes, format_duration, shapes

POWER = 0.95


@dataclass(frozen=True)
class HuntLimit:
    """The least that would have been found, of severity medium or more, with a probability of `POWER`.

    Attributes:
        scope: `site`, or `watch NAME`.
        what: as part of a sentence.
        value: None where nothing would have been found that often.
        unit: `bytes`, `seconds`, or what is counted.
    """

    kind: str
    scope: str
    what: str
    value: float | None
    unit: str

    def text(self) -> str:
        """The limit as a line."""
        if self.value is None:
            return f"{self.kind}: {self.what}: no amount would have been found that often in these data"
        amount = {
            "bytes": format_bytes(self.value),
            "seconds": format_duration(round(self.value)),
        }.get(self.unit, f"{self.value:,.0f} {self.unit}")
        return f"{self.kind}: {amount} {self.what}"

    def to_json(self) -> shapes.HuntLimit:
        value = None if self.value is None else round(self.value)
        return {"kind": self.kind, "scope": self.scope, "what": self.what, "value": value, "unit": self.unit,
                "power": POWER}


def quantile(needed: NDArray[np.float64], covered: float) -> float | None:
    """The amount that is found with `POWER`, where that share of the time was seen; None where no amount is.

    >>> quantile(np.arange(1.0, 101.0), 1.0), quantile(np.ones(100), 0.9)
    (95.0, None)
    """
    if covered < POWER or not len(needed):
        return None
    value = float(np.sort(needed)[min(int(np.ceil(POWER / covered * len(needed))) - 1, len(needed) - 1)])
    return value if np.isfinite(value) else None
