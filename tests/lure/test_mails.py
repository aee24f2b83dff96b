"""Senders, attachments and what a site knows: each as its own reason."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.lure.make import code_pdf, code_png, docx, judge, link_pdf, mail, names_of, page, zipped
from tidegauge.content import parse_mail
from tidegauge.lure import Authentic

EVIL = "https://evil-login.example.net/x"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"sender": "PayPal <info@stay.example.net>"}, "from-brand"),
        ({"sender": "PayPal <info@paypa1.com>"}, "from-plays"),
        ({"sender": '"ceo@nrn.example" <x@stay.example.net>'}, "from-address-in-name"),
        ({"sender": "Bank <info@fk1izdode6.com>"}, "from-generated"),
        ({"sender": "Bank <RzGncBGR@post.example.net>"}, "from-random"),
        ({"sender": "Bank Support <kunde.info@gmail.com>"}, "from-official-free"),
        ({"sender": "МеtаМask <info@stay.example.net>"}, "from-disguised"),
        ({"sender": "Miss Rose <rose@gmail.com>", "Reply_To": "rose22@outlook.com"}, "reply-free"),
        ({"to": "undisclosed-recipients:;"}, "hidden-recipients"),
        ({"subject": "[Wаllеt] Suspеnded"}, "disguised"),
        ({"subject": "Someone tried to Iog in to your account, verify"}, "disguised"),
    ],
)
def test_what_a_sender_says_of_itself_is_checked(headers: dict[str, str], reason: str) -> None:
    from tests.lure.make import BRANDS
    from tidegauge.lure.signals import signals

    assert reason in {s.name for s in signals(judge(mail(**headers)).item, BRANDS)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "kind", "data", "reason"),
    [
        ("rechnung.pdf.exe", "application/octet-stream", b"MZ" + bytes(100), "attached-endings"),
        ("invoice.zip", "application/zip", zipped({"invoice.js": b"var a = 1"}), "attached-program"),
        ("photo.jpg", "image/jpeg", b"MZ" + bytes(100), "attached-lies"),
        ("scan.iso", "application/octet-stream", bytes(32769) + b"CD001" + bytes(100), "attached-image"),
        (
            "note.one",
            "application/octet-stream",
            bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes(99),
            "attached-image",
        ),
        ("go.lnk", "application/octet-stream", b"L\0\0\0\x01\x14\x02\0" + bytes(99), "attached-program"),
        (
            "form.html",
            "text/html",
            b"<html><form action='https://x.example.net/p'><input type=password></form>",
            "attached-page",
        ),
        (
            "doc.html",
            "text/html",
            b"<html><script>var b=new Blob([atob('" + b"QUJD" * 9000 + b"')]);a.download='x.zip'</script>",
            "attached-smuggling",
        ),
        ("bill.pdf", "application/pdf", link_pdf(EVIL), "attached-link"),
        ("bill.docx", "application/octet-stream", docx(EVIL), "attached-link"),
        ("pay.png", "image/png", code_png(EVIL), "link-code"),
        ("pay.pdf", "application/pdf", code_pdf(EVIL), "link-code"),
    ],
)
def test_attachments_are_judged_by_what_they_are(name: str, kind: str, data: bytes, reason: str) -> None:
    from tests.lure.make import BRANDS
    from tidegauge.lure.signals import signals

    found = judge(mail(attached=((name, kind, data),)))
    assert reason in {s.name for s in signals(found.item, BRANDS)}, found.item.troubles
    assert found.item.troubles == []


def test_a_locked_archive_is_said_to_be_locked(tmp_path: Path) -> None:
    import py7zr

    path = tmp_path / "x.7z"
    with py7zr.SevenZipFile(path, "w", password="secret", header_encryption=True) as archive:
        archive.writestr(b"x", "invoice.exe")
    assert "attached-locked" in names_of(
        judge(mail(attached=(("x.7z", "application/x-7z-compressed", path.read_bytes()),)))
    )


def test_macros_are_found_and_said_to_run_by_themselves() -> None:
    from tests.lure.ole import document

    found = judge(
        mail(attached=(("order.doc", "application/msword", document('Sub AutoOpen()\nShell "calc.exe"\nEnd Sub\n')),))
    )
    says = next(s.says for s, _ in found.reasons if s.name == "attached-macros")
    assert "runs by itself" in says
    assert found.verdict != "unremarkable"


def test_a_mail_that_is_passed_on_is_judged_by_the_worse_of_both() -> None:
    inner = mail(
        sender="PayPal <service@stay.example.net>", subject="Your account is suspended",
        html=page(("Verify your account", "https://paypal-login.example-verify.top/x"), text="Verify within 24 hours."),
    )
    import email
    from email.message import EmailMessage

    outer = EmailMessage()
    outer["From"], outer["To"], outer["Subject"] = "Uli <uli@nrn.example>", "cert@nrn.example", "Ist das echt?"
    outer.set_content("Bitte schaut euch das an.")
    outer.add_attachment(email.message_from_bytes(inner, policy=email.policy.default))
    found = judge(outer.as_bytes())
    assert found.verdict == "phishing"
    assert found.attached[0].item.subject == "Your account is suspended"
    assert any("PayPal" in reason for reason in found.finding().reasons)


def auth(text: str, host: str = "mx.nrn.example") -> dict[str, str]:
    return {"Authentication_Results": f"{host}; {text}"}


def test_only_the_sites_own_servers_are_believed_about_senders() -> None:
    ours = Authentic(hosts=frozenset({"mx.nrn.example"}))
    failed = "dmarc=fail header.from=becker.example; spf=fail smtp.mailfrom=tom@becker.example"
    neutral = judge(mail(), ours).score
    assert judge(mail(**auth(failed)), ours).score > neutral
    assert judge(mail(**auth(failed, "mx.other.example")), ours).score == neutral
    good = "dmarc=pass header.from=becker.example; dkim=pass header.d=becker.example"
    assert judge(mail(**auth(good)), ours).score < neutral
    assert judge(mail(**auth(good))).score == neutral  # no servers are named


def test_known_senders_count_only_where_nothing_speaks_against_them() -> None:
    bad = {"sender": "Netflix <news@becker.example>", "subject": "Your account is suspended: verify your account"}
    known = Authentic(domains=frozenset({"becker.example"}))
    assert judge(mail(**bad)).verdict != "unremarkable"  # type: ignore[arg-type]
    found = judge(mail(**bad), known)  # type: ignore[arg-type]
    assert found.verdict == "unremarkable"
    assert any("list of known" in s.says for s, _ in found.reasons)
    checked = Authentic(hosts=frozenset({"mx.nrn.example"}), domains=frozenset({"becker.example"}))
    assert judge(mail(**bad), checked).verdict != "unremarkable"  # type: ignore[arg-type]


def test_signatures_are_checked_with_the_key_that_is_given() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    import base64

    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    plain = mail().replace(b"\n", b"\r\n")
    signed = dkim.sign(plain, b"s1", b"becker.example", private) + plain
    ours = Authentic(keys={"s1._domainkey.becker.example": record})
    says = [s.says for s, _ in judge(signed, ours).reasons]
    assert any("signature by becker.example is good" in text for text in says)
    forged = [s.says for s, _ in judge(signed.replace(b"Samstag!", b"Sonntag!"), ours).reasons]
    assert any("does not fit" in text for text in forged)


def test_outlook_messages_are_read_as_the_mails_they_were(tmp_path: Path) -> None:
    from tests.lure.ole import outlook
    from tidegauge.content import is_msg, msg_to_mail

    data = outlook(
        subject="Ihr Konto",
        sender="PayPal",
        address="x@stay.example.net",
        body="Bitte bestätigen Sie Ihr Konto",
        html="<a href='https://paypal-konto.example.top/'>Hier</a>",
        attached=("a.js", b"var a"),
    )
    assert is_msg(data)
    found = parse_mail(msg_to_mail(data))
    assert found.addresses("from")[0].address == "x@stay.example.net"
    assert found.header("subject") == "Ihr Konto"
    assert "paypal-konto" in found.html
    assert [a.name for a in found.attachments] == ["a.js"]
    assert judge(msg_to_mail(data)).verdict == "phishing"


@pytest.mark.parametrize("charset", ["utf-8", "big5", "gb18030", "iso-8859-1", "utf-16", "koi8-r"])
def test_text_is_read_in_every_encoding(charset: str) -> None:
    text = {"iso-8859-1": "Bestätigen", "koi8-r": "Привет"}.get(charset, "請立即驗證您的帳號")
    raw = f"From: a@b.example\nSubject: x\nContent-Type: text/plain; charset={charset}\n\n".encode() + text.encode(
        charset
    )
    assert text in parse_mail(raw).text


def test_a_reason_says_where_it_stands() -> None:
    found = judge(mail(text="Guten Tag.\nBitte bestätigen Sie Ihr Konto innerhalb von 24 Stunden."))
    places = {p["signal"]: p for p in found.finding().evidence["places"]}
    at = places["asks-login"]
    assert found.item.text[at["start"] : at["end"]].lower().startswith("bestätigen sie")


@pytest.mark.skipif(
    subprocess.run(["which", "spamassassin"], capture_output=True, check=False).returncode != 0,
    reason="no SpamAssassin here",
)
def test_spamassassin_reads_the_mails_that_we_make() -> None:
    done = subprocess.run(["spamassassin", "-L", "-t"], input=mail(), capture_output=True, check=False, timeout=120)
    assert b"X-Spam-Status" in done.stdout
