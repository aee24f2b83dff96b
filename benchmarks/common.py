"""What the benchmarks share: a collector on a port, and a page with tables beside them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tidegauge.site import init_site

HERE = Path(__file__).parent
WORK = HERE / "work"
START_S = 3.0


def start_collector(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """A collector of a new site in `folder`, given time to listen."""
    shutil.rmtree(folder, ignore_errors=True)
    init_site(folder, home=["198.18.0.0/16"])
    collector = subprocess.Popen(
        [sys.executable, "-m", "tidegauge.cli", "collect", "--site", str(folder), "--listen", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": f"{HERE.parent / 'src'}{os.pathsep}{HERE.parent}"},
    )
    time.sleep(START_S)
    return collector


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A table in Markdown, a line a row."""
    columns = list(header)
    return ["| " + " | ".join(row) + " |" for row in (columns, ["---"] * len(columns), *rows)]


def write_page(name: str, lines: list[str]) -> None:
    """Write a page of the benchmarks and show it."""
    text = "\n".join(lines) + "\n"
    (HERE / name).write_text(text, encoding="utf-8")
    print(text, end="")
