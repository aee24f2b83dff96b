"""What an item asks for and how it presses, with the place in its text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegauge.lure.observing import ASKING, Look, Seen, brand_words, listed, observes, organisation
from tidegauge.lure.tables import hosts
from tidegauge.lure.words import requests

CALLS = re.compile(
    r"(?i)\b(?:call|dial|phone|toll[- ]free|contact us (?:at|on)|reach us (?:at|on)|"
    r"rufen|anrufen|llame|ligue|appelez|bel)\b|請撥|致電|來電"
)
"""What asks for a call."""
LEAST = 0.05
ANSWER = re.compile(r"[\w.+-]{2,60}@([\w-]{1,63}(?:\.[\w-]{1,63})+)")
PHONE = re.compile(r"(?:\+?\d[\d\s().-]{8,16}\d)")


def _finds_request(request: str, sentence: str) -> None:
    @observes(f"asks-{request}")
    def asks(look: Look) -> Iterator[Seen]:
        """In a long text single words say little: what counts is how densely they stand."""
        if request not in look.counts:
            return
        top = sum(hit.request == request for hit in look.headed)
        dense = look.counts[request] / max(look.length / 1500, 1.0)
        once = 0.45 if look.item.kind == "mail" else 0.7
        value = min(1.0, 0.6 * top + min(once * dense, once + 0.3 * (dense - 1)))
        if value <= LEAST:
            return
        first = next((hit for hit in look.hits if hit.request == request), None)
        if first is None:
            yield Seen(value, f"it {sentence}", "subject")
        else:
            yield Seen(value, f"it {sentence}", "text", first.start, first.end)


for _request, _sentence in requests().items():
    _finds_request(_request, _sentence)


@observes("asks-subject")
def asks_subject(look: Look) -> Iterator[Seen]:
    if any(hit.request in ASKING or hit.request in ("threat", "urgency", "offer") for hit in look.headed):
        yield Seen(1.0, "its subject already asks, promises or presses", "subject")


@observes("asks-several")
def asks_several(look: Look) -> Iterator[Seen]:
    counts = look.counts
    presses = counts["urgency"] or counts["threat"] or counts["click"]
    if len(look.asked) >= 2 and presses and look.dense >= 1.5:
        yield Seen(min(1.0, len(look.asked) / 4), "it asks, and presses, in several ways at once")


@observes("asks-off")
def asks_off(look: Look) -> Iterator[Seen]:
    own = {look.item.domain, organisation(look.item.domain), *listed(look.item)} - {""}
    off = [k for k in look.led if k.goal.brand is None and not own & {k.goal.domain, organisation(k.goal.domain)}]
    asks = look.asked or look.counts["threat"] or look.counts["offer"]
    if asks and look.dense >= 0.7 and off and len(off) == len(look.led):
        yield Seen(min(1.0, look.dense / 2), "it asks for something, and all its links lead to somebody else")


@observes("asks-answer")
def asks_answer(look: Look) -> Iterator[Seen]:
    item, counts = look.item, look.counts
    for answer in ANSWER.finditer(item.text[:20_000]):
        known = answer[0].lower() in (item.sender.address.lower(), *item.recipients)
        if answer[1].lower() in hosts().freemail and not known and look.told & {"secrecy", "money", "dating"}:
            says = f"it wants an answer to {answer[0]}, which is not where it comes from"
            yield Seen(1.0, says, "text", answer.start(), answer.end())
            break
    if not look.led and (counts["money"] or counts["secrecy"]) and look.length < 6000:
        value = min(1.0, 0.4 * (counts["money"] + counts["secrecy"]))
        yield Seen(value, "it wants to be answered about money or a secret")


@observes("brand-from-free")
def brand_from_free(look: Look) -> Iterator[Seen]:
    early = [brand for brand, _ in brand_words(look.item.text[:400], look.brands)]
    if early and look.free and look.told & {"payment", "login", "threat"}:
        yield Seen(1.0, f"it speaks for {early[0].name}, from a free mailbox")


@observes("call-back")
def call_back(look: Look) -> Iterator[Seen]:
    text = look.item.text
    phone = PHONE.search(text)
    if phone and look.told & {"support", "payment", "threat"} and CALLS.search(text):
        says = f"it wants a call to {phone[0].strip()} about a payment, a threat or an infection"
        yield Seen(1.0, says, "text", phone.start(), phone.end())
