"""Mails of an Outlook store (.pst, .ost; MS-PST) through libpff, where it is installed: `pip install tidegauge[pst]`.

These functions are given hostile files and run in a process of their own (`Apart.run`).
"""

from __future__ import annotations

import email.parser
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidegauge.content.cells import markup_text
from tidegauge.content.encodings import to_text
from tidegauge.model import InputError

AT_ONCE = 200
MOST_BYTES = 32 << 20
"""Of mails that are handed over together."""
MOST_ATTACHMENT = 32 << 20
MOST_FOLDERS = 100_000


@dataclass
class StoredMail:
    """One mail: its headers, its text with them, and what is attached, by name."""

    headers: dict[str, str]
    text: str
    attachments: list[tuple[str, bytes]] = field(default_factory=list)


def pst_mails(path: Path, first: int) -> list[StoredMail]:
    """Some mails of a store from the `first` one on (0 the first); none behind the last.

    Raises:
        InputError: libpff is not installed.
    """
    try:
        import pypff
    except ImportError:
        raise InputError("an Outlook store: read where libpff is installed (pip install tidegauge[pst])") from None
    store = pypff.file()
    store.open(str(path))
    found: list[StoredMail] = []
    size = 0
    try:
        for number, message in enumerate(_messages(store.get_root_folder())):
            if number < first:
                continue
            mail = _mail(message)
            found.append(mail)
            size += len(mail.text) + sum(len(data) for _, data in mail.attachments)
            if len(found) >= AT_ONCE or size > MOST_BYTES:
                break
    finally:
        store.close()
    return found


def _messages(root: Any) -> Iterator[Any]:
    """Messages of all folders, without recursion."""
    folders = [root]
    seen = 0
    while folders and seen < MOST_FOLDERS:
        folder = folders.pop()
        seen += 1
        for i in range(folder.get_number_of_sub_messages()):
            yield folder.get_sub_message(i)
        folders += [folder.get_sub_folder(i) for i in range(folder.get_number_of_sub_folders())][::-1]


def _mail(message: Any) -> StoredMail:
    told = email.parser.HeaderParser(policy=email.policy.compat32).parsestr(_of(message, "transport_headers"))
    headers = {name: str(told.get(name, "")) for name in ("from", "to", "cc", "date", "subject")}
    headers["subject"] = headers["subject"] or _of(message, "subject")
    headers["from"] = headers["from"] or _of(message, "sender_name")
    markup = _of(message, "html_body")
    text = _of(message, "plain_text_body") + ("\n" + markup_text(markup) if markup else "")
    shown = "".join(f"{name}: {value}\n" for name, value in headers.items() if value)
    mail = StoredMail(headers, f"{shown}\n{text}")
    for i in range(message.get_number_of_attachments()):
        part = message.get_attachment(i)
        mail.attachments.append((_of(part, "name"), part.read_buffer(min(part.get_size(), MOST_ATTACHMENT))))
    return mail


def _of(thing: Any, name: str) -> str:
    """An attribute as text; what a damaged store can't give is empty."""
    try:
        value = getattr(thing, name, None)
    except OSError:
        return ""
    return to_text(value) if isinstance(value, bytes) else value or ""
