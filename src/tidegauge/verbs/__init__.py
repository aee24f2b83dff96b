"""What the command line and the API have in common: questions as they are put, and the functions that answer them.

`luring` and `leaking` are imported by who calls them: their libraries would make every other verb start later.
"""

from tidegauge.verbs.context import Here
from tidegauge.verbs.judging import answer_json, ask, editions_json, hunt, origin, origins, parse_alarms, parse_wanted
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
    "HuntQuestion", "LeakQuestion", "LureQuestion", "Metric", "OriginQuestion", "OriginsQuestion", "SeriesQuestion",
    "TopQuestion", "answer_json", "ask", "coverage", "editions_json", "flow_filter", "flows", "hunt", "origin",
    "origins", "parse_alarms", "parse_wanted", "plain", "plain_rows", "series", "top",
]  # fmt: skip
