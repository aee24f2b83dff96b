"""`origin`: what an address displays, by what an origin can show itself, over which way it was reached."""

from __future__ import annotations

import time
from typing import Any

from tidegauge.app.questions import OriginQuestion, OriginsQuestion, ReachQuestion
from tidegauge.atlas import Atlas, Origin, Reach, Showings, Witnesses, judge, reach as reached, showings
from tidegauge.context import SiteContext
from tidegauge.hunt import HuntLedger
from tidegauge.model import class_names, format_address, parse_address, parse_time


def _at(text: str | None) -> int:
    now_s = int(time.time())
    return now_s if text is None else parse_time(text, now_s=now_s)


def origins(here: SiteContext, question: OriginsQuestion) -> Showings:
    """Every prefix by which an origin can show itself.

    Raises:
        UsageError: not one country, AS or class.
    """
    return showings(here.atlas, question.of, _at(question.at))


def origin(here: SiteContext, question: OriginQuestion) -> Origin:
    """What an address displays at a time.

    Raises:
        UsageError: not an address, or a wrong time.
    """
    at_s, address = _at(question.at), parse_address(question.address)
    found = tuple(HuntLedger(here.store).about(format_address(address), at_s))
    return judge(Witnesses(here.atlas, at_s).about(address, found))


def reach(here: SiteContext, question: ReachQuestion) -> Reach:
    """Over which ASes and upstreams an origin was reached.

    Raises:
        UsageError: neither a country nor an AS.
    """
    return reached(here.atlas, question.of, _at(question.at))


def editions_json(atlas: Atlas) -> list[dict[str, Any]]:
    """All editions, the oldest first."""
    return [
        {"source": e.source, "edition": e.edition, "format": e.format, "ranges": e.prefixes, "ases": e.ases,
         "classes": class_names(e.classes), "licence": e.licence, "origin": e.origin, "hash": e.hash}
        for e in atlas.editions()
    ]
