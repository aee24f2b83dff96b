"""Every question that can be put to a site, by its verb: its form, and who answers it as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidegauge import app
from tidegauge.context import SiteContext

Answering = Callable[[SiteContext, Any, Callable[[str], None]], Mapping[str, Any]]
MOST_BINS = 200_000


def _ask(here: SiteContext, question: Any, progress: Callable[[str], None]) -> Mapping[str, Any]:
    progress("judging")
    return app.answer_json(question, app.ask(here, question))


def _lure(here: SiteContext, question: Any, progress: Callable[[str], None]) -> Mapping[str, Any]:
    from tidegauge.app.luring import lure  # with the libraries of the extra `content`

    return lure(here, question).to_json()


def _leak(here: SiteContext, question: Any, progress: Callable[[str], None]) -> Mapping[str, Any]:
    from tidegauge.app.leaking import leak

    return leak(here, question, progress).to_json()


ANSWERS: dict[str, tuple[type, Answering]] = {
    "ask": (app.AskQuestion, _ask),
    "series": (app.SeriesQuestion, lambda h, q, p: app.series(h, q, most_bins=MOST_BINS).to_json()),
    "top": (app.TopQuestion, lambda h, q, p: app.top(h, q).to_json()),
    "coverage": (app.CoverageQuestion, lambda h, q, p: app.coverage(h, q).to_json()),
    "flows": (app.FlowsQuestion, lambda h, q, p: app.flows(h, q).to_json()),
    "lure": (app.LureQuestion, _lure),
    "leak": (app.LeakQuestion, _leak),
    "hunt": (app.HuntQuestion, lambda h, q, p: app.hunt(h, q, p).to_json()),
    "origins": (app.OriginsQuestion, lambda h, q, p: app.origins(h, q).to_json()),
    "world": (app.WorldQuestion, lambda h, q, p: app.world(h, q).to_json()),
    "names": (app.NamesQuestion, lambda h, q, p: app.names_of(h, q).to_json()),
    "reach": (app.ReachQuestion, lambda h, q, p: app.reach(h, q).to_json()),
    "origin": (app.OriginQuestion, lambda h, q, p: app.origin(h, q).to_json()),
}
