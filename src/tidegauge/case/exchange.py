"""A case for other teams, as STIX 2.1, a MISP event, CSV or X-ARF; and what other teams send, as claims and indicators
of theirs: graded, with their source, never as truth.
"""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tidegauge.case.bundle import unpack_bundle, verify_bundle
from tidegauge.case.log import FIRST, Case, Entry, canonical, digest, entry_hash
from tidegauge.case.statement import as_text, write
from tidegauge.case.weigh import weigh
from tidegauge.model import TLP_ORDER, InputError, Skipped, UsageError, format_time, parse_time
from tidegauge.watch import Indicator, read_indicators

SPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""STIX's own name space for identifiers that are made of content (STIX 2.1, section 2.9)."""
TLP = {
    "TLP:CLEAR": "94868c89-83c2-464b-929b-a1a8aa3c8487",
    "TLP:GREEN": "bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "TLP:AMBER": "55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "TLP:AMBER+STRICT": "939a9414-2ddd-4d32-a0cd-375ea402b003",
    "TLP:RED": "e828b379-4e03-4974-9ac4-e53a884c97c1",
}
"""The marking definitions of TLP 2.0 in STIX (OASIS, "TLP 2.0 extension definition", 2022)."""
TLP_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
OPINIONS = ("strongly-disagree", "disagree", "neutral", "agree", "strongly-agree")
MOST_CLAIMS = 1000


def told_to(case: Case, audience: str) -> tuple[Case, int]:
    """A case without what its marks keep from an audience, and how many entries that are.

    Raises:
        UsageError: the case as a whole is kept from it.
    """
    if audience not in TLP_ORDER:
        raise UsageError(f"not a mark of TLP 2.0: {audience!r}", hint=", ".join(TLP_ORDER))
    if TLP_ORDER.index(case.mark) > TLP_ORDER.index(audience):
        raise UsageError(f"the case is {case.mark}: it does not go out as {audience}", hint=f"--tlp {case.mark}")
    widest = TLP_ORDER.index(audience)
    kept = [e for e in case.entries if TLP_ORDER.index(str(e.body.get("tlp") or case.mark)) <= widest]
    return rechained(case, kept), len(case.entries) - len(kept)


def hide(case: Case, hidden: Callable[[Any], Any]) -> Case:
    """A case in which every address of ours is a pseudonym."""
    return rechained(case, [replace(entry, body=hidden(entry.body)) for entry in case.entries])


def rechained(case: Case, entries: list[Entry]) -> Case:
    """A case of other entries, numbered and chained anew."""
    made: list[Entry] = []
    before = FIRST
    for number, entry in enumerate(entries, 1):
        body = entry.body
        if entry.kind == "evidence":
            body = {**body, "result_hash": digest(body["result"])}
        one = replace(entry, number=number, body=body, before=before, seal="")
        before = entry_hash(one.packed())
        made.append(replace(one, hash=before))
    return replace(case, entries=tuple(made))


# STIX.


def _id(kind: str, *parts: Any) -> str:
    return f"{kind}--{uuid.uuid5(SPACE, canonical(parts))}"


