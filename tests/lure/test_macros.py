"""Macros: what is read of VBA and Excel 4, in the forms in which office files carry them."""

from __future__ import annotations

import base64
import contextlib
import io
import struct
import zipfile
import zlib

import pytest
from hypothesis import given, settings, strategies as st

from tests.lure.ole import compound, document, packed
from tidegauge.content.macros import decompress, find_macros

RUNS = 'Sub AutoOpen()\r\nShell "powershell -enc x"\r\nEnd Sub\r\n'
SAID = ["macros", "runs by itself", "can load or run programs"]


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def presentation(code: str, *, ends: bool) -> bytes:
    """A presentation as PowerPoint 97 saves it: the project as a packed record of the document's stream."""
    project = document(code)
    stream = zlib.compress(project) if ends else zlib.compress(project)[:-4]
    record = struct.pack("<HHII", 0x10, 0x1011, len(stream) + 4, len(project)) + stream
    return compound({"PowerPoint Document": bytes(5000) + record + bytes(3000), "Current User": bytes(60)})


@pytest.mark.parametrize(
    "data",
    [
        document(RUNS),
        archive({"[Content_Types].xml": b"<Types/>", "word/vbaProject.bin": document(RUNS)}),
        archive({"[Content_Types].xml": b"<Types/>", "ppt/somethingElse.bin": document(RUNS)}),
        presentation(RUNS, ends=True),
        presentation(RUNS, ends=False),
        b"<w:binData w:name='editdata.mso'>" + base64.encodebytes(document(RUNS)) + b"</w:binData>",
        b"MIME-Version: 1.0\r\n\r\n"
        + base64.encodebytes(b"ActiveMime" + bytes(40) + zlib.compress(document(RUNS))),
    ],
    ids=["binary", "open-xml", "open-xml-renamed", "presentation", "presentation-without-end", "word-2003-xml", "mht"],
)
def test_macros_are_found_in_every_form_that_carries_them(data: bytes) -> None:
    assert find_macros(data).says() == SAID


def test_links_that_macros_put_together_are_found() -> None:
    hidden = base64.b64encode(b"http://four.example/d.exe").decode()
    code = (
        'Sub Workbook_Open()\r\na = "ht" & "tp://one.example/" _\r\n'
        'b = StrReverse("exe.b/elpmaxe.owt//:ptth")\r\n'
        'c = Chr(104) & Chr(&H74) & "tp://three.example/c"\r\n'
        f'd = "{hidden}"\r\nEnd Sub\r\n'
    )
    assert set(find_macros(document(code)).links()) == {
        "http://one.example/", "http://two.example/b.exe", "http://three.example/c", "http://four.example/d.exe",
    }


def test_a_comment_calls_nothing() -> None:
    code = "Sub Format()\r\n' Shell, CreateObject and AutoOpen are only talked about\r\nx = \"it's\"\r\nEnd Sub\r\n"
    assert find_macros(document(code)).says() == ["macros"]


def test_modules_are_read_where_the_directory_is_damaged() -> None:
    found = find_macros(compound({
        "Macros/VBA/dir": b"\x01junk", "Macros/VBA/_VBA_PROJECT": b"\xcc\x61",
        "Macros/VBA/Module1": bytes(77) + packed(b'Attribute VB_Name = "Module1"\r\n' + RUNS.encode()),
    }))
    assert found.says() == SAID


def test_modules_without_readable_source_are_macros_all_the_same() -> None:
    found = find_macros(compound({"VBA/dir": b"\x01junk", "VBA/Module1": bytes(900)}))
    assert (found.says(), found.modules, found.sources) == (["macros"], 1, [])


def test_excel_4_macro_sheets_are_macros() -> None:
    sheet = b"<xm:macrosheet><f>EXEC(&quot;calc.exe&quot;)</f></xm:macrosheet>"
    said = find_macros(archive({"[Content_Types].xml": b"", "xl/macrosheets/sheet1.xml": sheet})).says()
    assert said == ["macros", "can load or run programs", "names files or addresses"]
    name = struct.pack("<IBBBB", 0, 2, 1, 6, 0) + b"Macro1"
    book = struct.pack("<HH", 0x809, 4) + bytes(4) + struct.pack("<HH", 0x85, len(name)) + name
    assert find_macros(compound({"Workbook": book})).says() == ["macros"]


def test_files_without_macros_have_none() -> None:
    for data in (b"", b"text", compound({"WordDocument": bytes(600)}), archive({"[Content_Types].xml": b""})):
        assert find_macros(data).says() == []


@given(st.binary(max_size=9000))
def test_what_was_packed_is_unpacked(data: bytes) -> None:
    assert decompress(packed(data)) == data


@settings(max_examples=300)
@given(st.binary(max_size=5000))
def test_hostile_containers_end_and_stay_small(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert len(decompress(b"\x01" + data, most=100_000)) <= 100_000
