"""Sentences of the program in Traditional Chinese, by their form: what stands in them stays as it is.

Verbs answer in English (their JSON is a contract); statements and the console's pages show the same sentence in the
reader's language where its form is in `data/sentences.json`, and in English where it is not.
"""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from importlib.resources import files

BRACES = re.compile(r"\{(\w+)\}")


@cache
def _forms() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns of English sentences, and the Chinese ones with the same names in braces."""
    told: list[tuple[str, str]] = json.loads(
        files("tidegauge.model").joinpath("data", "sentences.json").read_text(encoding="utf-8")
    )
    found = []
    for english, chinese in told:
        parts = BRACES.split(english)
        pattern = "".join(f"(?P<{part}>.+?)" if i % 2 else re.escape(part) for i, part in enumerate(parts))
        found.append((re.compile(pattern, re.DOTALL), chinese))
    return tuple(found)


def worded(sentence: str, language: str) -> str:
    """A sentence in a language (`en` or `zh-TW`), in English where its form is not known."""
    return (in_chinese(sentence) if language == "zh-TW" else None) or sentence


@lru_cache(maxsize=4096)
def in_chinese(sentence: str) -> str | None:
    """A sentence in Traditional Chinese; None where its form is not known. What stands in it can be one itself.

    >>> in_chinese("too little coverage: 12.5% of the asked time was seen, 80% are needed")
    '涵蓋不足：所查時間看到 12.5%，需要 80%'
    """
    for pattern, chinese in _forms():
        if match := pattern.fullmatch(sentence):
            values = {name: in_chinese(part) or part for name, part in match.groupdict().items()}
            return BRACES.sub(lambda found, values=values: values[found[1]], chinese)  # type: ignore[misc]
    return None
