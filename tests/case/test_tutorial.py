"""The tutorial's commands, from the first to the last, on the demonstration that it tells of."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import copied
from tidegauge.cli import program

TUTORIAL = Path(__file__).parent.parent.parent / "docs" / "tutorial" / "case.md"


def test_the_tutorial_is_true_from_its_first_command_to_its_last(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = re.findall(r"^    tidegauge (.+)$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) > 20
    monkeypatch.chdir(copied(demo, tmp_path / "demo"))
    runner = CliRunner()
    said: dict[str, str] = {}
    for command in commands:
        done = runner.invoke(program, shlex.split(command))
        assert done.exit_code == 0, (command, done.output, done.exception)
        said[command] = done.output
    assert "No surge seen" in said["ask --watch studio --since 2014-11-24"]
    assert "E1: tidegauge ask --from KP" in said["case evidence autumn -- ask --from KP --since 2014-11-24"]
    assert "-> no_surge" in said["case evidence autumn -- ask --from KP --since 2014-11-24"]
    statement = said["case statement autumn"]
    assert "We did not see a surge of incoming traffic (bytes) from KP between 2014-11-24 and" in statement
    assert "would have been seen with a probability of 95% [E1]" in statement
    assert "We are still gathering information" in statement
    assert "我們未看到來自 KP 的流入流量" in said["case statement autumn --language zh-TW"]
    assert said["case verify autumn"].startswith("SAME")
    assert said["case verify autumn.zip"].startswith("SAME")
    assert json.loads(Path("autumn.json").read_text())["type"] == "bundle"
    assert Path("statement.pdf").read_bytes().startswith(b"%PDF-")
    told = runner.invoke(program, ["case", "new", "again", "--from-demo"])
    assert told.exit_code == 0, told.output
    assert "next: tidegauge case weigh again" in told.output
