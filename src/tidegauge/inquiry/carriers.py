"""Exporters by which what is asked about came before, and which were not heard in the asked time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tidegauge.detect import Outcome
from tidegauge.inquiry.asked import Asked, Span
from tidegauge.lake import FlowFilter, Lake
from tidegauge.series import BLIND_BELOW, Coverage

MOST_ROWS = 5000
MOST_NAMED = 10
Shares = dict[str, float]


def unheard(lake: Lake, asked: Asked, span: Span, coverage: Coverage) -> str | None:
    """Return why a no would be unsafe: less than four fifths was seen of the exporters by which the selection came in
    the history, weighed by what each brought."""
    seen = coverage.by_exporter(span.since_s, span.until_s)
    if len(seen) < 2:
        return None
    table, _ = lake.top(["exporter"], _history(asked, span), metric="flows", limit=MOST_ROWS)
    brought = {row["exporter"]: float(row["flows"]) for row in table.to_pylist()}
    if _seen(brought, seen) >= BLIND_BELOW:
        return None
    name, count = max(brought.items(), key=lambda item: item[1] * (1 - seen.get(item[0], 0.0)))
    return (
        f"{count / sum(brought.values()):.0%} of the flows with {asked.selection()} came by the exporter {name} before,"
        f" of which {seen.get(name, 0.0):.0%} of the asked time was seen."
    )


def unheard_by_origin(
    lake: Lake, asked: Asked, span: Span, coverage: Coverage, names: Sequence[str], outcomes: list[Outcome]
) -> tuple[list[Outcome], list[str]]:
    """Return outcomes by country, without a no for those to which that applies, and the sentence on them."""
    seen = coverage.by_exporter(span.since_s, span.until_s)
    if len(seen) < 2 or min(seen.values()) >= BLIND_BELOW:
        return outcomes, []
    table, _ = lake.top(["far_country", "exporter"], _history(asked, span), metric="flows", limit=MOST_ROWS)
    brought: dict[str, Shares] = defaultdict(dict)
    for row in table.to_pylist():
        brought[row["far_country"] or ""][row["exporter"]] = float(row["flows"])
    silent = [name for name in names if _seen(brought.get(name, {}), seen) < BLIND_BELOW]
    if not silent:
        return outcomes, []
    kept = [
        outcome.silent() if name in silent and outcome.verdict == "no_surge" else outcome
        for name, outcome in zip(names, outcomes, strict=True)
    ]
    listed = ", ".join(silent[:MOST_NAMED]) + (f" and {len(silent) - MOST_NAMED} more" if silent[MOST_NAMED:] else "")
    return kept, [
        f"Traffic of {listed} came by exporters before of which less than four fifths of the asked time was seen."
    ]


def _history(asked: Asked, span: Span) -> FlowFilter:
    return FlowFilter(span.history_s * 1_000_000, span.since_s * 1_000_000, asked.conditions())


def _seen(brought: Shares, seen: Shares) -> float:
    """How much was seen of exporters, weighed by what each brought; all where they brought nothing."""
    total = sum(brought.values())
    return sum(seen.get(name, 1.0) * count for name, count in brought.items()) / total if total else 1.0
