"""Evidence is sealed: a question with its answer and what it rests on; later it is the same, changed or gone."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from tidegauge import __version__
from tidegauge.app.answers import ANSWERS
from tidegauge.atlas import Atlas
from tidegauge.case.log import Case, Cases, Entry, canonical, digest
from tidegauge.context import SiteContext
from tidegauge.lake import Manifest
from tidegauge.model import TidegaugeError, UsageError, case_shapes, format_time, parse_time
from tidegauge.site import Site
from tidegauge.wire import hash_file

Status = Literal["same", "changed", "tampered", "gone"]
WORST: tuple[Status, ...] = ("same", "changed", "gone", "tampered")
OF_FLOWS = frozenset({"ask", "series", "top", "coverage", "flows", "hunt"})
OF_CONTENT = {"lure": "mail", "leak": "content"}
"""Verbs that are about a file, and the field of their question that holds it: a case keeps its name and hash alone."""
PASSING = frozenset({"version", "reads"})
MOST_FILE = 44 << 20
NAMED = 5


@dataclass(frozen=True)
class Checked:
    """What became of one piece of evidence."""

    id: str
    status: Status
    why: str = ""

    def to_json(self) -> case_shapes.VerifiedItem:
        return {"id": self.id, "status": self.status, "why": self.why}


@dataclass(frozen=True)
class Verified:
    """What became of a case: the worst status counts."""

    items: tuple[Checked, ...]
    broken: str = ""

    @property
    def status(self) -> Status:
        found = [item.status for item in self.items] + (["tampered"] if self.broken else [])
        return max(found, key=WORST.index, default="same")

    def to_json(self) -> case_shapes.Verified:
        told: case_shapes.Verified = {
            "status": self.status,
            "items": [item.to_json() for item in self.items],
            "chain": "broken" if self.broken else "whole",
        }
        if self.broken:
            told["why"] = self.broken
        return told


def command_of(verb: str, question: dict[str, Any]) -> str:
    """The command line that puts a question.

    >>> command_of("ask", {"from": "KP", "since": "2014-11-24"})
    'tidegauge ask --from KP --since 2014-11-24'
    """
    bare = {"top": "by", "hunt": "kind", "origin": "address", "lure": "file", "leak": "file"}.get(verb)
    words = ["tidegauge", "origin" if verb == "origins" else verb]
    given = question.get(bare, []) if bare else []
    words += [str(one) for one in (given if isinstance(given, list) else [given])]
    for name, value in question.items():
        option = "--" + name.replace("_", "-")
        if name in (bare, "sha256") or value in (None, False):
            continue
        for one in value if isinstance(value, list) else [value]:
            words += [option] if one is True else [option if len(name) > 1 else f"-{name}", str(one)]
    return shlex.join(words)


def answer(site: Site, verb: str, question: dict[str, Any]) -> dict[str, Any]:
    """Put a question to a site.

    Raises:
        UsageError: no such question, or a file that isn't there any more.
        TidegaugeError: it cannot be answered.
    """
    if verb not in ANSWERS:
        raise UsageError(f"not a question: {verb!r}", hint=", ".join(ANSWERS))
    form, answering = ANSWERS[verb]
    asked = dict(question)
    if verb in OF_CONTENT and "file" in asked:
        asked = _with_content(verb, asked)
    assert issubclass(form, BaseModel)
    try:
        put = form.model_validate(asked)
    except ValueError as error:
        raise UsageError(f"not a question of {verb}: {str(error).splitlines()[0]}") from None
    return dict(answering(SiteContext(site), put, lambda said: None))


def _with_content(verb: str, asked: dict[str, Any]) -> dict[str, Any]:
    path = Path(asked.pop("file"))
    wanted = asked.pop("sha256", None)
    try:
        if path.stat().st_size > MOST_FILE:
            raise UsageError(f"larger than {MOST_FILE >> 20} MB: {path}")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the file isn't there any more: {error.strerror}", hint=str(path)) from None
    if wanted is not None and hashlib.sha256(data).hexdigest() != wanted:
        raise UsageError("the file has other content now", hint=str(path))
    return {**asked, OF_CONTENT[verb]: base64.b64encode(data).decode(), "name": path.name}


def seal(site: Site, verb: str, question: dict[str, Any]) -> dict[str, Any]:
    """A question, its answer, and what that rests on: the body of an entry.

    Raises:
        TidegaugeError: it cannot be answered.
    """
    pinned = _pinned(site, verb, question)
    if verb in OF_CONTENT and "file" in pinned:
        path = Path(pinned["file"]).absolute()
        pinned["file"] = str(path)
        if path.is_file():
            pinned["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    result = answer(site, verb, pinned)
    asked = result.get("question", {}) if verb == "ask" else {}
    for name in ("since", "until"):
        if asked.get(name):
            pinned[name] = asked[name]
    lasting = _lasting(verb, result)
    return {
        "verb": verb,
        "question": pinned,
        "command": command_of(verb, pinned),
        "version": __version__,
        "result": lasting,
        "result_hash": digest(lasting),
        **_rests_on(site, verb, pinned, result),
    }


def _pinned(site: Site, verb: str, question: dict[str, Any]) -> dict[str, Any]:
    """A question whose times do not move with the clock, nor with data that come later."""
    pinned = {name: value for name, value in question.items() if value not in (None, [], "")}
    now_s = int(time.time())
    if "at" in pinned or verb in ("origin", "origins"):
        pinned["at"] = format_time(parse_time(pinned.get("at", "now"), now_s=now_s))
    if verb in OF_FLOWS:
        here = SiteContext(site)
        if verb != "ask":
            since_s, until_s, _ = here.span_s(pinned.get("since"), pinned.get("until"))
            pinned |= {"since": format_time(since_s), "until": format_time(until_s)}
        else:
            pinned |= {n: format_time(here.moment_s(pinned[n]) or 0) for n in ("since", "until") if n in pinned}
    return pinned


def _lasting(verb: str, result: dict[str, Any]) -> dict[str, Any]:
    """A result without what passes: the version of the program, and when content was looked at."""
    lasting = {name: value for name, value in result.items() if name not in PASSING}
    if verb in OF_CONTENT and isinstance(lasting.get("findings"), list):
        lasting["findings"] = [
            {name: value for name, value in finding.items() if name not in ("start", "end")}
            for finding in lasting["findings"]
        ]
    return lasting


def _rests_on(site: Site, verb: str, question: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Segments and editions that an answer read, with their hashes."""
    manifest, named = Manifest(site.data), set[str]()
    if verb in OF_FLOWS:
        begin = (result.get("question") or {}).get("baseline", [question.get("since")])[0] if verb == "ask" else None
        since_us = _us(begin or question.get("since"))
        until_us = _us(question.get("until"))
        segments = [
            [s.path, s.hash, s.atlas]
            for kind in ("flows", "coverage")
            for s in manifest.segments(kind, since_us, until_us)
        ]
        wanted = {(e["source"], e["edition"]) for e in manifest.editions_behind(since_us, until_us)}
    else:
        segments = []
        wanted = {(str(s.get("source")), str(s.get("edition"))) for s in result.get("sources", ())}
        named = {str(p.get("source")) for p in result.get("prefixes", ())}
    editions = [
        {"source": e.source, "edition": e.edition, "hash": e.hash, "files": _files_of(e.folder)}
        for e in Atlas.of(site).editions()
        if (e.source, e.edition) in wanted or e.source in named
    ]
    return {"segments": segments, "editions": editions}


