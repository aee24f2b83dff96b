"""What an address displayed at a time: editions of tables, and labelling flows with them."""

from tidegauge.atlas.editions import Atlas, Edition, Fact, Origins
from tidegauge.atlas.label import directions, label
from tidegauge.atlas.table import OriginTable

__all__ = ["Atlas", "Edition", "Fact", "OriginTable", "Origins", "directions", "label"]
