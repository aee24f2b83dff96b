"""`atlas update`: the configured sources fetched from URLs or mirror folders, conditionally, bounded, checked."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import urlparse

from tidegauge.atlas.catalogue import Catalogue
from tidegauge.atlas.importing import Taken, Wanted, import_file
from tidegauge.model import InputError, TidegaugeError
from tidegauge.model.web import WebError, asking
from tidegauge.site import AtlasSource

TIMEOUT_S = 60
LONGEST_S = 3600
"""A transfer that takes longer is given up: a server can drip bytes for ever."""
CHECKSUM_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Outcome:
    """What became of one source: `taken`, `unchanged`, or `failed` with the reason; the old edition then stays."""

    source: str
    state: str
    what: str
    taken: tuple[Taken, ...] = ()


def update(catalogue: Catalogue, sources: tuple[AtlasSource, ...]) -> Iterator[Outcome]:
    """Fetch each source; one that fails changes nothing and does not stop the others."""
    for source in sources:
        try:
            yield _web(catalogue, source) if source.is_web else _folder(catalogue, source)
        except TidegaugeError as error:
            yield Outcome(source.name, "failed", str(error))


def _wanted(source: AtlasSource) -> Wanted:
    return Wanted(source=source.name, format=source.format, classes=source.classes, licence=source.licence)


def _folder(catalogue: Catalogue, source: AtlasSource) -> Outcome:
    """A file or a folder of a mirror: all that is new in it, in order of name; a pattern may stand at its end."""
    paths = _paths(Path(source.url.removeprefix("file://")))
    taken, failed = [], []
    for path in paths:
        try:
            if path.stat().st_size > source.most_bytes:
                raise InputError(f"larger than {source.most_bytes:,} bytes", where=str(path), hint="max_mb allows more")
            beside = path.with_name(path.name + ".sha256")
            _check(path, source.sha256 or (beside.read_text(encoding="utf-8") if beside.exists() else None))
            taken.append(import_file(catalogue, str(path), _wanted(source)))
        except TidegaugeError as error:
            failed.append(str(error))
        except OSError as error:
            failed.append(f"{path}: {error.strerror}")
    new = tuple(t for t in taken if t.edition is not None)
    if failed:
        return Outcome(source.name, "failed", "; ".join(failed), new)
    return Outcome(source.name, "taken" if new else "unchanged", f"{len(new)} of {len(paths)} files were new", new)


def _paths(place: Path) -> list[Path]:
    """A file, or those of a folder that a pattern at its end may choose.

    Raises:
        InputError: there is neither.
    """
    pattern = "*"
    if any(c in place.name for c in "*?["):
        place, pattern = place.parent, place.name
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise InputError("no such file or folder", where=str(place))
    return sorted(p for p in place.iterdir() if p.is_file() and fnmatch(p.name, pattern) and not _beside(p))


def _beside(path: Path) -> bool:
    return path.suffix in (".sha256", ".md5", ".asc", ".part") or path.name.startswith(".")


def _web(catalogue: Catalogue, source: AtlasSource) -> Outcome:
    before = catalogue.fetched(source.name)
    headers: dict[str, str] = {}
    if before and before["url"] == source.url:
        headers |= {"If-None-Match": before["etag"]} if before["etag"] else {}
        headers |= {"If-Modified-Since": before["modified"]} if before["modified"] else {}
    with tempfile.TemporaryDirectory(prefix="tidegauge-") as folder:
        target = Path(folder) / (Path(urlparse(source.url).path).name or source.name)
        try:
            with asking(
                source.url, None, headers, timeout_s=TIMEOUT_S, most_bytes=source.most_bytes, longest_s=LONGEST_S,
                follow=True,
            ) as answer:
                etag, modified = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
                with target.open("wb") as file:
                    file.writelines(answer.blocks())
        except WebError as error:
            if error.code == 304:
                assert before is not None
                catalogue.note_fetched(source.name, source.url, before["etag"], before["modified"])
                return Outcome(source.name, "unchanged", "the server has nothing newer")
            what = error.why if error.code is not None or error.too_much else f"cannot be fetched: {error}"
            hint = "max_mb allows more" if error.too_much else ""
            raise InputError(what, where=source.url, hint=hint) from None
        except OSError as error:
            raise InputError(f"cannot be kept: {error.strerror}", where=str(target)) from None
        _check(target, _small(source.checksum) if source.checksum else source.sha256)
        wanted = _wanted(source)
        taken = import_file(catalogue, str(target), _dated_by(wanted, modified), origin=source.url)
        catalogue.note_fetched(source.name, source.url, etag, modified)
    if taken.edition is None:
        return Outcome(source.name, "unchanged", "its content is an edition already")
    return Outcome(source.name, "taken", f"edition {taken.edition.edition}", (taken,))


def _dated_by(wanted: Wanted, modified: str) -> Wanted:
    """A file that states no date has that of its last change, where the server says it."""
    try:
        return replace(wanted, otherwise_s=int(parsedate_to_datetime(modified).timestamp()))
    except (TypeError, ValueError):
        return wanted


def _small(url: str) -> str:
    try:
        with asking(
            url, timeout_s=TIMEOUT_S, most_bytes=CHECKSUM_MOST_BYTES, longest_s=TIMEOUT_S, follow=True
        ) as answer:
            return answer.read().decode("ascii", "replace")
    except WebError as error:
        raise InputError(f"the checksum cannot be fetched: {error}", where=url) from None


def _check(path: Path, expected: str | None) -> None:
    """Compare with a checksum file's text (SHA-256 or MD5; its digests, whatever stands around them)."""
    if not expected:
        return
    words = {word.strip("*()=,").lower() for word in expected.split()}
    for name in ("sha256", "md5"):
        with path.open("rb") as file:
            found = hashlib.file_digest(file, name).hexdigest()
        if any(len(word) == len(found) and set(word) <= set("0123456789abcdef") for word in words):
            if found in words:
                return
            raise InputError(f"its {name} is {found}, which its checksum does not say", where=str(path))
    raise InputError("its checksum file holds neither SHA-256 nor MD5", where=str(path))