def _us(text: str | None) -> int | None:
    return None if not text else parse_time(text, now_s=0) * 1_000_000


def _files_of(folder: Path) -> dict[str, str]:
    """Hashes (BLAKE2b) of an edition's tables."""
    if not folder.is_dir():
        return {}
    return {path.name: hash_file(str(path)) or "" for path in sorted(folder.glob("*.parquet"))}


def seal_file(site: Site, path: Path, *, keep: bool) -> dict[str, Any]:
    """A file as evidence, by its hash; kept in the data folder where that is wanted.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", hint=str(path)) from None
    name = hashlib.sha256(data).hexdigest()
    if keep:
        folder = site.data / "cases"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(folder / name, data)
    return {
        "verb": "file",
        "question": {"file": str(path.absolute())},
        "command": "",
        "version": __version__,
        "result": {"name": path.name, "bytes": len(data), "sha256": name},
        "kept": keep,
        "result_hash": digest({"name": path.name, "bytes": len(data), "sha256": name}),
    }


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, for its owner alone."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staged, path)
    finally:
        staged.unlink(missing_ok=True)


def verify(site: Site, cases: Cases, case: Case, progress: Callable[[str], None] = lambda name: None) -> Verified:
    """Look at a whole case again: its chain, what its evidence rests on, and every question put anew."""
    items = []
    hashes: dict[Path, str] = {}
    for entry in case.of("evidence"):
        progress(entry.id)
        items.append(Checked(entry.id, *_again(site, entry.body, hashes)))
    for entry in case.of("stamp"):
        items.append(_stamp_again(site, case, entry))
    return Verified(tuple(items), cases.broken(case))


def _stamp_again(site: Site, case: Case, entry: Entry) -> Checked:
    from tidegauge.case.stamp import trusted_by, wrong

    try:
        said = wrong(case, entry.body, trusted_by(site))
    except UsageError as error:
        return Checked(entry.id, "gone", f"it cannot be verified any more: {error}")
    return Checked(entry.id, "tampered" if said else "same", said)


def _again(site: Site, sealed: dict[str, Any], hashes: dict[Path, str]) -> tuple[Status, str]:
    try:
        if digest(sealed["result"]) != sealed["result_hash"]:
            return "tampered", "the kept result is not the one that was sealed"
        if sealed["verb"] == "file":
            return _file_again(site, sealed)
        altered = _altered(site, sealed, hashes)
        if altered:
            return "tampered", altered
        now = answer(site, sealed["verb"], sealed["question"])
    except (KeyError, TypeError) as error:
        return "tampered", f"not a piece of evidence: {error}"
    except TidegaugeError as error:
        return "gone", str(error)
    if digest(_lasting(sealed["verb"], now)) == sealed["result_hash"]:
        return "same", ""
    return "changed", _why_changed(site, sealed, now)


def _altered(site: Site, sealed: dict[str, Any], hashes: dict[Path, str]) -> str:
    """Which segment or edition that the answer read has other bytes now; those that were replaced are no such."""
    wrong = [*_altered_segments(site, sealed, hashes), *_altered_editions(site, sealed)]
    return f"other bytes than when it was sealed: {', '.join(wrong[:NAMED])}" if wrong else ""


def _altered_segments(site: Site, sealed: dict[str, Any], hashes: dict[Path, str]) -> Iterator[str]:
    known = {s.path for kind in ("flows", "coverage") for s in Manifest(site.data).segments(kind)}
    for path, made, *_ in sealed.get("segments", ()):
        file = site.data / path
        if path not in known or not file.exists():
            continue
        if file not in hashes:
            hashes[file] = hash_file(str(file)) or ""
        if hashes[file] != made:
            yield f"segment {path}"


def _altered_editions(site: Site, sealed: dict[str, Any]) -> Iterator[str]:
    editions = {(e.source, e.edition): e for e in Atlas.of(site).editions()}
    for told in sealed.get("editions", ()):
        edition = editions.get((told["source"], told["edition"]))
        if edition is None or edition.hash != told["hash"]:
            continue
        for name, made in _files_of(edition.folder).items():
            if told["files"].get(name, made) != made:
                yield f"edition {told['source']} {told['edition']} ({name})"


def _file_again(site: Site, sealed: dict[str, Any]) -> tuple[Status, str]:
    wanted = sealed["result"]["sha256"]
    kept = site.data / "cases" / wanted
    if sealed.get("kept"):
        if not kept.exists():
            return "gone", "the kept copy isn't there any more"
        same = hashlib.sha256(kept.read_bytes()).hexdigest() == wanted
        return ("same", "") if same else ("tampered", "the kept copy has other bytes than when it was sealed")
    path = Path(sealed["question"]["file"])
    if not path.exists():
        return "gone", "the file isn't there any more"
    same = hashlib.sha256(path.read_bytes()).hexdigest() == wanted
    return ("same", "") if same else ("changed", "the file has other content now")


def _why_changed(site: Site, sealed: dict[str, Any], now: dict[str, Any]) -> str:
    """What is different from when it was sealed."""
    reasons = []
    if sealed["version"] != __version__:
        reasons.append(f"made by version {sealed['version']}, now {__version__}")
    rests = _rests_on(site, sealed["verb"], sealed["question"], now)
    reasons += _other_data(sealed, rests)
    told = [name for name in now if canonical(now[name]) != canonical(sealed["result"].get(name))]
    different = ", ".join(name for name in told if name not in PASSING)
    return f"{'; '.join(reasons) or 'the answer is another'} (different: {different})"


def _other_data(sealed: dict[str, Any], rests: dict[str, Any]) -> Iterator[str]:
    """What of the data that an answer rests on is another than when it was sealed."""
    before = {path: atlas for path, _, atlas in sealed.get("segments", ())}
    after = {path: atlas for path, _, atlas in rests["segments"]}
    new, old = set(after) - set(before), set(before) - set(after)
    if new:
        yield f"data arrived, were joined or were removed: {len(new)} segments more, {len(old)} fewer"
    elif old:
        yield f"flows were removed, by retention or from the lake's files: {len(old)} segments fewer"
    if any(after[path] != before[path] for path in set(after) & set(before)):
        yield "flows were labelled again"
    editions = [
        {(e["source"], e["edition"], e["hash"]) for e in part} for part in (sealed["editions"], rests["editions"])
    ]
    if editions[0] != editions[1]:
        yield "other editions of the atlas"
