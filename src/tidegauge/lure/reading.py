"""Where items come from: mails in files, mailboxes and folders, lists of links, and standard input."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from tidegauge.content import Joined, is_msg, looks_like_mail, mails_of, msg_to_mail, to_text
from tidegauge.model import InputError
from tidegauge.model.domains import registered

MOST_BYTES = (32 << 20) + 1
"""Of one mail: the byte more says that there were more."""
MOST_TEXT = 4 << 20
LINK = re.compile(r"(?i)(?:https?|ftp|data|javascript|hxxps?):\S+|(?:[\w-]{1,63}\.)+[a-z]{2,24}(?:[:/?#]\S*)?")


@dataclass(frozen=True)
class Given:
    """Something to judge: `what` it is, and its bytes."""

    name: str
    what: Literal["mail", "text", "url"]
    data: bytes


@dataclass(frozen=True)
class Left:
    """Something that was left out, and why."""

    name: str
    why: str


def is_link(text: str) -> bool:
    """Whether a word is a link or a host's name.

    >>> is_link("https://a.example/x"), is_link("login.bank.co.uk"), is_link("letter.eml")
    (True, True, False)
    """
    if LINK.fullmatch(text) is None:
        return False
    return ":" in text[:12] or bool(registered(re.split(r"[:/?#]", text, maxsplit=1)[0]))


def given(names: list[str], stdin: BinaryIO, *, as_text: bool = False) -> Iterator[Given | Left]:
    """What is named: files, folders, links, and `-` for standard input.

    Args:
        as_text: files and standard input hold messages or posts, one each; a name that is no file is one itself.
    """
    for name in names:
        if name == "-":
            yield from _stream("-", stdin, as_text)
            continue
        path = Path(name)
        try:
            there = path.exists()
        except (OSError, ValueError):
            there = False
        if there:
            yield from _path(path, as_text)
        elif as_text:
            yield Given(name[:60], "text", name.encode())
        elif is_link(name):
            yield Given(name, "url", name.encode())
        else:
            yield Left(name[:200], "no such file or folder, and no link")


def _path(path: Path, as_text: bool) -> Iterator[Given | Left]:
    if path.is_dir():
        yield from _folder(path, as_text)
        return
    if not path.is_file():
        yield Left(str(path), "neither a file nor a folder")
        return
    try:
        with path.open("rb") as file:
            yield from _stream(str(path), file, as_text)
    except OSError as error:
        yield Left(str(path), f"cannot be read: {error.strerror}")


def _folder(folder: Path, as_text: bool) -> Iterator[Given | Left]:
    """All files below a folder, in order of their names; a Maildir's `tmp` and what is hidden are left out."""
    maildir = (folder / "cur").is_dir() and (folder / "new").is_dir()
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(
            f for f in folders if not (maildir and Path(root) == folder and f == "tmp") and not f.startswith(".")
        )
        for file in sorted(files):
            path = Path(root) / file
            if file.startswith(".") or path.is_symlink():
                continue
            yield from _path(path, as_text)


def _stream(name: str, file: BinaryIO, as_text: bool) -> Iterator[Given | Left]:
    """What one file holds: a text, a mailbox, a mail, or a list of links."""
    if as_text:
        yield Given(name, "text", file.read(MOST_TEXT))
        return
    head = file.read(65_536)
    if head.startswith(b"From ") and looks_like_mail(head):
        for number, mail in enumerate(mails_of(cast(BinaryIO, Joined(head, file))), 1):
            yield Given(f"{name}, mail {number}", "mail", mail)
        return
    data = head + file.read(MOST_BYTES - len(head))
    if is_msg(data):
        try:
            yield Given(name, "mail", msg_to_mail(data))
        except InputError as error:
            yield Left(name, str(error))
    elif looks_like_mail(data):
        yield Given(name, "mail", data)
    elif not data.strip():
        yield Left(name, "it is empty")
    else:
        yield from _list(name, data)


def _list(name: str, data: bytes) -> Iterator[Given | Left]:
    """Links, a line each; lines that are none are left out by number."""
    if b"\0" in data[:65_536]:
        yield Left(name, "neither a mail nor a list of links")
        return
    lines = [(n, line.strip()) for n, line in enumerate(to_text(data[:MOST_TEXT]).splitlines(), 1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    links = [is_link(line) for _, line in lines]
    if sum(links) * 2 < len(lines):
        yield Left(name, "neither a mail nor a list of links (--text takes it as a message)")
        return
    for (number, line), good in zip(lines, links, strict=True):
        yield Given(line, "url", line.encode()) if good else Left(f"{name}, line {number}", "not a link")
