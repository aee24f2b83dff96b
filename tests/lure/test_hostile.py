"""Mails made to break their reader: bounded time and memory, one clear line each."""

from __future__ import annotations

import gzip
import io
import resource
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.lure.make import BRANDS, die, hang, judge, link_pdf, mail, names_of, zipped
from tests.lure.ole import compound, document
from tidegauge.content import Apart, parse_mail, read_page, sandbox
from tidegauge.content.attachments import look_inside
from tidegauge.lure import Judge
from tidegauge.lure.reading import Given, Left, given as items_of

PATIENCE_S = 20


def nested(depth: int) -> bytes:
    out = b"From: a@b.example\nSubject: deep\n"
    for i in range(depth):
        out += b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (i, i)
    return out + b"Content-Type: text/plain\n\nhttps://paypal-login.example-verify.top/x verify your account\n"


def bomb() -> bytes:
    """A gigabyte of zeros in a megabyte."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros.txt", "w") as file:
        for _ in range(1024):
            file.write(bytes(1 << 20))
    return out.getvalue()


def test_mails_nested_a_thousand_deep_are_read() -> None:
    begun = time.monotonic()
    found = judge(nested(1000))
    assert time.monotonic() - begun < PATIENCE_S
    assert "link-plays" in names_of(found)
    assert any("nested" in trouble for trouble in found.item.troubles)


def test_mails_attached_in_mails_end_somewhere() -> None:
    data = mail()
    for _ in range(60):
        data = b"From: a@b.example\nSubject: x\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n" + data
    begun = time.monotonic()
    judge(data)
    assert time.monotonic() - begun < PATIENCE_S


@pytest.mark.parametrize("name", ["zip", "gzip", "zip in zip"])
def test_bombs_are_not_unfolded(name: str) -> None:
    data = {
        "zip": bomb,
        "gzip": lambda: gzip.compress(bytes(1 << 30), 6),
        "zip in zip": lambda: zipped({"a.zip": bomb()}),
    }[name]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    found = judge(mail(attached=(("a.zip", "application/zip", data),)))
    assert time.monotonic() - begun < PATIENCE_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10
    assert any("unfolds" in trouble for trouble in found.item.troubles), found.item.troubles


def test_archives_in_archives_are_opened_so_far_and_no_further() -> None:
    data = zipped({"x.js": b"1"})
    for _ in range(30):
        data = zipped({"a.zip": data})
    found = judge(mail(attached=(("a.zip", "application/zip", data),)))
    assert any("packed more than" in trouble for trouble in found.item.troubles)


def test_a_mail_of_a_hundred_megabytes_is_judged_by_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "large.eml"
    head = mail(subject="Your account is suspended: verify your account", sender="PayPal <x@stay.example.net>")
    with path.open("wb") as file:
        file.write(head)
        for _ in range(100):
            file.write((b"A" * 75 + b"\n") * 14_000)
    code = (
        "import re,json\nfrom click.testing import CliRunner\nfrom tidegauge.cli import program\n"
        f"r=CliRunner().invoke(program,['lure',{str(path)!r},'--json'])\n"
        "o=json.loads(r.stdout)\n"
        "print(o['findings'][0]['verdict'], o['skipped'][0]['why'], \n"
        # Of this program alone: what getrusage tells begins with what its parent had.
        "    int(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]) >> 10)"
    )
    begun = time.monotonic()
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert time.monotonic() - begun < 2 * PATIENCE_S
    assert told[0] != "unremarkable"
    assert "first" in told
    assert int(told[-1]) < 700


def test_pages_of_endless_depth_or_length_are_read_in_time() -> None:
    for markup in (
        "<div>" * 300_000 + "x",
        "<a href='http://a.example'>" * 100_000,
        "<table><tr>" * 50_000,
        "&#" * 500_000,
        "<" * 900_000,
    ):
        begun = time.monotonic()
        read_page(markup)
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.pdf", b"%PDF-1.7\n" + b"1 0 obj<</Kids[1 0 R]>>endobj " * 2000),
        ("b.pdf", link_pdf("https://x.example/")[:200]),
        ("a.doc", compound({"WordDocument": bytes(100)})[:700]),
        ("b.doc", document("Sub x()\nEnd Sub")[:1500]),
        ("c.doc", bytes.fromhex("d0cf11e0a1b11ae1") + b"\xff" * 5000),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(2000)),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + b"\xff" * 300),
        ("a.rar", b"Rar!\x1a\x07\x01\x00" + b"\xff" * 300),
        ("a.zip", b"PK\x03\x04" + b"\xff" * 500),
        ("a.gz", b"\x1f\x8b" + b"\xff" * 99),
    ],
)
def test_broken_attachments_are_one_line_each(name: str, data: bytes) -> None:
    found = judge(mail(attached=((name, "application/octet-stream", data),)))
    assert len(found.item.troubles) <= 1
    assert all(trouble.startswith(name) and len(trouble) < 250 for trouble in found.item.troubles)


@pytest.mark.parametrize(("reader", "told"), [(hang, "not opened within"), (die, "died")])
def test_a_reader_that_hangs_or_dies_takes_nothing_with_it(
    reader: object, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "LIMIT_S", 3.0)
    with Apart() as opened:
        for replaced in (reader, look_inside):
            monkeypatch.setattr(sandbox, "look_inside", replaced)
            found = opened.open(b"%PDF-" + bytes(100), "pdf", "x.pdf").troubles
            assert (told in found[0]) == (replaced is reader)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=3000))
def test_any_bytes_are_a_mail_or_none(data: bytes) -> None:
    for wrapped in (data, b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n" + data):
        parse_mail(wrapped)
        assert 0 <= Judge(BRANDS).mail("x", wrapped).score <= 1


HEADER = st.sampled_from(
    ["From", "To", "Subject", "Reply-To", "Content-Type", "Message-ID", "Return-Path", "Date", "DKIM-Signature"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(HEADER, st.text(max_size=80)), max_size=12), st.text(max_size=400), st.text(max_size=400))
def test_any_headers_and_pages_are_judged(headers: list[tuple[str, str]], text: str, markup: str) -> None:
    head = "".join(f"{name}: {value}\n" for name, value in headers).encode("utf-8", "surrogatepass")
    body = f'<p>{text}<a href="{markup}">{text}'.encode("utf-8", "surrogatepass")
    found = Judge(BRANDS).mail("x", head + b"MIME-Version: 1.0\nContent-Type: text/html\n\n" + body)
    found.finding().to_json()


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(
        ["pdf", "zip", "ole", "image", "rtf", "tar", "gzip", "bzip2", "xz", "7z", "rar", "html", "text", "data"]
    ),
    st.binary(max_size=2000),
)
def test_any_bytes_are_looked_into(kind: str, data: bytes) -> None:
    assert len(look_inside(data, kind, "x").troubles) <= 20


def test_what_is_no_mail_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(1000))
    (tmp_path / "b.txt").write_text("hello there, this is no list of links\nnor a mail\n")
    (tmp_path / "c.eml").write_bytes(b"")
    (tmp_path / "d.eml").write_bytes(mail())
    found = list(items_of([str(tmp_path), str(tmp_path / "none.eml")], io.BytesIO()))
    assert [type(one) for one in found] == [Left, Left, Left, Given, Left]
    assert all(one.why for one in found if isinstance(one, Left))
