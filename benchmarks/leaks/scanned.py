"""What is read of drawn pages at 300 dpi through Tesseract: labelled values of persons, and machine-readable zones.

    python -m benchmarks.leaks.scanned [--pages 12] FONT.ttf...
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from benchmarks.leaks.find import found_of, leak
from benchmarks.leaks.persons import named, persons, zones

DPI, POINTS = 300, 11
A4 = 2480, 3508
KINDS = ("us-ssn", "national-id:BR", "national-id:ES", "national-id:FI", "national-id:NL", "national-id:PL",
         "national-id:SE", "payment-card", "iban")


def drawn(lines: list[str], font: str, angle: float) -> Image.Image:
    """Lines as a page of A4, turned a little and with a scanner's noise."""
    page = Image.new("L", A4, 255)
    pen = ImageDraw.Draw(page)
    letters = ImageFont.truetype(font, POINTS * DPI // 72)
    for number, line in enumerate(lines):
        pen.text((200, 200 + number * 70), line, font=letters, fill=0)
    page = page.rotate(angle, fillcolor=255, resample=Image.Resampling.BICUBIC)
    noise = Image.effect_noise(A4, 30).point(lambda v: min(max(v + 100, 0), 255))
    return Image.blend(page, noise, 0.08)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("fonts", nargs="+")
    options.add_argument("--pages", type=int, default=12)
    options.add_argument("--seed", type=int, default=5)
    given = options.parse_args()
    r = random.Random(given.seed)
    print("| font | what | found | of | share | of other kinds |\n| --- | --- | ---: | ---: | ---: | ---: |")
    for font in given.fonts:
        for what in ("labelled values", "zones"):
            with tempfile.TemporaryDirectory() as folder:
                wanted: dict[str, int] = {}
                if what == "zones":
                    texts, _ = zones(given.pages * 6, given.seed)
                    wanted["mrz"] = len(texts)
                    pages = ["\n\n\n".join(texts[i : i + 6]).split("\n") for i in range(0, len(texts), 6)]
                else:
                    rows, valid = persons(given.pages * 3, given.seed)
                    wanted = {kind: len(valid[kind]) for kind in KINDS}
                    pages = []
                    for i in range(0, len(rows), 3):
                        head, table = named([{k: v for k, v in row.items() if k not in ("tw-id", "credential")}
                                             for row in rows[i : i + 3]], 0)
                        head = [name for name in head if name not in ("身分證字號", "password")]
                        pages.append("\n\n".join("\n".join(f"{k}: {v}" for k, v in zip(head, row, strict=True))
                                                 for row in table).split("\n"))
                for number, lines in enumerate(pages):
                    drawn(lines, font, r.uniform(-0.4, 0.4)).save(Path(folder) / f"{number}.png")
                told, _, _ = leak(Path(folder))
                right, of, _, other = found_of(told, wanted)
                print(f"| {Path(font).stem} | {what} | {right} | {of} | {right / of:.1%} | {other} |", flush=True)


if __name__ == "__main__":
    main()
