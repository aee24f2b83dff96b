"""What goes out and comes in: STIX and MISP by their own libraries, bundles on an empty machine, marks, pseudonyms."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymisp import MISPEvent
from stix2 import parse
from stix2validator import ValidationOptions, validate_string

from tidegauge.case import CaseFile, verify_bundle
from tidegauge.model import InputError, UsageError
from tidegauge.site import load_site

Run = Callable[..., tuple[int, Any]]


def exported(site: Path, form: str, **more: Any) -> bytes:
    return CaseFile(load_site(site), "anna").export("autumn", form, **more)


def test_stix_passes_the_oasis_validator_and_library(site: Path) -> None:
    text = exported(site, "stix").decode()
    found = validate_string(text, ValidationOptions(version="2.1"))
    assert found.is_valid, [str(e) for e in found.errors]
    bundle = parse(text, allow_custom=True)
    kinds = [one["type"] for one in bundle.objects]
    assert kinds.count("note") == 4
    assert "report" in kinds
    assert "opinion" in kinds
    assert any(one["type"] == "ipv4-addr" and one["value"] == "210.52.109.9" for one in bundle.objects)
    assert exported(site, "stix").decode() == text  # the same case gives the same names


def test_misp_comes_back_from_its_library_as_it_was(site: Path) -> None:
    told = json.loads(exported(site, "misp"))
    event = MISPEvent()
    event.from_dict(**told["Event"])
    again = json.loads(event.to_json())
    assert again["uuid"] == told["Event"]["uuid"]
    assert [(a["type"], a["value"]) for a in again["Attribute"]] == [
        (a["type"], a["value"]) for a in told["Event"]["Attribute"]
    ]
    assert [tag["name"] for tag in again["Tag"]] == ["tlp:amber"]


@pytest.mark.parametrize("form", ["stix", "bundle"])
def test_a_second_site_reaches_the_same_verdicts(site: Path, run: Run, tmp_path: Path, form: str) -> None:
    path = tmp_path / "theirs"
    path.write_bytes(exported(site, form))
    other = tmp_path / "other"
    shutil.copytree(site, other)
    CaseFile(load_site(other), "bruno").new("theirs")
    status, told = run(other, "import", "theirs", str(path), "--graded", "B3", "--ask")
    assert status == 0
    assert [one["verb"] for one in told["asked"]] == ["ask", "coverage", "origin"]
    mine = CaseFile(load_site(site), "anna").get("autumn").of("evidence")
    ours = CaseFile(load_site(other), "bruno").get("theirs")
    assert [e.body["result_hash"] for e in ours.of("evidence")] == [e.body["result_hash"] for e in mine]
    claims = ours.of("claim")
    assert {c.body["graded"] for c in claims} == {"B3"}
    assert any("It came through your network." in c.body["text"] for c in claims)


def test_misp_and_indicators_of_others_are_claims_and_marks_and_no_truth(site: Path, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_text(
        json.dumps(
            {
                "Event": {
                    "info": "x",
                    "Orgc": {"name": "CERT Elsewhere"},
                    "Attribute": [
                        {"type": "ip-dst", "value": "203.0.113.77", "timestamp": "1416800000"},
                        {"type": "comment", "value": "They used this host", "timestamp": "1416800000"},
                    ],
                }
            }
        )
    )
    assert run(site, "import", "autumn", str(path), "--watch", "theirs")[1] == {
        "claims": 1,
        "indicators": 1,
        "asked": [],
        "left_out": [],
    }
    files = CaseFile(load_site(site), "anna")
    claim = files.get("autumn").of("claim")[-1]
    assert (claim.body["by"], claim.body["graded"]) == ("CERT Elsewhere", "F6")
    made = files.evidence("autumn", "ask", {"watch": "theirs", "since": "2014-11-28", "baseline": "5d"})
    assert made.body["result"]["detection_limit"]
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(Exception, match="nothing in it"):
        run(site, "import", "autumn", str(tmp_path / "no.json"))


def bundle(site: Path, tmp_path: Path) -> Path:
    path = tmp_path / "autumn.zip"
    path.write_bytes(exported(site, "bundle"))
    return path


def test_a_bundle_verifies_on_an_empty_machine(site: Path, tmp_path: Path) -> None:
    path = bundle(site, tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [sys.executable, "-m", "tidegauge.cli", "case", "verify", str(path), "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=empty, env={"PATH": "/usr/bin", "HOME": str(empty)}
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["status"], told["chain"]) == ("same", "whole")
    assert [item["id"] for item in told["items"]] == ["E1", "E2", "E3"]
    assert len(told["fingerprint"].split()) == 10
    assert not list(empty.iterdir())
    with zipfile.ZipFile(path) as archive:
        page = archive.read("index.html").decode()
    assert "It came through your network." in page
    assert "<script" not in page


def altered(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def a_result(files: dict[str, bytes]) -> None:
    files["evidence/E1.json"] = files["evidence/E1.json"].replace(b"cannot_say", b"no_surge")


def a_claim(files: dict[str, bytes]) -> None:
    files["case.json"] = files["case.json"].replace(b"your network", b"our network")


def a_statement(files: dict[str, bytes]) -> None:
    files["statement.en.md"] = files["statement.en.md"].replace(b"We saw", b"We did not see")


def one_more(files: dict[str, bytes]) -> None:
    files["files/more"] = b"x"


def one_less(files: dict[str, bytes]) -> None:
    del files["statement.zh-TW.md"]


def new_sums(files: dict[str, bytes]) -> None:
    import hashlib

    a_statement(files)
    sums = json.loads(files["checksums.json"])
    sums["statement.en.md"] = hashlib.sha256(files["statement.en.md"]).hexdigest()
    files["checksums.json"] = json.dumps(sums).encode()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (a_result, "evidence/E1.json"),
        (a_claim, "(C1) was altered"),
        (a_statement, "statement.en.md"),
        (one_more, "files/more"),
        (one_less, "statement.zh-TW.md"),
        (new_sums, "its signature does not fit"),
    ],
)
def test_what_was_altered_in_a_bundle_is_named(
    site: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], named: str
) -> None:
    found, _ = verify_bundle(altered(bundle(site, tmp_path), change))
    assert found.status == "tampered"
    assert named in str(found.to_json())


def test_a_bundle_that_was_altered_is_not_taken_in(site: Path, run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the bundle was altered"):
        run(site, "import", "autumn", str(altered(bundle(site, tmp_path), a_claim)))


def test_a_mark_keeps_back_what_it_forbids(site: Path, tmp_path: Path) -> None:
    files = CaseFile(load_site(site), "anna")
    files.claim("autumn", "A source", "The name of the host is secret", tlp="TLP:RED")
    for form in ("stix", "misp", "csv", "bundle"):
        assert b"is secret" not in exported(site, form)
        assert b"is secret" not in b"".join(zip_of(exported(site, form))) if form == "bundle" else True
    with pytest.raises(UsageError, match="does not go out as TLP:CLEAR"):
        exported(site, "csv", audience="TLP:CLEAR")
    assert b"is secret" in exported(site, "csv", audience="TLP:RED")
    found, about = verify_bundle(bundle(site, tmp_path))
    assert (found.status, about["left_out"]) == ("same", 1)


def zip_of(data: bytes) -> list[bytes]:
    import io

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [archive.read(name) for name in archive.namelist()]


def test_pseudonyms_hide_our_hosts(site: Path, tmp_path: Path) -> None:
    # Under a random key the first two octets stay the same about once in 150 times, which is how the method is.
    (site / "keys").mkdir(exist_ok=True)
    (site / "keys" / "pseudonyms.key").write_bytes(bytes(range(32)))
    files = CaseFile(load_site(site), "anna")
    files.evidence("autumn", "top", {"by": ["home"], "since": "2014-11-28", "n": 5})
    files.add("autumn", "note", {"text": "look at 198.18.7.7"})
    assert b"198.18." in exported(site, "csv")
    for form in ("stix", "misp", "csv"):
        assert b"198.18." not in exported(site, form, pseudonyms=True)
    path = tmp_path / "hidden.zip"
    path.write_bytes(exported(site, "bundle", pseudonyms=True))
    assert b"198.18." not in b"".join(zip_of(path.read_bytes()))
    assert verify_bundle(path)[0].status == "same"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no zip", b"PK\x05\x06" + bytes(18), b"{" * 100])
def test_what_is_no_bundle_is_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "tidegauge.cli", "case", "verify", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "not a bundle" in done.stderr


@pytest.mark.skipif(shutil.which("minisign") is None, reason="Debian's minisign is not here")
@pytest.mark.parametrize("own", [False, True], ids=["the site's key", "the team's key"])
def test_minisign_verifies_a_bundle_without_this_program(site: Path, run: Run, tmp_path: Path, own: bool) -> None:
    if own:
        subprocess.run(["minisign", "-G", "-W", "-p", "team.pub", "-s", "team.key"], cwd=site, check=True,
                       capture_output=True)
        with (site / "tidegauge.toml").open("a") as file:
            file.write('\n[case]\nsign_key = "team.key"\n')
    path = bundle(site, tmp_path)
    public = tmp_path / "ours.pub"
    assert run(site, "key", "-o", str(public), as_json=False)[0] == 0
    if own:
        assert public.read_text().splitlines()[1] == (site / "team.pub").read_text().splitlines()[1]
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "out")
    check = ["minisign", "-V", "-p", str(public), "-m", "checksums.json"]
    done = subprocess.run(check, cwd=tmp_path / "out", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "case autumn, " in done.stdout
    (tmp_path / "out" / "checksums.json").write_bytes(b"{}")
    assert subprocess.run(check, cwd=tmp_path / "out", capture_output=True).returncode != 0
    status, told = run(site, "verify", str(path), "--key", str(public))
    assert (status, told["status"]) == (0, "same")
    assert told["key"] == public.read_text().splitlines()[1]


def test_a_bundle_that_another_key_signed_is_not_theirs(site: Path, run: Run, tmp_path: Path) -> None:
    path, public = bundle(site, tmp_path), tmp_path / "ours.pub"
    run(site, "key", "-o", str(public), as_json=False)
    (site / "keys" / "sign.key").unlink()  # somebody else's key
    status, told = run(site, "verify", str(bundle(site, tmp_path)), "--key", str(public))
    assert (status, told["status"]) == (12, "tampered")
    assert "another key" in str(told["items"])
    assert path.exists()


def test_a_key_that_cannot_sign_is_one_error(site: Path, tmp_path: Path) -> None:
    with (site / "tidegauge.toml").open("a") as file:
        file.write('\n[case]\nsign_key = "team.key"\n')
    with pytest.raises(UsageError, match="not a secret key of minisign"):
        exported(site, "bundle")
    (site / "team.key").write_bytes(b"\xff" * 200)
    with pytest.raises(UsageError, match="not a secret key of minisign"):
        exported(site, "bundle")
