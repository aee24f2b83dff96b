"""What any detector reports, in the one shape of `docs/reference/json.md`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tidegauge.model import shapes
from tidegauge.model.times import format_time

Severity = shapes.Severity


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A finding.

    Attributes:
        start_s, end_s: epoch seconds, half-open.
        score: between 0 and 1.
        where: the condition on flows that shows what is behind it, as `--where` takes it; empty where no flows do.
        query: the command that shows what is behind it; `flows` with `where` and these times unless one is given.
    """

    kind: str
    title: str
    start_s: int
    end_s: int
    subject: str
    score: float
    severity: Severity
    reasons: tuple[str, ...]
    where: str = ""
    query: str = ""
    peers: tuple[str, ...] = ()
    evidence: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.query and self.where:
            object.__setattr__(self, "query", flows_query(self.where, self.start_s, self.end_s))

    def to_json(self) -> shapes.Finding:
        return {
            "kind": self.kind,
            "title": self.title,
            "start": format_time(self.start_s),
            "end": format_time(self.end_s),
            "subject": self.subject,
            "peers": list(self.peers),
            "score": self.score,
            "severity": self.severity,
            "evidence": self.evidence,
            "reasons": list(self.reasons),
            "query": self.query,
        }


def flows_query(where: str, since_s: float, until_s: float) -> str:
    """The command that shows the flows of a time that meet a condition."""
    return f'tidegauge flows --since {format_time(since_s)} --until {format_time(until_s)} --where "{where}"'
