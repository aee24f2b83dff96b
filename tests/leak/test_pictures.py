"""Text in pictures, through Tesseract from Debian."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.leak import make
from tests.make import run_json
from tidegauge.leak.mrz import read_zone

pytestmark = pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")
PEOPLE = make.people(6, seed=11)


def drawn(lines: list[str], path: Path) -> None:
    letters = ImageFont.load_default(46)
    page = Image.new("L", (2000, 150 + 80 * len(lines)), 255)
    pen = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        pen.text((80, 60 + 80 * number), line, font=letters, fill=0)
    page.save(path, dpi=(300, 300))


def test_numbers_and_zones_are_read_from_pictures(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number, p in enumerate(PEOPLE):
        drawn([p.name, f"SSN: {p.ssn}", f"card: {p.card}"], tmp_path / "in" / f"{number}.png")
        drawn(p.zone.split("\n"), tmp_path / "in" / f"zone{number}.png")
    (told,) = run_json("leak", str(tmp_path / "in"), "--processes", "2")
    found = told["summary"]["by_kind"]
    assert found["us-ssn"] >= 5
    assert found["payment-card"] >= 4
    assert found["mrz"] >= 5


@pytest.mark.parametrize(
    "lines",
    [
        ["P<POLRDSHAXG<<NI FYM<K< <<< <<< KKK KEES", "QW7B3PDKH4POL7004133F3204153<<<<KK<<<<<<<02"],
        ["I<TWNHBITS8VS73<<<<<<<<csss<s<", "6906I126M3204153TWNK<K<K<<<<K<K<<<<8", "VXSEBAI<<ROVDV<<<<<sss"],
    ],
)
def test_fillers_read_as_letters_and_a_letter_read_as_two_are_mended(lines: list[str]) -> None:
    zone = read_zone(lines)
    assert zone is not None
    assert zone.mended
    assert zone.number in ("QW7B3PDKH", "HBITS8VS7")


def test_a_zone_whose_check_digits_do_not_fit_is_none() -> None:
    assert read_zone(["P<POLRDSHAXG<<NI FYM<K<", "QW7B3PDKH5POL7004139F3204150<<<<KK<<<<<<<02"]) is None
