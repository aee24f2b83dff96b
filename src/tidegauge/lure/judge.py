"""The verdict on a mail, message or link: a score from its signals, and the reasons as sentences."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np

from tidegauge.content import Apart
from tidegauge.lure.authentic import Authentic, Standing
from tidegauge.lure.looking import Item, look_at_mail, look_at_text, look_at_url
from tidegauge.lure.signals import NAMES, Signal, signals
from tidegauge.lure.tables import Brands
from tidegauge.model import Finding, Severity, shapes

Verdict = Literal["phishing", "suspicious", "unremarkable"]
ORDER: tuple[Verdict, ...] = ("unremarkable", "suspicious", "phishing")
SEVERITIES: dict[Verdict, Severity] = {"phishing": "high", "suspicious": "medium", "unremarkable": "info"}
LEAST_SAID = 0.25
"""Weight in log-odds from which a signal is worth a sentence."""
TEXT_SHOWN = 20_000
MOST_SHOWN_LINKS = 50
MOST_ATTACHED_MAILS = 10
MOST_DEPTH = 3


@dataclass(frozen=True)
class Model:
    """A linear model over signals, in log-odds: `weights` in the order of `NAMES`, `unsent` what messages and links
    weigh because they have no sender; `suspicious` and `phishing` are the scores from which on an item is called so."""

    bias: float
    unsent: float
    weights: np.ndarray[Any, np.dtype[np.float64]]
    suspicious: float
    phishing: float

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Model:
        weights = np.array([told["weights"].get(name, 0.0) for name in NAMES])
        return cls(told["bias"], told["unsent"], weights, told["suspicious"], told["phishing"])

    def score(self, values: np.ndarray[Any, np.dtype[np.float64]], more: float = 0.0) -> float:
        """The score, between 0 and 1, of one item's signals of shape (len(NAMES),)."""
        return float(1 / (1 + np.exp(-(self.bias + values @ self.weights + more))))

    def verdict(self, score: float) -> Verdict:
        return "phishing" if score >= self.phishing else "suspicious" if score >= self.suspicious else "unremarkable"


@cache
def our_model() -> Model:
    """The model that comes with the program; trained by `benchmarks/lures/train.py`."""
    return Model.from_json(json.loads(files("tidegauge.lure").joinpath("data", "weights.json").read_text()))


