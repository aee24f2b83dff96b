"""Questions to answers: a site's flows or a file's series, judged, with what the answer rests on."""

from tidegauge.inquiry.ask import ALL_METRICS, Asked, Reply, ask, borne, calendar_of, widened
from tidegauge.inquiry.files import assess
from tidegauge.inquiry.origins import check_origins
from tidegauge.inquiry.ranking import Ranking, ask_all

__all__ = [
    "ALL_METRICS", "Asked", "Ranking", "Reply", "ask", "ask_all", "assess", "borne", "calendar_of",
    "check_origins", "widened",
]  # fmt: skip
