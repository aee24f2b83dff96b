"""All that is observed of an item, of every kind."""

from __future__ import annotations

from tidegauge.lure.looking import Item
from tidegauge.lure.of_content import of_attachments, of_form
from tidegauge.lure.of_links import of_links
from tidegauge.lure.of_sender import of_sender
from tidegauge.lure.of_words import of_words
from tidegauge.lure.signal import GROUPS, NAMES, Signal
from tidegauge.lure.tables import Brands

__all__ = ["GROUPS", "NAMES", "Signal", "signals"]


def signals(item: Item, brands: Brands) -> list[Signal]:
    """All that is observed of an item; of one name the strongest, the others' places with it."""
    found = [
        *of_sender(item, brands),
        *of_links(item, brands),
        *of_words(item, brands),
        *of_attachments(item),
        *of_form(item),
    ]
    best: dict[str, Signal] = {}
    for signal in found:
        if signal.name not in best or signal.value > best[signal.name].value:
            best[signal.name] = signal
    return list(best.values())
