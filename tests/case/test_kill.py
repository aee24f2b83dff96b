"""kill -9 in the middle of every verb of `case`: the case stays whole, and no half file is left under its name."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegauge.case import CaseFile, Cases, verify
from tidegauge.site import load_site
from tidegauge.store import Store

MOMENTS = (0.3, 0.6, 0.9)
"""Shares of the time that a verb takes when nobody kills it."""
WARM = """
import json, os, signal, sys, time
import tidegauge.case.bundle, tidegauge.case.retention, tidegauge.case.statement, tidegauge.cli.casing, typst
from tidegauge.cli import program
for line in sys.stdin:
    words, wait_s = json.loads(line)
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        program(words)
        os._exit(0)
    if wait_s is not None:
        time.sleep(wait_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - begun]), flush=True)
"""
"""Starts each command from a process that has imported everything, so that kills fall into its work."""


class Starter:
    """Runs commands of the program, and kills them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WARM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, words: list[str], wait_s: float | None = None) -> tuple[int, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([words, wait_s]) + "\n")
        self._process.stdin.flush()
        status, seconds = json.loads(self._process.stdout.readline())
        return status, seconds

    def close(self) -> None:
        self._process.communicate(timeout=30)


def is_whole(path: Path) -> bool:
    """Whether a file that went out is there to its end."""
    if path.suffix == ".zip":
        return zipfile.ZipFile(path).testzip() is None
    if path.suffix == ".json":
        return bool(json.loads(path.read_bytes()))
    return path.read_bytes().strip().endswith(b"%%EOF")


@pytest.fixture
def starter() -> Iterator[Starter]:
    made = Starter()
    yield made
    made.close()


def test_a_kill_in_any_verb_leaves_the_case_whole(site: Path, tmp_path: Path, starter: Starter) -> None:
    here, out = load_site(site), tmp_path / "out"
    out.mkdir()
    files = CaseFile(here, "anna")
    files.request("autumn", "the upstream", "its flows", "2014-12-10")
    theirs = tmp_path / "theirs.json"
    theirs.write_bytes(files.export("autumn", "stix"))
    verbs = {
        "new": ["new", "another"],
        "claim": ["claim", "autumn", "--by", "x", "--text", "y"],
        "evidence": ["evidence", "autumn", "--", "coverage", "--since", "2014-11-28"],
        "file": ["evidence", "autumn", "--file", str(theirs), "--keep"],
        "verify": ["verify", "autumn"],
        "rate": ["weigh", "autumn", "--rate", "E1", "H1", "I", "--reason", "x"],
        "likelihood": ["weigh", "autumn", "--likelihood", "H1", "unlikely", "--reason", "x"],
        "hypothesis": ["weigh", "autumn", "--hypothesis", "another one"],
        "request": ["request", "autumn", "--of", "x", "--what", "y", "--due", "2014-12-10"],
        "answer": ["answer", "autumn", "R1", "--text", "x"],
        "note": ["note", "autumn", "--text", "x"],
        "mark": ["mark", "autumn", "TLP:AMBER"],
        "statement": ["statement", "autumn", "--format", "pdf", "-o", str(out / "statement.pdf")],
        "bundle": ["export", "autumn", "--format", "bundle", "-o", str(out / "case.zip")],
        "stix": ["export", "autumn", "--format", "stix", "-o", str(out / "case.json")],
        "import": ["import", "autumn", str(theirs), "--watch", "theirs"],
    }
    killed = 0
    for name, words in verbs.items():
        at = words.index("--") if "--" in words else len(words)
        command = ["case", *words[:at], "--site", str(site), *words[at:]]
        # What was killed is begun anew; what a whole run had made is made again under another name.
        for number, moment in enumerate((None, *MOMENTS)):
            given = [f"{word}{number}" if word == "another" else word for word in command]
            if moment is None:
                status, seconds = starter.run(given)
                assert status == 0, name
            else:
                killed += starter.run(given, moment * seconds)[0] == -9
            cases = Cases(Store.of(here), site)
            for one in cases.names():
                assert cases.broken(cases.get(one["name"])) == "", (name, moment)
            for path in out.glob("[!.]*"):
                assert is_whole(path), (name, moment)
    assert killed > len(verbs)  # most kills came in time
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {
        "statement.pdf",
        "case.zip",
        "case.json",
    }
    case = CaseFile(here, "anna").get("autumn")
    found = verify(here, Cases(Store.of(here), site), case)
    assert (found.status, found.broken) == ("same", "")
