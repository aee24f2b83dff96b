"""A case as one file that another team can look at and verify with nothing but this program.

A zip: `case.json` (name, mark, entries), a page that opens in any browser, the charts, and `checksums.json` with the
SHA-256 of everything else, signed in minisign's form by the site that made it. A signature shows that nothing was
altered since; whose key it is, those can tell who were given it another way.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from tidegauge import __version__
from tidegauge.case.evidence import Checked, Verified
from tidegauge.case.log import Case, broken_chain, canonical, digest
from tidegauge.case.render import chart
from tidegauge.case.statement import as_text, write
from tidegauge.model import InputError
from tidegauge.site import Site

MOST_BYTES, MOST_FILES = 512 << 20, 10_000
SUMS, SIGNATURE, PUBLIC = "checksums.json", "checksums.json.minisig", "minisign.pub"
FORM = "tidegauge-case-2"


def pack(site: Site, case: Case, left_out: int = 0) -> bytes:
    """A case as a bundle.

    Args:
        left_out: how many entries its mark keeps back; said in it.
    """
    from tidegauge.case.sign import sign  # with minisign, of the extra `case`

    told = {
        "format": FORM,
        "case": case.name,
        "title": case.title,
        "mark": case.mark,
        "site": site.name,
        "version": __version__,
        "left_out": left_out,
        "entries": [entry.packed() for entry in case.entries],
    }
    files = {"case.json": json.dumps(told, ensure_ascii=False, indent=1).encode()}
    for entry in case.of("evidence"):
        files[f"evidence/{entry.id}.json"] = json.dumps(entry.body["result"], ensure_ascii=False, indent=1).encode()
        if entry.body["verb"] == "series" and entry.body["result"].get("value"):
            files[f"charts/{entry.id}.svg"] = chart(entry.body["result"], entry.body["command"]).encode()
        kept = site.data / "cases" / str(entry.body["result"].get("sha256", ""))
        if entry.body.get("kept") and kept.is_file():
            files[f"files/{kept.name}"] = kept.read_bytes()
    for language in ("en", "zh-TW"):
        text = as_text(write(case, language, "long"), case.mark)
        files[f"statement.{language}.md"] = text.encode()
    files["index.html"] = _page(case, files).encode()
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    files[SUMS] = canonical(sums).encode()
    files[SIGNATURE], files[PUBLIC] = sign(site, files[SUMS], f"case {case.name}, {len(case.entries)} entries")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def _page(case: Case, files: dict[str, bytes]) -> str:
    """Everything in a bundle on one page, the charts in it."""
    rows = []
    for entry in case.entries:
        told = entry.to_json()
        body = {
            k: v for k, v in told.items() if k not in ("result", "segments", "editions", "number", "at", "who", "kind")
        }
        svg = files.get(f"charts/{entry.id}.svg", b"").decode()
        rows.append(
            f"<tr><td>{escape(told['at'])}</td><td>{escape(entry.who)}</td>"
            f"<td>{escape(entry.kind)} {escape(entry.id)}</td>"
            f"<td><pre>{escape(json.dumps(body, ensure_ascii=False, indent=1))}</pre>{svg}</td></tr>"
        )
    statement = escape(files["statement.en.md"].decode())
    style = (
        "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:"
        "collapse;width:100%}td{border-top:1px solid #ccc;vertical-align:top;padding:.4rem}pre{white-space:pre-wrap;"
        "overflow-wrap:anywhere;margin:0}svg{max-width:100%}"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(case.name)}</title><style>{style}</style>'
        f"<h1>{escape(case.title)}</h1><p>{escape(case.mark)}</p><pre>{statement}</pre><h2>Entries</h2>"
        f"<table>{''.join(rows)}</table></html>\n"
    )


def unpack_bundle(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What is in a bundle: its `case.json`, and all files.

    Raises:
        InputError: not a bundle, or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_FILES or sum(e.file_size for e in entries) > MOST_BYTES:
                raise InputError(f"more than {MOST_FILES:,} files or {MOST_BYTES >> 20} MB", where=str(path))
            files = {entry.filename: archive.read(entry) for entry in entries}
        told = json.loads(files["case.json"])
        if told["format"] != FORM or not isinstance(told["entries"], list):
            raise InputError("a bundle of another form", where=str(path))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"not a bundle: {str(error)[:120] or type(error).__name__}", where=str(path)) from None
    return told, files


def verify_bundle(path: Path, expected: str = "") -> tuple[Verified, dict[str, Any]]:
    """Whether a bundle is as it was made: checksums, signature, chain, and the hash of each result.

    Args:
        expected: the public key (minisign's, base64) that must have signed it; any where empty.

    Returns:
        What became of each piece of evidence; and who signed, by key and fingerprint.

    Raises:
        InputError: not a bundle.
    """
    from tidegauge.case.sign import fingerprint, signed_by  # with minisign, of the extra `case`

    told, files = unpack_bundle(path)
    key = signed_by(files.get(SUMS, b""), files.get(SIGNATURE, b""), files.get(PUBLIC, b""))
    problems = list(_wrong_files(files, key))
    if key and expected and key != expected:
        problems.append((PUBLIC, "it was signed with another key than the one expected"))
    chain = broken_chain(str(told.get("case")), told["entries"])
    items = []
    for entry in told["entries"]:
        if not isinstance(entry, dict) or entry.get("kind") != "evidence":
            continue
        name, body = str(entry.get("id")), entry.get("body") or {}
        own = files.get(f"evidence/{name}.json", b"")
        right = digest(body.get("result")) == body.get("result_hash")
        try:
            right = right and digest(json.loads(own)) == body.get("result_hash")
        except ValueError:
            right = False
        items.append(
            Checked(name, "same" if right else "tampered", "" if right else "its result is not the one sealed")
        )
    items += [Checked(name, "tampered", why) for name, why in problems]
    return Verified(tuple(items), chain), {
        "key": key,
        "fingerprint": fingerprint(key) if key else "",
        "site": told.get("site"),
        "left_out": told.get("left_out", 0),
    }


def _wrong_files(files: dict[str, bytes], key: str) -> Iterator[tuple[str, str]]:
    """Files of a bundle that are not as they were signed, each with the reason."""
    if not key:
        yield SUMS, "its signature does not fit"
    try:
        sums = json.loads(files.get(SUMS, b""))
    except ValueError:
        sums = None
    if not isinstance(sums, dict):
        yield SUMS, "it is missing or damaged: nothing can be verified"
        return
    for name, made in sums.items():
        if name not in files:
            yield name, "it is missing"
        elif hashlib.sha256(files[name]).hexdigest() != made:
            yield name, "it was altered"
    for name in files:
        if name not in sums and name not in (SUMS, SIGNATURE, PUBLIC):
            yield name, "it was added"
