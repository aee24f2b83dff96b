"""Draw the packages and their imports into `docs/explanation/architecture.md`; `--check` says whether it is current."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "explanation" / "architecture.md"
BEGIN, END = "<!-- made by tools/architecture.py -->\n", "<!-- end -->"


def layers() -> list[list[str]]:
    """Return the packages by layers, the uppermost first, as import-linter holds them."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    return [[name.strip().removeprefix("tidegauge.") for name in layer.split("|")] for layer in contract["layers"]]


def drawing() -> str:
    """Return a table: each package, its modules and lines, and the packages that it imports."""
    graph = grimp.build_graph("tidegauge", cache_dir=None)
    rows = ["| layer | package | modules | lines | imports |", "| --- | --- | --- | --- | --- |"]
    packages = {name for layer in layers() for name in layer}
    for number, layer in enumerate(reversed(layers()), start=1):
        for name in sorted(layer):
            own = {m for m in graph.modules if m == f"tidegauge.{name}" or m.startswith(f"tidegauge.{name}.")}
            found = {imported.split(".")[1] for m in own for imported in graph.find_modules_directly_imported_by(m)
                     if "." in imported}
            place = ROOT / "src" / "tidegauge" / name
            files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
            lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
            imports = ", ".join(f"`{one}`" for one in sorted(found & packages - {name}))
            rows.append(f"| {number} | `{name}` | {len(files)} | {round(lines, -2):,} | {imports} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    made = re.sub(f"(?s){re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}{drawing()}{END}", text)
    if "--check" in sys.argv[1:]:
        sys.exit(made != text)
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
