"""No value in what is written, unless somebody answers for it; hostile files; an organisation's own records."""

from __future__ import annotations

import gzip
import io
import os
import resource
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.leak import make
from tests.lure.make import link_pdf
from tests.lure.ole import compound
from tests.make import run_json
from tidegauge.app.leaking import hashed
from tidegauge.cli import program
from tidegauge.content import Apart, LeftOut, Source, unpack_bytes
from tidegauge.leak import People, Scan
from tidegauge.leak.mrz import read_zone
from tidegauge.site import Site
from tidegauge.store import Store
from tidegauge.store.audit import Audit

PEOPLE = make.people(60, seed=4)


def values() -> list[bytes]:
    """Everything that went in and must not come out."""
    found = []
    for p in PEOPLE:
        for plain in (p.ssn, p.tw, p.cpf, p.idnr, p.dni, p.hetu, p.bsn, p.card, p.iban, p.password, p.mail):
            found += [plain, plain.replace("-", "").replace(".", "")]
    return [value.encode() for value in found]


def test_nothing_that_a_run_writes_holds_a_value(
    make_site: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site()
    (tmp_path / "in").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    files = {
        "a.csv": make.as_csv(PEOPLE),
        "b.xlsx": make.as_xlsx(PEOPLE),
        "c.mbox": make.as_mails(PEOPLE),
        "d.sql": make.as_sql(PEOPLE),
        "e.csv.gz": gzip.compress(make.as_csv(PEOPLE)),
        "f.pdf": b"%PDF-1.4\n" + make.as_text(PEOPLE),
    }
    for name, data in files.items():
        (tmp_path / "in" / name).write_bytes(data)
    for arguments in (["--json"], []):
        done = CliRunner().invoke(program, ["leak", str(tmp_path / "in"), "--site", str(site.folder), *arguments])
        assert done.exit_code == 0, done.output
        shown = done.stdout_bytes + done.stderr_bytes
        assert not [value for value in values() if value in shown]
    kept = [p for folder in (site.folder, tmp_path / "tmp") for p in folder.rglob("*") if p.is_file()]
    assert not [(p, value) for p in kept for value in values() if value in p.read_bytes()]
    assert not list((tmp_path / "tmp").rglob("*"))


def test_values_are_revealed_into_a_file_of_their_own_and_that_is_noted(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site()
    (tmp_path / "a.csv").write_bytes(make.as_csv(PEOPLE))
    asked = ["leak", str(tmp_path / "a.csv"), "--reveal", "--site", str(site.folder)]
    refused = CliRunner().invoke(program, asked)
    assert refused.exit_code != 0
    assert PEOPLE[0].card not in refused.output
    done = CliRunner().invoke(program, [*asked, "-o", str(tmp_path / "out.tsv")])
    assert done.exit_code == 0, done.output
    assert PEOPLE[0].card not in done.output
    assert PEOPLE[0].card in (tmp_path / "out.tsv").read_text()
    assert stat.S_IMODE((tmp_path / "out.tsv").stat().st_mode) == 0o600
    again = CliRunner().invoke(program, [*asked, "-o", str(tmp_path / "out.tsv")])
    assert again.exit_code != 0  # a file that is there is not written over
    entries = Audit(Store.of(site), site.folder).entries()
    assert any(entry.what == "reveal a leak" for entry in entries)


def test_an_organisation_learns_how_many_of_its_own_are_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(make.as_csv(PEOPLE))
    key = b"0123456789abcdef0123456789abcdef"
    (tmp_path / "key").write_bytes(key)
    own = [hashed(key, "us-ssn", p.ssn.replace("-", "")) for p in PEOPLE[:7]] + [hashed(key, "us-ssn", "536904399")]
    (tmp_path / "ours").write_text("\n".join(own))
    (told,) = run_json(
        "leak", str(tmp_path / "a.csv"), "--hashes", str(tmp_path / "ours"), "--key", str(tmp_path / "key")
    )
    assert told["hashes"] == {"own": 8, "matched": 7, "by_kind": {"us-ssn": 7}}
    (tmp_path / "key").write_bytes(b"short")
    asked = ["leak", str(tmp_path / "a.csv"), "--hashes", str(tmp_path / "ours"), "--key", str(tmp_path / "key")]
    assert CliRunner().invoke(program, asked).exit_code != 0


def looked(name: str, data: bytes) -> tuple[int, list[str]]:
    """Texts that were found in bytes, and what was left out."""
    texts, left = 0, []
    with Apart(here=True) as apart:
        for found in unpack_bytes(name, data, apart):
            if isinstance(found, LeftOut):
                left.append(found.why)
            else:
                assert isinstance(found, Source)
                Scan(People()).source(found)
                texts += 1
    return texts, left


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as one:
        for name, data in files.items():
            one.writestr(name, data)
    return out.getvalue()


def test_bombs_end_with_a_line() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as one, one.open("zeros", "w") as file:
        for _ in range(600):
            file.write(bytes(1 << 20))
    for name, data in (("a.zip", out.getvalue()), ("a.gz", gzip.compress(bytes(600 << 20), 6))):
        before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        left = looked(name, data)[1]
        assert any("times its size" in why for why in left), (name, left)
        assert time.monotonic() - begun < 60
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


def test_depth_links_and_paths_are_bounded(tmp_path: Path) -> None:
    data = make.as_csv(PEOPLE)
    for _ in range(20):
        data = archive({"../../../etc/x.zip": data})
    assert looked("a.zip", data)[1] == ["packed more than 8 times"]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as one:
        link = tarfile.TarInfo("passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        one.addfile(link)
        up = tarfile.TarInfo("../../up.txt")
        up.size = 5
        one.addfile(up, io.BytesIO(b"hello"))
    assert looked("a.tar", out.getvalue()) == (1, ["a link within the archive: it is not followed"])
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "pipe").unlink(missing_ok=True)
    os.mkfifo(tmp_path / "pipe")
    (told,) = run_json("leak", str(tmp_path), code=1)
    assert sorted(row["why"] for row in told["skipped"]) == ["a symbolic link: it is not followed", "no regular file"]


def test_a_line_without_end_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    with path.open("wb") as file:
        for p in PEOPLE:
            file.write(b"lorem ipsum " * 100_000 + f"ssn: {p.ssn} ".encode())
    begun = time.monotonic()
    (told,) = run_json("leak", str(path))
    assert told["summary"]["by_kind"] == {"us-ssn": len(PEOPLE)}
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.pdf", link_pdf("https://x.example/")[:150]),
        ("a.doc", compound({"WordDocument": bytes(900)})[:900]),
        ("a.zip", b"PK\x03\x04" + b"\xff" * 400),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + b"\xff" * 300),
        ("a.xz", b"\xfd7zXZ\x00" + b"\xff" * 99),
        ("a.db", b"SQLite format 3\0" + b"\xff" * 999),
        ("a.gz", b"\x1f\x8b\x08" + b"\xff" * 99),
        ("a.rar", b"Rar!\x1a\x07\x01\x00" + b"\xff" * 99),
        ("a.xlsx", archive({"[Content_Types].xml": b"x", "xl/workbook.xml": b"<"})),
    ],
)
def test_broken_files_are_one_line_each(name: str, data: bytes) -> None:
    left = looked(name, data)[1]
    assert len(left) <= 1
    assert all(len(why) < 200 for why in left)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=3000),
    st.sampled_from([b"", b"PK\x03\x04", b"%PDF-", b"From a\nFrom: x\nTo: y\n\n", b"INSERT INTO t (a) VALUES ("]),
)
def test_any_bytes_are_looked_through(data: bytes, start: bytes) -> None:
    looked("x", start + data)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.text(alphabet="PIV<A0O1CK ", min_size=20, max_size=50), min_size=1, max_size=3))
def test_any_lines_are_a_zone_or_none(lines: list[str]) -> None:
    read_zone(lines)
