"""What the command line and the API have in common: questions as they are put, and the functions that answer them."""

from tidegauge.hunt.lured import Swept
from tidegauge.verbs.context import Here
from tidegauge.verbs.judging import answer_json, ask, editions_json, hunt, origin, origins, parse_alarms, parse_wanted
from tidegauge.verbs.leaking import Leaks, Own, Reveal, leak, leaks
from tidegauge.verbs.luring import Lures, indicators_of, judged, judging, lure, lures, sweep
from tidegauge.verbs.questions import (
    AskQuestion,
    CoverageQuestion,
    Direction,
    FlowsQuestion,
    HuntQuestion,
    LeakQuestion,
    LureQuestion,
    Metric,
    OriginQuestion,
    OriginsQuestion,
    SeriesQuestion,
    TopQuestion,
)
from tidegauge.verbs.reading import (
    STANDINGS,
    CoverageReply,
    coverage,
    flow_filter,
    flows,
    plain,
    plain_rows,
    series,
    top,
)

__all__ = [
    "STANDINGS", "AskQuestion", "CoverageQuestion", "CoverageReply", "Direction", "FlowsQuestion", "Here",
    "HuntQuestion", "LeakQuestion", "Leaks", "LureQuestion", "Lures", "Metric", "OriginQuestion", "OriginsQuestion",
    "Own", "Reveal", "SeriesQuestion", "Swept", "TopQuestion", "answer_json", "ask", "coverage", "editions_json",
    "flow_filter", "flows", "hunt", "indicators_of", "judged", "judging", "leak", "leaks", "lure", "lures",
    "origin", "origins", "parse_alarms", "parse_wanted", "plain", "plain_rows", "series", "sweep", "top",
]  # fmt: skip
