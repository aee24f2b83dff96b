"""Passwords with their owners, sign-in data, keys and tokens, by form; a value that is no value is none."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable

from tidegauge.model.generated import entropy

NO_VALUE = re.compile(
    r"(?i)(?:null|none|nil|undefined|true|false|required|optional|string|str|text|password|passwd|pwd|pass|secret|token|username|user|"
    r"login|email|changeme|example|test|xxx+|\*+|\.+|-+|_+|n/?a|empty|hidden|redacted|masked|your.*|my_?password|input|type|value|varchar.*|"
    r"char.*|integer|bool.*|env.*|process\..*|os\..*|self\..*|this\..*|args?.*|config.*|settings?.*|request.*|req\..*|data\..*|form.*|new|"
    r"not|is|was|has|must|should|cannot|reset|forgot\w*|field|hash\w*|and|or|the|for|to|in|on|of|incorrect|invalid|wrong|expired|failed|"
    r"policy|protected|manager|placeholder|confirm\w*|current|old|default|prompt|getpass.*|\w+\(.*|\$.*|%.*|<.*|\{.*|\[.*|@.*|&.*|!.*)"
)
CODE = re.compile(r"\$\{|\{\{|<%|%\([a-z_]+\)|^[A-Za-z_$][A-Za-z_.$]{2,}\((?:[^()]*\).*)?$")
"""Templates and calls."""
HASHES = (
    (re.compile(r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}"), "bcrypt"),
    (re.compile(r"\$argon2(?:id|i|d)\$v=\d+\$\S{20,}"), "argon2"),
    (re.compile(r"\$6\$(?:rounds=\d+\$)?[^$\s]{1,16}\$[./A-Za-z0-9]{86}"), "sha512crypt"),
    (re.compile(r"\$5\$(?:rounds=\d+\$)?[^$\s]{1,16}\$[./A-Za-z0-9]{43}"), "sha256crypt"),
    (re.compile(r"\$1\$[^$\s]{1,8}\$[./A-Za-z0-9]{22}"), "md5crypt"),
    (re.compile(r"\$P\$[./A-Za-z0-9]{31}"), "phpass"),
    (re.compile(r"pbkdf2_sha\d+\$\d+\$\S+"), "pbkdf2"),
    (re.compile(r"\{SSHA(?:\d+)?\}[A-Za-z0-9+/=]{28,}"), "SSHA"),
    (re.compile(r"(?i)[0-9a-f]{128}"), "SHA-512"),
    (re.compile(r"(?i)[0-9a-f]{64}"), "SHA-256"),
    (re.compile(r"(?i)[0-9a-f]{40}"), "SHA-1"),
    (re.compile(r"(?i)[0-9a-f]{32}"), "MD5 or NTLM"),
)
TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(form)) for name, form in (
        ("private key", r"-----BEGIN (?:RSA |EC |DSA |OPENSSH |PGP |ENCRYPTED )?PRIVATE KEY(?: BLOCK)?-----"),
        ("AWS access key", r"(?:AKIA|ASIA)[A-Z2-7]{16}"),
        ("GitHub token", r"gh[pousr]_[A-Za-z0-9]{36}"), ("GitHub token", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
        ("GitLab token", r"glpat-[A-Za-z0-9_-]{20}"), ("Slack token", r"xox[abeoprs]-[A-Za-z0-9-]{20,200}"),
        ("Slack webhook", r"https://hooks\.slack\.com/services/T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/[A-Za-z0-9]{20,30}"),
        ("Google API key", r"AIza[A-Za-z0-9_-]{35}"), ("Stripe key", r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{24,99}"),
        ("npm token", r"npm_[A-Za-z0-9]{36}"), ("PyPI token", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,200}"),
        ("SendGrid key", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"), ("Twilio key", r"SK[0-9a-f]{32}"),
        ("Telegram bot token", r"\d{8,10}:AA[A-Za-z0-9_-]{33}"), ("OpenAI key", r"sk-(?:proj-)?[A-Za-z0-9_-]{20,160}"),
        ("Azure storage key", r"AccountKey=[A-Za-z0-9+/]{86}=="), ("DigitalOcean token", r"do[opr]_v1_[0-9a-f]{64}"),
        ("Shopify token", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"), ("Mailgun key", r"key-[0-9a-f]{32}"),
        ("JWT", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    )
)
"""Keys and tokens by the forms that their services document."""


KINDS_OF_CHARACTERS: tuple[Callable[[str], bool], ...] = (
    str.islower, str.isupper, str.isdigit, lambda character: not character.isalnum(),
)


def is_password(value: str, *, beside_owner: bool, in_column: bool = False) -> bool:
    """Whether a value after a word for password is one, and not code, a placeholder or a sentence.

    Args:
        beside_owner: a login or address stands with it; then also weak ones count.
        in_column: it stands in a column of passwords: then nothing but a placeholder is none.

    >>> is_password("Summer2014!", beside_owner=False), is_password("required", beside_owner=True)
    (True, False)
    """
    value = value if in_column else value.strip("\"'`,;")
    if not re.fullmatch(r"\S{4,128}", value) or (not in_column and CODE.search(value)):
        return False
    kinds = sum(any(map(test, value)) for test in KINDS_OF_CHARACTERS)
    if kinds < 3 and NO_VALUE.fullmatch(value):
        return False
    if beside_owner:
        return True
    coded = re.fullmatch(r"[A-Za-z_$][\w$]*(?:[.(\[].*|->.*)?", value) is not None and not any(map(str.isdigit, value))
    return len(value) >= 6 and kinds >= 2 and not coded


def hash_kind(value: str) -> str:
    """Which kind of hash a value is by its form; empty where it is none."""
    return next((name for form, name in HASHES if form.fullmatch(value)), "")


def token_kind(value: str) -> str:
    """Which service's key or token a value is; empty where it is none, a sample, or its own check fails."""
    for name, form in TOKENS:
        if form.fullmatch(value):
            return name if _holds(name, value) else ""
    return ""


def _holds(name: str, value: str) -> bool:
    if name == "JWT":
        head = value.partition(".")[0]
        try:
            told = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
        except (ValueError, binascii.Error):
            return False
        return isinstance(told, dict) and "alg" in told
    if name == "private key":
        return True
    if "EXAMPLE" in value.upper() or entropy(value) < 2.5:
        return False
    if name == "GitHub token" and value[:3] == "ghp":
        # The last six characters are the CRC-32 of what stands between, in base 62 (GitHub, "Behind GitHub's new
        # authentication token formats", 2021).
        crc, digits, text = (
            zlib.crc32(value[4:-6].encode()),
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "",
        )
        while crc:
            crc, rest = divmod(crc, 62)
            text = digits[rest] + text
        return text.rjust(6, "0") == value[-6:]
    return True
