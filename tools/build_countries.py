"""Build the table of countries and their names from ISO 3166-1 (pycountry) and CLDR (Babel).

    pip install babel pycountry
    python tools/build_countries.py

Writes `src/tidegauge/model/data/countries.json`: `countries` (code, ISO number, English and Traditional Chinese name)
and `names` (every known name and three-letter code, folded, to its code).
"""

from __future__ import annotations

import gettext
import json
from pathlib import Path

import pycountry
from babel import Locale

from tidegauge.model.country import BEYOND_ISO, UNKNOWN, folded

PATH = Path(__file__).parent.parent / "src" / "tidegauge" / "model" / "data" / "countries.json"
LOCALES = ("en", "zh_Hant", "zh_Hans", "zh_Hant_HK")
TRANSLATIONS = ("zh_TW", "zh_CN", "zh_HK")
MORE_NAMES = {
    "朝鮮": "KP", "南朝鮮": "KR", "中國大陸": "CN", "中华民国": "TW", "中華民國": "TW", "臺灣": "TW", "USA": "US",
}
"""Names in use that neither package has."""


def english_names() -> dict[str, str]:
    territories = Locale.parse("en").territories
    return {**{c.alpha_2: str(territories.get(c.alpha_2, c.name)) for c in pycountry.countries}, **BEYOND_ISO}


def codes_by_name(known: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for language in TRANSLATIONS:
        translated = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=[language])
        for country in pycountry.countries:
            for kind in ("name", "common_name", "official_name"):
                if english := getattr(country, kind, None):
                    found[folded(translated.gettext(english))] = country.alpha_2
                    found[folded(english)] = country.alpha_2
            found[folded(country.alpha_3)] = country.alpha_2
    for locale in LOCALES:
        for code, name in Locale.parse(locale).territories.items():
            if code in known and code != UNKNOWN:
                found[folded(str(name))] = code
    found.update({folded(name): code for code, name in known.items() if code != UNKNOWN})
    return found | {folded(name): code for name, code in MORE_NAMES.items()}


def main() -> None:
    known = english_names()
    chinese = Locale.parse("zh_Hant").territories
    numbers = {c.alpha_2: c.numeric for c in pycountry.countries}
    rows = [
        {"code": code, "number": numbers.get(code, ""), "en": name, "zh-TW": str(chinese.get(code, name))}
        for code, name in sorted(known.items())
    ]
    table = {"countries": rows, "names": dict(sorted(codes_by_name(known).items()))}
    PATH.write_text(json.dumps(table, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
