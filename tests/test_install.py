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
OPTIONAL = {module for modules in EXTRAS.values() for module in modules}
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
    )
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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with a day of flows."""
    from tidegauge.site import init_site

    folder = tmp_path_factory.mktemp("light") / "site"
    init_site(folder, home=["192.0.2.0/24"])
    rows = [f"{1_700_000_000 + i * 60},203.0.113.{1 + i % 9},192.0.2.5,{1024 + i},443,6,900,3" for i in range(1500)]
    table = folder.parent / "flows.csv"
    table.write_text("\n".join(["time_start,src,dst,src_port,dst_port,proto,bytes,packets", *rows]) + "\n")
    ran = without(OPTIONAL, "ingest", str(table), "--site", str(folder))
    assert ran.returncode == 0, ran.stderr
    return folder


def test_flows_questions_and_hunts_need_no_extra(site: Path) -> None:
    for arguments in (
        ("ask", "--from", "KP"), ("top", "far_country"), ("series",), ("flows", "--limit", "1"), ("coverage",),
        ("doctor",), ("hunt",), ("origin", "192.0.2.1"), ("watch", "list"), ("lake", "sources"), ("exporters",),
        ("audit", "show"), ("case", "list"), ("alert", "list"),
    ):
        ran = without(OPTIONAL, *arguments, "--site", str(site))
        assert ran.returncode == 0, f"{arguments}: {ran.stderr}"


def test_help_starts_without_the_libraries_of_questions() -> None:
    for arguments in (("--help",), ("--version",), ("ask", "--help"), ("serve", "--help")):
        assert not loaded(*arguments) & {"numpy", "pyarrow", "duckdb", "sqlalchemy", "pydantic"}


def test_questions_start_without_what_only_others_need(site: Path) -> None:
    needless = {"fastapi", "selectolax", "pebble", "sqlalchemy"}
    assert not loaded("ask", "--from", "KP", site=site) & {*needless, "scipy.stats"}
    for verb in (("origin", "192.0.2.1"), ("coverage",), ("doctor",)):
        assert not loaded(*verb, site=site) & {*needless, "scipy"}


def test_the_drawing_of_the_packages_is_current() -> None:
    tool = ROOT / "tools" / "architecture.py"
    assert subprocess.run([sys.executable, str(tool), "--check"], check=False).returncode == 0, f"run {tool.name}"
