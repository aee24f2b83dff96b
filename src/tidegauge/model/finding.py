"""What any detector reports, in the one shape of `docs/reference/json.md`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from tidegauge.model.times import format_time

Severity = Literal["info", "low", "medium", "high", "critical"]


@dataclass(frozen=True)
class Finding:
    """A finding; `score` is between 0 and 1, `query` the command that shows what is behind it."""

    kind: str
    title: str
    start_s: int
    end_s: int
    subject: str
    score: float
    severity: Severity
    reasons: tuple[str, ...]
    query: str
    peers: tuple[str, ...] = ()
    evidence: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
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
