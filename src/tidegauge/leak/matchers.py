"""What may be something besides a number: a compiled matcher over bytes; and the forms that candidates must have."""

from __future__ import annotations

import re
from functools import lru_cache

import re2

from tidegauge.leak import numbers

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
TRIGGERS = re2.compile(
    "|".join(
        (
            r"[A-Za-z0-9._%+-]+@[A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z][A-Za-z]+",
            r"-----BEGIN [A-Z ]*PRIVATE KEY|(?:AKIA|ASIA)[A-Z2-7]+|gh[pousr]_[A-Za-z0-9]+|github_pat_[A-Za-z0-9_]+",
            r"glpat-[A-Za-z0-9_-]+|xox[abeoprs]-[A-Za-z0-9-]+|https://hooks\.slack\.com/services/[A-Za-z0-9/]+|AIza[A-Za-z0-9_-]+",
            r"[sr]k_(?:live|test)_[A-Za-z0-9]+|npm_[A-Za-z0-9]+|pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]+",
            r"SG\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|SK[0-9a-f]+|[0-9]+:AA[A-Za-z0-9_-]+|sk-[A-Za-z0-9_-]+",
            r"AccountKey=[A-Za-z0-9+/]+==|do[opr]_v1_[0-9a-f]+|shp(?:at|ca|pa|ss)_[0-9a-fA-F]+|key-[0-9a-f]+",
            r"eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
            r"[A-Z0-9<]*<<[A-Z0-9<]+",
            r"[a-z][a-z0-9+.-]*://[^\s/:@\"'<>]+:[^\s/@\"'<>]+@[A-Za-z0-9.-]+",
            f"(?i:{WORDS})".encode().decode("latin-1"),
        )
    ).encode("latin-1"),
    OPTIONS,
)
"""What may be something besides a number; what each match is, is told by its bytes."""


TOKEN_STARTS = tuple(
    b"----- AKIA ASIA ghp_ gho_ ghu_ ghr_ ghs_ github_pat_ glpat- xox https://hooks. AIza sk_ rk_ npm_ pypi- SG. SK "
    b"sk- AccountKey= dop_ doo_ dor_ shp key- eyJ".split()
)


def trigger(text: bytes) -> str:
    """Which trigger a match is."""
    first = text[:1]
    if b"@" in text:
        return "url" if b"://" in text else "email"
    if b"<<" in text:
        return "zone"
    return "secret" if first.isdigit() or text.startswith(TOKEN_STARTS) else "word"


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
)
"""Whether a text has the form of anything that is looked for."""
FORMS = [(form, re.compile(form.form), re.compile(form.shaped or "(?!)")) for form in numbers.FORMS]
SHAPE = str.maketrans("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZkx", "0" * 10 + "A" * 28)


def _relaxed(form: str) -> re.Pattern[str]:
    """A form over shapes, where any digit is 0 and any letter A; wider than the form itself."""
    wider = {"[": "[0A +-]", "\\": "0"}
    parts = re.findall(r"\{[^}]*\}|\[[^\]]*\]|\\.|.", form)
    return re.compile("".join(wider.get(p[0], "0" if p.isdigit() else p) if p != r"\." else p for p in parts))


RELAXED = [_relaxed(form.form) for form in numbers.FORMS]


@lru_cache(maxsize=4096)
def _of_shape(shape: str) -> list[tuple[numbers.Form, re.Pattern[str], re.Pattern[str]]]:
    return [one for one, wider in zip(FORMS, RELAXED, strict=True) if wider.fullmatch(shape)]


def forms_of(text: str) -> list[tuple[numbers.Form, re.Pattern[str], re.Pattern[str]]]:
    """Forms that a text may have, each with its pattern and that of how people write it.

    >>> sorted({form.country for form, _, _ in forms_of("12345678Z")})
    ['ES', 'IE']
    """
    return _of_shape(text.translate(SHAPE))


@lru_cache(maxsize=4096)
def bare_may_be(names: frozenset[str], length: int) -> bool:
    """Whether so many digits could be a number of one of these kinds."""
    own = (length == 9 and "us-ssn" in names) or (12 <= length <= 19 and "payment-card" in names)
    return own or any(form.country in names for form, _, _ in _of_shape("0" * length))
