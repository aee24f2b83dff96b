"""coverage: what was seen of a time, by exporter."""

from __future__ import annotations

from dataclasses import dataclass

from tidegauge.app.questions import CoverageQuestion
from tidegauge.context import SiteContext
from tidegauge.lake import seen_twice
from tidegauge.model import format_time, shapes
from tidegauge.series import Coverage, ExporterCoverage, covered, exporter_blind

STANDINGS = ("proven", "new", "contradictory")


@dataclass(frozen=True)
class CoverageReply:
    """The reply to `coverage`, times in epoch seconds."""

    since_s: int
    until_s: int
    coverage: Coverage
    note: str | None
    twice: tuple[str, ...] = ()

    def to_json(self) -> shapes.Coverage:
        return {
            "share": round(self.coverage.share, 6), "since": format_time(self.since_s),
            "until": format_time(self.until_s), "exporters": [_exporter_json(e) for e in self.coverage.exporters],
            "caveats": list(self.twice),
        }


def coverage(here: SiteContext, question: CoverageQuestion) -> CoverageReply:
    """What was seen of a time.

    Raises:
        LakeError: there are no flows.
        UsageError: a wrong time.
    """
    here.extent_or_fail()
    since_s, until_s, note = here.span_s(question.since, question.until)
    twice = tuple(pair.sentence() for pair in seen_twice(here.lake, since_s, until_s))
    return CoverageReply(since_s, until_s, covered(here.lake, since_s, until_s), note, twice)


def _exporter_json(e: ExporterCoverage) -> shapes.Exporter:
    return {
        "exporter": e.exporter, "agent": e.agent, "domain": e.domain, "standing": STANDINGS[e.standing],
        "share": round(e.share, 6), "datagrams": e.datagrams, "records": e.records, "lost": e.lost,
        "waiting": e.waiting, "sampling": list(e.sampling), "skew_s": round(e.skew_s, 3), "dropped": e.dropped,
        "duplicates": e.duplicates,
        "overtaken": e.overtaken, "restarts": e.restarts, "misses": e.misses, "unsampled": e.unsampled,
        "loss": "known" if e.loss_known and e.sequence in ("records", "messages", "flows") else "not_knowable",
        "sequence": e.sequence,
        "apart": e.apart, "held": e.held,
        "delay_s": round(e.delay_s, 3), "blind": [b.to_json() for b in exporter_blind(e)],
    }
