"""leak: whose data lie in files, without showing them; and how many of them an organisation knows as its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tidegauge.content import Apart, LeftOut, Source, files_below, unpack, unpack_bytes
from tidegauge.leak import Kept, Looked, People, Scan
from tidegauge.model import Finding, InputError, Skipped, UsageError, shapes

if TYPE_CHECKING:
    from tidegauge.app.questions import LeakQuestion
    from tidegauge.context import SiteContext

DOCUMENT_S = 120.0
"""What one document may take to be read."""
LEAST_KEY = 16
MOST_FINDINGS, MOST_SKIPPED = 20_000, 10_000
"""Listed of a folder without end, the most first; all are counted."""
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

    def to_json(self) -> shapes.Compared:
        by_kind = {kind: len(found) for kind, found in sorted(self.matched.items())}
        return {"own": len(self.hashes), "matched": sum(by_kind.values()), "by_kind": by_kind}


def hashed(key: bytes, kind: str, value: str) -> str:
    """A value as two parties compare it.

    >>> hashed(b"0123456789abcdef", "us-ssn", "536904399")[:16]
    '568af1edf6579155'
    """
    return hmac.new(key, f"{kind}:{value}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


@dataclass
class Leaks:
    """The reply to `leak`; findings as JSON. `summary` counts distinct values and the persons that they belong to."""

    findings: list[shapes.Finding]
    summary: shapes.Persons
    examined: dict[str, int]
    skipped: list[shapes.LeftOut]
    own: Own | None = None
    seen: dict[str, Any] | None = None

    def to_json(self) -> shapes.Leaks:
        told: shapes.Leaks = {
            "findings": self.findings, "summary": self.summary, "examined": self.examined, "skipped": self.skipped,
        }
        if self.own is not None:
            told["hashes"] = self.own.to_json()
        if self.seen is not None:
            told["seen_in"] = self.seen
        return told


def leaks(
    paths: Iterable[Path], *, reveal: Reveal | None = None, own: Own | None = None, kept: Path | None = None,
    processes: int = 1, progress: Callable[[str], None] = lambda path: None,
) -> Leaks:
    """Look through files and folders.

    Args:
        reveal: is given kind, value and place of everything that is found, where somebody answers for asking.
        kept: where results are kept file by file, so that a run that was ended goes on there.
        processes: how many files are looked at together; values are revealed in order, one file after the other.
        progress: is given the name of each file.
    """
    with ExitStack() as stack:
        store = stack.enter_context(Kept(kept)) if kept else None
        people = People(key=store.key) if store else People()
        whole = _Whole(people, own)
        files = _new(whole.files(paths), store, whole)
        first = list(islice(files, 2))
        files = chain(first, files)
        if reveal is not None or processes < 2 or len(first) < 2:
            apart = stack.enter_context(Apart(limit_s=DOCUMENT_S))
            looks: Iterator[tuple[Path, Looked]] = (
                (path, _look(path, apart, people.key, own, reveal)) for path in files
            )
        else:
            looks = _together(files, processes, people.key, own)
        for path, looked in looks:
            progress(str(path))
            whole.take(looked)
            if store is not None:
                store.keep(path, looked)
        reply = whole.reply()
        if store is not None:
            store.finish(reply.to_json())
        return reply


def leak(here: SiteContext, question: LeakQuestion, progress: Callable[[str], None] = lambda path: None) -> Leaks:
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
        whole = _Whole(People(), None)
        whole.take(_looked(unpack_bytes(question.name, data, apart, _streams), whole.people.key, None, None))
    return whole.reply()


def _streams(file: BinaryIO, name: str) -> Iterator[tuple[str, bytes] | LeftOut]:
    """What connections of a packet capture carried, for `unpack`."""
    from tidegauge.wire import tcp_streams

    skipped = Skipped()
    gaps = 0
    try:
        for stream in tcp_streams(file, name, skipped):
            gaps += stream.gaps
            yield stream.name, stream.data
    except InputError as error:
        yield LeftOut(name, f"can't be read on: {error}")
    if gaps:
        yield LeftOut(name, f"{gaps:,} bytes of its connections were not captured")


def _look(path: Path, apart: Apart, key: bytes, own: Own | None, reveal: Reveal | None) -> Looked:
    return _looked(unpack(path, apart, _streams), key, own, reveal)


def _looked(texts: Iterable[Source | LeftOut], key: bytes, own: Own | None, reveal: Reveal | None) -> Looked:
    """Look through the texts of one file."""
    mine = replace(own, matched={}) if own else None
    scan = Scan(People(key=key), reveal=reveal, match=mine.look if mine else None)
    findings: list[Finding] = []
    skipped: list[shapes.LeftOut] = []
    for found in texts:
        if isinstance(found, LeftOut):
            skipped.append({"what": found.path, "why": found.why})
        else:
            findings += scan.source(found)
    findings += scan.grouped()
    return Looked(
        [finding.to_json() for finding in findings], scan.people.state(), skipped, scan.sources, scan.bytes,
        scan.samples_apart, scan.exchanges, scan.newest, scan.oldest, mine.matched if mine else {},
    )


_worker: tuple[Apart, bytes, Own | None] | None = None
"""What a process needs for every file that it is given."""


def _begin(key: bytes, own: Own | None) -> None:
    global _worker
    apart = Apart(limit_s=DOCUMENT_S)
    # Its own process must end before this one can: nothing else runs when a worker is told to stop.
    Finalize(apart, apart.__exit__, (None, None, None), exitpriority=100)
    _worker = apart, key, own


def _look_here(path: Path) -> Looked:
    assert _worker is not None
    apart, key, own = _worker
    return _look(path, apart, key, own, None)


def _together(files: Iterator[Path], processes: int, key: bytes, own: Own | None) -> Iterator[tuple[Path, Looked]]:
    """Files looked at by several processes. One whose process dies is tried again alone, and then left out."""
    waiting: dict[Future[Looked], Path] = {}
    alone: list[Path] = []

    def pool(size: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(size, get_context("spawn"), _begin, (key, own))

    executor = pool(processes)
    try:
        more = True
        while more or waiting:
            while more and len(waiting) < 4 * processes:
                path = next(files, None)
                if path is None:
                    more = False
                    break
                waiting[executor.submit(_look_here, path)] = path
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            broken = False
            for future in done:
                path = waiting.pop(future)
                try:
                    yield path, future.result()
                except BrokenProcessPool:
                    broken = True
                    alone.append(path)
            if broken:
                alone += waiting.values()
                waiting.clear()
                executor.shutdown(wait=False, cancel_futures=True)
                executor = pool(processes)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    for path in alone:
        with pool(1) as single:
            try:
                yield path, single.submit(_look_here, path).result()
            except BrokenProcessPool:
                why = "the process that looked at it died, most likely for want of memory"
                yield path, Looked([], People(key=key).state(), [{"what": str(path), "why": why}])


def _new(files: Iterator[Path], store: Kept | None, whole: _Whole) -> Iterator[Path]:
    """Files that were not looked at before; of the others the kept results are taken."""
    for path in files:
        known = store.known(path) if store else None
        if known is None:
            yield path
        else:
            whole.take(known)


def _weight(finding: shapes.Finding) -> tuple[int, str]:
    return -finding["evidence"]["count"], finding["subject"]


@dataclass
class _Whole:
    """All results together."""

    people: People
    own: Own | None
    _findings: list[shapes.Finding] = field(default_factory=list)
    _skipped: list[shapes.LeftOut] = field(default_factory=list)
    _samples: Counter[str] = field(default_factory=Counter)
    _exchanges: Counter[tuple[str, str]] = field(default_factory=Counter)
    _newest: str = ""
    _oldest: str = ""
    _texts: int = 0
    _bytes: int = 0
    _dropped: int = 0
    _left_out: int = 0

    def files(self, paths: Iterable[Path]) -> Iterator[Path]:
        """The files of some paths, by name; links and what isn't there are left out and said."""
        for path in paths:
            if not path.exists() and not path.is_symlink():
                self._skipped.append({"what": str(path), "why": "no such file or folder"})
            else:
                for found in files_below(path):
                    if isinstance(found, LeftOut):
                        self._skipped.append({"what": found.path, "why": found.why})
                    else:
                        yield found

    def take(self, looked: Looked) -> None:
        """Add what one file came to."""
        self.people.take(looked.state)
        self._findings += looked.findings
        if len(self._findings) > 2 * MOST_FINDINGS:
            self._findings.sort(key=_weight)
            self._dropped += len(self._findings) - MOST_FINDINGS
            del self._findings[MOST_FINDINGS:]
        self._skipped += looked.skipped[: max(MOST_SKIPPED - len(self._skipped), 0)]
        self._left_out += len(looked.skipped)
        self._samples += looked.samples
        self._exchanges += looked.exchanges
        self._newest = max(self._newest, looked.newest)
        self._oldest = min(filter(None, (self._oldest, looked.oldest)), default="")
        self._texts += looked.texts
        self._bytes += looked.size
        if self.own is not None:
            for kind, found in looked.matched.items():
                self.own.matched.setdefault(kind, set()).update(found)

    def reply(self) -> Leaks:
        findings = sorted(self._findings, key=_weight)
        summary = self.people.summary()
        if mails := self.people.by_kind().get("mail"):
            findings.insert(0, self._mails(mails).to_json())
        if self._samples:
            summary["samples"] = dict(self._samples)
        if self._exchanges:
            summary["mail_exchanges"] = [
                {"from": sender, "to": to, "mails": count} for (sender, to), count in self._exchanges.most_common(100)
            ]
        if self._newest:
            summary["oldest"], summary["newest"] = self._oldest, self._newest
        examined = {"texts": self._texts, "bytes": self._bytes}
        if self._dropped:
            examined["findings not listed"] = self._dropped
        if self._left_out > MOST_SKIPPED:
            examined["left out, not listed"] = self._left_out - MOST_SKIPPED
        return Leaks(findings, summary, examined, self._skipped, self.own)

    def _mails(self, count: int) -> Finding:
        """Mails in bulk, as one finding: how many, from whose domains to whose, from when to when."""
        pairs = [f"{sender} to {to}: {mails:,}" for (sender, to), mails in self._exchanges.most_common(5)]
        times = f", from {self._oldest} to {self._newest}" if self._newest else ""
        evidence = {"what": "mail", "name": "mails", "count": count, "confidence": 0.99, "file": "", "places": [],
                    "samples": []}
        now_s = int(time.time())
        return Finding(
            kind="leak",
            title=f"{count:,} mails",
            start_s=now_s,
            end_s=now_s,
            subject="mails",
            score=0.99,
            severity="critical" if count >= 1000 else "high",
            reasons=(f"{count:,} mails{times}", *pairs),
            query="tidegauge leak",
            evidence=evidence,
        )
