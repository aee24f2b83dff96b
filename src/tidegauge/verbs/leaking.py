"""leak: whose data lie in files, without showing them; and how many of them an organisation knows as its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegauge.content import Apart, LeftOut, Source, unpack, unpack_bytes
from tidegauge.leak import People, Scan
from tidegauge.model import Finding, InputError, UsageError

if TYPE_CHECKING:
    from tidegauge.verbs.context import Here
    from tidegauge.verbs.questions import LeakQuestion

DOCUMENT_S = 120.0
"""What one document may take to be read."""
LEAST_KEY = 16
Reveal = Callable[[str, str, str], None]


@dataclass
class Own:
    """An organisation's own values as keyed hashes: HMAC-SHA256 of `kind:value`, 64 hexadecimal digits a line.

    The key stays with its owner, who runs the comparison; who made the list of hashes without it learns nothing.
    """

    key: bytes
    hashes: frozenset[str]
    matched: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, hashes: Path, key: Path) -> Own:
        """The hashes of a file and the key of another.

        Raises:
            InputError: they cannot be read.
            UsageError: the key is shorter than it may be.
        """
        try:
            secret = key.read_bytes().strip()
            lines = hashes.read_text(encoding="ascii").split()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot be read: {error}", where=str(hashes)) from None
        if len(secret) < LEAST_KEY:
            raise UsageError(f"the key has fewer than {LEAST_KEY} bytes", hint="openssl rand -hex 32 > key")
        good = frozenset(line.lower() for line in lines if re.fullmatch(r"[0-9a-fA-F]{64}", line))
        if not good:
            raise InputError("no hashes in it", where=str(hashes), hint="64 hexadecimal digits a line")
        return cls(secret, good)

    def look(self, kind: str, value: str) -> None:
        """Compare one value."""
        found = hashed(self.key, kind, value)
        if found in self.hashes:
            self.matched.setdefault(kind, set()).add(found)

    def to_json(self) -> dict[str, Any]:
        by_kind = {kind: len(found) for kind, found in sorted(self.matched.items())}
        return {"own": len(self.hashes), "matched": sum(by_kind.values()), "by_kind": by_kind}


def _mails(scan: Scan, count: int) -> Finding:
    """Mails in bulk, as one finding: how many, from whose domains to whose, up to when."""
    pairs = [f"{sender} to {to}: {mails:,}" for (sender, to), mails in scan.exchanges.most_common(5)]
    reasons = (f"{count:,} mails" + (f", the newest of {scan.newest}" if scan.newest else ""), *pairs)
    evidence = {
        "what": "mail",
        "name": "mails",
        "count": count,
        "confidence": 0.99,
        "file": "",
        "places": [],
        "samples": [],
    }
    return Finding("leak", f"{count:,} mails", scan.now_s, scan.now_s, "mails", 0.99,
                   "critical" if count >= 1000 else "high", reasons, "tidegauge leak", (), evidence)  # fmt: skip


def hashed(key: bytes, kind: str, value: str) -> str:
    """A value as two parties compare it.

    >>> hashed(b"0123456789abcdef", "us-ssn", "536904399")[:16]
    '568af1edf6579155'
    """
    return hmac.new(key, f"{kind}:{value}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


@dataclass
class Leaks:
    """The reply to `leak`. `summary` counts distinct values and the persons that they belong to."""

    findings: list[Finding]
    summary: dict[str, Any]
    examined: dict[str, int]
    skipped: list[dict[str, str]]
    own: Own | None = None

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "findings": [finding.to_json() for finding in self.findings], "summary": self.summary,
            "examined": self.examined, "skipped": self.skipped,
        }  # fmt: skip
        return told if self.own is None else {**told, "hashes": self.own.to_json()}


def leaks(
    paths: Iterable[Path], *, reveal: Reveal | None = None, own: Own | None = None,
    progress: Callable[[str], None] = lambda path: None,
) -> Leaks:  # fmt: skip
    """Look through files and folders.

    Args:
        reveal: is given kind, value and place of everything that is found, where somebody answers for asking.
        progress: is given the name of each text.
    """
    with Apart(limit_s=DOCUMENT_S) as apart:
        return _looked_through(_below(paths, apart), reveal, own, progress)


def leak(here: Here, question: LeakQuestion, progress: Callable[[str], None] = lambda path: None) -> Leaks:
    """Look through what a question holds; nothing of it is written anywhere.

    Raises:
        UsageError: it is no base64.
    """
    try:
        data = base64.b64decode(question.content, validate=True)
    except ValueError:
        raise UsageError("the content is not base64") from None
    # A worker of the service has limits of its own: what breaks a reader breaks only this question.
    with Apart(here=True) as apart:
        return _looked_through(unpack_bytes(question.name, data, apart), None, None, progress)


def _below(paths: Iterable[Path], apart: Apart) -> Iterator[Source | LeftOut]:
    for path in paths:
        if path.exists() or path.is_symlink():
            yield from unpack(path, apart)
        else:
            yield LeftOut(str(path), "no such file or folder")


def _looked_through(
    texts: Iterable[Source | LeftOut], reveal: Reveal | None, own: Own | None, progress: Callable[[str], None]
) -> Leaks:
    people = People()
    scan = Scan(people, reveal=reveal, match=own.look if own else None)
    findings: list[Finding] = []
    skipped: list[dict[str, str]] = []
    for found in texts:
        if isinstance(found, LeftOut):
            skipped.append({"what": found.path, "why": found.why})
        else:
            progress(found.path)
            findings += scan.source(found)
    findings.sort(key=lambda f: (-f.evidence["count"], f.subject))
    summary = people.summary()
    if mails := people.by_kind().get("mail"):
        findings.insert(0, _mails(scan, mails))
    if scan.samples_apart:
        summary["samples"] = dict(scan.samples_apart)
    if scan.exchanges:
        summary["mail_exchanges"] = [
            {"from": sender, "to": to, "mails": count} for (sender, to), count in scan.exchanges.most_common(100)
        ]
    if scan.newest:
        summary["newest"] = scan.newest
    return Leaks(findings, summary, {"texts": scan.sources, "bytes": scan.bytes}, skipped, own)
