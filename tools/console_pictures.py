"""Take the console's pictures for the documentation, from the demonstration's site with its case.

tidegauge demo --dir demo && tidegauge case new autumn --from-demo --site demo
python tools/console_pictures.py demo
"""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

TARGET = Path(__file__).parent.parent / "docs" / "how-to" / "images" / "console"
VIEWS = {
    "ask": "/ask?from=KP&since=2014-11-24", "surge": "/ask?from=TH&since=2014-11-20&until=2014-11-27",
    "world": "/world?since=2014-11-24", "now": "/now", "findings": "/findings", "host": "/host/198.18.7.7",
    "origin": "/origin?of=KP&at=2014-11-24", "coverage": "/coverage", "flows": "/flows?where=dst_port%20%3D%20445",
    "lures": "/lures", "leaks": "/leaks", "cases": "/cases/autumn", "hypotheses": "/cases/autumn?tab=matrix",
    "statement": "/cases/autumn?tab=statement",
}
LOOKS = {"desk": ("en-GB", 1440, "light", 2400), "telephone": ("zh-TW", 380, "dark", 1500)}
LETTER = """From: "Bank Support" <support@secure-bank.example.top>
To: a@example.org
Reply-To: x@other.example
Subject: Your account will be closed
Date: Mon, 24 Nov 2014 10:00:00 +0000
Content-Type: text/html

<p>Dear customer, your account will be suspended within 24 hours.
<a href="http://203.0.113.7/login.php">https://www.bank.example/login</a> Enter your password now.</p>
"""
DUMP = "name,ssn,mail,password\nAnn,078-05-1121,ann@example.org,hunter22\nBob,219-09-9998,bob@example.org,secret99\n"
COLOURS = 192


def filled(page: Page, name: str) -> None:
    """Hand in what the views of content look at."""
    if name == "lures":
        given = {"name": "letter.eml", "mimeType": "message/rfc822", "buffer": LETTER.encode()}
        page.set_input_files("input[type=file]", given)  # type: ignore[arg-type]
        page.wait_for_selector(".judged", timeout=60_000)
    elif name == "leaks":
        given = {"name": "dump.csv", "mimeType": "text/csv", "buffer": DUMP.encode()}
        page.set_input_files("input[type=file]", given)  # type: ignore[arg-type]
        page.wait_for_selector("article .said", timeout=60_000)


def main(site: str) -> None:
    service = subprocess.Popen(
        [sys.executable, "-m", "tidegauge.cli", "serve", "--site", site, "--http", "127.0.0.1:0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    assert service.stdout is not None
    url = json.loads(service.stdout.readline())["url"]
    base = url.partition("/?")[0]
    TARGET.mkdir(parents=True, exist_ok=True)
    try:
        with sync_playwright() as running:
            browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            state = None
            for look, (language, width, scheme, most) in LOOKS.items():
                context = browser.new_context(
                    viewport={"width": width, "height": 900}, locale=language, color_scheme=scheme,  # type: ignore[arg-type]
                    reduced_motion="reduce", storage_state=state,
                )
                page = context.new_page()
                if state is None:
                    page.goto(url)
                    state = context.storage_state()
                for name, path in VIEWS.items():
                    page.goto(base + path)
                    page.wait_for_selector("main h1")
                    page.wait_for_load_state("networkidle")
                    page.wait_for_timeout(500)
                    filled(page, name)
                    taken = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
                    taken = taken.crop((0, 0, taken.width, min(taken.height, most)))
                    taken.quantize(COLOURS, dither=Image.Dither.NONE).save(TARGET / f"{name}.{look}.png", optimize=True)
                context.close()
            browser.close()
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30)


if __name__ == "__main__":
    main(sys.argv[1])
