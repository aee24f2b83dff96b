"""Who carried a surge: groups of flows beside what each of them usually amounts to."""

from __future__ import annotations

from dataclasses import replace

from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import Carrier, Excess, format_address, format_time

GROUPS = ("far", "far_as", "far_country", "home", "home_port", "far_port", "proto", "exporter")
SHOWN = 3
MOST_EXPLAINED = 5
LEAST_SHARE = 0.01


def explained(
    lake: Lake, surges: tuple[Excess, ...], conditions: tuple[str, ...], question: str, *,
    metric: str, history_s: tuple[int, int],
) -> tuple[Excess, ...]:
    """Surges with who carried their excess, and the command that shows the flows; the first few of many."""
    return tuple(
        replace(
            surge,
            carried_by=_carriers(lake, surge, conditions, metric, history_s) if i < MOST_EXPLAINED else (),
            query=(
                f"tidegauge top far far_as home home_port --since {format_time(surge.start_s)}"
                f' --until {format_time(surge.end_s)} --metric {metric} --where "{question}"'
            ),
        )
        for i, surge in enumerate(surges)
    )


def _carriers(
    lake: Lake, surge: Excess, conditions: tuple[str, ...], metric: str, history_s: tuple[int, int]
) -> tuple[Carrier, ...]:
    """For each kind of group the largest parts of the excess, by the flows that began in the surge's time."""
    found: list[Carrier] = []
    part = (surge.end_s - surge.start_s) / max(history_s[1] - history_s[0], 1)
    inside = FlowFilter(surge.start_s * 1_000_000, surge.end_s * 1_000_000, conditions)
    before = FlowFilter(history_s[0] * 1_000_000, history_s[1] * 1_000_000, conditions)
    for name in GROUPS:
        rows = lake.compare(name, inside, before, metric=metric)
        above = {key: amount - past * part for key, amount, past in rows}
        total = sum(max(excess, 0.0) for excess in above.values())
        if total <= 0:
            continue
        largest = sorted(rows, key=lambda row: -above[row[0]])[:SHOWN]
        found += [
            Carrier(name, _shown(key), amount, past * part, above[key] / total)
            for key, amount, past in largest
            if above[key] / total >= LEAST_SHARE
        ]
    return tuple(found)


def _shown(value: object) -> str:
    return format_address(value) if isinstance(value, bytes) else str(value)