def values_of(found: list[Signal]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Signals as the model takes them: shape (len(NAMES),), between 0 and 1."""
    by_name = {signal.name: signal.value for signal in found}
    return np.array([by_name.get(name, 0.0) for name in NAMES])


@dataclass
class Judged:
    """The judgement of one item.

    Attributes:
        reasons: what speaks for it and against, the weightiest first; each with its weight in log-odds.
        attached: judgements of mails within it; its own verdict is the worst of all.
    """

    item: Item
    verdict: Verdict
    score: float
    reasons: list[tuple[Signal, float]]
    attached: list[Judged] = field(default_factory=list)

    @property
    def sent_s(self) -> int:
        """When the mail says it was sent, epoch seconds; 0 where it doesn't."""
        try:
            sent = parsedate_to_datetime(self.item.mail.header("date")).timestamp() if self.item.mail else 0
            return int(sent) if 0 < sent < 1 << 40 else 0
        except (ValueError, TypeError, OverflowError, IndexError):
            return 0

    def everything(self) -> Iterator[Judged]:
        """This judgement and those of mails within."""
        yield self
        for inner in self.attached:
            yield from inner.everything()

    def finding(self, now_s: int | None = None) -> Finding:
        """As a finding (`docs/reference/json.md`); `subject` is the file, message or link."""
        at_s = self.sent_s or (int(time.time()) if now_s is None else now_s)
        item = self.item
        about = (
            item.subject or (item.links[0].target if item.kind == "url" and item.links else item.text[:80]) or item.name
        )
        evidence: dict[str, Any] = {
            "file": item.name, "what": item.kind, "from": f"{item.sender.shown} <{item.sender.address}>".strip(),
            "mail_subject": item.subject, "text": item.text[:TEXT_SHOWN],
            "links": [link_json(link) for link in item.links if link.kind != "image"][:MOST_SHOWN_LINKS],
            "attachments": [
                {"name": a.part.name, "declared": a.part.declared, "kind": a.part.kind, "bytes": len(a.part.data)}
                for a in item.attached
            ],
            "places": [
                {"reason": signal.says, "signal": signal.name, "weight": round(weight, 2), "where": signal.where,
                 "start": signal.start, "end": signal.end}
                for signal, weight in self.reasons
            ],
            "attached": [inner.finding(at_s).to_json() | {"verdict": inner.verdict} for inner in self.attached],
        }
        return Finding(
            kind="lure",
            title=f"{self.verdict}: {about[:160]}".replace("\n", " "),
            start_s=at_s,
            end_s=at_s,
            subject=item.name,
            score=round(self.score, 4),
            severity=SEVERITIES[self.verdict],
            reasons=tuple(dict.fromkeys(self._sentences())),
            query=f"tidegauge lure {_quoted(item)}",
            peers=tuple(self.goals()),
            evidence=evidence,
        )

    def _sentences(self) -> list[str]:
        own = [signal.says for signal, _ in self.reasons]
        return own + [
            f"the mail attached to it, {inner.item.subject[:80]!r}: {says}"
            for inner in self.attached
            if inner.verdict != "unremarkable"
            for says in inner._sentences()
        ]

    def goals(self) -> list[str]:
        """Hosts that it leads to, those of known brands and of the sender's own apart."""
        led = [link.goal.host for j in self.everything() for link in j.item.links
               if link.kind != "image" and link.goal.brand is None and link.goal.host]
        return list(dict.fromkeys(led))[:MOST_SHOWN_LINKS]

    def to_json(self) -> shapes.LureFinding:
        return {**self.finding().to_json(), "verdict": self.verdict}


def link_json(link: Any) -> dict[str, Any]:
    """A link for a page that shows it as text."""
    return {
        "shown": link.shown, "target": link.target[:2000], "kind": link.kind, "at": link.at, "leads_to": link.goal_url,
        "host": link.goal.host, "domain": link.goal.domain, "through": list(link.through), "odd": sorted(link.odd),
        "belongs_to": link.goal.brand.name if link.goal.brand else None,
        "looks_like": link.goal.plays.name if link.goal.plays else None,
    }


def _quoted(item: Item) -> str:
    return shlex.quote(item.name) if item.kind != "text" else f"--text {shlex.quote(item.text[:200])}"


@dataclass
class Judge:
    """Judges items one by one, with a site's own tables.

    Args:
        apart: opens attachments.
        authentic: what the site's own mail servers say of senders, and whom it knows.
    """

    brands: Brands
    apart: Apart | None = None
    authentic: Authentic = field(default_factory=Authentic)
    model: Model = field(default_factory=our_model)

    def mail(self, name: str, data: bytes, depth: int = 0) -> Judged:
        """Judge a mail, and those attached to it."""
        item = look_at_mail(name, data, self.brands, self.apart)
        judged = self._judged(item, self.authentic.of(item))
        if item.mail is not None and depth < MOST_DEPTH:
            for number, inner in enumerate(item.mail.attached[:MOST_ATTACHED_MAILS], 1):
                judged.attached.append(self.mail(f"{name}, attached mail {number}", inner, depth + 1))
        worst = max([judged, *judged.attached], key=lambda j: (ORDER.index(j.verdict), j.score))
        judged.verdict, judged.score = worst.verdict, worst.score
        return judged

    def text(self, name: str, text: str) -> Judged:
        """Judge a message or post."""
        return self._judged(look_at_text(name, text, self.brands), [])

    def url(self, url: str) -> Judged:
        """Judge a link alone."""
        return self._judged(look_at_url(url, self.brands), [])

    def _judged(self, item: Item, standing: list[Standing]) -> Judged:
        found = signals(item, self.brands)
        more = sum(s.weight for s in standing) + (0.0 if item.kind == "mail" else self.model.unsent)
        score = self.model.score(values_of(found), more)
        weights = dict(zip(NAMES, self.model.weights, strict=True))
        said = [(signal, signal.value * float(weights[signal.name])) for signal in found]
        said += [(Signal("standing", 1.0, s.says, "headers"), s.weight) for s in standing]
        said = [(signal, weight) for signal, weight in said if abs(weight) >= LEAST_SAID]
        verdict = self.model.verdict(score)
        alarming = sorted((s for s in said if s[1] > 0), key=lambda s: -s[1])
        calming = sorted((s for s in said if s[1] < 0), key=lambda s: s[1])
        return Judged(
            item, verdict, score, [*alarming, *calming] if verdict != "unremarkable" else [*calming, *alarming]
        )
