"""Every question that can be put to a site, by its verb: its form, and who answers it as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegauge import verbs
from tidegauge.context import SiteContext

Answering = Callable[[SiteContext, Any, Callable[[str], None]], dict[str, Any]]
MOST_BINS = 200_000


def _ask(here: SiteContext, question: Any, progress: Callable[[str], None]) -> dict[str, Any]:
    progress("judging")
    return verbs.answer_json(question, verbs.ask(here, question))


def _lure(here: SiteContext, question: Any, progress: Callable[[str], None]) -> dict[str, Any]:
    from tidegauge.verbs.luring import lure  # with the libraries of the extra `content`

    return lure(here, question).to_json()


def _leak(here: SiteContext, question: Any, progress: Callable[[str], None]) -> dict[str, Any]:
    from tidegauge.verbs.leaking import leak

    return leak(here, question, progress).to_json()


ANSWERS: dict[str, tuple[type, Answering]] = {
    "ask": (verbs.AskQuestion, _ask),
    "series": (verbs.SeriesQuestion, lambda h, q, p: verbs.series(h, q, most_bins=MOST_BINS).to_json()),
    "top": (verbs.TopQuestion, lambda h, q, p: verbs.top(h, q).to_json()),
    "coverage": (verbs.CoverageQuestion, lambda h, q, p: verbs.coverage(h, q).to_json()),
    "flows": (verbs.FlowsQuestion, lambda h, q, p: verbs.flows(h, q).to_json()),
    "lure": (verbs.LureQuestion, _lure),
    "leak": (verbs.LeakQuestion, _leak),
    "hunt": (verbs.HuntQuestion, lambda h, q, p: verbs.hunt(h, q, p).to_json()),
    "origins": (verbs.OriginsQuestion, lambda h, q, p: verbs.origins(h, q).to_json()),
    "world": (verbs.WorldQuestion, lambda h, q, p: verbs.world(h, q).to_json()),
    "names": (verbs.NamesQuestion, lambda h, q, p: verbs.names_of(h, q).to_json()),
    "reach": (verbs.ReachQuestion, lambda h, q, p: verbs.reach(h, q).to_json()),
    "origin": (verbs.OriginQuestion, lambda h, q, p: verbs.origin(h, q).to_json()),
}
