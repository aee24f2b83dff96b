"""lure: judge mails, messages and links; lead from them to the hosts of ours that went where they lead."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tidegauge.app.questions import LureQuestion
from tidegauge.content import Apart, to_text
from tidegauge.context import SiteContext
from tidegauge.hunt.lure_sweep import Goal, Swept, sweep
from tidegauge.lure import Authentic, Brands, Given, Judge, Judged, Left, read_brands, read_keys
from tidegauge.lure.judge import our_model
from tidegauge.model import SiteError, UsageError, shapes
from tidegauge.site import Site
from tidegauge.watch import Indicator

MOST_TOLD = 50
"""Hosts that one lure's goals may name: a page of links to everywhere is no list to look for."""
CLOCK_S = 3600
"""How far a mail's own time is trusted: visits count from so long before it."""


def judge_of(site: Site | None, apart: Apart | None) -> Judge:
    """A judge with a site's own tables; without a site, with ours.

    Raises:
        SiteError: a file that the site names cannot be read.
    """
    if site is None:
        return Judge(Brands(read_brands()), apart)
    lure = site.lure
    brands = read_brands()
    if lure.brands:
        brands += read_brands(site.folder / lure.brands)
    young: frozenset[str] = frozenset()
    try:
        keys = read_keys(site.folder / lure.dkim_keys) if lure.dkim_keys else {}
        if lure.young_domains:
            lines = (site.folder / lure.young_domains).read_text(encoding="utf-8").splitlines()
            young = frozenset(line.split(",")[0].strip().lower() for line in lines if line.strip())
    except OSError as error:
        raise SiteError(
            f"cannot be read: {error.strerror}", where=str(error.filename), hint="[lure] in the site file"
        ) from None
    hosts, senders, domains = (
        frozenset(map(str.lower, names))
        for names in (lure.authentication_hosts, lure.known_senders, lure.known_domains)
    )
    authentic = Authentic(hosts, senders, domains, keys)
    return Judge(Brands(brands, young), apart, authentic, our_model())


@contextmanager
def judging(site: Site | None, *, here: bool = False) -> Iterator[Judge]:
    """A judge for as long as it is needed.

    Args:
        here: open attachments in this process, where that is one with limits of its own.
    """
    with Apart(here=here) as apart:
        yield judge_of(site, apart)


def judged(judge: Judge, item: Given) -> Judged:
    """The judgement of one item."""
    if item.what == "mail":
        return judge.mail(item.name, item.data)
    text = to_text(item.data)
    return judge.url(text) if item.what == "url" else judge.text(item.name, text)


@dataclass
class Lures:
    """The reply to `lure`: findings as JSON in the order given, and where bad ones lead."""

    findings: list[shapes.LureFinding] = field(default_factory=list)
    examined: dict[str, int] = field(default_factory=dict)
    skipped: list[shapes.LeftOut] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    swept: Swept | None = None

    def to_json(self) -> shapes.Lures:
        told: shapes.Lures = {"findings": self.findings, "examined": self.examined, "skipped": self.skipped}
        if self.swept is not None:
            told["sweep"] = self.swept.to_json()
        return told

    def add(self, one: Judged) -> None:
        """Take a judgement in; what was left out of it with it."""
        finding = one.to_json()
        if one.verdict == "unremarkable":
            finding["evidence"]["text"] = finding["evidence"]["text"][:2000]
        self.findings.append(finding)
        self.examined[one.item.kind] = self.examined.get(one.item.kind, 0) + 1
        self.examined["links"] = self.examined.get("links", 0) + len(one.item.links)
        self.skipped += [
            {"what": one.item.name, "why": trouble} for j in one.everything() for trouble in j.item.troubles
        ]
        if one.verdict != "unremarkable":
            self.goals += goals_of(one)


def goals_of(one: Judged) -> list[Goal]:
    """Where a lure leads, as what can be looked for from the time on that it was sent."""
    return [Goal(host, max(one.sent_s - CLOCK_S, 0)) for host in one.goals()[:MOST_TOLD]]


def lures(judge: Judge, items: Iterable[Given | Left], tell: Callable[[Judged], None] = lambda one: None) -> Lures:
    """Judge items one after the other; none is held longer than its judgement takes.

    Args:
        tell: is given each judgement as it is made.
    """
    found = Lures()
    for item in items:
        if isinstance(item, Left):
            found.skipped.append({"what": item.name, "why": item.why})
            continue
        one = judged(judge, item)
        found.add(one)
        tell(one)
    return found


def lure(here: SiteContext, question: LureQuestion) -> Lures:
    """Judge what a question holds.

    Raises:
        UsageError: it holds not just one thing, or no base64.
    """
    held = [name for name in ("mail", "text", "url") if getattr(question, name) is not None]
    if len(held) != 1:
        raise UsageError("a mail, a text or a link: one of them", hint='{"text": "..."}')
    with judging(here.site, here=True) as judge:
        found = lures(judge, [_given(question)])
    if question.sweep:
        found.swept = sweep(here, found.goals)
    return found


def _given(question: LureQuestion) -> Given:
    if question.mail is not None:
        try:
            return Given(question.name, "mail", base64.b64decode(question.mail, validate=True))
        except ValueError:
            raise UsageError("the mail is not base64") from None
    if question.text is not None:
        return Given(question.name, "text", question.text.encode("utf-8", "surrogatepass"))
    return Given(question.url or "", "url", (question.url or "").encode("utf-8", "surrogatepass"))


def indicators_of(found: Lures, source: str) -> list[Indicator]:
    """The goals of bad lures as marks of a watch.

    Raises:
        UsageError: nothing in it is bad, or leads anywhere.
    """
    marks = []
    for goal in found.goals:
        try:
            marks.append(goal.mark(goal.from_s, source))
        except UsageError:
            continue
    if not marks:
        raise UsageError("nothing in it is a lure that leads somewhere", hint="tidegauge lure FILE says why")
    return list(dict.fromkeys(marks))


__all__ = ["Lures", "Swept", "goals_of", "indicators_of", "judge_of", "judged", "judging", "lure", "lures", "sweep"]
