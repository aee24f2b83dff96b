"""What may be something: compiled matchers over bytes, and the forms that candidates must have."""

from __future__ import annotations

import re
from collections.abc import Iterator

import re2

from tidegauge.leak import numbers, secrets

WORDS = (
    r"(?:pass(?:wor[dt]|wd|phrase|code)?|pwd|passwort|kennwort|contrase(?:n|ñ|Ã±)a|clave|senha|mot[ _]de[ _]passe|mdp|"
    r"wachtwoord|密碼|密码|口令|пароль|パスワード|api[_-]?key|secret(?:[_-]?key)?|client[_-]?secret|access[_-]?(?:key|token)|auth[_-]?token)"
)
OPTIONS = re2.Options()
OPTIONS.max_mem = 256 << 20
OPTIONS.log_errors = False
OPTIONS.encoding = re2.Options.Encoding.LATIN1
OPTIONS.longest_match = True
OPTIONS.never_capture = True
NUMBERS = "|".join(
    [r"\d{3}[ -]?\d{2}[ -]?\d{4}", r"\d{12,19}", r"\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}", r"\d{4}[ -]\d{6}[ -]\d{5}",
     *(f"(?:{form.form})" for form in numbers.FORMS)]
)  # fmt: skip
"""The forms of all numbers that are looked for: a date before one is no part of it."""
TRIGGERS = re2.compile(
    "|".join(
        (
            r"[A-Za-z0-9._%+-]+@[A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z][A-Za-z]+",
            r"-----BEGIN [A-Z ]*PRIVATE KEY|(?:AKIA|ASIA)[A-Z2-7]+|gh[pousr]_[A-Za-z0-9]+|github_pat_[A-Za-z0-9_]+",
            r"glpat-[A-Za-z0-9_-]+|xox[abeoprs]-[A-Za-z0-9-]+|hooks\.slack\.com/services/[A-Za-z0-9/]+|AIza[A-Za-z0-9_-]+",
            r"[sr]k_(?:live|test)_[A-Za-z0-9]+|npm_[A-Za-z0-9]+|pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]+",
            r"SG\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|SK[0-9a-f]+|[0-9]+:AA[A-Za-z0-9_-]+|sk-[A-Za-z0-9_-]+",
            r"AccountKey=[A-Za-z0-9+/]+==|do[opr]_v1_[0-9a-f]+|shp(?:at|ca|pa|ss)_[0-9a-fA-F]+|key-[0-9a-f]+",
            r"eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
            r"[A-Z0-9<]*<<[A-Z0-9<]+",
            r"[a-z][a-z0-9+.-]*://[^\s/:@\"'<>]+:[^\s/@\"'<>]+@[A-Za-z0-9.-]+",
            f"(?i:{WORDS})".encode().decode("latin-1"),
            r"[A-Z][1289A-D][0-9]+|[A-Z]+[0-9][0-9][A-Z][0-9][0-9][A-Z][0-9]+[A-Z]|[A-Z]+[0-9]+[HM][A-Z]+[A-Z0-9]?[0-9]",
            r"[A-Z][A-Z][0-9][0-9](?: ?[A-Z0-9]+)+|[XYZ]-?[0-9]+-?[A-Z]|[0-9]{6}[A+][0-9]{3}[0-9A-Y]",
        )
    ).encode("latin-1"),
    OPTIONS,
)
"""What may be something besides a number; what each match is, is told by its bytes."""


NUMBER = re2.compile(NUMBERS.encode(), OPTIONS)


def candidates(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Places and bytes of everything that may be something, in order; of numbers those that are no part of another.

    Two matchers, since one for all has so many states that it falls back to a slow way.
    """
    numbers_found = NUMBER.finditer(data)
    number = next(numbers_found, None)
    for match in TRIGGERS.finditer(data):
        start, end = match.span()
        while number is not None and number.start() < end:
            if number.start() < start:
                yield number.start(), number.group()
            number = next(numbers_found, None)
        yield start, match.group()
    while number is not None:
        yield number.start(), number.group()
        number = next(numbers_found, None)


def trigger(text: bytes) -> str:
    """Which trigger a match is."""
    first = text[:1]
    if b"@" in text:
        return "url" if b"://" in text else "email"
    if b"<<" in text:
        return "zone"
    if first.isdigit():
        return "secret" if b":" in text else "number"
    if first == b"-" or (first == b"e" and text[:3] == b"eyJ") or secrets.token_kind(text.decode("latin-1")):
        return "secret"
    return "letters" if first.isupper() and any(48 <= c < 58 for c in text) else "word"


VALUE = re.compile(r"""["']?\s*(?:(?:[:=]|=>|\bis\b|是|为|為)\s*["']?([^\s"',;]{4,128})|>\s*([^<\s]{4,128})<)""")
COMBO = re.compile(r"[:;|\t]([^\s:;|]{4,128})(?:[:;|\s]|$)")
LOGIN = re.compile(
    r"(?i)\b(?:user(?:name)?|login|account|benutzer(?:name)?|usuario|utilisateur|identifiant|帳號|账号|email|e-mail|mail)\b\W{0,4}\s*[:=]"
)
DATE = re.compile(r"\b((?:19|20)\d\d)[-/.](0[1-9]|1[0-2])[-/.](0[1-9]|[12]\d|3[01])\b")
CANDIDATE = re.compile(
    "|".join(
        [r"\d{3}([- ]?)\d{2}\1\d{4}", r"[A-Z][1289A-D]\d{8}", r"\d{12,19}", r"\d{4}([ -])\d{4}\2\d{4}\2\d{1,7}",
         r"\d{4}([ -])\d{6}\3\d{5}", r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}",
         *(f"(?:{form.form})" for form in numbers.FORMS)]
    )
)  # fmt: skip
"""Whether a text has the form of anything that is looked for."""
JOINED = "_-.+#/\\%$"
"""Signs before a number that make it a part of something longer."""
FORMS = [(form, re.compile(form.form), re.compile(form.shaped or "(?!)")) for form in numbers.FORMS]
