"""Words of the vocabulary that questions choose from."""

from __future__ import annotations

METRICS = ("bytes", "packets", "flows", "hosts")
"""What is counted; hosts are distinct far ends."""
DIRECTIONS = ("in", "out", "internal", "transit")
"""Of a flow, by the home prefixes."""
