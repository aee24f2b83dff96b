"""What the command line and the API have in common: questions as they are put, and the functions that answer them.

Names are looked up in their modules when they are first used, so that no verb starts with the libraries of all;
`luring` and `leaking` are imported by who calls them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegauge.app.judging import (
        answer_json,
        ask,
        editions_json,
        hunt,
        origin,
        origins,
        parse_alarms,
        parse_wanted,
        reach,
    )
    from tidegauge.app.picturing import names_of, world
    from tidegauge.app.questions import (
        AskQuestion,
        CoverageQuestion,
        Direction,
        FlowsQuestion,
        HuntQuestion,
        LeakQuestion,
        LureQuestion,
        Metric,
        NamesQuestion,
        OriginQuestion,
        OriginsQuestion,
        ReachQuestion,
        SeriesQuestion,
        TopQuestion,
        WorldQuestion,
    )
    from tidegauge.app.reading import (
        STANDINGS,
        CoverageReply,
        coverage,
        flow_filter,
        flows,
        flows_caveats,
        plain,
        plain_rows,
        series,
        top,
    )

_HOMES = ("questions", "reading", "judging", "picturing")


def __getattr__(name: str) -> Any:
    if name in __all__:
        for home in _HOMES:
            module = importlib.import_module(f"tidegauge.app.{home}")
            if name in vars(module):
                globals()[name] = vars(module)[name]
                return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "STANDINGS", "AskQuestion", "CoverageQuestion", "CoverageReply", "Direction", "FlowsQuestion",
    "HuntQuestion", "LeakQuestion", "LureQuestion", "Metric", "NamesQuestion", "OriginQuestion", "OriginsQuestion",
    "ReachQuestion", "SeriesQuestion", "TopQuestion", "WorldQuestion", "answer_json", "ask", "coverage",
    "editions_json", "flow_filter", "flows", "flows_caveats", "hunt", "names_of", "origin", "origins",
    "parse_alarms", "parse_wanted", "plain", "plain_rows", "reach", "series", "top", "world",
]
