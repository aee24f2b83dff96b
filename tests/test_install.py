"""A light installation: which libraries each verb needs, and what is said where one is missing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tidegauge.model.extras import EXTRAS

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src" / "tidegauge"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BROUGHT_ALONG = {"antlr4": "stix2-patterns", "h11": "uvicorn", "starlette": "fastapi", "joserfc": "authlib"}
"""Modules that come with another package that is required."""
ABSENT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
sys.argv[0] = "tidegauge"
from tidegauge.cli import main
main()
"""


def without(modules: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program where modules are not installed."""
    code = ABSENT.format(absent=modules)
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def loaded(*arguments: str, site: Path | None = None) -> set[str]:
    """The top names of all modules that a call of the program loads, and dotted ones of SciPy."""
    where = ["--site", str(site)] if site else []
    code = (
        "import sys, atexit\natexit.register(lambda: sys.stderr.write(' '.join(sys.modules)))\n"
        "sys.argv[0] = 'tidegauge'\nfrom tidegauge.cli import main\nmain()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments, *where], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return set(ran.stderr.split())


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(lines: list[str]) -> set[str]:
    return {normal(re.split(r"[\[<>=!;\s]", line)[0]) for line in lines}


def imported() -> dict[str, Path]:
    """Third-party modules that the sources import, each with a file that does."""
    found: dict[str, Path] = {}
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                found[name.split(".")[0]] = path
    return {n: p for n, p in found.items() if n not in sys.stdlib_module_names and n != "tidegauge"}


def test_each_library_is_required_or_brought_by_a_named_extra() -> None:
    installed = packages_distributions()
    optional = PROJECT["optional-dependencies"]
    for module, path in imported().items():
        extras = [extra for extra, modules in EXTRAS.items() if module in modules]
        package = BROUGHT_ALONG.get(module) or normal(installed.get(module, [module])[0])
        if module == "pypff":
            package = "libpff-python"
        if not extras:
            assert package in required(PROJECT["dependencies"]), f"{module}, imported by {path}"
        for extra in extras:
            assert package in required(optional[extra]), f"{module} of {extra}, imported by {path}"


def test_nothing_is_required_that_nothing_imports() -> None:
    installed = packages_distributions()
    used = {BROUGHT_ALONG.get(m) or normal(installed.get(m, [m])[0]) for m in imported()} | {"libpff-python"}
    by_drivers = {"psycopg", "python-multipart", "rich"}  # SQLAlchemy and FastAPI import these by name
    for wanted in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()):
        assert required(wanted) - used - by_drivers - {"tidegauge"} == set()


@pytest.mark.parametrize(
    ("absent", "arguments", "extra"),
    [
        ({"argon2"}, ("user", "list"), "service"),
        ({"uvicorn", "h11"}, ("serve",), "service"),
        ({"minisign"}, ("case", "key"), "case"),
        ({"pebble"}, ("leak", __file__), "content"),
        ({"selectolax"}, ("lure", __file__), "content"),
    ],
)
def test_a_verb_whose_extra_is_missing_says_how_to_get_it(
    absent: set[str], arguments: tuple[str, ...], extra: str, tmp_path: Path
) -> None:
    from tidegauge.site import init_site

    init_site(tmp_path, home=["192.0.2.0/24"])
    site = () if arguments[0] == "leak" else ("--site", str(tmp_path))
    ran = without(absent, *arguments, *site)
    assert ran.returncode == 1
    said = rf"tidegauge: [\w.]+ is not installed: pip install 'tidegauge\[{extra}\]' brings it\n"
    assert re.fullmatch(said, ran.stderr)


def test_flows_questions_and_hunts_need_no_extra(tmp_path: Path) -> None:
    extras = {module for modules in EXTRAS.values() for module in modules}
    ran = without(extras, "demo", "--dir", str(tmp_path / "site"), "--days", "9")
    assert ran.returncode == 0, ran.stderr
    for arguments in (
        ("top", "far_country"), ("series",), ("flows", "--limit", "1"), ("coverage",), ("doctor",), ("hunt", "scans"),
        ("origin", "192.0.2.1"), ("watch", "list"), ("lake", "sources"), ("exporters",), ("audit", "show"),
        ("case", "list"), ("alert", "list"),
    ):  # fmt: skip
        ran = without(extras, *arguments, "--site", str(tmp_path / "site"))
        assert ran.returncode in (0, 10, 11), f"{arguments}: {ran.stderr}"


def test_help_starts_without_the_libraries_of_questions() -> None:
    for arguments in (("--help",), ("--version",), ("ask", "--help"), ("serve", "--help")):
        assert not loaded(*arguments) & {"numpy", "pyarrow", "duckdb", "sqlalchemy", "pydantic"}


def test_questions_start_without_what_only_others_need(tmp_path: Path) -> None:
    ran = without(set(), "demo", "--dir", str(tmp_path / "site"), "--days", "9")
    assert ran.returncode == 0, ran.stderr
    asked = loaded("ask", "--from", "KP", site=tmp_path / "site")
    assert not asked & {"scipy.stats", "fastapi", "selectolax", "pebble"}


def test_the_drawing_of_the_packages_is_current() -> None:
    tool = ROOT / "tools" / "architecture.py"
    assert subprocess.run([sys.executable, str(tool), "--check"], check=False).returncode == 0, f"run {tool.name}"
