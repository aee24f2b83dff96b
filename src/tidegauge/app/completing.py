"""What may be meant by the beginning of an origin: countries in two languages, ASes by name, classes, watches."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

from tidegauge.atlas import as_names
from tidegauge.model import CLASSES, countries

MOST = 12
AS = re.compile(r"(?:as)?(\d{1,10})")


def folded(text: str) -> str:
    """Text without accents and case.

    >>> folded("Côte d'Ivoire")
    "cote d'ivoire"
    """
    plain = unicodedata.normalize("NFKD", text.strip())
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()


@cache
def _known() -> tuple[tuple[str, str, str, str], ...]:
    """Everything that has a name: value, what it is, its name, and the name folded."""
    rows = [(c["code"], "country", f"{c['en']} · {c['zh-TW']}", folded(f"{c['en']} {c['zh-TW']}")) for c in countries()]
    rows += [(f"class:{name}", "class", name, name) for name in CLASSES]
    rows += [(f"AS{number}", "as", name, folded(name)) for number, name in as_names().items()]
    return tuple(rows)


def complete(text: str, watches: list[str], most: int = MOST) -> list[dict[str, Any]]:
    """What may be meant, the likeliest first: the code or number itself, then names that begin so, then others.

    Args:
        watches: names of watches, which may be meant too.
    """
    wanted = folded(text)
    if not wanted:
        return []
    found: list[tuple[int, int, int, dict[str, Any]]] = []
    named = [(name, "watch", name, folded(name)) for name in watches]
    for order, (value, kind, name, low) in enumerate((*named, *_known())):
        if (rank := _rank(wanted, value, kind, low)) is not None:
            found.append((rank, kind == "as", order, {"kind": kind, "value": value, "name": name}))
    return [told for *_, told in sorted(found, key=lambda one: one[:3])[:most]]


def _rank(wanted: str, value: str, kind: str, low: str) -> int | None:
    """How likely a name is meant, 0 the most; None where it is not."""
    code, number = value.casefold(), AS.fullmatch(wanted)
    if code == wanted or (number and kind == "as" and value == f"AS{number[1]}"):
        return 0
    if low.startswith(wanted) or (kind == "class" and code.startswith(wanted)):
        return 1
    if f" {wanted}" in low or (len(wanted) > 1 and code.startswith(wanted) and kind == "as"):
        return 2
    return 3 if len(wanted) > 1 and wanted in low else None
