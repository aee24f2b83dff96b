"""What a text asks for and how it presses: phrases of many languages found in one pass."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from ahocorasick_rs import AhoCorasick, Implementation

from tidegauge.lure.tables import INVISIBLE, _table, fold

NEAR = 60
MOST_HITS = 20_000
DECORATED = re.compile(r"[\U0001D400-\U0001D7FF\u2460-\u24ff\uff01-\uff5e\U0001F100-\U0001F1FF]")


@dataclass(frozen=True)
class Hit:
    """A phrase found: of which request, and where in the text."""

    request: str
    start: int
    end: int


def shown_text(text: str) -> str:
    """Text as it is read: decorated letters as plain ones, without characters that are not seen.

    >>> shown_text("𝐅𝐫𝐞\u200b𝐞")
    'Free'
    """
    return unicodedata.normalize("NFKC", text).translate(INVISIBLE)


@dataclass(frozen=True)
class _Phrase:
    request: str
    name: int
    part: int
    of: int
    left: bool
    right: bool


class _Lexicon:
    """All phrases in one automaton; a phrase of several parts is put together from their places."""

    def __init__(self) -> None:
        self.says: dict[str, str] = {}
        by_text: dict[str, list[_Phrase]] = defaultdict(list)
        count = 0
        for request, row in _table("requests.toml").items():
            self.says[request] = row["says"]
            for phrase in re.split(r"\s*\|\s*", " ".join(row["phrases"].split())):
                # " * " stands for a word or number between two parts.
                parts = [p for p in re.split(r"\.\.| \* |(?<=\s)\*\s|^\* | \*$", phrase.strip()) if p.strip()]
                for i, part in enumerate(parts):
                    text = fold(part.strip())
                    loose_right = text.endswith("*")
                    text = text.rstrip("*")
                    by_text[text].append(
                        _Phrase(
                            request, count, i, len(parts), _lettered(text[0]), _lettered(text[-1]) and not loose_right
                        )
                    )
                count += 1
        self.texts = list(by_text)
        self.meanings = [by_text[text] for text in self.texts]
        self.automaton = AhoCorasick(self.texts, implementation=Implementation.DFA)


def _lettered(char: str) -> bool:
    """Whether words of this character's script are divided by spaces."""
    return char.isalnum() and ord(char) < 0x2E80


@cache
def _lexicon() -> _Lexicon:
    return _Lexicon()


def requests() -> dict[str, str]:
    """Every request, with the sentence that says it."""
    return dict(_lexicon().says)


def find_requests(text: str) -> list[Hit]:
    """Phrases in shown text, in order.

    >>> [hit.request for hit in find_requests("Verify your account within 24 hours")]
    ['login', 'urgency']
    """
    lexicon = _lexicon()
    plain = fold(text)
    hits: list[Hit] = []
    parts: dict[int, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    requests_of: dict[int, tuple[str, int]] = {}
    for number, (index, start, end) in enumerate(lexicon.automaton.find_matches_as_indexes(plain, overlapping=True)):
        if number > MOST_HITS:
            break
        for phrase in lexicon.meanings[index]:
            if phrase.left and start and _lettered(plain[start - 1]):
                continue
            if phrase.right and end < len(plain) and _lettered(plain[end]):
                continue
            if phrase.of == 1:
                hits.append(Hit(phrase.request, start, end))
            else:
                parts[phrase.name][phrase.part].append((start, end))
                requests_of[phrase.name] = (phrase.request, phrase.of)
    for name, places in parts.items():
        request, of = requests_of[name]
        if len(places) == of:
            hits += [Hit(request, start, end) for start, end in _together(places, of)]
    return sorted(hits, key=lambda hit: (hit.start, hit.end))


def _together(places: dict[int, list[tuple[int, int]]], of: int) -> list[tuple[int, int]]:
    """Where the parts of a phrase follow each other closely."""
    found = []
    for start, end in places[0]:
        for part in range(1, of):
            starts = [place[0] for place in places[part]]
            i = bisect_left(starts, end)
            if i == len(starts) or starts[i] - end > NEAR:
                break
            end = places[part][i][1]
        else:
            found.append((start, end))
    return found


HIDDEN_WITHIN = re.compile("[A-Za-z][\u200b\u200c\u2060\u00ad\u034f]")
"""An invisible character behind a Latin letter."""


def disguised(text: str) -> int:
    """How many words of a text are written so that programs don't read them: letters of look-alike scripts within
    Latin words, mathematical or enclosed letters, invisible characters within words.

    >>> disguised("Раypal wallet"), disguised("Привет мир"), disguised("𝐖𝐢𝐧 n\u200bow")
    (1, 0, 2)
    """
    return sum(_is_disguised(word) for word in text.split() if not word.isascii())


def _is_disguised(word: str) -> bool:
    inner = word.strip("\u200b\u200c\u200d\u2060\ufeff\u00ad")
    letters = [c for c in inner if c.isalpha()]
    # Full-width signs are Chinese and Japanese punctuation; letters of that form are not.
    odd = sum(DECORATED.match(c) is not None and c.isalnum() for c in inner)
    latin = any(c.isascii() for c in letters)
    strange = any(0x370 <= ord(c) < 0x590 for c in letters)
    return odd >= 2 or (latin and strange) or HIDDEN_WITHIN.search(inner) is not None
