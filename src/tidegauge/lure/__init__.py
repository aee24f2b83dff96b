"""Lures: mails, messages and links that make a host somebody else's, judged by what they show and where they lead."""

from tidegauge.lure.authentic import Authentic, read_keys
from tidegauge.lure.judge import Judge, Judged, our_model
from tidegauge.lure.reading import Given, Left, given
from tidegauge.lure.tables import Brands, read_brands
from tidegauge.model.domains import registered

__all__ = [
    "Authentic", "Brands", "Given", "Judge", "Judged", "Left", "given", "our_model", "read_brands", "read_keys",
    "registered",
]  # fmt: skip
