"""What is found of made persons in every form, and what is not found in innocent numbers."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import io
import json
import lzma
import random
import tarfile
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest

from tests.leak import make
from tests.make import run_json
from tidegauge.leak.mrz import digit, read_zone
from tidegauge.leak.numbers import card, ssn, tw_id
from tidegauge.leak.secrets import is_password, token_kind

COUNT = 200
PEOPLE = make.people(COUNT)
CSV = make.as_csv(PEOPLE)


def zipped(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


FORMATS: dict[str, Callable[[], bytes]] = {
    "people.csv": lambda: CSV,
    "people;.csv": lambda: make.as_csv(PEOPLE, ";"),
    "people.tsv": lambda: make.as_csv(PEOPLE, "\t"),
    "people.json": lambda: make.as_json(PEOPLE),
    "oneline.json": lambda: make.as_json(PEOPLE, None),
    "people.sql": lambda: make.as_sql(PEOPLE),
    "people.txt": lambda: make.as_text(PEOPLE),
    "people.xml": lambda: make.as_xml(PEOPLE),
    "people.xlsx": lambda: make.as_xlsx(PEOPLE),
    "people.mbox": lambda: make.as_mails(PEOPLE),
    "utf16.csv": lambda: CSV.decode().encode("utf-16"),
    "big5.txt": lambda: make.as_text(PEOPLE).decode().encode("big5", "replace"),
    "people.csv.gz": lambda: gzip.compress(CSV),
    "people.csv.bz2": lambda: bz2.compress(CSV),
    "people.csv.xz": lambda: lzma.compress(CSV),
    "zip.zip": lambda: zipped("inner.zip", zipped("people.csv", CSV)),
    "people.tar.gz": lambda: tarred("a/people.csv", CSV),
}


@pytest.mark.parametrize("name", [*FORMATS, "people.db", "people.7z"])
def test_every_value_of_every_person_is_found_in_every_form(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "people.db":
        make.as_sqlite(PEOPLE, path)
    elif name == "people.7z":
        with py7zr.SevenZipFile(path, "w") as archive:
            archive.writestr(CSV, "people.csv")
    else:
        path.write_bytes(FORMATS[name]())
    (told,) = run_json("leak", str(path))
    counted = {kind: count for kind, count in told["summary"]["by_kind"].items() if kind != "mail"}
    assert counted == dict.fromkeys(make.KINDS, COUNT)
    assert told["summary"]["persons"] == COUNT
    assert sum(told["summary"]["by_domain"].values()) == COUNT
    assert told["skipped"] == []


def test_machine_readable_zones_are_read_and_confusions_of_ocr_mended(tmp_path: Path) -> None:
    (tmp_path / "zones.txt").write_text("\n\n".join(p.zone for p in PEOPLE))
    (told,) = run_json("leak", str(tmp_path / "zones.txt"))
    assert told["summary"]["by_kind"] == {"mrz": COUNT}
    upper, lower = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
    zone = read_zone([upper, lower])
    assert zone is not None
    assert (zone.form, zone.country, zone.number, zone.checks, zone.mended) == ("TD3", "UTO", "L898902C3", 4, False)
    mended = read_zone([upper, lower.replace("L898902C3", "L8989O2C3")])
    assert mended is not None
    assert (mended.number, mended.mended) == ("L898902C3", True)
    card_lines = ["I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"]
    identity = read_zone(card_lines)
    assert identity is not None
    assert (identity.form, identity.number) == ("TD1", "D23145890")
    assert read_zone([upper, "A" * 44]) is None
    assert digit("<<<<<<<<<<<<<<") == 0


def test_samples_are_set_apart_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(
        "ssn: 078-05-1120\nssn: 219-09-9999\nssn: 078-05-1121\ncard: 4111 1111 1111 1111\n身分證: A123456789\n"
    )
    (told,) = run_json("leak", str(tmp_path / "a.txt"))
    assert told["summary"]["by_kind"] == {"us-ssn": 1}  # the neighbour of a sample is a number like any other
    assert told["summary"]["samples"] == {"us-ssn": 2, "payment-card": 1, "tw-id": 1}


@pytest.mark.parametrize("text", ["000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000"])
def test_numbers_that_were_never_given_out_are_none(text: str) -> None:
    assert ssn(text) == "wrong"


def test_check_digits_are_checked() -> None:
    assert [tw_id(t) for t in ("P128587334", "P128587335", "AC01234567")] == ["valid", "wrong", "valid"]
    assert [card(t) for t in ("5177365894301855", "5177365894301856", "9999999999999995")] == [
        "valid",
        "wrong",
        "wrong",
    ]


def innocent(kind: str, rows: int) -> str:
    r = random.Random(kind)
    number = r.randrange
    makers: dict[str, Callable[[int], str]] = {
        "numbers": lambda i: str(number(10 ** number(6, 20))),
        "orders": lambda i: f"{number(10**8, 10**9)},{r.random() * 1000:.2f},{number(10**15, 10**16)}",
        "sha256": lambda i: hashlib.sha256(str(i).encode()).hexdigest(),
        "md5": lambda i: hashlib.md5(str(i).encode()).hexdigest().upper(),
        "uuid": lambda i: str(uuid.UUID(int=r.getrandbits(128))),
        "log": lambda i: f"2026-03-02T10:00:12.{number(10**6):06d}Z app[{number(99999)}]: user=u{i}@corp.example "
        f"id={number(10**9)} took {r.random():.6f}s from 192.0.2.{number(255)} bytes={number(10**8)}",
        "science": lambda i: "\t".join(f"{r.gauss(0, 1000):.{number(2, 9)}f}" for _ in range(8)),
        "integers": lambda i: " ".join(f"{number(10000):04d}" for _ in range(8)),
        "telephones": lambda i: f"Anna Smit {number(200, 999)}-{number(200, 999)}-{number(10000):04d} "
        f"{number(10**4, 10**5)}-{number(10**4):04d}",
        "script": lambda i: f"function a{i}(e){{var t={number(10**9)},n=0x{number(16**8):08x};return e[{number(99)}]+"
        f'"{base64.b64encode(r.randbytes(24)).decode()}"}}password=e.target.value;token:null,',
    }
    return "\n".join(makers[kind](i) for i in range(rows))


@pytest.mark.parametrize(
    "kind",
    ["numbers", "orders", "sha256", "md5", "uuid", "log", "science", "integers", "telephones", "script"],
)
def test_innocent_numbers_are_left_alone(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(innocent(kind, 4000))
    (told,) = run_json("leak", str(tmp_path / "a.txt"))
    assert told["findings"] == []


def test_a_column_of_valid_numbers_proves_itself_and_single_hits_do_not(tmp_path: Path) -> None:
    cards = "\n".join(f"{i},{p.card},x{i}" for i, p in enumerate(PEOPLE))
    (tmp_path / "bare.csv").write_text(cards)
    (told,) = run_json("leak", str(tmp_path / "bare.csv"))
    assert told["summary"]["by_kind"] == {"payment-card": COUNT}
    r = random.Random(3)
    orders = "\n".join(f"{i},{r.randrange(10**15, 10**16)},x{i}" for i in range(2000))
    (tmp_path / "orders.csv").write_text(f"{orders}\n{cards.splitlines()[0]}")
    (none,) = run_json("leak", str(tmp_path / "orders.csv"))
    assert none["summary"]["by_kind"] == {}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"), ("AKIAQYLPMN5HHHFPZAM2", "AWS access key"),
        ("glpat-Xk29sLq0Zt7vBn4mWc8R", "GitLab token"), ("ghp_" + "a" * 36, ""), ("AKIAIOSFODNN7EXAMPLE", ""),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", "JWT"),
        ("eyJabcdefghijk.eyJabcdefghijk.abcdefghijklmn", ""),
    ],
)
def test_keys_and_tokens_are_known_by_their_forms(text: str, kind: str) -> None:
    assert token_kind(text) == kind


@pytest.mark.parametrize(
    ("value", "owned", "is_one"),
    [("Summer2014!", False, True), ("hunter2", True, True), ("required", True, False), ("os.environ[", False, False),
     ("${PASSWORD}", True, False), ("getPassword()", False, False), ("changeme", True, False),
     ("tG2Bg?YSXv7a", False, True)],
)
def test_a_password_is_a_value_and_no_code(value: str, owned: bool, is_one: bool) -> None:
    assert is_password(value, beside_owner=owned) == is_one


def test_credentials_are_found_in_the_forms_of_loot(tmp_path: Path) -> None:
    (tmp_path / "combo.txt").write_text("\n".join(f"{p.mail}:{p.password}" for p in PEOPLE))
    (tmp_path / "stealer.txt").write_text(
        "\n\n".join(f"URL: https://vpn.corp.example/\nUsername: {p.mail}\nPassword: {p.password}" for p in PEOPLE)
    )
    (tmp_path / "url.txt").write_text("DATABASE_URL=postgresql://app:Xk29sLq0Zt7v@db.corp.example/app\n")
    (tmp_path / "hash.sql").write_text(
        "INSERT INTO users (mail, password) VALUES ('a@corp.example', '$2y$10$"
        + "N9qo8uLOickgx2ZMRZoMye"
        + "I" * 31
        + "');"
    )
    (told,) = run_json("leak", str(tmp_path))
    count = {f["evidence"]["file"].rpartition("/")[2]: f["evidence"]["count"] for f in told["findings"]}
    assert count == {"combo.txt": COUNT, "stealer.txt": COUNT, "url.txt": 1, "hash.sql": 1}
    assert json.dumps(told).find(PEOPLE[0].password) < 0


def test_what_stands_beside_a_number_takes_nothing_from_it(tmp_path: Path) -> None:
    p, q = PEOPLE[0], PEOPLE[1]
    (tmp_path / "a.txt").write_text(
        f"1980-01-01 {p.ssn} {p.name}\n+1 212-555-0123 {q.ssn} {q.name}\n"
        f"IBAN {' '.join(p.iban[i : i + 4] for i in range(0, 22, 4))} BIC DEUTDEFF\n"
        f"card {' '.join(q.card[i : i + 4] for i in range(0, 16, 4))} 12/27 123\n"
    )
    (told,) = run_json("leak", str(tmp_path / "a.txt"))
    assert told["summary"]["by_kind"] == {"us-ssn": 2, "iban": 1, "payment-card": 1}
