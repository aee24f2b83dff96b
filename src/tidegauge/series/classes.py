"""Classes of addresses that flows were labelled with, and those that no list was there to label by."""

from __future__ import annotations

from collections.abc import Iterable

from tidegauge.atlas import Atlas
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import class_bit


def unlisted(lake: Lake, atlas: Atlas, names: Iterable[str], since_s: int, until_s: int) -> list[str]:
    """Return the classes of which no list is loaded for a time, nor any flow of it was labelled."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return []
    missing = [name for name in wanted if not atlas.class_known(class_bit(name), since_s, until_s)]
    if not missing:
        return []
    chosen = FlowFilter(since_s * 1_000_000, until_s * 1_000_000)
    labels = int(lake.total("bit_or(src_class | dst_class)", chosen) or 0)
    return [name for name in missing if not labels & class_bit(name)]


def no_list(names: Iterable[str]) -> str:
    """Return the sentence about classes of which no list is loaded.

    >>> no_list(["tor-exit"])[:60]
    'No list of tor-exit addresses is loaded for this time, so no'
    """
    named = ", ".join(names)
    return (
        f"No list of {named} addresses is loaded for this time, so no flow can be labelled as such:"
        " load one with tidegauge atlas update or atlas import, then tidegauge lake relabel."
    )
