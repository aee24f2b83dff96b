"""Outlook's .msg files as the mails that they were: properties by their tags (MS-OXMSG, MS-OXPROPS)."""

from __future__ import annotations

import io
from email.message import EmailMessage
from email.utils import format_datetime

import olefile

from tidegauge.content.encodings import to_text
from tidegauge.model import InputError

MOST_ATTACHMENTS = 100
MOST_DEPTH = 5
SUBJECT, BODY, HTML, HEADERS = "0037", "1000", "1013", "007D"
SENDER_NAME, SENDER_ADDRESS, SENDER_SMTP, SHOWN_TO, CODE_PAGE = "0C1A", "0C1F", "5D01", "0E04", "3FFD"
ATTACHED_DATA, ATTACHED_NAME, ATTACHED_LONG_NAME, ATTACHED_TYPE, ATTACHED_ID = "3701", "3704", "3707", "370E", "3712"
OVERRIDDEN = ("content-type", "content-transfer-encoding", "mime-version", "content-disposition")


def is_msg(data: bytes) -> bool:
    """Whether an OLE file is a message."""
    return data.startswith(olefile.MAGIC) and b"_\0_\0p\0r\0o\0p\0e\0r\0t\0i\0e\0s\0" in data


def msg_to_mail(data: bytes) -> bytes:
    """A .msg file as a mail's bytes: its transport headers where it kept them, else what its properties say.

    Raises:
        InputError: not a message, or broken.
    """
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            return _message(ole, [], 0).as_bytes()
    except InputError:
        raise
    except Exception as error:  # olefile raises anything at broken files
        raise InputError(f"not an Outlook message that can be read: {type(error).__name__} {str(error)[:80]}") from None


def _message(ole: olefile.OleFileIO, folder: list[str], depth: int) -> EmailMessage:
    def text(tag: str) -> str:
        for kind in ("001F", "001E"):
            path = [*folder, f"__substg1.0_{tag}{kind}"]
            if ole.exists(path):
                body = ole.openstream(path).read()
                return body.decode("utf-16-le", "replace") if kind == "001F" else to_text(body)
        return ""

    def raw(tag: str) -> bytes:
        path = [*folder, f"__substg1.0_{tag}0102"]
        return ole.openstream(path).read() if ole.exists(path) else b""

    message = EmailMessage()
    for name, value in _headers(text(HEADERS)):
        if name.lower() not in OVERRIDDEN:
            _put(message, name, value)
    address = text(SENDER_SMTP) or text(SENDER_ADDRESS)
    for name, value in (
        ("From", f'"{text(SENDER_NAME)}" <{address}>'),
        ("To", text(SHOWN_TO)),
        ("Subject", text(SUBJECT)),
    ):
        if name not in message and value.strip('"<> '):
            _put(message, name, value)
    if "Date" not in message and ole.root.getmtime():
        _put(message, "Date", format_datetime(ole.root.getmtime()))
    body, page = text(BODY), raw(HTML) or text(HTML).encode()
    message.set_content(body or "")
    if page:
        message.add_alternative(to_text(page), subtype="html")
    for number in range(MOST_ATTACHMENTS):
        place = [*folder, f"__attach_version1.0_#{number:08X}"]
        if not ole.exists(place):
            break
        _attach(message, ole, place, depth)
    return message


def _attach(message: EmailMessage, ole: olefile.OleFileIO, place: list[str], depth: int) -> None:
    def stream(name: str) -> bytes:
        return ole.openstream([*place, name]).read() if ole.exists([*place, name]) else b""

    def text(tag: str) -> str:
        return stream(f"__substg1.0_{tag}001F").decode("utf-16-le", "replace") or to_text(
            stream(f"__substg1.0_{tag}001E")
        )

    inner = [*place, f"__substg1.0_{ATTACHED_DATA}000D"]
    if ole.exists([*inner, "__properties_version1.0"]) and depth < MOST_DEPTH:
        message.add_attachment(_message(ole, inner, depth + 1))
        return
    main, _, sub = (text(ATTACHED_TYPE) or "application/octet-stream").partition("/")
    name = (text(ATTACHED_LONG_NAME) or text(ATTACHED_NAME)).replace("\r", " ").replace("\n", " ").strip("\0 ")
    message.add_attachment(
        stream(f"__substg1.0_{ATTACHED_DATA}0102"), maintype=main if main.isalnum() else "application",
        subtype=sub if sub.replace("-", "").replace(".", "").replace("+", "").isalnum() else "octet-stream",
        filename=name or None,
    )


def _headers(block: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in block.replace("\r\n", "\n").split("\n")[:5000]:
        if line[:1] in (" ", "\t") and found:
            found[-1] = (found[-1][0], found[-1][1] + " " + line.strip())
        elif ":" in line:
            name, _, value = line.partition(":")
            found.append((name.strip(), value.strip()))
    return found


def _put(message: EmailMessage, name: str, value: str) -> None:
    """A header as it stands, whatever a standard would say to it."""
    clean = " ".join(value.replace("\0", "").split())
    if name.isascii() and name.replace("-", "").isalnum():
        message._headers.append((name, clean))  # type: ignore[attr-defined]
