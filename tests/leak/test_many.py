"""Many files: by several processes, gone on with, on a page, and beside what went out."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.leak import make
from tests.make import run_json
from tidegauge.cli import program
from tidegauge.hunt import HuntLedger
from tidegauge.leak import Kept, People
from tidegauge.model import Finding
from tidegauge.site import Site
from tidegauge.store import Store

PEOPLE = make.people(120, seed=9)


def folder(path: Path, files: int = 12) -> Path:
    """Files that share persons: the same values and the same persons in several of them."""
    path.mkdir()
    for number in range(files):
        part = PEOPLE[10 * number % 100 : 10 * number % 100 + 20]
        (path / f"{number:02d}.csv").write_bytes(make.as_csv(part))
        (path / f"{number:02d}.json").write_bytes(make.as_json(part))
    (path / "box.mbox").write_bytes(make.as_mails(PEOPLE))
    return path


def told(*arguments: str) -> dict[str, object]:
    (reply,) = run_json("leak", *arguments)
    for finding in reply["findings"]:
        del finding["start"], finding["end"]
    return dict(reply)


def test_several_processes_find_what_one_finds(tmp_path: Path) -> None:
    files = str(folder(tmp_path / "in"))
    one = told(files, "--processes", "1")
    assert told(files, "--processes", "2") == one
    summary = one["summary"]
    assert isinstance(summary, dict)
    assert summary["persons"] == len(PEOPLE)
    assert summary["by_kind"] == dict.fromkeys([*make.KINDS, "mail"], len(PEOPLE))


def test_a_run_that_was_killed_goes_on_and_keeps_no_value(tmp_path: Path) -> None:
    files, kept = folder(tmp_path / "in", files=40), tmp_path / "kept.sqlite"
    command = [sys.executable, "-m", "tidegauge.cli", "leak", str(files), "--resume", str(kept), "--processes", "1"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if kept.exists() and kept.stat().st_size > 200_000:
            break
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    values = [v.encode() for p in PEOPLE for v in (p.ssn, p.card, p.iban, p.password, p.ssn.replace("-", ""))]
    assert not [value for value in values if value in kept.read_bytes()]
    assert stat.S_IMODE(kept.stat().st_mode) == stat.S_IMODE(Path(f"{kept}.key").stat().st_mode) == 0o600
    with Kept(kept) as store:
        done = [path for path in sorted(files.iterdir()) if store.known(path)]
    assert done
    whole = told(str(files), "--processes", "1")
    os.utime(done[0])  # a file that changed is looked at again
    assert told(str(files), "--resume", str(kept)) == whole
    assert not Path(f"{kept}.key").exists()
    assert not [value for value in values if value in kept.read_bytes()]


def test_the_page_to_print_holds_counts_and_no_value(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(make.as_csv(PEOPLE))
    told(str(tmp_path / "a.csv"), "--page", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    assert "120</span> persons affected" in page
    assert "credential" in page
    assert not [v for p in PEOPLE for v in (p.ssn, p.card, p.iban, p.password, p.mail) if v in page]
    assert "http" not in page


def egress(sent: int, far: str = "203.0.113.9") -> Finding:
    return Finding(
        kind="egress", title=f"192.0.2.5 sent {sent} bytes", start_s=1_416_800_000, end_s=1_416_810_000,
        subject="192.0.2.5", score=0.9, severity="high", reasons=("much",), query="tidegauge flows", peers=(far,),
        evidence={"bytes": sent, "to_one": sent},
    )


def test_a_dump_that_fits_what_went_out_is_said_with_the_odds(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    dump = tmp_path / "dump.sql"
    r = random.Random(2)
    words = ["tide", "gauge", "level", "river", "flow"]
    dump.write_text("\n".join(" ".join(r.choices(words, k=30)) for _ in range(9000)))
    none = told(str(dump), "--seen-in", "--site", str(site.folder))["seen_in"]
    assert isinstance(none, dict)
    assert (none["findings"], none["matches"]) == (0, [])
    packed = len(zlib.compress(dump.read_bytes(), 6))
    HuntLedger(Store.of(site)).note([egress(int(packed * 1.04)), egress(77, "203.0.113.8")])
    seen = told(str(dump), "--seen-in", "--site", str(site.folder))["seen_in"]
    assert isinstance(seen, dict)
    assert [(m["packed"], m["bytes"]) for m in seen["matches"]][:1] == [("gzip or zip", int(packed * 1.04))] * 1
    assert 0 < seen["chance_of_any"] <= 1
    assert any("by chance" in line for line in seen["sentences"])
    done = CliRunner().invoke(program, ["leak", str(dump), "--seen-in", "--site", str(site.folder)])
    assert "by chance has a probability" in done.output


def test_what_people_hold_is_the_same_in_parts() -> None:
    whole, one, two = People(key=b"k" * 16), People(key=b"k" * 16), People(key=b"k" * 16)
    for number in range(300):
        part = one if number % 3 else two
        for people in (whole, part):
            mark = people.mark(str(number // 2))
            people.count("iban", mark)
            people.record([("iban", mark), ("national-id:FI", people.mark(f"f{number % 40}"))], {mark: "a.example"})
    one.take(two.state())
    assert json.dumps(one.summary()) == json.dumps(whole.summary())


@pytest.mark.parametrize("bad", ["missing", "folder"])
def test_results_that_cannot_be_kept_are_one_line(bad: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    place = tmp_path / "no" / "kept" if bad == "missing" else tmp_path
    done = CliRunner().invoke(program, ["leak", str(tmp_path / "a.txt"), "--resume", str(place)])
    assert done.exit_code != 0


def test_documents_looked_at_by_several_processes_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(4):
        (tmp_path / "in" / f"{number}.xlsx").write_bytes(make.as_xlsx(PEOPLE[number::4]))
    command = [sys.executable, "-m", "tidegauge.cli", "leak", "--json", "--processes", "2", str(tmp_path / "in")]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    assert json.loads(done.stdout)["summary"]["persons"] == len(PEOPLE)


def test_a_mailbox_is_told_of_as_one(tmp_path: Path) -> None:
    (tmp_path / "box.mbox").write_bytes(make.as_mails(PEOPLE))
    (reply,) = run_json("leak", str(tmp_path / "box.mbox"))
    assert {f["evidence"]["what"]: f["evidence"]["count"] for f in reply["findings"]} == dict.fromkeys(
        [*make.KINDS, "mail"], len(PEOPLE)
    )
    cards = next(f["evidence"] for f in reply["findings"] if f["evidence"]["what"] == "payment-card")
    assert cards["file"].endswith("box.mbox")
    assert cards["places"][0].startswith("mail 1, line ")
    assert len(cards["places"]) == 20
