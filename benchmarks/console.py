"""The console over fifty million flows: bytes, time to the first view and to the answer. Writes `CONSOLE.md`.

    python -m benchmarks.console [--flows 50000000] [--work benchmarks/work/console]

A browser without anything kept opens each view of a service on loopback. Beside each time stands that of the API's
answer alone, asked by a plain client of the same service in the same run: the rest is what the page adds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, sync_playwright

from benchmarks.common import table, write_page
from benchmarks.rollups import BEGIN_S, build
from tidegauge.lake import Manifest, roll
from tidegauge.model import format_time
from tidegauge.site import load_site

RUNS = 5
PAGE_ROWS, DEEP_ROWS = 10_000, 1_000_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=50_000_000)
    parser.add_argument("--days", type=int, default=35)
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work" / "console")
    arguments = parser.parse_args()
    folder = arguments.work
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        build(folder, arguments.flows, arguments.days, 35)
        roll(load_site(folder).data)
        path = folder / "tidegauge.toml"
        # Nothing but what is asked runs beside it.
        text = path.read_text().replace("# collect = true", "collect = false")
        path.write_text(text.replace("# hunt_every_h = 24", "hunt_every_h = 0"))
        (folder / "whole").touch()
    flows = sum(s.rows for s in Manifest(load_site(folder).data).segments("flows"))
    end_s = BEGIN_S + arguments.days * 86400
    service = subprocess.Popen(
        [sys.executable, "-m", "tidegauge.cli", "serve", "--site", str(folder), "--http", "127.0.0.1:0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    try:
        assert service.stdout is not None
        url = json.loads(service.stdout.readline())["url"]
        base = url.partition("/?")[0]
        with httpx.Client(base_url=base, timeout=300) as client, sync_playwright() as running:
            client.get(url)
            browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            lines = _measured(browser, client, base, end_s)
            browser.close()
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30)
    write_page("CONSOLE.md", [
        "# The console", "",
        f"{flows:,} simulated flows of {arguments.days} days with their rollups, {os.cpu_count()} cores, Chromium on"
        f" loopback with nothing kept; medians of {RUNS} runs. The first view is the first paint with content; an"
        " answer is there when its sentence (or table, or map) is. Beside it the API alone, asked by a plain client.",
        "",
        *lines,
    ])


def _measured(browser: Browser, client: httpx.Client, base: str, end_s: int) -> list[str]:
    week, day = format_time(end_s - 7 * 86400), format_time(end_s - 86400)
    views = {
        "empty question": ("/ask", "form.question", None, None),
        "answer: KP, the last week against four": (f"/ask?from=KP&since={week}", ".said", "ask",
                                                   {"from": "KP", "since": week, "chart": True}),
        "answer: CN, the same": (f"/ask?from=CN&since={week}", ".said", "ask",
                                 {"from": "CN", "since": week, "chart": True}),
        "world, the last week": (f"/world?since={week}", ".world table", "world", {"since": week, "direction": "in"}),
        "coverage, five weeks": ("/coverage", ".table", "coverage", {}),
        "flows, the last day": (f"/flows?since={day}", ".table tbody tr", "flows", {"since": day, "limit": 200}),
    }
    cookies = [{"name": "tidegauge", "value": client.cookies["tidegauge"], "url": base}]
    rows = []
    for name, (path, selector, verb, query) in views.items():
        first = _opened(browser, cookies, base + path, selector)
        alone = 0.0
        if verb is not None:
            begun = time.perf_counter()
            client.get(f"/api/v1/{verb}", params=query).raise_for_status()
            alone = time.perf_counter() - begun
        again = [_opened(browser, cookies, base + path, selector) for _ in range(RUNS)]
        kept = []
        for _ in range(RUNS if verb is not None else 0):
            begun = time.perf_counter()
            client.get(f"/api/v1/{verb}", params=query)
            kept.append(time.perf_counter() - begun)
        paint, there = (statistics.median(one[key] for one in again) for key in ("paint_s", "there_s"))
        beside = f"{statistics.median(kept):.2f}" if kept else "–"
        rows.append([name, f"{again[0]['bytes'] / 1000:,.0f}", f"{paint:.2f}", f"{first['there_s']:.2f}",
                     f"{there:.2f}", beside])
        print(name, first, alone, file=sys.stderr, flush=True)
    head = ["view", "kB over the wire", "first view, s", "answer when first asked, s", "answer kept, s", "API alone, s"]
    return [*table(head, rows), "", *_paged(client, day)]


def _opened(browser: Browser, cookies: list[Any], url: str, selector: str) -> dict[str, float]:
    """One view in a fresh browser: bytes, seconds to the first paint with content and to what was waited for."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.add_cookies(cookies)
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(selector, timeout=300_000)
    there_s = time.perf_counter() - begun
    page.wait_for_load_state("networkidle")
    told = page.evaluate(
        "() => ({paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0, bytes:"
        " performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
        ".reduce((sum, one) => sum + (one.transferSize || 0), 0)})"
    )
    context.close()
    return {"bytes": told["bytes"], "paint_s": told["paint"] / 1000, "there_s": there_s}


def _paged(client: httpx.Client, since: str) -> list[str]:
    """Pages of flows down to a million: whether the last take as long as the first."""
    cursor, rows, seconds = None, 0, []
    while rows < DEEP_ROWS:
        query = {"since": since, "limit": PAGE_ROWS} | ({"cursor": cursor} if cursor else {})
        begun = time.perf_counter()
        told = client.get("/api/v1/flows", params=query).raise_for_status().json()
        seconds.append(time.perf_counter() - begun)
        rows, cursor = rows + len(told["flows"]), told["next"]
        if cursor is None:
            break
    first, last = statistics.median(seconds[:5]), statistics.median(seconds[-5:])
    return [f"Pages of {PAGE_ROWS:,} flows down to the {rows:,}th: {first:.2f} s the first, {last:.2f} s the last"
            f" ({last / first:.2f} of it), {sum(seconds):.0f} s in all."]


if __name__ == "__main__":
    main()
