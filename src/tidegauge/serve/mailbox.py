"""A mailbox or folder into which a constituency sends what it doubts: what is new in it, once, bounded."""

from __future__ import annotations

import imaplib
import io
import json
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tidegauge.lure import Given, Left, given
from tidegauge.model import SiteError, TidegaugeError
from tidegauge.settings import LureSettings

A_ROUND = 50
"""Mails that are taken at once; the others with the next round."""
MOST_BYTES = 32 << 20
WAIT_S = 30.0


class MailboxError(TidegaugeError):
    """The mailbox cannot be read now."""


@dataclass(frozen=True)
class New:
    """A new item, and the state to be kept once it was judged."""

    item: Given | Left
    state: str


def new_items(settings: LureSettings, folder: Path, state: str | None) -> Iterator[New]:
    """What came since a state (as kept from the last item; None: everything is new).

    Raises:
        MailboxError: the server or folder can't be read.
        SiteError: the setting is wrong.
    """
    assert settings.mailbox is not None
    if settings.mailbox.startswith(("imap://", "imaps://")):
        yield from _of_server(settings, folder, state)
    else:
        yield from _of_folder(folder / settings.mailbox, state)


def _of_folder(folder: Path, state: str | None) -> Iterator[New]:
    """Files by name, size and time; a file that is gone is forgotten."""
    seen: dict[str, list[int]] = json.loads(state or "{}")
    if not folder.is_dir():
        raise MailboxError("the mailbox is no folder", where=str(folder), hint="[lure] mailbox in the site file")
    paths = _mails_in(folder)
    now = {name: _mark(path) for name, path in paths.items() if path.is_file() and not path.is_symlink()}
    kept = {name: mark for name, mark in seen.items() if name in now}
    for name in [name for name, mark in now.items() if kept.get(name) != mark][:A_ROUND]:
        kept[name] = now[name]
        for item in given([str(paths[name])], io.BytesIO()):
            yield New(item, json.dumps(kept))


def _mails_in(folder: Path) -> dict[str, Path]:
    """Files by their names without flags: a Maildir moves a mail from `new` to `cur` and adds these behind a colon."""
    paths: dict[str, Path] = {}
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f != "tmp" and not f.startswith("."))
        paths |= {name.partition(":")[0]: Path(root) / name for name in sorted(files) if not name.startswith(".")}
    return paths


def _mark(path: Path) -> list[int]:
    """By what a file is known to be the same."""
    held = path.stat()
    return [held.st_size, held.st_mtime_ns]


def _of_server(settings: LureSettings, folder: Path, state: str | None) -> Iterator[New]:
    """Mails of an IMAP mailbox by their UIDs (RFC 9051); they stay unread and where they are."""
    url = urlsplit(settings.mailbox or "")
    box = unquote(url.path.strip("/")) or "INBOX"
    if not url.hostname or not url.username or settings.password_file is None:
        raise SiteError(
            "an IMAP mailbox needs a user and a password", hint='mailbox = "imaps://user@host/INBOX", password_file'
        )
    password = (folder / settings.password_file).read_text(encoding="utf-8").strip()
    known = json.loads(state or "{}")
    try:
        with _connected(url.scheme, url.hostname, url.port) as server:
            server.login(unquote(url.username), password)
            _good(server.select(_quoted(box), readonly=True))
            yield from _new_mails(server, f"{url.hostname}/{box}", known)
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxError(f"the mailbox can't be read: {str(error)[:200]}", where=f"{url.hostname}/{box}") from None


def _connected(scheme: str, host: str, port: int | None) -> imaplib.IMAP4:
    if scheme == "imaps":
        return imaplib.IMAP4_SSL(host, port or 993, ssl_context=ssl.create_default_context(), timeout=WAIT_S)
    return imaplib.IMAP4(host, port or 143, timeout=WAIT_S)


def _new_mails(server: imaplib.IMAP4, box: str, known: dict[str, int]) -> Iterator[New]:
    """Mails of the selected mailbox behind the last known one; all of them where UIDs begin anew."""
    validity = int((server.response("UIDVALIDITY")[1] or [b"0"])[0] or 0)
    last = known.get("uid", 0) if known.get("validity") == validity else 0
    found = _good(server.uid("SEARCH", f"UID {last + 1}:*"))
    uids = sorted(uid for uid in map(int, (found[0] or b"").split()) if uid > last)
    for uid in uids[:A_ROUND]:
        fetched = _good(server.uid("FETCH", str(uid), f"(BODY.PEEK[]<0.{MOST_BYTES + 1}>)"))
        body = next((part[1] for part in fetched if isinstance(part, tuple)), None)
        name = f"{box}, mail {uid}"
        item = Given(name, "mail", body) if isinstance(body, bytes) else Left(name, "the server gave nothing")
        yield New(item, json.dumps({"validity": validity, "uid": uid}))


def _good(answer: tuple[str, list[Any]]) -> list[Any]:
    """What the server gave, if it says that this went well."""
    if answer[0] != "OK":
        raise imaplib.IMAP4.error(str(answer[1])[:200])
    return answer[1]


def _quoted(box: str) -> str:
    escaped = box.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
