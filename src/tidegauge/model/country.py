"""Countries as people name them: ISO 3166-1 codes, and names in English and Chinese."""

from __future__ import annotations

import difflib
import gettext
import re
import unicodedata
from functools import cache

from tidegauge.model.errors import UsageError

UNKNOWN = "ZZ"
BEYOND_ISO = {"XK": "Kosovo", UNKNOWN: "not known"}
"""Codes that location tables use and ISO 3166-1 does not assign."""
LOCALES = ("en", "zh_Hant", "zh_Hans", "zh_Hant_HK")
TRANSLATIONS = ("zh_TW", "zh_CN", "zh_HK")
MORE_NAMES = {
    "朝鮮": "KP", "南朝鮮": "KR", "中國大陸": "CN", "中华民国": "TW", "中華民國": "TW", "臺灣": "TW", "USA": "US",
}  # fmt: skip
"""Names in use that neither package has."""
MEANT = {"UK": "GB", "EL": "GR", "SU": "RU", "EN": "GB", "JA": "JP", "SP": "ES", "SW": "SE", "DA": "DK", "KO": "KR"}
"""Codes of other lists (reserved in ISO 3166, withdrawn, or of languages), and the country that may have been meant."""
SUGGESTED = 3


@cache
def country_names() -> dict[str, str]:
    """The English short name of every code (CLDR, through Babel; codes by pycountry)."""
    import pycountry
    from babel import Locale

    territories = Locale.parse("en").territories
    return {**{c.alpha_2: str(territories.get(c.alpha_2, c.name)) for c in pycountry.countries}, **BEYOND_ISO}


@cache
def _by_name() -> dict[str, str]:
    """Codes by folded name: CLDR's short names, ISO's names and three-letter codes."""
    import pycountry
    from babel import Locale

    found: dict[str, str] = {}
    for language in TRANSLATIONS:
        translated = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=[language])
        for country in pycountry.countries:
            for kind in ("name", "common_name", "official_name"):
                if english := getattr(country, kind, None):
                    found[_folded(translated.gettext(english))] = country.alpha_2
                    found[_folded(english)] = country.alpha_2
            found[_folded(country.alpha_3)] = country.alpha_2
    known = country_names()
    for locale in LOCALES:
        for code, name in Locale.parse(locale).territories.items():
            if code in known and code != UNKNOWN:
                found[_folded(str(name))] = code
    found.update({_folded(name): code for code, name in known.items() if code != UNKNOWN})
    return found | {_folded(name): code for name, code in MORE_NAMES.items()}


def _folded(name: str) -> str:
    """A name without accents, punctuation and case: "Côte d'Ivoire" as "cote divoire"."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return re.sub(r"\s+", " ", re.sub(r"[^\w\s]", "", plain.casefold())).strip().removeprefix("the ")


def parse_country(text: str) -> str:
    """The code of a country that is named by code or name.

    >>> [parse_country(t) for t in ("kp", "PRK", "North Korea", "北韓", "朝鮮", "Russia")]
    ['KP', 'KP', 'KP', 'KP', 'KP', 'RU']

    Raises:
        UsageError: no country; the hint names what may have been meant.
    """
    text = text.strip()
    code = text.upper()
    if code in country_names():
        return code
    found = _by_name().get(_folded(text)) if _folded(text) else None
    if found is not None:
        return found
    raise UsageError(f"no such country: {text!r}", hint=_meant(text))


def _meant(text: str) -> str:
    names = country_names()
    codes = [MEANT[text.upper()]] if text.upper() in MEANT else []
    if len(text) > 2:
        near = difflib.get_close_matches(_folded(text), _by_name(), n=2 * SUGGESTED, cutoff=0.6)
        codes += [_by_name()[name] for name in near]
    elif text.upper()[::-1] in names:
        codes.append(text.upper()[::-1])
    shown = [f"{code} ({names[code]})" for code in dict.fromkeys(codes)][:SUGGESTED]
    return f"{' or '.join(shown)}?" if shown else "an ISO 3166 code such as KP, or a name such as North Korea"


@cache
def countries() -> tuple[dict[str, str], ...]:
    """All countries: code, ISO's number (empty where it has none), and name in English and Traditional Chinese."""
    import pycountry
    from babel import Locale

    chinese = Locale.parse("zh_Hant").territories
    numbers = {c.alpha_2: c.numeric for c in pycountry.countries}
    return tuple(
        {"code": code, "number": numbers.get(code, ""), "en": name, "zh-TW": str(chinese.get(code, name))}
        for code, name in sorted(country_names().items()) if code != UNKNOWN
    )  # fmt: skip
