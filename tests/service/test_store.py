"""The database: its form, what older versions left, people, the audit chain, pseudonyms."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner
from hypothesis import given, settings, strategies as st
from sqlalchemy import create_engine, update

from tests.make import run_json
from tidegauge.atlas import Atlas, Catalogue
from tidegauge.cli import program
from tidegauge.hunt import HuntLedger
from tidegauge.model import LakeError
from tidegauge.model.pseudonym import Pseudonyms
from tidegauge.site import Site
from tidegauge.store import Store
from tidegauge.store.audit import Audit
from tidegauge.store.people import LOCAL, People, RefusedError
from tidegauge.store.tables import audit, metadata
from tidegauge.watch import Indicator, Watches

MARK = Indicator.of("prefix", "203.0.113.0/24")


def test_migrations_make_the_tables_that_the_code_has(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep("a", "b")
    with create_engine(store.url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_reading_makes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    assert Watches(store).all() == []
    assert HuntLedger(store).closed() == {}
    assert Catalogue(tmp_path / "data" / "atlas", store).editions() == []
    assert not (tmp_path / "data").exists()


def test_what_older_versions_kept_in_files_is_taken_over(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.data.mkdir(parents=True)
    with sqlite3.connect(site.data / "watches.sqlite") as old:
        old.execute("CREATE TABLE watches (name TEXT PRIMARY KEY, note TEXT, sizes TEXT)")
        old.execute("CREATE TABLE indicators (watch TEXT, kind TEXT, value TEXT, from_s INTEGER, until_s INTEGER,"
                    " source TEXT, UNIQUE (watch, kind, value, from_s, until_s))")
        old.execute("INSERT INTO watches VALUES ('studio', 'films', '[5]')")
        old.execute("INSERT INTO indicators VALUES ('studio', 'prefix', '203.0.113.0/24', 0, 8589934592, 'desk')")
    with sqlite3.connect(site.data / "hunt.sqlite") as old:
        old.execute("CREATE TABLE closed (id TEXT PRIMARY KEY, reason TEXT, until_s INTEGER, closed_s INTEGER,"
                    " title TEXT)")
        old.execute("CREATE TABLE found (id TEXT PRIMARY KEY, kind TEXT, subject TEXT, title TEXT, first_s INTEGER,"
                    " last_s INTEGER, severity TEXT, score REAL, peers TEXT)")
        old.execute("INSERT INTO closed VALUES ('abc', 'backup', 9999999999, 1, 'a beacon')")
        row = ("abc", "beacon", "192.0.2.9", "a beacon", 5, 9, "high", 0.9, " 1.2.3.4 ")
        old.execute("INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    (told,) = run_json("watch", "show", "studio", site=site)
    assert (told["note"], told["sizes"], told["indicators"][0]["source"]) == ("films", [5], "desk")
    assert run_json("hunt", "closed", site=site)[0]["closed"][0]["reason"] == "backup"
    assert HuntLedger(Store.of(site)).about("192.0.2.9", 6) == ["a beacon"]
    Watches(Store.of(site)).remove("studio")
    assert Watches(Store(site.data)).all() == []  # it does not come back


def _open(folder: Path, name: str) -> None:
    Watches(Store(folder)).add(name, [MARK])


def test_many_that_open_it_first_make_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    openers = [context.Process(target=_open, args=(tmp_path, f"w{i}")) for i in range(6)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join(60)
    assert [opener.exitcode for opener in openers] == [0] * 6
    assert len(Watches(Store(tmp_path)).all()) == 6


def test_an_atlas_sees_editions_that_come_later(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    atlas = Atlas.of(site)
    count = len(atlas.editions())
    (tmp_path / "vpn.txt").write_text("198.51.100.0/24\n")
    run_json("atlas", "import", str(tmp_path / "vpn.txt"), "--class", "vpn", "--edition", "2024-01-01", site=site)
    assert len(atlas.editions()) == count + 1


def test_a_damaged_database_is_one_clear_error(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.data.mkdir(parents=True)
    (site.data / "tidegauge.sqlite").write_bytes(b"not a database" * 1000)
    result = CliRunner().invoke(program, ["watch", "list", "--site", str(site.folder)])
    assert isinstance(result.exception, LakeError)
    assert "tidegauge.sqlite" in str(result.exception)


def test_users_come_and_go(make_site: Callable[..., Site]) -> None:
    site = make_site()
    password = "correct horse battery"
    run_json("user", "add", "hana", "--role", "analyst", site=site, stdin=password + "\n")
    people = People(Store.of(site))
    session = people.session(people.log_in("hana", password, "192.0.2.9"))
    assert session is not None
    assert (session.name, session.role) == ("hana", "analyst")
    with pytest.raises(RefusedError):
        people.log_in("hana", "wrong", "192.0.2.9")
    with pytest.raises(RefusedError):
        people.log_in("nobody", password, "192.0.2.9")
    (made,) = run_json("token", "add", "nightly", "--user", "hana", "--days", "2", site=site)
    found = people.token(made["token"])
    assert found is not None
    assert found.role == "analyst"
    stored = b"".join(p.read_bytes() for p in site.data.rglob("*") if p.is_file())
    for secret in (password, made["token"]):
        assert secret.encode() not in stored
    run_json("user", "remove", "hana", site=site)
    assert people.token(made["token"]) is None
    assert run_json("token", "list", site=site) == [{"tokens": []}]
    with pytest.raises(RefusedError):
        people.log_in("hana", password, "192.0.2.9")


def test_a_session_ends_when_it_is_not_used(make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    people = People(Store.of(make_site()))
    secret, now = people.open_session(LOCAL, "admin"), time.time()
    for minutes, holds in ((50, True), (100, True), (161, False)):
        monkeypatch.setattr("tidegauge.store.people.time.time", lambda m=minutes: now + m * 60)
        assert (people.session(secret) is not None) is holds


@pytest.fixture
def chained(make_site: Callable[..., Site]) -> tuple[Site, Audit]:
    site = make_site()
    log = Audit(Store.of(site), site.folder)
    for number in range(8):
        log.note("hana", "ask", {"number": number})
    assert log.verify().broken is None
    return site, log


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE audit SET detail = '{}' WHERE number = 3", "row 3 was altered"),
        ("UPDATE audit SET who = 'mallory' WHERE number = 5", "row 5 was altered"),
        ("DELETE FROM audit WHERE number = 4", "row 4 is missing"),
        ("DELETE FROM audit WHERE number > 5", "3 rows are missing at the end"),
        ("DELETE FROM audit", "8 rows are missing at the end"),
        ("UPDATE audit SET number = CASE number WHEN 2 THEN 103 WHEN 3 THEN 2 ELSE number END", "does not follow"),
    ],
)
def test_the_audit_log_shows_what_was_done_to_it(chained: tuple[Site, Audit], change: str, why: str) -> None:
    site, log = chained
    with sqlite3.connect(site.data / "tidegauge.sqlite") as direct:
        direct.execute(change)
    found = log.verify()
    assert found.broken is not None
    assert why in found.why
    assert run_json("audit", "verify", site=site, code=1)[0]["chain"] == "broken"


def test_who_has_no_key_cannot_write_a_row(chained: tuple[Site, Audit], tmp_path: Path) -> None:
    site, log = chained
    last = log.entries()[-1]
    forger = Audit(Store.of(site), tmp_path / "elsewhere")  # a key of their own
    forger.note("mallory", "nothing", {})
    assert log.verify().broken == last.number + 1
    assert oct((site.folder / "keys" / "audit.key").stat().st_mode)[-3:] == "600"


def _note(folder: Path, count: int) -> None:
    log = Audit(Store(folder / "data"), folder)
    for number in range(count):
        log.note("many", "ask", {"n": number})


def test_many_write_to_the_audit_log_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_note, args=(tmp_path, 25)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    found = Audit(Store(tmp_path / "data"), tmp_path).verify()
    assert (found.rows, found.broken) == (100, None)


# Xu, Fan, Ammar, Moon: sample trace and key of the reference implementation of Crypto-PAn 1.0.
KEY = bytes([21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16,
             216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2])
VECTORS = {
    "128.11.68.132": "135.242.180.132", "129.118.74.4": "134.136.186.123", "130.132.252.244": "133.68.164.234",
    "141.223.7.43": "141.167.8.160", "152.163.225.39": "151.140.114.167", "195.205.63.100": "255.186.223.5",
    "24.0.250.221": "100.15.198.226",
}


def test_pseudonyms_are_those_of_the_published_vectors() -> None:
    made = Pseudonyms(KEY).of([ip_address(text) for text in VECTORS])
    assert [str(one) for one in made] == list(VECTORS.values())


def shared_bits(a: IPv4Address | IPv6Address, b: IPv4Address | IPv6Address) -> int:
    return a.max_prefixlen - (int(a) ^ int(b)).bit_length()


PAIRS = st.one_of(*(st.lists(st.ip_addresses(v=version), min_size=2, max_size=2) for version in (4, 6)))


@settings(deadline=None, max_examples=50)
@given(PAIRS, st.binary(min_size=32, max_size=32))
def test_pseudonyms_keep_prefixes_and_no_more(pair: list[IPv4Address | IPv6Address], key: bytes) -> None:
    a, b = Pseudonyms(key).of(pair)
    assert shared_bits(a, b) == shared_bits(*pair)


def test_addresses_in_texts_are_found() -> None:
    hide = Pseudonyms(KEY)
    ours = ip_address("192.0.2.7"), ip_address("2001:db8::7")
    value = {"title": "192.0.2.7 called 198.51.100.9:443", "query": "inside(src, '192.0.2.7/32')", "n": 5,
             "192.0.2.7": ["2001:db8::7", "192.0.2.77", "1.192.0.2.7", "at 12:30:45"]}
    text = json.dumps(hide.hidden(value, lambda address: address in ours))
    four, six = (str(one) for one in hide.of(ours))
    assert text.count(four) == 3
    assert six in text
    assert "2001:db8::7" not in text
    assert all(kept in text for kept in ("198.51.100.9:443", "192.0.2.77", "1.192.0.2.7", "12:30:45"))


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[str]:
    """A real server in a folder of its own; its URL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not here (Debian's package postgresql)")
    programs, folder = found[-1].parent, tmp_path / "pg"
    folder.mkdir()
    shutil.chown(folder, "postgres", "postgres")
    for parent in tmp_path.parents:
        if parent.stat().st_mode & 0o011 == 0 and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    tmp_path.chmod(0o755)

    def run(*words: str) -> None:
        subprocess.run(["runuser", "-u", "postgres", "--", *words], check=True, capture_output=True, cwd="/tmp")

    run(str(programs / "initdb"), "-D", str(folder / "data"), "-A", "trust", "--no-sync")
    options = f"-c listen_addresses='' -k {folder} -c fsync=off"
    run(str(programs / "pg_ctl"), "-D", str(folder / "data"), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    finally:
        run(str(programs / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "stop")


def test_the_same_in_postgresql(postgresql: str, make_site: Callable[..., Site]) -> None:
    site = make_site()
    toml = site.folder / "tidegauge.toml"
    toml.write_text(toml.read_text().replace("[store]", f'[store]\nurl = "{postgresql}"'))
    run_json("watch", "add", "studio", "--prefix", "203.0.113.0/24", site=site)
    run_json("watch", "add", "studio", "--prefix", "203.0.113.0/24", "--as", "64500", site=site)
    assert len(run_json("watch", "show", "studio", site=site)[0]["indicators"]) == 2
    run_json("user", "add", "hana", "--role", "admin", site=site, stdin="correct horse battery\n")
    from tidegauge.site import load_site

    store = Store.of(load_site(site.folder))
    people, log = People(store), Audit(store, site.folder)
    person = people.session(people.log_in("hana", "correct horse battery", "::1"))
    assert person is not None
    link = people.make_link()
    people.use_link(link)
    with pytest.raises(RefusedError):
        people.use_link(link)
    assert log.verify().broken is None
    with store.changing() as connection:
        connection.execute(update(audit).where(audit.c.number == 1).values(who="x"))
    assert log.verify().broken == 1
    with create_engine(postgresql).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert not (site.data / "tidegauge.sqlite").exists()
