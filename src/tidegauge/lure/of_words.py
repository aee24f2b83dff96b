"""What an item asks for and how it presses: one `Signal` a request, with its place in the text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tidegauge.lure.looking import Item
from tidegauge.lure.signal import ASIDE, ASKING, Signal, brand_words, listed, organisation
from tidegauge.lure.tables import Brands, hosts
from tidegauge.lure.words import find_requests, requests

CALLS = re.compile(
    r"(?i)\b(?:call|dial|phone|toll[- ]free|contact us (?:at|on)|reach us (?:at|on)|"
    r"rufen|anrufen|llame|ligue|appelez|bel)\b|請撥|致電|來電"
)
"""What asks for a call."""


def of_words(item: Item, brands: Brands) -> Iterator[Signal]:
    sentences = requests()
    hits = [hit for hit in find_requests(item.text) if not _quoted(item.text, hit.start)]
    headed = find_requests(item.subject)
    counts: Counter[str] = Counter(hit.request for hit in hits)
    counts.update({hit.request: 0 for hit in headed})
    length = max(len(item.text), 1)
    for request, count in counts.items():
        top = sum(hit.request == request for hit in headed)
        # In a long text single words say little: what counts is how densely they stand.
        dense = count / max(length / 1500, 1.0)
        once = 0.45 if item.kind == "mail" else 0.7
        value = min(1.0, 0.6 * top + min(once * dense, once + 0.3 * (dense - 1)))
        first = next((hit for hit in hits if hit.request == request), None)
        if value > 0.05:
            yield Signal(f"asks-{request}", value, f"it {sentences[request]}", "text" if first else "subject",
                         first.start if first else -1, first.end if first else -1)  # fmt: skip
    asked = {name for name in counts if name in ASKING}
    dense = sum(counts[name] for name in asked) / max(length / 1500, 1.0)
    if headed and any(hit.request in ASKING or hit.request in ("threat", "urgency", "offer") for hit in headed):
        yield Signal("asks-subject", 1.0, "its subject already asks, promises or presses", "subject")
    if len(asked) >= 2 and (counts["urgency"] or counts["threat"] or counts["click"]) and dense >= 1.5:
        yield Signal("asks-several", min(1.0, len(asked) / 4), "it asks, and presses, in several ways at once", "text")
    led = [link for link in item.links if link.kind not in ASIDE]
    own = {item.domain, organisation(item.domain), *listed(item)} - {""}
    off = [
        link for link in led if link.goal.brand is None and not own & {link.goal.domain, organisation(link.goal.domain)}
    ]
    if (asked or counts["threat"] or counts["offer"]) and dense >= 0.7 and off and len(off) == len(led):
        yield Signal(
            "asks-off", min(1.0, dense / 2), "it asks for something, and all its links lead to somebody else", "text"
        )
    told = {hit.request for hit in (*hits, *headed)}
    for answer in re.finditer(r"[\w.+-]{2,60}@([\w-]{1,63}(?:\.[\w-]{1,63})+)", item.text[:20_000]):
        known = answer[0].lower() in (item.sender.address.lower(), *item.recipients)
        if answer[1].lower() in hosts().freemail and not known and told & {"secrecy", "money", "dating"}:
            says = f"it wants an answer to {answer[0]}, which is not where it comes from"
            yield Signal("asks-answer", 1.0, says, "text", answer.start(), answer.end())
            break
    early = [brand for brand, _ in brand_words(item.text[:400], brands)]
    if early and item.sender.domain in hosts().freemail and told & {"payment", "login", "threat"}:
        yield Signal("brand-from-free", 1.0, f"it speaks for {early[0].name}, from a free mailbox", "text")
    if not led and (counts["money"] or counts["secrecy"]) and length < 6000:
        yield Signal(
            "asks-answer",
            min(1.0, 0.4 * (counts["money"] + counts["secrecy"])),
            "it wants to be answered about money or a secret",
            "text",
        )
    phone = re.search(r"(?:\+?\d[\d\s().-]{8,16}\d)", item.text)
    if phone and told & {"support", "payment", "threat"} and CALLS.search(item.text):
        says = f"it wants a call to {phone[0].strip()} about a payment, a threat or an infection"
        yield Signal("call-back", 1.0, says, "text", phone.start(), phone.end())


def _quoted(text: str, at: int) -> bool:
    """Whether a place in a text is in a line that quotes somebody else."""
    line = text[text.rfind("\n", 0, at) + 1 : at + 1].lstrip()
    return line.startswith((">", "|>"))
