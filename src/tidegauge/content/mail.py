"""A mail taken apart: headers as text, what it shows, its attachments; bounded, whatever the sender made of it."""

from __future__ import annotations

import binascii
import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses
from itertools import islice

from tidegauge.content.encodings import to_text
from tidegauge.content.kinds import kind_of

MOST_BYTES = 32 << 20
"""Of one mail; what stands behind it is not looked at, and said."""
MOST_PARTS = 200
MOST_DEPTH = 40
MOST_HEADERS = 1000
MOST_HEADER = 20_000
MOST_TEXT = 1 << 20
"""Characters of text or markup that are judged; a reader sees less."""
NESTING = re.compile(rb"^content-type:[ \t\r\n]*(?:multipart|message)/", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Address:
    """Somebody in a header: the name that is shown, and the address behind it."""

    shown: str
    address: str

    @property
    def domain(self) -> str:
        """What stands behind the @, in lower case; empty where there is none."""
        return self.address.rpartition("@")[2].strip(" .>").lower() if "@" in self.address else ""


@dataclass(frozen=True)
class Attachment:
    """A part that is no text of the mail; `kind` by its content, `declared` what the mail says."""

    name: str
    declared: str
    kind: str
    data: bytes
    inline: bool = False


@dataclass(frozen=True)
class Mail:
    """A mail as it is judged.

    Attributes:
        headers: name in lower case and decoded value, in order.
        text, html: what it shows, as text and as markup; several parts one below the other.
        attachments: everything else.
        attached: mails within it, as bytes.
        troubles: what could not be read or was left out, a sentence each.
        raw: its bytes, as far as they were read.
    """

    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    attachments: tuple[Attachment, ...]
    attached: tuple[bytes, ...]
    troubles: tuple[str, ...]
    raw: bytes

    def header(self, name: str) -> str:
        """The first header of a name; empty where there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> list[str]:
        """All headers of a name."""
        return [value for key, value in self.headers if key == name]

    def addresses(self, *names: str) -> list[Address]:
        """Everybody in headers of these names."""
        return read_addresses([value for key, value in self.headers if key in names])


def read_addresses(values: list[str]) -> list[Address]:
    """Addresses of header values; also of such as no standard allows.

    >>> read_addresses(['Bank <a@b.example>'])
    [Address(shown='Bank', address='a@b.example')]
    """
    found = []
    for value in values:
        value = value[:MOST_HEADER]
        pairs = [(name, address) for name, address in getaddresses([value])
                 if "@" in address and address.count("@") == 1 and " " not in address]
        if not pairs:
            loose = re.findall(r"[^\s<>()\"',;@]{1,200}@[^\s<>()\"',;@]{1,253}", value)[:5]
            pairs = [(re.sub(r"<[^<>]*>?", "", value).strip(' ",'), address) for address in loose]
        found += [Address(name.strip(), address.strip()) for name, address in pairs[:50]]
    return found


def parse_mail(data: bytes) -> Mail:
    """Take a mail apart. Never raises: what cannot be read stands in `troubles`."""
    troubles: list[str] = []
    if len(data) > MOST_BYTES:
        troubles.append(f"only the first {MOST_BYTES:,} of {len(data):,} bytes were looked at")
        data = data[:MOST_BYTES]
    whole = data
    data = _flattened(data, troubles)
    if data.startswith(b"From "):
        data = data.partition(b"\n")[2]
    message = email.message_from_bytes(data, policy=policy.compat32)
    headers = tuple(
        (name.lower()[:200], decoded(str(value)[:MOST_HEADER]))
        for name, value in islice(message.raw_items(), MOST_HEADERS)
    )
    texts: list[str] = []
    pages: list[str] = []
    attachments: list[Attachment] = []
    attached: list[bytes] = []
    for count, part in enumerate(_leaves(message)):
        if count >= MOST_PARTS:
            troubles.append(f"more than {MOST_PARTS} parts: the others were not looked at")
            break
        declared = part.get_content_type()
        if declared == "message/rfc822":
            attached.append(_inner(part))
            continue
        body = _body(part, troubles)
        disposition = str(part.get("content-disposition") or "")[:500].strip().lower()
        name = _name(part)
        if _is_shown(declared, disposition, name):
            text = to_text(body, part.get_content_charset())[:MOST_TEXT]
            is_page = declared == "text/html" or (declared != "text/plain" and kind_of(body) == "html")
            (pages if is_page else texts).append(text)
        elif body:
            inline = disposition.startswith("inline") or bool(part.get("content-id"))
            attachments.append(Attachment(name, declared, kind_of(body), body, inline))
    if message.preamble and not any((texts, pages, attachments, attached)):
        texts.append(to_text(message.preamble.encode("utf-8", "surrogateescape"))[:MOST_TEXT])
    return Mail(
        headers, "\n".join(texts)[:MOST_TEXT], "\n".join(pages)[:MOST_TEXT], tuple(attachments), tuple(attached),
        tuple(dict.fromkeys(troubles)), whole,
    )


def _is_shown(declared: str, disposition: str, name: str) -> bool:
    """Whether a part is read with the mail, and not attached to it."""
    if declared.startswith(("multipart/", "message/")):
        return True
    return declared in ("text/plain", "text/html") and not disposition.startswith("attachment") and not name


def _flattened(data: bytes, troubles: list[str]) -> bytes:
    """Without the deepest of very many nested parts: those are read as text, so that depth costs nothing."""
    nested = [match.start() for match in NESTING.finditer(data)]
    if len(nested) <= MOST_DEPTH:
        return data
    troubles.append(f"{len(nested)} nested parts: those past the first {MOST_DEPTH} were read as text")
    changed = bytearray(data)
    for at in nested[MOST_DEPTH:]:
        changed[at : at + 7] = b"X-Was-C"
    return bytes(changed)


def _leaves(message: Message) -> Iterator[Message]:
    """Parts that hold no others, in order."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        inner = part.get_payload()
        if part.get_content_type() != "message/rfc822" and part.is_multipart() and isinstance(inner, list):
            waiting.extend(p for p in reversed(inner) if isinstance(p, Message))
        else:
            yield part


def _inner(part: Message) -> bytes:
    inner = part.get_payload()
    try:
        if isinstance(inner, list) and inner and isinstance(inner[0], Message):
            return inner[0].as_bytes()
        return str(inner).encode("utf-8", "surrogateescape")
    except (ValueError, LookupError, KeyError, RecursionError, UnicodeError):
        return b""


def _body(part: Message, troubles: list[str]) -> bytes:
    try:
        body = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError, binascii.Error):
        troubles.append(f"a part of type {part.get_content_type()} is not encoded as it says")
        body = None
    if isinstance(body, bytes):
        return body
    raw = part.get_payload()
    return raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else b""


def _name(part: Message) -> str:
    try:
        found = part.get_filename()
    except (ValueError, LookupError, TypeError):
        found = None
    return decoded(str(found))[:255] if found else ""


def decoded(value: str) -> str:
    """A header's value as a reader sees it: RFC 2047 words and raw bytes of any encoding as text, on one line.

    >>> decoded("=?utf-8?Q?F=C3=BCr?= Sie")
    'Für Sie'
    """
    value = re.sub(r"[\r\n]+[ \t]*", " ", value)
    if "=?" in value:
        try:
            pieces = decode_header(value)
        except (ValueError, binascii.Error, LookupError):
            pieces = [(value, None)]
        # Words may split a character between them: same encodings are joined before they are read.
        joined: list[tuple[bytes, str | None]] = []
        for piece, charset in pieces:
            raw = piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogateescape")
            if joined and joined[-1][1] == charset and charset is not None:
                joined[-1] = (joined[-1][0] + raw, charset)
            else:
                joined.append((raw, charset))
        value = "".join(to_text(raw, charset) for raw, charset in joined)
    if not value.isascii() and any("\udc80" <= c <= "\udcff" for c in value):
        value = to_text(value.encode("utf-8", "surrogateescape"))
    return value.strip()
