from .covering import STANDINGS as STANDINGS, CoverageReply as CoverageReply, coverage as coverage
from .hunting import hunt as hunt
from .judging import answer_json as answer_json, ask as ask, parse_alarms as parse_alarms, parse_wanted as parse_wanted
from .origins import editions_json as editions_json, origin as origin, origins as origins, reach as reach
from .picturing import names_of as names_of, world as world
from .questions import (
    AskQuestion as AskQuestion,
    CoverageQuestion as CoverageQuestion,
    Direction as Direction,
    FlowsQuestion as FlowsQuestion,
    HuntQuestion as HuntQuestion,
    LeakQuestion as LeakQuestion,
    LureQuestion as LureQuestion,
    Metric as Metric,
    NamesQuestion as NamesQuestion,
    OriginQuestion as OriginQuestion,
    OriginsQuestion as OriginsQuestion,
    ReachQuestion as ReachQuestion,
    SeriesQuestion as SeriesQuestion,
    TopQuestion as TopQuestion,
    WorldQuestion as WorldQuestion,
)
from .reading import (
    flow_filter as flow_filter,
    flows as flows,
    flows_caveats as flows_caveats,
    plain as plain,
    plain_rows as plain_rows,
    series as series,
    top as top,
)
