"""What weakens an answer, each ground with its size."""

from __future__ import annotations

from collections.abc import Iterator

from tidegauge.atlas import facts
from tidegauge.context import SiteContext
from tidegauge.model import format_duration, format_some, format_time
from tidegauge.series import Coverage, Origins

ATLAS_NEAR_S = 31 * 86400
SKEW_S = 300
AFTER_DAMAGE_S = 31 * 86400
"""A damaged file may have held flows of so long after its last one that could be read."""
MOST_NAMED = 3


def caveats(
    context: SiteContext, origin: Origins | None, coverage: Coverage, since_s: int, until_s: int, relay_share: float,
    hour_limit: float | None, packet_bytes: float,
) -> Iterator[str]:
    """What weakens the answer, each with its size."""
    parts = origin.parts if origin else ()
    by_table = any(part.kind in ("country", "as") for part in parts)
    yield from data_caveats(context, since_s, until_s, by_table=by_table)
    if origin:
        wanted = {str(part) for part in parts}
        for fact in facts():
            in_time = fact.from_s < until_s and fact.until_s > since_s
            if in_time and fact.used_by in wanted and fact.country not in wanted and str(fact.prefix) not in wanted:
                yield (
                    f"{fact.prefix} displays {fact.country} but was used from {fact.used_by} at that time"
                    f" ({fact.note}): it is not in this answer; --wide takes it in"
                )
        yield (
            "This answer counts addresses registered to this origin. Traffic that came through a relay (VPN, Tor,"
            f" proxy) shows the relay's country. Known relays carried {relay_share:.2%} of the asked volume."
        )
    yield from exporter_caveats(coverage, hour_limit, packet_bytes)


def data_caveats(context: SiteContext, since_s: int, until_s: int, *, by_table: bool) -> Iterator[str]:
    """Yield what weakens every answer from a site's data.

    Args:
        by_table: countries or ASes decide what is counted.
    """
    if context.site.simulated:
        yield "all data of this site are simulated"
    cut = [
        f"{name} (from {format_time(reached_s)} on)" for name, reached_s in context.lake.manifest.cut_short()
        if since_s - AFTER_DAMAGE_S < reached_s < until_s
    ]
    if cut:
        yield (
            f"damaged files could not be read to their end, and what they held after that is missing:"
            f" {format_some(cut, MOST_NAMED)}"
        )
    if not by_table:
        return
    atlas = context.atlas
    held = max(atlas.deciding(since_s), atlas.deciding(until_s - 1), key=lambda h: h.distance_s)
    if held.distance_s > ATLAS_NEAR_S:
        yield (
            f"countries and ASes are those of the atlas edition of {held.edition.edition} ({held.edition.source}),"
            f" the nearest there is, {held.distance_s / 86400:,.0f} days from the asked time"
        )


def exporter_caveats(coverage: Coverage, hour_limit: float | None, packet_bytes: float) -> Iterator[str]:
    """Yield what weakens the answer because of what single exporters sent."""
    for exporter in coverage.exporters:
        if len(exporter.sampling) > 1 or exporter.sampling[0] > 1:
            intervals = ", ".join(f"1:{n}" for n in exporter.sampling)
            yield f"{exporter.exporter} samples packets ({intervals}): its volumes are estimates" + _sampling_error(
                max(exporter.sampling), hour_limit, packet_bytes
            )
        if not exporter.loss_known:
            yield (
                f"the sequence numbers of {exporter.exporter} follow no known rule: what was lost on the way from it"
                " cannot be known, and is not counted as missing"
            )
        if exporter.lost and exporter.sequence == "none":
            yield (
                f"{exporter.lost:,} records of {exporter.exporter} could not be read, or not all of them: what they"
                " carried is not in this answer"
            )
        if exporter.unsampled:
            yield (
                f"{exporter.unsampled:,} records of {exporter.exporter} are sampled at an interval that is not known or"
                " was not applied: they count as they are, so its volumes may be too small by that factor"
            )
        if abs(exporter.skew_s) > SKEW_S:
            yield (
                f"the clock of {exporter.exporter} is {format_duration(abs(round(exporter.skew_s)))}"
                f" {'ahead of' if exporter.skew_s > 0 else 'behind'} the time of arrival; flows taken in live are set"
                " right by that, others keep the exporter's times, and so do the times in this answer"
            )


def _sampling_error(interval: int, hour_limit: float | None, packet_bytes: float) -> str:
    """What sampling does to the limit: a surge of that size stands on so many sampled packets."""
    if not hour_limit or packet_bytes <= 0:
        return ""
    packets = hour_limit / packet_bytes / interval
    if packets < 1:
        return "; a surge of the limit over 1 h would on average show in less than one sampled packet"
    return (
        f"; a surge of the limit over 1 h stands on about {packets:,.0f} sampled packets,"
        f" so its size is known to {min(1 / packets**0.5, 1):.0%} (one standard deviation)"
    )
