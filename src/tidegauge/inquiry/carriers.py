"""The exporters by which what is asked about came: how much was seen of it is how much was seen of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidegauge.inquiry.asked import Asked, Span
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import format_some
from tidegauge.series import BLIND_BELOW, Coverage

MOST_ROWS = 5000
MOST_NAMED = 10
ALIKE = 0.999
"""Where all exporters were seen for so much of the history and the asked time, it is all one who brought what."""
Shares = dict[str, float]


@dataclass(frozen=True)
class Carriers:
    """What each exporter brought of something in the history, in flows, and what was seen of each in the asked time."""

    brought: Shares
    seen: Shares

    @property
    def share(self) -> float:
        """How much of it was seen in the asked time; all where nothing was brought."""
        total = sum(self.brought.values())
        return sum(self.seen.get(name, 1.0) * count for name, count in self.brought.items()) / total if total else 1.0

    def reason(self, selection: str) -> Iterator[str]:
        """Yield the exporter that is missing most, where less than four fifths was seen."""
        if self.share >= BLIND_BELOW:
            return
        name, count = max(self.brought.items(), key=lambda item: item[1] * (1 - self.seen.get(item[0], 1.0)))
        yield (
            f"{count / sum(self.brought.values()):.0%} of the flows of {selection} came by the exporter {name}"
            f" before, of which {self.seen.get(name, 0.0):.0%} of the asked time was seen."
        )


def carriers_of(lake: Lake, asked: Asked, span: Span, coverage: Coverage) -> Carriers:
    """Return who brought a selection."""
    if _alike(coverage, span):
        return Carriers({}, {})
    table, _ = lake.top(["exporter"], _history(asked, span), metric="flows", limit=MOST_ROWS)
    brought = {row["exporter"]: float(row["flows"]) for row in table.to_pylist()}
    return Carriers(brought, coverage.by_exporter(span.since_s, span.until_s))


def carriers_by_origin(
    lake: Lake, asked: Asked, span: Span, coverage: Coverage, names: Sequence[str]
) -> list[Carriers]:
    """Return who brought the flows of each country."""
    if _alike(coverage, span):
        return [Carriers({}, {})] * len(names)
    seen = coverage.by_exporter(span.since_s, span.until_s)
    table, _ = lake.top(["far_country", "exporter"], _history(asked, span), metric="flows", limit=MOST_ROWS)
    brought: dict[str, Shares] = defaultdict(dict)
    for row in table.to_pylist():
        brought[row["far_country"] or ""][row["exporter"]] = float(row["flows"])
    return [Carriers(brought.get(name, {}), seen) for name in names]


def unheard(names: Sequence[str], carriers: Sequence[Carriers]) -> Iterator[str]:
    """Yield the countries whose exporters were hardly seen, as a sentence."""
    silent = [name for name, own in zip(names, carriers, strict=True) if own.share < BLIND_BELOW]
    if silent:
        yield (
            f"Traffic of {format_some(silent, MOST_NAMED)} came by exporters before of which less than four fifths"
            " of the asked time was seen."
        )


def _alike(coverage: Coverage, span: Span) -> bool:
    seen = coverage.by_exporter(span.history_s, span.until_s)
    return len(seen) < 2 or min(seen.values()) >= ALIKE


def _history(asked: Asked, span: Span) -> FlowFilter:
    return FlowFilter(span.history_s * 1_000_000, span.since_s * 1_000_000, asked.conditions())
