"""What people do with a case, one function for each: what the command line and the API have in common."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from tidegauge.case.bundle import pack
from tidegauge.case.evidence import seal, seal_file
from tidegauge.case.exchange import Foreign, hide, misp, read_foreign, stix, table, told_to, xarf
from tidegauge.case.log import Case, Cases, Entry, canonical
from tidegauge.case.weigh import TEMPLATES
from tidegauge.context import SiteContext
from tidegauge.model import (
    CONFIDENCES,
    LIKELIHOODS,
    TLP_ORDER,
    VALUES,
    WEIGHTS,
    Prefix,
    TidegaugeError,
    UsageError,
    format_time,
    parse_time,
)
from tidegauge.model.case_shapes import EntryKind
from tidegauge.model.pseudonym import Pseudonyms
from tidegauge.site import Site
from tidegauge.store import Store
from tidegauge.store.audit import Audit
from tidegauge.store.keys import site_key
from tidegauge.watch import Watches

GRADE = re.compile(r"[A-F][1-6]")
"""Reliability of the source and credibility of what it says (Admiralty code, NATO AJP-2.1)."""


class CaseFile:
    """The cases of a site, as one person works on them; everything that is changed is noted in the audit log."""

    def __init__(self, site: Site, who: str) -> None:
        self.site, self.who = site, who
        self.store = Store.of(site)
        self.cases = Cases(self.store, site.folder)

    def new(self, name: str, title: str = "", mark: str | None = None) -> Case:
        """Make a case with the template hypotheses.

        Raises:
            UsageError: the name is taken or none; not a mark.
        """
        if mark is not None:
            _marked(mark)
        case = self.cases.new(name, self.who, title, TEMPLATES)
        self._noted("open a case", {"case": name})
        if mark is not None:
            self.mark(name, mark)
        return case

    def get(self, name: str) -> Case:
        return self.cases.get(name)

    def add(
        self, name: str, kind: EntryKind, body: dict[str, Any], *, about: str = "", expected: int | None = None
    ) -> Entry:
        """Add an entry, as `Cases.add`; texts may not be empty."""
        if body.get("tlp") is not None:
            _marked(body["tlp"])
        made = self.cases.add(name, self.who, kind, {k: v for k, v in body.items() if v is not None}, about=about,
                              expected=expected)
        self._noted("add to a case", {"case": name, "kind": kind, "id": made.id or about})
        return made

    def claim(
        self, name: str, by: str, text: str, at: str | None = None, graded: str | None = None, tlp: str | None = None
    ) -> Entry:
        """Somebody's claim.

        Raises:
            UsageError: no text, not a time, not a grade.
        """
        if not by.strip() or not text.strip():
            raise UsageError("who claims what?", hint="--by WHO --text TEXT")
        if graded is not None and not GRADE.fullmatch(graded):
            raise UsageError(f"not a grade: {graded!r}", hint="reliability A to F and credibility 1 to 6, such as B2")
        at_s = parse_time(at or "now", now_s=int(time.time()))
        return self.add(name, "claim", {"by": by.strip(), "text": text.strip(), "at": format_time(at_s),
                                        "graded": graded or "F6", "tlp": tlp})

    def evidence(self, name: str, verb: str, question: dict[str, Any], tlp: str | None = None) -> Entry:
        """Put a question and seal its answer.

        Raises:
            TidegaugeError: no such case, or it cannot be answered.
        """
        self.cases.get(name)
        return self.add(name, "evidence", {**seal(self.site, verb, question), "tlp": tlp})

    def file(self, name: str, path: Path, *, keep: bool, tlp: str | None = None) -> Entry:
        """A file as evidence."""
        self.cases.get(name)
        return self.add(name, "evidence", {**seal_file(self.site, path, keep=keep), "tlp": tlp})

    def rate(
        self, name: str, evidence: str, hypothesis: str, value: str, weight: str, reason: str,
        expected: int | None = None,
    ) -> Entry:
        """How a piece of evidence bears on a hypothesis, in this person's view.

        Raises:
            UsageError: no such evidence or hypothesis, not a value, no reason.
            ConflictError: this person changed it in between.
        """
        case = self.cases.get(name)
        if case.get(evidence).kind != "evidence" or case.get(hypothesis).kind != "hypothesis":
            raise UsageError("a rating is of a piece of evidence (E1) and a hypothesis (H1)")
        if value not in VALUES or weight not in WEIGHTS:
            raise UsageError(f"not a rating: {value} {weight}", hint=f"{', '.join(VALUES)}; {', '.join(WEIGHTS)}")
        if not reason.strip():
            raise UsageError("--reason is required.", hint="Say in a few words why.")
        body = {
            "evidence": evidence,
            "hypothesis": hypothesis,
            "value": value,
            "weight": weight,
            "reason": reason.strip(),
        }
        return self.add(name, "rating", body, about=f"rating {evidence} {hypothesis} {self.who}", expected=expected)

    def likelihood(self, name: str, hypothesis: str, word: str, confidence: str, reason: str) -> Entry:
        """How likely a hypothesis is, and apart from that how sure one is of it (ICD 203).

        Raises:
            UsageError: not one of the words.
        """
        if self.cases.get(name).get(hypothesis).kind != "hypothesis":
            raise UsageError(f"not a hypothesis: {hypothesis}")
        if word not in LIKELIHOODS or confidence not in CONFIDENCES:
            raise UsageError(f"not words of ICD 203: {word!r}, {confidence!r}",
                             hint=f"{', '.join(LIKELIHOODS)}; confidence {', '.join(CONFIDENCES)}")
        low, high = LIKELIHOODS[word]
        body = {
            "hypothesis": hypothesis,
            "word": word,
            "percent": [low, high],
            "confidence": confidence,
            "reason": reason,
        }
        return self.add(name, "likelihood", body, about=f"likelihood {hypothesis} {self.who}")

    def answer_request(self, name: str, request: str, text: str, expected: int | None = None) -> Entry:
        """What came of a request.

        Raises:
            UsageError: no such request.
            ConflictError: somebody else answered it in between.
        """
        if self.cases.get(name).get(request).kind != "request":
            raise UsageError(f"not a request: {request}")
        return self.add(name, "reply", {"request": request, "text": text}, about=f"reply {request}", expected=expected)

    def request(self, name: str, of: str, what: str, due: str) -> Entry:
        """Something asked of somebody.

        Raises:
            UsageError: not a time.
        """
        due_s = parse_time(due, now_s=int(time.time()))
        return self.add(name, "request", {"of": of, "what": what, "due": format_time(due_s)})

    def mark(self, name: str, mark: str) -> Entry:
        """Set the TLP mark of a case."""
        return self.add(name, "mark", {"mark": _marked(mark)}, about="mark")

    def export(self, name: str, form: str, *, audience: str | None = None, pseudonyms: bool = False) -> bytes:
        """A case for others.

        Args:
            audience: the mark under which it goes out; what is marked stricter is left out. The case's own by itself.

        Raises:
            UsageError: the case's mark forbids it.
        """
        case = self.cases.get(name)
        case, left = told_to(case, audience or case.mark)
        if pseudonyms:
            names = Pseudonyms(site_key(self.site.folder, "pseudonyms"))
            case = hide(case, lambda body: names.hidden(body, self._ours))
        self._noted("export a case", {"case": name, "format": form, "audience": audience or case.mark})
        site = self.site.name
        if form == "bundle":
            return pack(self.site, case, left)
        if form == "csv":
            return table(case).encode("utf-8-sig")
        makers: dict[str, Callable[[Case, str], Any]] = {"stix": stix, "misp": misp, "xarf": xarf}
        return canonical(makers[form](case, site)).encode() + b"\n"

    def take_in(
        self, name: str, path: Path, *, graded: str, ask: bool = False, watch: str | None = None
    ) -> tuple[Foreign, list[dict[str, str]]]:
        """Claims and marks of another team's file, with their source and grade; with `ask` its questions put here too.
        What the case has already is not taken in twice.

        Returns:
            What it held, and of each question put here the evidence and both verdicts.

        Raises:
            InputError: nothing in it can be taken in.
            UsageError: not a grade.
        """
        if not GRADE.fullmatch(graded):
            raise UsageError(f"not a grade: {graded!r}", hint="such as C3")
        case = self.cases.get(name)
        had = {(e.body["by"], e.body["text"], e.body["at"]) for e in case.of("claim")}
        seen = {mark for e in case.of("indicator") for mark in e.body["marks"]}
        foreign = read_foreign(path, graded, now_s=SiteContext(self.site).expired_before_s)
        foreign = replace(
            foreign,
            claims=[c for c in foreign.claims if (c["by"], c["text"], c["at"]) not in had],
            indicators=[mark for mark in foreign.indicators if mark.text not in seen],
        )
        for claim in foreign.claims:
            self.claim(name, claim["by"], claim["text"], claim["at"], graded)
        if foreign.indicators:
            told = list(dict.fromkeys(mark.text for mark in foreign.indicators))
            self.add(name, "indicator", {"source": path.name, "graded": graded, "marks": told[:10_000]})
            if watch is not None:
                Watches(self.store).add(watch, foreign.indicators, note=f"from {path.name}, graded {graded}")
        return foreign, [self._asked_here(name, *question) for question in foreign.questions] if ask else []

    def _asked_here(self, name: str, verb: str, question: dict[str, Any], theirs: str) -> dict[str, str]:
        """The evidence of another team's question, put here, and both verdicts."""
        try:
            made = self.evidence(name, verb, question)
            ours, identity = str(made.body["result"].get("verdict", "")), made.id
        except TidegaugeError as error:
            ours, identity = f"cannot be asked here: {error}", ""
        return {"verb": verb, "id": identity, "theirs": theirs, "ours": ours}

    def _ours(self, address: IPv4Address | IPv6Address) -> bool:
        first = Prefix.parse(str(address)).first
        return any(first in prefix for prefix in self.site.home)

    def _noted(self, what: str, detail: dict[str, Any]) -> None:
        Audit(self.store, self.site.folder).note(self.who, what, detail)


def _marked(mark: str) -> str:
    if mark not in TLP_ORDER:
        raise UsageError(f"not a mark of TLP 2.0: {mark!r}", hint=", ".join(TLP_ORDER))
    return mark