def _stamp(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_us // 1000 % 1000:03d}Z"


def stix(case: Case, site: str) -> dict[str, Any]:
    """A STIX 2.1 bundle: who says it, a note for each claim and piece of evidence, an opinion for each hypothesis,
    addresses that origins were asked of, and a report that holds them."""
    mark = f"marking-definition--{TLP[case.mark]}"
    made = _stamp(case.created_us)
    author = _id("identity", site)
    common = {"spec_version": "2.1", "created_by_ref": author, "object_marking_refs": [mark]}
    level = case.mark.removeprefix("TLP:").lower()
    objects: list[dict[str, Any]] = [
        {
            "type": "marking-definition",
            "spec_version": "2.1",
            "id": mark,
            "created": "2022-10-01T00:00:00.000Z",
            "name": case.mark,
            "extensions": {TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": level}},
        },
        {
            "type": "identity",
            "spec_version": "2.1",
            "id": author,
            "created": made,
            "modified": made,
            "name": site,
            "identity_class": "organization",
        },
    ]
    held = []
    for entry in case.entries:
        at = _stamp(entry.at_us)
        if entry.kind == "claim":
            held.append(
                {
                    **common,
                    "type": "note",
                    "id": _id("note", case.name, entry.id),
                    "created": at,
                    "modified": at,
                    "abstract": f"Claim {entry.id} of {entry.body['by']}, graded {entry.body['graded']}",
                    "content": entry.body["text"],
                    "authors": [entry.body["by"]],
                    "labels": ["claim"],
                    "object_refs": [author],
                }
            )
        elif entry.kind == "evidence":
            objects += (observed := list(_observed(entry, common, at)))
            refs = [one["id"] for one in observed if one["type"] == "observed-data"] or [author]
            lines = [line.text for line in write(replace(case, entries=(entry,))) if f"[{entry.id}]" in line.text]
            held.append(
                {
                    **common,
                    "type": "note",
                    "id": _id("note", case.name, entry.id),
                    "created": at,
                    "modified": at,
                    "abstract": f"Evidence {entry.id}: {entry.body['command'] or entry.body['result'].get('name')}",
                    "content": "\n".join(lines),
                    "authors": [entry.who],
                    "labels": ["evidence"],
                    "external_references": [
                        {
                            "source_name": "tidegauge",
                            "external_id": entry.id,
                            "description": _question(entry),
                            "hashes": {"SHA-256": entry.body["result_hash"]},
                            "url": "urn:tidegauge",
                        }
                    ],
                    "object_refs": refs,
                }
            )
    if case.of("hypothesis") and case.of("evidence"):
        scores = weigh(case).scores()
        worst = max(scores.values(), default=0) or 1
        for h in case.of("hypothesis"):
            at = _stamp(h.at_us)
            held.append(
                {
                    **common,
                    "type": "opinion",
                    "id": _id("opinion", case.name, h.id),
                    "created": at,
                    "modified": at,
                    "opinion": OPINIONS[4 - round(4 * scores[h.id] / worst)],
                    "explanation": f"{h.body['text']} (inconsistency {scores[h.id]:g})",
                    "object_refs": [author],
                }
            )
    report = {
        **common,
        "type": "report",
        "id": _id("report", case.name, site),
        "created": made,
        "modified": made,
        "name": case.title,
        "published": made,
        "report_types": ["observed-data"],
        "object_refs": [one["id"] for one in held] or [author],
    }
    return {"type": "bundle", "id": _id("bundle", case.name, case.revision), "objects": [*objects, *held, report]}


def _question(entry: Entry) -> str:
    """The question, as another site can put it again."""
    return canonical({"verb": entry.body["verb"], "question": entry.body["question"]})


def _observed(entry: Entry, common: dict[str, Any], at: str) -> Iterator[dict[str, Any]]:
    """The address that an origin was asked of, as observed data."""
    if entry.body["verb"] != "origin" or "address" not in entry.body["result"]:
        return
    address = str(entry.body["result"]["address"])
    kind = "ipv6-addr" if ":" in address else "ipv4-addr"
    name = f"{kind}--{uuid.uuid5(SPACE, canonical({'value': address}))}"
    yield {"type": kind, "spec_version": "2.1", "id": name, "value": address}
    when = _stamp(parse_time(str(entry.body["result"]["at"]), now_s=0) * 1_000_000)
    yield {
        **common,
        "type": "observed-data",
        "id": _id("observed-data", entry.case, entry.id),
        "created": at,
        "modified": at,
        "first_observed": when,
        "last_observed": when,
        "number_observed": 1,
        "object_refs": [name],
    }


# MISP, CSV, X-ARF.


def misp(case: Case, site: str) -> dict[str, Any]:
    """A MISP event: an attribute for each claim and piece of evidence, addresses as such, the statement a comment."""
    made = case.created_us / 1e6
    attributes = []
    for entry in case.entries:
        stamp = str(entry.at_us // 1_000_000)
        if entry.kind == "claim":
            text = f"Claim {entry.id} of {entry.body['by']} (graded {entry.body['graded']}): {entry.body['text']}"
            attributes.append(_attribute(case, entry.id, "text", text, "Attribution", stamp, ""))
        elif entry.kind == "evidence":
            lines = [line.text for line in write(replace(case, entries=(entry,))) if f"[{entry.id}]" in line.text]
            attributes.append(
                _attribute(case, entry.id, "text", "\n".join(lines), "Network activity", stamp, entry.body["command"])
            )
            address = entry.body["result"].get("address") if entry.body["verb"] == "origin" else None
            if address:
                comment = (
                    f"displayed {entry.body['result'].get('displayed')}, trust {entry.body['result'].get('trust')}"
                )
                attributes.append(
                    _attribute(case, f"{entry.id} address", "ip-src", address, "Network activity", stamp, comment)
                )
    attributes.append(
        _attribute(
            case,
            "statement",
            "comment",
            as_text(write(case), case.mark).strip(),
            "Other",
            str(int(made)),
            f"statement of {site}",
        )
    )
    return {
        "Event": {
            "uuid": str(uuid.uuid5(SPACE, f"{site} {case.name}")),
            "info": case.title,
            "date": format_time(made)[:10],
            "threat_level_id": "4",
            "analysis": "1",
            "distribution": "0",
            "timestamp": str(int(made)),
            "published": False,
            "Orgc": {"name": site, "uuid": str(uuid.uuid5(SPACE, site))},
            "Tag": [{"name": case.mark.lower()}],
            "Attribute": attributes,
        }
    }


def _attribute(case: Case, name: str, kind: str, value: str, category: str, stamp: str, comment: str) -> dict[str, Any]:
    return {
        "uuid": str(uuid.uuid5(SPACE, f"{case.name} {name}")),
        "type": kind,
        "category": category,
        "value": value,
        "to_ids": False,
        "timestamp": stamp,
        "comment": comment,
        "distribution": "5",
    }


def table(case: Case) -> str:
    """Every entry as a line of CSV."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["number", "at", "who", "kind", "id", "about", "text", "command", "verdict", "result_sha256"])
    for e in case.entries:
        text = e.body.get("text") or e.body.get("what") or e.body.get("reason") or ""
        row = [
            e.number,
            format_time(e.at_us / 1e6),
            e.who,
            e.kind,
            e.id,
            e.about,
            text,
            e.body.get("command", ""),
            (e.body.get("result") or {}).get("verdict", ""),
            e.body.get("result_hash", ""),
        ]
        # What a spreadsheet would take for a formula is text.
        writer.writerow([f"'{c}" if isinstance(c, str) and c[:1] in ("=", "+", "-", "@") else c for c in row])
    return out.getvalue()


def xarf(case: Case, site: str) -> list[dict[str, Any]]:
    """Reports for owners of hosts outside that serious findings name (X-ARF 0.2: the fields of a report)."""
    reports = []
    for entry in case.of("evidence"):
        for finding in entry.body["result"].get("findings", ()) if entry.body["verb"] == "hunt" else ():
            if finding["severity"] not in ("high", "critical") or not finding["peers"]:
                continue
            reports.append(
                {
                    "Version": "0.2",
                    "Reported-From": site,
                    "Category": "info",
                    "Report-Type": finding["kind"],
                    "Report-ID": f"{case.name}-{entry.id}-{finding.get('id', '')}",
                    "Date": finding["start"],
                    "Source-Type": "ipv6" if ":" in finding["peers"][0] else "ipv4",
                    "Source": finding["peers"][0],
                    "User-Agent": "tidegauge",
                    "Attachment": "none",
                    "TLP": case.mark,
                    "Text": f"{finding['title']}\n"
                    + "\n".join(f"- {reason}" for reason in finding["reasons"])
                    + "\nThis is what flow records show; they do not show content. Times are UTC.",
                }
            )
    return reports


# What others send.


@dataclass(frozen=True)
class Foreign:
    """What a file of another team holds: claims (text, by whom, at, how graded), marks to watch, and questions that
    can be put here again."""

    claims: list[dict[str, str]]
    indicators: list[Indicator]
    questions: list[tuple[str, dict[str, Any], str]]
    left: Skipped


def read_foreign(path: Path, graded: str, *, now_s: int | None = None) -> Foreign:
    """What another team sent, in any form that `export` writes and in STIX and MISP of others.

    Args:
        now_s: as for `read_indicators`.

    Raises:
        InputError: it is none of these, or holds nothing.
    """
    if path.read_bytes()[:4] == b"PK\x03\x04":
        told, _ = unpack_bundle(path)
        found, _ = verify_bundle(path)
        if found.status != "same":
            wrong = found.broken or next(f"{i.id}: {i.why}" for i in found.items if i.status != "same")
            raise InputError(f"the bundle was altered: {wrong}", where=str(path))
        return _of_bundle(told, graded)
    foreign = _of_document(path, graded)
    try:
        marks, left = read_indicators(path, now_s=now_s)
    except (InputError, UsageError):
        marks, left = [], Skipped()
    for name in ("MISP comment", "MISP text"):  # what is said in words was taken as claims
        left.forget(name)
    foreign = replace(foreign, indicators=marks, left=left)
    if not (foreign.claims or foreign.indicators or foreign.questions):
        raise InputError(
            "nothing in it that could be taken in", where=str(path), hint="STIX 2.1, MISP, CSV or a bundle"
        )
    return foreign


def _of_document(path: Path, graded: str) -> Foreign:
    """Claims and questions of a MISP event or a STIX document; none of anything else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return Foreign([], [], [], Skipped())
    if "Event" in document:
        return _of_misp(document, str(document.get("Event", {}).get("Orgc", {}).get("name") or ""), graded)
    return _of_stix(document, graded)


def _of_bundle(told: dict[str, Any], graded: str) -> Foreign:
    site = str(told.get("site") or "another team")
    claims, questions = [], []
    for entry in told["entries"][: 10 * MOST_CLAIMS]:
        body = entry.get("body") or {}
        at = format_time(int(entry.get("at_us", 0)) / 1e6)
        if entry.get("kind") == "claim":
            text = str(body.get("text", ""))[:5000]
            claims.append({"by": f"{body.get('by')} (by way of {site})", "text": text, "at": at, "graded": graded})
        elif entry.get("kind") == "evidence":
            verdict = (body.get("result") or {}).get("verdict")
            said = f"{body.get('command')}" + (f": {verdict}" if verdict else "")
            claims.append({"by": site, "text": said[:5000], "at": at, "graded": graded})
            if body.get("verb") and isinstance(body.get("question"), dict):
                questions.append((str(body["verb"]), body["question"], str(verdict or "")))
    return Foreign(claims[:MOST_CLAIMS], [], questions, Skipped())


def _of_stix(document: dict[str, Any], graded: str) -> Foreign:
    objects = [one for one in document.get("objects", ()) if isinstance(one, dict)]
    names = {one.get("id"): str(one.get("name", "")) for one in objects if one.get("type") == "identity"}
    claims, questions = [], []
    for one in objects[: 10 * MOST_CLAIMS]:
        text = {"note": one.get("content"), "opinion": one.get("explanation"), "report": one.get("description")}.get(
            str(one.get("type"))
        )
        by = names.get(one.get("created_by_ref")) or "unnamed source"
        if isinstance(text, str) and text:
            at = str(one.get("created", ""))[:19] + "Z"
            claims.append({"by": by, "text": text[:5000], "at": at, "graded": graded})
        for reference in one.get("external_references", ()) if one.get("type") == "note" else ():
            if isinstance(reference, dict) and reference.get("source_name") == "tidegauge":
                try:
                    asked = json.loads(str(reference.get("description")))
                    questions.append((str(asked["verb"]), dict(asked["question"]), ""))
                except (ValueError, KeyError, TypeError):
                    continue
    return Foreign(claims[:MOST_CLAIMS], [], questions, Skipped())


def _of_misp(document: dict[str, Any], source: str, graded: str) -> Foreign:
    event = document["Event"]
    claims = []
    for one in event.get("Attribute", ())[: 10 * MOST_CLAIMS] if isinstance(event, dict) else ():
        if isinstance(one, dict) and one.get("type") in ("text", "comment") and isinstance(one.get("value"), str):
            stamp = str(one.get("timestamp", "0"))
            at = format_time(int(stamp) if stamp.isdigit() and len(stamp) < 12 else 0)
            claims.append({"by": source or "unnamed source", "text": one["value"][:5000], "at": at, "graded": graded})
    return Foreign(claims[:MOST_CLAIMS], [], [], Skipped())
