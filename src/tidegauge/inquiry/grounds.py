"""Grounds on which a question cannot be answered with no, whatever was counted: its selection could match nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tidegauge.atlas import Atlas
from tidegauge.lake import Lake, classes_in, contradicts, exporters_in
from tidegauge.model import format_time
from tidegauge.series import no_list, unlisted

if TYPE_CHECKING:
    from tidegauge.inquiry.ask import Asked, Span

FAR = ("in", "out")


def grounds(lake: Lake, atlas: Atlas, asked: Asked, span: Span) -> Iterator[str]:
    """Yield why the selection of a question could match nothing, or only a part of what was asked."""
    parts = asked.origins.parts if asked.origins else ()
    classes = [part.value for part in parts if part.kind == "class"]
    where = asked.where_text or ""
    if missing := unlisted(lake, atlas, (*classes, *classes_in(where)), span.since_s, span.until_s):
        yield no_list(missing)
    for part in parts:
        if part.kind == "country" and not atlas.knows_country(part.value, (span.since_s, span.until_s - 1)):
            yield f"No edition of the atlas at that time has an address of {part}: no flow can be counted towards it."
    if where and contradicts(where, asked.direction):
        yield f"The condition {where!r} can match no flow of direction '{asked.direction}'."
    if silent := [name for name in exporters_in(where) if name not in lake.exporters()]:
        yield f"No flow of the exporter {', '.join(silent)} is in these data."
    if asked.watch is not None:
        if not asked.watch.holds(span.since_s, span.until_s):
            yield (
                f"No indicator of the watch {asked.watch.name} holds between {format_time(span.since_s)} and"
                f" {format_time(span.until_s)}: their times lie outside."
            )
        elif asked.direction not in FAR:
            yield f"A watch counts traffic with outside hosts: none of it is of direction '{asked.direction}'."


def watch_caveats(asked: Asked, span: Span) -> Iterator[str]:
    """Yield what of a watch the asked time shows in part only."""
    if asked.watch is None:
        return
    yield from asked.watch.notes
    partly = asked.watch.partly(span.since_s, span.until_s)
    if partly and asked.watch.holds(span.since_s, span.until_s):
        yield (
            f"{partly:,} of {len(asked.watch.held_s):,} indicators of the watch {asked.watch.name} do not hold for all"
            " of the asked time: their traffic outside their own times is not in this answer."
        )
