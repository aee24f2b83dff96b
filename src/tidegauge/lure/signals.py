"""All that is observed of an item, of every kind: whoever asks for signals here has their finders registered."""

from __future__ import annotations

from tidegauge.lure import of_content, of_links, of_sender, of_words
from tidegauge.lure.observing import FINDERS, GROUPS, NAMES, Signal, signals

__all__ = ["FINDERS", "GROUPS", "NAMES", "Signal", "of_content", "of_links", "of_sender", "of_words", "signals"]
