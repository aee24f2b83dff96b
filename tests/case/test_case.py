"""A case on the command line: its contracts, what verify sees, who changed what, and two people at once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.case.conftest import SINCE
from tidegauge.case import CaseFile, Cases, ConflictError, weigh
from tidegauge.case.log import canonical, entry_hash
from tidegauge.ingest import Ingest
from tidegauge.model import UsageError
from tidegauge.site import load_site
from tidegauge.store import Store
from tidegauge.watch import Indicator, Watches

Run = Callable[..., tuple[int, Any]]


def test_a_case_keeps_its_contract(site: Path, run: Run) -> None:
    assert run(site, "claim", "autumn", "--by", "The press", "--text", "We heard so", "--graded", "D4") == (
        0,
        {"id": "C2"},
    )
    assert run(site, "evidence", "autumn", "--", "top", "far_country", "-n", "3", "--since", SINCE) == (0, {"id": "E4"})
    status, told = run(site, "verify", "autumn")
    assert status == 0
    assert told == {
        "status": "same",
        "chain": "whole",
        "items": [{"id": f"E{n}", "status": "same", "why": ""} for n in (1, 2, 3, 4)],
    }
    status, told = run(site, "show", "autumn")
    assert [e["id"] for e in told["entries"] if e["kind"] == "claim"] == ["C1", "C2"]
    assert told["entries"][-1]["question"] == {
        "by": ["far_country"],
        "n": 3,
        "since": "2014-11-24T00:00:00Z",
        "until": told["entries"][-1]["question"]["until"],
    }
    assert told["entries"][-1]["command"].startswith("tidegauge top far_country")
    assert run(site, "list")[1]["cases"][0]["name"] == "autumn"


@pytest.mark.parametrize(
    "arguments",
    [
        ("new", "autumn"),
        ("new", "no/name"),
        ("show", "none"),
        ("claim", "autumn", "--by", "x", "--text", " "),
        ("claim", "autumn", "--by", "x", "--text", "y", "--graded", "Z9"),
        ("evidence", "autumn", "--", "nonsense"),
        ("evidence", "autumn", "--", "ask", "--from", "nowhere", "--since", SINCE),
        ("evidence", "autumn"),
        ("weigh", "autumn", "--rate", "E1", "H9", "I", "--reason", "x"),
        ("mark", "autumn", "TLP:PINK"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_written(site: Path, run: Run, arguments: tuple[str, ...]) -> None:
    before = Cases(Store.of(load_site(site)), site).get("autumn").revision
    try:
        status, _ = run(site, *arguments, as_json=arguments[0] != "mark")
    except UsageError:
        status = 2
    assert status
    assert Cases(Store.of(load_site(site)), site).get("autumn").revision == before


def database(site: Path) -> sqlite3.Connection:
    return sqlite3.connect(load_site(site).data / "tidegauge.sqlite")


def a_segment(site: Path) -> None:
    here = load_site(site)
    segments = CaseFile(here, "anna").get("autumn").get("E1").body["segments"]
    path = here.data / next(name for name, *_ in segments if name.startswith("flows/"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def a_row(site: Path) -> None:
    with database(site) as link:
        link.execute("UPDATE case_entries SET body = replace(body, 'your', 'my') WHERE id = 'C1'")


def a_verdict(site: Path) -> None:
    with database(site) as link:
        link.execute("UPDATE case_entries SET body = replace(body, '\"cannot_say\"', '\"no_surge\"') WHERE id = 'E1'")
        link.execute("UPDATE case_entries SET body = replace(body, '\"no_surge\"', '\"surge\"') WHERE id = 'E1'")


def the_order(site: Path) -> None:
    with database(site) as link:
        last = link.execute("SELECT max(number) FROM case_entries").fetchone()[0]
        for old, new in ((last, -1), (last - 1, last), (-1, last - 1)):
            link.execute("UPDATE case_entries SET number = ? WHERE number = ?", (new, old))


def the_end(site: Path) -> None:
    with database(site) as link:
        link.execute("DELETE FROM case_entries WHERE id IN ('E2', 'E3')")


def the_last_one(site: Path) -> None:
    with database(site) as link:
        link.execute("DELETE FROM case_entries WHERE id = 'E3'")


def a_whole_new_chain(site: Path) -> None:
    """By somebody who can write the database and knows how hashes are made, but has no key."""
    case = Cases(Store.of(load_site(site)), site).get("autumn")
    before = "0" * 64
    with database(site) as link:
        for entry in case.entries:
            packed = {**entry.packed(), "before": before}
            if entry.id == "C1":
                packed["body"] = {**entry.body, "text": "It did not come through your network."}
            made = entry_hash(packed)
            link.execute(
                "UPDATE case_entries SET body = ?, before = ?, hash = ? WHERE number = ?",
                (canonical(packed["body"]), before, made, entry.number),
            )
            before = made


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (a_segment, "segment flows/"),
        (a_row, "(C1) was altered"),
        (a_verdict, "(E1)"),
        (the_order, "(E3) does not follow"),
        (the_end, "2 entries are missing at the end"),
        (the_last_one, "1 entry is missing at the end"),
        (a_whole_new_chain, "(C1) was not sealed with this site's key"),
    ],
)
def test_tampering_is_found_and_named(site: Path, run: Run, tamper: Callable[[Path], None], named: str) -> None:
    tamper(site)
    status, told = run(site, "verify", "autumn")
    assert status == 12
    assert told["status"] == "tampered"
    assert named in str(told)


def test_an_altered_edition_is_found_and_named(site: Path, run: Run, tmp_path: Path) -> None:
    feed = tmp_path / "geofeed.csv"
    feed.write_text("175.45.176.0/22,KP,,,\n198.51.100.0/24,DE,,,\n")
    command = [
        sys.executable,
        "-m",
        "tidegauge.cli",
        "atlas",
        "import",
        str(feed),
        "--format",
        "geofeed",
        "--edition",
        "2014-11-01",
        "--source",
        "own",
        "--site",
        str(site),
    ]
    subprocess.run(command, capture_output=True, text=True, check=True)
    files = CaseFile(load_site(site), "anna")
    made = files.evidence("autumn", "origin", {"address": "175.45.176.9", "at": SINCE})
    own = [e for e in made.body["editions"] if e["files"] and e["source"] != "embedded"]
    assert own
    for path in (load_site(site).data / "atlas").rglob("*.parquet"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    status, told = run(site, "verify", "autumn")
    assert status == 12
    assert f"edition {own[0]['source']}" in str(told)


def test_data_that_arrived_change_an_answer_and_that_is_said(site: Path, run: Run, tmp_path: Path) -> None:
    rows = "\n".join(
        f"2014-11-29T10:{i:02d}:00Z,2014-11-29T10:{i:02d}:30Z,175.45.176.9,198.18.3.7,9,443,6,900,9000000"
        for i in range(50)
    )
    path = tmp_path / "late.csv"
    path.write_text(f"time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes\n{rows}\n")
    Ingest(load_site(site), exporter="late").run([str(path)])
    status, told = run(site, "verify", "autumn")
    assert status == 12
    assert told["status"] == "changed"
    assert told["chain"] == "whole"
    assert "data arrived" in told["items"][0]["why"]
    assert told["items"][2]["status"] == "same"


def test_what_cannot_be_asked_any_more_is_gone(site: Path, run: Run, tmp_path: Path) -> None:
    here = load_site(site)
    Watches(Store.of(here)).add("studio", [Indicator.of("prefix", "203.0.113.0/24")])
    files = CaseFile(here, "anna")
    files.evidence("autumn", "ask", {"watch": "studio", "since": "2014-11-28", "baseline": "5d"})
    kept, loose = tmp_path / "kept.txt", tmp_path / "loose.txt"
    for path in (kept, loose):
        path.write_text("what the press wrote")
    files.file("autumn", kept, keep=True)
    files.file("autumn", loose, keep=False)
    assert run(site, "verify", "autumn")[1]["status"] == "same"
    Watches(Store.of(here)).remove("studio")
    kept.unlink()
    loose.write_text("something else")
    status, told = run(site, "verify", "autumn")
    assert status == 12
    assert [item["status"] for item in told["items"]] == ["same", "same", "same", "gone", "same", "changed"]
    (copy,) = (here.data / "cases").iterdir()
    copy.write_text("forged")
    assert run(site, "verify", "autumn")[1]["items"][4]["status"] == "tampered"


def test_two_people_at_once_lose_nothing(site: Path) -> None:
    here = load_site(site)
    before = CaseFile(here, "anna").get("autumn").revision
    failed: list[Exception] = []

    def write(who: str) -> None:
        files = CaseFile(load_site(site), who)
        try:
            for number in range(25):
                files.add("autumn", "note", {"text": f"{who} {number}"})
        except Exception as error:  # the thread's end would hide it
            failed.append(error)

    threads = [threading.Thread(target=write, args=(who,)) for who in ("anna", "bruno")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    case = CaseFile(here, "anna").get("autumn")
    texts = {e.body["text"] for e in case.entries[before:]}
    assert texts == {f"{who} {number}" for who in ("anna", "bruno") for number in range(25)}
    assert len({e.id for e in case.of("note")}) == len(case.of("note"))
    assert Cases(Store.of(here), site).broken(case) == ""


def test_who_did_not_see_a_change_is_told_of_it(site: Path) -> None:
    anna, bruno = (CaseFile(load_site(site), who) for who in ("anna", "bruno"))
    asked = anna.request("autumn", "the upstream", "its flows", "2014-12-31")
    seen = anna.get("autumn").revision
    bruno.answer_request("autumn", asked.id, "They kept none", seen)
    with pytest.raises(ConflictError, match="bruno changed reply R1"):
        anna.answer_request("autumn", asked.id, "Still waiting", seen)
    anna.rate("autumn", "E1", "H1", "I", "high", "they'd have been seen", seen)
    bruno.rate("autumn", "E1", "H1", "C", "low", "not by this", seen)  # his own view: nobody's is lost
    weighed = weigh(anna.get("autumn"))
    cell = weighed.cells["E1", "H1"]
    assert cell.disagreement
    assert [view.who for view in cell.decided] == ["anna", "bruno"]
    assert cell.inconsistency == 1.0
    with pytest.raises(ConflictError):
        anna.rate("autumn", "E1", "H1", "N", "low", "on second thought", seen)
    anna.rate("autumn", "E1", "H1", "N", "low", "on second thought", anna.get("autumn").revision)
    assert weigh(anna.get("autumn")).cells["E1", "H1"].inconsistency == 0.0


def test_weighing_says_what_the_ranking_hangs_on(site: Path, run: Run) -> None:
    for hypothesis, value in (("H1", "II"), ("H2", "N"), ("H3", "I"), ("H4", "I"), ("H5", "I")):
        run(site, "weigh", "autumn", "--rate", "E1", hypothesis, value, "--reason", "as the answer says")
    run(site, "weigh", "autumn", "--rate", "E2", "H2", "I", "--weight", "low", "--reason", "whole coverage")
    run(site, "weigh", "autumn", "--likelihood", "H2", "likely", "--confidence", "moderate", "--reason", "by the flows")
    status, told = run(site, "weigh", "autumn")
    assert status == 0
    assert told["leading"] == ["H2"]
    assert [one["without"] for one in told["sensitivity"]] == [["E1"]]
    first = next(h for h in told["hypotheses"] if h["id"] == "H2")
    assert first["likelihood"][0]["percent"] == [55, 80]
    assert first["rank"] == 1
    assert any("--direction out" in one["command"] for one in told["next"])


def test_everything_that_was_changed_is_in_the_audit_log(site: Path) -> None:
    from tidegauge.store.audit import Audit

    files = CaseFile(load_site(site), "anna")
    files.claim("autumn", "The press", "We heard so")
    files.mark("autumn", "TLP:GREEN")
    told = [(e.who, e.what, e.to_json()["detail"].get("kind")) for e in Audit(files.store, site).entries()][-2:]
    assert told == [("anna", "add to a case", "claim"), ("anna", "add to a case", "mark")]
    assert os.stat(site / "keys" / "case.key").st_mode & 0o077 == 0
