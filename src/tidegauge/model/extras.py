"""Which extra of the package brings a library that is not part of a light installation."""

from __future__ import annotations

EXTRAS = {
    "service": ("argon2", "fastapi", "h11", "jinja2", "multipart", "pebble", "sse_starlette", "starlette", "uvicorn"),
    "case": ("minisign", "rfc3161_client", "typst"),
    "content": (
        "PIL", "ahocorasick_rs", "confusable_homoglyphs", "dkim", "olefile", "openpyxl", "pebble", "py7zr", "pypdfium2",
        "pytesseract", "rarfile", "re2", "selectolax", "stdnum", "xlrd", "zxingcpp",
    ),
    "openid": ("authlib", "joserfc", "requests"),
    "postgresql": ("psycopg",),
    "pst": ("pypff",),
    "snmp": ("pysnmp",),
}
"""Import names by extra."""


def extra_with(module: str, *, preferred: str = "") -> str | None:
    """Return the extra that brings a module; of several the preferred one. None: it is part of no extra.

    >>> extra_with("re2.something"), extra_with("pebble", preferred="content"), extra_with("numpy")
    ('content', 'content', None)
    """
    top = module.split(".")[0]
    having = [extra for extra, modules in EXTRAS.items() if top in modules]
    return preferred if preferred in having else next(iter(having), None)
