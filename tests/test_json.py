"""The shapes that `docs/reference/json.md` promises are those that the program prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import copied
from tidegauge.cli import program

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "json.md"


@pytest.fixture(scope="module")
def folder(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(demo, tmp_path_factory.mktemp("json") / "site")


def promised(shape: str) -> set[str]:
    """The keys in the table of a shape."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {shape}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


@pytest.mark.parametrize(
    ("shape", "words", "place"),
    [
        ("answer", ["ask", "--from", "KP", "--since", "2014-11-28"], None),
        ("exporter", ["coverage"], "exporters"),
        ("finding", ["hunt", "--since", "2014-11-22"], "findings"),
        ("origin", ["origin", "210.52.109.9", "--at", "2014-11-24"], None),
        ("source", ["lake", "sources"], "sources"),
    ],
)
def test_each_shape_has_the_keys_that_its_page_promises(
    folder: Path, shape: str, words: list[str], place: str | None
) -> None:
    ran = CliRunner().invoke(program, [*words, "--json", "--site", str(folder)])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    for one in [told] if place is None else told[place]:
        assert set(one) == promised(shape)
