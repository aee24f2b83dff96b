"""Mails, pages and files as their senders make them."""

from __future__ import annotations

import io
import os
import signal
import time
import zipfile
from email.message import EmailMessage

import pypdfium2
import zxingcpp
from PIL import Image

from tidegauge.lure import Authentic, Brands, Judge, Judged, read_brands

BRANDS = Brands(read_brands())


def mail(
    *, sender: str = "Tom Becker <tom@becker.example>", to: str = "Jo Miller <jo.miller@nrn.example>",
    subject: str = "Samstag", text: str = "Hallo Jo, bis Samstag!", html: str | None = None,
    attached: tuple[tuple[str, str, bytes], ...] = (), **headers: str,
) -> bytes:
    """A mail; `attached` are name, type and bytes."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = "Tue, 03 Mar 2026 09:12:00 +0100"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    for name, kind, data in attached:
        main, _, sub = kind.partition("/")
        message.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return message.as_bytes()


def page(*links: tuple[str, str], text: str = "Guten Tag.") -> str:
    rows = "".join(f'<p><a href="{target}">{shown}</a></p>' for shown, target in links)
    return f"<html><body><p>{text}</p>{rows}</body></html>"


def judge(data: bytes, authentic: Authentic | None = None) -> Judged:
    """The judgement of a mail, its attachments opened."""
    from tidegauge.content import Apart

    with Apart(here=True) as apart:
        return Judge(BRANDS, apart, authentic or Authentic()).mail("it.eml", data)


def names_of(one: Judged) -> set[str]:
    return {signal.name for signal, _ in one.reasons}


def zipped(files: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def code_image(url: str) -> Image.Image:
    """A QR code as a picture."""
    code = zxingcpp.create_barcode(url, zxingcpp.BarcodeFormat.QRCode)
    small = Image.fromarray(zxingcpp.write_barcode_to_image(code, scale=6))
    wide = Image.new("L", (small.width + 60, small.height + 60), 255)
    wide.paste(small, (30, 30))
    return wide


def code_png(url: str) -> bytes:
    out = io.BytesIO()
    code_image(url).save(out, "PNG")
    return out.getvalue()


def code_pdf(url: str) -> bytes:
    out = io.BytesIO()
    code_image(url).save(out, "PDF")
    return out.getvalue()


def link_pdf(url: str) -> bytes:
    """A PDF of one page with one link over it."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Annots [4 0 R] >>",
        b"<< /Type /Annot /Subtype /Link /Rect [10 10 190 190] /A << /S /URI /URI (" + url.encode() + b") >> >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n" + table + b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n"
    out += b"%d\n%%%%EOF\n" % start
    assert len(pypdfium2.PdfDocument(out)) == 1
    return out


def docx(url: str) -> bytes:
    rels = (
        '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="hyperlink" Target="{url}" TargetMode="External"/></Relationships>'
    )
    return zipped({"[Content_Types].xml": b"<Types/>", "word/_rels/document.xml.rels": rels.encode(),
                   "word/document.xml": b"<w:document>Please see</w:document>"})


def hang(data: bytes, kind: str, name: str) -> None:
    """A reader that never ends."""
    time.sleep(600)


def die(data: bytes, kind: str, name: str) -> None:
    """A reader whose process is killed at it."""
    os.kill(os.getpid(), signal.SIGKILL)
