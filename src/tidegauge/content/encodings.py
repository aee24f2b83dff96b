"""Bytes to text: by a declared encoding, a byte order mark, or what fits; never fails."""

from __future__ import annotations

import codecs
import re

GUESSES = ("utf-8", "big5hkscs", "gb18030", "shift_jis", "euc_kr")
SAMPLE = 65536
COMMON_HAN = frozenset(
    "的是了我不人在有他這中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去"
    "之过这来国个说们为时会后您请點請號帳戶單費獲領登入驗證"
)
COMMON_HANGUL = frozenset("이다는의에을가고하지한로은도를사자기인대리어시있서해나아것수그라부일정들제과만보전년주")
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
         (codecs.BOM_UTF16_BE, "utf-16"))


def to_text(data: bytes, declared: str | None = None) -> str:
    """Text of bytes; what cannot be read becomes U+FFFD.

    Args:
        declared: what somebody says the encoding is; believed where it fits.

    >>> to_text("驗證".encode("big5"), "big5"), to_text("für".encode()), to_text(b"caf\\xe9")
    ('驗證', 'für', 'café')
    """
    for mark, name in MARKS:
        if data.startswith(mark):
            return data.removeprefix(codecs.BOM_UTF8).decode(name, errors="replace")
    wanted = _known(declared)
    if wanted is not None:
        try:
            return data.decode(wanted)
        except (UnicodeDecodeError, UnicodeError):
            pass
    if data.isascii():
        return data.decode("ascii")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if wanted is not None and wanted not in ("ascii", "utf-8", "us-ascii"):
        return data.decode(wanted, errors="replace")
    return data.decode(_guess(data[:SAMPLE]), errors="replace")


def guess_encoding(head: bytes) -> str:
    """The encoding of a text by its beginning, as `codecs` names it."""
    for mark, name in MARKS:
        if head.startswith(mark):
            return "utf-8" if mark == codecs.BOM_UTF8 else name
    zeros = head[:4096].count(0)
    if zeros > len(head[:4096]) // 4:
        return "utf-16-le" if head[1:400:2].count(0) > head[0:400:2].count(0) else "utf-16-be"
    declared = re.search(rb"(?:encoding|charset)\s*=\s*[\"']?([\w.-]{3,30})", head[:1024])
    if declared:
        named = _known(declared[1].decode())
        if named is not None and named not in ("utf-8", "ascii"):
            return named
    for cut in range(4):  # the head may end within a character
        try:
            head[: len(head) - cut].decode("utf-8")
            return "utf-8"
        except UnicodeDecodeError:
            continue
    return _guess(head)


def _known(name: str | None) -> str | None:
    """A declared encoding that is one of text."""
    if not name or len(name) > 40:
        return None
    tidy = name.strip().strip("\"'").lower()
    tidy = {
        "gb2312": "gb18030",
        "gbk": "gb18030",
        "big5": "big5hkscs",
        "ks_c_5601-1987": "cp949",
        "unicode-1-1-utf-7": "utf-7",
        "iso-8859-1": "cp1252",
        "x-unknown": "utf-8",
    }.get(tidy, tidy)
    try:
        found = codecs.lookup(tidy)
    except (LookupError, ValueError):
        return None
    return found.name if getattr(found, "_is_text_encoding", True) else None


def _guess(sample: bytes) -> str:
    """Which of the usual encodings fits best: most common characters, none that cannot be read."""
    best, name = 0.02, "cp1252"
    for guess in GUESSES:
        text = sample.decode(guess, errors="replace")
        if text.count("�") > max(len(text) // 200, 1):
            continue
        wide = [c for c in text if ord(c) > 0x2E80]
        share = sum(c in COMMON_HAN or "ぁ" <= c <= "ん" or c in COMMON_HANGUL for c in wide) / max(len(wide), 1)
        if share > best:
            best, name = share, guess
    return name
