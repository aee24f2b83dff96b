"""Countries as people name them: ISO 3166-1 codes, and names in English and Chinese."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Any

from tidegauge.model.errors import UsageError

UNKNOWN = "ZZ"
BEYOND_ISO = {"XK": "Kosovo", UNKNOWN: "not known"}
"""Codes that location tables use and ISO 3166-1 does not assign."""
MEANT = {"UK": "GB", "EL": "GR", "SU": "RU", "EN": "GB", "JA": "JP", "SP": "ES", "SW": "SE", "DA": "DK", "KO": "KR"}
"""Codes of other lists (reserved in ISO 3166, withdrawn, or of languages), and the country that may have been meant."""
SUGGESTED = 3


@cache
def _table() -> dict[str, Any]:
    """Return what `tools/build_countries.py` wrote."""
    loaded: dict[str, Any] = json.loads(
        (files("tidegauge.model") / "data" / "countries.json").read_text(encoding="utf-8")
    )
    return loaded


@cache
def country_names() -> dict[str, str]:
    """Return the English short name of every code."""
    return {row["code"]: row["en"] for row in _table()["countries"]}


@cache
def countries() -> tuple[dict[str, str], ...]:
    """Return all countries: code, ISO's number (empty where it has none), name in English and Traditional Chinese."""
    return tuple(row for row in _table()["countries"] if row["code"] != UNKNOWN)


def folded(name: str) -> str:
    """Return a name without accents, punctuation and case: "Côte d'Ivoire" as "cote divoire"."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return re.sub(r"\s+", " ", re.sub(r"[^\w\s]", "", plain.casefold())).strip().removeprefix("the ")


def parse_country(text: str) -> str:
    """Return the code of a country that is named by code or name.

    >>> [parse_country(t) for t in ("kp", "PRK", "North Korea", "北韓", "朝鮮", "Russia")]
    ['KP', 'KP', 'KP', 'KP', 'KP', 'RU']

    Raises:
        UsageError: no country; the hint names what may have been meant.
    """
    text = text.strip()
    code = text.upper()
    if code in country_names():
        return code
    found = _table()["names"].get(folded(text)) if folded(text) else None
    if found is not None:
        return str(found)
    raise UsageError(f"no such country: {text!r}", hint=_meant(text))


def _meant(text: str) -> str:
    names, by_name = country_names(), _table()["names"]
    codes = [MEANT[text.upper()]] if text.upper() in MEANT else []
    if len(text) > 2:
        near = difflib.get_close_matches(folded(text), by_name, n=2 * SUGGESTED, cutoff=0.6)
        codes += [by_name[name] for name in near]
    elif text.upper()[::-1] in names:
        codes.append(text.upper()[::-1])
    shown = [f"{code} ({names[code]})" for code in dict.fromkeys(codes)][:SUGGESTED]
    return f"{' or '.join(shown)}?" if shown else "an ISO 3166 code such as KP, or a name such as North Korea"
