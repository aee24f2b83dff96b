"""The demonstration's story as a case, step by step: claim, questions, a host that passes data on, weighing, what is
still asked of others. Everything in it is simulated."""

from __future__ import annotations

from collections.abc import Iterator

from tidegauge.case.file import CaseFile
from tidegauge.model import UsageError

SINCE = "2014-11-24"
QUESTIONS = (
    ("ask", {"from": "KP", "since": SINCE}),
    ("ask", {"from": "KP", "since": SINCE, "direction": "out"}),
    ("series", {"from": "KP", "since": SINCE, "width": "1h"}),
    ("coverage", {"since": SINCE}),
    ("hunt", {"kind": ["egress", "passthrough"], "since": "2014-11-17"}),
    ("origin", {"address": "210.52.109.9", "at": SINCE}),
    ("origins", {"of": "KP", "at": SINCE}),
)
"""What is asked, in this order."""


def tell(files: CaseFile, name: str) -> Iterator[str]:
    """Write the story into a case; a line for each step.

    Raises:
        UsageError: this is no simulated site.
    """
    if not files.site.simulated:
        raise UsageError("the story is the demonstration's", hint="tidegauge demo, then --site demo")
    claim = files.claim(name, "An agency abroad", "The attack was routed through servers in your network.",
                        "2014-12-19", "B3")
    yield f"{claim.id}: claimed by an agency abroad, graded B3"
    hunted = ""
    for verb, question in QUESTIONS:
        made = files.evidence(name, verb, question)
        verdict = made.body["result"].get("verdict", "")
        yield f"{made.id}: {made.body['command']}{f' -> {verdict}' if verdict else ''}"
        hunted = made.id if verb == "hunt" else hunted
    passing = [f for f in files.get(name).get(hunted).body["result"]["findings"] if f["kind"] == "passthrough"]
    if passing:
        files.rate(name, hunted, "H2", "C", "high", f"{passing[0]['title']}: it fits a relay, whoever commanded it")
        files.rate(name, hunted, "H4", "I", "high", "what a host of ours passes on goes through our network")
        yield f"{hunted}: weighed against the hypotheses"
    asked = files.request(name, "the upstream network", "its flow records of the same nights", "2015-01-15")
    yield f"{asked.id}: asked of the upstream network, due 2015-01-15"
    files.add(name, "decision", {"text": "We say what we saw, with its limit, and go on watching.",
                                 "reason": "the upstream's records are not there yet"})
    yield f"next: tidegauge case weigh {name}; tidegauge case statement {name}; tidegauge case verify {name}"
