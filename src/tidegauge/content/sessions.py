"""What a TCP stream carries without TLS: messages of HTTP, mails of SMTP, POP3 and IMAP, sign-ins; else its bytes.

Each direction is read by itself; nothing here trusts a length that a header claims.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_to_bytes

HTTP = re.compile(rb"(?:[A-Z]{3,10} (\S{1,8000}) HTTP/1\.[01]|HTTP/1\.[01] \d{3}[^\r\n]{0,200})\r?\n")
TLS = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]")
SMTP = re.compile(rb"(?i)(?:EHLO|HELO|LHLO) ")
SIGN_IN = re.compile(rb"(?im)^USER ([^\r\n]{1,200})\r?\nPASS ([^\r\n]{1,200})")
IMAP_LOGIN = re.compile(rb"(?im)^\S{1,40} LOGIN \"?([^\s\"]{1,200})\"? \"?([^\r\n\"]{1,200})\"?\r?$")
AUTH_PLAIN = re.compile(rb"(?im)AUTH(?:ENTICATE)? PLAIN(?: |\r?\n)([A-Za-z0-9+/=]{8,400})")
AUTH_LOGIN = re.compile(rb"(?im)AUTH LOGIN\r?\n([A-Za-z0-9+/=]{4,400})\r?\n([A-Za-z0-9+/=]{4,400})")
LITERAL = re.compile(rb"\{(\d{1,9})\}\r\n")
MOST_MESSAGES = 10_000
MOST_HEADER = 65_536
MOST_BODY = 16 << 20


@dataclass(frozen=True)
class Part:
    """One thing that a stream carried; `text` where it is lines of ours about it (a sign-in, a form)."""

    name: str
    data: bytes
    text: bool = False


def is_encrypted(data: bytes) -> bool:
    """Whether a stream begins as TLS."""
    return TLS.match(data) is not None


def parts_of(data: bytes) -> Iterator[Part]:
    """The parts of one direction of a connection."""
    if HTTP.match(data):
        yield from _http(data)
    elif SMTP.match(data):
        yield from _sign_ins(data)
        for number, mail in enumerate(_between(data, rb"(?im)^DATA\r?\n"), 1):
            yield Part(f"mail {number}", mail)
    elif data.startswith(b"+OK"):
        for number, mail in enumerate(_between(data, rb"(?m)^\+OK[^\r\n]*\r?\n(?=[A-Za-z-]+:)"), 1):
            yield Part(f"mail {number}", mail)
    elif data.startswith(b"* ") and LITERAL.search(data):
        yield from _literals(data)
    elif any(form.search(data[:MOST_HEADER]) for form in (SIGN_IN, IMAP_LOGIN, AUTH_PLAIN)):
        yield from _sign_ins(data)
    elif data:
        yield Part("bytes", data)


def _sign_ins(data: bytes) -> Iterator[Part]:
    head = data[: 4 * MOST_HEADER]
    found = [*SIGN_IN.findall(head), *IMAP_LOGIN.findall(head)]
    for token in AUTH_PLAIN.findall(head):
        pair = _decoded(token).split(b"\0")[-2:]
        found += [(pair[0], pair[1])] if len(pair) == 2 else []
    found += [(_decoded(user), _decoded(word)) for user, word in AUTH_LOGIN.findall(head)]
    for number, (user, word) in enumerate(found, 1):
        yield Part(f"sign-in {number}", b"login: %s\npassword: %s\n" % (user.strip(), word.strip()), text=True)


def _decoded(token: bytes) -> bytes:
    try:
        return base64.b64decode(token)
    except (ValueError, binascii.Error):
        return b""


def _between(data: bytes, opening: bytes) -> Iterator[bytes]:
    """Messages that a line of a single dot ends, with doubled dots undone (RFC 5321, 4.5.2; RFC 1939)."""
    at = 0
    for _ in range(MOST_MESSAGES):
        match = re.compile(opening).search(data, at)
        if match is None:
            return
        end = re.compile(rb"^\.\r?\n", re.MULTILINE).search(data, match.end())
        at = end.end() if end else len(data)
        body = data[match.end() : end.start() if end else len(data)]
        yield re.sub(rb"(?m)^\.\.", b".", body)


def _literals(data: bytes) -> Iterator[Part]:
    """What an IMAP server sent as literals (RFC 9051, 4.3)."""
    at = 0
    for number in range(1, MOST_MESSAGES):
        match = LITERAL.search(data, at)
        if match is None:
            return
        at = match.end() + int(match[1])
        yield Part(f"mail {number}", data[match.end() : at])


def _http(data: bytes) -> Iterator[Part]:
    """Bodies and sign-ins of requests or responses, one behind the other."""
    at = 0
    for number in range(1, MOST_MESSAGES):
        start = HTTP.match(data, at)
        if start is None:
            break
        end = data.find(b"\r\n\r\n", start.end() - 2, start.end() + MOST_HEADER)
        if end < 0:
            yield Part(f"message {number}, head", data[at : at + MOST_HEADER], text=True)
            return
        head = data[start.end() : end]
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))
        }
        yield from _of_head(number, start[1] or b"", headers)
        body, at = _body(data, end + 4, headers, request=start[1] is not None)
        yield from _of_body(number, body, headers)
    if 0 < at < len(data):
        yield Part("rest", data[at:])


def _of_head(number: int, target: bytes, headers: dict[bytes, bytes]) -> Iterator[Part]:
    told = []
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"basic" and b":" in (pair := _decoded(token)):
        user, _, word = pair.partition(b":")
        told.append(b"login: %s\npassword: %s" % (user, word))
    elif token:
        told.append(b"access token: " + token)
    if b"?" in target:
        told += [b"%s: %s" % pair for pair in _fields(target.partition(b"?")[2])]
    if told:
        yield Part(f"request {number}", b"\n".join(told) + b"\n", text=True)


def _body(data: bytes, at: int, headers: dict[bytes, bytes], *, request: bool) -> tuple[bytes, int]:
    """A body, and where what follows begins."""
    if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
        pieces, size = [], 0
        while match := re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]{0,200}\r\n").match(data, at):
            length = int(match[1], 16)
            pieces.append(data[match.end() : match.end() + length])
            size += length
            at = match.end() + length + 2
            if not length or size > MOST_BODY:
                break
        return b"".join(pieces), min(at, len(data))
    length_text = headers.get(b"content-length", b"")
    if length_text.isdigit() and len(length_text) < 12:
        end = min(at + int(length_text), len(data))
        return data[at:end], end
    following = None if request else re.compile(rb"HTTP/1\.[01] \d{3}").search(data, at)
    end = at if request else following.start() if following else len(data)
    return data[at:end], end


def _of_body(number: int, body: bytes, headers: dict[bytes, bytes]) -> Iterator[Part]:
    if not body:
        return
    coding = headers.get(b"content-encoding", b"").lower()
    if coding == b"deflate":
        with contextlib.suppress(zlib.error):  # else it is looked at as it stands
            body = zlib.decompressobj(-15 if body[:1] != b"\x78" else 15).decompress(body, MOST_BODY)
    kind = headers.get(b"content-type", b"").lower()
    if kind.startswith(b"application/x-www-form-urlencoded"):
        yield Part(f"form {number}", b"".join(b"%s: %s\n" % pair for pair in _fields(body)), text=True)
        return
    boundary = re.search(rb"boundary=\"?([^\s\";]{1,100})", headers.get(b"content-type", b""))
    if kind.startswith(b"multipart/form-data") and boundary:
        yield from _multipart(number, body, boundary[1])
        return
    yield Part(f"body {number}", body)


def _multipart(number: int, body: bytes, boundary: bytes) -> Iterator[Part]:
    """Fields and files of a form (RFC 7578)."""
    fields = []
    for part in body.split(b"--" + boundary)[1:MOST_MESSAGES]:
        head, _, inner = part.partition(b"\r\n\r\n")
        inner = inner.removesuffix(b"\r\n")
        name = re.search(rb'name="([^"]{0,200})"', head)
        file = re.search(rb'filename="([^"]{0,200})"', head)
        if file:
            yield Part(f"form {number}/{file[1].decode('utf-8', 'replace')}", inner)
        elif name and inner:
            fields.append(b"%s: %s\n" % (name[1], inner))
    if fields:
        yield Part(f"form {number}", b"".join(fields), text=True)


def _fields(data: bytes) -> list[tuple[bytes, bytes]]:
    if data.count(b"&") > MOST_MESSAGES:
        return [(b"", unquote_to_bytes(data))]
    return [(name, value) for name, value in parse_qsl(data, keep_blank_values=True)]
